"""Which calls execute SQL and which texts each may execute, however they are written; and which
ways of writing them are forbidden.
"""

import ast
from typing import Any

import pytest

from tests.integration.plans.sites import HOLE, Module, Site, forbidden_in, matches, sites_in

HEAD = """
from services.common import db, rows as by_name
from services.common.db import Call, trip
from services.common.rows import rows, scalars as values
from psycopg import sql
TABLE, LIMIT, NAMED = "book", 7, {"a": "A", "b": "B"}
BOTH = ("A", "B")
def joined(alias): return f"JOIN {TABLE} {alias}"
"""


def module(source: str) -> Module:
    names: dict[str, Any] = {}
    exec(compile(HEAD, "head", "exec"), names)
    return Module("services/x/store.py", ast.parse(f"{HEAD}\n{source}"), names)


def found(body: str, head: str = "def read(tx, kind, *given):") -> list[Site]:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return sites_in(module(f"{head}\n{lines}"))


def texts(body: str, head: str = "def read(tx, kind, *given):") -> list[set[str]]:
    return [set(site.texts) for site in found(body, head)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('tx.execute("A")', {"A"}),
        ('tx.execute(query="A")', {"A"}),
        ('tx.cursor().stream("A")', {"A"}),
        ('tx.executemany("A", [])', {"A"}),
        ('rows(tx, dict, "A")', {"A"}),
        ('rows(tx, dict, statement="A" if kind else "B")', {"A", "B"}),
        ('values(tx, int, "A")', {"A"}),
        ('by_name.rows(tx, dict, "A")', {"A"}),
        ('Call("A" if kind else "B", [])', {"A", "B"}),
        ('db.Call("A", [])', {"A"}),
        ("trip(tx, *given)", set()),
        ("db.trip(tx, kind)", set()),
        ("db.execute(tx, kind)", set()),
    ],
)
def test_every_call_that_executes_is_a_site(body: str, expected: set[str]) -> None:
    assert texts(body) == [expected]


@pytest.mark.parametrize("body", ['rows.append("A")', "tpool.execute(work, 1)", 'response.stream("A")'])
def test_other_calls_are_none(body: str) -> None:
    assert found(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('tx.execute("A" if kind else "B" if given else "C")', {"A", "B", "C"}),
        ('statement = "A"\ntx.execute(statement)', {"A"}),
        ('statement = "A" if kind else "B"\ntx.execute(statement)', {"A", "B"}),
        ('statement = "A"\nif kind:\n    statement = "B"\ntx.execute(statement)', {"A", "B"}),
        ('statement: str = "A" if kind else "B"\ntx.execute(statement)', {"A", "B"}),
        ('first = "A" if kind else "B"\nstatement = first\ntx.execute(statement)', {"A", "B"}),
        ("lock = 'FOR UPDATE' if kind else ''\ntx.execute(f\"A {lock}\")", {"A FOR UPDATE", "A "}),
        ('tx.execute("A" + ("B" if kind else "C"))', {"AB", "AC"}),
        ("tx.execute(f\"{TABLE}{'A' if kind else 'B'}{LIMIT:d}\")", {"bookA7", "bookB7"}),
        ('tx.execute(joined("b"))', {"JOIN book b"}),
        ('tx.execute("A {}".format(TABLE))', {"A book"}),
        ('tx.execute(NAMED["a"])', {"A"}),
        ('def inner():\n    tx.execute(statement)\nstatement = "A" if kind else "B"', {"A", "B"}),
    ],
)
@pytest.mark.parametrize("head", ["def read(tx, kind, *given):", "async def read(tx, kind, *given):"])
def test_the_texts_of_a_call_are_all_that_its_choices_make(head: str, body: str, expected: set[str]) -> None:
    (site,) = found(body, head)
    assert (set(site.texts), set(site.holes)) == (expected, set())


@pytest.mark.parametrize(
    ("body", "expected", "hole"),
    [
        ("tx.execute(NAMED[kind])", {HOLE}, "NAMED[kind]"),
        ('tx.execute({True: "A", False: "B"}[kind])', {HOLE}, "{True: 'A', False: 'B'}[kind]"),
        ("tx.execute(kind)", {HOLE}, "kind"),
        ("tx.execute(*given)", {HOLE}, "tx.execute(*given)"),
        ("tx.execute(**kind)", {HOLE}, "tx.execute(**kind)"),
        ("rows(tx, dict, **kind)", {HOLE}, "rows(tx, dict, **kind)"),
        ('tx.execute(kind and "A")', {HOLE}, "kind and 'A'"),
        ('tx.execute("A" or "B")', {HOLE}, "'A' or 'B'"),
        ('tx.execute((a := "A"))', {HOLE}, "(a := 'A')"),
        ('if a := "A":\n    tx.execute(a)', {HOLE}, "a"),
        ('a, b = BOTH\ntx.execute(f"A {b}")', {f"A {HOLE}"}, "b"),
        ("for each in BOTH:\n    tx.execute(each)", {HOLE}, "each"),
        ('statement = "A"\nstatement += " B"\ntx.execute(statement)', {"A", HOLE}, "statement"),
        ('statement = "A"\nstatement = statement + " B"\ntx.execute(statement)', {"A", f"{HOLE} B"}, "statement"),
        ('tx.execute("A {}".format(kind))', {HOLE}, "'A {}'.format(kind)"),
        ("tx.execute(\"A {}\".format('x' if LIMIT else 'y'))", {HOLE}, "'A {}'.format('x' if LIMIT else 'y')"),
        ('tx.execute("A %s" % kind)', {HOLE}, "'A %s' % kind"),
        ('tx.execute(f"A {kind} B")', {f"A {HOLE} B"}, "kind"),
        ("tx.execute(f\"A {'x' if kind else 'y':>3}\")", {f"A {HOLE}"}, "'x' if kind else 'y'"),
        ('tx.execute(sql.SQL("A"))', {HOLE}, "sql.SQL('A')"),
        ("TABLE = kind\ntx.execute(TABLE)", {HOLE}, "kind"),
        ("from elsewhere import TABLE\ntx.execute(TABLE)", {HOLE}, "TABLE"),
        (
            "match kind:\n    case str(TABLE):\n        pass\n    case TABLE:\n        tx.execute(TABLE)",
            {HOLE},
            "TABLE",
        ),
    ],
)
def test_what_cannot_be_read_is_a_hole(body: str, expected: set[str], hole: str) -> None:
    (site,) = found(body)
    assert set(site.texts) == expected
    assert any(hole in written for written in site.holes)
    assert len(site.holes) == 1


def test_a_parameter_hides_a_constant_of_its_name() -> None:
    assert texts("tx.execute(TABLE)", "def read(tx, TABLE):") == [{HOLE}]


def test_a_site_is_called_by_its_module_and_function() -> None:
    (site,) = sites_in(module('class Relay:\n    async def take(self):\n        self._tx.execute("A")'))
    assert site.name == "x.store.Relay.take"


def test_a_hole_stands_for_any_text_and_the_rest_for_itself() -> None:
    assert matches(f"A ({HOLE}) (%s)", "A (x,\ny) (%s)")
    assert not matches(f"A ({HOLE}) (%s)", "A (x) (%s) B")
    assert not matches("A.", "Ab")


@pytest.mark.parametrize(
    "source",
    [
        "import services.common.rows as r",
        "import services.common.rows",
        "import json, services.common.db",
        "from . import rows",
        "from ..common.rows import rows as r",
        "from services import common",
        "from services.common.rows import *",
        "def read(tx):\n    go = tx.execute\n    go('A')",
        "def read(tx):\n    go = tx.cursor().executemany",
        "def read(tx):\n    list(map(tx.execute, ['A']))",
        "def read(tx):\n    go = rows\n    go(tx, dict, 'A')",
        "def read(tx):\n    go = db.trip",
        "def read(tx, go=rows):\n    go(tx, dict, 'A')",
        "def read(tx):\n    make = Call",
        "def read(tx):\n    return Call._make(['A', []])",
        "def read(tx, call):\n    return call._replace(statement='A')",
        "def read(tx):\n    getattr(tx, 'execute')('A')",
        "A = 'A' if LIMIT else 'B'",
        "A = LIMIT and 'B'",
        "A = f\"A {'x' if LIMIT else 'y'}\"",
        "if LIMIT:\n    A = 'A'",
        "try:\n    A = 'A'\nexcept KeyError:\n    A: str = 'B'",
    ],
)
def test_a_shape_in_which_something_is_not_seen_is_forbidden(source: str) -> None:
    first = HEAD.count("\n") + 2
    messages = forbidden_in(module(source))
    assert messages
    for message in messages:
        path, line, _ = message.split(":", 2)
        assert path == "services/x/store.py"
        assert first <= int(line) < first + len(source.splitlines())


@pytest.mark.parametrize(
    "source",
    [
        "import json",
        "def read(tx):\n    rows(tx, dict, 'A')",
        "def make(a: Call) -> tuple[Call, int]:\n    b: Call = a\n    return Call('A', []), 1",
        "def note(rows):\n    return list(rows)",
        "if LIMIT:\n    import json",
        "A = [x for x in BOTH if x]",
    ],
)
def test_other_shapes_are_not(source: str) -> None:
    assert forbidden_in(module(source)) == []
