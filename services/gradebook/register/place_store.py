"""Students' places in classes: where each was, and taking and leaving a place during the year."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.entry.store.holding import ALIVE
from services.gradebook.model.domain import Stage, Student
from services.gradebook.roster.roster_store import SELECT_DETAILS, personal_details


class ClassPlace(NamedTuple):
    """A student in a class, by the class that holds it.

    joined_on, left_on: only of a student who joined or left during the year.
    """

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


class OtherPlace(NamedTuple):
    """A student's place in another class of the same school year. present: not left."""

    student: str
    same_school: bool
    present: bool


class UnregisteredStudent(NamedTuple):
    """A student without a register number, by class and number in its list."""

    class_name: str
    number: int


_PLACE = (
    f"{SELECT_DETAILS}, e.student_id, y.school_id, sc.code AS school, sc.name AS school_name,"
    " e.school_year_id AS year_id, y.name AS school_year, e.class_id, c.name AS class_name, c.grade_level,"
    " e.joined_on, e.left_on FROM enrolment e JOIN school_class c ON c.id = e.class_id"
    " JOIN school_year y ON y.id = e.school_year_id JOIN school sc ON sc.id = y.school_id"
)
_PLACE_NAMES = tuple(name for name in ClassPlace._fields if name != "personal")


def of_students(tx: Tx, students: Sequence[int], school_id: int | None = None) -> list[ClassPlace]:
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
        ClassPlace(**{name: row[name] for name in _PLACE_NAMES}, personal=Student(**personal_details(row)))
        for row in places
    ]


def leave(tx: Tx, class_id: int, student_id: int, kind: int, day: date) -> None:
    """End a student's place in a class by a kind of movement; the row stays in the list.

    day: the first day no longer in the class.
    """
    tx.execute(
        "UPDATE enrolment SET left_on = %s, left_kind = %s WHERE class_id = %s AND student_id = %s AND left_on IS NULL",
        (day, kind, class_id, student_id),
    )


def reopen(tx: Tx, class_id: int, student_id: int) -> bool:
    """Reopen the student's former place in a class; False if there was none."""
    updated = tx.execute(
        "UPDATE enrolment SET left_on = NULL, left_kind = NULL WHERE class_id = %s AND student_id = %s",
        (class_id, student_id),
    )
    return updated.rowcount == 1


def mark_joined(tx: Tx, class_id: int, student_id: int, kind: int, day: date) -> None:
    """Record when and by which kind of movement a student joined a class during the year."""
    tx.execute(
        "UPDATE enrolment SET joined_on = %s, joined_kind = %s WHERE class_id = %s AND student_id = %s",
        (day, kind, class_id, student_id),
    )


def in_other_classes(
    tx: Tx, school_id: int, school_year: str, class_id: int, students: Sequence[str]
) -> list[OtherPlace]:
    """Places, left or not, in other classes of the same school year, of any school.

    students: moet_student_id; those in the list of the class `class_id` are omitted.
    """
    return rows(
        tx,
        OtherPlace,
        "SELECT s.moet_student_id AS student, y.school_id = %(school)s AS same_school, e.left_on IS NULL AS present"
        " FROM student s JOIN enrolment e ON e.student_id = s.id JOIN school_year y ON y.id = e.school_year_id"
        " WHERE s.moet_student_id = ANY(%(students)s) AND y.name = %(year)s AND e.class_id <> %(class)s"
        " AND NOT EXISTS (SELECT FROM enrolment h WHERE h.class_id = %(class)s AND h.student_id = s.id)",
        {"school": school_id, "year": school_year, "class": class_id, "students": list(students)},
    ).fetchall()


def unregistered(tx: Tx, school_id: int, year_id: int) -> list[UnregisteredStudent]:
    """The students of a year's class lists, in their order, who have no register number."""
    return rows(
        tx,
        UnregisteredStudent,
        "SELECT c.name AS class_name, e.number FROM school_class c JOIN enrolment e ON e.class_id = c.id"
        " WHERE c.school_year_id = %s AND NOT EXISTS (SELECT FROM student_registration r"
        "  WHERE r.school_id = %s AND r.student_id = e.student_id) ORDER BY c.grade_level, c.name, e.number",
        (year_id, school_id),
    ).fetchall()


def year_frozen(tx: Tx, class_id: int) -> bool:
    """Whether a book alive, of the whole year or of after the summer, holds a class's data."""
    return one_row(
        scalars(
            tx,
            bool,
            "SELECT EXISTS (SELECT FROM book b WHERE b.class_id = %(class)s"  # noqa: S608 - a constant
            f" AND b.stage >= %(stage)s AND {ALIVE}"
            " UNION ALL SELECT FROM book_class k JOIN book b ON b.id = k.book_id WHERE k.class_id = %(class)s"
            f" AND b.stage >= %(stage)s AND {ALIVE})",
            {"class": class_id, "stage": Stage.WHOLE_YEAR},
        )
    )
