"""What a class book holds beside marks: attendance by month, the principal's remarks, conduct after the summer."""

from collections.abc import Sequence
from typing import NamedTuple

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.entry import settled, summer
from services.gradebook.entry.acts import (
    Entered,
    Request,
    check_free,
    check_open,
    homeroom_target,
    new_act,
    open_state,
    record,
    repeat,
    students_of,
)
from services.gradebook.entry.store import attendance, class_data, holding, marks, principal_remarks
from services.gradebook.entry.store.attendance import StandingRow
from services.gradebook.entry.store.principal_remarks import RemarkRow
from services.gradebook.model import attendance_rules, results, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import PROTO_LEVELS, SUMMER, ClassRef, MarkKind, Semester, Stage
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission
from services.gradebook.model.results import Absences
from services.gradebook.roster import access, year_lock

_LAST_REMARK = 8
"""August: the last month of a school year with a remark on the use of the book."""


class Absence(NamedTuple):
    """One absent session as a request names it. day: of the month; session: one of `attendance_rules.SESSIONS`."""

    day: int
    session: int
    excused: bool


class SheetRow(NamedTuple):
    """One student's sheet of a month. year: absent sessions of all months so far, excused and unexcused."""

    student: str
    sheet: StandingRow
    year: tuple[int, int]


def enter_attendance(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    month: str,
    rows: Sequence[tuple[str, Sequence[Absence]]],
) -> Entered:
    """Enter the absences of a month (homeroom teacher), instead of the sheet that the students named had before.

    rows: moet_student_id and absences, none for a student who was never absent. No entry window is needed until one has
    closed over the month: attendance is taken daily. Raises Invalid; Forbidden ROLE_REQUIRED; Rejected WINDOW_CLOSED,
    BOOK_LOCKED; Conflict REQUEST_ID_REUSED.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    attendance_rules.check_month(found, "month", month, ref.school_year, attendance_rules.LAST_MONTH)
    found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    found.refuse()
    sheets = [_absences(found, f"rows[{index}].absences", month, listed) for index, (_, listed) in enumerate(rows)]
    found.refuse()
    with database.transaction() as tx:
        target = homeroom_target(tx, caller, ref, Permission.ENTER_ATTENDANCE)
        state = open_state(tx, target, None, request.id)
        if state.earlier is not None:
            return repeat(state.earlier, request, caller)
        students = students_of(state, [student for student, _ in rows])
        assert target.class_id is not None
        settled.check_attendance(tx, target.year_id, ref.school_year, target.class_id, month)
        check_free(state.books, results.first_stage(ref.school_year, month))
        act = new_act(request, EntryKind.ATTENDANCE, target, caller)
        written, unchanged = attendance.write(tx, act, month, dict(zip(students, sheets, strict=True)))
        record(tx, caller, ref, act, written, month=month)
        return Entered(written.changed, unchanged)


def get_attendance(database: Database, caller: Caller, ref: ClassRef, month: str) -> tuple[list[SheetRow], list[str]]:
    """The sheet of a month as it stands, by number in the class list, and the months that have one."""
    roster_rules.check_class_ref(ref)
    found = Findings()
    attendance_rules.check_month(found, "month", month, ref.school_year, attendance_rules.LAST_MONTH, future=True)
    found.refuse()
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        sheet = attendance.month(tx, school_class.id, month)
        kept = attendance.standing(tx, [school_class.id]).get(school_class.id, {})
        totals = results.year_totals(kept)
        students = class_data.student_ids(tx, school_class.id)
    return [SheetRow(name, sheet[one], totals[one]) for name, one in students.items() if one in sheet], list(kept)


def record_principal_remark(database: Database, caller: Caller, ref: ClassRef, month: str, remark: str) -> int:
    """Record the principal's remark of a month on the use of the book (principal). Returns its version.

    The remark that stands makes no new version. Raises Invalid; Forbidden ROLE_REQUIRED; NotFound CLASS_UNKNOWN;
    Rejected BOOK_LOCKED when a living book holds the month.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    attendance_rules.check_month(found, "month", month, ref.school_year, _LAST_REMARK)
    found.text("remark", remark, longest=500)
    found.refuse()
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        principal = access.require(tx, caller, year, Permission.RECORD_PRINCIPAL_REMARK)
        access.check_authorised(ref.school, ref.school_year, year.authority)
        year_lock.hold_year(tx, year.id)
        version, standing = principal_remarks.newest(tx, school_class.id, month)
        if standing == remark:
            return version
        check_free(holding.alive_states(tx, school_class.id), results.first_stage(ref.school_year, month))
        version += 1
        principal_remarks.add(tx, school_class.id, month, version, remark, principal.person, caller.client)
        access.record(
            tx, caller, ref.school, "PRINCIPAL_REMARK_RECORDED", ref.resource, month=month, remark_version=version
        )
        return version


def list_principal_remarks(database: Database, caller: Caller, ref: ClassRef) -> list[RemarkRow]:
    """Every version of every month's remark, by month and version."""
    roster_rules.check_class_ref(ref)
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        return principal_remarks.of_class(tx, school_class.id)


def enter_summer_conduct(
    database: Database, caller: Caller, request: Request, ref: ClassRef, rows: Sequence[tuple[str, int]]
) -> None:
    """Enter conduct after the training in the summer (homeroom teacher; TT 22/2021 Điều 13).

    rows: moet_student_id and level of the proto. Raises Invalid, with NOT_FOR_SUMMER_TRAINING for a student whose year
    does not call for training; Forbidden ROLE_REQUIRED; Rejected WINDOW_CLOSED, BOOK_LOCKED, YEAR_NOT_LOCKED; Conflict
    REQUEST_ID_REUSED.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    for index, (_, level) in enumerate(rows):
        found.one_of(f"rows[{index}].level", level, PROTO_LEVELS)
    found.refuse()
    with database.transaction() as tx:
        target = homeroom_target(tx, caller, ref, Permission.ENTER_SUMMER_CONDUCT)
        state = open_state(tx, target, Semester.SECOND, request.id)
        if state.earlier is not None:
            repeat(state.earlier, request, caller)
            return
        students = students_of(state, [student for student, _ in rows])
        check_open(state, {MarkKind.REASSESSMENT}, Stage.AFTER_SUMMER)
        summer.check_training(
            tx, target, ref, {f"rows[{index}].student": student for index, student in enumerate(students)}
        )
        act = new_act(request, EntryKind.CONDUCT, target, caller, semester=SUMMER)
        written = marks.write_conduct(tx, act, students, [PROTO_LEVELS[level] for _, level in rows])
        record(tx, caller, ref, act, written, semester=SUMMER)


def _absences(found: Findings, field: str, month: str, listed: Sequence[Absence]) -> Absences:
    """The sheet of one student's month; adds what is wrong with its sessions."""
    sessions: dict[int, int] = {}
    for index, one in enumerate(listed):
        value = attendance_rules.EXCUSED if one.excused else attendance_rules.UNEXCUSED
        attendance_rules.add_session(
            found, f"{field}[{index}]", month, day=one.day, session=one.session, value=value, sessions=sessions
        )
    return attendance_rules.sheet(sessions)
