"""Which calls of the services execute SQL, and which texts each may execute, by the syntax tree.

What is executed is written as a text, a choice ``a if x else b`` of texts, their sum or f-string, a
constant expression (of names of the module alone), or a local name that is only ever assigned such.
Whatever else is in a statement is a hole: samples.COMPOSED names each with its reason. Shapes in
which a call would not be seen, and constants that depend on a choice, are forbidden.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ROOT / "services"
PASSING_ON = ("services/common/db.py", "services/common/rows.py", "services/common/grants.py")
"""Modules that execute what they are given: the statement belongs to their caller. The last serves
`migrate` alone.
"""
HOLE = "\0"
"""Stands in a text for a part that is composed while running; no statement has this character."""
_OF_CURSORS = {"execute": "query", "executemany": "query", "copy": "statement", "stream": "query"}
"""Method → the name of its first parameter, the statement."""
_OF_MODULES = {"services.common.db": ("execute", "trip", "Call"), "services.common.rows": ("rows", "scalars")}
_STATEMENT_PLACE = {"rows": 2, "scalars": 2, "Call": 0}
_CHOICES = (ast.IfExp, ast.BoolOp, ast.NamedExpr, ast.Lambda, ast.Await)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Site(NamedTuple):
    """A call that executes statements, or a `Call` that is made for one that does.

    path: from the repository's root; lines: first and last of the call. texts: those that it may
    execute, each of which must be seen; none where a `Call` is executed. holes: the parts of them
    that are composed, as they are written.
    """

    path: str
    function: str
    first_line: int
    last_line: int
    executes: bool
    texts: frozenset[str]
    holes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.path}:{self.first_line} {self.function}"

    @property
    def name(self) -> str:
        """Such as ``common.jobs.claim``: its module under services, and the function."""
        module = self.path.removeprefix("services/").removesuffix(".py").replace("/", ".")
        return f"{module}.{self.function}"


class Module(NamedTuple):
    """A module as it is written, and the values of its names."""

    path: str
    tree: ast.Module
    values: Mapping[str, Any]


def modules() -> Iterator[Module]:
    """The modules of the services, without those that pass on."""
    for file in sorted(SERVICES.rglob("*.py")):
        path = str(file.relative_to(ROOT))
        if path not in PASSING_ON:
            yield module(path)


def module(path: str) -> Module:
    """A module by its path from the repository's root."""
    return Module(path, ast.parse((ROOT / path).read_text(encoding="utf-8")), _Values(path))


class _Values(dict[str, Any]):
    """The names of a module, which is imported when one is asked for."""

    def __init__(self, path: str) -> None:
        self._module = path.removesuffix(".py").replace("/", ".")

    def __missing__(self, name: str) -> Any:
        return vars(importlib.import_module(self._module))[name]


def sites() -> list[Site]:
    """Every call in the services that executes SQL."""
    return [site for module in modules() for site in sites_in(module)]


def sites_in(module: Module) -> list[Site]:
    """The calls of one module."""
    return list(_sites(module.tree, module, _executing_names(module.tree), (), ""))


def matches(pattern: str, text: str) -> bool:
    """Whether a text was executed by a call that may execute `pattern`."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split(HOLE))), text, re.DOTALL) is not None


def _executing_names(tree: ast.AST) -> dict[str, str]:
    """What executes here, as it is written: ``rows``, ``db.trip``, or another name → its name."""
    names = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            own = alias.asname or alias.name
            if alias.name in _OF_MODULES.get(node.module or "", ()):
                names[own] = alias.name
            names |= {f"{own}.{function}": function for function in _OF_MODULES.get(f"{node.module}.{alias.name}", ())}
    return names


def _sites(
    node: ast.AST, module: Module, executing: Mapping[str, str], around: tuple[_Function, ...], function: str
) -> Iterator[Site]:
    if isinstance(node, _Function | ast.ClassDef):
        function = f"{function}.{node.name}".strip(".")
    if isinstance(node, _Function):
        around = (*around, node)
    if isinstance(node, ast.Call):
        called = executing.get(ast.unparse(node.func))
        if called is not None or _is_of_cursor(node.func):
            reader = _Reader(around, module.values)
            texts: set[str] = set()
            if called is None or called in _STATEMENT_PLACE:
                texts = reader.texts(_statement(node, called))
            last = node.end_lineno or node.lineno
            holes = frozenset(reader.holes)
            yield Site(module.path, function, node.lineno, last, called != "Call", frozenset(texts), holes)
    for child in ast.iter_child_nodes(node):
        yield from _sites(child, module, executing, around, function)


def _is_of_cursor(called: ast.expr) -> bool:
    # eventlet's `execute`, which runs a function in a thread, and the `stream` of an HTTP response.
    return (
        isinstance(called, ast.Attribute)
        and called.attr in _OF_CURSORS
        and ast.unparse(called.value) not in {"tpool", "response"}
    )


def _statement(call: ast.Call, called: str | None) -> ast.expr:
    """The argument that is the statement; the call itself when that cannot be told."""
    place = 0 if called is None else _STATEMENT_PLACE[called]
    keyword = "statement" if called is not None else _OF_CURSORS[ast.unparse(call.func).rpartition(".")[2]]
    before = call.args[: place + 1]
    if len(before) > place and not any(isinstance(argument, ast.Starred) for argument in before):
        return before[place]
    return next((argument.value for argument in call.keywords if argument.arg == keyword), call)


class _Reader:
    """Reads the texts that an expression in nested functions may be. holes: what cannot be read."""

    def __init__(self, around: Sequence[_Function], values: Mapping[str, Any]) -> None:
        self.holes: set[str] = set()
        self._values = values
        self._bound: dict[str, list[ast.expr | None]] = {}
        for function in around:
            self._bound |= _bound(function)  # the innermost function counts
        self._reading: list[str] = []

    def texts(self, value: ast.expr) -> set[str]:
        match value:
            case ast.IfExp(body=body, orelse=orelse):
                return self.texts(body) | self.texts(orelse)
            case ast.JoinedStr(values=parts):
                return {"".join(chosen) for chosen in product(*map(self.texts, parts))}
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return {"".join(chosen) for chosen in product(self.texts(left), self.texts(right))}
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                return self.texts(inner)
            case ast.Name(id=name) if name in self._bound and name not in self._reading:
                return self._assigned(name, value)
        return {self._constant(value)}

    def _assigned(self, name: str, written: ast.Name) -> set[str]:
        texts: set[str] = set()
        self._reading.append(name)
        for value in self._bound[name]:
            texts |= {self._hole(written)} if value is None else self.texts(value)
        self._reading.pop()
        return texts

    def _constant(self, value: ast.expr) -> str:
        names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
        if names & self._bound.keys() or any(isinstance(node, _CHOICES) for node in ast.walk(value)):
            return self._hole(value)
        whole = ast.JoinedStr([value]) if isinstance(value, ast.FormattedValue) else value
        expression = ast.fix_missing_locations(ast.Expression(whole))
        result = eval(compile(expression, "<statement>", "eval"), {}, self._values)
        return format(result) if isinstance(result, str | int) else self._hole(value)

    def _hole(self, value: ast.expr) -> str:
        self.holes.add(ast.unparse(value))
        return HOLE


def _bound(function: _Function) -> dict[str, list[ast.expr | None]]:
    """Name → what is assigned to it anywhere in a function; None for any binding but ``name = …``,
    such as a parameter or the variable of a loop.
    """
    bound: dict[str, list[ast.expr | None]] = {}
    plain: set[ast.expr] = set()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name) as target], value=value):
                plain.add(target)
                bound.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name) as target, value=ast.expr() as value):
                plain.add(target)
                bound.setdefault(name, []).append(value)
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if node not in plain:
                bound.setdefault(name, []).append(None)
            case ast.arg(arg=name) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.setdefault(name, []).append(None)
            case ast.MatchMapping(rest=str(name)) | ast.ExceptHandler(name=str(name)):
                bound.setdefault(name, []).append(None)
            case ast.alias(name=name, asname=asname):
                bound.setdefault(asname or name, []).append(None)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if node is not function:
                    bound.setdefault(name, []).append(None)
    return bound


def forbidden_in(module: Module) -> list[str]:
    """Shapes in which a call that executes, or one of its texts, would not be seen; each with file
    and line.
    """
    executing = _executing_names(module.tree)
    called = {node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    allowed = called | {part for kind in _annotations(module.tree) for part in ast.walk(kind)}
    allowed |= set(_of_parameters(module.tree))
    found = [
        (node, why)
        for node in ast.walk(module.tree)
        if (why := _import_problem(node) or _taken_aside(node, executing, allowed))
    ]
    found += [(node, "a constant that depends on a choice") for node in _choosing(module.tree)]
    return [f"{module.path}:{getattr(node, 'lineno', 0)}: {why}" for node, why in found]


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as kind) | ast.AnnAssign(annotation=kind):
                yield kind
            case ast.FunctionDef(returns=ast.expr() as kind) | ast.AsyncFunctionDef(returns=ast.expr() as kind):
                yield kind


def _of_parameters(tree: ast.AST) -> Iterator[ast.Name]:
    """Names that are a function's parameters, whatever the module calls so."""
    for function in ast.walk(tree):
        if isinstance(function, _Function):
            own = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
            inside = (node for statement in function.body for node in ast.walk(statement))
            yield from (node for node in inside if isinstance(node, ast.Name) and node.id in own)


def _import_problem(node: ast.AST) -> str:
    match node:
        case ast.Import(names=names) if any(alias.name.partition(".")[0] == "services" for alias in names):
            return "write `from services.… import …`"
        case ast.ImportFrom(level=level) if level:
            return "no relative import"
        case ast.ImportFrom(module="services"):
            return "import from the package itself"
        case ast.ImportFrom(names=[ast.alias(name="*")]):
            return "no import of all names"
    return ""


def _taken_aside(node: ast.AST, executing: Mapping[str, str], allowed: set[ast.AST]) -> str:
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]) if name in _OF_CURSORS:
            return f"call `{name}` where it is named"
        case ast.Call(func=ast.Attribute(attr="_replace"), keywords=named) if any(k.arg == "statement" for k in named):
            return "make a new `Call`"
        case ast.Attribute(attr=attr) if attr in _OF_CURSORS and node not in allowed:
            return f"call `{attr}` where it is named"
        case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) if (
            node not in allowed and ast.unparse(node) in executing
        ):
            return f"call `{ast.unparse(node)}` where it is named"
    return ""


def _choosing(tree: ast.Module) -> Iterator[ast.stmt]:
    """Assignments of a module that depend on a choice."""
    for statement in tree.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                continue
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                if any(isinstance(node, ast.IfExp | ast.BoolOp) for node in ast.walk(statement)):
                    yield statement
            case _:
                assigning = ast.Assign | ast.AnnAssign | ast.AugAssign
                yield from (node for node in ast.walk(statement) if isinstance(node, assigning))
