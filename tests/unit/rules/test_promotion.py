"""TT22: conduct of the year, promotion, summer, retention, awards; order of results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.rules import (
    Award,
    Comment,
    Level,
    Policy,
    Promotion,
    PromotionInput,
    PupilYear,
    SemesterMarks,
    SubjectKind,
    SubjectYear,
    assess,
    award,
    conduct_year,
    decide,
    learning_result,
    open_cells,
    rule_set,
)
from services.gradebook.rules.learning import base_level

TOT, KHA = Level.LEVEL_EXCELLENT, Level.LEVEL_GOOD
DAT, CHUA_DAT = Level.LEVEL_SATISFACTORY, Level.LEVEL_UNSATISFACTORY
TT22 = rule_set(2024, 7)
levels = st.sampled_from(Level)
tenths = st.integers(0, 100) | st.sampled_from([34, 35, 49, 50, 64, 65, 79, 80, 89, 90])


def flat(name, score):
    """A subject with the same mark everywhere, so every average is that mark."""
    marks = SemesterMarks((score, score), (score,), score)
    return SubjectYear(name, SubjectKind.COMMENT_AND_SCORE, 35, marks, marks)


def comment(name, result):
    marks = SemesterMarks((result, result), (result,), result)
    return SubjectYear(name, SubjectKind.COMMENT_ONLY, 70, marks, marks)


def year(scores, *, comments=(), conduct=(TOT, TOT), grade=7, absent=0, **more):
    subjects = [flat(name, score) for name, score in scores.items()]
    subjects += [comment(name, result) for name, result in dict(comments).items()]
    return PupilYear(grade, subjects, *conduct, absent_sessions=absent, **more)


WEAK = {"KHTN": 45, "Tiếng Anh": 32, "Văn": 50, "Toán": 50, "GDCD": 60, "LSĐL": 55, "CN": 70, "Tin": 80}
FINE = dict.fromkeys(WEAK, 70)


@pytest.mark.parametrize(
    ("first", "row"),
    [
        (TOT, [TOT, KHA, KHA, CHUA_DAT]),
        (KHA, [TOT, KHA, DAT, CHUA_DAT]),
        (DAT, [KHA, KHA, DAT, CHUA_DAT]),
        (CHUA_DAT, [KHA, DAT, DAT, CHUA_DAT]),
    ],
)
def test_conduct_of_the_year(first, row):
    assert [conduct_year(first, second) for second in (TOT, KHA, DAT, CHUA_DAT)] == row


@given(levels, levels, levels)
def test_better_conduct_never_lowers_the_year(first, second, better):
    assert conduct_year(max(first, better), second) >= conduct_year(first, second)
    assert conduct_year(first, max(second, better)) >= conduct_year(first, second)


def test_retest_of_every_weak_subject_then_promotion():
    result = assess(TT22, year(WEAK))
    assert result.learning.year.level is CHUA_DAT
    assert result.promotion is Promotion.RETEST
    assert result.retest_subjects == ("KHTN", "Tiếng Anh")

    after = assess(TT22, year(WEAK, reassessed={"KHTN": 50, "Tiếng Anh": 36}))
    assert after.promotion is Promotion.PROMOTED
    assert after.learning.after_summer.level is DAT
    assert after.learning.year.level is CHUA_DAT, "the summer never overwrites the year"
    english = next(subject for subject in after.subjects if subject.name == "Tiếng Anh")
    assert (english.year, english.reassessed) == (32, 36)


def test_three_at_4_9_are_all_retested():
    scores = dict(zip("abcdefgh", [50] * 5 + [49] * 3, strict=True))
    assert assess(TT22, year(scores)).retest_subjects == ("f", "g", "h")


def test_failed_comment_subjects_are_retested_too():
    result = assess(TT22, year(FINE, comments={"GDTC": Comment.NOT_PASS, "Nghệ thuật": Comment.NOT_PASS}))
    assert result.retest_subjects == ("GDTC", "Nghệ thuật")


def test_failing_the_retest_retains():
    after = assess(TT22, year(WEAK, reassessed={"KHTN": 49, "Tiếng Anh": 30}))
    assert after.promotion is Promotion.RETAINED
    assert after.retest_subjects == ()


def test_a_pupil_who_sat_no_retest_keeps_the_year_result():
    after = assess(TT22, year(WEAK, reassessed={}))
    assert (after.learning.after_summer.level, after.promotion) == (CHUA_DAT, Promotion.RETAINED)


def test_a_result_of_a_subject_not_due_has_no_effect():
    after = assess(TT22, year(WEAK, reassessed={"Tin": 10, "KHTN": 50, "Tiếng Anh": 36}))
    assert after.promotion is Promotion.PROMOTED
    assert [subject.reassessed for subject in after.subjects if subject.name == "Tin"] == [None]


def test_absences():
    nines = dict.fromkeys(WEAK, 90)
    assert assess(TT22, year(nines, absent=45)).promotion is Promotion.PROMOTED
    assert assess(TT22, year(nines, absent=46)).promotion is Promotion.RETAINED


@pytest.mark.parametrize("grade", [9, 12])
def test_last_grades_complete_the_programme(grade):
    assert assess(rule_set(2024, grade), year(FINE, grade=grade)).promotion is Promotion.PROGRAMME_COMPLETED


def test_summer_training():
    failed = {"conduct": (TOT, CHUA_DAT)}
    assert assess(TT22, year(FINE, **failed)).promotion is Promotion.SUMMER_TRAINING
    passed = assess(TT22, year(FINE, conduct_after_summer=DAT, **failed))
    assert passed.promotion is Promotion.PROMOTED
    assert (passed.conduct.year, passed.conduct.after_summer) == (CHUA_DAT, DAT)
    assert assess(TT22, year(FINE, conduct_after_summer=CHUA_DAT, **failed)).promotion is Promotion.RETAINED


def test_failing_both_is_trained_first_and_then_retested():
    failed = {"conduct": (TOT, CHUA_DAT)}
    assert assess(TT22, year(WEAK, **failed)).promotion is Promotion.SUMMER_TRAINING
    trained = assess(TT22, year(WEAK, conduct_after_summer=DAT, **failed))
    assert trained.promotion is Promotion.RETEST
    strict = Policy(retest_after_summer_training=False)
    assert assess(TT22, year(WEAK, conduct_after_summer=DAT, **failed), strict).promotion is Promotion.RETAINED


def test_no_decision_while_a_fact_is_open():
    assert decide(PromotionInput(7, None, TOT, 0)) is None
    assert decide(PromotionInput(7, TOT, None, 0)) is None
    assert decide(PromotionInput(7, TOT, TOT, None)) is None
    assert decide(PromotionInput(7, None, None, 46)) is Promotion.RETAINED


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([90] * 6 + [80, 65], Award.OUTSTANDING_STUDENT),
        ([90] * 5 + [89, 80, 80], Award.GOOD_STUDENT),
    ],
)
def test_awards(scores, expected):
    result = assess(TT22, year(dict(zip("abcdefgh", scores, strict=True))))
    assert result.award is expected
    assert result.semester_awards == (None, None)
    assert award(KHA, TOT, scores) is award(TOT, KHA, scores) is None


def test_the_year_of_a_comment_subject_is_semester_2():
    passed, failed = (SemesterMarks((c, c), (c,), c) for c in (Comment.PASS, Comment.NOT_PASS))
    subject = SubjectYear("GDTC", SubjectKind.COMMENT_ONLY, 70, failed, passed)
    result = assess(TT22, PupilYear(7, [subject])).subjects[0]
    assert (result.semester_1, result.semester_2, result.year) == (Comment.NOT_PASS, Comment.PASS, Comment.PASS)


def test_exemption_keeps_the_subject_and_its_required_marks():
    subject = SubjectYear("GDTC", SubjectKind.COMMENT_ONLY, 70, exempt=frozenset({1}))
    assert "semester_1.final" in open_cells(TT22, subject)


@pytest.mark.parametrize("periodic", [(), (80, 80)])
def test_nothing_is_computed_without_exactly_one_midterm(periodic):
    marks = SemesterMarks((80, 80), periodic, 80)
    subject = SubjectYear("GDCD", SubjectKind.COMMENT_AND_SCORE, 35, marks, marks)
    assert assess(TT22, PupilYear(7, [subject])).subjects[0].semester_1 is None


def test_a_topic_cluster_is_one_more_required_mark():
    marks = SemesterMarks((80, 80, 80), (90,), 80)
    subject = SubjectYear("Toán", SubjectKind.COMMENT_AND_SCORE, 70, marks, marks, topic_cluster_semester=2)
    result = assess(rule_set(2024, 10), PupilYear(10, [subject])).subjects[0]
    assert (result.semester_1, result.semester_2) == (83, None)
    assert open_cells(rule_set(2024, 10), subject) == ("semester_2.regular[3]",)


@given(
    st.lists(tenths, min_size=6, max_size=10),
    st.integers(0, 9),
    tenths,
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
)
def test_a_better_subject_never_lowers_the_level(scores, at, better, failed, policy_a, policy_b):
    policy = Policy(failed_comment_subject_counts=policy_a, adjustment_by_ideal_mark=policy_b)
    comments = [Comment.NOT_PASS] * failed + [Comment.PASS]
    raised = [max(score, better) if i == at % len(scores) else score for i, score in enumerate(scores)]
    assert learning_result(raised, comments, policy).level >= learning_result(scores, comments, policy).level


@given(st.lists(tenths, min_size=6, max_size=10), st.integers(1, 3))
def test_a_passed_comment_subject_never_lowers_the_level(scores, failed):
    fewer = learning_result(scores, [Comment.NOT_PASS] * (failed - 1))
    assert fewer.level >= learning_result(scores, [Comment.NOT_PASS] * failed).level


@given(st.lists(tenths, max_size=10), st.integers(0, 3))
def test_the_adjustment_is_one_step_and_never_reaches_tot(scores, failed):
    result = learning_result(scores, [Comment.NOT_PASS] * failed)
    assert result.base is base_level(scores, failed)
    assert result.level - result.base == int(result.adjusted)
    assert not (result.adjusted and result.level is TOT)
