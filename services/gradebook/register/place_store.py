"""Places of students in classes: where each was, taking and leaving a place during the year."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.model.domain import Student
from services.gradebook.roster.roster_store import SELECT_DETAILS, personal_details


class Place(NamedTuple):
    """A student in a class, by the class that holds it."""

    student_id: int
    school_id: int
    school: str
    school_name: str
    year_id: int
    school_year: str
    class_id: int
    class_name: str
    grade_level: int
    joined_on: date | None
    left_on: date | None
    personal: Student


_PLACE = (
    f"{SELECT_DETAILS}, e.student_id, y.school_id, sc.code AS school, sc.name AS school_name,"
    " e.school_year_id AS year_id, y.name AS school_year, e.class_id, c.name AS class_name, c.grade_level,"
    " e.joined_on, e.left_on FROM enrolment e JOIN school_class c ON c.id = e.class_id"
    " JOIN school_year y ON y.id = e.school_year_id JOIN school sc ON sc.id = y.school_id"
)
_PLACE_NAMES = tuple(name for name in Place._fields if name != "personal")


def of_students(tx: Tx, students: Sequence[int], school_id: int | None = None) -> list[Place]:
    """The classes of students (ids), in one school or in all, oldest first."""
    places = rows(
        tx,
        dict[str, Any],
        f"{_PLACE} WHERE e.student_id = ANY(%(students)s)"
        " AND (%(school)s::int IS NULL OR sc.id = %(school)s::int)"
        " ORDER BY y.name, coalesce(e.joined_on, '-infinity'), e.left_on NULLS LAST, sc.id, c.id",
        {"students": list(students), "school": school_id},
    )
    return [
        Place(**{name: row[name] for name in _PLACE_NAMES}, personal=Student(**personal_details(row))) for row in places
    ]


def leave(tx: Tx, class_id: int, student_id: int, kind: int, day: date) -> None:
    """End a student's place in a class; the row stays in the list."""
    tx.execute(
        "UPDATE enrolment SET left_on = %s, left_kind = %s WHERE class_id = %s AND student_id = %s AND left_on IS NULL",
        (day, kind, class_id, student_id),
    )


def come_back(tx: Tx, class_id: int, student_id: int) -> bool:
    """Give a student the place in a class back that ended before; False when there was none."""
    done = tx.execute(
        "UPDATE enrolment SET left_on = NULL, left_kind = NULL WHERE class_id = %s AND student_id = %s",
        (class_id, student_id),
    )
    return done.rowcount == 1


def mark_joined(tx: Tx, class_id: int, student_id: int, kind: int, day: date) -> None:
    """Note when and how a student came into a class during the year."""
    tx.execute(
        "UPDATE enrolment SET joined_on = %s, joined_kind = %s WHERE class_id = %s AND student_id = %s",
        (day, kind, class_id, student_id),
    )


def taken_elsewhere(
    tx: Tx, school_id: int, school_year: str, class_id: int, students: Sequence[str]
) -> list[tuple[str, bool, bool]]:
    """Students who are or were in another class of the same school year and are not in this class's list.

    (moet_student_id, in the same school, still there).
    """
    elsewhere = tx.execute(
        "SELECT s.moet_student_id, y.school_id = %(school)s, e.left_on IS NULL"
        " FROM student s JOIN enrolment e ON e.student_id = s.id JOIN school_year y ON y.id = e.school_year_id"
        " WHERE s.moet_student_id = ANY(%(students)s) AND y.name = %(year)s AND e.class_id <> %(class)s"
        " AND NOT EXISTS (SELECT FROM enrolment h WHERE h.class_id = %(class)s AND h.student_id = s.id)",
        {"school": school_id, "year": school_year, "class": class_id, "students": list(students)},
    )
    return [(row[0], row[1], row[2]) for row in elsewhere]


def unregistered(tx: Tx, school_id: int, year_id: int) -> list[tuple[str, int]]:
    """Class and number of the students of a year who are not in the school's register."""
    missing = tx.execute(
        "SELECT c.name, e.number FROM school_class c JOIN enrolment e ON e.class_id = c.id"
        " WHERE c.school_year_id = %s AND NOT EXISTS (SELECT FROM student_registration r"
        "  WHERE r.school_id = %s AND r.student_id = e.student_id) ORDER BY c.grade_level, c.name, e.number",
        (year_id, school_id),
    )
    return [(row[0], row[1]) for row in missing]


def year_frozen(tx: Tx, class_id: int) -> bool:
    """Whether a living book of the whole year, or of after the summer, holds the data of a class."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM book b WHERE b.class_id = %(class)s AND b.stage >= 2 AND b.state NOT IN (5, 16)"
        " UNION ALL SELECT FROM book_class k JOIN book b ON b.id = k.book_id WHERE k.class_id = %(class)s"
        " AND b.stage >= 2 AND b.state NOT IN (5, 16))",
        {"class": class_id},
    ).fetchone()
    return row is not None and bool(row[0])
