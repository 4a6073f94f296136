"""Reading a mark sheet and planning what it changes, without a database."""

import itertools
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.model import sheet_rules
from services.gradebook.model.domain import FINAL_COLUMN, MIDTERM_COLUMN, keyed_code, keyed_text, required_columns
from services.gradebook.model.sheet_rules import WITHDRAWN, Cells, CellState, changes, read_columns, read_rows
from services.gradebook.rules import SubjectKind

SCORE, COMMENT = SubjectKind.COMMENT_AND_SCORE, SubjectKind.COMMENT_ONLY
STUDENTS = {f"s{n}": n for n in range(1, 6)}


def test_columns_by_kind_and_position() -> None:
    numbers, violations = read_columns([(1, 1), (1, 4), (2, 0), (3, 0)], 4)
    assert (numbers, violations) == ([1, 4, MIDTERM_COLUMN, FINAL_COLUMN], [])
    assert required_columns(2) == (1, 2, MIDTERM_COLUMN, FINAL_COLUMN)


def test_cells_are_read_in_order_and_empty_ones_left_alone() -> None:
    rows = [("s1", ["8", "", "7,5"]), ("s2", ["10", "0.5", "-"]), ("s3", ["", "", ""])]
    cells, violations = read_rows(rows, [1, 2, 11], STUDENTS, SCORE)
    assert violations == []
    assert list(zip(cells.students, cells.columns, cells.values, strict=True)) == [
        (1, 1, 80),
        (1, 11, 75),
        (2, 1, 100),
        (2, 2, 5),
        (2, 11, WITHDRAWN),
    ]


def test_everything_wrong_is_found_at_once() -> None:
    rows = [("s1", ["8", "11"]), ("who", ["8", "8"]), ("s2", ["8"]), ("s1", ["8", "8"]), ("s3", ["8,25", "Đ"])]
    _, violations = read_rows(rows, [1, 2], STUDENTS, SCORE)
    assert [(v.field, v.rule) for v in violations] == [
        ("rows[0].values[1]", "MARK_OUT_OF_RANGE"),
        ("rows[1].student", "STUDENT_UNKNOWN"),
        ("rows[2].values", "VALUE_COUNT"),
        ("rows[3].student", "DUPLICATE_STUDENT"),
        ("rows[4].values[0]", "MARK_PRECISION"),
        ("rows[4].values[1]", "MARK_FORMAT"),
    ]


@given(st.integers(0, 100), st.sampled_from([".", ","]))
def test_a_score_is_stored_and_shown_in_its_shortest_form(tenths: int, separator: str) -> None:
    text = f"{tenths // 10}{separator}{tenths % 10}"
    cells, violations = read_rows([("s1", [text])], [1], STUDENTS, SCORE)
    assert (cells.values, violations) == ([tenths], [])
    shortest = f"{tenths / 10:g}"
    assert keyed_text(tenths) == keyed_code(tenths) == shortest
    assert read_rows([("s1", [shortest])], [1], STUDENTS, SCORE)[0].values == [tenths]


GOOD = st.tuples(
    st.sampled_from([*STUDENTS]), st.lists(st.sampled_from(["8", "10", "8,5", "-"]), min_size=2, max_size=2)
)
ODD = st.sampled_from(
    [("who", ["8", "8"]), ("s1", ["8", "11"]), ("s2", ["", "8"]), ("s3", ["8"]), ("s4", ["8", "8", "8"]), ("s5", [])]
)


@given(st.lists(GOOD, max_size=4, unique_by=lambda row: row[0]), st.lists(GOOD | ODD, max_size=1))
def test_a_full_sheet_is_read_as_line_by_line(
    rows: list[tuple[str, list[str]]], last: list[tuple[str, list[str]]]
) -> None:
    violations = read_rows(rows + last, [1, 2], STUDENTS, SCORE)
    with patch.object(sheet_rules, "_full_sheet", return_value=None):
        assert read_rows(rows + last, [1, 2], STUDENTS, SCORE) == violations


@given(st.text(max_size=6))
def test_any_text_is_a_mark_or_a_violation_and_never_both(text: str) -> None:
    for kind, known in ((SCORE, range(101)), (COMMENT, (200, 201))):
        cells, violations = read_rows([("s1", [text])], [1], STUDENTS, kind)
        if violations:
            assert cells.values == []
            assert [v.field for v in violations] == ["rows[0].values[0]"]
        else:
            assert all(value in known or value == WITHDRAWN for value in cells.values)


def test_zero_by_rule_and_a_keyed_zero_are_two_things() -> None:
    """Keying 0 over a settled cell is a new version; settling never replaces a mark."""
    cells = Cells([1, 2, 3, 4], [11] * 4, [0] * 4)
    standing = {
        (1, 11): CellState(0, zero_by_rule=True, version=1),
        (2, 11): CellState(0, zero_by_rule=False, version=1),
        (3, 11): CellState(None, zero_by_rule=False, version=4),
    }
    keyed = changes(cells, standing, settle=False)
    assert (keyed.fresh.students, keyed.replaced.students, keyed.versions) == ([4], [1, 3], [2, 5])
    settled = changes(cells, standing, settle=True)
    assert (settled.fresh.students, settled.replaced.students, settled.versions) == ([4], [3], [5])


_CELLS = st.dictionaries(
    st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 11])), st.sampled_from([WITHDRAWN, 0, 55, 100])
)


@given(st.lists(st.tuples(_CELLS, st.booleans()), max_size=6))
def test_the_versions_of_a_cell_count_up_and_the_last_one_stands(
    acts: list[tuple[dict[tuple[int, int], int], bool]],
) -> None:
    """Acts one after the other against a plain model of single cells."""
    standing: dict[tuple[int, int], CellState] = {}
    model: dict[tuple[int, int], list[tuple[int | None, bool]]] = {}
    for sheet, settle in acts:
        values = dict.fromkeys(sheet, 0) if settle else sheet
        cells = Cells([s for s, _ in values], [c for _, c in values], list(values.values()))
        planned = changes(cells, standing, settle=settle)
        for cell, value in values.items():
            before = model.get(cell, [])
            now = before[-1] if before else (None, False)
            wanted = (None if value == WITHDRAWN else value, settle)
            differs = now[0] is None if settle else wanted != now and not (wanted[0] is None and now[0] is None)
            if differs:
                model.setdefault(cell, []).append(wanted)
        assert planned.count == sum(map(len, model.values())) - sum(s.version for s in standing.values())
        versions = [1] * len(planned.fresh.values) + planned.versions
        for student, column, value, version in zip(
            itertools.chain(planned.fresh.students, planned.replaced.students),
            itertools.chain(planned.fresh.columns, planned.replaced.columns),
            itertools.chain(planned.fresh.values, planned.replaced.values),
            versions,
            strict=True,
        ):
            standing[student, column] = CellState(None if value == WITHDRAWN else value, settle, version)
    for cell, history in model.items():
        assert standing[cell].version == len(history)
        value, zero_by_rule = history[-1]
        assert standing[cell].value == value
        assert value is None or standing[cell].zero_by_rule == zero_by_rule
