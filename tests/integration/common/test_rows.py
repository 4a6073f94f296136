"""Rows read by name, and the one row that a statement always returns."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest

from services.common.db import Database
from services.common.rows import RowCountError, one_row, rows, scalars


class Pair(NamedTuple):
    left: int
    right: str | None


@dataclass(frozen=True)
class Place:
    left: int
    right: str


def test_rows_are_read_by_the_names_of_their_columns(base: Database) -> None:
    with base.transaction() as tx:
        swapped = rows(tx, Pair, "SELECT 'b' AS right, %s::int AS left UNION ALL SELECT null, 2", (1,))
        assert swapped.fetchall() == [Pair(1, "b"), Pair(2, None)]
        named = rows(tx, Place, "SELECT %(n)s::int AS left, 'c' AS right", {"n": 3})
        assert named.fetchone() == Place(3, "c")
        assert rows(tx, Pair, "SELECT 1 AS left, 'd' AS right WHERE false").fetchone() is None
        for wrong in ("SELECT 1 AS left", "SELECT 1 AS left, 'd' AS right, 2 AS more"):
            with pytest.raises(TypeError):
                rows(tx, Pair, wrong).fetchall()


def test_the_values_of_one_column_are_read_without_a_row_around_them(base: Database) -> None:
    with base.transaction() as tx:
        assert scalars(tx, int, "SELECT unnest(%s::int[])", ([3, 1],)).fetchall() == [3, 1]
        assert one_row(scalars(tx, int, "SELECT count(*) FROM outbox")) == 0


def test_one_row_is_exactly_one(base: Database) -> None:
    with base.transaction() as tx:
        assert one_row(tx.execute("SELECT 1, 'a'")) == (1, "a")
        assert one_row(scalars(tx, object, "SELECT NULL")) is None, "a null is a row"
        for count in (0, 2):
            with pytest.raises(RowCountError, match=rf"not {count} \(SELECT {count}\)"):
                one_row(rows(tx, Pair, "SELECT n AS left, 'x' AS right FROM generate_series(1, %s) AS n", (count,)))
