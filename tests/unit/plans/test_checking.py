"""Which plans the check of tests/integration/plans refuses, by plans as PostgreSQL 15 writes
them.
"""

from typing import Any

import pytest

from tests.integration.plans.checking import (
    FEW_VALUES,
    LATER_COLUMN,
    RANGE,
    WHOLE_INDEX,
    WHOLE_TABLE,
    Problem,
    problems,
)

LEADING = {
    "entry_sheet": ["class_id"],
    "enrolment_pkey": ["class_id"],
    "correction_open": ["class_id"],
    "book_version": ["record_type", "school_year_id"],
    "correction_cell": ["COALESCE(semester::integer, 0)"],
    "book_alive": ["CASE\n    WHEN record_type = 1 THEN class_id\n    ELSE NULL::integer\nEND"],
    "person": ["name"],
}


def index(name: str, condition: str | None, kind: str = "Index Scan", **more: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"Node Type": kind, "Index Name": name, "Relation Name": "table", **more}
    return node if condition is None else {**node, "Index Cond": condition}


GOOD = [
    index("entry_sheet", "(class_id = 5)"),
    index("entry_sheet", "(class_id = $1)"),
    index("entry_sheet", "((class_id = c.id) AND (subject_id = s.id))"),
    index("entry_sheet", "((e.class_id = c.id) AND (e.id > 7))"),
    index("entry_sheet", "(class_id = ANY ($1))"),
    index("entry_sheet", "((class_id = ANY ('{1,2}'::integer[])) AND (semester = 1))"),
    index("entry_sheet", "((class_id IS NULL) AND (semester = 1))"),
    index("enrolment_pkey", "(class_id = 5)", "Index Only Scan"),
    index("enrolment_pkey", "(class_id = 5)", "Bitmap Index Scan"),
    index("person", "(name = 'a AND (b = c'::text)"),
    index("person", "((name)::text = 'x'::text)"),
    index("book_version", "((record_type = 3) AND (school_year_id = y.id))"),
    index("correction_cell", "(COALESCE((semester)::integer, 0) = 2)"),
    index("book_alive", "(CASE WHEN (record_type = 1) THEN class_id ELSE NULL::integer END = 5)"),
]


@pytest.mark.parametrize("node", GOOD, ids=lambda node: str(node["Index Cond"]))
def test_an_index_read_by_an_equality_on_its_first_column_is_good(node: dict[str, Any]) -> None:
    assert problems(node, LEADING) == []


BAD = [
    ({"Node Type": "Seq Scan", "Relation Name": "entry"}, Problem("entry", WHOLE_TABLE)),
    (
        {"Node Type": "Seq Scan", "Relation Name": "entry", "Filter": "(class_id = 5)"},
        Problem("entry", WHOLE_TABLE),
    ),
    (index("entry_sheet", None), Problem("entry_sheet", WHOLE_INDEX)),
    (index("entry_sheet", None, Filter="(class_id = 5)"), Problem("entry_sheet", WHOLE_INDEX)),
    (index("entry_sheet", None, "Index Only Scan"), Problem("entry_sheet", WHOLE_INDEX)),
    (index("entry_sheet", "(subject_id = s.id)"), Problem("entry_sheet", LATER_COLUMN)),
    (index("entry_sheet", "(subject_id = s.class_id)"), Problem("entry_sheet", LATER_COLUMN)),
    (
        index("entry_sheet", "((subject_id = s.id) AND (semester = 1))", "Bitmap Index Scan"),
        Problem("entry_sheet", LATER_COLUMN),
    ),
    (index("entry_sheet", "(class_id > 5)"), Problem("entry_sheet", RANGE)),
    (index("entry_sheet", "((class_id >= 5) AND (class_id < 9))"), Problem("entry_sheet", RANGE)),
    (index("entry_sheet", "(class_id IS NOT NULL)"), Problem("entry_sheet", RANGE)),
    (index("entry_sheet", "(ROW(class_id, subject_id) > ROW(5, 7))"), Problem("entry_sheet", RANGE)),
    (index("book_version", "(record_type = 3)"), Problem("book_version", FEW_VALUES)),
    (index("book_version", "((record_type = 3) AND (school_year_id > 4))"), Problem("book_version", FEW_VALUES)),
    (index("book_version", "(school_year_id = 4)"), Problem("book_version", LATER_COLUMN)),
    (index("correction_cell", "(COALESCE(subject_id, 0) = 2)"), Problem("correction_cell", LATER_COLUMN)),
    (index("person", "(note = 'name = x'::text)"), Problem("person", LATER_COLUMN)),
]


@pytest.mark.parametrize(("node", "problem"), BAD, ids=str)
def test_a_plan_that_reads_a_whole_table_or_index_is_reported(node: dict[str, Any], problem: Problem) -> None:
    assert problems(node, LEADING) == [problem]


def test_no_part_of_a_plan_is_overlooked() -> None:
    inner = index("entry_sheet", None)
    for parent in ("Nested Loop", "Hash", "Subquery Scan", "ModifyTable", "Append"):
        plan = {"Node Type": parent, "Plans": [GOOD[0], {"Node Type": "Memoize", "Plans": [inner]}]}
        assert problems(plan, LEADING) == [Problem("entry_sheet", WHOLE_INDEX)]


def test_functions_values_and_common_table_expressions_are_no_tables() -> None:
    kinds = ("Function Scan", "Values Scan", "CTE Scan", "Result", "WorkTable Scan")
    plan = {"Node Type": "Nested Loop", "Plans": [{"Node Type": kind, "Alias": "x"} for kind in kinds]}
    assert problems(plan, LEADING) == []


def test_an_index_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        problems(index("unknown", "(a = 1)"), LEADING)
