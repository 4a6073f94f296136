"""What the marks of the bench are made of: whole sheets, each entered once."""

import itertools

from bench import mark_school
from bench.mark_school import Shape
from bench.marks import BATCH, REAL
from services.gradebook.rules import SCORES


def test_a_call_carries_a_thousand_marks_and_a_class_of_usual_size_its_sheet() -> None:
    assert (BATCH.marks, REAL.marks) == (1000, 252)


def test_a_request_is_a_full_rectangle_of_marks_that_the_rules_allow() -> None:
    shape = Shape(students=7, columns=5)
    request = mark_school.request(next(mark_school.sheets("79000001", ["9A1"])), shape)
    assert len(request.columns) == len(shape.column_numbers) == 5
    assert len({row.student for row in request.rows}) == 7
    assert all(len(row.values) == 5 and set(row.values) <= set(SCORES) for row in request.rows)


def test_no_sheet_comes_twice() -> None:
    sheets = list(mark_school.sheets("79000001", mark_school.class_names(3)))
    assert len(set(sheets)) == len(sheets) == 3 * mark_school.SHEETS_A_CLASS
    ids = [mark_school.request(sheet, Shape(1, 1)).request_id for sheet in itertools.islice(sheets, 5)]
    assert len(set(ids)) == 5
