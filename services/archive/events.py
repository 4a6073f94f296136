"""What archive hears: snapshots that were taken, books that were locked. Each becomes one job."""

from hoso.gradebook.v1 import events_pb2

from services.archive.domain import LOCK_BOOK_JOB, LOCK_SNAPSHOT_JOB
from services.common import jobs
from services.common.consume import Subscription
from services.common.db import Tx


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
    """Queue locking a sealed book. Raises ValueError when the event names no digest."""
    payload = {
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
