"""Averages: rounding against exact fractions, order, and open cells."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.rules import Comment, SemesterMarks, semester_average, semester_comment, year_average
from services.gradebook.rules.averages import legacy_semester_comment, overall_average

tenths = st.integers(0, 100)
OK, NO = Comment.PASS, Comment.NOT_PASS


def exact(value):
    """Half-up to one decimal, from an exact fraction of the marks."""
    quotient = Decimal(value.numerator) / Decimal(value.denominator)
    return int(quotient.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP) * 10)


@given(st.lists(tenths, min_size=2, max_size=6), st.lists(tenths, max_size=4), tenths)
def test_semester_average_is_exact_half_up(regular, periodic, final):
    marks = SemesterMarks(regular, periodic, final)
    weight = len(regular) + 2 * len(periodic) + 3
    expected = exact(Fraction(sum(regular) + 2 * sum(periodic) + 3 * final, 10 * weight))
    assert semester_average(marks, 2) == expected


@given(tenths, tenths)
def test_year_average_is_exact_half_up(first, second):
    assert year_average(first, second) == exact(Fraction(first + 2 * second, 30))


@given(st.lists(tenths, min_size=1, max_size=14))
def test_overall_average_is_exact_half_up(averages):
    assert overall_average(averages) == exact(Fraction(sum(averages), 10 * len(averages)))


@given(st.lists(tenths, min_size=5, max_size=5), st.integers(0, 4), st.integers(0, 100))
def test_a_better_mark_never_lowers_an_average(values, at, better):
    def average(marks):
        return semester_average(SemesterMarks(marks[:3], (marks[3],), marks[4]), 3)

    raised = [max(mark, better) if i == at else mark for i, mark in enumerate(values)]
    assert average(raised) >= average(values)
    assert min(values) <= average(values) <= max(values)


@given(tenths, tenths, tenths)
def test_a_better_semester_never_lowers_the_year(first, second, better):
    assert year_average(max(first, better), second) >= year_average(first, second)
    assert year_average(first, max(second, better)) >= year_average(first, second)


@pytest.mark.parametrize(
    "marks",
    [
        SemesterMarks((80, 90), (70,), None),
        SemesterMarks((80, 90), (None,), 80),
        SemesterMarks((80, None), (70,), 80),
        SemesterMarks((80,), (70,), 80),
    ],
)
def test_nothing_is_computed_while_a_required_cell_is_open(marks):
    assert semester_average(marks, 2) is None
    assert year_average(None, 80) is year_average(80, None) is None


def test_tt58_original_weights():
    assert semester_average(SemesterMarks((80, 70, 90), (75, 60), 70), 3) == 72


def test_a_recorded_zero_is_a_mark():
    assert semester_average(SemesterMarks((0, 0), (0,), 0), 2) == 0
    assert year_average(0, 0) == 0


def test_comment_only_semester_under_tt22_needs_every_pass():
    assert semester_comment(SemesterMarks((OK, OK), (OK,), OK), 2) is OK
    assert semester_comment(SemesterMarks((OK, NO), (OK,), OK), 2) is NO
    assert semester_comment(SemesterMarks((OK,), (OK,), OK), 2) is None
    assert semester_comment(SemesterMarks((OK, NO), (None,), OK), 2) is None


def test_comment_only_semester_under_tt58_needs_two_thirds_with_the_semester_test():
    assert legacy_semester_comment(SemesterMarks((OK, OK, NO), (NO, OK), OK), 3) is OK
    assert legacy_semester_comment(SemesterMarks((OK, NO, NO), (NO, OK), OK), 3) is NO
    assert legacy_semester_comment(SemesterMarks((OK, OK, OK), (OK, OK), NO), 3) is NO
    assert legacy_semester_comment(SemesterMarks((OK, OK), (OK,), OK), 3) is None
