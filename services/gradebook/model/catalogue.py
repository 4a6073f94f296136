"""The catalogue of record books: for a school year and level, which books there are, who prepares and who signs them.

Pure data and functions; the one place that says so. A book keeps what the catalogue said when it was frozen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.gradebook.model.domain import RecordType, SchoolLevel, Stage, year_start
from services.gradebook.rules import rule_set

SEAL_RANK = 4
"""Rank of the school's seal, which always comes last (docs/architecture.md)."""

_FIRST_YEAR_OF_TT15_2026 = 2026
"""TT 15/2026/TT-BGDĐT is in force from 10/5/2026, after the books of 2025-2026 had begun under TT 32/2020."""


class SignatoryRole(IntEnum):
    """In which capacity a book is signed; names are those of frozen content, numbers those of the proto."""

    SUBJECT_TEACHER = 1
    HOMEROOM_TEACHER = 2
    DATA_OFFICER = 3
    PRINCIPAL = 4
    SCHOOL_SEAL = 5


class Preparer(IntEnum):
    """Who freezes a book and confirms that print and data agree; numbers of the proto."""

    HOMEROOM_TEACHER = 1
    SUBJECT_TEACHER = 2
    SEAL_CUSTODIAN = 3


@dataclass(frozen=True, slots=True)
class Signatory:
    """A place in the order of signatures: it is free when every lower rank has signed."""

    role: SignatoryRole
    rank: int


@dataclass(frozen=True, slots=True)
class RecordBook:
    """A record type as it is kept in a school year.

    compulsory: the school must keep it. paper_by_law: the rules of the year want signatures and stamp on paper; whether
    a school walks the paper track is the setting of its school year.
    """

    record_type: RecordType
    title: str
    format: str
    stages: tuple[Stage, ...]
    preparer: Preparer
    signatories: tuple[Signatory, ...]
    compulsory: bool
    paper_by_law: bool
    legal_reference: str

    @property
    def sealed(self) -> bool:
        """Whether the school's seal closes it; where not, it is complete when all people have signed."""
        return any(signatory.role is SignatoryRole.SCHOOL_SEAL for signatory in self.signatories)


_TEACHER = Signatory(SignatoryRole.SUBJECT_TEACHER, 1)
_OFFICER = Signatory(SignatoryRole.DATA_OFFICER, 1)
_HOMEROOM = Signatory(SignatoryRole.HOMEROOM_TEACHER, 2)
_PRINCIPAL = Signatory(SignatoryRole.PRINCIPAL, 3)
_SEAL = Signatory(SignatoryRole.SCHOOL_SEAL, SEAL_RANK)

TITLES: Mapping[RecordType, str] = {
    RecordType.CLASS_BOOK: "Sổ theo dõi và đánh giá học sinh theo lớp học",
    RecordType.TEACHER_BOOK: "Sổ theo dõi và đánh giá học sinh của giáo viên",
    RecordType.TRANSCRIPT: "Học bạ",
    RecordType.STUDENT_REGISTER: "Sổ đăng bộ",
}
"""What the record types are called, in every school year and level; so for the two tables below."""

PREPARERS: Mapping[RecordType, Preparer] = {
    RecordType.CLASS_BOOK: Preparer.HOMEROOM_TEACHER,
    RecordType.TEACHER_BOOK: Preparer.SUBJECT_TEACHER,
    RecordType.TRANSCRIPT: Preparer.HOMEROOM_TEACHER,
    RecordType.STUDENT_REGISTER: Preparer.SEAL_CUSTODIAN,
}
SIGNATORIES: Mapping[RecordType, tuple[Signatory, ...]] = {
    RecordType.CLASS_BOOK: (_TEACHER, _HOMEROOM, _PRINCIPAL, _SEAL),
    RecordType.TEACHER_BOOK: (_TEACHER, _PRINCIPAL),
    RecordType.TRANSCRIPT: (_HOMEROOM, _PRINCIPAL, _SEAL),
    RecordType.STUDENT_REGISTER: (_OFFICER, _PRINCIPAL, _SEAL),
}

_FORM = {SchoolLevel.LOWER_SECONDARY: "cấp trung học cơ sở", SchoolLevel.UPPER_SECONDARY: "cấp trung học phổ thông"}


def record_books(school_year: str, level: SchoolLevel) -> Sequence[RecordBook]:
    """Every record book of grades of a level in a school year, by record type.

    level: LOWER_SECONDARY or UPPER_SECONDARY. Forms: TT 22/2021 phụ lục; the list: TT 32/2020 Điều 21, since 2026-2027
    TT 15/2026 Điều 21, by which the teacher's own book and the paper are no longer compulsory.
    """
    by_tt15 = year_start(school_year) >= _FIRST_YEAR_OF_TT15_2026
    charter = "TT 15/2026/TT-BGDĐT Điều 21" if by_tt15 else "TT 32/2020/TT-BGDĐT Điều 21"
    paper = not by_tt15
    form = _FORM[level]
    digital = "; TT 70/2026/TT-BGDĐT" if by_tt15 else ""
    return (
        RecordBook(
            RecordType.CLASS_BOOK,
            TITLES[RecordType.CLASS_BOOK],
            "hoso/class-book/2",
            (Stage.SEMESTER_1, Stage.WHOLE_YEAR, Stage.AFTER_SUMMER),
            PREPARERS[RecordType.CLASS_BOOK],
            SIGNATORIES[RecordType.CLASS_BOOK],
            compulsory=True,
            paper_by_law=paper,
            legal_reference=f"{charter}; TT 22/2021/TT-BGDĐT Điều 19, Điều 20 và phụ lục ({form})",
        ),
        RecordBook(
            RecordType.TEACHER_BOOK,
            TITLES[RecordType.TEACHER_BOOK],
            "hoso/teacher-book/1",
            (Stage.SEMESTER_1, Stage.WHOLE_YEAR),
            PREPARERS[RecordType.TEACHER_BOOK],
            SIGNATORIES[RecordType.TEACHER_BOOK],
            compulsory=not by_tt15,
            paper_by_law=paper,
            legal_reference=f"{charter}; TT 22/2021/TT-BGDĐT Điều 19 và phụ lục ({form})",
        ),
        RecordBook(
            RecordType.TRANSCRIPT,
            TITLES[RecordType.TRANSCRIPT],
            "hoso/transcript/1",
            (Stage.WHOLE_YEAR, Stage.AFTER_SUMMER),
            PREPARERS[RecordType.TRANSCRIPT],
            SIGNATORIES[RecordType.TRANSCRIPT],
            compulsory=True,
            paper_by_law=paper,
            legal_reference=f"{charter}; TT 22/2021/TT-BGDĐT Điều 18, Điều 20 và phụ lục ({form}){digital}",
        ),
        RecordBook(
            RecordType.STUDENT_REGISTER,
            TITLES[RecordType.STUDENT_REGISTER],
            "hoso/student-register/1",
            (Stage.WHOLE_YEAR,),
            PREPARERS[RecordType.STUDENT_REGISTER],
            SIGNATORIES[RecordType.STUDENT_REGISTER],
            compulsory=True,
            paper_by_law=paper,
            legal_reference=charter,
        ),
    )


def record_book(record_type: RecordType, school_year: str, level: SchoolLevel) -> RecordBook:
    """One record book of the catalogue."""
    return next(one for one in record_books(school_year, level) if one.record_type is record_type)


def regime(school_year: str, grade: int) -> str:
    """The assessment regulation that a grade follows in a school year, as contents name it, such as ``TT22``."""
    return rule_set(year_start(school_year), grade).regime.name


def level_of(grade: int) -> SchoolLevel:
    """The level that a grade belongs to: 6-9 lower, 10-12 upper secondary."""
    return SchoolLevel.LOWER_SECONDARY if grade <= 9 else SchoolLevel.UPPER_SECONDARY
