"""What a person sees: progress while the stack comes up, and the table of its processes."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)

_STYLES = {"ready": "green", "done": "green", "starting": "yellow", "waiting": "dim", "stopped": "cyan"}
_MARKS = {"ready": "✓", "done": "✓", "starting": "…", "waiting": "·", "stopped": "■"}

Status = dict[str, Any]


class Progress:
    """Shows the progress of a start: one changing line on a terminal, elsewhere one line per
    finished process.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._reported: set[str] = set()
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, units: Iterable[Status]) -> None:
        """Show the present state; a process is reported once, when it is ready."""
        waiting = []
        for unit in units:
            if unit["state"] not in {"ready", "done"}:
                waiting.append(f"{unit['name']} ({unit['state']})")
            elif unit["name"] not in self._reported:
                self._reported.add(unit["name"])
                seconds = time.monotonic() - self._began
                console.print(f"  [green]✓[/] {unit['name']:<22} [dim]{seconds:5.1f} s[/]")
        if self._live:
            self._live.update(Text("  … " + ", ".join(waiting), style="yellow", overflow="ellipsis", no_wrap=True))


def status_table(units: Iterable[Status]) -> Table:
    """The processes with their state, how long they run, restarts and memory."""
    table = Table(box=None, pad_edge=False)
    for name, justify in (("process", "left"), ("state", "left"), ("pid", "right"), ("for", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("restarts", justify="right")
    table.add_column("memory", justify="right")
    table.add_column("")
    for unit in units:
        state = unit["state"]
        style = _STYLES.get(state, "red")
        memory = f"{unit['memory_bytes'] / 2**20:.0f} MiB" if unit["memory_bytes"] else ""
        table.add_row(
            unit["name"],
            f"[{style}]{_MARKS.get(state, '✗')} {state}[/]",
            str(unit["pid"] or ""),
            _span(unit["seconds"]),
            str(unit["restarts"] or ""),
            memory,
            Text(unit["detail"], style="dim"),
        )
    return table


def complain(message: str) -> None:
    """Say what went wrong, as it is: words of other programs may look like markup."""
    console.print(Text.assemble(("✗ ", "red"), message), soft_wrap=True)


def tail(path: Path, lines: int = 25, *, after: int = 0) -> str:
    """The last `lines` lines of a log file, of those written after its first `after` bytes."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(after)
        return "\n".join(file.read().decode("utf-8", errors="replace").splitlines()[-lines:])


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
