"""Learning result, conduct of the year and awards by TT22/2021."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.gradebook.rules.regime import DEFAULT_POLICY, Policy
from services.gradebook.rules.words import Award, Comment, Level

_EXCELLENT, _GOOD = Level.LEVEL_EXCELLENT, Level.LEVEL_GOOD
_SATISFACTORY, _UNSATISFACTORY = Level.LEVEL_SATISFACTORY, Level.LEVEL_UNSATISFACTORY

ENOUGH_SUBJECTS = 6
"""“Có ít nhất 06 môn học”: TT22/2021 Điều 9 khoản 2."""

_NEXT_UP = {_UNSATISFACTORY: _SATISFACTORY, _SATISFACTORY: _GOOD}
"""“Mức liền kề” of the levels that can be adjusted: TT22/2021 Điều 9 khoản 3."""


@dataclass(frozen=True, slots=True)
class LearningResult:
    """A learning level, and the level before the one-subject adjustment (equal without one)."""

    level: Level
    base: Level

    @property
    def adjusted(self) -> bool:
        """Whether TT22 Điều 9 khoản 3 raised the level."""
        return self.level is not self.base


def base_level(scores: Sequence[int], failed_comments: int) -> Level:
    """Learning level of a semester or of the year, before any adjustment.

    scores: averages of the scored subjects in tenths. failed_comments: number of comment-only
    subjects at CĐ.
    Source: TT22/2021 Điều 9 khoản 2 điểm a (Tốt), b (Khá), c (Đạt), d (Chưa đạt).
    """
    if len(scores) < ENOUGH_SUBJECTS:
        return _UNSATISFACTORY
    ordered = sorted(scores)
    lowest, sixth_best = ordered[0], ordered[-ENOUGH_SUBJECTS]
    if failed_comments == 0:
        if lowest >= 65 and sixth_best >= 80:
            return _EXCELLENT
        if lowest >= 50 and sixth_best >= 65:
            return _GOOD
    if failed_comments <= 1 and lowest >= 35 and sixth_best >= 50:
        return _SATISFACTORY
    return _UNSATISFACTORY


def learning_result(
    scores: Sequence[int], comments: Sequence[Comment], policy: Policy = DEFAULT_POLICY
) -> LearningResult:
    """Learning level of a semester or of the year, with the one-subject adjustment.

    scores, comments: the results of all subjects for that period, none missing.
    The level is raised one step when a single subject keeps it two or more steps below Tốt or Khá.
    That subject can only be the sole failed comment-only subject or, when none failed, the one with
    the lowest score; any other choice would keep the subject that holds the level down.
    Source: TT22/2021 Điều 9 khoản 2 and khoản 3; readings A and B are in `Policy`.
    """
    failed = comments.count(Comment.NOT_PASS)
    base = base_level(scores, failed)
    if base > _SATISFACTORY or failed > 1 or (failed and not policy.failed_comment_subject_counts):
        return LearningResult(base, base)
    others = scores
    if not failed:
        others = sorted(scores)[1:]
        if policy.adjustment_by_ideal_mark:
            others.append(100)
    reference = base_level(others, 0)
    if reference >= _GOOD and reference - base >= 2:
        return LearningResult(_NEXT_UP[base], base)
    return LearningResult(base, base)


_YEAR_CONDUCT = {
    (_EXCELLENT, _EXCELLENT): _EXCELLENT,
    (_EXCELLENT, _GOOD): _GOOD,
    (_EXCELLENT, _SATISFACTORY): _GOOD,
    (_GOOD, _EXCELLENT): _EXCELLENT,
    (_GOOD, _GOOD): _GOOD,
    (_GOOD, _SATISFACTORY): _SATISFACTORY,
    (_SATISFACTORY, _EXCELLENT): _GOOD,
    (_SATISFACTORY, _GOOD): _GOOD,
    (_SATISFACTORY, _SATISFACTORY): _SATISFACTORY,
    (_UNSATISFACTORY, _EXCELLENT): _GOOD,
    (_UNSATISFACTORY, _GOOD): _SATISFACTORY,
    (_UNSATISFACTORY, _SATISFACTORY): _SATISFACTORY,
}


def conduct_year(semester_1: Level, semester_2: Level) -> Level:
    """Conduct of the year from the two semesters; Chưa đạt in semester 2 decides the year.

    Source: TT22/2021 Điều 8 khoản 2 điểm b.
    """
    return _YEAR_CONDUCT.get((semester_1, semester_2), _UNSATISFACTORY)


def award(conduct: Level, learning: Level, scores: Sequence[int]) -> Award | None:
    """Title at the end of the year: Học sinh Xuất sắc, Học sinh Giỏi, or none.

    conduct, learning: results of the year, before any summer re-assessment.
    scores: year averages in tenths.
    Source: TT22/2021 Điều 15 khoản 1 điểm a.
    """
    if conduct is not _EXCELLENT or learning is not _EXCELLENT:
        return None
    nines = sum(score >= 90 for score in scores)
    return Award.OUTSTANDING_STUDENT if nines >= ENOUGH_SUBJECTS else Award.GOOD_STUDENT
