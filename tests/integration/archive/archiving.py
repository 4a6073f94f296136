"""Archive over a real database and store, with stand-ins for gradebook and signing."""

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from hoso.gradebook.v1 import events_pb2

from services.archive import domain, events, locking, store, worm
from services.archive.domain import Record
from services.archive.verification import Verifier
from services.common import jobs
from services.common.identity import Caller
from tests.integration.archive import peers as stand_ins
from tests.integration.archive.stores import RunningStore
from tests.owning import as_owner

OPERATOR = Caller("operator/department")


@dataclass(frozen=True)
class Sealed:
    """A sealed book, print's copy of it and one of its revisions, by a CA that archive trusts."""

    content: bytes
    printed: bytes
    pdf: bytes
    before_seal: bytes
    roots: bytes


@dataclass(frozen=True)
class Bench:
    """Archive over a real database and store, and the bytes its peers hand out."""

    archive: locking.Archive
    peers: stand_ins.Peers
    running: RunningStore

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.archive.database, self.archive.worm, self.archive.roots)

    def announce_book(self, sealed: Sealed, **change: Any) -> str:
        """The event BookLocked of a new book, and its document at signing; the book's id."""
        content = json.loads(sealed.content)
        document, book = str(uuid.uuid4()), str(uuid.uuid4())
        self.peers.documents[document] = change.pop("offered", sealed.pdf)
        event = events_pb2.BookLocked(
            book=book,
            version=1,
            school=content["school"]["code"],
            school_year=content["school_year"],
            content_sha256=hashlib.sha256(sealed.content).digest(),
            document=document,
            document_sha256=hashlib.sha256(sealed.pdf).digest(),
        )
        for name, value in change.items():
            setattr(event, name, value)
        self.peers.lock(event, sealed.printed)
        self.hear(event)
        return book

    def hear(self, event: Any) -> None:
        """Hand an event to archive's consumer."""
        handle = {s.event: s.handle for s in events.SUBSCRIPTIONS}[type(event)]
        with self.archive.database.transaction() as tx:
            handle(tx, event)

    def announce_snapshot(self, data: bytes, school: str = "79000123") -> str:
        snapshot = str(uuid.uuid4())
        self.peers.snapshots[snapshot] = data
        event = events_pb2.SnapshotTaken(
            snapshot=snapshot,
            school=school,
            school_year="2025-2026",
            content_sha256=hashlib.sha256(data).digest(),
            size_bytes=len(data),
        )
        self.peers.take(event)
        self.hear(event)
        return snapshot

    def claim(self) -> jobs.Job | None:
        with self.archive.database.transaction() as tx:
            return jobs.claim(tx, [domain.LOCK_BOOK_JOB, domain.LOCK_SNAPSHOT_JOB], 60)

    def work(self) -> None:
        """Run the one job that is due."""
        job = self.claim()
        assert job is not None
        self.run(job)

    def run(self, job: jobs.Job) -> None:
        """Run a job that was claimed."""
        locking.handlers(self.archive)[job.kind](job)

    def trusting(self, roots: bytes) -> "Bench":
        """The same, trusting these CA certificates."""
        return replace(self, archive=replace(self.archive, roots=roots))

    def record(self, kind: str, source: str, version: int) -> Record:
        with self.archive.database.transaction() as tx:
            record = store.find_source(tx, kind, source, version)
        assert record is not None
        return record

    def query(self, statement: str) -> list[Any]:
        with as_owner(self.archive.database.config) as tx:
            return tx.execute(statement.encode()).fetchall()

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(t, json.loads(bytes(b))) for t, b in self.query("SELECT type, body FROM outbox ORDER BY id")]

    def objects(self) -> list[str]:
        client = worm.connect(self.running.config, self.running.admin)
        return [str(o.object_name) for o in client.list_objects(self.running.config.bucket, recursive=True)]
