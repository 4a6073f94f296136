"""The departments of gradebook as a picture, drawn from the imports of its code
(docs/architecture.md).
"""

from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "departments.svg"

_PACKAGE = "services.gradebook"
_ORDER = ("api", "corrections", "books", "register", "entry", "authority", "roster", "model", "rules")
"""Top to bottom: the layers that `.importlinter` enforces."""

_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP, _ARCS = 12, 12, 540, 52, 18, 300
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">
<title>The departments of gradebook and what they import</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
"""
_BOX = """<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" stroke="#35506b"/>
<text x="{text_x}" y="{name_y}" font-size="15" font-weight="bold" fill="#16283a">{name}</text>
<text x="{size_x}" y="{name_y}" font-size="11" text-anchor="end" fill="#4c6275">{size}</text>
<text x="{text_x}" y="{line_y}" font-size="11" fill="#16283a">{line}</text>
"""
_ARC = """<path d="M {x} {y1} C {bend} {y1} {bend} {y2} {tip} {y2}"
 fill="none" stroke="{colour}" stroke-width="{width}"/>
<path d="M {x} {y2} l 7 -4 v 8 z" fill="{colour}"/>
"""


@dataclass(frozen=True)
class Department:
    """A folder of gradebook. line: the first paragraph of its docstring. imports: lower department
    → import count.
    """

    name: str
    line: str
    files: int
    imports: dict[str, int]


def departments() -> list[Department]:
    """The departments from top to bottom, measured in the code of this checkout."""
    graph = grimp.build_graph("services", cache_dir=None)
    imports: dict[str, Counter[str]] = {name: Counter() for name in _ORDER}
    for module in graph.modules:
        importer = _department_of(module)
        if importer is None:
            continue
        for imported_module in graph.find_modules_directly_imported_by(module):
            imported = _department_of(imported_module)
            if imported is not None and imported != importer:
                imports[importer][imported] += 1
    return [_measured(name, imports[name]) for name in _ORDER]


def draw() -> str:
    """The picture as SVG; an arrow is as thick as there are imports, and one that runs upwards is
    red.
    """
    rows = departments()
    places = {row.name: _TOP + index * (_HEIGHT + _GAP) for index, row in enumerate(rows)}
    picture = _HEAD.format(width=_LEFT + _WIDTH + _ARCS, height=2 * _TOP + len(rows) * (_HEIGHT + _GAP) - _GAP)
    for row in rows:
        picture += "".join(
            _arc(places[row.name], places[target], count) for target, count in sorted(row.imports.items())
        )
    return picture + "".join(_box(row, places[row.name]) for row in rows) + "</svg>\n"


def _department_of(module: str) -> str | None:
    name = module.removeprefix(_PACKAGE + ".").split(".", 1)[0]
    return name if module.startswith(_PACKAGE + ".") and name in _ORDER else None


def _measured(name: str, imports: Counter[str]) -> Department:
    package = import_module(f"{_PACKAGE}.{name}")
    files = [path for folder in package.__path__ for path in Path(folder).rglob("*.py") if path.name != "__init__.py"]
    return Department(name, " ".join((package.__doc__ or "").split("\n\n")[0].split()), len(files), dict(imports))


def _box(row: Department, y: int) -> str:
    return _BOX.format(
        x=_LEFT,
        y=y,
        width=_WIDTH,
        height=_HEIGHT,
        fill="#eef3f8" if row.name not in {"model", "rules"} else "#f2f6ea",
        text_x=_LEFT + 12,
        size_x=_LEFT + _WIDTH - 12,
        name_y=y + 21,
        line_y=y + 40,
        name=f"{row.name}/",
        size=f"{row.files} files",
        line=escape(row.line),
    )


def _arc(y_from: int, y_to: int, count: int) -> str:
    """From the lower half of the importer to the upper half of what it imports, bending the more
    the farther.
    """
    x = _LEFT + _WIDTH
    floors = abs(y_to - y_from) // (_HEIGHT + _GAP)
    return _ARC.format(
        x=x,
        tip=x + 6,
        bend=x + 30 + floors * 33,
        y1=y_from + 34,
        y2=y_to + 16,
        width=f"{min(8.0, 0.8 + count / 12):.1f}",
        colour="#7f9bb5" if y_to > y_from else "#c62828",
    )
