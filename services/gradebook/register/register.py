"""The student register: register numbers, and reading the register, movements and a student's path."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Forbidden, NotFound, Violation
from services.common.identity import Caller
from services.gradebook.model import register_rules, roster_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.movement_rules import GONE, MovementKind, Standing, StudentState
from services.gradebook.model.register_rules import RegisterRow
from services.gradebook.register import place_store, register_store, scene
from services.gradebook.register.place_store import Place
from services.gradebook.register.register_store import MovementRow, NewMovement, NewRegistration, Registration
from services.gradebook.register.scene import attending_elsewhere, standing_of
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import YearRow

_UPPER_SECONDARY = 10


class Entry(NamedTuple):
    """One line of the register with what the movements and class lists say. left_on: day of leaving."""

    registration: Registration
    standing: Standing
    left_on: date | None
    places: list[Place]


class Path(NamedTuple):
    """Where a student has studied: classes with the register number there (0: none), and movements; oldest first."""

    stations: list[tuple[Place, int]]
    movements: list[MovementRow]


def register_students(
    database: Database, caller: Caller, school: str, school_year: str, rows: Sequence[RegisterRow]
) -> list[int]:
    """Give students of the year's class lists the next register numbers, in order (seal custodian or data officer).

    Who has a number keeps it and the day of entering; the details are replaced. Raises Invalid with STUDENT_UNKNOWN,
    STUDENT_ELSEWHERE, ENTERED_ON_FIXED, DUPLICATE; Forbidden ROLE_REQUIRED.
    """
    roster_rules.check_year_ref(school, school_year)
    days = register_rules.check_rows(rows)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        who = scene.recorder(tx, caller, year, MovementKind.ENROLLED)
        year_lock.hold_year(tx, year.id)
        ids = register_store.hold_students(tx, [row.student for row in rows])
        register_store.hold_register(tx, year.school_id)
        known = register_store.registrations(tx, year.school_id, list(ids.values()))
        refuse(_wrong_rows(tx, year, rows, days, ids, known))
        number = register_store.last_number(tx, year.school_id)
        lines = []
        for row, day in zip(rows, days, strict=True):
            student = ids[row.student]
            if student not in known:
                number += 1
            given = known[student].number if student in known else number
            lines.append(NewRegistration(student, given, day, row.details))
        register_store.put_registrations(tx, year.school_id, lines)
        first = [
            NewMovement(
                year.school_id,
                year.id,
                line.student_id,
                MovementKind.ENROLLED,
                line.entered_on,
                None,
                "",
                who.person,
                caller.client,
                other_school=line.details.from_school,
            )
            for line in lines
            if line.student_id not in known
        ]
        register_store.add_movements(tx, first)
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
    database: Database, caller: Caller, school: str, school_year: str, after: int, limit: int
) -> list[Entry]:
    """A page of the register by number; school_year empty: the whole register."""
    with database.transaction() as tx:
        year = _some_year(tx, caller, school, school_year)
        return entries(
            tx, year.school_id, register_store.list_registrations(tx, year.school_id, school_year, after, limit)
        )


def entries(tx: Tx, school_id: int, registrations: Sequence[Registration]) -> list[Entry]:
    """Lines of a school's register with what belongs to them, in two statements."""
    students = [one.student_id for one in registrations]
    moves: dict[int, list[MovementRow]] = {}
    for movement in register_store.movements_of(tx, students, school_id):
        moves.setdefault(movement.student_id, []).append(movement)
    listed: dict[int, list[Place]] = {}
    for place in place_store.of_students(tx, students, school_id):
        listed.setdefault(place.student_id, []).append(place)
    return [_entry(one, moves.get(one.student_id, []), listed.get(one.student_id, [])) for one in registrations]


def list_movements(
    database: Database, caller: Caller, school: str, school_year: str, student: str, after: int, limit: int
) -> list[MovementRow]:
    """A page of a school's movements, oldest first, of a school year or of one student."""
    if not school_year and not student:
        refuse([Violation("school_year", "REQUIRED", "Phải nêu năm học hoặc học sinh.")])
    with database.transaction() as tx:
        year = _some_year(tx, caller, school, school_year)
        return register_store.list_movements(tx, year.school_id, school_year, student, after, limit)


def student_path(database: Database, caller: Caller, school: str, student: str) -> Path:
    """Where a student has studied, for the school where the student is now.

    Raises NotFound STUDENT_UNKNOWN; Forbidden STUDENT_ELSEWHERE when the student has gone on to another school.
    """
    roster_rules.check_school_ref(school)
    found = Findings()
    found.code("student", student)
    found.refuse()
    with database.transaction() as tx:
        year = access.some_year(tx, caller, school)
        ids = register_store.student_ids(tx, [student])
        moves = register_store.movements_of(tx, list(ids.values()))
        listed = place_store.of_students(tx, list(ids.values()))
        if year.school_id not in {move.school_id for move in moves} | {place.school_id for place in listed}:
            raise NotFound("STUDENT_UNKNOWN", "Trường không có học sinh mang mã này.", student=student)
        last = scene.deciding(moves)
        if (last.school_id if last else listed[-1].school_id) != year.school_id:
            raise Forbidden("STUDENT_ELSEWHERE", "Học sinh đã chuyển sang trường khác.", student=student)
        numbers = {
            place.school_id: register_store.registrations(tx, place.school_id, [place.student_id]) for place in listed
        }
        stations = [
            (place, known.number if (known := numbers[place.school_id].get(place.student_id)) else 0)
            for place in listed
        ]
        return Path(stations, [_seen_from(year.school_id, move) for move in moves])


def _wrong_rows(
    tx: Tx,
    year: YearRow,
    rows: Sequence[RegisterRow],
    days: Sequence[date],
    ids: dict[str, int],
    known: dict[int, Registration],
) -> list[Violation]:
    here = {place.student_id: place for place in place_store.of_students(tx, list(ids.values()), year.school_id)}
    moves: dict[int, list[MovementRow]] = {}
    for move in register_store.movements_of(tx, list(ids.values())):
        moves.setdefault(move.student_id, []).append(move)
    owners = register_store.identity_owners(tx, year.school_id, [row.details.national_id for row in rows])
    given: dict[str, str] = {}
    found = []
    for index, (row, day) in enumerate(zip(rows, days, strict=True)):
        where, student = f"rows[{index}]", ids.get(row.student)
        place = None if student is None else here.get(student)
        if student is None or place is None or (place.year_id != year.id and student not in known):
            message = "Năm học này không có học sinh mang mã đã nêu trong danh sách lớp."
            found.append(Violation(f"{where}.student", "STUDENT_UNKNOWN", message))
            continue
        if student in known:
            if known[student].entered_on != day:
                message = "Ngày vào trường đã ghi sổ đăng bộ thì không đổi."
                found.append(Violation(f"{where}.entered_on", "ENTERED_ON_FIXED", message))
        elif place.grade_level < _UPPER_SECONDARY and attending_elsewhere(moves.get(student, []), year.school_id):
            message = "Học sinh đang thuộc trường khác; trường đó phải ghi chuyển đi, trường này ghi chuyển đến."
            found.append(Violation(f"{where}.student", "STUDENT_ELSEWHERE", message))
        identity = row.details.national_id
        if identity and owners.get(identity, given.setdefault(identity, row.student)) != row.student:
            message = "Số định danh cá nhân này đã có trong sổ đăng bộ cho học sinh khác."
            found.append(Violation(f"{where}.details.national_id", "DUPLICATE", message))
    return found


def _entry(registration: Registration, moves: Sequence[MovementRow], places: list[Place]) -> Entry:
    now, last = standing_of(moves), scene.deciding(moves)
    left_on = last.day if last is not None and now.state in GONE | {StudentState.SUSPENDED} else None
    return Entry(registration, now, left_on, places)


def _some_year(tx: Tx, caller: Caller, school: str, school_year: str) -> YearRow:
    if not school_year:
        roster_rules.check_school_ref(school)
        return access.some_year(tx, caller, school)
    roster_rules.check_year_ref(school, school_year)
    return access.year(tx, caller, school, school_year)


def _seen_from(school_id: int, move: MovementRow) -> MovementRow:
    """A movement as another school may see it: why somebody left is between that school and the family."""
    return move if move.school_id == school_id else move._replace(reason="")
