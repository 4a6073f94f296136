"""All SQL of archive. Every function takes the open transaction."""

from collections.abc import Sequence
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from services.archive.domain import CHAIN_START, Bounds, Link, Policy, Record, row_hash
from services.archive.proof import Report as ProbeReport
from services.archive.report import Check, Report
from services.common.db import Tx

_COLUMNS = (
    "id, kind, school, school_year, source, version, content_sha256, object_sha256, size_bytes, bucket, key,"
    " version_id, retain_until, archive_time, policy_version"
)


def add_record(tx: Tx, record: Record) -> None:
    """Add a line at the end of the register's chain. Call it late: others that register wait until `tx` ends."""
    head = tx.execute("SELECT sequence, hash FROM register_head FOR UPDATE").fetchone()
    assert head is not None
    sequence, previous = head[0] + 1, head[1]
    digest = row_hash(record, sequence, previous)
    tx.execute(
        f"INSERT INTO record ({_COLUMNS}, sequence, previous_hash, hash)"  # noqa: S608 - a constant
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (*astuple(record), sequence, previous, digest),
    )
    tx.execute("UPDATE register_head SET sequence = %s, hash = %s", (sequence, digest))


def find_record(tx: Tx, record_id: UUID) -> Record | None:
    """One record by its id."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM record WHERE id = %s", (record_id,)).fetchone()  # noqa: S608
    return Record(*row) if row else None


def find_source(tx: Tx, kind: str, source: str, version: int) -> Record | None:
    """The record of one book version or snapshot."""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM record WHERE (kind, source, version) = (%s, %s, %s)",  # noqa: S608
        (kind, source, version),
    ).fetchone()
    return Record(*row) if row else None


def list_records(tx: Tx, school: str, kind: str | None, limit: int, before: int | None) -> list[tuple[int, Record]]:
    """A school's records with their sequence numbers, newest first, from below `before`."""
    rows = tx.execute(
        f"SELECT sequence, {_COLUMNS} FROM record WHERE school = %(school)s"  # noqa: S608
        " AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(before)s::bigint IS NULL OR sequence < %(before)s)"
        " ORDER BY sequence DESC LIMIT %(limit)s",
        {"school": school, "kind": kind, "before": before, "limit": limit},
    )
    return [(row[0], Record(*row[1:])) for row in rows]


def chain_around(tx: Tx, record_id: UUID) -> tuple[Link, bytes | None, bytes | None]:
    """A record's link, the hash of the row before it, and the hash that the row after it (or the head) follows."""
    row = tx.execute("SELECT sequence, previous_hash, hash FROM record WHERE id = %s", (record_id,)).fetchone()
    assert row is not None
    link = Link(*row)
    before = (
        CHAIN_START
        if link.sequence == 1
        else _one(tx, "SELECT hash FROM record WHERE sequence = %s", link.sequence - 1)
    )
    after = _one(tx, "SELECT previous_hash FROM record WHERE sequence = %s", link.sequence + 1)
    if after is None:
        after = _one(tx, "SELECT hash FROM register_head WHERE sequence = %s", link.sequence)
    return link, before, after


def policies(tx: Tx) -> list[Policy]:
    """The newest version of each kind's policy."""
    rows = tx.execute(
        "SELECT DISTINCT ON (kind) kind, version, years, permanent, legal_reference FROM retention_policy"
        " ORDER BY kind, version DESC"
    )
    return [Policy(*row) for row in rows]


def policy(tx: Tx, kind: str) -> Policy:
    """The policy in force for a kind."""
    return next(p for p in policies(tx) if p.kind == kind)


def lock_bounds(tx: Tx, kind: str) -> Bounds:
    """The bounds of a kind; others who change its policy wait until `tx` ends."""
    row = tx.execute("SELECT min_years, max_years FROM retention_bounds WHERE kind = %s FOR UPDATE", (kind,)).fetchone()
    assert row is not None
    return Bounds(*row)


def add_policy(tx: Tx, policy: Policy) -> None:
    """Add a version of a policy."""
    tx.execute(
        "INSERT INTO retention_policy (kind, version, years, permanent, legal_reference) VALUES (%s, %s, %s, %s, %s)",
        astuple(policy),
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


def newest_probe(tx: Tx, endpoint: str, bucket: str) -> tuple[datetime, bool, Sequence[Check]] | None:
    """Time, outcome and checks of the newest probe of this store."""
    row = tx.execute(
        "SELECT finished_time, passed, checks FROM store_probe WHERE endpoint = %s AND bucket = %s"
        " ORDER BY id DESC LIMIT 1",
        (endpoint, bucket),
    ).fetchone()
    if row is None:
        return None
    checks = [Check(c["name"], c["passed"], f"{c['expected']}: {c['observed']}") for c in row[2]]
    return row[0], row[1], checks


def add_verification(tx: Tx, record_id: UUID, client: str, report: Report) -> None:
    """Keep the outcome of a verification."""
    tx.execute(
        "INSERT INTO verification (record, client, valid, failed) VALUES (%s, %s, %s, %s)",
        (record_id, client, report.valid, list(report.failed)),
    )


def _one(tx: Tx, statement: Any, sequence: int) -> bytes | None:
    row = tx.execute(statement, (sequence,)).fetchone()
    return row[0] if row else None
