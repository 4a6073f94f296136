"""Verifying a record: the locked object is read again and everything the register says about it is
checked.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.archive import domain, evidence, store, usecases
from services.archive.domain import Kind, Record
from services.archive.report import Check, Report
from services.archive.worm import WormStore
from services.common.db import Database
from services.common.errors import Exhausted, NotFound
from services.common.identity import caller

AT_ONCE = 4
"""Verifications of different clients that run at a time in a process; of one client it is one. Each
takes the processor for a good part of a second, and more would hold up every other call.
"""


@dataclass(frozen=True)
class Verifier:
    """What a verification needs. roots: trusted CA certificates as PEM."""

    database: Database
    worm: WormStore
    roots: bytes
    _running: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def verify(self, record_id: str) -> tuple[Record, Report]:
        """Check a record and keep the outcome; nothing is kept when the store is away.

        Raises NotFound RECORD_UNKNOWN, Unauthenticated, Forbidden, Unavailable; Exhausted
        VERIFICATIONS_AT_ONCE while another runs, since a call that waited would hold a thread.
        """
        with self.database.transaction() as tx:
            record = usecases.readable_record(tx, record_id)
            chain = domain.chain_problem(record, *store.chain_around(tx, record.id))
        with self._place(caller().client):
            report = self._report(record, Check("REGISTER_CHAIN", not chain, chain))
        with self.database.transaction() as tx:
            store.add_verification(tx, record.id, caller().client, report)
        return record, report

    @contextmanager
    def _place(self, client: str) -> Iterator[None]:
        with self._lock:
            if client in self._running or len(self._running) == AT_ONCE:
                message = "Đang kiểm tra một hồ sơ khác; hãy gửi lại sau ít giây."
                raise Exhausted("VERIFICATIONS_AT_ONCE", message)
            self._running.add(client)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(client)

    def _report(self, record: Record, chain: Check) -> Report:
        checks = [chain, *self._lock_checks(record)]
        data = self._read(record)
        if data is None:
            return Report((*checks, Check("OBJECT_PRESENT", False, f"{record.key} {record.version_id}")))
        checks += [Check("OBJECT_PRESENT", True), *_bytes_checks(record, data)]
        evidence_report = self._evidence(record, data)
        return Report((*checks, *evidence_report.checks), evidence_report.signatures)

    def _lock_checks(self, record: Record) -> Iterator[Check]:
        versions = self.worm.versions(record.key)
        markers = sum(version.is_marker for version in versions)
        alone = [version.version_id for version in versions] == [record.version_id] and not markers
        yield Check("ONE_VERSION", alone, f"{len(versions)} versions, {markers} delete markers")
        try:
            held = self.worm.retention(record.key, record.version_id)
        except NotFound:
            held = None
        locked = held is not None and held.mode == "COMPLIANCE" and held.retain_until >= record.retain_until
        yield Check("LOCKED", locked, f"{held.mode} until {held.retain_until.isoformat()}" if held else "no lock")

    def _read(self, record: Record) -> bytes | None:
        try:
            return self.worm.read(record.key, record.version_id)
        except NotFound:
            return None

    def _evidence(self, record: Record, data: bytes) -> Report:
        """The signatures, as of the moment of archiving: from then on the lock is what proves that
        they existed.
        """
        if record.kind == Kind.SNAPSHOT:
            same = hashlib.sha256(data).digest() == record.content_sha256
            return Report((Check("CONTENT_DIGEST", same, f"SHA-256 {record.content_sha256.hex()}"),))
        subject = evidence.Subject(record.kind, record.school, record.school_year, record.version)
        return evidence.verify(
            data,
            record.object_sha256,
            record.content_sha256,
            subject=subject,
            roots=[self.roots],
            at=record.archive_time,
        )


def _bytes_checks(record: Record, data: bytes) -> Iterator[Check]:
    digest = hashlib.sha256(data).digest()
    yield Check("OBJECT_DIGEST", digest == record.object_sha256, f"SHA-256 {digest.hex()}")
    yield Check("OBJECT_SIZE", len(data) == record.size_bytes, f"{len(data)} bytes")
