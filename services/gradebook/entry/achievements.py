"""Certificates and competition results of students, which the transcript of the year prints (page B of the form)."""

import hashlib
from collections.abc import Sequence
from enum import IntEnum

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.entry.acts import Entered, Request, find_target, homeroom_target, repeat
from services.gradebook.entry.store import achievements, class_data, holding
from services.gradebook.entry.store.achievements import AchievementEntry, AchievementRow
from services.gradebook.entry.store.marks import Target
from services.gradebook.model import roster_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.lifecycle import State
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, year_lock

MAX_LENGTH = 300
"""Characters of one line; the limit of the transcript's shape."""


class Kind(IntEnum):
    """Which line of the form; the proto's AchievementKind."""

    CERTIFICATES = 1
    COMPETITION = 2


def enter_achievements(
    database: Database, caller: Caller, request: Request, ref: ClassRef, kind: int, rows: Sequence[tuple[str, str]]
) -> Entered:
    """Enter what students of a class have of one kind in the school year, all or nothing (homeroom teacher).

    rows: moet_student_id and text, empty to take it away. Raises Invalid; Forbidden ROLE_REQUIRED; NotFound; Rejected
    BOOK_LOCKED when a living transcript of the year holds it, SCHOOL_NOT_AUTHORISED; Conflict REQUEST_ID_REUSED.
    """
    _check(ref, kind)
    _check_rows(rows)
    with database.transaction() as tx:
        target = homeroom_target(tx, caller, ref, Permission.ENTER_ACHIEVEMENTS)
        year_lock.hold_year(tx, target.year_id)
        earlier = achievements.earlier(tx, request.id)
        if earlier is not None:
            return repeat(earlier, request, caller)
        ids = _students(tx, target, [student for student, _ in rows])
        _check_free(tx, target, ids)
        texts = [text for _, text in rows]
        return _write(tx, caller, request, ref, target, Kind(kind), list(zip(ids, texts, strict=True)))


def get_achievements(
    database: Database, caller: Caller, ref: ClassRef, kind: int, student: str
) -> list[AchievementRow]:
    """What stands for each student of the class list, or with a student every version of theirs."""
    _check(ref, kind, student)
    with database.transaction() as tx:
        target = find_target(tx, caller, ref, None)
        assert target.class_id is not None
        return achievements.of_class(tx, target.class_id, kind, student)


def _check(ref: ClassRef, kind: int, student: str = "") -> None:
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.one_of("kind", kind, set(Kind))
    if student:
        found.code("student", student)
    found.refuse()


def _check_rows(rows: Sequence[tuple[str, str]]) -> None:
    found = Findings()
    if found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS):
        for index, (_, text) in enumerate(rows):
            if text:
                found.statement(f"rows[{index}].text", text, longest=MAX_LENGTH)
    found.refuse()


def _students(tx: Tx, target: Target, names: Sequence[str]) -> list[int]:
    """The ids of the rows' students, who must be in the class now: the transcript is made where they end the year."""
    assert target.class_id is not None
    ids = class_data.student_ids(tx, target.class_id)
    gone = class_data.left_on(tx, [target.class_id]).get(target.class_id, {})
    present = {name: one for name, one in ids.items() if one not in gone}
    found = Findings()
    seen: set[int] = set()
    read = [
        sheet_rules.read_student(name, present, seen, f"rows[{index}].student", found.violations, ids.keys())
        for index, name in enumerate(names)
    ]
    refuse(found.violations)
    return [one for one in read if one is not None]


def _check_free(tx: Tx, target: Target, students: Sequence[int]) -> None:
    states = holding.transcript_states(tx, target.year_id, students)
    if states:
        furthest = State(max(states))
        message = "Chứng chỉ, kết quả cuộc thi đã nằm trong học bạ đã chốt của năm học."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name, books=len(states))


def _write(
    tx: Tx,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    target: Target,
    kind: Kind,
    rows: Sequence[tuple[int, str]],
) -> Entered:
    now = achievements.versions(tx, target.year_id, kind, [student for student, _ in rows])
    changed = []
    for student, text in rows:
        version, standing = now.get(student, (0, ""))
        if text != standing:
            changed.append((student, version + 1, text))
    answer = Entered(len(changed), len(rows) - len(changed))
    person = access.person(caller, ref.school)
    act = AchievementEntry(request.id, request.sha256, person, caller.client, answer.changed, answer.unchanged)
    achievements.add(tx, act, target.year_id, kind, changed)
    access.record(
        tx,
        caller,
        ref.school,
        "ACHIEVEMENTS_ENTERED",
        ref.resource,
        request=request.id,
        kind=kind.name,
        changed=answer.changed,
        achievements_sha256=hashlib.sha256(repr(changed).encode()).hexdigest(),
    )
    return answer
