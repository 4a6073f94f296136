"""All SQL of archive. Every function takes the open transaction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from services.archive.differences import Comparison, Entry, Held, Row
from services.archive.domain import (
    CHAIN_START,
    JOURNAL,
    RECORD_ARCHIVED,
    Anchor,
    Bounds,
    Link,
    Policy,
    Record,
    row_hash,
)
from services.archive.proof import ProbeReport
from services.archive.report import Check, Report
from services.common.db import Tx
from services.common.rows import one_row, rows, scalars

_COLUMNS = (
    "id, kind, school, school_year, source, version, content_sha256, object_sha256, size_bytes, bucket, key,"
    " version_id, retain_until, archive_time, policy_version"
)


@dataclass(frozen=True)
class ListedRecord(Record):
    """A record with its place in the register, by which lists are paged."""

    sequence: int


@dataclass(frozen=True)
class Probe:
    """A probe of a store as it was kept."""

    finished_time: datetime
    passed: bool
    checks: Sequence[Check]


@dataclass(frozen=True)
class _ProbeRow:
    finished_time: datetime
    passed: bool
    checks: list[dict[str, Any]]


@dataclass(frozen=True)
class KeptComparison:
    """A comparison of journal, register and store as it was kept. differences: how many; listed:
    the first of them, with the fields of `differences.Difference`.
    """

    started_time: datetime
    finished_time: datetime
    records: int
    objects: int
    differences: int
    listed: list[dict[str, str]]


class _JournalRow(NamedTuple):
    sequence: int
    subject: str
    key: str
    version_id: str
    place: str
    hash: str


@dataclass(frozen=True)
class _RegisterHead:
    sequence: int
    hash: bytes


def add_record(tx: Tx, record: Record) -> tuple[int, bytes]:
    """Add a line at the end of the register's chain; its place there, from 1, and its hash. Call it
    late: others that register wait until `tx` ends.
    """
    head = one_row(rows(tx, _RegisterHead, "SELECT sequence, hash FROM register_head FOR UPDATE"))
    sequence = head.sequence + 1
    digest = row_hash(record, sequence, head.hash)
    tx.execute(
        f"INSERT INTO record ({_COLUMNS}, sequence, previous_hash, hash)"  # noqa: S608 - a constant
        " VALUES (%(id)s, %(kind)s, %(school)s, %(school_year)s, %(source)s, %(version)s, %(content_sha256)s,"
        " %(object_sha256)s, %(size_bytes)s, %(bucket)s, %(key)s, %(version_id)s, %(retain_until)s, %(archive_time)s,"
        " %(policy_version)s, %(sequence)s, %(previous_hash)s, %(hash)s)",
        {**asdict(record), "sequence": sequence, "previous_hash": head.hash, "hash": digest},
    )
    tx.execute("UPDATE register_head SET sequence = %s, hash = %s", (sequence, digest))
    return sequence, digest


def find_record(tx: Tx, record_id: UUID) -> Record | None:
    """A record by its id."""
    return rows(tx, Record, f"SELECT {_COLUMNS} FROM record WHERE id = %s", (record_id,)).fetchone()  # noqa: S608


def find_source(tx: Tx, kind: str, source: str, version: int) -> Record | None:
    """The record of a book version or snapshot."""
    return rows(
        tx,
        Record,
        f"SELECT {_COLUMNS} FROM record WHERE (kind, source, version) = (%s, %s, %s)",  # noqa: S608
        (kind, source, version),
    ).fetchone()


def list_records(
    tx: Tx, school: str, *, kind: str | None, years: Sequence[str] | None, limit: int, before: int | None
) -> list[ListedRecord]:
    """A school's records of a kind and of some years (None: of all), newest first, from below the
    sequence number `before`.
    """
    return rows(
        tx,
        ListedRecord,
        f"SELECT sequence, {_COLUMNS} FROM record WHERE school = %(school)s"  # noqa: S608
        " AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
        " AND (%(years)s::text[] IS NULL OR school_year = ANY(%(years)s))"
        " AND (%(before)s::bigint IS NULL OR sequence < %(before)s)"
        " ORDER BY sequence DESC LIMIT %(limit)s",
        {"school": school, "kind": kind, "years": years, "before": before, "limit": limit},
    ).fetchall()


def chain_around(tx: Tx, record_id: UUID) -> tuple[Link, bytes | None, bytes | None]:
    """A record's link, the hash of the row before it, and the hash that the row after it (or the
    head) follows.
    """
    link = one_row(rows(tx, Link, "SELECT sequence, previous_hash, hash FROM record WHERE id = %s", (record_id,)))
    before: bytes | None = CHAIN_START
    if link.sequence > 1:
        before = scalars(tx, bytes, "SELECT hash FROM record WHERE sequence = %s", (link.sequence - 1,)).fetchone()
    after = scalars(tx, bytes, "SELECT previous_hash FROM record WHERE sequence = %s", (link.sequence + 1,)).fetchone()
    if after is None:
        after = scalars(tx, bytes, "SELECT hash FROM register_head WHERE sequence = %s", (link.sequence,)).fetchone()
    return link, before, after


def policies(tx: Tx) -> list[Policy]:
    """The newest version of each kind's policy."""
    return rows(
        tx,
        Policy,
        "SELECT DISTINCT ON (kind) kind, version, years, permanent, legal_reference FROM retention_policy"
        " ORDER BY kind, version DESC",
    ).fetchall()


def policy(tx: Tx, kind: str) -> Policy:
    """The policy in force for a kind."""
    return next(policy for policy in policies(tx) if policy.kind == kind)


def lock_bounds(tx: Tx, kind: str) -> Bounds:
    """The bounds of a kind; others who change its policy wait until `tx` ends."""
    # Not FOR UPDATE, which asks for the right to change bounds.
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('retention/' || %s, 0))", (kind,))
    statement = "SELECT min_years, max_years FROM retention_bounds WHERE kind = %s"
    return one_row(rows(tx, Bounds, statement, (kind,)))


def add_policy(tx: Tx, policy: Policy) -> None:
    """Add a version of a policy."""
    tx.execute(
        "INSERT INTO retention_policy (kind, version, years, permanent, legal_reference)"
        " VALUES (%(kind)s, %(version)s, %(years)s, %(permanent)s, %(legal_reference)s)",
        asdict(policy),
    )


def add_probe(tx: Tx, report: ProbeReport) -> None:
    """Keep a probe's report."""
    tx.execute(
        "INSERT INTO store_probe (endpoint, bucket, started_time, finished_time, passed, checks)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            report.endpoint,
            report.bucket,
            report.started_time,
            report.finished_time,
            report.passed,
            Jsonb([asdict(check) for check in report.checks]),
        ),
    )


def newest_probe(tx: Tx, endpoint: str, bucket: str) -> Probe | None:
    """The newest probe of this store; None when it was never probed."""
    row = rows(
        tx,
        _ProbeRow,
        "SELECT finished_time, passed, checks FROM store_probe WHERE endpoint = %s AND bucket = %s"
        " ORDER BY id DESC LIMIT 1",
        (endpoint, bucket),
    ).fetchone()
    if row is None:
        return None
    checks = [
        Check(check["name"], check["passed"], f"{check['expected']}: {check['observed']}") for check in row.checks
    ]
    return Probe(row.finished_time, row.passed, checks)


def add_verification(tx: Tx, record_id: UUID, client: str, report: Report) -> None:
    """Keep the outcome of a verification."""
    tx.execute(
        "INSERT INTO verification (record, client, valid, failed) VALUES (%s, %s, %s, %s)",
        (record_id, client, report.valid, list(report.failed)),
    )


def hold_anchors(tx: Tx, service: str) -> None:
    """Others that lock an anchor of this service wait until `tx` ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('audit_anchor/' || %s, 0))", (service,))


def add_anchor(tx: Tx, anchor: Anchor, retain_until: datetime) -> None:
    """Keep a row of a locked anchor. Repeating changes nothing."""
    tx.execute(
        "INSERT INTO audit_anchor (service, number, sha256, key, version_id, retain_until)"
        " VALUES (%(service)s, %(number)s, %(sha256)s, %(key)s, %(version_id)s, %(retain_until)s)"
        " ON CONFLICT DO NOTHING",
        {**asdict(anchor), "retain_until": retain_until},
    )


def register_end(tx: Tx) -> int:
    """The place of the last row in the register; 0 when it is empty."""
    statement = "SELECT sequence FROM record ORDER BY sequence DESC LIMIT 1"
    return scalars(tx, int, statement).fetchone() or 0


def register_after(tx: Tx, place: int, limit: int) -> list[Row]:
    """Rows of the register from behind a place."""
    return rows(
        tx,
        Row,
        f"SELECT sequence, previous_hash, hash, {_COLUMNS} FROM record WHERE sequence > %s"  # noqa: S608
        " ORDER BY sequence LIMIT %s",
        (place, limit),
    ).fetchall()


def journal_after(tx: Tx, sequence: int, places: int, limit: int) -> list[tuple[int, Entry]]:
    """The entries of registered records from behind a row of the journal, each with its number
    there. places: how many entries stand before them.
    """
    found = rows(
        tx,
        _JournalRow,
        "SELECT sequence, subject, facts->>'key' AS key, facts->>'version_id' AS version_id,"
        " coalesce(facts->>'sequence', '') AS place, coalesce(facts->>'hash', '') AS hash FROM audit_entry"
        " WHERE chain = %s AND sequence > %s AND action = %s ORDER BY sequence LIMIT %s",
        (JOURNAL, sequence, RECORD_ARCHIVED, limit),
    )
    return [
        (row.sequence, Entry(place, row.subject, row.key, row.version_id, (row.place, row.hash)))
        for place, row in enumerate(found, places + 1)
    ]


def held_below(tx: Tx, prefix: str) -> list[Held]:
    """The objects of records whose key begins with a prefix."""
    statement = (
        "SELECT 'records/' || id AS name, key, version_id, size_bytes FROM record"
        ' WHERE key COLLATE "C" >= %(first)s AND key COLLATE "C" < %(end)s'
    )
    return rows(tx, Held, statement, {"first": prefix, "end": f"{prefix}\U0010ffff"}).fetchall()


def held_anchors(tx: Tx) -> list[Held]:
    """The objects of all anchors: a few per day."""
    statement = (
        "SELECT 'anchors/' || service || '/' || number AS name, key, version_id, NULL::bigint AS size_bytes"
        " FROM audit_anchor"
    )
    return rows(tx, Held, statement).fetchall()


def add_comparison(tx: Tx, result: Comparison) -> None:
    """Keep the result of a comparison."""
    listed = Jsonb([difference._asdict() for difference in result.listed])
    tx.execute(
        "INSERT INTO comparison (started_time, records, objects, differences, listed) VALUES (%s, %s, %s, %s, %s)",
        (result.started_time, result.records, result.objects, result.count, listed),
    )


def newest_comparison(tx: Tx) -> KeptComparison | None:
    """The newest comparison; None before the first."""
    return rows(
        tx,
        KeptComparison,
        "SELECT started_time, finished_time, records, objects, differences, listed FROM comparison"
        " ORDER BY id DESC LIMIT 1",
    ).fetchone()
