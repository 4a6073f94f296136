"""Which regulation applies to a class, and how its versions differ, as data.

The choice depends on school year and grade together: TT22/2021 was phased in grade by grade (Điều
21 khoản 1) while the other grades stayed under TT58/2011, which has two versions itself.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from services.gradebook.rules.words import SubjectKind


class Regime(Enum):
    """The regulation and its version; the value is how its articles are cited."""

    TT22 = "TT22/2021"
    TT58_ORIGINAL = "TT58/2011"
    TT58_AMENDED = "TT58/2011 sửa đổi bởi TT26/2020"


class NoRules(LookupError):
    """No rule set covers this school year and grade. `str()` gives one Vietnamese sentence."""


@dataclass(frozen=True, slots=True)
class RegularCount:
    """How many regular marks one subject needs in one semester.

    maximum: None where the law sets only a minimum.
    """

    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """One version of the assessment rules: the points in which versions differ.

    is_tt22: whether levels, promotion and awards follow TT22 rather than TT58.
    regular_steps: (upper bound in periods a year, marks) in rising order; the last bound is None.
    regular_comment_only: marks of a comment-only subject, or None where it follows `regular_steps`.
    regular_is_exact: whether more marks than the count are refused.
    single_midterm: exactly one test of coefficient 2 per semester; otherwise as many as the
        programme plans.
    named_foreign_language: whether a foreign language is among the subjects of which TT58 Điều 13
        requires one to reach the rank.
    reduced_semester: the semester whose minimum was cut by a third (school year 2019-2020,
        epidemic), or None.
    """

    regime: Regime
    is_tt22: bool
    regular_steps: tuple[tuple[int | None, int], ...]
    regular_comment_only: int | None
    regular_is_exact: bool
    single_midterm: bool
    named_foreign_language: bool = False
    reduced_semester: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Points that the regulations leave open and the Department decides; defaults read literally.

    failed_comment_subject_counts: a failed comment-only subject may be the "01 môn học" of TT22
        Điều 9 khoản 3, because Điều 2 khoản 1 calls it a môn học.
    adjustment_by_ideal_mark: the level "but for one subject" (TT22 Điều 9 khoản 3) is computed with
        an ideal mark for that subject; by default the subject is left out.
    retest_after_summer_training: a pupil failing both conduct and learning may re-sit after passing
        the summer training (TT22 Điều 12–14); otherwise such a pupil repeats the year.
    legacy_conduct_from_semester_2: when the homeroom teacher entered no conduct for the year under
        TT58 Điều 4, that of semester 2 applies, on which the law mainly bases it; otherwise the
        year's conduct stays open.
    """

    failed_comment_subject_counts: bool = True
    adjustment_by_ideal_mark: bool = False
    retest_after_summer_training: bool = True
    legacy_conduct_from_semester_2: bool = True


DEFAULT_POLICY = Policy()

TT22 = RuleSet(
    regime=Regime.TT22,
    is_tt22=True,
    regular_steps=((35, 2), (70, 3), (None, 4)),
    regular_comment_only=2,
    regular_is_exact=True,
    single_midterm=True,
)
"""TT22/2021 Điều 6 khoản 2, Điều 7."""

TT58_AMENDED = RuleSet(
    regime=Regime.TT58_AMENDED,
    is_tt22=False,
    regular_steps=((35, 2), (70, 3), (None, 4)),
    regular_comment_only=None,
    regular_is_exact=False,
    single_midterm=True,
    named_foreign_language=True,
)
"""TT58/2011 Điều 7, Điều 8 as amended by TT26/2020, school years 2020-2021 to 2023-2024."""

TT58_ORIGINAL = RuleSet(
    regime=Regime.TT58_ORIGINAL,
    is_tt22=False,
    regular_steps=((35, 2), (104, 3), (None, 4)),
    regular_comment_only=None,
    regular_is_exact=False,
    single_midterm=False,
)
"""TT58/2011 Điều 7, Điều 8: by periods per week (≤ 1, 1 to 3, ≥ 3) in a year of 35 weeks."""

TT58_EPIDEMIC = replace(TT58_ORIGINAL, reduced_semester=2)
"""School year 2019-2020: the Ministry cut the number of tests in semester 2 by a third."""

FIRST_TT22_YEAR = {6: 2021, 7: 2022, 8: 2023, 9: 2024, 10: 2022, 11: 2023, 12: 2024}
"""Grade → first school year (its starting calendar year) under TT22.

Source: TT22/2021 Điều 21 khoản 1.
"""

FIRST_TT58_YEAR = 2011
"""TT58/2011 was issued in December 2011 (school year 2011-2012); before it other rules applied."""


def rule_set(school_year_start: int, grade: int) -> RuleSet:
    """The rules that apply to a class.

    school_year_start: calendar year in which the school year begins: 2024 for 2024-2025.
    grade: 6 to 12.
    Raises NoRules for grades outside secondary school and for years before TT58.
    Source: TT22/2021 Điều 21 khoản 1; TT26/2020 Điều 2 (in force 11/10/2020).
    """
    first = FIRST_TT22_YEAR.get(grade)
    if first is None:
        raise NoRules(f"Chưa có quy tắc đánh giá cho lớp {grade}; chỉ nhận lớp 6 đến lớp 12.")
    if school_year_start >= first:
        return TT22
    if school_year_start >= 2020:
        return TT58_AMENDED
    if school_year_start == 2019:
        return TT58_EPIDEMIC
    if school_year_start >= FIRST_TT58_YEAR:
        return TT58_ORIGINAL
    raise NoRules(f"Chưa có quy tắc đánh giá cho năm học {school_year_start}-{school_year_start + 1}.")


def required_regular(
    rules: RuleSet,
    kind: SubjectKind,
    periods_per_year: int | None,
    semester: int,
    *,
    topic_cluster: bool = False,
) -> RegularCount:
    """How many regular marks a pupil needs in a subject in one semester.

    periods_per_year: teaching periods of the subject in the year; may be None for a comment-only
        subject, which then needs two marks.
    semester: 1 or 2.
    topic_cluster: whether this subject and semester record the result of a learning-topic cluster,
        which is one more regular mark.
    Raises ValueError for a scored subject without periods_per_year.
    Source: TT22/2021 Điều 6 khoản 2; TT58/2011 Điều 8 and its amendment by TT26/2020.
    """
    count = minimum_regular(rules, kind, periods_per_year, semester, topic_cluster)
    return RegularCount(count, count if rules.regular_is_exact else None)


@cache
def minimum_regular(
    rules: RuleSet, kind: SubjectKind, periods_per_year: int | None, semester: int, topic_cluster: bool
) -> int:
    """The minimum of `required_regular`; it takes the same arguments.

    Cached because it is computed for every student of a class. Rule sets are a few constants and
    are compared by identity.
    """
    count = 2
    comment_only = kind is SubjectKind.COMMENT_ONLY
    if comment_only and rules.regular_comment_only is not None:
        count = rules.regular_comment_only
    elif periods_per_year is not None:
        for bound, marks in rules.regular_steps:
            if bound is None or periods_per_year <= bound:
                count = marks
                break
    elif not comment_only:
        raise ValueError("a scored subject needs its periods per year")
    if rules.reduced_semester == semester:
        count = -(-count * 2 // 3)
    return count + 1 if topic_cluster and not comment_only else count
