"""What is wrong with a plan: a pure look at the answer of ``EXPLAIN (FORMAT JSON)``.

A statement reads the rows of one school only when every table in its plan is entered by an index,
and the index by an equality on its first column. PostgreSQL also calls it an index scan when it
reads the whole index: without a condition, or with one on a later column only, it walks from end to
end. So do a range on the first column ("greater than the last row of the page before") when a
filter throws the rows away, and an equality on a column of few values, such as the type of a
record.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan", "Bitmap Index Scan"})


class Problem(NamedTuple):
    """A part of a plan that reads more than its share. target: the table, or the index."""

    target: str
    what: str


WHOLE_TABLE = "reads the whole table"
WHOLE_INDEX = "reads the whole index: no condition"
LATER_COLUMN = "reads the whole index: no condition on its first column"
RANGE = "reads a range of the index's first column"
FEW_VALUES = "reads all of one of the few values of the index's first column"


def problems(plan: Mapping[str, Any], leading: Mapping[str, Sequence[str]]) -> list[Problem]:
    """The parts of a plan that read a whole table or index.

    plan: the "Plan" of the answer. leading: index name → the columns that must be asked for by
    equality, as ``pg_get_indexdef(index, n, true)`` names them: the first, and while these have few
    values, those after it. Sub-plans, common table expressions and the inner sides of joins are
    parts like all others. Raises KeyError for an index that is not named.
    """
    violations = []
    for node in _nodes(plan):
        kind = node["Node Type"]
        if kind in {"Seq Scan", "Sample Scan"}:
            violations.append(Problem(node["Relation Name"], WHOLE_TABLE))
        elif kind in INDEX_SCANS:
            what = _index_problem(node.get("Index Cond"), leading[node["Index Name"]])
            if what is not None:
                violations.append(Problem(node["Index Name"], what))
    return violations


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _index_problem(condition: str | None, leading: Sequence[str]) -> str | None:
    if condition is None:
        return WHOLE_INDEX
    asked: dict[str, set[str]] = {}
    for column, operator in _conditions(condition):
        asked.setdefault(_plain(column), set()).add(operator)
    for place, column in enumerate(map(_plain, leading)):
        if column not in asked:
            return FEW_VALUES if place else LATER_COLUMN
        if not asked[column] & {"=", "IS NULL"}:
            return FEW_VALUES if place else RANGE
    return None


_LITERAL = re.compile(r"'(?:[^']|'')*'")
_OPERATOR = re.compile(r" (IS NOT NULL|IS NULL|[<>=~!@#%&|?*/^+-]+)(?= |$)")


def _conditions(condition: str) -> Iterator[tuple[str, str]]:
    """The column and operator of each condition that an index is read by; the column stands on the
    left.
    """
    for part in _split(_LITERAL.sub("?", condition)):
        for operator in _OPERATOR.finditer(part):
            if _depth(part[: operator.start()]) == 0:
                column = part[: operator.start()]
                yield column.removeprefix("ROW(").split(",")[0] if column.startswith("ROW(") else column, operator[1]
                break


def _split(condition: str) -> Sequence[str]:
    """``((a = 1) AND (b > 2))`` → ``a = 1`` and ``b > 2``; ``(a = 1)`` → ``a = 1``."""
    inner = _bare(condition)
    places = [
        conjunction.start() for conjunction in re.finditer(" AND ", inner) if _depth(inner[: conjunction.start()]) == 0
    ]
    ends = [*places, len(inner)]
    starts = [0, *(place + len(" AND ") for place in places)]
    return [_bare(inner[start:end]) for start, end in zip(starts, ends, strict=True)]


def _bare(text: str) -> str:
    """Without the brackets around the whole of it."""
    if text.startswith("(") and all(_depth(text[:place]) > 0 for place in range(1, len(text))):
        return text[1:-1]
    return text


def _depth(text: str) -> int:
    return text.count("(") - text.count(")")


def _plain(column: str) -> str:
    """A column or expression in one spelling: conditions and definitions differ in casts, aliases
    and brackets.
    """
    without_casts = re.sub(r"::[a-z][a-z ]*(\[\])?", "", column)
    return re.sub(r"[\s()]", "", re.sub(r"\b[a-z]\w*\.", "", without_casts))
