"""What archive hears: snapshots that were taken, books that were locked. Each becomes one job."""

from hoso.gradebook.v1 import common_pb2, events_pb2

from services.archive import domain
from services.archive.domain import LOCK_BOOK_JOB, LOCK_SNAPSHOT_JOB
from services.common import jobs
from services.common.db import Tx
from services.common.intake import Subscription

_KINDS = {
    common_pb2.RECORD_TYPE_UNSPECIFIED: domain.CLASS_BOOK,  # events of before there were other types
    common_pb2.RECORD_TYPE_CLASS_BOOK: domain.CLASS_BOOK,
    common_pb2.RECORD_TYPE_TEACHER_BOOK: domain.TEACHER_BOOK,
    common_pb2.RECORD_TYPE_TRANSCRIPT: domain.TRANSCRIPT,
    common_pb2.RECORD_TYPE_STUDENT_REGISTER: domain.STUDENT_REGISTER,
}


def snapshot_taken(tx: Tx, event: events_pb2.SnapshotTaken) -> None:
    """Queue locking a snapshot. Raises ValueError when the event names no digest."""
    payload = {
        "snapshot": event.snapshot,
        "school": event.school,
        "school_year": event.school_year,
        "content_sha256": _digest(event.content_sha256),
    }
    jobs.enqueue(tx, LOCK_SNAPSHOT_JOB, event.snapshot, payload)


def book_locked(tx: Tx, event: events_pb2.BookLocked) -> None:
    """Queue locking a closed book. Raises ValueError when the event names no digest, or a type that is not known."""
    if event.record_type not in _KINDS:
        raise ValueError(f"record type {event.record_type} is not known")
    payload = {
        "kind": _KINDS[event.record_type],
        "book": event.book,
        "version": str(event.version),
        "school": event.school,
        "school_year": event.school_year,
        "content_sha256": _digest(event.content_sha256),
        "document": event.document,
        "document_sha256": _digest(event.document_sha256),
    }
    jobs.enqueue(tx, LOCK_BOOK_JOB, f"{event.book}/{event.version}", payload)


def _digest(sha256: bytes) -> str:
    if len(sha256) != 32:
        raise ValueError("a digest has 32 bytes")
    return sha256.hex()


SUBSCRIPTIONS = (
    Subscription(events_pb2.SnapshotTaken, snapshot_taken),
    Subscription(events_pb2.BookLocked, book_locked),
)
