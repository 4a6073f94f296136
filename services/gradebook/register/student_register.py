"""The student register (sổ đăng bộ): giving numbers; reading lines, movements, a student's path."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Forbidden, NotFound, Violation
from services.common.identity import Caller
from services.gradebook.model import register_rules, roster_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.movement_rules import GONE, EnrolmentStatus, MovementKind, StudentState
from services.gradebook.model.register_rules import RegisterRow
from services.gradebook.register import place_store, register_store, student_context
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.register_store import MovementRow, NewMovement, NewRegistration, Registration
from services.gradebook.register.student_context import attending_elsewhere, status_of
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import StaffRow, YearRow

_UPPER_SECONDARY = 10


class RegisterLine(NamedTuple):
    """A line of the register, with the status and classes in this school.

    left_on: day of leaving or of suspending studies; None while studying.
    """

    registration: Registration
    status: EnrolmentStatus
    left_on: date | None
    places: list[ClassPlace]


class Station(NamedTuple):
    """A class in which a student was. register_number: in that school, 0 if not registered."""

    place: ClassPlace
    register_number: int


class StudentPath(NamedTuple):
    """Where a student has studied; stations and movements oldest first."""

    stations: list[Station]
    movements: list[MovementRow]


def register_students(
    database: Database, caller: Caller, school: str, school_year: str, rows: Sequence[RegisterRow]
) -> list[int]:
    """Give students of the year's class lists the next register numbers, in order.

    By the seal custodian or the data officer. A student who has a number keeps it and the day of
    entering; the details are replaced. Returns the number of each row. Raises Invalid with
    STUDENT_UNKNOWN, STUDENT_ELSEWHERE, ENTERED_ON_FIXED, DUPLICATE; Forbidden ROLE_REQUIRED.
    """
    roster_rules.check_year_ref(school, school_year)
    days = register_rules.check_rows(rows)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        recorder = student_context.require_recorder(tx, caller, year, MovementKind.ENROLLED)
        year_lock.hold_year(tx, year.id)
        ids = register_store.hold_students(tx, [row.student for row in rows])
        register_store.hold_register(tx, year.school_id)
        known = register_store.registrations(tx, year.school_id, list(ids.values()))
        refuse(_violations(tx, year, rows, days, ids=ids, known=known))
        lines = _numbered(rows, days, ids, known, register_store.last_number(tx, year.school_id))
        register_store.put_registrations(tx, year.school_id, lines)
        new_lines = [line for line in lines if line.student_id not in known]
        register_store.add_movements(tx, [_enrolment(year, recorder, caller.client, line) for line in new_lines])
        numbers = [line.number for line in lines]
        access.record(
            tx,
            caller,
            school,
            "STUDENTS_REGISTERED",
            f"schools/{school}/register",
            school_year=school_year,
            students=",".join(row.student for row in rows),
            register_numbers=",".join(map(str, numbers)),
        )
        return numbers


def get_register(
    database: Database, caller: Caller, school: str, school_year: str, *, after: int, limit: int
) -> list[RegisterLine]:
    """A page of the register by number; school_year empty: the whole register."""
    with database.transaction() as tx:
        year = _some_year(tx, caller, school, school_year)
        registrations = register_store.list_registrations(tx, year.school_id, school_year, after, limit)
        students = [registration.student_id for registration in registrations]
        movements = _movements_by_student(tx, students, year.school_id)
        places: dict[int, list[ClassPlace]] = {}
        for place in place_store.of_students(tx, students, year.school_id):
            places.setdefault(place.student_id, []).append(place)
    return [
        _line(
            registration,
            movements.get(registration.student_id, []),
            places.get(registration.student_id, []),
        )
        for registration in registrations
    ]


def list_movements(
    database: Database, caller: Caller, school: str, school_year: str, student: str, *, after: int, limit: int
) -> list[MovementRow]:
    """A page of a school's movements, oldest first, of a school year or of one student."""
    if not school_year and not student:
        refuse([Violation("school_year", "REQUIRED", "Phải nêu năm học hoặc học sinh.")])
    with database.transaction() as tx:
        year = _some_year(tx, caller, school, school_year)
        return register_store.list_movements(tx, year.school_id, school_year, student, after=after, limit=limit)


def student_path(database: Database, caller: Caller, school: str, student: str) -> StudentPath:
    """Where a student has studied, for the school where the student is now.

    Raises NotFound STUDENT_UNKNOWN; Forbidden STUDENT_ELSEWHERE when the student has gone on to
    another school.
    """
    roster_rules.check_school_ref(school)
    findings = Findings()
    findings.code("student", student)
    findings.refuse()
    with database.transaction() as tx:
        year = access.some_year(tx, caller, school)
        ids = list(register_store.student_ids(tx, [student]).values())
        movements = register_store.movements_of(tx, ids)
        places = place_store.of_students(tx, ids)
        schools = {movement.school_id for movement in movements} | {place.school_id for place in places}
        if year.school_id not in schools:
            raise NotFound("STUDENT_UNKNOWN", "Trường không có học sinh mang mã này.", student=student)
        last = student_context.last_deciding(movements)
        if (last.school_id if last else places[-1].school_id) != year.school_id:
            raise Forbidden("STUDENT_ELSEWHERE", "Học sinh đã chuyển sang trường khác.", student=student)
        return StudentPath(_stations(tx, places), [_visible_to(year.school_id, movement) for movement in movements])


def _numbered(
    rows: Sequence[RegisterRow],
    days: Sequence[date],
    ids: Mapping[str, int],
    known: Mapping[int, Registration],
    last_number: int,
) -> list[NewRegistration]:
    """The lines to be written: known students with their numbers, new ones with the next."""
    lines = []
    for row, day in zip(rows, days, strict=True):
        student_id = ids[row.student]
        if student_id in known:
            number = known[student_id].number
        else:
            last_number += 1
            number = last_number
        lines.append(NewRegistration(student_id, number, day, row.details))
    return lines


def _enrolment(year: YearRow, recorder: StaffRow, client: str, line: NewRegistration) -> NewMovement:
    return NewMovement(
        school_id=year.school_id,
        year_id=year.id,
        student_id=line.student_id,
        kind=MovementKind.ENROLLED,
        day=line.entered_on,
        decision=None,
        reason="",
        person=recorder.person,
        client=client,
        other_school=line.details.from_school,
    )


def _violations(
    tx: Tx,
    year: YearRow,
    rows: Sequence[RegisterRow],
    days: Sequence[date],
    *,
    ids: Mapping[str, int],
    known: Mapping[int, Registration],
) -> list[Violation]:
    students = list(ids.values())
    last_places = {place.student_id: place for place in place_store.of_students(tx, students, year.school_id)}
    movements = _movements_by_student(tx, students)
    owners = register_store.identity_owners(tx, year.school_id, [row.details.national_id for row in rows])
    owners_in_call: dict[str, str] = {}
    violations = []
    for index, (row, day) in enumerate(zip(rows, days, strict=True)):
        where, student_id = f"rows[{index}]", ids.get(row.student)
        place = None if student_id is None else last_places.get(student_id)
        if student_id is None or place is None or (place.year_id != year.id and student_id not in known):
            message = "Năm học này không có học sinh mang mã đã nêu trong danh sách lớp."
            violations.append(Violation(f"{where}.student", "STUDENT_UNKNOWN", message))
            continue
        if student_id in known:
            if known[student_id].entered_on != day:
                message = "Ngày vào trường đã ghi sổ đăng bộ thì không đổi."
                violations.append(Violation(f"{where}.entered_on", "ENTERED_ON_FIXED", message))
        elif place.grade_level < _UPPER_SECONDARY and attending_elsewhere(
            movements.get(student_id, []), year.school_id
        ):
            message = "Học sinh đang thuộc trường khác; trường đó phải ghi chuyển đi, trường này ghi chuyển đến."
            violations.append(Violation(f"{where}.student", "STUDENT_ELSEWHERE", message))
        identity = row.details.national_id
        if identity and owners.get(identity, owners_in_call.setdefault(identity, row.student)) != row.student:
            message = "Số định danh cá nhân này đã có trong sổ đăng bộ cho học sinh khác."
            violations.append(Violation(f"{where}.details.national_id", "DUPLICATE", message))
    return violations


def _movements_by_student(
    tx: Tx, students: Sequence[int], school_id: int | None = None
) -> dict[int, list[MovementRow]]:
    movements: dict[int, list[MovementRow]] = {}
    for movement in register_store.movements_of(tx, students, school_id):
        movements.setdefault(movement.student_id, []).append(movement)
    return movements


def _line(registration: Registration, movements: Sequence[MovementRow], places: list[ClassPlace]) -> RegisterLine:
    status, last = status_of(movements), student_context.last_deciding(movements)
    left = status.state in GONE | {StudentState.SUSPENDED}
    return RegisterLine(registration, status, last.day if last is not None and left else None, places)


def _stations(tx: Tx, places: Sequence[ClassPlace]) -> list[Station]:
    """The places of one student, each with the register number in its school."""
    registrations = {
        place.school_id: register_store.registrations(tx, place.school_id, [place.student_id]) for place in places
    }
    stations = []
    for place in places:
        registration = registrations[place.school_id].get(place.student_id)
        stations.append(Station(place, registration.number if registration else 0))
    return stations


def _some_year(tx: Tx, caller: Caller, school: str, school_year: str) -> YearRow:
    if not school_year:
        roster_rules.check_school_ref(school)
        return access.some_year(tx, caller, school)
    roster_rules.check_year_ref(school, school_year)
    return access.year(tx, caller, school, school_year)


def _visible_to(school_id: int, movement: MovementRow) -> MovementRow:
    """A movement as a school may see it.

    The reason stays between the family and the school that recorded it.
    """
    return movement if movement.school_id == school_id else movement._replace(reason="")
