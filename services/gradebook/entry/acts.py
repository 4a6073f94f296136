"""Entering conduct and absences, turning missing marks into zeros, and what every act of entry has in common.

Order within the transaction: who may act → hold the year open → was this request answered before → is entry possible
now → is the sheet right → write cells, history and audit. Everything wrong with a sheet is told at once; a refusal
leaves nothing behind.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.common import audit
from services.common.audit import Record
from services.common.db import Database, Tx
from services.common.errors import Conflict, NotFound, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.entry.store import attendance, marks, sheets
from services.gradebook.entry.store.marks import Act, EntryState, Target, Written
from services.gradebook.entry.store.sheets import Planned
from services.gradebook.model import attendance_rules, roster_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import (
    PROTO_LEVELS,
    SUBJECT_KINDS,
    ClassRef,
    MarkKind,
    RecordType,
    Semester,
    Stage,
    column_kind,
)
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.lifecycle import READ_ONLY, State
from services.gradebook.model.permissions import Actor, Permission, check
from services.gradebook.roster import access
from services.gradebook.rules import SubjectKind

_ACTIONS: dict[int, str] = {
    EntryKind.MARKS: "MARKS_ENTERED",
    EntryKind.SETTLEMENT: "MARKS_SETTLED",
    EntryKind.CONDUCT: "CONDUCT_ENTERED",
    EntryKind.ABSENCES: "ABSENCES_ENTERED",
    EntryKind.ATTENDANCE: "ATTENDANCE_ENTERED",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What identifies an act of entry. sha256: of the whole request message; the same id with another is refused."""

    id: UUID
    sha256: bytes


class Entered(NamedTuple):
    """Answer of an entry."""

    changed: int
    unchanged: int


def settle_missing_marks(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    subject: str,
    semester: int,
    columns: Sequence[tuple[int, int]],
    students: Sequence[str],
    reason: str,
) -> int:
    """Turn missing marks into 0 or CĐ, an act of the teacher and never a default (TT 22/2021 Điều 7). Returns how many.

    Cells that have a mark stay as they are. Raises as enter_marks does.
    """
    check_head(ref, subject, semester)
    found = Findings()
    found.text("reason", reason, shortest=10, longest=500)
    found.count("students", len(students), 1, sheet_rules.MAX_ROWS)
    found.refuse()
    with database.transaction() as tx:
        target = subject_target(tx, caller, ref, subject, Permission.SETTLE_MISSING_MARKS)
        state = open_state(tx, target, semester, request.id)
        if state.earlier is not None:
            return repeat(state.earlier, request, caller).changed
        zero = "CĐ" if _kind(target) is SubjectKind.COMMENT_ONLY else "0"
        rows = [(student, [zero] * len(columns)) for student in students]
        numbers, cells = read_sheet(target, state, semester, columns, rows, student_field="students[{}]")
        kinds = {column_kind(number) for number in numbers}
        if MarkKind.REASSESSMENT in kinds:
            message = "Điều 7 không áp dụng cho đánh giá lại; học sinh không dự thì ghi V."
            refuse([Violation("columns", "REASSESSMENT_NOT_SETTLED", message)])
        check_open(state, kinds, semester)
        act = new_act(request, EntryKind.SETTLEMENT, target, caller, semester=semester, reason=reason)
        planned = plan(act, state, cells)
        written = Written(planned.changes.count, sheets.write_marks(tx, planned))
        record(tx, caller, ref, act, written, subject=subject, semester=semester)
        return written.changed


def enter_conduct(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    semester: int,
    rows: Sequence[tuple[str, int]],
) -> None:
    """Enter conduct levels of a semester (homeroom teacher). rows: moet_student_id and level of the proto.

    Raises as enter_marks does, with Forbidden ROLE_REQUIRED for others than the homeroom teacher.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.one_of("semester", semester, set(Semester))
    found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    for index, (_, level) in enumerate(rows):
        found.one_of(f"rows[{index}].level", level, PROTO_LEVELS)
    found.refuse()
    with database.transaction() as tx:
        target = homeroom_target(tx, caller, ref, Permission.ENTER_CONDUCT)
        state = open_state(tx, target, semester, request.id)
        if state.earlier is not None:
            repeat(state.earlier, request, caller)
            return
        students = students_of(state, [student for student, _ in rows])
        check_open(state, set(), semester)
        act = new_act(request, EntryKind.CONDUCT, target, caller, semester=semester)
        written = marks.write_conduct(tx, act, students, [PROTO_LEVELS[level] for _, level in rows])
        record(tx, caller, ref, act, written, semester=semester)


def enter_absences(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    rows: Sequence[tuple[str, int, int]],
) -> None:
    """Enter the year's absent sessions (homeroom teacher). rows: moet_student_id, excused, unexcused.

    Raises as enter_conduct does, and Rejected ATTENDANCE_KEPT when the class keeps attendance by month: then the totals
    follow from its sheets (ADR-0038).
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    for index, (_, excused, unexcused) in enumerate(rows):
        attendance_rules.check_totals(found, f"rows[{index}]", excused, unexcused)
    found.refuse()
    with database.transaction() as tx:
        target = homeroom_target(tx, caller, ref, Permission.ENTER_ABSENCES)
        state = open_state(tx, target, None, request.id)
        if state.earlier is not None:
            repeat(state.earlier, request, caller)
            return
        students = students_of(state, [row[0] for row in rows])
        check_open(state, set(), Stage.WHOLE_YEAR)
        assert target.class_id is not None
        if attendance.is_kept(tx, target.class_id):
            raise Rejected("ATTENDANCE_KEPT", "Lớp đã điểm danh theo tháng; tổng số buổi nghỉ được tính từ đó.")
        act = new_act(request, EntryKind.ABSENCES, target, caller)
        written = marks.write_absences(tx, act, students, [row[1] for row in rows], [row[2] for row in rows])
        record(tx, caller, ref, act, written)


def check_head(ref: ClassRef, subject: str, semester: int) -> None:
    """Raises Invalid when no sheet can have such a name, before anything is looked up."""
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.subject_code("subject", subject)
    found.one_of("semester", semester, set(Semester))
    found.refuse()


def find_target(tx: Tx, caller: Caller, ref: ClassRef, subject: str | None) -> Target:
    """The class and subject that a call names, which the caller's vendor must serve. Raises NotFound, Forbidden."""
    target = marks.find_target(tx, ref.school, ref.school_year, ref.name, subject, caller.person)
    return check_target(caller, ref, subject, target)


def check_target(caller: Caller, ref: ClassRef, subject: str | None, target: Target | None) -> Target:
    """What was found for the names of a call, unless the caller may not have it. Raises as find_target."""
    if target is None:
        raise NotFound(
            "SCHOOL_YEAR_UNKNOWN", "Chưa có năm học này của trường.", school=ref.school, school_year=ref.school_year
        )
    access.check_vendor(caller, ref.school, target.vendor, target.authority)
    if target.class_id is None:
        raise access.class_unknown(ref)
    if subject is not None and target.subject_id is None:
        raise access.subject_unknown(subject)
    return target


def check_subject_target(
    caller: Caller, ref: ClassRef, subject: str, found: Target | None, permission: Permission
) -> Target:
    """The target of an act on a class's subject, for which the caller must have the permission.

    Raises as find_target; Forbidden NOT_ASSIGNED, Rejected SCHOOL_NOT_AUTHORISED.
    """
    target = check_target(caller, ref, subject, found)
    actors = {Actor.ASSIGNED_TEACHER} if target.assigned else set()
    check(permission, actors, person=caller.person, school_class=ref.name, subject=subject)
    access.check_authorised(ref.school, ref.school_year, target.authority)
    return target


def subject_target(tx: Tx, caller: Caller, ref: ClassRef, subject: str, permission: Permission) -> Target:
    """The class and subject, for which the acting person must have the permission. Raises as check_subject_target."""
    access.person(caller, ref.school)
    found = marks.find_target(tx, ref.school, ref.school_year, ref.name, subject, caller.person)
    return check_subject_target(caller, ref, subject, found, permission)


def homeroom_target(tx: Tx, caller: Caller, ref: ClassRef, permission: Permission) -> Target:
    """The class that a call of its homeroom teacher names. Raises Forbidden ROLE_REQUIRED, and as find_target."""
    person = access.person(caller, ref.school)
    target = find_target(tx, caller, ref, None)
    actors = {Actor.HOMEROOM_TEACHER} if target.homeroom_person == person else set()
    check(permission, actors, person=person, school_class=ref.name)
    access.check_authorised(ref.school, ref.school_year, target.authority)
    return target


def open_state(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> EntryState:
    """Hold the year open until commit, and read what decides whether an entry may be made. semester None: any."""
    marks.share_year(tx, target, semester, request_id)
    return marks.entry_state(tx, target, semester, request_id)


def repeat(earlier: tuple[bytes, int, int], request: Request, caller: Caller) -> Entered:
    """The first answer to a request that was answered before. Raises Conflict REQUEST_ID_REUSED when it is another."""
    digest, changed, unchanged = earlier
    if digest != request.sha256:
        raise Conflict(
            "REQUEST_ID_REUSED",
            "Mã yêu cầu (request_id) đã dùng cho một yêu cầu khác.",
            request_id=request.id,
            client=caller.client,
        )
    return Entered(changed, unchanged)


def _kind(target: Target) -> SubjectKind:
    assert target.subject_kind is not None
    return SUBJECT_KINDS[target.subject_kind]


def read_sheet(
    target: Target,
    state: EntryState,
    semester: int,
    columns: Sequence[tuple[int, int]],
    rows: Collection[tuple[str, Sequence[str]]],
    student_field: str = "rows[{}].student",
) -> tuple[list[int], sheet_rules.Cells]:
    """Column numbers and cells of a sheet. Raises Invalid with everything that is wrong with it."""
    numbers, bad_columns = sheet_rules.read_columns(columns, target.regular_in(semester))
    # With a wrong column the values cannot be matched to columns; say so before complaining of every row.
    refuse(bad_columns)
    cells, bad_rows = sheet_rules.read_rows(rows, numbers, state.students, _kind(target), student_field, state.left)
    refuse(bad_rows)
    return numbers, cells


def students_of(state: EntryState, names: Sequence[str]) -> list[int]:
    """Ids of the students that rows name. Raises Invalid STUDENT_UNKNOWN, DUPLICATE_STUDENT."""
    seen: set[int] = set()
    found: list[Violation] = []
    ids = [
        sheet_rules.read_student(name, state.students, seen, f"rows[{index}].student", found, state.left)
        for index, name in enumerate(names)
    ]
    refuse(found)
    return [one for one in ids if one is not None]


def first_stage_of(kinds: set[MarkKind], semester: int) -> int:
    """The first stage whose book holds such marks."""
    return Stage.AFTER_SUMMER if MarkKind.REASSESSMENT in kinds else semester


def check_open(state: EntryState, kinds: set[MarkKind], first_stage: int) -> None:
    """Raises Rejected WINDOW_CLOSED unless windows cover all kinds now, BOOK_LOCKED when a book holds the data.

    kinds: empty for what is no mark, which any open window but the summer's lets in. first_stage: the first whose book
    holds the data; for that of the summer raises YEAR_NOT_LOCKED until the book of the whole year is locked.
    """
    closed = kinds - state.open_kinds
    if closed or not (kinds or state.open_kinds - {MarkKind.REASSESSMENT}):
        names = ",".join(sorted(MarkKind(kind).name for kind in closed))
        raise Rejected("WINDOW_CLOSED", "Không trong thời hạn nhập điểm.", mark_kinds=names)
    check_free(state.books, first_stage)
    if first_stage == Stage.AFTER_SUMMER and not any(
        (record_type, stage) == (RecordType.CLASS_BOOK, Stage.WHOLE_YEAR) and book_state in READ_ONLY
        for record_type, stage, book_state in state.books
    ):
        raise Rejected("YEAR_NOT_LOCKED", "Phải khóa sổ cả năm của lớp trước khi nhập kết quả sau kì nghỉ hè.")


def check_free(books: Sequence[tuple[int, int, int]], first_stage: int) -> None:
    """Raises Rejected BOOK_LOCKED when a live book of the stage or a later one holds the data.

    books: record type, stage and state of each live book.
    """
    holding = [book_state for _, stage, book_state in books if stage >= first_stage]
    if holding:
        furthest = State(max(holding))
        message = "Dữ liệu đã khóa sổ." if furthest in READ_ONLY else "Sổ của lớp đã chốt dữ liệu và đang hoàn thiện."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name)


def new_act(
    request: Request, kind: int, target: Target, caller: Caller, *, semester: int | None = None, reason: str = ""
) -> Act:
    """An act of entry by the caller."""
    assert target.class_id is not None
    assert caller.person is not None
    return Act(
        request.id,
        request.sha256,
        kind,
        target.class_id,
        target.subject_id,
        semester,
        caller.person,
        caller.client,
        reason,
    )


def plan(act: Act, state: EntryState, cells: sheet_rules.Cells) -> Planned:
    """What the cells change."""
    changes = sheet_rules.changes(cells, state.standing, settle=act.kind == EntryKind.SETTLEMENT)
    return Planned(act, changes, len(cells.values) - changes.count)


def record(tx: Tx, caller: Caller, ref: ClassRef, act: Act, written: Written, **facts: object) -> None:
    """Leave the audit row of an act of entry."""
    audit.append(tx, entry_record(caller, ref, act, written, **facts))


def entry_record(caller: Caller, ref: ClassRef, act: Act, written: Written, **facts: object) -> Record:
    """The audit row of an act of entry."""
    facts |= {"request": act.request_id, "changed": written.changed, "cells_sha256": written.cells_sha256}
    return access.school_record(caller, ref.school, _ACTIONS[act.kind], ref.resource, **facts)
