"""Remarks of teachers on students, which teacher's book and transcript print.

A remark is entered alone, or with a sheet of marks (`marks_with_remarks`).
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.entry import acts, targets
from services.gradebook.entry.store import acts as act_store
from services.gradebook.entry.store import class_data, holding, remarks
from services.gradebook.entry.store.remarks import NewRemark
from services.gradebook.entry.store.sheets import Target
from services.gradebook.entry.store.texts import TextRow, changed_texts
from services.gradebook.model import roster_rules, sheet_rules
from services.gradebook.model.acts import DIGEST_VERSION, Entered, EntryAct, EntryRequest, Row
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.lifecycle import BookState
from services.gradebook.model.permissions import Permission
from services.gradebook.model.remark_rules import check_remark
from services.gradebook.roster import access, year_lock


class Period(IntEnum):
    """What a remark is about; the proto's RemarkPeriod."""

    SEMESTER_1 = 1
    SEMESTER_2 = 2
    WHOLE_YEAR = 3


class PlannedRemarks(NamedTuple):
    """Remarks of a subject ("" for the homeroom teacher's) and period that differ from what stands;
    not yet written.
    """

    subject: str
    period: int
    changed: list[NewRemark]
    entered: Entered

    @property
    def rows(self) -> list[Row]:
        """The rows, as they stand in the act's digest."""
        return [remark._asdict() for remark in self.changed]


def enter_remarks(
    database: Database,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    *,
    subject: str,
    period: int,
    rows: Sequence[tuple[str, str]],
) -> Entered:
    """Enter remarks, all or nothing: of a subject (its teacher in the class) or, without one, the
    homeroom teacher's.

    rows: moet_student_id and text, empty to take a remark away. Raises Invalid; Forbidden
    NOT_ASSIGNED, ROLE_REQUIRED; NotFound; Rejected BOOK_LOCKED when a book alive contains a remark;
    Conflict REQUEST_ID_REUSED.
    """
    _check(ref, subject, period, rows)
    with database.transaction() as tx:
        if subject:
            target = targets.subject_target(tx, caller, ref, subject, Permission.ENTER_SUBJECT_REMARKS)
        else:
            target = targets.homeroom_target(tx, caller, ref, Permission.ENTER_HOMEROOM_REMARKS)
        year_lock.hold_year(tx, target.year_id)
        answer = acts.earlier_answer(tx, request, EntryKind.REMARKS, caller)
        if answer is not None:
            return answer.texts
        planned = plan(tx, target, subject, period, rows)
        write_alone(tx, caller, request, ref, planned, class_id=target.class_id)
        return planned.entered


def get_remarks(
    database: Database, caller: Caller, ref: ClassRef, *, subject: str, period: int, student: str
) -> list[TextRow]:
    """The newest remark of each student, or with a student every version of theirs."""
    _check(ref, subject, period, [])
    with database.transaction() as tx:
        target = targets.find_target(tx, caller, ref, subject or None)
        assert target.class_id is not None
        return remarks.of_class(tx, target.class_id, target.subject_id, period, student)


def _check(ref: ClassRef, subject: str, period: int, rows: Sequence[tuple[str, str]]) -> None:
    roster_rules.check_class_ref(ref)
    findings = Findings()
    if subject:
        findings.subject_code("subject", subject)
    findings.one_of("period", period, set(Period))
    check_rows(findings, rows)
    findings.refuse()


def check_rows(findings: Findings, rows: Sequence[tuple[str, str]], field: str = "rows") -> None:
    """How many remarks there are, and what each says. field: how violations name their list."""
    findings.count(field, len(rows), 0, roster_rules.MAX_STUDENTS)
    for index, (_, text) in enumerate(rows):
        findings.violations += check_remark(f"{field}[{index}].text", text)


def plan(
    tx: Tx, target: Target, subject: str, period: int, rows: Sequence[tuple[str, str]], *, field: str = "rows"
) -> PlannedRemarks:
    """What checked rows change.

    The caller holds what it enters: the year alone (`hold_year`), or shared with the sheet of the
    subject and semester (`share_year`). Raises Invalid; Rejected BOOK_LOCKED.
    """
    assert target.class_id is not None
    ids = _students(tx, target, rows, field)
    _check_free(tx, target, subject, period, ids)
    newest = remarks.newest(tx, target.class_id, target.subject_id, period)
    changed = changed_texts(newest, dict(zip(ids, (text for _, text in rows), strict=True)))
    return PlannedRemarks(
        subject,
        period,
        [NewRemark(target.class_id, target.subject_id, int(period), *text) for text in changed],
        Entered(len(changed), len(rows) - len(changed)),
    )


def write_alone(
    tx: Tx,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    planned: PlannedRemarks,
    *,
    class_id: int | None,
) -> None:
    """Write remarks that come without marks: their act, the new versions, the audit row."""
    act = acts.new_act(request, EntryKind.REMARKS, class_id, caller)
    digest = act_store.add_act(tx, act, texts=planned.entered, rows={"remark": planned.rows})
    remarks.add(tx, act.request_id, planned.changed)
    record(tx, caller, ref, act, planned, digest=digest)


def record(tx: Tx, caller: Caller, ref: ClassRef, act: EntryAct, planned: PlannedRemarks, *, digest: str) -> None:
    """Leave the audit row of remarks; last in the transaction.

    digest: of the act, which entered them.
    """
    access.record(
        tx,
        caller,
        ref.school,
        "REMARKS_ENTERED",
        ref.resource,
        request=act.request_id,
        subject=planned.subject,
        period=Period(planned.period).name,
        changed=planned.entered.changed,
        remarks_sha256=digest,
        digest_version=DIGEST_VERSION,
    )


def _students(tx: Tx, target: Target, rows: Sequence[tuple[str, str]], field: str) -> list[int]:
    """The ids of the rows' students, those who left the class included: their semester may still be
    remarked on.
    """
    findings = Findings()
    findings.count(field, len(rows), 1, roster_rules.MAX_STUDENTS)
    assert target.class_id is not None
    known = class_data.student_ids(tx, target.class_id)
    seen: set[int] = set()
    ids = [
        sheet_rules.read_student(name, known, seen, f"{field}[{index}].student", findings.violations)
        for index, (name, _) in enumerate(rows)
    ]
    refuse(findings.violations)
    return [student for student in ids if student is not None]


def _check_free(tx: Tx, target: Target, subject: str, period: int, students: Sequence[int]) -> None:
    """A semester's remark of a subject stands in teachers' books; those of semester II and the year
    in transcripts.
    """
    assert target.class_id is not None
    states = []
    if subject and period != Period.WHOLE_YEAR:
        states += holding.teacher_book_states(tx, target.class_id, subject, period)
    if period != Period.SEMESTER_1:
        states += holding.transcript_states(tx, target.year_id, students)
    if states:
        furthest = BookState(max(states))
        message = "Nhận xét đã nằm trong sổ hoặc học bạ đã chốt."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name, books=len(states))
