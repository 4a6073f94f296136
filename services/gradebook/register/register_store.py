"""The student register (sổ đăng bộ) and the movements of students."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.model.movement_rules import Decision, Details
from services.gradebook.roster.roster_store import guardian

_REGISTER_LOCK = 0x5342  # "SB", sổ đăng bộ; advisory locks of (this, school id)


class Registration(NamedTuple):
    """A student in a school's register. student: moet_student_id."""

    student_id: int
    student: str
    number: int
    entered_on: date
    details: Details


class NewMovement(NamedTuple):
    """A movement to be written. decision: None if the kind needs none.

    other_school: name of the other school of a transfer; other_school_id: only of one in this
    deployment. answers: id of the departure that an arrival answers. carried: number of cells that
    came along.
    """

    school_id: int
    year_id: int
    student_id: int
    kind: int
    day: date
    decision: Decision | None
    reason: str
    person: str
    client: str
    other_school_id: int | None = None
    other_school: str = ""
    from_class_id: int | None = None
    to_class_id: int | None = None
    answers: int | None = None
    carried: int = 0


class MovementRow(NamedTuple):
    """A movement as recorded; see NewMovement.

    student: moet_student_id. other_school: code, empty for one outside this deployment.
    """

    id: int
    school_id: int
    school: str
    school_year: str
    student_id: int
    student: str
    kind: int
    day: date
    decision_number: str
    decision_date: date | None
    reason: str
    other_school: str
    other_school_name: str
    from_class_id: int | None
    from_class: str
    to_class: str
    answers: int | None
    carried: int
    person: str
    client: str
    time: datetime

    @property
    def decision(self) -> Decision | None:
        """The decision, None where none was needed."""
        return None if self.decision_date is None else Decision(self.decision_number, self.decision_date)


_MOVEMENT = (
    "SELECT m.id, m.school_id, s.code AS school, y.name AS school_year, m.student_id, p.moet_student_id AS student,"
    " m.kind, m.moved_on AS day, m.decision_number, m.decision_date, m.reason, coalesce(o.code, '') AS other_school,"
    " m.other_school AS other_school_name, m.from_class_id, coalesce(f.name, '') AS from_class,"
    " coalesce(t.name, '') AS to_class, m.answers, m.carried, m.person, m.client, m.recorded_time AS time"
    " FROM student_movement m JOIN school s ON s.id = m.school_id JOIN school_year y ON y.id = m.school_year_id"
    " JOIN student p ON p.id = m.student_id LEFT JOIN school o ON o.id = m.other_school_id"
    " LEFT JOIN school_class f ON f.id = m.from_class_id LEFT JOIN school_class t ON t.id = m.to_class_id"
)


class _KnownStudent(NamedTuple):
    moet_student_id: str
    id: int


def hold_students(tx: Tx, students: Sequence[str]) -> dict[str, int]:
    """Hold students until commit, so that their movements follow each other; ids of the known ones.

    students: moet_student_id. Taken after the school year's lock (ADR-0031).
    """
    held = rows(
        tx,
        _KnownStudent,
        "SELECT moet_student_id, id FROM student WHERE moet_student_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
        (list(students),),
    )
    return {student.moet_student_id: student.id for student in held}


def student_ids(tx: Tx, students: Sequence[str]) -> dict[str, int]:
    """Ids of students by moet_student_id; unknown ones are absent."""
    known = rows(
        tx,
        _KnownStudent,
        "SELECT moet_student_id, id FROM student WHERE moet_student_id = ANY(%s)",
        (list(students),),
    )
    return {student.moet_student_id: student.id for student in known}


def add_students(tx: Tx, students: Sequence[str]) -> dict[str, int]:
    """Create the students who are unknown, and hold all until commit; ids by moet_student_id."""
    tx.execute(
        "INSERT INTO student (moet_student_id) SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS t (name, place)"
        " ORDER BY place ON CONFLICT DO NOTHING",
        (list(students),),
    )
    return hold_students(tx, students)


def hold_register(tx: Tx, school_id: int) -> None:
    """Hold a school's register until commit, so that its numbers follow each other without gaps."""
    tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_REGISTER_LOCK, school_id))


def last_number(tx: Tx, school_id: int) -> int:
    """The last register number given in a school, 0 for none. The caller holds the register."""
    statement = "SELECT coalesce(max(register_number), 0) FROM student_registration WHERE school_id = %s"
    return one_row(scalars(tx, int, statement, (school_id,)))


class _RegistrationRow(NamedTuple):
    student_id: int
    student: str
    number: int
    entered_on: date
    national_id: str
    nationality: str
    guardian: dict[str, str] | None
    from_school: str
    note: str

    @property
    def registration(self) -> Registration:
        details = Details(self.national_id, self.nationality, guardian(self.guardian), self.from_school, self.note)
        return Registration(self.student_id, self.student, self.number, self.entered_on, details)


_REGISTRATION = (
    "SELECT r.student_id, s.moet_student_id AS student, r.register_number AS number, r.entered_on, r.national_id,"
    " r.nationality, r.guardian, r.from_school, r.note"
    " FROM student_registration r JOIN student s ON s.id = r.student_id"
)


def registrations(tx: Tx, school_id: int, students: Sequence[int]) -> dict[int, Registration]:
    """The register's lines of students (ids) in a school; students without a line are absent."""
    lines = rows(
        tx,
        _RegistrationRow,
        f"{_REGISTRATION} WHERE r.school_id = %s AND r.student_id = ANY(%s)",
        (school_id, list(students)),
    )
    return {line.student_id: line.registration for line in lines}


def newest_details(tx: Tx, student_id: int) -> Details | None:
    """The details of a student's latest registration, in any school."""
    line = rows(
        tx,
        _RegistrationRow,
        f"{_REGISTRATION} WHERE r.student_id = %s ORDER BY r.entered_on DESC, r.school_id DESC LIMIT 1",
        (student_id,),
    ).fetchone()
    return None if line is None else line.registration.details


class NewRegistration(NamedTuple):
    """A line of the register to be written."""

    student_id: int
    number: int
    entered_on: date
    details: Details


def put_registrations(tx: Tx, school_id: int, lines: Sequence[NewRegistration]) -> None:
    """Write lines of the register in one batch.

    A student in the register keeps the number and the day of entering; the details are replaced.
    """
    with tx.cursor() as cursor:
        cursor.executemany(_PUT_REGISTRATION, [_registration_fields(school_id, line) for line in lines])


_PUT_REGISTRATION = (
    "INSERT INTO student_registration (school_id, student_id, register_number, entered_on, national_id,"
    " nationality, guardian, from_school, note)"
    " VALUES (%(school)s, %(student)s, %(number)s, %(entered_on)s, %(national_id)s, %(nationality)s,"
    " %(guardian)s::jsonb, %(from_school)s, %(note)s) ON CONFLICT (school_id, student_id)"
    " DO UPDATE SET national_id = excluded.national_id, nationality = excluded.nationality,"
    " guardian = excluded.guardian, from_school = excluded.from_school, note = excluded.note"
)


def _registration_fields(school_id: int, line: NewRegistration) -> dict[str, object]:
    guardian = line.details.guardian
    return {
        **asdict(line.details),
        "guardian": None if guardian is None else json.dumps(asdict(guardian), ensure_ascii=False),
        "school": school_id,
        "student": line.student_id,
        "number": line.number,
        "entered_on": line.entered_on,
    }


_ADD_MOVEMENT = (
    "INSERT INTO student_movement (school_id, school_year_id, student_id, kind, moved_on, decision_number,"
    " decision_date, reason, other_school_id, other_school, from_class_id, to_class_id, answers, carried, person,"
    " client) VALUES (%(school_id)s, %(year_id)s, %(student_id)s, %(kind)s, %(day)s, %(decision_number)s,"
    " %(decision_date)s, %(reason)s, %(other_school_id)s, %(other_school)s, %(from_class_id)s, %(to_class_id)s,"
    " %(answers)s, %(carried)s, %(person)s, %(client)s) RETURNING id"
)


def add_movement(tx: Tx, new: NewMovement) -> MovementRow:
    """Append a movement."""
    movement_id = one_row(scalars(tx, int, _ADD_MOVEMENT, _movement_fields(new)))
    return one_row(rows(tx, MovementRow, f"{_MOVEMENT} WHERE m.id = %s", (movement_id,)))


def add_movements(tx: Tx, new: Sequence[NewMovement]) -> None:
    """Append movements in their order, in one batch."""
    with tx.cursor() as cursor:
        cursor.executemany(_ADD_MOVEMENT, [_movement_fields(movement) for movement in new])


def _movement_fields(new: NewMovement) -> dict[str, object]:
    return {
        **new._asdict(),
        "decision_number": new.decision.number if new.decision else "",
        "decision_date": new.decision.date if new.decision else None,
    }


def movements_of(tx: Tx, students: Sequence[int], school_id: int | None = None) -> list[MovementRow]:
    """All movements of students (ids), in one school or in all, oldest first."""
    return rows(
        tx,
        MovementRow,
        f"{_MOVEMENT} WHERE m.student_id = ANY(%(students)s)"
        " AND (%(school)s::int IS NULL OR m.school_id = %(school)s::int) ORDER BY m.id",
        {"students": list(students), "school": school_id},
    ).fetchall()


# The page first, so that only its rows are looked up in the other tables.
_MOVEMENT_PAGE = """
SELECT id FROM student_movement WHERE school_id = %(school)s AND id > %(after)s
    AND (%(year)s = ''
        OR school_year_id = (SELECT id FROM school_year WHERE school_id = %(school)s AND name = %(year)s))
    AND (%(student)s = '' OR student_id = (SELECT id FROM student WHERE moet_student_id = %(student)s))
ORDER BY id LIMIT %(limit)s
"""


def list_movements(
    tx: Tx, school_id: int, school_year: str, student: str, *, after: int, limit: int
) -> list[MovementRow]:
    """A page of a school's movements by id.

    school_year, student (moet_student_id): empty for any.
    """
    return rows(
        tx,
        MovementRow,
        f"{_MOVEMENT} WHERE m.id = ANY(ARRAY({_MOVEMENT_PAGE})) ORDER BY m.id",
        {"school": school_id, "after": after, "year": school_year, "student": student, "limit": limit},
    ).fetchall()


_REGISTRATION_PAGE = """
 WHERE r.school_id = %(school)s AND r.register_number > %(after)s AND (%(year)s = ''
    OR r.student_id IN (
        SELECT e.student_id FROM school_year y JOIN school_class c ON c.school_year_id = y.id
        JOIN enrolment e ON e.class_id = c.id WHERE y.school_id = %(school)s AND y.name = %(year)s
        UNION ALL SELECT m.student_id FROM school_year y JOIN student_movement m ON m.school_year_id = y.id
        WHERE y.school_id = %(school)s AND y.name = %(year)s AND m.school_id = %(school)s))
ORDER BY r.register_number LIMIT %(limit)s
"""


def list_registrations(tx: Tx, school_id: int, school_year: str, after: int, limit: int) -> list[Registration]:
    """A page of a school's register by number.

    school_year: only students who were in a class of that year or moved in it; empty for all.
    """
    page = {"school": school_id, "after": after, "year": school_year, "limit": limit}
    return [line.registration for line in rows(tx, _RegistrationRow, _REGISTRATION + _REGISTRATION_PAGE, page)]


class _IdentityOwner(NamedTuple):
    national_id: str
    student: str


def identity_owners(tx: Tx, school_id: int, national_ids: Sequence[str]) -> dict[str, str]:
    """national_id → moet_student_id of the student in a school's register who has it.

    Empty ones are ignored.
    """
    owners = rows(
        tx,
        _IdentityOwner,
        "SELECT r.national_id, s.moet_student_id AS student"
        " FROM student_registration r JOIN student s ON s.id = r.student_id"
        " WHERE r.school_id = %s AND r.national_id = ANY(%s) AND r.national_id <> ''",
        (school_id, list(national_ids)),
    )
    return {owner.national_id: owner.student for owner in owners}


class _MovedStudent(NamedTuple):
    student: str
    kind: int
    day: date


def histories(tx: Tx, school_id: int, class_id: int, students: Sequence[str]) -> Mapping[str, list[tuple[int, date]]]:
    """moet_student_id → movements (kind, day) in a school, oldest first.

    students: moet_student_id; those in the list of the class `class_id` are omitted.
    """
    moved_students = rows(
        tx,
        _MovedStudent,
        "SELECT s.moet_student_id AS student, m.kind, m.moved_on AS day"
        " FROM student_movement m JOIN student s ON s.id = m.student_id"
        " WHERE m.school_id = %(school)s AND s.moet_student_id = ANY(%(students)s)"
        " AND NOT EXISTS (SELECT FROM enrolment h WHERE h.class_id = %(class)s AND h.student_id = s.id) ORDER BY m.id",
        {"school": school_id, "students": list(students), "class": class_id},
    )
    movements: dict[str, list[tuple[int, date]]] = {}
    for moved in moved_students:
        movements.setdefault(moved.student, []).append((moved.kind, moved.day))
    return movements
