"""The roster: schools, years, people, subjects, classes, students, assignments. Every put is all or nothing.

What marks rest on (subjects, classes, students, assignments) changes while the school year is held alone: no mark
is entered and no book is frozen between a check and the change.
"""

from collections.abc import Sequence

from services.common.db import Database
from services.common.errors import Rejected, Violation
from services.common.identity import Caller
from services.gradebook.model import roster_rules
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
from services.gradebook.roster import access, roster_store, year_lock
from services.gradebook.roster.roster_store import StaffRow, SubjectRow
from services.gradebook.rules import required_regular, rule_set


def put_school(database: Database, caller: Caller, school: School) -> None:
    """Register or update a school."""
    roster_rules.check_school(school)
    with database.transaction() as tx:
        roster_store.put_school(tx, school)
        access.record(tx, caller, school.code, "SCHOOL_PUT", f"schools/{school.code}")


def put_people(database: Database, caller: Caller, school: str, people: Sequence[Person]) -> None:
    """Register or update people and their roles."""
    roster_rules.check_school_ref(school)
    roster_rules.check_people(people)
    with database.transaction() as tx:
        year = access.some_year(tx, caller, school)
        roster_store.put_people(tx, year.school_id, sorted(people, key=lambda one: one.id))
        roles = ";".join(f"{one.id}:{','.join(Role(role).name for role in one.roles)}" for one in people)
        access.record(tx, caller, school, "PEOPLE_PUT", f"schools/{school}", people=roles)


def put_subjects(
    database: Database, caller: Caller, school: str, school_year: str, grade: int, subjects: Sequence[Subject]
) -> None:
    """Set the subjects of a grade, in book order; those not named are taken off the list.

    Raises Rejected SUBJECT_IN_USE when a subject that has marks would leave the list, or change what its marks mean.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        year_lock.hold_year(tx, year.id)
        roster_rules.check_subjects(subjects, school_year, grade, year.level)
        listed = [(subject, _regular_count(school_year, grade, subject)) for subject in subjects]
        known = roster_store.subjects(tx, year.id, grade)
        _check_in_use(known, {one.code: (one.kind, count, one.topic_cluster_semester) for one, count in listed})
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

    Raises Invalid when a homeroom teacher is unknown, Rejected CLASS_IN_USE when a class with students changes grade.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        year_lock.hold_year(tx, year.id)
        roster_rules.check_classes(classes, school_year, year.level)
        staff = roster_store.staff(tx, year.school_id, [one.homeroom_teacher for one in classes])
        refuse(
            [
                Violation(f"classes[{index}].homeroom_teacher", "PERSON_UNKNOWN", "Trường không có người mang mã này.")
                for index, one in enumerate(classes)
                if one.homeroom_teacher not in staff
            ]
        )
        known = roster_store.classes(tx, year.id)
        moved = [
            known[one.name] for one in classes if one.name in known and known[one.name].grade_level != one.grade_level
        ]
        in_use = roster_store.with_students(tx, [before.id for before in moved])
        for before in moved:
            if before.id in in_use:
                raise Rejected("CLASS_IN_USE", "Lớp đã có học sinh nên không đổi khối được.", school_class=before.name)
        roster_store.put_classes(tx, year.id, [(one, staff[one.homeroom_teacher].id) for one in classes])
        access.record(
            tx,
            caller,
            school,
            "CLASSES_PUT",
            f"schools/{school}/years/{school_year}",
            classes=",".join(f"{one.name}:{one.homeroom_teacher}" for one in classes),
        )


def put_assignments(database: Database, caller: Caller, ref: ClassRef, assignments: Sequence[Assignment]) -> None:
    """Set who teaches the named subjects of a class. Raises Invalid when a subject or a person is unknown."""
    roster_rules.check_class_ref(ref)
    roster_rules.check_assignments(assignments)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        year_lock.hold_year(tx, year.id)
        subjects = roster_store.subjects(tx, year.id, school_class.grade_level)
        staff = roster_store.staff(tx, year.school_id, [teacher for one in assignments for teacher in one.teachers])
        refuse(_unknown(assignments, subjects, staff))
        roster_store.put_assignments(
            tx,
            school_class.id,
            [(subjects[one.subject].id, [staff[teacher].id for teacher in one.teachers]) for one in assignments],
        )
        access.record(
            tx,
            caller,
            ref.school,
            "ASSIGNMENTS_PUT",
            ref.resource,
            assignments=";".join(f"{one.subject}:{','.join(one.teachers)}" for one in assignments),
        )


def get_school(database: Database, caller: Caller, school: str) -> tuple[School, list[SchoolYear]]:
    """A school and its years, newest first."""
    roster_rules.check_school_ref(school)
    with database.transaction() as tx:
        school_id, found = access.school(tx, school)
        if caller.client.startswith(access.VENDOR):
            access.some_year(tx, caller, school)
        return found, roster_store.years(tx, school_id)


def list_classes(
    database: Database, caller: Caller, school: str, school_year: str, after: tuple[int, str], limit: int
) -> list[SchoolClass]:
    """A page of classes by grade and name."""
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        return roster_store.list_classes(tx, access.year(tx, caller, school, school_year).id, after, limit)


def list_people(database: Database, caller: Caller, school: str, after: str, limit: int) -> list[Person]:
    """A page of people by id."""
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


def _check_in_use(known: dict[str, SubjectRow], listed: dict[str, tuple[int, int, int]]) -> None:
    for subject in known.values():
        now = (subject.kind, subject.regular_count, subject.topic_cluster_semester)
        if subject.used and listed.get(subject.code) != now:
            raise Rejected(
                "SUBJECT_IN_USE",
                "Môn học đã có điểm nên không bỏ được và không đổi cách đánh giá hay số cột điểm được.",
                subject=subject.code,
            )


def _unknown(
    assignments: Sequence[Assignment], subjects: dict[str, SubjectRow], staff: dict[str, StaffRow]
) -> list[Violation]:
    found = []
    for index, one in enumerate(assignments):
        where = f"assignments[{index}]"
        if one.subject not in subjects or not subjects[one.subject].active:
            found.append(Violation(f"{where}.subject", "SUBJECT_UNKNOWN", "Khối lớp này không có môn học đã nêu."))
        for place, teacher in enumerate(one.teachers):
            if teacher not in staff:
                message = "Trường không có người mang mã này."
                found.append(Violation(f"{where}.teachers[{place}]", "PERSON_UNKNOWN", message))
    return found
