"""Entering attendance: by month and session, or the year's absent sessions as totals (ADR-0038)."""

from collections.abc import Sequence
from typing import NamedTuple

from services.common.db import Database
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.entry import acts, allowed, settled, targets
from services.gradebook.entry.store import attendance, class_data, conduct
from services.gradebook.entry.store.attendance import MonthSheet
from services.gradebook.model import attendance_rules, results, roster_rules
from services.gradebook.model.acts import Entered, EntryRequest
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, Stage
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission
from services.gradebook.model.results import Absences
from services.gradebook.roster import access


class Absence(NamedTuple):
    """One absent session as a request names it.

    day: of the month; session: one of `attendance_rules.SESSIONS`.
    """

    day: int
    session: int
    excused: bool


class SheetRow(NamedTuple):
    """One student's sheet of a month.

    year: absent sessions of all months so far, excused and unexcused.
    """

    student: str
    sheet: MonthSheet
    year: tuple[int, int]


def enter_attendance(
    database: Database,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    *,
    month: str,
    rows: Sequence[tuple[str, Sequence[Absence]]],
) -> Entered:
    """Enter the absences of a month (homeroom teacher), instead of the sheet that the students
    named had before.

    rows: moet_student_id and absences, none for a student who was never absent. No entry window is
    needed until one has closed over the month: attendance is taken daily. Raises Invalid; Forbidden
    ROLE_REQUIRED; Rejected WINDOW_CLOSED, BOOK_LOCKED; Conflict REQUEST_ID_REUSED.
    """
    roster_rules.check_class_ref(ref)
    findings = Findings()
    attendance_rules.check_month(findings, "month", month, ref.school_year, attendance_rules.LAST_MONTH)
    findings.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    findings.refuse()
    sheets = [
        _absences(findings, f"rows[{index}].absences", month, absences) for index, (_, absences) in enumerate(rows)
    ]
    findings.refuse()
    with database.transaction() as tx:
        target = targets.homeroom_target(tx, caller, ref, Permission.ENTER_ATTENDANCE)
        state = allowed.open_state(tx, target, None, request.id)
        if state.earlier:
            return acts.repeat(state.earlier, {EntryKind.ATTENDANCE}, request, caller).cells
        students = allowed.students_of(state, [student for student, _ in rows])
        act = acts.new_act(request, EntryKind.ATTENDANCE, target.class_id, caller)
        settled.check_attendance(tx, target.year_id, ref.school_year, act.class_id, month)
        allowed.check_free(state.books, results.first_stage(ref.school_year, month))
        written, unchanged = attendance.write(tx, act, month, dict(zip(students, sheets, strict=True)))
        acts.record(tx, caller, ref, act, written, month=month)
        return Entered(written.changed, unchanged)


def get_attendance(database: Database, caller: Caller, ref: ClassRef, month: str) -> tuple[list[SheetRow], list[str]]:
    """A month's sheet as it stands, by number in the class list, and the months with a sheet."""
    roster_rules.check_class_ref(ref)
    findings = Findings()
    attendance_rules.check_month(findings, "month", month, ref.school_year, attendance_rules.LAST_MONTH, future=True)
    findings.refuse()
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        sheets = attendance.month_sheets(tx, school_class.id, month)
        kept = attendance.newest_sheets(tx, [school_class.id]).get(school_class.id, {})
        totals = results.year_totals(kept)
        students = class_data.student_ids(tx, school_class.id)
    rows = [SheetRow(name, sheets[id_], totals[id_]) for name, id_ in students.items() if id_ in sheets]
    return rows, list(kept)


class AbsenceTotals(NamedTuple):
    """A student (moet_student_id) and their absent sessions of the year."""

    student: str
    excused: int
    unexcused: int


def enter_absences(
    database: Database,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    rows: Sequence[AbsenceTotals],
) -> None:
    """Enter the year's absent sessions (homeroom teacher).

    Raises as `conduct.enter_conduct`, and Rejected ATTENDANCE_KEPT when the class keeps attendance
    by month: then the totals follow from its sheets.
    """
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    for index, row in enumerate(rows):
        attendance_rules.check_totals(findings, f"rows[{index}]", row.excused, row.unexcused)
    findings.refuse()
    with database.transaction() as tx:
        target = targets.homeroom_target(tx, caller, ref, Permission.ENTER_ABSENCES)
        state = allowed.open_state(tx, target, None, request.id)
        if state.earlier:
            acts.repeat(state.earlier, {EntryKind.ABSENCES}, request, caller)
            return
        students = allowed.students_of(state, [row.student for row in rows])
        allowed.check_open(state, set(), Stage.WHOLE_YEAR)
        act = acts.new_act(request, EntryKind.ABSENCES, target.class_id, caller)
        if attendance.is_kept(tx, act.class_id):
            raise Rejected("ATTENDANCE_KEPT", "Lớp đã điểm danh theo tháng; tổng số buổi nghỉ được tính từ đó.")
        excused_totals, unexcused_totals = [row.excused for row in rows], [row.unexcused for row in rows]
        written = conduct.write_absences(tx, act, students, excused_totals, unexcused_totals)
        acts.record(tx, caller, ref, act, written)


def _absences(findings: Findings, field: str, month: str, absences: Sequence[Absence]) -> Absences:
    """The sheet of one student's month; adds what is wrong with its sessions."""
    sessions: dict[int, int] = {}
    for index, absence in enumerate(absences):
        value = attendance_rules.EXCUSED if absence.excused else attendance_rules.UNEXCUSED
        attendance_rules.add_session(
            findings,
            f"{field}[{index}]",
            month,
            day=absence.day,
            session=absence.session,
            value=value,
            sessions=sessions,
        )
    return attendance_rules.sheet(sessions)
