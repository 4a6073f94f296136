"""The demo school's roster and marks, entered as by a vendor; repeating a call changes nothing."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import common_pb2, marks_pb2, roster_pb2

from cli.connection import Persons, Services, call
from demo.dossier import VENDOR
from demo.people import Guardian, Student
from demo.school import School, SchoolClass, Subject
from services.common.errors import NotFound, Rejected

WINDOWS = {1: "HK1", 2: "HK2"}
"""The entry window of each semester."""
KEYING_THREADS = 8
_PROTO_SEMESTER = {1: common_pb2.SEMESTER_FIRST, 2: common_pb2.SEMESTER_SECOND}
_NAMESPACE = uuid.UUID("5f0c4c2e-3f0e-4a55-8f3e-2f1c0b6f7a10")

Step = Callable[[], None]
"""Called after each call, to move a progress bar."""


def class_ref(school: School, school_class: SchoolClass) -> common_pb2.ClassRef:
    """The natural key of a class."""
    return common_pb2.ClassRef(school=school.code, school_year=school.school_year, name=school_class.name)


def roster(operator: Services, vendor: Services, persons: Persons, school: School, *, paper: bool) -> None:
    """School, year and principal by the Department; all other people, subjects, classes, students
    and assignments by the vendor, for the data officer.
    """
    token = persons.token(school.data_officer)
    call(operator.roster.PutSchool, roster_pb2.PutSchoolRequest(school=_school(school)), patient=True)
    year = roster_pb2.SchoolYear(
        school_year=school.school_year,
        vendor=VENDOR,
        paper_track_required=paper,
        authorisation=roster_pb2.AUTHORISATION_DOSSIER,
    )
    call(operator.roster.PutSchoolYear, roster_pb2.PutSchoolYearRequest(school=school.code, year=year), patient=True)

    def put(rpc: Callable[..., Any], request: Any) -> None:
        call(rpc, request, token, patient=True)

    people = [
        roster_pb2.Person(id=p.id, name=p.name, roles=[common_pb2.Role.Value(f"ROLE_{role}") for role in p.roles])
        for p in school.people
    ]
    _put_people(operator, vendor, persons, school, people)
    for grade, subjects in school.subjects.items():
        request = roster_pb2.PutSubjectsRequest(
            school=school.code, school_year=school.school_year, grade_level=grade, subjects=map(_subject, subjects)
        )
        put(vendor.roster.PutSubjects, request)
    classes = [
        roster_pb2.SchoolClass(name=c.name, grade_level=c.grade, homeroom_teacher=c.homeroom_teacher)
        for c in school.classes
    ]
    put(
        vendor.roster.PutClasses,
        roster_pb2.PutClassesRequest(school=school.code, school_year=school.school_year, classes=classes),
    )
    for c in school.classes:
        where = class_ref(school, c)
        students = [_student(s) for s in c.students]
        put(vendor.roster.PutStudents, roster_pb2.PutStudentsRequest(school_class=where, students=students))
        assigned = [roster_pb2.Assignment(subject=code, teachers=teachers) for code, teachers in c.assignments.items()]
        put(vendor.roster.PutAssignments, roster_pb2.PutAssignmentsRequest(school_class=where, assignments=assigned))


def _put_people(
    operator: Services, vendor: Services, persons: Persons, school: School, people: Sequence[roster_pb2.Person]
) -> None:
    """The principal first, whom the Department appoints; the principal's people after that."""
    head = [person for person in people if person.id == school.principal]
    try:
        call(operator.roster.PutPeople, roster_pb2.PutPeopleRequest(school=school.code, people=head), patient=True)
    except Rejected as e:
        if e.reason != "PRINCIPAL_APPOINTED":  # by an earlier run
            raise
    request = roster_pb2.PutPeopleRequest(school=school.code, people=people)
    call(vendor.roster.PutPeople, request, persons.token(school.principal), patient=True)


def plan_window(vendor: Services, persons: Persons, school: School, semester: int) -> bool:
    """Plan the entry window of a semester. False when it is already closed."""
    kinds = [common_pb2.MARK_KIND_REGULAR, common_pb2.MARK_KIND_MIDTERM, common_pb2.MARK_KIND_FINAL]
    return open_window(vendor, persons, school, WINDOWS[semester], semester=_PROTO_SEMESTER[semester], kinds=kinds)


def open_window(
    vendor: Services,
    persons: Persons,
    school: School,
    name: str,
    *,
    semester: "common_pb2.Semester.ValueType",
    kinds: Sequence["common_pb2.MarkKind.ValueType"],
) -> bool:
    """Plan an entry window that is open now. False when it is already closed."""
    where = {"school": school.code, "school_year": school.school_year}
    principal = persons.token(school.principal)
    try:
        answer = call(vendor.marks.GetWindow, marks_pb2.GetWindowRequest(window=name, **where), principal, patient=True)
        return not answer.window.HasField("closed_time")
    except NotFound:
        now = dt.datetime.now(dt.UTC)
        window = marks_pb2.Window(
            name=name,
            open_time=_timestamp(now - dt.timedelta(minutes=5)),
            close_time=_timestamp(now + dt.timedelta(days=30)),
            semesters=[semester],
            mark_kinds=kinds,
        )
        call(vendor.marks.PlanWindow, marks_pb2.PlanWindowRequest(window=window, **where), principal, patient=True)
        return True


def sheet_count(school: School) -> int:
    """The number of calls that `key_marks` makes for a semester."""
    return sum(len(school.subjects[c.grade]) + 1 for c in school.classes)


def key_marks(vendor: Services, persons: Persons, school: School, semester: int, step: Step) -> None:
    """Enter a semester's score sheets (subject teachers) and conduct (homeroom teachers)."""
    work: list[Callable[[], None]] = []
    for c in school.classes:
        for subject in school.subjects[c.grade]:
            work.append(partial(_key_sheet, vendor, persons, school, c, subject=subject, semester=semester))
        work.append(partial(_key_conduct, vendor, persons, school, c, semester))
    in_parallel(work, step)


def in_parallel(work: Iterable[Callable[[], None]], step: Step) -> None:
    """Do pieces of work eight at a time, as a vendor's server would; raises their first error."""
    with ThreadPoolExecutor(KEYING_THREADS) as pool:
        for future in [pool.submit(piece) for piece in work]:
            future.result()
            step()


def close_window(vendor: Services, persons: Persons, school: School, name: str) -> None:
    """Close a window: a snapshot of every class is taken."""
    request = marks_pb2.CloseWindowRequest(school=school.code, school_year=school.school_year, window=name)
    call(vendor.marks.CloseWindow, request, persons.token(school.principal), patient=True)


def archived_snapshots(vendor: Services, persons: Persons, school: School, window: str) -> list[marks_pb2.Snapshot]:
    """The snapshots of a window that the archive holds."""
    request = marks_pb2.GetWindowRequest(school=school.code, school_year=school.school_year, window=window)
    answer = call(vendor.marks.GetWindow, request, persons.token(school.principal), patient=True)
    return [snapshot for snapshot in answer.snapshots if snapshot.archive_record]


def _key_sheet(
    vendor: Services, persons: Persons, school: School, c: SchoolClass, *, subject: Subject, semester: int
) -> None:
    columns = [
        marks_pb2.MarkColumn(kind=common_pb2.MARK_KIND_REGULAR, position=i + 1) for i in range(subject.regular_count)
    ]
    columns += [
        marks_pb2.MarkColumn(kind=common_pb2.MARK_KIND_MIDTERM),
        marks_pb2.MarkColumn(kind=common_pb2.MARK_KIND_FINAL),
    ]
    sheet = school.sheet(c, subject, semester)
    request = marks_pb2.EnterMarksRequest(
        request_id=request_id(school, c.name, subject.code, semester),
        school_class=class_ref(school, c),
        subject=subject.code,
        semester=_PROTO_SEMESTER[semester],
        columns=columns,
        rows=[marks_pb2.MarkRow(student=student, values=values) for student, values in sheet.items()],
    )
    call(vendor.marks.EnterMarks, request, persons.token(c.assignments[subject.code][0]), patient=True)


def _key_conduct(vendor: Services, persons: Persons, school: School, c: SchoolClass, semester: int) -> None:
    levels = school.conduct(c, semester)
    request = marks_pb2.EnterConductRequest(
        request_id=request_id(school, c.name, "conduct", semester),
        school_class=class_ref(school, c),
        semester=_PROTO_SEMESTER[semester],
        rows=[
            marks_pb2.ConductRow(student=s, level=common_pb2.Level.Value(f"LEVEL_{level}"))
            for s, level in levels.items()
        ],
    )
    call(vendor.marks.EnterConduct, request, persons.token(c.homeroom_teacher), patient=True)


def key_absences(vendor: Services, persons: Persons, school: School, c: SchoolClass) -> None:
    """The year's totals of a class that keeps no attendance by month (homeroom teacher)."""
    rows = [marks_pb2.AbsenceRow(student=s, excused=e, unexcused=u) for s, (e, u) in school.absences(c).items()]
    request = marks_pb2.EnterAbsencesRequest(
        request_id=request_id(school, c.name, "absences", 0), school_class=class_ref(school, c), rows=rows
    )
    call(vendor.marks.EnterAbsences, request, persons.token(c.homeroom_teacher), patient=True)


def request_id(school: School, *parts: object) -> str:
    """The id of a request, the same in every run, so that a repeated demo repeats its requests."""
    return str(uuid.uuid5(_NAMESPACE, "/".join([school.code, school.school_year, str(school.seed), *map(str, parts)])))


def _school(school: School) -> roster_pb2.School:
    return roster_pb2.School(
        code=school.code,
        name=school.name,
        level=common_pb2.SCHOOL_LEVEL_LOWER_SECONDARY,
        commune=school.commune,
        province=school.province,
        department=school.department,
    )


def _subject(subject: Subject) -> roster_pb2.Subject:
    kind = common_pb2.SUBJECT_KIND_COMMENT_ONLY if subject.comment_only else common_pb2.SUBJECT_KIND_COMMENT_AND_SCORE
    return roster_pb2.Subject(code=subject.code, name=subject.name, kind=kind, periods_per_year=subject.periods)


def _student(student: Student) -> roster_pb2.Student:
    return roster_pb2.Student(
        moet_student_id=student.id,
        number=student.number,
        name=student.name,
        birth_date=student.birth_date,
        birth_place=student.birth_place,
        sex=common_pb2.Sex.Value(f"SEX_{student.sex}"),
        ethnicity=student.ethnicity,
        priority=student.priority,
        address=student.address,
        father=_guardian(student.father),
        mother=_guardian(student.mother),
    )


def _guardian(guardian: Guardian | None) -> roster_pb2.Guardian | None:
    if guardian is None:
        return None
    return roster_pb2.Guardian(name=guardian.name, job=guardian.job, phone=guardian.phone)


def _timestamp(time: dt.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
