"""The vocabulary of the gradebook: semesters, stages, roles, columns of a score sheet, marks as
small integers.

The numbers are those of the proto enums of the same names, and what the database stores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.gradebook.rules import SCORES, Comment, Level, Mark, SubjectKind


class Semester(IntEnum):
    """Học kì."""

    FIRST = 1
    SECOND = 2


class Stage(IntEnum):
    """Part of the year that a book covers; each stage includes the earlier ones."""

    SEMESTER_1 = 1
    WHOLE_YEAR = 2
    AFTER_SUMMER = 3

    @property
    def semesters(self) -> tuple[Semester, ...]:
        """The semesters whose marks the book holds."""
        return (Semester.FIRST,) if self is Stage.SEMESTER_1 else (Semester.FIRST, Semester.SECOND)

    @property
    def ends_year(self) -> bool:
        """Whether the book holds the whole year."""
        return self is not Stage.SEMESTER_1


class MarkKind(IntEnum):
    """Kind of assessment: ĐĐGtx, ĐĐGgk, ĐĐGck (TT 22/2021 Điều 6, Điều 7), summer re-assessment
    (Điều 14).
    """

    REGULAR = 1
    MIDTERM = 2
    FINAL = 3
    REASSESSMENT = 4


class SchoolLevel(IntEnum):
    """Cấp học of a school."""

    LOWER_SECONDARY = 1
    UPPER_SECONDARY = 2
    MULTI_LEVEL = 3

    @property
    def grades(self) -> range:
        """Grades that a school of this level may have."""
        last_grade = 9 if self is SchoolLevel.LOWER_SECONDARY else 12
        return range(10 if self is SchoolLevel.UPPER_SECONDARY else 6, last_grade + 1)


class Role(IntEnum):
    """A role of a person in a school; `permissions` says what its holder may do."""

    PRINCIPAL = 1
    VICE_PRINCIPAL = 2
    DATA_OFFICER = 3
    SEAL_CUSTODIAN = 4
    TEACHER = 5


class VendorStatus(IntEnum):
    """Whether a vendor's software was appraised, and with what result."""

    REGISTERED = 1
    APPRAISED = 2
    REFUSED = 3
    SUSPENDED = 4


class Authorisation(IntEnum):
    """The ground on which a school may keep the electronic gradebook in a school year."""

    DOSSIER = 1
    BY_DEPARTMENT = 2


class Authority(IntEnum):
    """Whether a school may keep the electronic gradebook in a school year, as the database computes
    it.
    """

    NONE = 0
    GRANTED = 1
    VENDOR_SUSPENDED = 2


class RecordType(IntEnum):
    """Loại hồ sơ (TT 32/2020 Điều 21): the kind of a book."""

    CLASS_BOOK = 1
    TEACHER_BOOK = 2
    TRANSCRIPT = 3
    STUDENT_REGISTER = 4


class Sex(IntEnum):
    """Sex as printed."""

    MALE = 1
    FEMALE = 2


SUBJECT_KINDS = {1: SubjectKind.COMMENT_ONLY, 2: SubjectKind.COMMENT_AND_SCORE}
"""Number in the proto and the database → kind of the rules."""

SUBJECT_KIND_NUMBERS = {kind: number for number, kind in SUBJECT_KINDS.items()}

PROTO_LEVELS = {
    1: Level.LEVEL_EXCELLENT,
    2: Level.LEVEL_GOOD,
    3: Level.LEVEL_SATISFACTORY,
    4: Level.LEVEL_UNSATISFACTORY,
}
"""Number of the proto's Level → level of the rules.

The database stores the rules' rank instead, in which a higher number is better.
"""

PROTO_LEVEL_NUMBERS = {level: number for number, level in PROTO_LEVELS.items()}

MIDTERM_COLUMN = 10
FINAL_COLUMN = 11
REASSESSMENT_COLUMN = 12
_COLUMNS = {
    MarkKind.MIDTERM: MIDTERM_COLUMN,
    MarkKind.FINAL: FINAL_COLUMN,
    MarkKind.REASSESSMENT: REASSESSMENT_COLUMN,
}
_COLUMN_KINDS = {number: kind for kind, number in _COLUMNS.items()}

SUMMER = 3
"""Where conduct after summer training is kept, besides semesters 1 and 2 (TT 22/2021 Điều 13)."""

NOT_PASS_VALUE = 200
PASS_VALUE = 201
"""How the database stores CĐ and Đ, apart from scores in tenths (0-100)."""

NOT_SAT_VALUE = 202
"""A re-assessment that the student did not sit: the year's result stands (TT 22/2021 Điều 14)."""

_KEYED = {tenths: text.removesuffix(".0") for text, tenths in SCORES.items() if "." in text}
_COMMENT_WORDS = {PASS_VALUE: "Đ", NOT_PASS_VALUE: "CĐ", NOT_SAT_VALUE: "V"}
_COMMENT_CODES = {PASS_VALUE: "PASS", NOT_PASS_VALUE: "NOT_PASS", NOT_SAT_VALUE: "ABSENT"}
_COMMENTS = {PASS_VALUE: Comment.PASS, NOT_PASS_VALUE: Comment.NOT_PASS}


PRACTICAL_SUBJECTS = frozenset({"GDTC", "GDQP", "GDQPAN"})
"""Codes of physical education and of defence and security education.

Only these subjects have a practical part from which a student may be exempt (TT 22/2021 Điều 10).
"""


def column_number(kind: MarkKind, position: int) -> int:
    """The number of a column in the database: regular marks by position from 1, then the others."""
    return _COLUMNS.get(kind, position)


def column_kind(number: int) -> MarkKind:
    """The kind of a column by its number."""
    return _COLUMN_KINDS.get(number, MarkKind.REGULAR)


def column_name(number: int) -> str:
    """The name of a column in refusals and contents.

    ``REGULAR_2``, ``MIDTERM``, ``FINAL`` or ``REASSESSMENT``.
    """
    kind = column_kind(number)
    return f"REGULAR_{number}" if kind is MarkKind.REGULAR else kind.name


def required_columns(regular_count: int) -> tuple[int, ...]:
    """The columns that a subject's sheet needs, in order (TT 22/2021 Điều 6 khoản 2, Điều 7).

    regular_count: regular marks in the semester.
    """
    return (*range(1, regular_count + 1), MIDTERM_COLUMN, FINAL_COLUMN)


def keyed_text(value: int | None) -> str:
    """A stored mark as keyed: shortest decimal, Đ, CĐ or V; empty for none."""
    if value is None:
        return ""
    return _COMMENT_WORDS.get(value) or _KEYED[value]


def keyed_code(value: int | None) -> str | None:
    """A stored mark in frozen content: shortest decimal, PASS, NOT_PASS, ABSENT, or None."""
    if value is None:
        return None
    return _COMMENT_CODES.get(value) or _KEYED[value]


def mark_of(value: int | None) -> Mark | None:
    """A stored mark in the form that the rules take."""
    return None if value is None else _COMMENTS.get(value, value)


def result_code(mark: Mark | None) -> str | None:
    """A computed result in frozen content: always one decimal, PASS, NOT_PASS, or None."""
    if mark is None:
        return None
    return mark.name if isinstance(mark, Comment) else f"{mark // 10}.{mark % 10}"


def level_code(level: Level | None) -> str | None:
    """A level in frozen content: EXCELLENT, GOOD, SATISFACTORY, UNSATISFACTORY, or None."""
    return None if level is None else level.name.removeprefix("LEVEL_")


def year_start(school_year: str) -> int:
    """The calendar year in which a school year begins: 2025 for ``2025-2026``."""
    return int(school_year[:4])


@dataclass(frozen=True, slots=True)
class School:
    """A school as printed on its books. level: SchoolLevel."""

    code: str
    name: str
    level: int
    commune: str
    province: str
    department: str


@dataclass(frozen=True, slots=True)
class SchoolYear:
    """Settings of a school in a year.

    vendor: name in the certificate without ``vendor/``.
    authorisation: Authorisation, or 0 to leave it unchanged.
    authorisation_decision: reference of the decision, only for BY_DEPARTMENT.
    authorised_time: since when the school may enter, print and archive; read-only here.
    """

    name: str
    vendor: str
    paper_track_required: bool
    authorisation: int = 0
    authorisation_decision: str = ""
    authorised_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A person in a school. roles: numbers of Role."""

    id: str
    name: str
    roles: Sequence[int]


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of a grade.

    kind: number in SUBJECT_KINDS. topic_cluster_semester: 0 if it has no topic cluster.
    """

    code: str
    name: str
    kind: int
    periods_per_year: int
    topic_cluster_semester: int = 0


@dataclass(frozen=True, slots=True)
class SchoolClass:
    """A class and the person id of its homeroom teacher."""

    name: str
    grade_level: int
    homeroom_teacher: str


@dataclass(frozen=True, slots=True)
class Guardian:
    """Father, mother or guardian."""

    name: str
    job: str
    phone: str
    email: str


@dataclass(frozen=True, slots=True)
class PersonalDetails:
    """A student in a class list with the personal details that books print.

    number: place in the list, from 1. birth_date: ISO 8601. sex: number of Sex.
    """

    moet_student_id: str
    number: int
    name: str
    birth_date: str
    birth_place: str
    sex: int
    ethnicity: str
    priority: str
    address: str
    father: Guardian | None
    mother: Guardian | None
    note: str


@dataclass(frozen=True, slots=True)
class Student(PersonalDetails):
    """A student of a class.

    joined_on, left_on: ISO 8601; first day in the class and first day no longer in it, if they came
    or left during the year. Read-only here; set by movements.
    """

    joined_on: str = ""
    left_on: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who teaches a subject in a class, in signing order."""

    subject: str
    teachers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassRef:
    """The natural key of a class."""

    school: str
    school_year: str
    name: str

    @property
    def resource(self) -> str:
        """The class as audit rows name it."""
        return f"schools/{self.school}/years/{self.school_year}/classes/{self.name}"
