"""Remarks of teachers on students, which teacher's book and transcript print.

A remark is entered alone, or with a sheet of marks (`entering_with_remarks`).
"""

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.entry.acts import Entered, Request, find_target, homeroom_target, repeat, subject_target
from services.gradebook.entry.store import class_data, holding, remarks
from services.gradebook.entry.store.marks import Target
from services.gradebook.entry.store.remarks import RemarkEntry, RemarkRow
from services.gradebook.model import roster_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.lifecycle import State
from services.gradebook.model.permissions import Permission
from services.gradebook.model.remark_rules import check_remark
from services.gradebook.roster import access, year_lock


class Period(IntEnum):
    """What a remark is about; the proto's RemarkPeriod."""

    SEMESTER_1 = 1
    SEMESTER_2 = 2
    WHOLE_YEAR = 3


class Planned(NamedTuple):
    """Remarks that differ from what stands, as (student id, version, text), with the act; decided, not yet written."""

    act: RemarkEntry
    target: Target
    subject: str
    period: int
    rows: list[tuple[int, int, str]]

    @property
    def entered(self) -> Entered:
        """The answer."""
        return Entered(self.act.changed, self.act.unchanged)


def enter_remarks(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    subject: str,
    period: int,
    rows: Sequence[tuple[str, str]],
) -> Entered:
    """Enter remarks, all or nothing: of a subject (its teacher in the class) or, without one, the homeroom teacher's.

    rows: moet_student_id and text, empty to take a remark away. Raises Invalid; Forbidden NOT_ASSIGNED, ROLE_REQUIRED;
    NotFound; Rejected BOOK_LOCKED when a living book contains a remark; Conflict REQUEST_ID_REUSED.
    """
    _check(ref, subject, period, rows)
    with database.transaction() as tx:
        if subject:
            target = subject_target(tx, caller, ref, subject, Permission.ENTER_SUBJECT_REMARKS)
        else:
            target = homeroom_target(tx, caller, ref, Permission.ENTER_HOMEROOM_REMARKS)
        year_lock.hold_year(tx, target.year_id)
        found = decide(tx, caller, request, target, subject, period, rows)
        if isinstance(found, Entered):
            return found
        write(tx, found)
        record(tx, caller, ref, found)
        return found.entered


def get_remarks(
    database: Database, caller: Caller, ref: ClassRef, subject: str, period: int, student: str
) -> list[RemarkRow]:
    """The newest remark of each student, or with a student every version of theirs."""
    _check(ref, subject, period, [])
    with database.transaction() as tx:
        target = find_target(tx, caller, ref, subject or None)
        assert target.class_id is not None
        return remarks.of_class(tx, target.class_id, target.subject_id, period, student)


def _check(ref: ClassRef, subject: str, period: int, rows: Sequence[tuple[str, str]]) -> None:
    roster_rules.check_class_ref(ref)
    found = Findings()
    if subject:
        found.subject_code("subject", subject)
    found.one_of("period", period, set(Period))
    check_rows(found, rows)
    found.refuse()


def check_rows(found: Findings, rows: Sequence[tuple[str, str]], field: str = "rows") -> None:
    """How many remarks there are, and what each says. field: how violations name their list."""
    found.count(field, len(rows), 0, roster_rules.MAX_STUDENTS)
    for index, (_, text) in enumerate(rows):
        found.violations += check_remark(f"{field}[{index}].text", text)


def decide(
    tx: Tx,
    caller: Caller,
    request: Request,
    target: Target,
    subject: str,
    period: int,
    rows: Sequence[tuple[str, str]],
    field: str = "rows",
) -> Planned | Entered:
    """What checked rows change, or the answer of a request that was answered before.

    The caller holds what it enters: the year alone (`hold_year`), or shared with the sheet of the subject and semester
    (`share_year`). Raises Invalid; Rejected BOOK_LOCKED; Conflict REQUEST_ID_REUSED.
    """
    earlier = remarks.earlier(tx, request.id)
    if earlier is not None:
        return repeat(earlier, request, caller)
    assert target.class_id is not None
    assert caller.person is not None
    ids = _students(tx, target, rows, field)
    _check_free(tx, target, subject, period, ids)
    now = remarks.versions(tx, target.class_id, target.subject_id, period)
    changed = []
    for student, (_, text) in zip(ids, rows, strict=True):
        version, standing = now.get(student, (0, ""))
        if text != standing:
            changed.append((student, version + 1, text))
    unchanged = len(rows) - len(changed)
    act = RemarkEntry(request.id, request.sha256, caller.person, caller.client, len(changed), unchanged)
    return Planned(act, target, subject, period, changed)


def write(tx: Tx, planned: Planned) -> None:
    """Write the new versions and the act."""
    assert planned.target.class_id is not None
    remarks.add(tx, planned.act, planned.target.class_id, planned.target.subject_id, planned.period, planned.rows)


def record(tx: Tx, caller: Caller, ref: ClassRef, planned: Planned) -> None:
    """Leave the audit row of the act; last in the transaction."""
    access.record(
        tx,
        caller,
        ref.school,
        "REMARKS_ENTERED",
        ref.resource,
        request=planned.act.request_id,
        subject=planned.subject,
        period=Period(planned.period).name,
        changed=planned.act.changed,
        remarks_sha256=hashlib.sha256(repr(planned.rows).encode()).hexdigest(),
    )


def _students(tx: Tx, target: Target, rows: Sequence[tuple[str, str]], field: str) -> list[int]:
    """The ids of the rows' students, those who left the class included: their semester may still be remarked on."""
    found = Findings()
    found.count(field, len(rows), 1, roster_rules.MAX_STUDENTS)
    assert target.class_id is not None
    known = class_data.student_ids(tx, target.class_id)
    seen: set[int] = set()
    ids = [
        sheet_rules.read_student(name, known, seen, f"{field}[{index}].student", found.violations)
        for index, (name, _) in enumerate(rows)
    ]
    refuse(found.violations)
    return [one for one in ids if one is not None]


def _check_free(tx: Tx, target: Target, subject: str, period: int, students: Sequence[int]) -> None:
    """A semester's remark of a subject stands in teachers' books; those of semester II and the year in transcripts."""
    assert target.class_id is not None
    states = []
    if subject and period != Period.WHOLE_YEAR:
        states += holding.teacher_book_states(tx, target.class_id, subject, period)
    if period != Period.SEMESTER_1:
        states += holding.transcript_states(tx, target.year_id, students)
    if states:
        furthest = State(max(states))
        message = "Nhận xét đã nằm trong sổ hoặc học bạ đã chốt."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name, books=len(states))
