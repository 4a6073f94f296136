"""Schools, people, subjects, classes, students, assignments: what the roster use cases write and read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from services.common.db import Tx
from services.gradebook.model.domain import (
    Guardian,
    Person,
    School,
    SchoolClass,
    SchoolYear,
    Student,
    Subject,
    VendorStatus,
)


class YearRow(NamedTuple):
    """A school in one school year."""

    id: int
    school_id: int
    school: str
    level: int
    name: str
    vendor: str
    paper_track_required: bool
    authority: int


class StaffRow(NamedTuple):
    """A person in a school."""

    id: int
    person: str
    name: str
    roles: tuple[int, ...]


class SubjectRow(NamedTuple):
    """A subject of a grade, taught now or not. used: marks exist."""

    id: int
    code: str
    kind: int
    regular_count: int
    topic_cluster_semester: int
    active: bool
    used: bool

    def regular_in(self, semester: int) -> int:
        """Regular marks in a semester, with that of a topic cluster."""
        return self.regular_count + (self.topic_cluster_semester == semester)


class ClassRow(NamedTuple):
    """A class with what decides who may act on it."""

    id: int
    name: str
    grade_level: int
    homeroom_id: int
    homeroom_person: str


_YEAR = (
    "SELECT y.id, s.id, s.code, s.level, y.name, y.vendor, y.paper_track_required, y.authority"
    " FROM school s JOIN school_year y ON y.school_id = s.id"
)


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
    row = tx.execute(
        "SELECT id, code, name, level, commune, province, department FROM school WHERE code = %s", (code,)
    ).fetchone()
    return None if row is None else (row[0], School(*row[1:]))


def put_year(tx: Tx, school_id: int, year: SchoolYear) -> None:
    """Write the settings of a school in a year, as they stand in `year`; the vendor is held (`vendors.hold`)."""
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
    rows = tx.execute(
        "SELECT name, vendor, paper_track_required, authorisation, authorisation_decision, authorised_time"
        " FROM school_year WHERE school_id = %s ORDER BY name DESC",
        (school_id,),
    )
    return [SchoolYear(*row) for row in rows]


def year(tx: Tx, school: str, name: str) -> YearRow | None:
    """One year of a school."""
    row = tx.execute(f"{_YEAR} WHERE s.code = %s AND y.name = %s", (school, name)).fetchone()
    return None if row is None else YearRow(*row)


def newest_years(tx: Tx, school: str, limit: int) -> list[YearRow]:
    """The newest years of a school, newest first."""
    rows = tx.execute(f"{_YEAR} WHERE s.code = %s ORDER BY y.name DESC LIMIT %s", (school, limit))
    return [YearRow(*row) for row in rows]


def put_people(tx: Tx, school_id: int, people: Sequence[Person]) -> None:
    """Write people by their ids."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO staff (school_id, person, name, roles) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (school_id, person) DO UPDATE SET name = excluded.name, roles = excluded.roles",
            [(school_id, person.id, person.name, list(person.roles)) for person in people],
        )


def staff(tx: Tx, school_id: int, persons: Sequence[str]) -> dict[str, StaffRow]:
    """The named people of a school, by person id; unknown ones are absent."""
    rows = tx.execute(
        "SELECT id, person, name, roles FROM staff WHERE school_id = %s AND person = ANY(%s)",
        (school_id, list(persons)),
    )
    return {row[1]: StaffRow(row[0], row[1], row[2], tuple(row[3])) for row in rows}


def grade_level(tx: Tx, class_id: int) -> int:
    """The grade of a class that exists."""
    row = tx.execute("SELECT grade_level FROM school_class WHERE id = %s", (class_id,)).fetchone()
    assert row is not None
    return int(row[0])


def staff_with_role(tx: Tx, school_id: int, role: int) -> list[StaffRow]:
    """The people of a school who have a role."""
    rows = tx.execute(
        "SELECT id, person, name, roles FROM staff WHERE school_id = %s AND %s = ANY(roles) ORDER BY person",
        (school_id, role),
    )
    return [StaffRow(row[0], row[1], row[2], tuple(row[3])) for row in rows]


def list_people(tx: Tx, school_id: int, after: str, limit: int) -> list[Person]:
    """A page of people by id."""
    rows = tx.execute(
        "SELECT person, name, roles FROM staff WHERE school_id = %s AND person > %s ORDER BY person LIMIT %s",
        (school_id, after, limit),
    )
    return [Person(row[0], row[1], tuple(row[2])) for row in rows]


def subjects(tx: Tx, year_id: int, grade: int) -> dict[str, SubjectRow]:
    """All subjects of a grade by code, those off the list included."""
    rows = tx.execute(
        "SELECT s.id, s.code, s.kind, s.regular_count, s.topic_cluster_semester, s.active,"
        # Through the classes of the year: `entry` has no index that begins with the subject.
        " EXISTS (SELECT FROM school_class c JOIN entry e ON e.class_id = c.id AND e.subject_id = s.id"
        "  WHERE c.school_year_id = %(year)s) FROM subject s"
        " WHERE s.school_year_id = %(year)s AND s.grade_level = %(grade)s",
        {"year": year_id, "grade": grade},
    )
    return {row[1]: SubjectRow(*row) for row in rows}


def put_subjects(tx: Tx, year_id: int, grade: int, listed: Sequence[tuple[Subject, int]]) -> None:
    """Make `listed` (subject, regular marks a semester) the list of a grade, in order; others are taken off it."""
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
                    s.code,
                    s.name,
                    s.kind,
                    s.periods_per_year,
                    count,
                    s.topic_cluster_semester,
                )
                for position, (s, count) in enumerate(listed, 1)
            ],
        )


def classes(tx: Tx, year_id: int) -> dict[str, ClassRow]:
    """All classes of a year by name."""
    rows = tx.execute(
        "SELECT c.id, c.name, c.grade_level, c.homeroom_id, h.person FROM school_class c"
        " JOIN staff h ON h.id = c.homeroom_id WHERE c.school_year_id = %s",
        (year_id,),
    )
    return {row[1]: ClassRow(*row) for row in rows}


def school_class(tx: Tx, year_id: int, name: str) -> ClassRow | None:
    """One class."""
    row = tx.execute(
        "SELECT c.id, c.name, c.grade_level, c.homeroom_id, h.person FROM school_class c"
        " JOIN staff h ON h.id = c.homeroom_id WHERE c.school_year_id = %s AND c.name = %s",
        (year_id, name),
    ).fetchone()
    return None if row is None else ClassRow(*row)


def put_classes(tx: Tx, year_id: int, listed: Sequence[tuple[SchoolClass, int]]) -> None:
    """Write classes with the staff ids of their homeroom teachers."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO school_class (school_year_id, name, grade_level, homeroom_id) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (school_year_id, name) DO UPDATE SET grade_level = excluded.grade_level,"
            " homeroom_id = excluded.homeroom_id",
            [(year_id, one.name, one.grade_level, homeroom) for one, homeroom in listed],
        )


def list_classes(tx: Tx, year_id: int, after: tuple[int, str], limit: int) -> list[SchoolClass]:
    """A page of classes by grade and name."""
    rows = tx.execute(
        "SELECT c.name, c.grade_level, h.person FROM school_class c JOIN staff h ON h.id = c.homeroom_id"
        " WHERE c.school_year_id = %s AND (c.grade_level, c.name) > (%s, %s) ORDER BY c.grade_level, c.name LIMIT %s",
        (year_id, *after, limit),
    )
    return [SchoolClass(*row) for row in rows]


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
    """Write students of a class, who are known; `numbers` may be swapped among them."""
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
    rows = tx.execute("SELECT DISTINCT class_id FROM enrolment WHERE class_id = ANY(%s)", (list(classes),))
    return {row[0] for row in rows}


def numbers(tx: Tx, class_id: int) -> list[int]:
    """The numbers given in a class list."""
    return [row[0] for row in tx.execute("SELECT number FROM enrolment WHERE class_id = %s", (class_id,))]


def students(tx: Tx, class_id: int) -> list[Student]:
    """The students of a class, in list order."""
    rows = tx.execute(
        "SELECT moet_student_id, number, name, birth_date::text, birth_place, sex, ethnicity, priority, address,"
        " father, mother, note, coalesce(joined_on::text, ''), coalesce(left_on::text, '') FROM enrolment"
        " WHERE class_id = %s ORDER BY number",
        (class_id,),
    )
    found = []
    for *details, father, mother, note, joined_on, left_on in rows:
        fields = [*details, guardian(father), guardian(mother), note, joined_on, left_on]
        found.append(Student(*fields))
    return found


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
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM assignment WHERE class_id = %s AND staff_id = %s)", (class_id, staff_id)
    ).fetchone()
    return row is not None and bool(row[0])


def _guardian_json(person: Guardian | None) -> str | None:
    return None if person is None else json.dumps(asdict(person), ensure_ascii=False)
