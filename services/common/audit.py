"""The audit trail: who did what to which subject, in append-only rows chained by hash, in the transaction of the act.

Each row holds the SHA-256 of its canonical form (RFC 8785), which includes the hash of the row before it, and the
chain's head holds the last. So an edit, a removal, an insertion, another order or a cut tail is found by `verify`.
Whoever can rewrite rows and head together could still forge a whole chain; the archive anchors heads outside.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import rfc8785

from services.common.db import Call, Tx, execute

_APPEND = (
    "SELECT audit_append(chain, action, subject, client, person, school, facts) FROM json_to_recordset($1::json)"
    " AS r (chain text, action text, subject text, client text, person text, school text, facts jsonb)"
)
_START = bytes(32)
_FETCH_ROWS = 1000


class Actor(Protocol):
    """Who is calling, as `identity.Caller` knows it: certificate name, acting person and school (None when absent)."""

    @property
    def client(self) -> str: ...  # noqa: D102 - described above
    @property
    def person(self) -> str | None: ...  # noqa: D102
    @property
    def school(self) -> str | None: ...  # noqa: D102


class Record(NamedTuple):
    """An act to be recorded; the fields are what `append` takes, in its order."""

    chain: str
    action: str
    subject: str
    facts: Mapping[str, str]
    caller: Actor


@dataclass(frozen=True)
class Break:
    """The first bad row of a chain.

    reason: ``HASH_MISMATCH`` (the row was edited), ``LINK_MISMATCH`` (it does not follow the row before it),
        ``ROW_MISSING`` (a row with this sequence is not there), ``ROW_UNEXPECTED`` (rows stand beyond the head),
        ``HEAD_MISMATCH`` (the last row is not the one that the head names).
    """

    chain: str
    sequence: int
    reason: str


@dataclass(frozen=True)
class Head:
    """The end of a chain: the sequence and hash of its last row."""

    chain: str
    sequence: int
    sha256: bytes


class _Row(NamedTuple):
    chain: str
    sequence: int
    recorded_time: datetime
    action: str
    subject: str
    client: str
    person: str
    school: str
    facts: dict[str, str]
    previous_hash: bytes


def append(tx: Tx, chain: str, action: str, subject: str, facts: Mapping[str, str], caller: Actor) -> int:
    """Record an act; it stands when and only when `tx` commits. Returns the row's sequence number in its chain.

    chain: what must be read in one order, for example ``school/79000001`` or ``keys``. Writers to one chain wait for
    each other until commit, so call it last in the transaction, and for several chains in the order of their names.
    action: stable upper-snake code, such as ``BOOK_LOCKED``; subject: resource name, such as ``books/12``.
    facts: ids, digests, old and new values. An audit row is never refused for its text: what PostgreSQL cannot hold
    (NUL, lone surrogates) is replaced by U+FFFD.
    """
    row = execute(tx, appending([Record(chain, action, subject, facts, caller)])).fetchone()
    assert row is not None
    return int(row[0])


def append_all(tx: Tx, records: Sequence[Record]) -> None:
    """Record acts as `append` does, in their order, in one statement; those of a chain stand together."""
    execute(tx, appending(records))


def appending(records: Sequence[Record]) -> Call:
    """The statement that records acts as `append` does, for a transaction's last round trip."""
    return _APPEND, [json.dumps([_fields(one) for one in records], ensure_ascii=False)]


def _fields(one: Record) -> dict[str, object]:
    return {
        "chain": _storable(one.chain),
        "action": _storable(one.action),
        "subject": _storable(one.subject),
        "client": _storable(one.caller.client),
        "person": _storable(one.caller.person or ""),
        "school": _storable(one.caller.school or ""),
        "facts": {_storable(name): _storable(value) for name, value in one.facts.items()},
    }


def verify(tx: Tx, chain: str | None = None) -> list[Break]:
    """Recompute every chain, or only `chain`, and name the first bad row of each; empty when all is well."""
    return verify_all(tx, chain)[1]


def verify_all(tx: Tx, chain: str | None = None) -> tuple[int, list[Break]]:
    """Like `verify`, with the number of rows that were checked before the breaks."""
    breaks: list[Break] = []
    checked = 0
    previous = _Position("", 0, _START, broken=True)
    # One statement, hence one snapshot: rows appended meanwhile are neither seen nor missed.
    with tx.cursor(name="audit_verify") as cursor:
        cursor.itersize = _FETCH_ROWS
        cursor.execute(
            "SELECT chain, h.sequence, h.hash, e.sequence, e.recorded_time, e.action, e.subject, e.client, e.person,"
            " e.school, e.facts, e.previous_hash, e.hash"
            " FROM (SELECT * FROM audit_head WHERE %(chain)s::text IS NULL OR chain = %(chain)s) h FULL JOIN"
            " (SELECT * FROM audit_entry WHERE %(chain)s::text IS NULL OR chain = %(chain)s) e USING (chain)"
            " ORDER BY chain, e.sequence",
            {"chain": chain},
        )
        for name, head_sequence, head_hash, *entry in cursor:
            if name != previous.chain:
                breaks += previous.end()
                previous = _Position(name, head_sequence or 0, head_hash or _START)
            if entry[0] is None or previous.broken:
                continue
            checked += 1
            breaks += previous.step(_Row(name, *entry[:-1]), entry[-1])
    return checked, breaks + previous.end()


def heads(tx: Tx) -> list[Head]:
    """The end of every chain, for anchoring outside the database."""
    return [Head(*row) for row in tx.execute("SELECT chain, sequence, hash FROM audit_head ORDER BY chain")]


class _Position:
    """How far a chain has been checked."""

    def __init__(self, chain: str, head_sequence: int, head_hash: bytes, *, broken: bool = False) -> None:
        self.chain = chain
        self.broken = broken
        self._head_sequence = head_sequence
        self._head_hash = head_hash
        self._sequence = 0
        self._hash = _START

    def step(self, row: _Row, stored_hash: bytes) -> list[Break]:
        expected = self._sequence + 1
        if row.sequence > self._head_sequence:
            reason = "ROW_MISSING" if row.sequence > expected <= self._head_sequence else "ROW_UNEXPECTED"
        elif row.sequence != expected:
            reason = "ROW_MISSING"
        elif not _is_hash(row, stored_hash):
            reason = "HASH_MISMATCH"
        elif row.previous_hash != self._hash:
            reason = "LINK_MISMATCH"
        else:
            self._sequence, self._hash = row.sequence, stored_hash
            return []
        self.broken = True
        return [Break(self.chain, row.sequence if reason == "ROW_UNEXPECTED" else expected, reason)]

    def end(self) -> list[Break]:
        if self.broken:
            return []
        if self._sequence < self._head_sequence:
            return [Break(self.chain, self._sequence + 1, "ROW_MISSING")]
        if self._hash != self._head_hash:
            return [Break(self.chain, self._sequence, "HEAD_MISMATCH")]
        return []


def _hash(row: _Row) -> bytes:
    fields: dict[str, Any] = row._asdict()
    fields["recorded_time"] = row.recorded_time.astimezone(UTC).isoformat(timespec="microseconds")
    fields["previous_hash"] = row.previous_hash.hex()
    return hashlib.sha256(rfc8785.dumps(fields)).digest()


def _is_hash(row: _Row, stored_hash: bytes) -> bool:
    try:
        return _hash(row) == stored_hash
    except rfc8785.CanonicalizationError:  # facts that we never write, such as a number beyond 2**53
        return False


def _storable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")
