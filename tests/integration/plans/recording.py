"""Which statements the services execute, and where: each call of psycopg is noted with the line
that made it.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ROOT / "services"
PASSING_ON = ("services/common/db.py", "services/common/rows.py")
"""Modules that execute what they are given: the statement belongs to their caller."""
_OF_CURSORS = frozenset({"execute", "executemany", "copy", "stream"})
_OF_MODULES = {"services.common.db": ("execute", "trip"), "services.common.rows": ("rows", "scalars")}


class Site(NamedTuple):
    """A call that executes statements. path: from the repository's root; lines: first and last of
    the call; texts: how many statements its code chooses from, each of which must be seen.
    """

    path: str
    function: str
    first_line: int
    last_line: int
    texts: int

    def __str__(self) -> str:
        return f"{self.path}:{self.first_line} {self.function}"


class Statement(NamedTuple):
    """A statement as it was executed. raw: its parameters are $1 …, else %s or %(name)s."""

    site: Site
    text: str
    parameters: Any
    raw: bool


def sites(paths: Iterator[Path] | None = None) -> list[Site]:
    """Every call in the services that executes SQL, by the syntax tree."""
    calls: list[Site] = []
    for path in sorted(paths or SERVICES.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name in PASSING_ON:
            continue
        calls += sites_in(path.read_text(encoding="utf-8"), name)
    return calls


def sites_in(source: str, path: str) -> list[Site]:
    """The calls of one module."""
    tree = ast.parse(source)
    return list(_calls(tree, path, _executing_names(tree), None, ""))


def _executing_names(tree: ast.AST) -> set[str]:
    """What executes here, as it is written: ``rows``, ``db.trip``, or under another name."""
    names = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            own = alias.asname or alias.name
            if alias.name in _OF_MODULES.get(node.module or "", ()):
                names.add(own)
            names |= {f"{own}.{function}" for function in _OF_MODULES.get(f"{node.module}.{alias.name}", ())}
    return names


def _calls(
    node: ast.AST, path: str, executing: set[str], around: ast.FunctionDef | None, function: str
) -> Iterator[Site]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".strip(".")
        around = node if isinstance(node, ast.FunctionDef) else None
    if isinstance(node, ast.Call) and _executes(node.func, executing):
        texts = max((_alternatives(argument, around) for argument in node.args), default=1)
        yield Site(path, function, node.lineno, node.end_lineno or node.lineno, texts)
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, path, executing, around, function)


def _executes(called: ast.expr, executing: set[str]) -> bool:
    if ast.unparse(called) in executing:
        return True
    if not isinstance(called, ast.Attribute) or called.attr not in _OF_CURSORS:
        return False
    # eventlet's `execute`, which runs a function in a thread, and the `stream` of an HTTP response.
    return ast.unparse(called.value) not in {"tpool", "response"}


def _alternatives(value: ast.expr, around: ast.FunctionDef | None) -> int:
    """How many statements an expression may be, by the choices that the function makes: ``a if x
    else b``, and names that are assigned several times.
    """
    if isinstance(value, ast.IfExp):
        return _alternatives(value.body, around) + _alternatives(value.orelse, around)
    if isinstance(value, ast.JoinedStr):
        return prod(_alternatives(part.value, around) for part in value.values if isinstance(part, ast.FormattedValue))
    if isinstance(value, ast.BinOp):
        return _alternatives(value.left, around) * _alternatives(value.right, around)
    if isinstance(value, ast.Name) and around is not None:
        assigned = [
            node.value
            for node in ast.walk(around)
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == value.id for target in node.targets)
        ]
        added = sum(isinstance(n, ast.AugAssign) and ast.unparse(n.target) == value.id for n in ast.walk(around))
        return max(sum(_alternatives(each, None) for each in assigned), 1) + added
    return 1


class Recorder:
    """The statements that were executed while `recording`. unknown: calls that `sites` does not
    see.
    """

    def __init__(self, known: list[Site]) -> None:
        self.statements: list[Statement] = []
        self.unknown: list[str] = []
        self._by_path: dict[str, list[Site]] = {}
        for site in known:
            self._by_path.setdefault(site.path, []).append(site)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note what any cursor executes."""
        with pytest.MonkeyPatch.context() as patch:
            for kind in (psycopg.Cursor, psycopg.ServerCursor):
                patch.setattr(kind, "execute", self._noting(kind.execute))
            patch.setattr(psycopg.Cursor, "stream", self._noting(psycopg.Cursor.stream))
            patch.setattr(psycopg.Cursor, "executemany", self._noting(psycopg.Cursor.executemany, many=True))
            yield

    def _noting(self, execute: Any, *, many: bool = False) -> Any:
        def noting(cursor: Any, query: Any, parameters: Any = None, **options: Any) -> Any:
            site = self._site()
            if site is not None:
                text = query if isinstance(query, str) else query.as_string(cursor)
                some = next(iter(parameters), None) if many else parameters
                if some is not None or not many:
                    raw = isinstance(cursor, psycopg.RawCursor)
                    self.statements.append(Statement(site, text, _plain(some), raw))
            return execute(cursor, query, parameters, **options)

        return noting

    def _site(self) -> Site | None:
        """The innermost call of the services on the stack, modules that pass on left out.

        None when it is the test's own, or not among the known.
        """
        frame = sys._getframe(2)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(SERVICES):
                name = str(path.relative_to(ROOT))
                if name not in PASSING_ON:
                    line = frame.f_lineno
                    here = [site for site in self._by_path.get(name, ()) if site.first_line <= line <= site.last_line]
                    if not here:
                        self.unknown.append(f"{name}:{line}")
                        return None
                    return min(here, key=lambda site: site.last_line - site.first_line)
            frame = frame.f_back  # type: ignore[assignment]
        return None


def _plain(parameters: Any) -> Any:
    if parameters is None or isinstance(parameters, Mapping):
        return parameters
    return tuple(parameters)
