"""One pupil's whole year under either regulation: from marks to results, promotion and award."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from services.gradebook.rules import learning, legacy, promotion
from services.gradebook.rules.averages import (
    SemesterMarks,
    legacy_semester_comment,
    semester_average,
    semester_comment,
    year_average,
)
from services.gradebook.rules.learning import LearningResult
from services.gradebook.rules.legacy import AcademicResult, LegacyPromotionInput, ScoredSubject
from services.gradebook.rules.marks import Mark
from services.gradebook.rules.promotion import PromotionInput, needs_reassessment
from services.gradebook.rules.regime import DEFAULT_POLICY, Policy, RuleSet, minimum_regular
from services.gradebook.rules.words import (
    Academic,
    Award,
    Comment,
    Conduct,
    ConductLevel,
    Level,
    Promotion,
    SubjectKind,
    SubjectRole,
)

_COMMENT_ONLY = SubjectKind.COMMENT_ONLY
_NO_SEMESTERS: frozenset[int] = frozenset()

NO_MARKS = SemesterMarks((), (None,), None)
"""A semester in which nothing has been recorded."""

T = TypeVar("T")


class Periods(NamedTuple, Generic[T]):
    """One value per period; None where it is open.

    The result after the summer never replaces that of the year.
    """

    semester_1: T | None
    semester_2: T | None
    year: T | None
    after_summer: T | None = None


class SubjectYear(NamedTuple):
    """One subject of one pupil in one year.

    periods_per_year: required for a scored subject.
    role: set for Toán, Ngữ văn and foreign languages.
    specialised: whether it is the môn chuyên of a specialised class (TT58 only).
    topic_cluster_semester: semester (1 or 2) that records the result of a learning-topic cluster,
        or None.
    exempt: semesters (1, 2) with an exemption. Under TT22, and for any scored subject, only the
        practical part is exempt and theory marks take its place; a comment-only subject under TT58
        is left out.
    """

    name: str
    kind: SubjectKind
    periods_per_year: int | None
    semester_1: SemesterMarks = NO_MARKS
    semester_2: SemesterMarks = NO_MARKS
    role: SubjectRole | None = None
    specialised: bool = False
    topic_cluster_semester: int | None = None
    exempt: frozenset[int] = _NO_SEMESTERS


@dataclass(frozen=True, slots=True)
class PupilYear:
    """Everything the rules need to know about one pupil in one year; None where it is open.

    conduct_year: the year's conduct as entered by the homeroom teacher, under TT58 only (Điều 4);
        TT22 computes it.
    absent_sessions: half-day sessions, excused and unexcused together.
    reassessed: subject name → result of the summer re-assessment; None until it has been held.
    conduct_after_summer: conduct after the summer training; None until it has been assessed.
    """

    grade: int
    subjects: Sequence[SubjectYear]
    conduct_semester_1: ConductLevel | None = None
    conduct_semester_2: ConductLevel | None = None
    conduct_year: ConductLevel | None = None
    absent_sessions: int | None = None
    reassessed: Mapping[str, Mark] | None = None
    conduct_after_summer: ConductLevel | None = None


class SubjectResult(NamedTuple):
    """Results of one subject; None where open or left out.

    reassessed: the summer result where it replaced the year result for promotion.
    left_out: semesters in which the subject is left out of all calculations (exemption under TT58).
    """

    name: str
    semester_1: Mark | None
    semester_2: Mark | None
    year: Mark | None
    reassessed: Mark | None = None
    left_out: frozenset[int] = _NO_SEMESTERS


Learning = LearningResult | AcademicResult


@dataclass(frozen=True, slots=True)
class PupilResult:
    """The outcome of a pupil's year.

    promotion: None while a fact that decides it is open.
    retest_subjects: the subjects to re-assess when promotion is RETEST. TT22 requires all of them;
        under TT58 the pupil chooses among them.
    award: title of the year. semester_awards: titles of the semesters, under TT58 only.
    """

    subjects: tuple[SubjectResult, ...]
    learning: Periods[Learning]
    conduct: Periods[ConductLevel]
    promotion: Promotion | None
    retest_subjects: tuple[str, ...]
    award: Award | None
    semester_awards: tuple[Award | None, Award | None] = (None, None)


def left_out_semesters(rules: RuleSet, subject: SubjectYear) -> frozenset[int]:
    """Semesters in which an exemption removes the subject from all calculations.

    Source: TT58/2011 Điều 12. TT22/2021 Điều 10 exempts only a practical part, which theory
        replaces.
    """
    if rules.is_tt22 or subject.kind is not _COMMENT_ONLY:
        return _NO_SEMESTERS
    return subject.exempt


def subject_semester(rules: RuleSet, subject: SubjectYear, semester: int) -> Mark | None:
    """Result of a subject in semester 1 or 2: ĐTBmhk in tenths or a comment; None while open.

    Source: TT22/2021 Điều 9 khoản 1; TT58/2011 Điều 10.
    """
    marks = subject.semester_1 if semester == 1 else subject.semester_2
    if rules.single_midterm and len(marks.periodic) != 1:
        return None
    cluster = subject.topic_cluster_semester == semester
    required = minimum_regular(rules, subject.kind, subject.periods_per_year, semester, cluster)
    if subject.kind is not _COMMENT_ONLY:
        return semester_average(marks, required)
    return semester_comment(marks, required) if rules.is_tt22 else legacy_semester_comment(marks, required)


def subject_result(rules: RuleSet, subject: SubjectYear) -> SubjectResult:
    """Semester and year results of a subject, without any summer result.

    The year result of a comment-only subject is that of semester 2. When such a subject is left out
    of one semester under TT58, the year result is that of the other.
    Source: TT22/2021 Điều 9 khoản 1; TT58/2011 Điều 10, Điều 12.
    """
    left_out = left_out_semesters(rules, subject)
    first = None if 1 in left_out else subject_semester(rules, subject, 1)
    second = None if 2 in left_out else subject_semester(rules, subject, 2)
    year: Mark | None
    if isinstance(first, int) and isinstance(second, int):
        year = year_average(first, second)
    elif subject.kind is _COMMENT_ONLY:
        year = first if 2 in left_out else second
    else:
        year = None
    return SubjectResult(subject.name, first, second, year, None, left_out)


def open_cells(rules: RuleSet, subject: SubjectYear) -> tuple[str, ...]:
    """The required cells of a subject that are still open.

    They are named by path, such as "semester_1.regular[3]" (counted from 0) or "semester_2.final".
    """
    paths: list[str] = []
    for semester, marks in ((1, subject.semester_1), (2, subject.semester_2)):
        if semester in left_out_semesters(rules, subject):
            continue
        cluster = subject.topic_cluster_semester == semester
        required = minimum_regular(rules, subject.kind, subject.periods_per_year, semester, cluster)
        regular = [*marks.regular, *(None for _ in range(required - len(marks.regular)))]
        cells = [(f"regular[{i}]", mark) for i, mark in enumerate(regular)]
        if rules.single_midterm:
            cells.append(("midterm", marks.periodic[0] if marks.periodic else None))
        else:
            cells.extend((f"periodic[{i}]", mark) for i, mark in enumerate(marks.periodic))
        cells.append(("final", marks.final))
        paths.extend(f"semester_{semester}.{name}" for name, mark in cells if mark is None)
    return tuple(paths)


def assess(rules: RuleSet, pupil: PupilYear, policy: Policy = DEFAULT_POLICY) -> PupilResult:
    """Compute a pupil's whole year under a version of the rules.

    Source: TT22/2021 Điều 8–15; TT58/2011 Điều 4, Điều 10–18.
    """
    results = [subject_result(rules, subject) for subject in pupil.subjects]
    semester_1 = _learning(rules, pupil, [r.semester_1 for r in results], results, semester=1, policy=policy)
    semester_2 = _learning(rules, pupil, [r.semester_2 for r in results], results, semester=2, policy=policy)
    year_marks = [r.year for r in results]
    year = _learning(rules, pupil, year_marks, results, semester=0, policy=policy)

    due = _due(year, results)
    after = year if pupil.reassessed is not None and year is not None and _failed(year) else None
    if pupil.reassessed is not None and due:
        results = [
            r._replace(reassessed=pupil.reassessed[r.name]) if r.name in due and r.name in pupil.reassessed else r
            for r in results
        ]
        replaced = [r.year if r.reassessed is None else r.reassessed for r in results]
        after = _learning(rules, pupil, replaced, results, semester=0, policy=policy)

    learning_periods: Periods[Learning] = Periods(semester_1, semester_2, year, after)
    conduct = _conduct(rules, pupil, policy)
    decision = _decide(pupil, learning_periods, conduct, policy)
    return PupilResult(
        subjects=tuple(results),
        learning=learning_periods,
        conduct=conduct,
        promotion=decision,
        retest_subjects=due if decision is Promotion.RETEST else (),
        award=_award(year, conduct.year, year_marks),
        semester_awards=(_award(semester_1, conduct.semester_1), _award(semester_2, conduct.semester_2)),
    )


def _learning(
    rules: RuleSet,
    pupil: PupilYear,
    marks: Sequence[Mark | None],
    results: Sequence[SubjectResult],
    *,
    semester: int,
    policy: Policy,
) -> Learning | None:
    """Learning result of one period from the mark of each subject; None while a mark is open.

    semester: 1, 2, or 0 for the year.
    """
    if None in marks:
        semesters = frozenset({semester}) if semester else frozenset({1, 2})
        counted = [not semesters <= result.left_out for result in results]
        if any(mark is None and counts for mark, counts in zip(marks, counted, strict=True)):
            return None
    comments = [mark for mark in marks if isinstance(mark, Comment)]
    if rules.is_tt22:
        return learning.learning_result([mark for mark in marks if isinstance(mark, int)], comments, policy)
    scored = [
        ScoredSubject(mark, subject.role, subject.specialised)
        for mark, subject in zip(marks, pupil.subjects, strict=True)
        if isinstance(mark, int)
    ]
    if not scored:
        return None
    return legacy.academic_result(scored, comments, foreign_language_leads=rules.named_foreign_language)


def _failed(year: Learning) -> bool:
    """Whether the year's learning result calls for re-assessment (Chưa đạt; under TT58 Yếu)."""
    if isinstance(year, LearningResult):
        return year.level is Level.LEVEL_UNSATISFACTORY
    return year.level is Academic.ACADEMIC_WEAK


def _due(year: Learning | None, results: Sequence[SubjectResult]) -> tuple[str, ...]:
    """Subjects to re-assess. Source: TT22/2021 Điều 14; TT58/2011 Điều 16."""
    if year is None or not _failed(year):
        return ()
    return tuple(r.name for r in results if r.year is not None and needs_reassessment(r.year))


def _conduct(rules: RuleSet, pupil: PupilYear, policy: Policy) -> Periods[ConductLevel]:
    """Conduct of both semesters, of the year, and after the summer if the year's was failing."""
    first, second, year = pupil.conduct_semester_1, pupil.conduct_semester_2, pupil.conduct_year
    failing: ConductLevel
    if rules.is_tt22:
        both = isinstance(first, Level) and isinstance(second, Level)
        year = learning.conduct_year(first, second) if both else None  # type: ignore[arg-type]
        failing = Level.LEVEL_UNSATISFACTORY
    else:
        if year is None and policy.legacy_conduct_from_semester_2:
            year = second
        failing = Conduct.CONDUCT_WEAK
    return Periods(first, second, year, pupil.conduct_after_summer if year is failing else None)


def _decide(
    pupil: PupilYear, learning_periods: Periods[Learning], conduct: Periods[ConductLevel], policy: Policy
) -> Promotion | None:
    """Promotion under the regime that the results belong to."""
    year, after = learning_periods.year, learning_periods.after_summer
    if isinstance(year, AcademicResult) or isinstance(conduct.year, Conduct):
        return legacy.decide(
            LegacyPromotionInput(
                grade=pupil.grade,
                academic_year=year.level if isinstance(year, AcademicResult) else None,
                conduct_year=conduct.year if isinstance(conduct.year, Conduct) else None,
                absent_sessions=pupil.absent_sessions,
                academic_after_retest=after.level if isinstance(after, AcademicResult) else None,
                conduct_after_summer=conduct.after_summer if isinstance(conduct.after_summer, Conduct) else None,
            )
        )
    return promotion.decide(
        PromotionInput(
            grade=pupil.grade,
            learning_year=year.level if isinstance(year, LearningResult) else None,
            conduct_year=conduct.year if isinstance(conduct.year, Level) else None,
            absent_sessions=pupil.absent_sessions,
            learning_after_reassessment=after.level if isinstance(after, LearningResult) else None,
            conduct_after_summer=conduct.after_summer if isinstance(conduct.after_summer, Level) else None,
        ),
        policy,
    )


def _award(
    result: Learning | None, conduct: ConductLevel | None, year_marks: Sequence[Mark | None] | None = None
) -> Award | None:
    """Title of a period; `year_marks` only for the year, because TT22 has no semester titles."""
    if isinstance(result, AcademicResult) and isinstance(conduct, Conduct):
        return legacy.title(conduct, result.level)
    if isinstance(result, LearningResult) and isinstance(conduct, Level) and year_marks is not None:
        return learning.award(conduct, result.level, [mark for mark in year_marks if isinstance(mark, int)])
    return None
