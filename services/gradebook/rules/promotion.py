"""Promotion, re-assessment, summer training and retention by TT22/2021."""

from dataclasses import dataclass

from services.gradebook.rules.marks import Mark
from services.gradebook.rules.regime import DEFAULT_POLICY, Policy
from services.gradebook.rules.words import Comment, Level, Promotion

MAX_ABSENT_SESSIONS = 45
"""Half-day sessions in the year, excused or not.

Source: TT22/2021 Điều 12 khoản 1 điểm c; TT58/2011 Điều 15.
"""

LAST_GRADES = (9, 12)
"""Grades that end a programme: the pupil completes it instead of moving up."""


@dataclass(frozen=True, slots=True)
class PromotionInput:
    """The facts that decide promotion under TT22.

    learning_year, conduct_year: year results; None while open.
    learning_after_reassessment: level recomputed with the re-assessed results; None before the
        re-assessment.
    conduct_after_summer: level after the summer training; None before it.
    absent_sessions: half-day sessions in the year; None while unknown.
    """

    grade: int
    learning_year: Level | None
    conduct_year: Level | None
    absent_sessions: int | None
    learning_after_reassessment: Level | None = None
    conduct_after_summer: Level | None = None


def passed(grade: int) -> Promotion:
    """The outcome for a pupil who passed this grade. Source: TT22/2021 Điều 12 khoản 1."""
    return Promotion.PROGRAMME_COMPLETED if grade in LAST_GRADES else Promotion.PROMOTED


def decide(facts: PromotionInput, policy: Policy = DEFAULT_POLICY) -> Promotion | None:  # noqa: PLR0911
    """The outcome of the year; None while a fact that decides it is open.

    One return per clause. A pupil with more than 45 absent sessions is always retained. Otherwise
    conduct below Đạt leads to summer training, then learning below Đạt to re-assessment; a pupil
    who is still below Đạt in either after the summer is retained.
    Source: TT22/2021 Điều 12 khoản 1 and khoản 3, Điều 13, Điều 14.
    """
    if facts.absent_sessions is not None and facts.absent_sessions > MAX_ABSENT_SESSIONS:
        return Promotion.RETAINED
    if facts.absent_sessions is None or facts.conduct_year is None or facts.learning_year is None:
        return None
    failed_learning = facts.learning_year < Level.LEVEL_SATISFACTORY
    if facts.conduct_year < Level.LEVEL_SATISFACTORY:
        if failed_learning and not policy.retest_after_summer_training:
            return Promotion.RETAINED
        if facts.conduct_after_summer is None:
            return Promotion.SUMMER_TRAINING
        if facts.conduct_after_summer < Level.LEVEL_SATISFACTORY:
            return Promotion.RETAINED
    if not failed_learning:
        return passed(facts.grade)
    if facts.learning_after_reassessment is None:
        return Promotion.RETEST
    if facts.learning_after_reassessment < Level.LEVEL_SATISFACTORY:
        return Promotion.RETAINED
    return passed(facts.grade)


def needs_reassessment(year_result: Mark) -> bool:
    """Whether the year result of a subject calls for re-assessment: CĐ, or below 5.0.

    Source: TT22/2021 Điều 14 (all such subjects); TT58/2011 Điều 16 (the pupil chooses among them).
    """
    return year_result is Comment.NOT_PASS if isinstance(year_result, Comment) else year_result < 50
