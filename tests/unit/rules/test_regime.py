"""Which rules apply, and how many marks they ask for."""

import pytest

from services.gradebook.rules import NoRules, Regime, SubjectKind, required_regular, rule_set
from services.gradebook.rules.regime import TT22, TT58_AMENDED, TT58_EPIDEMIC, TT58_ORIGINAL

SCORED, COMMENT = SubjectKind.COMMENT_AND_SCORE, SubjectKind.COMMENT_ONLY

PHASE_IN = {
    2020: set(),
    2021: {6},
    2022: {6, 7, 10},
    2023: {6, 7, 8, 10, 11},
    2024: {6, 7, 8, 9, 10, 11, 12},
    2026: {6, 7, 8, 9, 10, 11, 12},
}


@pytest.mark.parametrize("year", PHASE_IN)
def test_phase_in_by_year_and_grade(year):
    for grade in range(6, 13):
        expected = Regime.TT22 if grade in PHASE_IN[year] else Regime.TT58_AMENDED
        assert rule_set(year, grade).regime is expected, grade


@pytest.mark.parametrize(("year", "regime"), [(2011, TT58_ORIGINAL), (2018, TT58_ORIGINAL), (2020, TT58_AMENDED)])
def test_versions_of_tt58(year, regime):
    assert rule_set(year, 9) is regime


def test_epidemic_semester_is_its_own_version():
    rules = rule_set(2019, 8)
    assert rules is TT58_EPIDEMIC
    assert [required_regular(rules, SCORED, periods, 1).minimum for periods in (35, 70, 105)] == [2, 3, 4]
    assert [required_regular(rules, SCORED, periods, 2).minimum for periods in (35, 70, 105)] == [2, 2, 3]


@pytest.mark.parametrize(("year", "grade"), [(2024, 5), (2024, 13), (2010, 9)])
def test_no_rules_outside_secondary_school_or_before_tt58(year, grade):
    with pytest.raises(NoRules, match="Chưa có quy tắc"):
        rule_set(year, grade)


@pytest.mark.parametrize(("periods", "count"), [(1, 2), (35, 2), (36, 3), (52, 3), (70, 3), (71, 4), (140, 4)])
def test_regular_marks_by_periods_under_tt22(periods, count):
    exact = required_regular(TT22, SCORED, periods, 1)
    assert (exact.minimum, exact.maximum) == (count, count)
    amended = required_regular(TT58_AMENDED, SCORED, periods, 2)
    assert (amended.minimum, amended.maximum) == (count, None)


@pytest.mark.parametrize(("periods", "count"), [(35, 2), (52, 3), (70, 3), (104, 3), (105, 4)])
def test_regular_tests_by_periods_a_week_under_tt58(periods, count):
    assert required_regular(TT58_ORIGINAL, SCORED, periods, 1).minimum == count


def test_comment_only_subjects_need_two_under_tt22_whatever_their_periods():
    assert required_regular(TT22, COMMENT, 105, 1).minimum == 2
    assert required_regular(TT22, COMMENT, None, 1).minimum == 2
    assert required_regular(TT58_ORIGINAL, COMMENT, 70, 1).minimum == 3


def test_topic_cluster_adds_one_regular_mark_to_its_scored_subject():
    assert required_regular(TT22, SCORED, 70, 1, topic_cluster=True).minimum == 4
    assert required_regular(TT22, COMMENT, 70, 1, topic_cluster=True).minimum == 2


def test_scored_subject_without_periods_is_refused():
    with pytest.raises(ValueError, match="periods"):
        required_regular(TT22, SCORED, None, 1)
