"""Schools, people, subjects, classes, students, assignments: what the roster use cases write and
read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, NamedTuple

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.model.domain import (
    Guardian,
    Person,
    PersonalDetails,
    School,
    SchoolClass,
    SchoolYear,
    Student,
    Subject,
    VendorStatus,
)


class YearRow(NamedTuple):
    """A school in one school year. level: SchoolLevel; authority: Authority."""

    id: int
    school_id: int
    school: str
    level: int
    name: str
    vendor: str
    paper_track_required: bool
    authority: int


class StaffRow(NamedTuple):
    """A person in a school. roles: numbers of Role."""

    id: int
    person: str
    name: str
    roles: Sequence[int]


class SubjectRow(NamedTuple):
    """A subject of a grade. active: on the grade's list; used: marks exist."""

    id: int
    code: str
    kind: int
    regular_count: int
    topic_cluster_semester: int
    active: bool
    used: bool

    def regular_in(self, semester: int) -> int:
        """Regular marks in a semester, including that of a topic cluster."""
        return self.regular_count + (self.topic_cluster_semester == semester)


class ClassRow(NamedTuple):
    """A class and its homeroom teacher."""

    id: int
    name: str
    grade_level: int
    homeroom_id: int
    homeroom_person: str


_YEAR = (
    "SELECT y.id, y.school_id, s.code AS school, s.level, y.name, y.vendor, y.paper_track_required, y.authority"
    " FROM school s JOIN school_year y ON y.school_id = s.id"
)
_CLASS = (
    "SELECT c.id, c.name, c.grade_level, c.homeroom_id, h.person AS homeroom_person FROM school_class c"
    " JOIN staff h ON h.id = c.homeroom_id"
)

SELECT_DETAILS = (
    "SELECT e.moet_student_id, e.number, e.name, e.birth_date::text, e.birth_place, e.sex, e.ethnicity, e.priority,"
    " e.address, e.father, e.mother, e.note"
)
"""Begins a SELECT from ``enrolment e`` with the fields of `PersonalDetails` as columns."""

_DETAIL_NAMES = tuple(field.name for field in fields(PersonalDetails))


def put_school(tx: Tx, school: School) -> None:
    """Write a school by its code."""
    tx.execute(
        "INSERT INTO school (code, name, level, commune, province, department)"
        " VALUES (%(code)s, %(name)s, %(level)s, %(commune)s, %(province)s, %(department)s)"
        " ON CONFLICT (code) DO UPDATE SET name = excluded.name, level = excluded.level,"
        " commune = excluded.commune, province = excluded.province, department = excluded.department",
        asdict(school),
    )


def school(tx: Tx, code: str) -> tuple[int, School] | None:
    """A school with its id."""
    row = rows(
        tx,
        dict[str, Any],
        "SELECT id, code, name, level, commune, province, department FROM school WHERE code = %s",
        (code,),
    ).fetchone()
    return None if row is None else (row.pop("id"), School(**row))


def put_year(tx: Tx, school_id: int, year: SchoolYear) -> None:
    """Write the settings of a school in a year.

    The caller holds the registry of vendors (`vendor_store.share`).
    """
    tx.execute(
        "INSERT INTO school_year (school_id, name, vendor, paper_track_required, authorisation,"
        " authorisation_decision, authorised_time, vendor_suspended) VALUES (%(school)s, %(name)s, %(vendor)s,"
        " %(paper)s, %(authorisation)s, %(decision)s, %(time)s,"
        " EXISTS (SELECT FROM vendor v WHERE v.name = %(vendor)s AND v.status = %(suspended)s))"
        " ON CONFLICT (school_id, name) DO UPDATE SET vendor = excluded.vendor,"
        " paper_track_required = excluded.paper_track_required, authorisation = excluded.authorisation,"
        " authorisation_decision = excluded.authorisation_decision, authorised_time = excluded.authorised_time,"
        " vendor_suspended = excluded.vendor_suspended",
        {
            "school": school_id,
            "name": year.name,
            "vendor": year.vendor,
            "paper": year.paper_track_required,
            "authorisation": year.authorisation,
            "decision": year.authorisation_decision,
            "time": year.authorised_time,
            "suspended": VendorStatus.SUSPENDED,
        },
    )


def years(tx: Tx, school_id: int) -> list[SchoolYear]:
    """The years of a school, newest first."""
    return rows(
        tx,
        SchoolYear,
        "SELECT name, vendor, paper_track_required, authorisation, authorisation_decision, authorised_time"
        " FROM school_year WHERE school_id = %s ORDER BY name DESC",
        (school_id,),
    ).fetchall()


def year(tx: Tx, school: str, name: str) -> YearRow | None:
    """One year of a school."""
    return rows(tx, YearRow, f"{_YEAR} WHERE s.code = %s AND y.name = %s", (school, name)).fetchone()


def newest_years(tx: Tx, school: str, limit: int) -> list[YearRow]:
    """The newest years of a school, newest first."""
    return rows(tx, YearRow, f"{_YEAR} WHERE s.code = %s ORDER BY y.name DESC LIMIT %s", (school, limit)).fetchall()


def put_people(tx: Tx, school_id: int, people: Sequence[Person]) -> None:
    """Write people by their ids."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO staff (school_id, person, name, roles) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (school_id, person) DO UPDATE SET name = excluded.name, roles = excluded.roles",
            [(school_id, person.id, person.name, list(person.roles)) for person in people],
        )


def staff(tx: Tx, school_id: int, persons: Sequence[str]) -> dict[str, StaffRow]:
    """The named people of a school, by person id; unknown ones are omitted."""
    people = rows(
        tx,
        StaffRow,
        "SELECT id, person, name, roles FROM staff WHERE school_id = %s AND person = ANY(%s)",
        (school_id, list(persons)),
    )
    return {row.person: row for row in people}


def grade_level(tx: Tx, class_id: int) -> int:
    """The grade of a class that exists."""
    return one_row(scalars(tx, int, "SELECT grade_level FROM school_class WHERE id = %s", (class_id,)))


def staff_with_role(tx: Tx, school_id: int, role: int) -> list[StaffRow]:
    """The people of a school who have a role."""
    return rows(
        tx,
        StaffRow,
        "SELECT id, person, name, roles FROM staff WHERE school_id = %s AND %s = ANY(roles) ORDER BY person",
        (school_id, role),
    ).fetchall()


def list_people(tx: Tx, school_id: int, after: str, limit: int) -> list[Person]:
    """A page of people by id."""
    return rows(
        tx,
        Person,
        "SELECT person AS id, name, roles FROM staff WHERE school_id = %s AND person > %s ORDER BY person LIMIT %s",
        (school_id, after, limit),
    ).fetchall()


def subjects(tx: Tx, year_id: int, grade: int) -> dict[str, SubjectRow]:
    """All subjects of a grade by code, including those off its list."""
    listed = rows(
        tx,
        SubjectRow,
        "SELECT s.id, s.code, s.kind, s.regular_count, s.topic_cluster_semester, s.active,"
        # Through the classes of the year: `entry` has no index that begins with the subject.
        " EXISTS (SELECT FROM school_class c JOIN entry e ON e.class_id = c.id AND e.subject_id = s.id"
        "  WHERE c.school_year_id = %(year)s) AS used FROM subject s"
        " WHERE s.school_year_id = %(year)s AND s.grade_level = %(grade)s",
        {"year": year_id, "grade": grade},
    )
    return {subject.code: subject for subject in listed}


def put_subjects(tx: Tx, year_id: int, grade: int, listed: Sequence[tuple[Subject, int]]) -> None:
    """Make `listed` (subject, regular marks per semester) the list of a grade, in order; others are
    taken off it.
    """
    tx.execute(
        "UPDATE subject SET active = false WHERE school_year_id = %s AND grade_level = %s AND code <> ALL(%s)",
        (year_id, grade, [subject.code for subject, _ in listed]),
    )
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO subject"
            " (school_year_id, grade_level, position, code, name, kind, periods_per_year, regular_count,"
            " topic_cluster_semester) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (school_year_id, grade_level, code) DO UPDATE SET"
            " position = excluded.position, name = excluded.name, kind = excluded.kind, active = true,"
            " periods_per_year = excluded.periods_per_year, regular_count = excluded.regular_count,"
            " topic_cluster_semester = excluded.topic_cluster_semester",
            [
                (
                    year_id,
                    grade,
                    position,
                    subject.code,
                    subject.name,
                    subject.kind,
                    subject.periods_per_year,
                    regular_count,
                    subject.topic_cluster_semester,
                )
                for position, (subject, regular_count) in enumerate(listed, 1)
            ],
        )


def classes(tx: Tx, year_id: int) -> dict[str, ClassRow]:
    """All classes of a year by name."""
    listed = rows(tx, ClassRow, f"{_CLASS} WHERE c.school_year_id = %s", (year_id,))
    return {school_class.name: school_class for school_class in listed}


def school_class(tx: Tx, year_id: int, name: str) -> ClassRow | None:
    """One class."""
    return rows(tx, ClassRow, f"{_CLASS} WHERE c.school_year_id = %s AND c.name = %s", (year_id, name)).fetchone()


def put_classes(tx: Tx, year_id: int, listed: Sequence[tuple[SchoolClass, int]]) -> None:
    """Write classes with the staff ids of their homeroom teachers."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO school_class (school_year_id, name, grade_level, homeroom_id) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (school_year_id, name) DO UPDATE SET grade_level = excluded.grade_level,"
            " homeroom_id = excluded.homeroom_id",
            [(year_id, school_class.name, school_class.grade_level, homeroom) for school_class, homeroom in listed],
        )


def list_classes(tx: Tx, year_id: int, after: tuple[int, str], limit: int) -> list[SchoolClass]:
    """A page of classes by grade and name."""
    return rows(
        tx,
        SchoolClass,
        "SELECT c.name, c.grade_level, h.person AS homeroom_teacher FROM school_class c"
        " JOIN staff h ON h.id = c.homeroom_id WHERE c.school_year_id = %s AND (c.grade_level, c.name) > (%s, %s)"
        " ORDER BY c.grade_level, c.name LIMIT %s",
        (year_id, *after, limit),
    ).fetchall()


_PUT_ENROLMENT = """
INSERT INTO enrolment (class_id, student_id, moet_student_id, school_year_id, number, name, birth_date, birth_place,
    sex, ethnicity, priority, address, father, mother, note)
SELECT %(class)s, id, moet_student_id, %(year)s, %(number)s, %(name)s, %(birth_date)s::date, %(birth_place)s,
    %(sex)s, %(ethnicity)s, %(priority)s, %(address)s, %(father)s::jsonb, %(mother)s::jsonb, %(note)s
FROM student WHERE moet_student_id = %(moet_student_id)s
ON CONFLICT (class_id, student_id) DO UPDATE SET number = excluded.number, name = excluded.name,
    birth_date = excluded.birth_date, birth_place = excluded.birth_place, sex = excluded.sex,
    ethnicity = excluded.ethnicity, priority = excluded.priority, address = excluded.address,
    father = excluded.father, mother = excluded.mother, note = excluded.note
"""


def put_students(tx: Tx, year_id: int, class_id: int, students: Sequence[Student]) -> None:
    """Write known students into the list of a class; they may exchange their numbers."""
    tx.execute("SET CONSTRAINTS enrolment_class_id_number_key DEFERRED")
    with tx.cursor() as cursor:
        cursor.executemany(
            _PUT_ENROLMENT,
            [
                {
                    **asdict(student),
                    "father": _guardian_json(student.father),
                    "mother": _guardian_json(student.mother),
                    "class": class_id,
                    "year": year_id,
                }
                for student in students
            ],
        )


def with_students(tx: Tx, classes: Sequence[int]) -> set[int]:
    """Those of the classes (ids) that have students in their lists."""
    return set(scalars(tx, int, "SELECT DISTINCT class_id FROM enrolment WHERE class_id = ANY(%s)", (list(classes),)))


def numbers(tx: Tx, class_id: int) -> list[int]:
    """The numbers given in a class list."""
    return scalars(tx, int, "SELECT number FROM enrolment WHERE class_id = %s", (class_id,)).fetchall()


def students(tx: Tx, class_id: int) -> list[Student]:
    """The students of a class, in list order."""
    listed = rows(
        tx,
        dict[str, Any],
        f"{SELECT_DETAILS}, coalesce(e.joined_on::text, '') AS joined_on,"
        " coalesce(e.left_on::text, '') AS left_on FROM enrolment e WHERE e.class_id = %s ORDER BY e.number",
        (class_id,),
    )
    return [Student(**personal_details(row), joined_on=row["joined_on"], left_on=row["left_on"]) for row in listed]


def personal_details(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `PersonalDetails` in a row of a statement that begins with SELECT_DETAILS."""
    details = {name: row[name] for name in _DETAIL_NAMES}
    return {**details, "father": guardian(row["father"]), "mother": guardian(row["mother"])}


def guardian(fields: Mapping[str, str] | None) -> Guardian | None:
    """A guardian as stored."""
    return None if fields is None else Guardian(**fields)


def put_assignments(tx: Tx, class_id: int, assignments: Sequence[tuple[int, Sequence[int]]]) -> None:
    """Set the teachers (staff ids, in order) of the named subjects (ids) of a class."""
    tx.execute(
        "DELETE FROM assignment WHERE class_id = %s AND subject_id = ANY(%s)",
        (class_id, [subject for subject, _ in assignments]),
    )
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO assignment (class_id, subject_id, position, staff_id) VALUES (%s, %s, %s, %s)",
            [
                (class_id, subject, position, teacher)
                for subject, teachers in assignments
                for position, teacher in enumerate(teachers, 1)
            ],
        )


def is_teacher_of_class(tx: Tx, class_id: int, staff_id: int) -> bool:
    """Whether a person teaches any subject in a class."""
    return one_row(
        scalars(
            tx,
            bool,
            "SELECT EXISTS (SELECT FROM assignment WHERE class_id = %s AND staff_id = %s)",
            (class_id, staff_id),
        )
    )


def _guardian_json(person: Guardian | None) -> str | None:
    return None if person is None else json.dumps(asdict(person), ensure_ascii=False)
