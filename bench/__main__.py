"""``python -m bench``: measure, print the table, write ``.run/bench/bench.json``.

The exit code is 0 also when a target is missed (the row is marked), and 1 when something could not
be measured.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from bench import (
    city,
    class_results,
    edge,
    entry_latency,
    line,
    machine,
    marks,
    relay,
    rendering,
    report,
    school,
    signing,
)
from bench import stack as stacks
from bench.pairs import Settings, Tell
from bench.report import Row
from deploy.local import bringup
from deploy.local.layout import REPOSITORY, LocalError, Stack, open_stack

_OUT = REPOSITORY / ".run" / "bench" / "bench.json"
_GROUPS = ("edge", "marks", "entry", "results", "rendering", "relay", "signing", "line")
_CLASSES = 4
_console = Console(highlight=False)


def main() -> int:
    """Run the chosen groups one after the other."""
    arguments = _parser().parse_args()
    usual = Settings(3, 1) if arguments.quick else Settings(5, 5)
    settings = Settings(arguments.pairs or usual.pairs, arguments.seconds or usual.seconds)
    stack = open_stack(stacks.NAME, arguments.port_base)
    bringup.clean(stack)
    facts = machine.facts() | {"pairs": settings.pairs, "seconds": settings.seconds}
    tell = _teller()
    rows: list[Row] = []
    failed: list[str] = []
    try:
        plan = (
            _city(stack, arguments.city, tell)
            if arguments.city
            else _plan(stack, settings, arguments.clients, arguments.only or _GROUPS, tell)
        )
        for name, work in plan:
            _console.rule(f"[bold]{name}[/]", align="left")
            try:
                rows += work()
            except Exception:  # noqa: BLE001 - shown whole; what else was measured must not be lost for it
                failed.append(name)
                _console.print(traceback.format_exc(), style="red", markup=False)
    finally:
        bringup.down(stack)
    if not failed:
        bringup.clean(stack)
    report.write(arguments.out, rows, facts)
    _conclude(rows, facts, failed, arguments.out, stack)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 pairs of 1 s: shows that all works, proves little")
    parser.add_argument("--pairs", type=int, help="pairs a ratio [5, with --quick 3]")
    parser.add_argument("--seconds", type=float, help="length of the system's slice in a pair [5, with --quick 1]")
    parser.add_argument("--clients", type=int, default=8, help="concurrent clients that enter marks [8]")
    parser.add_argument("--only", nargs="+", choices=_GROUPS, metavar="GROUP", help=f"some of {', '.join(_GROUPS)}")
    parser.add_argument(
        "--city",
        type=float,
        nargs="?",
        const=1.0,
        metavar="SHARE",
        help="instead of all else: the curve of a growing city, and reads of the table at SHARE of one [1]",
    )
    base = int(os.environ.get("HOSO_PORT_BASE", stacks.PORT_BASE))
    parser.add_argument("--port-base", type=int, default=base, help=f"first of a hundred ports [{base}]")
    parser.add_argument("--out", type=Path, default=_OUT, help="file to write [.run/bench/bench.json]")
    return parser


def _plan(
    stack: Stack, settings: Settings, clients: int, chosen: tuple[str, ...], tell: Tell
) -> Iterator[tuple[str, Callable[[], list[Row]]]]:
    """The chosen groups in order, with the stack that each needs: servers only, except for the
    line.
    """
    if set(chosen) != {"line"}:
        if bringup.up(stack, servers_only=True):
            raise LocalError("the servers do not start")
        contents = school.contents(stack, classes=_CLASSES) if {"rendering", "signing"} & set(chosen) else []
        alone: dict[str, Callable[[], list[Row]]] = {
            "edge": lambda: edge.measure(stack, settings, tell),
            "marks": lambda: marks.measure(stack, settings, clients, tell),
            "entry": lambda: entry_latency.measure(stack, settings, tell),
            "results": lambda: class_results.measure(stack, settings, tell),
            "rendering": lambda: rendering.measure(contents, settings, tell),
            "relay": lambda: relay.measure(stack, settings, tell),
            "signing": lambda: signing.measure(stack, contents[0], settings, tell),
        }
        yield from ((name, work) for name, work in alone.items() if name in chosen)
        bringup.down(stack)
    if "line" in chosen:
        # From nothing: the demo's school must be new, and memory must be that of fresh processes.
        bringup.clean(stack)
        yield "line", lambda: line.measure(stack, school.STUDENTS, tell)


def _city(stack: Stack, full: float, tell: Tell) -> Iterator[tuple[str, Callable[[], list[Row]]]]:
    if bringup.up(stack, servers_only=True):
        raise LocalError("the servers do not start")
    yield "city", lambda: city.measure(stack, full, tell)


def _teller() -> Tell:
    began = time.monotonic()

    def tell(text: str) -> None:
        _console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {text}", soft_wrap=True)

    return tell


def _conclude(rows: list[Row], facts: report.Facts, failed: list[str], out: Path, stack: Stack) -> None:
    _console.print()
    report.show(rows, _console)
    _console.print(
        f"[dim]{facts['cpus']} × {facts['cpu']}, load at the start {facts['load_1m']}, commit {facts['commit']}; "
        f"ratios are medians of {facts['pairs']} pairs of {facts['seconds']} s[/]"
    )
    _console.print(f"Written to [cyan]{out}[/]")
    missed = [row.name for row in rows if row.met is False]
    if missed:
        _console.print(f"[bold red]Missed: {', '.join(missed)}[/]")
    if failed:
        _console.print(f"[bold red]Not measured: {', '.join(failed)}[/]; logs are in {stack.log}")


if __name__ == "__main__":
    sys.exit(main())
