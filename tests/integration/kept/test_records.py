"""Records that an earlier release archived verify by this one's register and evidence checks.

The locked bytes are not kept a second time: a book's object is the newest revision of its document
in signing, a snapshot's is its content in gradebook, and the digests in archive's register say that
they are the same bytes.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from psycopg.rows import scalar_row

from deploy.local import layout
from services.archive import domain, evidence
from services.archive import store as register
from services.archive.domain import Record
from services.archive.report import Report
from services.common.db import Database, migrate
from services.signing import store as documents
from tests.integration.kept.conftest import Restored
from tests.integration.kept.test_chains import SERVICES
from tests.kept import kept


@dataclass(frozen=True)
class Archive:
    """The restored databases, and the CA that the release's archive trusted."""

    databases: dict[str, Database]
    roots: bytes

    def records(self) -> list[Record]:
        with self.databases["archive"].transaction() as tx, tx.cursor(row_factory=scalar_row) as cursor:
            ids = cursor.execute("SELECT id FROM record ORDER BY sequence").fetchall()
            records = [register.find_record(tx, record_id) for record_id in ids]
        return [record for record in records if record is not None]

    def chain_problem(self, record: Record) -> str:
        """What is wrong with the record's row in the register, by its stored digests; "" when
        nothing is.
        """
        with self.databases["archive"].transaction() as tx:
            return domain.chain_problem(record, *register.chain_around(tx, record.id))

    def bytes_of(self, record: Record) -> bytes:
        if record.kind == domain.Kind.SNAPSHOT:
            with self.databases["gradebook"].transaction() as tx, tx.cursor(row_factory=scalar_row) as cursor:
                query = "SELECT content FROM snapshot WHERE id = %s"
                return bytes(cursor.execute(query, (record.source,)).fetchall()[0])
        with self.databases["signing"].transaction() as tx, tx.cursor(row_factory=scalar_row) as cursor:
            query = "SELECT id FROM document WHERE (book, version) = (%s, %s)"
            (document,) = cursor.execute(query, (record.source, record.version)).fetchall()
            return documents.pdf(tx, documents.document(tx, document))

    def evidence(self, record: Record, pdf: bytes) -> Report:
        """As of the moment of archiving, as archive itself verifies: certificates end, the record
        does not.
        """
        subject = evidence.Subject(record.kind, record.school, record.school_year, record.version)
        return evidence.verify(
            pdf,
            record.object_sha256,
            record.content_sha256,
            subject=subject,
            roots=[self.roots],
            at=record.archive_time,
        )


@pytest.fixture(scope="module")
def archive(release: str, restored: Restored) -> Iterator[Archive]:
    databases = {}
    for service in layout.SERVICES:
        config = restored(service)
        migrate(config, [SERVICES / service / "migrations"])
        databases[service] = Database(config, max_size=1)
    yield Archive(databases, (kept.FOLDER / release / kept.ROOTS).read_bytes())
    for database in databases.values():
        database.close()


def test_a_record_of_every_kind_is_kept(archive: Archive) -> None:
    kinds = Counter(record.kind for record in archive.records())
    assert kinds.keys() == {
        domain.Kind.CLASS_BOOK,
        domain.Kind.TEACHER_BOOK,
        domain.Kind.TRANSCRIPT,
        domain.Kind.STUDENT_REGISTER,
        domain.Kind.SNAPSHOT,
    }
    assert any(record.version > 1 for record in archive.records())


def test_the_register_is_one_unbroken_chain(archive: Archive) -> None:
    records = archive.records()
    assert {record.id: archive.chain_problem(record) for record in records} == {record.id: "" for record in records}


def test_every_record_verifies(archive: Archive) -> None:
    failed = {}
    for record in archive.records():
        data = archive.bytes_of(record)
        assert (hashlib.sha256(data).digest(), len(data)) == (record.object_sha256, record.size_bytes)
        if record.kind == domain.Kind.SNAPSHOT:
            assert record.content_sha256 == record.object_sha256
        else:
            report = archive.evidence(record, data)
            failed[record.id] = report.failed
            assert report.signatures
    assert len(failed) >= len(
        {domain.Kind.CLASS_BOOK, domain.Kind.TEACHER_BOOK, domain.Kind.TRANSCRIPT, domain.Kind.STUDENT_REGISTER}
    )
    assert set(failed.values()) == {()}


def test_a_changed_row_of_the_register_is_found(archive: Archive) -> None:
    record = archive.records()[1]
    changes: list[Callable[[], Record]] = [
        lambda: replace(record, size_bytes=record.size_bytes + 1),
        lambda: replace(record, object_sha256=bytes([record.object_sha256[0] ^ 1, *record.object_sha256[1:]])),
    ]
    assert [archive.chain_problem(change()) for change in changes] == ["the row was changed"] * len(changes)


def test_a_changed_byte_of_a_record_is_found(archive: Archive) -> None:
    record = next(record for record in archive.records() if record.kind == domain.Kind.TRANSCRIPT)
    pdf = bytearray(archive.bytes_of(record))
    pdf[len(pdf) // 3] ^= 1
    failed = archive.evidence(record, bytes(pdf)).failed
    assert "FILE_DIGEST" in failed
    assert {"SIGNATURES_INTACT", "READABLE"} & set(failed)
