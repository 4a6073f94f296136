"""The roster: schools, people, subjects, classes, students, assignments.

Every put is all or nothing.

What marks refer to (subjects, classes, students, assignments) is changed only under the exclusive
lock of the school year: no mark is entered and no book is frozen between a check and the change.
"""

from collections.abc import Sequence

from services.common import identity
from services.common.db import Database, Tx
from services.common.errors import Rejected, Violation
from services.common.identity import Caller
from services.gradebook.model import permissions, roster_rules
from services.gradebook.model.checks import refuse
from services.gradebook.model.domain import (
    SUBJECT_KINDS,
    Assignment,
    ClassRef,
    Person,
    Role,
    School,
    SchoolClass,
    SchoolYear,
    Semester,
    Student,
    Subject,
    year_start,
)
from services.gradebook.model.permissions import Actor, Permission
from services.gradebook.roster import access, roster_store, standing, year_lock
from services.gradebook.roster.roster_store import StaffRow, SubjectRow
from services.gradebook.rules import required_regular, rule_set


def put_school(database: Database, caller: Caller, school: School) -> None:
    """Register or update a school."""
    roster_rules.check_school(school)
    with database.transaction() as tx:
        roster_store.put_school(tx, school)
        access.record(tx, caller, school.code, "SCHOOL_PUT", f"schools/{school.code}")


def put_people(database: Database, caller: Caller, school: str, people: Sequence[Person]) -> None:
    """Register or update people and their roles: who may do what follows from them.

    A school's own people do it; the Department puts a principal while there is none (ADR-0063).
    Raises Invalid, Forbidden as `access.require`, Rejected PRINCIPAL_APPOINTED.
    """
    roster_rules.check_school_ref(school)
    roster_rules.check_people(people)
    with database.transaction() as tx:
        year = access.some_year(tx, caller, school)
        if identity.vendor_of(caller.client) is not None:
            access.require(tx, caller, year, Permission.PUT_PEOPLE)
        else:
            permissions.check(permissions.department_puts(person.roles for person in people), {Actor.DEPARTMENT})
            if roster_store.staff_with_role(tx, year.school_id, permissions.HEAD_OF_SCHOOL):
                message = "Trường đã có Hiệu trưởng; người và vai trò do trường cập nhật."
                raise Rejected("PRINCIPAL_APPOINTED", message, school=school)
        roster_store.put_people(tx, year.school_id, sorted(people, key=lambda person: person.id))
        standing.staff_changed(tx, school, [(person.id, person.roles) for person in people])
        roles = ";".join(f"{person.id}:{','.join(Role(role).name for role in person.roles)}" for person in people)
        access.record(tx, caller, school, "PEOPLE_PUT", f"schools/{school}", people=roles)


def put_subjects(
    database: Database, caller: Caller, school: str, school_year: str, grade: int, *, subjects: Sequence[Subject]
) -> None:
    """Set the subjects of a grade, in book order; others are taken off its list.

    Raises Invalid, and Rejected SUBJECT_IN_USE if a subject that has marks would leave the list or
    change its kind or its number of marks.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        year_lock.hold_year(tx, year.id)
        roster_rules.check_subjects(subjects, school_year, grade, year.level)
        listed = [(subject, _regular_count(school_year, grade, subject)) for subject in subjects]
        known = roster_store.subjects(tx, year.id, grade)
        _check_in_use(known, {subject.code: _meaning(subject, count) for subject, count in listed})
        roster_store.put_subjects(tx, year.id, grade, listed)
        access.record(
            tx,
            caller,
            school,
            "SUBJECTS_PUT",
            f"schools/{school}/years/{school_year}/grades/{grade}",
            subjects=",".join(subject.code for subject in subjects),
        )


def put_classes(
    database: Database, caller: Caller, school: str, school_year: str, classes: Sequence[SchoolClass]
) -> None:
    """Register or update classes.

    Raises Invalid if a homeroom teacher is unknown, Rejected CLASS_IN_USE if a class that has
    students would change its grade.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.PUT_CLASSES)
        year_lock.hold_year(tx, year.id)
        roster_rules.check_classes(classes, school_year, year.level)
        staff = roster_store.staff(tx, year.school_id, [school_class.homeroom_teacher for school_class in classes])
        refuse(
            [
                Violation(f"classes[{index}].homeroom_teacher", "PERSON_UNKNOWN", "Trường không có người mang mã này.")
                for index, school_class in enumerate(classes)
                if school_class.homeroom_teacher not in staff
            ]
        )
        _check_grades(tx, year.id, classes)
        homerooms = [(school_class, staff[school_class.homeroom_teacher].id) for school_class in classes]
        roster_store.put_classes(tx, year.id, homerooms)
        access.record(
            tx,
            caller,
            school,
            "CLASSES_PUT",
            f"schools/{school}/years/{school_year}",
            classes=",".join(f"{school_class.name}:{school_class.homeroom_teacher}" for school_class in classes),
        )


def put_assignments(database: Database, caller: Caller, ref: ClassRef, assignments: Sequence[Assignment]) -> None:
    """Set who teaches the named subjects of a class.

    Raises Invalid if a subject or a person is unknown.
    """
    roster_rules.check_class_ref(ref)
    roster_rules.check_assignments(assignments)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        access.require(tx, caller, year, Permission.PUT_ASSIGNMENTS)
        year_lock.hold_year(tx, year.id)
        subjects = roster_store.subjects(tx, year.id, school_class.grade_level)
        teachers = [teacher for assignment in assignments for teacher in assignment.teachers]
        staff = roster_store.staff(tx, year.school_id, teachers)
        refuse(_unknown(assignments, subjects, staff))
        roster_store.put_assignments(
            tx,
            school_class.id,
            [
                (subjects[assignment.subject].id, [staff[teacher].id for teacher in assignment.teachers])
                for assignment in assignments
            ],
        )
        access.record(
            tx,
            caller,
            ref.school,
            "ASSIGNMENTS_PUT",
            ref.resource,
            assignments=";".join(f"{a.subject}:{','.join(a.teachers)}" for a in assignments),
        )


def get_school(database: Database, caller: Caller, school: str) -> tuple[School, list[SchoolYear]]:
    """A school and its years, newest first."""
    roster_rules.check_school_ref(school)
    with database.transaction() as tx:
        school_id, known = access.school(tx, school)
        if identity.vendor_of(caller.client) is not None:
            access.some_year(tx, caller, school)
        return known, roster_store.years(tx, school_id)


def list_classes(
    database: Database, caller: Caller, school: str, school_year: str, *, after: tuple[int, str], limit: int
) -> list[SchoolClass]:
    """A page of classes by grade and name, after the class with that grade and name."""
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        return roster_store.list_classes(tx, access.year(tx, caller, school, school_year).id, after, limit)


def list_people(database: Database, caller: Caller, school: str, after: str, limit: int) -> list[Person]:
    """A page of people by id, after the person with the id `after`."""
    roster_rules.check_school_ref(school)
    with database.transaction() as tx:
        return roster_store.list_people(tx, access.some_year(tx, caller, school).school_id, after, limit)


def list_students(database: Database, caller: Caller, ref: ClassRef) -> list[Student]:
    """The students of a class, by number."""
    roster_rules.check_class_ref(ref)
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        return roster_store.students(tx, school_class.id)


def _regular_count(school_year: str, grade: int, subject: Subject) -> int:
    rules = rule_set(year_start(school_year), grade)
    kind = SUBJECT_KINDS[subject.kind]
    return required_regular(rules, kind, subject.periods_per_year, semester=Semester.FIRST).minimum


def _meaning(subject: Subject | SubjectRow, regular_count: int) -> tuple[int, int, int]:
    """What may not change while a subject has marks."""
    return subject.kind, regular_count, subject.topic_cluster_semester


def _check_in_use(known: dict[str, SubjectRow], listed: dict[str, tuple[int, int, int]]) -> None:
    for subject in known.values():
        if subject.used and listed.get(subject.code) != _meaning(subject, subject.regular_count):
            raise Rejected(
                "SUBJECT_IN_USE",
                "Môn học đã có điểm nên không bỏ được và không đổi cách đánh giá hay số cột điểm được.",
                subject=subject.code,
            )


def _check_grades(tx: Tx, year_id: int, classes: Sequence[SchoolClass]) -> None:
    """Raises Rejected CLASS_IN_USE if a class that has students would change its grade."""
    known = roster_store.classes(tx, year_id)
    changed = [
        known[school_class.name]
        for school_class in classes
        if school_class.name in known and known[school_class.name].grade_level != school_class.grade_level
    ]
    in_use = roster_store.with_students(tx, [class_row.id for class_row in changed])
    for class_row in changed:
        if class_row.id in in_use:
            raise Rejected("CLASS_IN_USE", "Lớp đã có học sinh nên không đổi khối được.", school_class=class_row.name)


def _unknown(
    assignments: Sequence[Assignment], subjects: dict[str, SubjectRow], staff: dict[str, StaffRow]
) -> list[Violation]:
    violations = []
    for index, assignment in enumerate(assignments):
        where = f"assignments[{index}]"
        if assignment.subject not in subjects or not subjects[assignment.subject].active:
            message = "Khối lớp này không có môn học đã nêu."
            violations.append(Violation(f"{where}.subject", "SUBJECT_UNKNOWN", message))
        for place, teacher in enumerate(assignment.teachers):
            if teacher not in staff:
                message = "Trường không có người mang mã này."
                violations.append(Violation(f"{where}.teachers[{place}]", "PERSON_UNKNOWN", message))
    return violations
