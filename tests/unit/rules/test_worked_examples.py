"""Worked examples from the regulations and from published guidance, each a case of its own."""

import pytest

from services.gradebook.rules import (
    Comment,
    Level,
    Policy,
    SemesterMarks,
    learning_result,
    semester_average,
    year_average,
)

TOT, KHA = Level.LEVEL_EXCELLENT, Level.LEVEL_GOOD
DAT, CHUA_DAT = Level.LEVEL_SATISFACTORY, Level.LEVEL_UNSATISFACTORY


@pytest.mark.parametrize(
    ("regular", "midterm", "final", "expected"),
    [
        ((80, 90), 70, 80, 79),
        ((75, 80, 65, 90), 73, 68, 73),
        ((80, 80, 80), 90, 80, 83),
        ((70, 65, 80, 75), 63, 58, 66),
    ],
)
def test_semester_average(regular, midterm, final, expected):
    assert semester_average(SemesterMarks(regular, (midterm,), final), len(regular)) == expected


@pytest.mark.parametrize(("first", "second", "expected"), [(79, 85, 83), (79, 83, 82), (64, 65, 65), (49, 50, 50)])
def test_year_average_from_rounded_semesters(first, second, expected):
    assert year_average(first, second) == expected


CASES = [
    ([80] * 6 + [65, 70], 0, TOT, TOT),
    ([80] * 5 + [70] * 3, 0, KHA, KHA),
    ([85] * 7 + [40], 0, DAT, KHA),
    ([85] * 7 + [30], 0, CHUA_DAT, DAT),
    ([70] * 7 + [34], 0, CHUA_DAT, DAT),
    ([70] * 7 + [49], 0, DAT, DAT),
    ([60] * 7 + [34], 0, CHUA_DAT, CHUA_DAT),
    ([85] * 7 + [64], 0, KHA, KHA),
    ([85] * 6 + [40, 40], 0, DAT, DAT),
    ([85] * 8, 1, DAT, KHA),
    ([85] * 8, 2, CHUA_DAT, CHUA_DAT),
    ([85] * 5 + [70, 70, 40], 0, DAT, DAT),
    ([50] * 5 + [49] * 3, 0, CHUA_DAT, CHUA_DAT),
    ([50] * 6 + [35] * 2, 0, DAT, DAT),
]


@pytest.mark.parametrize(("scores", "failed", "base", "final"), CASES, ids=range(1, len(CASES) + 1))
def test_learning_result(scores, failed, base, final):
    comments = [Comment.NOT_PASS] * failed + [Comment.PASS] * (4 - failed)
    result = learning_result(scores, comments)
    assert (result.base, result.level, result.adjusted) == (base, final, base is not final)


def test_policy_a_excludes_comment_subjects_from_the_adjustment():
    comments = [Comment.NOT_PASS, Comment.PASS]
    assert learning_result([85] * 8, comments, Policy(failed_comment_subject_counts=False)).level is DAT


def test_policy_b_finds_the_reference_by_an_ideal_mark():
    scores = [85] * 5 + [70, 70, 40]
    assert learning_result(scores, [], Policy(adjustment_by_ideal_mark=True)).level is KHA
