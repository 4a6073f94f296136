"""Rows of the report: as a table for people, as JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from bench.pairs import Rates, middle

Facts = dict[str, str | int | float]


@dataclass(frozen=True)
class Row:
    """One figure.

    name: stable and dotted; the part before the first dot is its group. value: a median where there were pairs.
    reference: the same figure of the bare part, None where nothing is compared; against: what that part is.
    ratio: median over the pairs; ratio_min: the worst pair. target: what the ratio should reach.
    note: what a reader must know to understand the figure.
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
    """Write the report as a JSON list: the environment first, then one object a row."""
    environment = {"name": "environment", "value": facts, "unit": "facts", "reference": None, "ratio": None}
    listed = [environment, *(asdict(row) | {"met": row.met} for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(listed, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def table(rows: Sequence[Row]) -> Table:
    """The report for a terminal, a rule between the groups; a missed target is marked."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("what", no_wrap=True)
    for name in ("value", "unit", "reference", "ratio", "worst", "target"):
        shown.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    shown.add_column("against, note", overflow="fold")
    group = ""
    for row in rows:
        if group and row.name.partition(".")[0] != group:
            shown.add_section()
        group = row.name.partition(".")[0]
        shown.add_row(
            row.name,
            number(row.value),
            row.unit,
            number(row.reference),
            number(row.ratio),
            number(row.ratio_min),
            _target(row),
            f"[dim]{'; '.join(filter(None, (row.against, row.note)))}[/]",
        )
    return shown


def number(value: float | None) -> str:
    """A figure with about three digits, the larger ones with thousands set apart."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return f"[green]≥ {row.target:g} ✓[/]" if row.met else f"[bold red]≥ {row.target:g} ✗ missed[/]"
