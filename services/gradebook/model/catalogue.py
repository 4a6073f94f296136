"""The catalogue: which record books a school year has at a level, and who prepares and signs them.

Pure, and the only place that says so. A frozen book keeps what the catalogue said at its freezing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.gradebook.model.domain import RecordType, SchoolLevel, Stage, year_start
from services.gradebook.rules import rule_set

SEAL_RANK = 4
"""Rank of the school's seal, which comes last (docs/architecture.md)."""

_FIRST_YEAR_OF_TT15_2026 = 2026
"""TT 15/2026/TT-BGDĐT is in force from 10/5/2026; books of 2025-2026 began under TT 32/2020."""


class SignatoryRole(IntEnum):
    """The capacity in which a book is signed; names as in frozen content, numbers of the proto."""

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
    """A place in the order of signatures: it may sign once every lower rank has signed."""

    role: SignatoryRole
    rank: int


@dataclass(frozen=True, slots=True)
class RecordBook:
    """A record type as a school year has it.

    compulsory: the school must keep it. paper_by_law: the rules of the year ask for signatures and
    stamp on paper; whether a school makes them is a setting of its school year.
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
        """Whether the school's seal completes it; if not, the last person's signature does."""
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
"""The titles, the same in every school year and level, as in the tables below."""

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

_FORMATS: Mapping[RecordType, str] = {
    RecordType.CLASS_BOOK: "hoso/class-book/2",
    RecordType.TEACHER_BOOK: "hoso/teacher-book/1",
    RecordType.TRANSCRIPT: "hoso/transcript/1",
    RecordType.STUDENT_REGISTER: "hoso/student-register/1",
}
_STAGES: Mapping[RecordType, tuple[Stage, ...]] = {
    RecordType.CLASS_BOOK: (Stage.SEMESTER_1, Stage.WHOLE_YEAR, Stage.AFTER_SUMMER),
    RecordType.TEACHER_BOOK: (Stage.SEMESTER_1, Stage.WHOLE_YEAR),
    RecordType.TRANSCRIPT: (Stage.WHOLE_YEAR, Stage.AFTER_SUMMER),
    RecordType.STUDENT_REGISTER: (Stage.WHOLE_YEAR,),
}

_LEVELS = {SchoolLevel.LOWER_SECONDARY: "cấp trung học cơ sở", SchoolLevel.UPPER_SECONDARY: "cấp trung học phổ thông"}


def record_books(school_year: str, level: SchoolLevel) -> Sequence[RecordBook]:
    """Every record book of a level in a school year, by record type.

    level: LOWER_SECONDARY or UPPER_SECONDARY. Forms: TT 22/2021 phụ lục; the list: TT 32/2020 Điều
    21, from 2026-2027 TT 15/2026 Điều 21, by which the teacher's book and paper are not compulsory.
    """
    by_tt15 = year_start(school_year) >= _FIRST_YEAR_OF_TT15_2026
    return tuple(
        RecordBook(
            record_type,
            TITLES[record_type],
            _FORMATS[record_type],
            _STAGES[record_type],
            PREPARERS[record_type],
            SIGNATORIES[record_type],
            compulsory=record_type is not RecordType.TEACHER_BOOK or not by_tt15,
            paper_by_law=not by_tt15,
            legal_reference=_legal_reference(record_type, level, by_tt15=by_tt15),
        )
        for record_type in RecordType
    )


def _legal_reference(record_type: RecordType, level: SchoolLevel, *, by_tt15: bool) -> str:
    charter = "TT 15/2026/TT-BGDĐT Điều 21" if by_tt15 else "TT 32/2020/TT-BGDĐT Điều 21"
    form = f"phụ lục ({_LEVELS[level]})"
    digital = "; TT 70/2026/TT-BGDĐT" if by_tt15 else ""
    return {
        RecordType.CLASS_BOOK: f"{charter}; TT 22/2021/TT-BGDĐT Điều 19, Điều 20 và {form}",
        RecordType.TEACHER_BOOK: f"{charter}; TT 22/2021/TT-BGDĐT Điều 19 và {form}",
        RecordType.TRANSCRIPT: f"{charter}; TT 22/2021/TT-BGDĐT Điều 18, Điều 20 và {form}{digital}",
        RecordType.STUDENT_REGISTER: charter,
    }[record_type]


def record_book(record_type: RecordType, school_year: str, level: SchoolLevel) -> RecordBook:
    """One record book of the catalogue."""
    return next(book for book in record_books(school_year, level) if book.record_type is record_type)


def regime(school_year: str, grade: int) -> str:
    """The assessment regulation of a grade in a school year, as content names it: ``TT22``."""
    return rule_set(year_start(school_year), grade).regime.name


def level_of(grade: int) -> SchoolLevel:
    """The level of a grade: 6-9 lower, 10-12 upper secondary."""
    return SchoolLevel.LOWER_SECONDARY if grade <= 9 else SchoolLevel.UPPER_SECONDARY
