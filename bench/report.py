"""Rows of the report: as a table for people, as JSON for programs."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.pairs import Rates, middle

Facts = dict[str, str | int | float]


@dataclass(frozen=True)
class Row:
    """One figure.

    name: stable and dotted; the part before the first dot is its group. value: a median where there
    were pairs. reference: the same figure of the bare part, None where nothing is compared;
    against: what that part is. ratio: median over the pairs; ratio_min: the worst pair. target:
    what the ratio should reach. note: what a reader must know to understand the figure.
    """

    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    ratio_min: float | None = None
    target: float | None = None
    pairs: int = 0
    against: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio >= self.target


def compared(name: str, unit: str, rates: Rates, against: str, *, target: float | None = None, note: str = "") -> Row:
    """The row of a measurement in pairs."""
    ratios = rates.ratios(against)
    return Row(
        name,
        middle(rates.system),
        unit,
        reference=middle(rates.references[against]),
        ratio=middle(ratios),
        ratio_min=min(ratios),
        target=target,
        pairs=len(ratios),
        against=against,
        note=note,
    )


def write(path: Path, rows: Iterable[Row], facts: Facts) -> None:
    """Write the report as a JSON list: the environment first, then one object per row."""
    environment = {"name": "environment", "value": facts, "unit": "facts", "reference": None, "ratio": None}
    listed = [environment, *(asdict(row) | {"met": row.met} for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(listed, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the report group by group, for a terminal of eighty columns; a missed target is
    marked.
    """
    for _, members in itertools.groupby(rows, lambda row: row.name.partition(".")[0]):
        group = list(members)
        ratios = [row for row in group if row.ratio is not None]
        figures = [row for row in group if row.ratio is None]
        if ratios:
            console.print(_ratios(ratios))
            for row in ratios:
                words = "; ".join(filter(None, (f"against {row.against}", row.note)))
                console.print(f"  [dim]{row.name}: {words}[/]", soft_wrap=True)
        if figures:
            console.print(_figures(figures))
        console.print()


def _ratios(rows: Sequence[Row]) -> Table:
    table = _table("system", "bare", "unit", "ratio", "worst", "target")
    for row in rows:
        target = "" if row.target is None else f"≥ {row.target:g}"
        marked = {True: f"[green]{target} ✓[/]", False: f"[bold red]{target} ✗ missed[/]", None: ""}[row.met]
        figures = (number(row.value), number(row.reference), row.unit, number(row.ratio), number(row.ratio_min))
        table.add_row(row.name, *figures, marked)
    return table


def _figures(rows: Sequence[Row]) -> Table:
    table = _table("value", "unit")
    table.add_column("", overflow="fold")
    for row in rows:
        bare = "" if row.reference is None else f"{number(row.reference)} {row.against}"
        table.add_row(row.name, number(row.value), row.unit, f"[dim]{'; '.join(filter(None, (bare, row.note)))}[/]")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("what", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="left" if name in {"unit", "target"} else "right", no_wrap=True)
    return table


def number(value: float | None) -> str:
    """A figure with about three digits, the larger ones with thousands set apart; empty for
    None.
    """
    if value is None:
        return ""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:,.{digits}f}"
