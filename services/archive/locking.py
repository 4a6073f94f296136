"""The jobs that lock records: ask gradebook, fetch by name and digest, check, put under object
lock, read back, register.

A job may be killed at any point. Before the put nothing has happened; after it the next attempt
finds the same object under its content address and registers it, so that no object is left over and
none is locked twice.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hoso.gradebook.v1 import common_pb2, marks_pb2
from hoso.gradebook.v1.books_pb2 import BookFacts
from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub
from hoso.gradebook.v1.marks_pb2_grpc import MarkServiceStub
from hoso.signing.v1 import signing_pb2
from hoso.signing.v1.signing_pb2_grpc import SigningServiceStub

from services.archive import domain, evidence, store, usecases
from services.archive.domain import Kind, Policy, Record
from services.archive.worm import WormStore, content_key
from services.common import book_facts, chunks, jobs, log
from services.common.db import Database
from services.common.errors import Forged, Waiting
from services.common.grpc_client import DEADLINE_S, calling
from services.common.jobs import Job

_log = log.get(__name__)


@dataclass(frozen=True)
class Archive:
    """What a job needs. roots: trusted CA certificates as PEM; marks, signing: where the bytes come
    from; books: what gradebook knows of them.
    """

    database: Database
    worm: WormStore
    endpoint: str
    roots: bytes
    marks: MarkServiceStub
    books: BookServiceStub
    signing: SigningServiceStub


def handlers(archive: Archive) -> Mapping[str, Callable[[Job], None]]:
    """The handlers for `worker.run`."""
    return {
        domain.LOCK_SNAPSHOT_JOB: lambda job: lock_snapshot(archive, job),
        domain.LOCK_BOOK_JOB: lambda job: lock_book(archive, job),
    }


def lock_snapshot(archive: Archive, job: Job) -> None:
    """Lock the data of a class as it was when its entry window closed.

    Raises Waiting STORE_NOT_PROVEN, Unavailable, NotFound; Forged SNAPSHOT_DIFFERS,
    DIGEST_MISMATCH or STORE_TAMPERED.
    """
    announced = bytes.fromhex(job.payload["content_sha256"])
    snapshot = job.payload["snapshot"]
    policy = _begin(archive, job, kind=Kind.SNAPSHOT, source=snapshot, version=0, object_sha256=announced)
    if policy is None:
        return
    _compare_snapshot(archive, job)
    request = marks_pb2.DownloadSnapshotRequest(snapshot=snapshot)
    with calling("gradebook"):
        stream = archive.marks.DownloadSnapshot(request, timeout=DEADLINE_S)
        data = chunks.join((piece.chunk for piece in stream), sha256=announced)
    _lock_and_register(archive, job, data, source=snapshot, version=0, policy=policy)


def lock_book(archive: Archive, job: Job) -> None:
    """Lock a closed book of any type if every check of its evidence passes; otherwise refuse it.

    Nothing is kept of a version that has ended meanwhile. Raises Waiting STORE_NOT_PROVEN,
    SIGNING_COPY_UNKNOWN; Unavailable, NotFound; Forged BOOK_STATE, BOOK_DIFFERS, RECORD_DIFFERS,
    STORE_TAMPERED.
    """
    announced = bytes.fromhex(job.payload["document_sha256"])
    book, version = job.payload["book"], int(job.payload["version"])
    # Jobs of the first release name no kind: class books were the only one.
    kind = job.payload.get("kind", Kind.CLASS_BOOK)
    policy = _begin(archive, job, kind=kind, source=book, version=version, object_sha256=announced)
    if policy is None:
        return
    facts = _compare_book(archive, job, kind)
    if facts.state in book_facts.ENDED:
        _log.info("the version has ended; nothing is locked", book=book, version=version)
        with archive.database.transaction() as tx:
            jobs.finish(tx, job)
        return
    pdf = _fetch_document(archive, job.payload["document"])
    report = evidence.verify(
        pdf,
        announced,
        bytes.fromhex(job.payload["content_sha256"]),
        subject=evidence.Subject(kind, job.payload["school"], job.payload["school_year"], version),
        roots=[archive.roots],
        at=datetime.now(UTC),
        printed=evidence.Printed(facts.signing_pdf_sha256, facts.signing_pdf_size_bytes),
    )
    if not report.valid:
        _log.error("closed book refused", kind=kind, book=book, failed=report.failed, alarm=True)
        with archive.database.transaction() as tx:
            usecases.refuse(tx, job, report.failed)
        return
    _lock_and_register(archive, job, pdf, source=book, version=version, policy=policy)


def _begin(archive: Archive, job: Job, *, kind: str, source: str, version: int, object_sha256: bytes) -> Policy | None:
    """The policy to lock under; None when an earlier attempt has already registered the record."""
    with archive.database.transaction() as tx:
        if usecases.already_registered(tx, job, kind=kind, source=source, version=version, object_sha256=object_sha256):
            return None
        usecases.require_proven(tx, archive.endpoint, archive.worm.bucket)
        return store.policy(tx, kind)


def _compare_snapshot(archive: Archive, job: Job) -> None:
    """What the event said is what gradebook says of this snapshot. Raises Forged SNAPSHOT_DIFFERS,
    NotFound, Unavailable.
    """
    with calling("gradebook"):
        request = marks_pb2.GetSnapshotFactsRequest(snapshot=job.payload["snapshot"])
        facts = archive.marks.GetSnapshotFacts(request, timeout=DEADLINE_S).facts
    claimed = [job.payload[name] for name in ("school", "school_year", "content_sha256")]
    if claimed != [facts.school, facts.school_year, facts.content_sha256.hex()]:
        message = "Thông báo khác với bản chụp dữ liệu ở dịch vụ sổ điểm."
        raise Forged("SNAPSHOT_DIFFERS", message, snapshot=job.payload["snapshot"])


def _compare_book(archive: Archive, job: Job, kind: str) -> BookFacts:
    """What gradebook says of this book: it is locked, as the event said, or it has ended.

    Raises as `lock_book`. Waiting SIGNING_COPY_UNKNOWN: print's announcement comes once more when
    print is upgraded, or lies with gradebook's dead letters.
    """
    facts = book_facts.ask(archive.books, uuid.UUID(job.payload["book"]))
    book_facts.compare(
        facts,
        version=int(job.payload["version"]),
        school=job.payload["school"],
        school_year=job.payload["school_year"],
        record_type=common_pb2.RecordType.Value(f"RECORD_TYPE_{kind}"),
        content_sha256=bytes.fromhex(job.payload["content_sha256"]),
        document=job.payload["document"],
        document_sha256=bytes.fromhex(job.payload["document_sha256"]),
    )
    if facts.state in book_facts.ENDED:
        return facts
    book_facts.require(facts, book_facts.LOCKED)
    if not facts.signing_rendition:
        raise Waiting("SIGNING_COPY_UNKNOWN", "gradebook has not heard of the signing copy yet")
    return facts


def _fetch_document(archive: Archive, document: str) -> bytes:
    """The closed document as signing has it; the evidence check compares its digest."""
    request = signing_pb2.DownloadDocumentRequest(document=document)
    with calling("signing"):
        stream = archive.signing.DownloadDocument(request, timeout=DEADLINE_S)
        return chunks.collect(piece.chunk for piece in stream)


def _lock_and_register(archive: Archive, job: Job, data: bytes, *, source: str, version: int, policy: Policy) -> None:
    sha256 = hashlib.sha256(data).digest()
    key = content_key(sha256)
    now = datetime.now(UTC)
    until = domain.retain_until(policy, now)
    version_id = archive.worm.put_locked(key, data, sha256, until, {"kind": policy.kind.lower(), "source": source})
    archive.worm.require_locked(key, version_id, data, until)
    record = Record(
        id=uuid.uuid4(),
        kind=policy.kind,
        school=job.payload["school"],
        school_year=job.payload["school_year"],
        source=source,
        version=version,
        content_sha256=bytes.fromhex(job.payload["content_sha256"]),
        object_sha256=sha256,
        size_bytes=len(data),
        bucket=archive.worm.bucket,
        key=key,
        version_id=version_id,
        retain_until=until,
        archive_time=now,
        policy_version=policy.version,
    )
    with archive.database.transaction() as tx:
        usecases.register(tx, job, record)
