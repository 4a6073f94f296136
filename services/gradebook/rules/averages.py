"""Averages in integer tenths, and results of comment-only subjects.

Every average is rounded half-up to one decimal: (2·N + D) // (2·D) for a quotient N/D with N in
tenths. The year average is computed from the semester averages as printed, that is, already
rounded.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.gradebook.rules.marks import Mark
from services.gradebook.rules.words import Comment


class SemesterMarks(NamedTuple):
    """Marks of one pupil in one subject and semester; None is a cell that is still open.

    regular: coefficient 1 (ĐĐGtx; KTtx under the original TT58), including the result of a topic
        cluster.
    periodic: coefficient 2 (the single mid-term ĐĐGgk; every KTđk under the original TT58).
    final: coefficient 3 (ĐĐGck; KThk).
    """

    regular: Sequence[Mark | None]
    periodic: Sequence[Mark | None]
    final: Mark | None


_PASS, _NOT_PASS = Comment.PASS, Comment.NOT_PASS


def half_up(numerator: int, denominator: int) -> int:
    """Divide two non-negative integers and round half up to an integer."""
    return (2 * numerator + denominator) // (2 * denominator)


def semester_average(marks: SemesterMarks, required: int) -> int | None:
    """ĐTBmhk in tenths: (sum of regular + 2 × periodic + 3 × final) / (n_tx + 2·n_đk + 3), half-up.

    With the single mid-term this is (TĐĐGtx + 2·ĐĐGgk + 3·ĐĐGck)/(n_tx + 5).
    required: number of regular marks needed. None while any required cell is open.
    Source: TT22/2021 Điều 9 khoản 1 điểm b; TT58/2011 Điều 10 khoản 1 điểm a.
    """
    regular, periodic, final = marks
    if final is None or len(regular) < required or None in regular or None in periodic:
        return None
    divisor = len(regular) + 2 * len(periodic) + 3
    total = sum(regular) + 2 * sum(periodic) + 3 * final  # type: ignore[arg-type, operator]
    return (2 * total + divisor) // (2 * divisor)


def year_average(semester_1: int | None, semester_2: int | None) -> int | None:
    """ĐTBmcn in tenths: (ĐTBmhkI + 2·ĐTBmhkII)/3 of the rounded semester averages, half-up.

    None while either semester is open.
    Source: TT22/2021 Điều 9 khoản 1 điểm b; TT58/2011 Điều 10 khoản 1 điểm b.
    """
    if semester_1 is None or semester_2 is None:
        return None
    return half_up(semester_1 + 2 * semester_2, 3)


def overall_average(subject_averages: Sequence[int]) -> int:
    """ĐTBhk or ĐTBcn in tenths: the plain mean of the scored subjects' averages, half-up.

    At least one average is needed.
    Source: TT58/2011 Điều 11.
    """
    return half_up(sum(subject_averages), len(subject_averages))


def semester_comment(marks: SemesterMarks, required: int) -> Comment | None:
    """Semester result of a comment-only subject: Đ when every required assessment is Đ.

    None while any of them is open.
    Source: TT22/2021 Điều 9 khoản 1 điểm a.
    """
    given = (*marks.regular, *marks.periodic, marks.final)
    if len(marks.regular) < required or None in given:
        return None
    return _NOT_PASS if _NOT_PASS in given else _PASS


def legacy_semester_comment(marks: SemesterMarks, required: int) -> Comment | None:
    """Semester result under TT58: Đ when at least 2/3 of the tests are Đ, including the semester
    test.

    None while any required test is open.
    Source: TT58/2011 Điều 10 khoản 2 điểm a.
    """
    given = (*marks.regular, *marks.periodic, marks.final)
    if len(marks.regular) < required or None in given:
        return None
    passed = sum(mark is Comment.PASS for mark in given)
    enough = marks.final is Comment.PASS and 3 * passed >= 2 * len(given)
    return Comment.PASS if enough else Comment.NOT_PASS
