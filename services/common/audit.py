"""The audit trail: who did what to which subject, in append-only rows chained by hash.

A row is written in the transaction of the act it records. It holds the SHA-256 of its canonical
form (RFC 8785), which includes the hash of the row before it, and the head of the chain holds the
last hash. So `verify` finds an edit, a removal, an insertion, another order or a cut tail. Whoever
owns the database can still forge rows and head together, or put back an older state: that is found
by comparing with the heads that each service anchors in the archive every day (ADR-0051).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import rfc8785

from services.common.db import Call, Database, Tx, execute
from services.common.errors import NotFound
from services.common.rows import one_row, rows, scalars

BATCH_ROWS = 2000
"""Rows of one chain that are read and checked in one transaction."""

MAX_FACT = 2000
"""Characters of a fact that are kept; a row cannot be removed, so nobody decides how long it is."""

_APPEND = (
    "SELECT audit_append(chain, action, subject, client, person, school, facts) FROM json_to_recordset($1::json)"
    " AS r (chain text, action text, subject text, client text, person text, school text, facts jsonb)"
)
_START = bytes(32)


class Actor(Protocol):
    """Who is calling, as `identity.Caller` knows it: certificate name, acting person and school
    (None when absent).
    """

    @property
    def client(self) -> str: ...  # noqa: D102 - described above
    @property
    def person(self) -> str | None: ...  # noqa: D102
    @property
    def school(self) -> str | None: ...  # noqa: D102


class AuditRow(NamedTuple):
    """An act to be recorded.

    chain: what must be read in one order, for example ``school/79000001`` or ``keys``. action:
    stable upper-snake code, such as ``BOOK_LOCKED``. subject: resource name, such as ``books/12``.
    facts: ids, digests, old and new values. caller: who acts.
    """

    chain: str
    action: str
    subject: str
    facts: Mapping[str, str]
    caller: Actor


@dataclass(frozen=True)
class Break:
    """The first bad row of a chain.

    reason: ``HASH_MISMATCH`` (the row was edited), ``LINK_MISMATCH`` (it does not follow the row
        before it), ``ROW_MISSING`` (there is no row with this sequence),
        ``ROW_UNEXPECTED`` (rows beyond the head), ``HEAD_MISMATCH`` (the last row is not the one
        that the head names), ``ANCHOR_MISMATCH`` (the row is not the one that was anchored),
        ``SHORTER_THAN_ANCHOR`` (the chain, which may be gone, ends before its anchored row).
    """

    chain: str
    sequence: int
    reason: str


@dataclass(frozen=True)
class ChainHead:
    """The last row of a chain at some moment: its sequence number and hash (32 bytes)."""

    chain: str
    sequence: int
    sha256: bytes


@dataclass(frozen=True)
class Progress:
    """How far `check_chains` is. breaks: found since the last progress; oldest_time: of all rows
    checked, aware UTC.
    """

    rows: int
    chains_done: int
    chains_total: int
    breaks: tuple[Break, ...]
    oldest_time: datetime | None


class _Row(NamedTuple):
    """What the hash of a row covers."""

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


class _Line(NamedTuple):
    """A row with its chain's head, both of one snapshot. Without a head, or without further rows,
    there are nulls.

    recorded_time, facts: as text, since whoever owns the database can put values there that no
    program reads. outside: rows of the chain whose number is none that a row can have.
    """

    head_sequence: int | None
    head_hash: bytes | None
    outside: int
    chain: str
    sequence: int | None
    recorded_time: str
    action: str
    subject: str
    client: str
    person: str
    school: str
    facts: str
    previous_hash: bytes
    hash: bytes


def append(tx: Tx, record: AuditRow) -> int:
    """Record an act; it stands when and only when `tx` commits. Returns the row's sequence number
    in its chain.

    Writers to one chain wait for each other until commit, so call it last in the transaction, and
    for several chains in the order of their names. An audit row is never refused for its text: what
    PostgreSQL cannot hold (NUL, lone surrogates) is replaced by U+FFFD.
    """
    sequence: int = one_row(execute(tx, appending([record])))[0]
    return sequence


def append_all(tx: Tx, records: Sequence[AuditRow]) -> None:
    """Record acts as `append` does, in one statement.

    records: those of several chains in the order of the chains' names.
    """
    execute(tx, appending(records))


def appending(records: Sequence[AuditRow]) -> Call:
    """The statement that records acts as `append` does, for a transaction's last round trip."""
    return Call(_APPEND, [json.dumps([_fields(record) for record in records], ensure_ascii=False)])


def _fields(record: AuditRow) -> dict[str, object]:
    return {
        "chain": _storable(record.chain),
        "action": _storable(record.action),
        "subject": _storable(record.subject),
        "client": _storable(record.caller.client),
        "person": _storable(record.caller.person or ""),
        "school": _storable(record.caller.school or ""),
        "facts": {_storable(name): _storable(_bounded(value)) for name, value in record.facts.items()},
    }


def _bounded(fact: str) -> str:
    """A fact as it is kept: a long one cut, with the SHA-256 of the whole."""
    if len(fact) <= MAX_FACT:
        return fact
    digest = hashlib.sha256(fact.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{fact[: MAX_FACT - 80]}… sha256:{digest}"


def heads(tx: Tx) -> list[ChainHead]:
    """The end of every chain that has rows, in the order of their names, for anchoring outside of
    the database.
    """
    statement = 'SELECT chain, sequence, hash AS sha256 FROM audit_head WHERE sequence > 0 ORDER BY chain COLLATE "C"'
    return rows(tx, ChainHead, statement).fetchall()


def differences(tx: Tx, anchored: Sequence[ChainHead]) -> list[Break]:
    """The chains that are not the ones that were anchored, by the hashes stored in their rows.

    Enough before a new anchor: `check_chains` recomputes the hashes.
    """
    statement = (
        "SELECT a.chain, a.sequence, CASE WHEN e.hash IS NULL THEN 'SHORTER_THAN_ANCHOR' ELSE 'ANCHOR_MISMATCH' END"
        " AS reason FROM unnest(%s::text[], %s::bigint[], %s::bytea[]) AS a (chain, sequence, sha256)"
        " LEFT JOIN audit_entry e USING (chain, sequence) WHERE e.hash IS DISTINCT FROM a.sha256 ORDER BY a.chain"
    )
    columns = ([h.chain for h in anchored], [h.sequence for h in anchored], [h.sha256 for h in anchored])
    return rows(tx, Break, statement, columns).fetchall()


def verify(tx: Tx, chain: str | None = None) -> list[Break]:
    """Recompute every chain, or only `chain`, and name the first bad row of each; empty when all is
    well.
    """
    return verify_all(tx, chain)[1]


def verify_all(tx: Tx, chain: str | None = None) -> tuple[int, list[Break]]:
    """Like `verify`, with the number of rows that were checked before the breaks."""
    checks = [_ChainCheck(name) for name in ([chain] if chain else _chains(tx))]
    for check in checks:
        while not check.done:
            check.step(tx)
    return sum(check.rows for check in checks), [check.problem for check in checks if check.problem]


def check_chains(database: Database, chain: str = "", anchored: Sequence[ChainHead] = ()) -> Iterator[Progress]:
    """Recompute one chain after the other and compare it with its anchored head; progress after
    each BATCH_ROWS rows.

    Each batch is a short transaction, and none is open while the receiver works. Rows appended
    meanwhile are checked when they are there in time, and are no break. chain: only this one; empty
    means all, those that only an anchor knows included. Raises NotFound AUDIT_CHAIN_UNKNOWN,
    Unavailable.
    """
    anchored_by_chain = {head.chain: head for head in anchored}
    with database.transaction() as tx:
        names = sorted({*_chains(tx), *anchored_by_chain})
    if chain and chain not in names:
        raise NotFound("AUDIT_CHAIN_UNKNOWN", "Không có chuỗi nhật kí này.", chain=chain)
    names = [chain] if chain else names
    checked_rows, oldest_time = 0, None
    for number, name in enumerate(names):
        check = _ChainCheck(name, anchored_by_chain.get(name))
        while not check.done:
            with database.transaction() as tx:
                check.step(tx)
            yield Progress(
                rows=checked_rows + check.rows,
                chains_done=number + check.done,
                chains_total=len(names),
                breaks=(check.problem,) if check.problem else (),
                oldest_time=min(filter(None, (oldest_time, check.oldest_time)), default=None),
            )
        checked_rows += check.rows
        oldest_time = min(filter(None, (oldest_time, check.oldest_time)), default=None)


def _chains(tx: Tx) -> list[str]:
    """The names of all chains, those with rows and no head included: one look into the index for
    each chain.
    """
    statement = (
        "WITH RECURSIVE c AS ((SELECT chain FROM audit_entry ORDER BY chain LIMIT 1) UNION ALL"
        " SELECT (SELECT e.chain FROM audit_entry e WHERE e.chain > c.chain ORDER BY e.chain LIMIT 1) FROM c"
        " WHERE c.chain IS NOT NULL)"
        " SELECT chain FROM c WHERE chain IS NOT NULL UNION SELECT chain FROM audit_head ORDER BY chain"
    )
    return scalars(tx, str, statement).fetchall()


class _ChainCheck:
    """The check of one chain in steps, each of which may run in a transaction of its own: rows are
    only appended.

    problem: the first break; nothing after it is checked. rows: how many were checked, the bad one
    included.
    """

    def __init__(self, chain: str, anchored: ChainHead | None = None) -> None:
        self.rows = 0
        self.done = False
        self.problem: Break | None = None
        self.oldest_time: datetime | None = None
        self._chain = chain
        self._anchored = anchored
        self._sequence = 0
        self._hash = _START

    def step(self, tx: Tx) -> None:
        """Check the next BATCH_ROWS rows."""
        # Each batch but the first begins with the row checked last, which must be there once.
        begun = self._sequence > 0
        limit = BATCH_ROWS + begun
        # One statement, hence one snapshot of rows and head: what is appended meanwhile is neither
        # seen nor missed.
        lines = rows(
            tx,
            _Line,
            "SELECT h.sequence AS head_sequence, h.hash AS head_hash, c.chain, e.sequence,"
            " (SELECT count(*) FROM audit_entry o WHERE o.chain = c.chain AND o.sequence < 1)"
            " + (SELECT count(*) FROM audit_entry o WHERE o.chain = c.chain AND o.sequence IS NULL) AS outside,"
            " e.recorded_time::text, e.action, e.subject, e.client, e.person, e.school, e.facts::text,"
            " e.previous_hash, e.hash"
            " FROM (SELECT %(chain)s::text AS chain) c LEFT JOIN audit_head h USING (chain)"
            " LEFT JOIN LATERAL (SELECT * FROM audit_entry WHERE chain = c.chain AND sequence >= %(first)s"
            " ORDER BY sequence LIMIT %(limit)s) e ON true ORDER BY e.sequence",
            {"chain": self._chain, "first": max(self._sequence, 1), "limit": limit},
        ).fetchall()
        if lines[0].outside:
            self._end("ROW_UNEXPECTED", 0)
            return
        for line in lines[begun and lines[0].sequence == self._sequence :]:
            if line.sequence is not None:
                self._check_row(line, line.sequence)
            if self.done:
                return
        if len(lines) < limit or lines[-1].sequence is None:
            self._check_end(lines[-1].head_sequence or 0, lines[-1].head_hash or _START)

    def _check_row(self, line: _Line, sequence: int) -> None:
        self.rows += 1
        expected, head_sequence = self._sequence + 1, line.head_sequence or 0
        row = _parsed(line, sequence)
        if row is not None:
            self.oldest_time = min(self.oldest_time or row.recorded_time, row.recorded_time)
        if sequence > head_sequence:
            if sequence > expected <= head_sequence:
                self._end("ROW_MISSING", expected)
            else:
                self._end("ROW_UNEXPECTED", sequence)
        elif sequence < expected:
            self._end("ROW_UNEXPECTED", sequence)
        elif sequence != expected:
            self._end("ROW_MISSING", expected)
        elif row is None or not _is_hash(row, line.hash):
            self._end("HASH_MISMATCH", expected)
        elif row.previous_hash != self._hash:
            self._end("LINK_MISMATCH", expected)
        elif self._anchored and self._anchored.sequence == sequence and self._anchored.sha256 != line.hash:
            self._end("ANCHOR_MISMATCH", expected)
        else:
            self._sequence, self._hash = sequence, line.hash

    def _check_end(self, head_sequence: int, head_hash: bytes) -> None:
        self.done = True
        if self._sequence < head_sequence:
            self._end("ROW_MISSING", self._sequence + 1)
        elif self._hash != head_hash:
            self._end("HEAD_MISMATCH", self._sequence)
        elif self._anchored and self._sequence < self._anchored.sequence:
            self._end("SHORTER_THAN_ANCHOR", self._sequence + 1)

    def _end(self, reason: str, sequence: int) -> None:
        self.done = True
        self.problem = Break(self._chain, sequence, reason)


def _hash(row: _Row) -> bytes:
    fields: dict[str, Any] = row._asdict()
    fields["recorded_time"] = row.recorded_time.astimezone(UTC).isoformat(timespec="microseconds")
    fields["previous_hash"] = row.previous_hash.hex()
    return hashlib.sha256(rfc8785.dumps(fields)).digest()


def _parsed(line: _Line, sequence: int) -> _Row | None:
    """The row that a line holds; None for values that we never write, such as the time infinity."""
    try:
        return _Row(
            chain=line.chain,
            sequence=sequence,
            recorded_time=datetime.fromisoformat(line.recorded_time),
            action=line.action,
            subject=line.subject,
            client=line.client,
            person=line.person,
            school=line.school,
            facts=json.loads(line.facts),
            previous_hash=line.previous_hash,
        )
    except (TypeError, ValueError, RecursionError):
        return None


def _is_hash(row: _Row, stored_hash: bytes) -> bool:
    try:
        return _hash(row) == stored_hash
    except (AttributeError, TypeError, ValueError, RecursionError, rfc8785.CanonicalizationError):
        return False  # nulls, or facts that we never write, such as a number beyond 2**53


def _storable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")
