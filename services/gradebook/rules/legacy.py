"""TT58/2011, original and as amended by TT26/2020: academic rank, promotion and titles.

Kept for replaying closed years and for grades that were still under it before 2024-2025.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.gradebook.rules.averages import overall_average
from services.gradebook.rules.promotion import MAX_ABSENT_SESSIONS, passed
from services.gradebook.rules.words import Academic, Award, Comment, Conduct, Promotion, SubjectRole

_LEADING_ORIGINAL = frozenset({SubjectRole.MATHEMATICS, SubjectRole.LITERATURE})
_LEADING_AMENDED = _LEADING_ORIGINAL | {SubjectRole.FOREIGN_LANGUAGE}


class ScoredSubject(NamedTuple):
    """A scored subject as Điều 13 looks at it: its average in tenths, its role, and whether it is the môn chuyên."""

    score: int
    role: SubjectRole | None = None
    specialised: bool = False


class _Threshold(NamedTuple):
    """One rank of Điều 13: `average` for ĐTB and for the leading subject, `floor` for every subject, in tenths."""

    rank: Academic
    average: int
    floor: int


_THRESHOLDS = (
    _Threshold(Academic.ACADEMIC_EXCELLENT, 80, 65),
    _Threshold(Academic.ACADEMIC_GOOD, 65, 50),
    _Threshold(Academic.ACADEMIC_AVERAGE, 50, 35),
)

_ADJUSTED = {
    (Academic.ACADEMIC_EXCELLENT, Academic.ACADEMIC_AVERAGE): Academic.ACADEMIC_GOOD,
    (Academic.ACADEMIC_EXCELLENT, Academic.ACADEMIC_WEAK): Academic.ACADEMIC_AVERAGE,
    (Academic.ACADEMIC_GOOD, Academic.ACADEMIC_WEAK): Academic.ACADEMIC_AVERAGE,
    (Academic.ACADEMIC_GOOD, Academic.ACADEMIC_POOR): Academic.ACADEMIC_WEAK,
}
"""(rank that ĐTB reaches, rank after the one bad subject) → rank given: points a to d of Điều 13 khoản 6."""


@dataclass(frozen=True, slots=True)
class AcademicResult:
    """Academic rank, the rank before the one-subject adjustment, and the mean of all scored subjects in tenths."""

    level: Academic
    base: Academic
    overall: int

    @property
    def adjusted(self) -> bool:
        """Whether Điều 13 khoản 6 changed the rank."""
        return self.level is not self.base


def academic_result(
    subjects: Sequence[ScoredSubject], comments: Sequence[Comment], *, foreign_language_leads: bool
) -> AcademicResult:
    """Academic rank (học lực) of a semester or of the year. At least one scored subject is needed.

    foreign_language_leads: TT26/2020 lets a foreign language stand beside Toán and Ngữ văn.
    Source: TT58/2011 Điều 11, Điều 13 khoản 1–6; TT26/2020 Điều 1.
    """
    leading = _LEADING_AMENDED if foreign_language_leads else _LEADING_ORIGINAL
    overall = overall_average([subject.score for subject in subjects])
    failed = comments.count(Comment.NOT_PASS)
    base = _base_rank(subjects, failed, overall, leading)
    level = base
    for threshold in _THRESHOLDS[:2]:
        better = _ADJUSTED.get((threshold.rank, base))
        if better is not None and _one_subject_short(threshold, subjects, failed, overall, leading):
            level = max(level, better)
    return AcademicResult(level, base, overall)


def _base_rank(
    subjects: Sequence[ScoredSubject], failed: int, overall: int, leading: frozenset[SubjectRole]
) -> Academic:
    """Rank before the adjustment. Source: TT58/2011 Điều 13 khoản 1–5."""
    lowest = min(subject.score for subject in subjects)
    for threshold in _THRESHOLDS:
        if (
            failed == 0
            and overall >= threshold.average
            and lowest >= threshold.floor
            and _leads(threshold, subjects, leading)
        ):
            return threshold.rank
    if overall >= 35 and lowest >= 20:
        return Academic.ACADEMIC_WEAK
    return Academic.ACADEMIC_POOR


def _leads(threshold: _Threshold, subjects: Sequence[ScoredSubject], leading: frozenset[SubjectRole]) -> bool:
    """Whether one leading subject, and the môn chuyên of a specialised class, reach the rank's average."""
    one_of = any(s.role in leading and s.score >= threshold.average for s in subjects)
    return one_of and all(s.score >= threshold.average for s in subjects if s.specialised)


def _one_subject_short(
    threshold: _Threshold,
    subjects: Sequence[ScoredSubject],
    failed: int,
    overall: int,
    leading: frozenset[SubjectRole],
) -> bool:
    """Whether ĐTB reaches the rank and one subject alone misses what the rank asks. Source: Điều 13 khoản 6."""
    short = [s for s in subjects if s.score < threshold.floor]
    if overall < threshold.average or len(short) + failed != 1:
        return False
    if failed:
        return _leads(threshold, subjects, leading)
    mended = [s._replace(score=100) if s is short[0] else s for s in subjects]
    return _leads(threshold, mended, leading)


@dataclass(frozen=True, slots=True)
class LegacyStanding:
    """What the decision of a TT58 year rests on; fields as in the TT22 standing, None while open."""

    grade: int
    academic_year: Academic | None
    conduct_year: Conduct | None
    absent_sessions: int | None
    academic_after_retest: Academic | None = None
    conduct_after_summer: Conduct | None = None


def decide(standing: LegacyStanding) -> Promotion | None:  # noqa: PLR0911  (one return a clause)
    """Decide what follows a TT58 year; None while a fact it needs is open.

    Source: TT58/2011 Điều 15 khoản 1 and khoản 2, Điều 16, Điều 17.
    """
    academic, conduct = standing.academic_year, standing.conduct_year
    if standing.absent_sessions is not None and standing.absent_sessions > MAX_ABSENT_SESSIONS:
        return Promotion.RETAINED
    if academic is None or conduct is None or standing.absent_sessions is None:
        return None
    conduct_failed = conduct < Conduct.CONDUCT_AVERAGE
    if academic is Academic.ACADEMIC_POOR or (academic is Academic.ACADEMIC_WEAK and conduct_failed):
        return Promotion.RETAINED
    if conduct_failed:
        after_summer = standing.conduct_after_summer
        if after_summer is None:
            return Promotion.SUMMER_TRAINING
        return Promotion.RETAINED if after_summer < Conduct.CONDUCT_AVERAGE else passed(standing.grade)
    if academic is Academic.ACADEMIC_WEAK:
        after_retest = standing.academic_after_retest
        if after_retest is None:
            return Promotion.RETEST
        if after_retest < Academic.ACADEMIC_AVERAGE:
            return Promotion.RETAINED
    return passed(standing.grade)


def title(conduct: Conduct, academic: Academic) -> Award | None:
    """Title of a semester or of the year: Học sinh giỏi, Học sinh tiên tiến, or none.

    Source: TT58/2011 Điều 18 khoản 1; TT26/2020 Điều 1.
    """
    if conduct is Conduct.CONDUCT_EXCELLENT and academic is Academic.ACADEMIC_EXCELLENT:
        return Award.TITLE_EXCELLENT
    if conduct >= Conduct.CONDUCT_GOOD and academic >= Academic.ACADEMIC_GOOD:
        return Award.TITLE_ADVANCED
    return None
