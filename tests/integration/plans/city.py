"""A filled database of a service, and the plans of statements in it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg._queries import PostgresQuery, PostgresRawQuery
from psycopg.adapt import Transformer

from services.common import db
from services.common.db import Tx
from services.common.settings import DatabaseConfig
from tests.integration.plans.checking import Problem, problems
from tests.integration.plans.recording import Statement
from tests.integration.plans.sites import SERVICES

HERE = Path(__file__).parent
FEW = 6
"""A column of so few values in a filled city does not lead to the rows of one school."""
LARGE_PAGES = 100
"""A table of this many pages is large in a filled city: it grows with students, acts or books. A
smaller one, such as the schools or their years, may be read whole where that is cheaper than many
look-ups.
"""


class Explained(NamedTuple):
    """A statement with what is wrong with its plans."""

    statement: Statement
    problems: frozenset[Problem]


def fill(config: DatabaseConfig, service: str) -> None:
    """Migrate an empty database of a service, fill it and let the planner know."""
    db.migrate(config, [SERVICES / service / "migrations"])
    with db.connect(db.as_owner(config), autocommit=True) as tx:
        for name in ("common_city.sql", f"{service}_city.sql"):
            tx.execute((HERE / name).read_bytes())
        tx.execute("VACUUM ANALYZE")


_INDEX_COLUMNS = """
SELECT c.relname, pg_get_indexdef(i.indexrelid, n, true), coalesce(s.n_distinct BETWEEN 0 AND %s, false)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
CROSS JOIN generate_series(1, i.indnkeyatts) AS n
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[n - 1]
LEFT JOIN pg_stats s ON s.schemaname = 'public' AND s.tablename = t.relname AND s.attname = a.attname
WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, n
"""
_TYPE_NAMES = (
    "SELECT CASE o WHEN 0 THEN 'unknown' ELSE format_type(o, NULL) END"
    " FROM unnest(%s::oid[]) WITH ORDINALITY AS t (o, place) ORDER BY place"
)


def explain(config: DatabaseConfig, statements: Sequence[Statement]) -> list[Explained]:
    """What is wrong with the plans of statements.

    Two questions are asked. Can an index serve each table? With sequential scans, hash and merge
    joins priced out, what remains of them has no index that fits; that holds for a table of any
    size. Does the planner choose one? Without hints, in the filled city, for tables that are large
    there. Both are asked of the plan for these parameters and of the generic one.
    """
    with db.connect(config, autocommit=True) as tx:
        tx.prepare_threshold = None
        leading = _leading(tx)
        pages = tx.execute("SELECT relname, relpages FROM pg_class WHERE relkind IN ('r', 'i')").fetchall()
        large = {name for name, count in pages if count >= LARGE_PAGES}
        by_statement: dict[int, set[Problem]] = {}
        for hints in (True, False):
            for name in ("seqscan", "hashjoin", "mergejoin", "material"):
                tx.execute("SELECT set_config(%s, %s, false)", (f"enable_{name}", "off" if hints else "on"))
            for number, statement in enumerate(statements):
                for plan in _plans(tx, statement):
                    wrong = problems(plan, leading)
                    by_statement.setdefault(number, set()).update(
                        problem for problem in wrong if hints or problem.target in large
                    )
        return [Explained(statements[number], frozenset(wrong)) for number, wrong in by_statement.items()]


def explain_inside(superuser: psycopg.Connection[Any], statement: str) -> list[Problem]:
    """What is wrong with the plans inside the functions that a statement calls, as auto_explain
    tells them.
    """
    plans: list[dict[str, Any]] = []
    superuser.add_notice_handler(lambda notice: plans.extend(_logged(notice.message_primary or "")))
    for name, value in {
        "log_min_duration": "0",
        "log_nested_statements": "on",
        "log_format": "json",
        "log_level": "notice",
    }.items():
        superuser.execute("LOAD 'auto_explain'")
        superuser.execute("SELECT set_config(%s, %s, false)", (f"auto_explain.{name}", value))
    for plan_cache_mode in ("force_custom_plan", "force_generic_plan"):
        superuser.execute("SELECT set_config('plan_cache_mode', %s, false)", (plan_cache_mode,))
        superuser.execute("SET enable_seqscan = off")
        superuser.execute(statement.encode())
    leading = _leading(superuser)
    inner = [plan for plan in plans if "Query Text" in plan and plan["Query Text"] != statement]
    assert inner, "auto_explain told nothing of the statements inside"
    return [problem for plan in inner for problem in problems(plan["Plan"], leading)]


def _logged(message: str) -> list[dict[str, Any]]:
    _, marker, plan = message.partition("plan:\n")
    return [json.loads(plan)] if marker else []


def _leading(tx: Tx) -> dict[str, list[str]]:
    """Index → its first column, and while the columns so far have few values, the ones after it."""
    columns: dict[str, list[str]] = {}
    done: set[str] = set()
    for index, column, values in tx.execute(_INDEX_COLUMNS, (FEW,)):
        if index not in done:
            columns.setdefault(index, []).append(column)
            if not values:
                done.add(index)
    return columns


def _plans(tx: Tx, statement: Statement) -> list[dict[str, Any]]:
    """The plan for the parameters, and the generic one."""
    query = (PostgresRawQuery if statement.raw else PostgresQuery)(Transformer(tx))
    query.convert(statement.text, statement.parameters)
    text, count = query.query.decode(), len(query.types)
    if not _planned(text):
        return []
    explained = f"EXPLAIN (FORMAT JSON) {statement.text}"
    cursor = psycopg.RawCursor(tx) if statement.raw else tx.cursor()
    plans = [cursor.execute(explained, statement.parameters).fetchone()]
    names = [str(row[0]) for row in tx.execute(_TYPE_NAMES, (list(query.types),))]
    tx.execute("SET plan_cache_mode = force_generic_plan")
    try:
        tx.execute(f"PREPARE asked {'(' + ', '.join(names) + ')' if names else ''} AS {text}".encode())
        nulls = f"({', '.join(['NULL'] * count)})" if count else ""
        plans.append(tx.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked {nulls}".encode()).fetchone())
        tx.execute("DEALLOCATE asked")
    finally:
        tx.execute("RESET plan_cache_mode")
    return [row[0][0]["Plan"] for row in plans if row is not None]


def _planned(text: str) -> bool:
    return text.lstrip(" (\n").split(maxsplit=1)[0].upper() in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}
