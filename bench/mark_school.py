"""Schools made for entering many marks: wide classes, subjects with the most columns, one
sheet per call.
"""

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import common_pb2, marks_pb2, roster_pb2

from cli.connection import Persons, Services, call
from cli.profile import Profile
from services.gradebook.model import roster_rules

YEAR = "2025-2026"
VENDOR = "smas"
TEACHER = "gv-01"
SUBJECTS = [f"M{number:02d}" for number in range(1, roster_rules.MAX_SUBJECTS + 1)]
"""The most subjects that a grade may have, so that few classes give many sheets."""

_PERIODS = 140
_GRADE = 9
_SEMESTERS = (common_pb2.SEMESTER_FIRST, common_pb2.SEMESTER_SECOND)
_REGULAR, _MIDTERM, _FINAL = (
    common_pb2.MARK_KIND_REGULAR,
    common_pb2.MARK_KIND_MIDTERM,
    common_pb2.MARK_KIND_FINAL,
)
_TEXTS = ("8", "8.5", "7.3", "9", "10", "6.8", "5", "9.4", "4.5", "7")


@dataclass(frozen=True)
class Shape:
    """How many marks a call carries: `students` (a whole class, at most 200) by `columns` (at most
    6).
    """

    students: int
    columns: int

    @property
    def marks(self) -> int:
        """Marks per call."""
        return self.students * self.columns

    @cached_property
    def column_numbers(self) -> list[int]:
        """The columns as the table `mark` numbers them."""
        return [1, 2, 3, 4, 10, 11][: self.columns]

    @cached_property
    def values(self) -> list[list[str]]:
        """One row of marks per student."""
        endless = itertools.cycle(_TEXTS)
        return [list(itertools.islice(endless, self.columns)) for _ in range(self.students)]


@dataclass(frozen=True)
class Sheet:
    """One class, subject and semester: what one call enters."""

    school: str
    school_class: str
    subject: str
    semester: int


def class_names(classes: int) -> list[str]:
    """9A1, 9A2 …"""
    return [f"{_GRADE}A{number}" for number in range(1, classes + 1)]


def sheets(school: str, classes: Sequence[str]) -> Iterator[Sheet]:
    """Every sheet of the classes."""
    for name in classes:
        for subject in SUBJECTS:
            for semester in _SEMESTERS:
                yield Sheet(school, name, subject, semester)


SHEETS_A_CLASS = len(SUBJECTS) * len(_SEMESTERS)


def student_ids(school: str, school_class: str, shape: Shape) -> list[str]:
    """The students of a class in the order of their numbers."""
    return [f"{school}-{school_class}-{number:03d}" for number in range(1, shape.students + 1)]


def request(sheet: Sheet, shape: Shape) -> marks_pb2.EnterMarksRequest:
    """The call that enters the whole sheet for the first time."""
    columns = [
        *(marks_pb2.MarkColumn(kind=_REGULAR, position=position) for position in (1, 2, 3, 4)),
        marks_pb2.MarkColumn(kind=_MIDTERM),
        marks_pb2.MarkColumn(kind=_FINAL),
    ]
    students = student_ids(sheet.school, sheet.school_class, shape)
    return marks_pb2.EnterMarksRequest(
        request_id=str(uuid.uuid4()),
        school_class=common_pb2.ClassRef(school=sheet.school, school_year=YEAR, name=sheet.school_class),
        subject=sheet.subject,
        semester=common_pb2.Semester.ValueType(sheet.semester),
        columns=columns[: shape.columns],
        rows=[
            marks_pb2.MarkRow(student=student, values=values)
            for student, values in zip(students, shape.values, strict=True)
        ],
    )


def register(
    configured: Profile, operator: Services, vendor: Services, school: str, *, classes: int, shape: Shape
) -> str:
    """Register the school with an open window over everything, through the RPCs. Returns the token
    of its teacher.
    """
    persons = Persons(configured, school)
    token = persons.token(TEACHER)
    where = {"school": school, "school_year": YEAR}
    names = class_names(classes)
    call(operator.roster.PutSchool, roster_pb2.PutSchoolRequest(school=_school(school)))
    year = roster_pb2.SchoolYear(
        school_year=YEAR,
        vendor=VENDOR,
        authorisation=roster_pb2.AUTHORISATION_BY_DEPARTMENT,
        authorisation_decision="Đo hiệu năng",
    )
    call(operator.roster.PutSchoolYear, roster_pb2.PutSchoolYearRequest(school=school, year=year))
    roles = [common_pb2.ROLE_PRINCIPAL, common_pb2.ROLE_DATA_OFFICER, common_pb2.ROLE_TEACHER]
    people = [roster_pb2.Person(id=TEACHER, name="Trần Văn Bình", roles=roles)]
    call(operator.roster.PutPeople, roster_pb2.PutPeopleRequest(school=school, people=people))
    subjects = [
        roster_pb2.Subject(
            code=code, name=f"Môn {code}", kind=common_pb2.SUBJECT_KIND_COMMENT_AND_SCORE, periods_per_year=_PERIODS
        )
        for code in SUBJECTS
    ]
    call(
        vendor.roster.PutSubjects,
        roster_pb2.PutSubjectsRequest(**where, grade_level=_GRADE, subjects=subjects),
        token,
    )
    listed = [roster_pb2.SchoolClass(name=name, grade_level=_GRADE, homeroom_teacher=TEACHER) for name in names]
    call(vendor.roster.PutClasses, roster_pb2.PutClassesRequest(**where, classes=listed), token)
    for name in names:
        _fill_class(vendor, token, common_pb2.ClassRef(**where, name=name), shape)
    window = marks_pb2.Window(
        name="BENCH",
        open_time=Timestamp(seconds=1),
        close_time=Timestamp(seconds=4_000_000_000),
        semesters=_SEMESTERS,
        mark_kinds=[_REGULAR, _MIDTERM, _FINAL],
    )
    call(vendor.marks.PlanWindow, marks_pb2.PlanWindowRequest(**where, window=window), token)
    return token


def _fill_class(vendor: Services, token: str, where: common_pb2.ClassRef, shape: Shape) -> None:
    ids = student_ids(where.school, where.name, shape)
    students = [_student(student, number) for number, student in enumerate(ids, 1)]
    for first in range(0, len(students), roster_rules.MAX_STUDENTS):
        part = students[first : first + roster_rules.MAX_STUDENTS]
        call(vendor.roster.PutStudents, roster_pb2.PutStudentsRequest(school_class=where, students=part), token)
    assigned = [roster_pb2.Assignment(subject=code, teachers=[TEACHER]) for code in SUBJECTS]
    call(
        vendor.roster.PutAssignments, roster_pb2.PutAssignmentsRequest(school_class=where, assignments=assigned), token
    )


def _school(code: str) -> roster_pb2.School:
    return roster_pb2.School(
        code=code,
        name=f"Trường THCS số {code}",
        level=common_pb2.SCHOOL_LEVEL_LOWER_SECONDARY,
        commune="phường Lê Chân",
        province="thành phố Hải Phòng",
        department="Sở Giáo dục và Đào tạo Hải Phòng",
    )


def _student(student: str, number: int) -> roster_pb2.Student:
    return roster_pb2.Student(
        moet_student_id=student,
        number=number,
        name="Nguyễn Thị An",
        birth_date="2011-03-09",
        birth_place="Hải Phòng",
        sex=common_pb2.SEX_FEMALE,
        ethnicity="Kinh",
        address="phường Lê Chân, thành phố Hải Phòng",
    )
