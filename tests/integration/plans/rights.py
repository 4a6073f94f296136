"""Which rights of a service's user no statement needs: each is taken away, and whatever might miss
it is tried again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from tests.integration.plans.recording import Statement

_RIGHT = re.compile(r"([A-Z]+)(?:\s*\(([^)]*)\))?")


class Right(NamedTuple):
    """A right to a table or, for a column of it, to that column."""

    table: str
    privilege: str
    column: str = ""

    def __str__(self) -> str:
        return (
            f"{self.privilege} ({self.column}) on {self.table}" if self.column else f"{self.privilege} on {self.table}"
        )


def rights(grants: Mapping[str, str]) -> Iterator[Right]:
    """The rights that the lines of a ``grants.toml`` give, one by one."""
    for table, line in grants.items():
        for privilege, columns in _RIGHT.findall(line):
            for column in columns.split(",") if columns else [""]:
                yield Right(table, privilege, column.strip())


def unused(
    superuser: psycopg.Connection[Any],
    user: str,
    given: Sequence[Right],
    statements: Sequence[Statement],
    inside: Mapping[str, str],
) -> list[Right]:
    """The rights without which `user` may still execute every statement.

    inside: table or sequence → a call that reaches it from within a function, for which a plan does
    not ask.
    """
    superfluous = []
    for right in given:
        about = re.compile(rf"\b{right.table}\b")
        concerned = [statement for statement in statements if about.search(statement.text)]
        with superuser.transaction(force_rollback=True):
            on, to = sql.Identifier(right.table), sql.Identifier(user)
            column = sql.SQL(" ({})").format(sql.Identifier(right.column)) if right.column else sql.SQL("")
            privilege = sql.SQL(right.privilege)
            superuser.execute(sql.SQL("REVOKE {}{} ON {} FROM {}").format(privilege, column, on, to))
            superuser.execute(sql.SQL("SET LOCAL ROLE {}").format(to))
            refused = any(_refused(superuser, statement) for statement in concerned)
            if not refused and not (right.table in inside and _refuses(superuser, inside[right.table])):
                superfluous.append(right)
    return superfluous


def _refused(superuser: psycopg.Connection[Any], statement: Statement) -> bool:
    cursor = psycopg.RawCursor(superuser) if statement.raw else superuser.cursor()
    try:
        with superuser.transaction(force_rollback=True):
            cursor.execute(f"EXPLAIN {statement.text}", statement.parameters)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def _refuses(superuser: psycopg.Connection[Any], call: str) -> bool:
    try:
        with superuser.transaction(force_rollback=True):
            superuser.execute(call.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False
