"""What a class book holds beside marks: attendance by month, the principal's remarks, conduct after the summer."""

import calendar
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from services.common.db import Database
from services.common.errors import Violation
from services.common.identity import Caller
from services.gradebook import results, roster_rules
from services.gradebook.checks import Findings, refuse
from services.gradebook.content.times import VIETNAM
from services.gradebook.domain import PROTO_LEVELS, SUMMER, ClassRef, MarkKind, Role, Semester, Stage, year_start
from services.gradebook.results import Absences
from services.gradebook.rules import Promotion
from services.gradebook.store import attendance, books, class_data, marks, principal_remarks
from services.gradebook.store.attendance import StandingRow
from services.gradebook.store.principal_remarks import RemarkRow
from services.gradebook.usecases import access, reassessment
from services.gradebook.usecases.marks import (
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

SESSIONS = (1, 2)
"""Morning, afternoon: numbers of the proto's Session."""

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_LAST_ATTENDANCE, _LAST_REMARK = 6, 8
_FIRST_MONTH = 8


class Absence(NamedTuple):
    """One absent session as a request names it. day: of the month; session: one of SESSIONS."""

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

    rows: moet_student_id and absences, none for a student who was never absent. No entry window is needed: attendance
    is taken daily. Raises Invalid; Forbidden ROLE_REQUIRED; Rejected BOOK_LOCKED; Conflict REQUEST_ID_REUSED.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    _check_month(found, "month", month, ref.school_year, _LAST_ATTENDANCE)
    found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    found.refuse()
    sheets = [_absences(found, f"rows[{index}].absences", month, listed) for index, (_, listed) in enumerate(rows)]
    found.refuse()
    with database.transaction() as tx:
        target = homeroom_target(tx, caller, ref)
        state = open_state(tx, target, None, request.id)
        if state.earlier is not None:
            return repeat(state.earlier, request, caller)
        students = students_of(state, [student for student, _ in rows])
        check_free(state.books, results.first_stage(ref.school_year, month))
        act = new_act(request, marks.ATTENDANCE, target, caller)
        written, unchanged = attendance.write(tx, act, month, dict(zip(students, sheets, strict=True)))
        record(tx, caller, ref, act, written, month=month)
        return Entered(written.changed, unchanged)


def get_attendance(database: Database, caller: Caller, ref: ClassRef, month: str) -> tuple[list[SheetRow], list[str]]:
    """The sheet of a month as it stands, by number in the class list, and the months that have one."""
    roster_rules.check_class_ref(ref)
    found = Findings()
    _check_month(found, "month", month, ref.school_year, _LAST_ATTENDANCE, future=True)
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
    _check_month(found, "month", month, ref.school_year, _LAST_REMARK)
    found.text("remark", remark, longest=500)
    found.refuse()
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        principal = access.role(tx, caller, year, Role.PRINCIPAL, "Hiệu trưởng")
        access.check_authorised(ref.school, ref.school_year, year.authority)
        marks.hold_year(tx, year.id)
        version, standing = principal_remarks.newest(tx, school_class.id, month)
        if standing == remark:
            return version
        check_free(books.alive_states(tx, school_class.id), results.first_stage(ref.school_year, month))
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
        target = homeroom_target(tx, caller, ref)
        state = open_state(tx, target, Semester.SECOND, request.id)
        if state.earlier is not None:
            repeat(state.earlier, request, caller)
            return
        students = students_of(state, [student for student, _ in rows])
        check_open(state, {MarkKind.REASSESSMENT}, Stage.AFTER_SUMMER)
        data = reassessment.read_class(tx, target, ref)
        year = zip(data.students, results.class_results(data, Stage.WHOLE_YEAR), strict=True)
        training = {student.id for student, result in year if result.promotion is Promotion.SUMMER_TRAINING}
        refuse(
            [
                Violation(
                    f"rows[{index}].student",
                    "NOT_FOR_SUMMER_TRAINING",
                    "Học sinh không thuộc diện rèn luyện trong kì nghỉ hè (Điều 13).",
                )
                for index, student in enumerate(students)
                if student not in training
            ]
        )
        act = new_act(request, marks.CONDUCT, target, caller, semester=SUMMER)
        written = marks.write_conduct(tx, act, students, [PROTO_LEVELS[level] for _, level in rows])
        record(tx, caller, ref, act, written, semester=SUMMER)


def _check_month(found: Findings, field: str, month: str, school_year: str, last: int, *, future: bool = False) -> None:
    """A month of the school year, August to `last` of the next year, that has begun unless `future` is allowed."""
    first = year_start(school_year)
    if not _MONTH.fullmatch(month) or not f"{first}-{_FIRST_MONTH:02d}" <= month <= f"{first + 1}-{last:02d}":
        message = f"Tháng phải có dạng {first}-09, từ {first}-{_FIRST_MONTH:02d} đến {first + 1}-{last:02d}."
        found.add(field, "MONTH", message)
    elif not future and month > _today().isoformat()[:7]:
        found.add(field, "IN_THE_FUTURE", "Tháng này chưa đến.")


def _absences(found: Findings, field: str, month: str, listed: Sequence[Absence]) -> Absences:
    """The sessions of one student's month; adds what is wrong with them."""
    days = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
    today = _today()
    sessions: dict[int, bool] = {}
    for index, one in enumerate(listed):
        where = f"{field}[{index}]"
        if one.session not in SESSIONS:
            found.add(f"{where}.session", "ENUM", "Buổi phải là sáng hoặc chiều.")
        elif not 1 <= one.day <= days:
            found.add(f"{where}.day", "NO_SUCH_DATE", f"Tháng {month} có {days} ngày.")
        elif date(int(month[:4]), int(month[5:]), one.day) > today:
            found.add(f"{where}.day", "IN_THE_FUTURE", "Ngày này chưa đến.")
        elif 10 * one.day + one.session in sessions:
            found.add(where, "DUPLICATE", "Một buổi có hai lần.")
        else:
            sessions[10 * one.day + one.session] = one.excused
    return Absences(
        tuple(sorted(session for session, excused in sessions.items() if excused)),
        tuple(sorted(session for session, excused in sessions.items() if not excused)),
    )


def _today() -> date:
    return datetime.now(VIETNAM).date()
