"""TT58/2011, original and as amended by TT26/2020: academic rank, promotion and titles.

Needed to replay closed years, and for the grades that stayed under TT58 until 2024-2025.
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
    """A scored subject as Điều 13 sees it.

    score: average in tenths. specialised: whether it is the môn chuyên.
    """

    score: int
    role: SubjectRole | None = None
    specialised: bool = False


class _Threshold(NamedTuple):
    """What one rank of Điều 13 requires, in tenths.

    average: for ĐTB and for the leading subject. floor: for every subject.
    """

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
"""(rank that ĐTB reaches, rank because of the one weak subject) → rank given.

Source: TT58/2011 Điều 13 khoản 6 điểm a–d.
"""


@dataclass(frozen=True, slots=True)
class AcademicResult:
    """Academic rank with its derivation.

    base: the rank before the one-subject adjustment. overall: mean of all scored subjects in
        tenths.
    """

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

    foreign_language_leads: whether a foreign language counts as a leading subject besides Toán and
        Ngữ văn, as TT26/2020 allows.
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
    """Whether a leading subject, and the môn chuyên if there is one, reach the rank's average."""
    leading_reached = any(s.role in leading and s.score >= threshold.average for s in subjects)
    return leading_reached and all(s.score >= threshold.average for s in subjects if s.specialised)


def _one_subject_short(
    threshold: _Threshold,
    subjects: Sequence[ScoredSubject],
    failed: int,
    overall: int,
    leading: frozenset[SubjectRole],
) -> bool:
    """Whether ĐTB reaches the rank and exactly one subject misses its requirements.

    Source: TT58/2011 Điều 13 khoản 6.
    """
    weak = [s for s in subjects if s.score < threshold.floor]
    if overall < threshold.average or len(weak) + failed != 1:
        return False
    if failed:
        return _leads(threshold, subjects, leading)
    pardoned = [s._replace(score=100) if s is weak[0] else s for s in subjects]
    return _leads(threshold, pardoned, leading)


@dataclass(frozen=True, slots=True)
class LegacyPromotionInput:
    """The facts that decide promotion under TT58; see `promotion.PromotionInput`. None is open."""

    grade: int
    academic_year: Academic | None
    conduct_year: Conduct | None
    absent_sessions: int | None
    academic_after_retest: Academic | None = None
    conduct_after_summer: Conduct | None = None


def decide(facts: LegacyPromotionInput) -> Promotion | None:  # noqa: PLR0911  (one return per clause)
    """The outcome of a TT58 year; None while a fact that decides it is open.

    Source: TT58/2011 Điều 15 khoản 1 and khoản 2, Điều 16, Điều 17.
    """
    academic, conduct = facts.academic_year, facts.conduct_year
    if facts.absent_sessions is not None and facts.absent_sessions > MAX_ABSENT_SESSIONS:
        return Promotion.RETAINED
    if academic is None or conduct is None or facts.absent_sessions is None:
        return None
    conduct_failed = conduct < Conduct.CONDUCT_AVERAGE
    if academic is Academic.ACADEMIC_POOR or (academic is Academic.ACADEMIC_WEAK and conduct_failed):
        return Promotion.RETAINED
    if conduct_failed:
        after_summer = facts.conduct_after_summer
        if after_summer is None:
            return Promotion.SUMMER_TRAINING
        return Promotion.RETAINED if after_summer < Conduct.CONDUCT_AVERAGE else passed(facts.grade)
    if academic is Academic.ACADEMIC_WEAK:
        after_retest = facts.academic_after_retest
        if after_retest is None:
            return Promotion.RETEST
        if after_retest < Academic.ACADEMIC_AVERAGE:
            return Promotion.RETAINED
    return passed(facts.grade)


def title(conduct: Conduct, academic: Academic) -> Award | None:
    """Title of a semester or of the year: Học sinh giỏi, Học sinh tiên tiến, or None.

    Source: TT58/2011 Điều 18 khoản 1; TT26/2020 Điều 1.
    """
    if conduct is Conduct.CONDUCT_EXCELLENT and academic is Academic.ACADEMIC_EXCELLENT:
        return Award.TITLE_EXCELLENT
    if conduct >= Conduct.CONDUCT_GOOD and academic >= Academic.ACADEMIC_GOOD:
        return Award.TITLE_ADVANCED
    return None
