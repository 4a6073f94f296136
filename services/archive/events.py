"""Events that archive handles: a snapshot was taken, a book was locked. Each queues one job."""

from uuid import UUID

from hoso.gradebook.v1 import common_pb2, events_pb2

from services.archive.domain import LOCK_BOOK_JOB, LOCK_SNAPSHOT_JOB, Kind
from services.common import jobs, standing
from services.common.db import Tx
from services.common.intake import Subscription


def snapshot_taken(tx: Tx, event: events_pb2.SnapshotTaken) -> None:
    """Queue locking a snapshot. Raises ValueError when the event names no snapshot or digest."""
    payload = {
        "snapshot": str(UUID(event.snapshot)),
        "school": event.school,
        "school_year": event.school_year,
        "content_sha256": _digest(event.content_sha256),
    }
    jobs.enqueue(tx, LOCK_SNAPSHOT_JOB, payload["snapshot"], payload)


def book_locked(tx: Tx, event: events_pb2.BookLocked) -> None:
    """Queue locking a closed book. Raises ValueError when the event names no book, document or
    digest, or a type that is not known.
    """
    payload = {
        "kind": _kind(event.record_type),
        "book": str(UUID(event.book)),
        "version": str(event.version),
        "school": event.school,
        "school_year": event.school_year,
        "content_sha256": _digest(event.content_sha256),
        "document": str(UUID(event.document)),
        "document_sha256": _digest(event.document_sha256),
    }
    jobs.enqueue(tx, LOCK_BOOK_JOB, f"{payload['book']}/{event.version}", payload)


def _kind(record_type: common_pb2.RecordType.ValueType) -> Kind:
    """Raises ValueError for a type that is not known."""
    if record_type == common_pb2.RECORD_TYPE_UNSPECIFIED:
        return Kind.CLASS_BOOK  # the first release had no other type and did not name it
    try:
        return Kind(common_pb2.RecordType.Name(record_type).removeprefix("RECORD_TYPE_"))
    except ValueError as e:
        raise ValueError(f"record type {record_type} is not known") from e


def _digest(sha256: bytes) -> str:
    if len(sha256) != 32:
        raise ValueError("a digest has 32 bytes")
    return sha256.hex()


SUBSCRIPTIONS = (
    Subscription(events_pb2.SnapshotTaken, snapshot_taken),
    Subscription(events_pb2.BookLocked, book_locked),
    *standing.SUBSCRIPTIONS,
)
