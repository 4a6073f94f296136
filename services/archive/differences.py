"""What can differ between journal, register and store. No I/O, clock or SQL (ADR-0066).

The journal is archive's audit chain: it names every record with its place in the register and the
hash of that row, and is anchored every day. So a register that was cut, put back or written anew
differs from it, and a store that lost or gained objects differs from the register.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from services.archive.domain import Record, Version, row_hash

UNDER_WAY = timedelta(days=1)
"""Age up to which an object without a row is taken for a record that is being archived: it is
locked before it is registered, and the job may wait in between.
"""


LISTED = 100
"""Most differences that are kept one by one; their number is kept whole."""


class Difference(NamedTuple):
    """reason: stable code. name: the record or object. detail: for an operator."""

    reason: str
    name: str
    detail: str


class Entry(NamedTuple):
    """What the journal says of a record. place: in the register, from 1, as the order of the
    journal gives it; stated: that place and the row's hash, empty in entries from before 0.2.
    """

    place: int
    subject: str
    key: str
    version_id: str
    stated: tuple[str, str]


@dataclass(frozen=True)
class Row(Record):
    """A line of the register with its place in the chain."""

    sequence: int
    previous_hash: bytes
    hash: bytes


class Held(NamedTuple):
    """An object that must be in the store. size_bytes: None where nobody noted it."""

    name: str
    key: str
    version_id: str
    size_bytes: int | None


@dataclass
class Comparison:
    """What was compared. records: entries of the journal; objects: versions in the store."""

    started_time: datetime
    records: int = 0
    objects: int = 0
    count: int = 0
    listed: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        """Count a difference, and list it if it is one of the first."""
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(difference)


def of_entry(entry: Entry, row: Row | None) -> Difference | None:
    """How the register differs from an entry of the journal."""
    if row is None:
        return Difference("REGISTER_ROW_MISSING", entry.subject, f"no row {entry.place}")
    if row_hash(row, row.sequence, row.previous_hash) != row.hash:
        return Difference("REGISTER_ROW_CHANGED", entry.subject, f"row {row.sequence} has not its own hash")
    noted = (entry.subject, entry.key, entry.version_id)
    if (f"records/{row.id}", row.key, row.version_id) != noted:
        return Difference("REGISTER_ROW_CHANGED", entry.subject, f"row {row.sequence} is records/{row.id}")
    if entry.stated not in {("", ""), (str(row.sequence), row.hash.hex())}:
        return Difference("REGISTER_ROW_CHANGED", entry.subject, f"row {row.sequence} has another hash than noted")
    return None


def of_unnamed(row: Row) -> Difference:
    """A row that no entry of the journal names."""
    return Difference("REGISTER_ROW_UNKNOWN", f"records/{row.id}", f"row {row.sequence} is not in the journal")


def of_objects(held: Iterable[Held], listed: Iterable[tuple[str, Version]], now: datetime) -> Iterator[Difference]:
    """How the store differs from what must be in it. held was read before the store was listed."""
    by_key: dict[str, list[Version]] = defaultdict(list)
    for key, version in listed:
        by_key[key].append(version)
    expected: dict[str, dict[str, Held]] = defaultdict(dict)
    for item in held:
        expected[item.key][item.version_id] = item
    for key, items in expected.items():
        yield from _of_key(items, by_key.pop(key, []))
    for key, versions in by_key.items():
        for version in versions:
            if version.put_time is None or now - version.put_time > UNDER_WAY:
                yield Difference("OBJECT_UNKNOWN", key, f"version {version.version_id} is in no register")


def _of_key(items: Mapping[str, Held], versions: Sequence[Version]) -> Iterator[Difference]:
    present = {version.version_id: version for version in versions if not version.is_marker}
    for version_id, item in items.items():
        version = present.pop(version_id, None)
        if version is None:
            yield Difference("OBJECT_MISSING", item.name, f"{item.key} {version_id}")
        elif item.size_bytes not in {None, version.size_bytes}:
            yield Difference("OBJECT_SIZE", item.name, f"{version.size_bytes} bytes, {item.size_bytes} noted")
    name = next(iter(items.values())).name
    if present:
        yield Difference("OBJECT_DOUBLE", name, f"{len(present)} further versions")
    if any(version.is_marker for version in versions):
        yield Difference("OBJECT_HIDDEN", name, "a delete marker")
