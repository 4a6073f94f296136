"""TT58/2011, original and amended: ranks, adjustment, promotion, titles, exemption."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.rules import (
    Academic,
    Award,
    Comment,
    Conduct,
    Promotion,
    PupilYear,
    SemesterMarks,
    SubjectKind,
    SubjectRole,
    SubjectYear,
    assess,
    rule_set,
)
from services.gradebook.rules.legacy import LegacyPromotionInput, ScoredSubject, academic_result, decide, title

G, K = Academic.ACADEMIC_EXCELLENT, Academic.ACADEMIC_GOOD
TB, Y, KEM = Academic.ACADEMIC_AVERAGE, Academic.ACADEMIC_WEAK, Academic.ACADEMIC_POOR
MATHS, FOREIGN = SubjectRole.MATHEMATICS, SubjectRole.FOREIGN_LANGUAGE


def rank(scores, *, failed=0, roles=(MATHS,), amended=True, specialised=None):
    """Rank of plain scores; `roles` name the first subjects in order."""
    subjects = [
        ScoredSubject(score, roles[i] if i < len(roles) else None, i == specialised) for i, score in enumerate(scores)
    ]
    return academic_result(subjects, [Comment.NOT_PASS] * failed, foreign_language_leads=amended)


@pytest.mark.parametrize(
    ("scores", "failed", "overall", "base", "final"),
    [
        ([85, 85, 85, 84, 84, 83, 83, 48], 0, 80, TB, K),
        ([90, 90, 88, 88, 85, 85, 85, 32], 0, 80, Y, TB),
        ([73, 76, 76, 76, 75, 75, 75, 34], 0, 70, Y, TB),
        ([80, 80, 80, 80, 80, 80, 78, 18], 0, 72, KEM, Y),
        ([70] * 8, 1, 70, Y, TB),
        ([85] * 9 + [49, 48], 0, 78, TB, TB),
    ],
)
def test_worked_examples(scores, failed, overall, base, final):
    result = rank(scores, failed=failed)
    assert (result.overall, result.base, result.level) == (overall, base, final)
    assert result.adjusted is (base is not final)


def test_foreign_language_alone_below_gets_the_published_adjustment():
    result = rank([34, 73, 76, 76, 76, 75, 75, 75], roles=(FOREIGN, MATHS))
    assert (result.overall, result.base, result.level) == (70, Y, TB)


def test_the_one_bad_subject_may_be_the_leading_one():
    """Toán is the only leading subject here; but for it the pupil would be Khá: adjusted."""
    result = rank([34, 76, 76, 76, 75, 75, 75, 75])
    assert (result.overall, result.base, result.level) == (70, Y, TB)


def test_no_adjustment_when_the_leading_subjects_miss_the_bar_as_well():
    result = rank([64, 76, 76, 76, 78, 78, 78, 34])
    assert (result.overall, result.base, result.level) == (70, Y, Y)


def test_mean_is_rounded_before_it_is_compared():
    assert rank([80, 80, 80, 80, 79]).overall == 80
    assert rank([80, 80, 80, 80, 79]).level is G


def test_foreign_language_leads_only_since_the_amendment():
    scores = [90, 70, *[82] * 6]
    assert rank(scores, roles=(FOREIGN, MATHS), amended=True).level is G
    assert rank(scores, roles=(FOREIGN, MATHS), amended=False).level is K


def test_specialised_subject_must_reach_the_bar_too():
    scores = [90, *[82] * 6, 79]
    assert rank(scores).level is G
    assert rank(scores, specialised=7).level is K


def test_a_mean_at_g_also_reaches_k_for_the_last_point_of_the_adjustment():
    result = rank([95] * 9 + [15])
    assert (result.overall, result.base, result.level) == (87, KEM, Y)


def facts(academic, conduct, absent=0, **after):
    return LegacyPromotionInput(8, academic, conduct, absent, **after)


AVERAGE, WEAK = Conduct.CONDUCT_AVERAGE, Conduct.CONDUCT_WEAK


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (facts(TB, AVERAGE, 45), Promotion.PROMOTED),
        (facts(G, AVERAGE, 46), Promotion.RETAINED),
        (facts(KEM, Conduct.CONDUCT_EXCELLENT), Promotion.RETAINED),
        (facts(Y, WEAK), Promotion.RETAINED),
        (facts(Y, AVERAGE), Promotion.RETEST),
        (facts(Y, AVERAGE, academic_after_retest=TB), Promotion.PROMOTED),
        (facts(Y, AVERAGE, academic_after_retest=Y), Promotion.RETAINED),
        (facts(TB, WEAK), Promotion.SUMMER_TRAINING),
        (facts(TB, WEAK, conduct_after_summer=AVERAGE), Promotion.PROMOTED),
        (facts(TB, WEAK, conduct_after_summer=WEAK), Promotion.RETAINED),
        (LegacyPromotionInput(9, TB, AVERAGE, 0), Promotion.PROGRAMME_COMPLETED),
        (LegacyPromotionInput(8, None, AVERAGE, 0), None),
        (LegacyPromotionInput(8, TB, None, 0), None),
        (LegacyPromotionInput(8, TB, AVERAGE, None), None),
    ],
)
def test_promotion(case, expected):
    assert decide(case) is expected


def test_titles():
    best, good = Conduct.CONDUCT_EXCELLENT, Conduct.CONDUCT_GOOD
    assert title(best, G) is Award.TITLE_EXCELLENT
    assert title(good, G) is title(best, K) is title(good, K) is Award.TITLE_ADVANCED
    assert title(good, TB) is title(AVERAGE, G) is None


ORIGINAL = rule_set(2018, 8)


def flat(name, score, role=None):
    marks = SemesterMarks((score,) * 4, (score, score), score)
    return SubjectYear(name, SubjectKind.COMMENT_AND_SCORE, 140, marks, marks, role)


def sport(first, second, exempt=()):
    semesters = [SemesterMarks((mark,) * 3, (), mark) for mark in (first, second)]
    return SubjectYear("Thể dục", SubjectKind.COMMENT_ONLY, 70, *semesters, exempt=frozenset(exempt))


def pupil(*subjects, **more):
    good = Conduct.CONDUCT_GOOD
    given = {"conduct_semester_1": good, "conduct_semester_2": good, "absent_sessions": 0} | more
    return PupilYear(8, subjects, **given)


def test_exempt_all_year_is_left_out_of_the_rank():
    result = assess(ORIGINAL, pupil(flat("Toán", 70, MATHS), sport(None, None, exempt=(1, 2))))
    assert result.subjects[1].year is None
    assert (result.learning.year.level, result.promotion) == (K, Promotion.PROMOTED)


def test_exempt_in_semester_2_takes_the_result_of_semester_1():
    result = assess(ORIGINAL, pupil(flat("Toán", 70, MATHS), sport(Comment.PASS, None, exempt=(2,))))
    assert result.subjects[1].year is Comment.PASS
    assert result.learning.semester_2.level is K


def test_the_pupil_chooses_what_to_retest_and_the_mean_is_computed_again():
    subjects = [flat("Toán", 50, MATHS), flat("Văn", 48), flat("Lí", 34), flat("Sử", 34), flat("Địa", 60)]
    year = assess(ORIGINAL, pupil(*subjects))
    assert (year.learning.year.level, year.promotion) == (Y, Promotion.RETEST)
    assert year.retest_subjects == ("Văn", "Lí", "Sử")
    after = assess(ORIGINAL, pupil(*subjects, reassessed={"Lí": 70, "Sử": 65}))
    assert after.promotion is Promotion.PROMOTED
    assert (after.learning.year.overall, after.learning.after_summer.overall) == (45, 59)


def test_conduct_of_the_year_is_entered_or_follows_semester_2():
    given = {"conduct_semester_1": Conduct.CONDUCT_EXCELLENT, "conduct_semester_2": Conduct.CONDUCT_AVERAGE}
    toan = flat("Toán", 70, MATHS)
    assert assess(ORIGINAL, pupil(toan, **given)).conduct.year is AVERAGE
    entered = assess(ORIGINAL, pupil(toan, **given, conduct_year=Conduct.CONDUCT_GOOD))
    assert entered.conduct.year is Conduct.CONDUCT_GOOD
    assert entered.award is Award.TITLE_ADVANCED
    assert entered.semester_awards == (Award.TITLE_ADVANCED, None)


scores = st.integers(0, 100) | st.sampled_from([19, 20, 34, 35, 49, 50, 64, 65, 79, 80])


@given(st.lists(scores, min_size=3, max_size=10), st.integers(0, 9), scores, st.integers(0, 1), st.booleans())
def test_a_better_subject_never_lowers_the_rank(values, at, better, failed, amended):
    roles = (MATHS, SubjectRole.LITERATURE, FOREIGN)
    raised = [max(score, better) if i == at % len(values) else score for i, score in enumerate(values)]
    before = rank(values, failed=failed, roles=roles, amended=amended)
    assert rank(raised, failed=failed, roles=roles, amended=amended).level >= before.level
