"""Memory of a process and all its descendants, as the kernel counts it.

RSS counts a page once for each process that maps it; PSS shares it out among them (proc(5),
smaps_rollup), so PSS may be added up over processes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_FIGURE = re.compile(r"^(Rss|Pss): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """Bytes, of so many processes together."""

    rss: int
    pss: int
    processes: int = 1

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.rss + other.rss, self.pss + other.pss, self.processes + other.processes)


def of_tree(pid: int) -> Memory:
    """Memory of process `pid` and all its descendants.

    Raises PermissionError for a process of another user or one that hides itself (prctl(2),
    PR_SET_DUMPABLE) unless the caller is root.
    """
    whole = Memory(0, 0, 0)
    for process in descendants(pid, _parents()):
        try:
            text = (_PROC / str(process) / "smaps_rollup").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):  # ended while we looked
            continue
        whole += parse(text)
    return whole


def parse(smaps_rollup: str) -> Memory:
    """The figures in the text of /proc/<pid>/smaps_rollup. Raises KeyError when it has none."""
    figures = {name: int(kilobytes) * 1024 for name, kilobytes in _FIGURE.findall(smaps_rollup)}
    return Memory(figures["Rss"], figures["Pss"])


def descendants(pid: int, parents: Mapping[int, int]) -> list[int]:
    """`pid` and every process below it, given the parent of each process."""
    tree = [pid]
    for process in tree:  # grows while we walk it
        tree += [child for child, parent in parents.items() if parent == process]
    return tree


def _parents() -> dict[int, int]:
    return dict(_parent_of(_PROC.glob("[0-9]*/stat")))


def _parent_of(stats: Iterable[Path]) -> Iterable[tuple[int, int]]:
    for path in stats:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name in parentheses may hold anything, so fields are counted after its end (proc(5)).
        yield int(path.parent.name), int(text.rpartition(")")[2].split()[1])
