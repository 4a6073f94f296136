"""From stored marks to results: applies the rules to a class and lists what is still missing.

`ClassData` holds everything known about one class in one year. It is read once, in a few queries;
everything here is pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from services.gradebook.model.domain import (
    NOT_SAT_VALUE,
    REASSESSMENT_COLUMN,
    SUMMER,
    PersonalDetails,
    Semester,
    Stage,
    mark_of,
    required_columns,
    year_start,
)
from services.gradebook.rules import (
    DEFAULT_POLICY,
    Level,
    Mark,
    Policy,
    Promotion,
    PupilResult,
    PupilYear,
    RuleSet,
    SemesterMarks,
    SubjectKind,
    SubjectYear,
    assess,
    rule_set,
)

Sheet = Mapping[int, Mapping[int, int]]
"""Student id → column number → value, of one subject and semester; cells without marks omitted."""

_EMPTY: Mapping[int, int] = {}
NONE_BROUGHT: Mapping[int, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A person as named in frozen content."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ClassSubject:
    """A subject of the class with its teachers, in book order.

    regular_count: regular marks per semester, without that of a topic cluster.
    topic_cluster_semester: 0 without one.
    """

    id: int
    code: str
    name: str
    kind: SubjectKind
    periods_per_year: int
    regular_count: int
    teachers: tuple[NamedPerson, ...]
    topic_cluster_semester: int = 0

    def regular_in(self, semester: int) -> int:
        """Regular marks in a semester, with the result of a topic cluster (TT 22/2021 Điều 6)."""
        return self.regular_count + (self.topic_cluster_semester == semester)


@dataclass(frozen=True, slots=True)
class ClassStudent(PersonalDetails):
    """A student of the class, in list order.

    left: whether they left during the year.
    joined: the month in which they joined, such as "2026-01"; empty if there from the beginning.
    """

    id: int
    left: bool = False
    joined: str = ""


class Absences(NamedTuple):
    """Absent sessions of one student in one month.

    A session is ten times the day plus 1 (morning) or 2 (afternoon).
    """

    excused: tuple[int, ...]
    unexcused: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PrincipalRemark:
    """The principal's remark on the use of the book in one month, in its last version.

    by, time: who recorded it and when.
    """

    text: str
    by: NamedPerson
    time: datetime


@dataclass(frozen=True, slots=True)
class ClassData:
    """Everything known about one class in one year.

    marks: (subject id, semester) → sheet.
    conduct: (semester or SUMMER, student id) → level.
    absences: student id → (excused, unexcused) in the year.
    exempt: (subject id, semester, student id) of exemptions from the practical part (TT 22/2021
        Điều 10). They change no requirement: the assessments are of theory then.
    attendance: month such as "2025-09" → student id → absences, in order of months; empty when the
        class keeps only the year's totals (ADR-0038).
    remarks: month → the principal's remark.
    policy: the Department's ruling for the year.
    """

    school_year: str
    grade_level: int
    subjects: Sequence[ClassSubject]
    students: Sequence[ClassStudent]
    marks: Mapping[tuple[int, int], Sheet] = field(default_factory=dict)
    conduct: Mapping[tuple[int, int], Level] = field(default_factory=dict)
    absences: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    exempt: frozenset[tuple[int, int, int]] = frozenset()
    attendance: Mapping[str, Mapping[int, Absences]] = field(default_factory=dict)
    remarks: Mapping[str, PrincipalRemark] = field(default_factory=dict)
    policy: Policy = DEFAULT_POLICY

    def cells(self, subject: int, semester: int, student: int) -> Mapping[int, int]:
        """The marks of one student in one subject and semester, by column number."""
        return self.marks.get((subject, semester), {}).get(student, _EMPTY)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a book still needs. Fields that do not apply are None.

    month: that of an attendance sheet.
    """

    kind: str
    student: ClassStudent
    subject: str | None
    semester: Semester | None
    column: int | None
    month: str | None = None


class _Form(NamedTuple):
    """A subject with the sheets and columns of both semesters, which all students share."""

    subject: ClassSubject
    first: Sheet
    first_columns: tuple[int, ...]
    second: Sheet
    second_columns: tuple[int, ...]


def class_results(data: ClassData, stage: Stage) -> list[PupilResult]:
    """The results of all students in list order, from the marks up to the stage.

    Students who left during the year have no results of the year; those of a finished semester
    stay.
    Source: TT 22/2021 Điều 8–15.
    """
    rules = rule_set(year_start(data.school_year), data.grade_level)
    forms = _forms(data, stage)
    results = [_result(rules, data, forms, student, stage) for student in data.students]
    return [
        _without_year(result) if student.left else result
        for student, result in zip(data.students, results, strict=True)
    ]


def _result(
    rules: RuleSet, data: ClassData, forms: Sequence[_Form], student: ClassStudent, stage: Stage
) -> PupilResult:
    pupil = _pupil(data, forms, student, stage)
    result = assess(rules, pupil, data.policy)
    if stage is not Stage.AFTER_SUMMER or result.promotion is not Promotion.RETEST:
        return result
    cells = reassessments(data, student)
    if not set(result.retest_subjects) <= cells.keys():
        return result
    sat = {code: mark for code in result.retest_subjects if (mark := mark_of(_sat(cells[code]))) is not None}
    return assess(rules, replace(pupil, reassessed=sat), data.policy)


def retest_due(data: ClassData) -> list[tuple[str, ...]]:
    """The codes of the subjects to re-assess, for every student in list order.

    There are none unless the year's learning result is Chưa đạt while conduct, after any summer
    training, is at least Đạt. Source: TT 22/2021 Điều 14.
    """
    rules = rule_set(year_start(data.school_year), data.grade_level)
    forms = _forms(data, Stage.AFTER_SUMMER)
    return [
        ()
        if student.left
        else assess(rules, _pupil(data, forms, student, Stage.AFTER_SUMMER), data.policy).retest_subjects
        for student in data.students
    ]


def _sat(value: int) -> int | None:
    return None if value == NOT_SAT_VALUE else value


def reassessments(data: ClassData, student: ClassStudent) -> dict[str, int]:
    """Subject code → a student's re-assessment as stored; NOT_SAT_VALUE if they did not sit it."""
    rows = ((subject.code, data.cells(subject.id, Semester.SECOND, student.id)) for subject in data.subjects)
    return {code: cells[REASSESSMENT_COLUMN] for code, cells in rows if REASSESSMENT_COLUMN in cells}


def missing(data: ClassData, stage: Stage) -> Iterator[Missing]:
    """What a book of the stage still needs: marks, conduct and absences.

    Missing marks come by subject, semester, student and column. After the summer a book also needs
    the conduct of students in summer training and, for students to be re-assessed, a mark in each
    subject or the statement that they did not sit it (TT 22/2021 Điều 13, Điều 14). Students who
    left during the year need nothing.
    """
    staying = [student for student in data.students if not student.left]
    for subject in data.subjects:
        for semester in stage.semesters:
            columns = required_columns(subject.regular_in(semester))
            for student in staying:
                cells = data.cells(subject.id, semester, student.id)
                for column in columns:
                    if column not in cells:
                        yield Missing("MARK", student, subject.code, semester, column)
    for semester in stage.semesters:
        for student in staying:
            if (semester, student.id) not in data.conduct:
                yield Missing("CONDUCT", student, None, semester, None)
    yield from _missing_attendance(data, staying, stage)
    if stage is Stage.AFTER_SUMMER:
        yield from _missing_summer(data)


def _missing_attendance(data: ClassData, staying: Sequence[ClassStudent], stage: Stage) -> Iterator[Missing]:
    if data.attendance:
        for month in required_months(data, stage):
            sheet = data.attendance.get(month, {})
            for student in staying:
                if student.id not in sheet and month >= student.joined:
                    yield Missing("ATTENDANCE", student, None, None, None, month)
    elif stage.ends_year:
        for student in staying:
            if student.id not in data.absences:
                yield Missing("ABSENCES", student, None, None, None)


def _missing_summer(data: ClassData) -> Iterator[Missing]:
    for student, result in zip(data.students, class_results(data, Stage.AFTER_SUMMER), strict=True):
        if result.promotion is Promotion.SUMMER_TRAINING:
            yield Missing("SUMMER_CONDUCT", student, None, None, None)
        if result.promotion is Promotion.RETEST:
            entered = reassessments(data, student)
            for code in result.retest_subjects:
                if code not in entered:
                    yield Missing("MARK", student, code, Semester.SECOND, REASSESSMENT_COLUMN)


def months(school_year: str, stage: Stage) -> list[str]:
    """The months whose sheets the book of a stage needs if attendance is kept by month.

    A month is written "2025-09". September to May; for semester I until December, because it ends
    within January and that month belongs to the whole year.
    """
    first = year_start(school_year)
    autumn = [f"{first}-{month:02d}" for month in range(9, 13)]
    return autumn + ([f"{first + 1}-{month:02d}" for month in range(1, 6)] if stage.ends_year else [])


def required_months(data: ClassData, stage: Stage) -> list[str]:
    """The months of the stage, and further months with a sheet of the class."""
    kept = (month for month in data.attendance if first_stage(data.school_year, month) <= stage)
    return sorted({*months(data.school_year, stage), *kept})


def first_stage(school_year: str, month: str) -> Stage:
    """The first stage whose book holds a month: semester I to December, whole year to June."""
    first = year_start(school_year)
    if month <= f"{first}-12":
        return Stage.SEMESTER_1
    return Stage.WHOLE_YEAR if month <= f"{first + 1}-06" else Stage.AFTER_SUMMER


def year_totals(
    attendance: Mapping[str, Mapping[int, Absences]], brought: Mapping[int, tuple[int, int]] = NONE_BROUGHT
) -> dict[int, tuple[int, int]]:
    """Student id → absent sessions of all months, excused and unexcused.

    brought: earlier absences of students who joined during the year from a class without sheets.
    """
    totals = dict(brought)
    for sheet in attendance.values():
        for student, absences in sheet.items():
            excused, unexcused = totals.get(student, (0, 0))
            totals[student] = (excused + len(absences.excused), unexcused + len(absences.unexcused))
    return totals


def absent_sessions(data: ClassData, student: int) -> int | None:
    """Absent sessions of the year, excused or not (TT 22/2021 Điều 12 khoản 1 điểm c)."""
    counts = data.absences.get(student)
    return None if counts is None else sum(counts)


def semester_marks(cells: Mapping[int, int], columns: Sequence[int], kind: SubjectKind) -> SemesterMarks:
    """One student's row of a sheet in the form of the rules.

    columns: the required ones in their order; see `required_columns`.
    """
    # This runs for every student, subject and semester. A stored score is already a mark; only
    # comments are translated.
    stored = map(cells.get, columns)
    values: tuple[Mark | None, ...] = tuple(map(mark_of, stored) if kind is SubjectKind.COMMENT_ONLY else stored)
    return SemesterMarks(values[:-2], values[-2:-1], values[-1])


def _forms(data: ClassData, stage: Stage) -> list[_Form]:
    return [
        _Form(
            subject,
            data.marks.get((subject.id, Semester.FIRST), {}),
            required_columns(subject.regular_in(Semester.FIRST)),
            data.marks.get((subject.id, Semester.SECOND), {}) if stage.ends_year else {},
            required_columns(subject.regular_in(Semester.SECOND)),
        )
        for subject in data.subjects
    ]


def _without_year(result: PupilResult) -> PupilResult:
    """The results of a student who left: only those of the semesters (ADR-0037)."""
    return replace(
        result,
        subjects=tuple(subject._replace(year=None, reassessed=None) for subject in result.subjects),
        learning=result.learning._replace(year=None, after_summer=None),
        conduct=result.conduct._replace(year=None, after_summer=None),
        promotion=None,
        retest_subjects=(),
        award=None,
    )


def _pupil(data: ClassData, forms: Sequence[_Form], student: ClassStudent, stage: Stage) -> PupilYear:
    whole_year = stage.ends_year
    subjects = [
        SubjectYear(
            subject.code,
            subject.kind,
            subject.periods_per_year,
            semester_marks(first.get(student.id, _EMPTY), first_columns, subject.kind),
            semester_marks(second.get(student.id, _EMPTY), second_columns, subject.kind),
            topic_cluster_semester=subject.topic_cluster_semester or None,
        )
        for subject, first, first_columns, second, second_columns in forms
    ]
    return PupilYear(
        grade=data.grade_level,
        subjects=subjects,
        conduct_semester_1=data.conduct.get((Semester.FIRST, student.id)),
        conduct_semester_2=data.conduct.get((Semester.SECOND, student.id)) if whole_year else None,
        absent_sessions=absent_sessions(data, student.id) if whole_year else None,
        conduct_after_summer=data.conduct.get((SUMMER, student.id)) if stage is Stage.AFTER_SUMMER else None,
    )
