"""A database of the release before, with rows in it, is migrated and verifies as it did."""

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from services.archive import domain, store
from services.archive.domain import Kind, Record
from services.common import audit, db
from services.common.db import Database
from services.common.identity import SYSTEM
from services.common.settings import DatabaseConfig
from tests.integration.archive.anchor_line import MIGRATIONS
from tests.owning import as_owner
from tests.servers import PostgresServer

NOW = datetime.now(UTC)
RECORD = Record(
    id=uuid.uuid4(),
    kind=Kind.CLASS_BOOK,
    school="79000123",
    school_year="2025-2026",
    source=str(uuid.uuid4()),
    version=1,
    content_sha256=bytes(32),
    object_sha256=b"\1" * 32,
    size_bytes=9,
    bucket="b",
    key="k",
    version_id="v",
    retain_until=NOW + timedelta(days=7000),
    archive_time=NOW,
    policy_version=1,
)


def first(count: int, folder: Path, to: Path) -> Path:
    """The first migrations of a folder, alone."""
    to.mkdir(parents=True)
    for file in sorted(folder.glob("*.sql"))[:count]:
        shutil.copy(file, to)
    return to


@pytest.fixture
def before(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatabaseConfig]:
    """Archive's database with common 0004 and archive 0002, a record and audit rows in it."""
    config = postgres_server.create("archive")
    with monkeypatch.context() as older:
        older.setattr(db, "_COMMON_MIGRATIONS", first(4, db._COMMON_MIGRATIONS, tmp_path / "common" / "migrations"))
        db.migrate(config, [first(2, MIGRATIONS, tmp_path / "archive" / "migrations")])
    with as_owner(config) as tx:
        store.add_record(tx, RECORD)
        for number in range(3):
            audit.append(
                tx, audit.AuditRow("archive", "RECORD_ARCHIVED", f"records/{number}", {"kind": "CLASS_BOOK"}, SYSTEM)
            )
        with pytest.raises(psycopg.errors.CheckViolation), tx.transaction():
            tx.execute("INSERT INTO retention_bounds VALUES ('MINUTES', 5, 10)")
    yield config
    postgres_server.drop(config)


def test_records_of_the_release_before_still_verify(before: DatabaseConfig) -> None:
    assert db.migrate(before, [MIGRATIONS]) == [
        "common/0005_audit_without_subjects.sql",
        "common/0006_standing.sql",
        "common/0009_events_again.sql",
        "archive/0003_anchors.sql",
        "archive/0004_source_ids.sql",
        "archive/0005_comparison.sql",
    ]
    database = Database(before, max_size=1)
    with database.transaction() as tx:
        assert audit.verify_all(tx) == (3, [])
        audit.append(tx, audit.AuditRow("archive", "RECORD_ARCHIVED", "records/9", {}, SYSTEM))
        assert audit.verify_all(tx) == (4, [])
        record = store.find_record(tx, RECORD.id)
        assert record == RECORD
        assert domain.chain_problem(record, *store.chain_around(tx, record.id)) == ""
        assert tx.execute("SELECT to_regclass('audit_entry_subject')").fetchone() == (None,)
    database.close()


def test_a_new_kind_is_a_row_and_an_unknown_one_is_still_refused(before: DatabaseConfig) -> None:
    db.migrate(before, [MIGRATIONS])
    policy = (
        "INSERT INTO retention_policy (kind, version, years, permanent, legal_reference) VALUES (%s, 1, 7, false, 'x')"
    )
    with as_owner(before) as tx:
        with pytest.raises(psycopg.errors.ForeignKeyViolation), tx.transaction():
            tx.execute(policy, ("MINUTES",))
        tx.execute("INSERT INTO retention_bounds VALUES ('MINUTES', 5, 10)")
        tx.execute(policy, ("MINUTES",))
        with pytest.raises(psycopg.errors.ForeignKeyViolation), tx.transaction():
            tx.execute(
                "INSERT INTO record SELECT gen_random_uuid(), 2, 'NOTHING', school, school_year, source, version,"
                " content_sha256, object_sha256, size_bytes, bucket, key, version_id, retain_until, archive_time,"
                " policy_version, previous_hash, hash FROM record"
            )
