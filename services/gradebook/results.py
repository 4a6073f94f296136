"""From stored marks to results: what the rules make of a class, and what is still missing.

`ClassData` is everything known of one class in one year. It is read once, in few queries; everything here is pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.gradebook.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    Guardian,
    Semester,
    Stage,
    mark_of,
    required_columns,
    year_start,
)
from services.gradebook.rules import (
    Level,
    PupilResult,
    PupilYear,
    SemesterMarks,
    SubjectKind,
    SubjectYear,
    assess,
    rule_set,
)

Sheet = Mapping[int, Mapping[int, int]]
"""student id → column number → value; one subject and semester. A cell that is not there has no mark."""

_EMPTY: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A person as frozen content names them."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ClassSubject:
    """A subject of the class with its teachers, in book order."""

    id: int
    code: str
    name: str
    kind: SubjectKind
    periods_per_year: int
    regular_count: int
    teachers: tuple[NamedPerson, ...]


@dataclass(frozen=True, slots=True)
class ClassStudent:
    """A student of the class, in list order. birth_date: ISO 8601; sex: number of the proto; left: during the year."""

    id: int
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
    left: bool = False


@dataclass(frozen=True, slots=True)
class ClassData:
    """Everything known of one class in one year.

    marks: (subject id, semester) → sheet; conduct: (semester, student id) → level; absences: student id → (excused,
    unexcused); exempt: (subject id, semester, student id) of exemptions from the practical part (TT 22/2021 Điều 10),
    which change no requirement: the assessments are of theory then.
    """

    school_year: str
    grade_level: int
    subjects: Sequence[ClassSubject]
    students: Sequence[ClassStudent]
    marks: Mapping[tuple[int, int], Sheet] = field(default_factory=dict)
    conduct: Mapping[tuple[int, int], Level] = field(default_factory=dict)
    absences: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    exempt: frozenset[tuple[int, int, int]] = frozenset()

    def cells(self, subject: int, semester: int, student: int) -> Mapping[int, int]:
        """The marks of one student in one subject and semester, by column number."""
        return self.marks.get((subject, semester), {}).get(student, _EMPTY)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a book still needs. subject and semester are None where they do not apply; column likewise."""

    kind: str
    student: ClassStudent
    subject: str | None
    semester: Semester | None
    column: int | None


def class_results(data: ClassData, stage: Stage) -> list[PupilResult]:
    """The results of every student in list order, from the marks up to the stage (TT 22/2021 Điều 8–15).

    Who left during the year has no results of the year; those of a finished semester stay.
    """
    rules = rule_set(year_start(data.school_year), data.grade_level)
    found = [assess(rules, _pupil(data, student, stage)) for student in data.students]
    return [
        _without_year(result) if student.left else result for student, result in zip(data.students, found, strict=True)
    ]


def missing(data: ClassData, stage: Stage) -> Iterator[Missing]:
    """What a book of the stage still needs: every required mark, conduct, absences; by subject, student and column.

    Nothing is needed of who left during the year.
    """
    staying = [student for student in data.students if not student.left]
    for subject in data.subjects:
        columns = required_columns(subject.regular_count)
        for semester in stage.semesters:
            for student in staying:
                cells = data.cells(subject.id, semester, student.id)
                for column in columns:
                    if column not in cells:
                        yield Missing("MARK", student, subject.code, semester, column)
    for semester in stage.semesters:
        for student in staying:
            if (semester, student.id) not in data.conduct:
                yield Missing("CONDUCT", student, None, semester, None)
    if stage is Stage.WHOLE_YEAR:
        for student in staying:
            if student.id not in data.absences:
                yield Missing("ABSENCES", student, None, None, None)


def absent_sessions(data: ClassData, student: int) -> int | None:
    """Sessions absent in the year, excused and unexcused together (TT 22/2021 Điều 12 khoản 1 điểm c)."""
    counts = data.absences.get(student)
    return None if counts is None else sum(counts)


def semester_marks(cells: Mapping[int, int], regular_count: int) -> SemesterMarks:
    """A row of a sheet as the rules take it."""
    return SemesterMarks(
        tuple(mark_of(cells.get(column)) for column in range(1, regular_count + 1)),
        (mark_of(cells.get(MIDTERM_COLUMN)),),
        mark_of(cells.get(FINAL_COLUMN)),
    )


def _without_year(result: PupilResult) -> PupilResult:
    """The results of a student who left: those of the semesters, none of the year (ADR-0037)."""
    return replace(
        result,
        subjects=tuple(one._replace(year=None, reassessed=None) for one in result.subjects),
        learning=result.learning._replace(year=None, after_summer=None),
        conduct=result.conduct._replace(year=None, after_summer=None),
        promotion=None,
        retest_subjects=(),
        award=None,
    )


def _pupil(data: ClassData, student: ClassStudent, stage: Stage) -> PupilYear:
    whole_year = stage is Stage.WHOLE_YEAR
    subjects = [
        SubjectYear(
            subject.code,
            subject.kind,
            subject.periods_per_year,
            semester_marks(data.cells(subject.id, Semester.FIRST, student.id), subject.regular_count),
            semester_marks(
                data.cells(subject.id, Semester.SECOND, student.id) if whole_year else _EMPTY,
                subject.regular_count,
            ),
        )
        for subject in data.subjects
    ]
    return PupilYear(
        grade=data.grade_level,
        subjects=subjects,
        conduct_semester_1=data.conduct.get((Semester.FIRST, student.id)),
        conduct_semester_2=data.conduct.get((Semester.SECOND, student.id)) if whole_year else None,
        absent_sessions=absent_sessions(data, student.id) if whole_year else None,
    )
