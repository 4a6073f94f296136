"""Certificates and competition results of students, which the transcript of the year prints (page B
of the form).
"""

from collections.abc import Sequence
from enum import IntEnum

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.entry import acts, targets
from services.gradebook.entry.store import achievements, class_data, holding
from services.gradebook.entry.store import acts as act_store
from services.gradebook.entry.store.achievements import NewAchievement
from services.gradebook.entry.store.sheets import Target
from services.gradebook.entry.store.texts import TextRow, changed_texts
from services.gradebook.model import roster_rules, sheet_rules
from services.gradebook.model.acts import DIGEST_VERSION, Entered, EntryRequest
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.lifecycle import BookState
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, year_lock

MAX_LENGTH = 300
"""Characters of one line; the limit of the transcript's shape."""


class AchievementKind(IntEnum):
    """Which line of the form; the proto's AchievementKind."""

    CERTIFICATES = 1
    COMPETITION = 2


def enter_achievements(
    database: Database,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    *,
    kind: int,
    rows: Sequence[tuple[str, str]],
) -> Entered:
    """Enter what students of a class have of one kind in the school year, all or nothing (homeroom
    teacher).

    rows: moet_student_id and text, empty to take it away. Raises Invalid; Forbidden ROLE_REQUIRED;
    NotFound; Rejected BOOK_LOCKED when a transcript alive of the year holds it,
    SCHOOL_NOT_AUTHORISED; Conflict REQUEST_ID_REUSED.
    """
    _check(ref, kind)
    _check_rows(rows)
    with database.transaction() as tx:
        target = targets.homeroom_target(tx, caller, ref, Permission.ENTER_ACHIEVEMENTS)
        year_lock.hold_year(tx, target.year_id)
        answer = acts.earlier_answer(tx, request, EntryKind.ACHIEVEMENTS, caller)
        if answer is not None:
            return answer.texts
        ids = _students(tx, target, [student for student, _ in rows])
        _check_free(tx, target, ids)
        sent = dict(zip(ids, (text for _, text in rows), strict=True))
        return _write(tx, caller, request, ref, target, kind=AchievementKind(kind), sent=sent)


def get_achievements(database: Database, caller: Caller, ref: ClassRef, *, kind: int, student: str) -> list[TextRow]:
    """What stands for each student of the class list, or with a student every version of theirs."""
    _check(ref, kind, student)
    with database.transaction() as tx:
        target = targets.find_target(tx, caller, ref, None)
        assert target.class_id is not None
        return achievements.of_class(tx, target.class_id, kind, student)


def _check(ref: ClassRef, kind: int, student: str = "") -> None:
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.one_of("kind", kind, set(AchievementKind))
    if student:
        findings.code("student", student)
    findings.refuse()


def _check_rows(rows: Sequence[tuple[str, str]]) -> None:
    findings = Findings()
    if findings.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS):
        for index, (_, text) in enumerate(rows):
            if text:
                findings.statement(f"rows[{index}].text", text, longest=MAX_LENGTH)
    findings.refuse()


def _students(tx: Tx, target: Target, names: Sequence[str]) -> list[int]:
    """The ids of the rows' students, who must be in the class now: the transcript is made where
    they end the year.
    """
    assert target.class_id is not None
    ids = class_data.student_ids(tx, target.class_id)
    gone = class_data.left_on(tx, [target.class_id]).get(target.class_id, {})
    present = {name: student for name, student in ids.items() if student not in gone}
    findings = Findings()
    seen: set[int] = set()
    ids_read = [
        sheet_rules.read_student(name, present, seen, f"rows[{index}].student", findings.violations, left=ids.keys())
        for index, name in enumerate(names)
    ]
    refuse(findings.violations)
    return [student for student in ids_read if student is not None]


def _check_free(tx: Tx, target: Target, students: Sequence[int]) -> None:
    states = holding.transcript_states(tx, target.year_id, students)
    if states:
        furthest = BookState(max(states))
        message = "Chứng chỉ, kết quả cuộc thi đã nằm trong học bạ đã chốt của năm học."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name, books=len(states))


def _write(
    tx: Tx,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    target: Target,
    *,
    kind: AchievementKind,
    sent: dict[int, str],
) -> Entered:
    newest = achievements.newest(tx, target.year_id, kind, list(sent))
    changed = [
        NewAchievement(target.year_id, text.student_id, int(kind), text.version, text.text)
        for text in changed_texts(newest, sent)
    ]
    entered = Entered(len(changed), len(sent) - len(changed))
    act = acts.new_act(request, EntryKind.ACHIEVEMENTS, target.class_id, caller)
    digest = act_store.add_act(tx, act, texts=entered, rows={"achievement": [line._asdict() for line in changed]})
    achievements.add(tx, act.request_id, changed)
    access.record(
        tx,
        caller,
        ref.school,
        "ACHIEVEMENTS_ENTERED",
        ref.resource,
        request=request.id,
        kind=kind.name,
        changed=entered.changed,
        achievements_sha256=digest,
        digest_version=DIGEST_VERSION,
    )
    return entered
