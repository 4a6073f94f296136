"""Rows by the names of their columns, and the one row that a statement always returns.

``rows(tx, YearRow, "SELECT id, name FROM …", (year_id,)).fetchall()`` is a ``list[YearRow]``;
``one_row(scalars(tx, int, "SELECT count(*) FROM …"))`` is an ``int``; `fetchone` remains for a row
that may be missing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar, cast

from psycopg import Cursor
from psycopg.rows import RowFactory, kwargs_row, scalar_row

from services.common.db import Tx

T = TypeVar("T")
Parameters = Sequence[Any] | Mapping[str, Any]


class RowCountError(Exception):
    """A statement that always returns one row returned none or several: the statement is wrong."""


def rows(
    tx: Tx, row_type: type[T] | Callable[..., T], statement: LiteralString, parameters: Parameters = ()
) -> Cursor[T]:
    """Execute a statement and read each row as `row_type`: a NamedTuple, a dataclass, or a function
    that makes the row of its keyword arguments.

    The columns are its fields by name, in any order: ``y.id AS year_id``. Raises TypeError while
    rows are fetched when a name is missing or unknown.
    """
    return tx.cursor(row_factory=kwargs_row(row_type)).execute(statement, parameters)


def scalars(
    tx: Tx, value_type: type[T], statement: LiteralString, parameters: Parameters = (), *, binary: bool = False
) -> Cursor[T]:
    """Execute a statement of one column and read its values, which the caller says are
    `value_type`.

    Nothing is converted or checked: `value_type` is for the type checker. binary: have the values
    sent as bytes, which halves the transfer of files.
    """
    del value_type
    return tx.cursor(binary=binary, row_factory=cast(RowFactory[T], scalar_row)).execute(statement, parameters)


def one_row(cursor: Cursor[T]) -> T:
    """The row of a statement that returns exactly one, such as an aggregate or ``RETURNING``.

    Raises RowCountError when there is none or more than one.
    """
    fetched = cursor.fetchall()
    if len(fetched) != 1:
        raise RowCountError(f"one row expected, not {len(fetched)} ({cursor.statusmessage})")
    return fetched[0]
