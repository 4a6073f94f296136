"""The events that print takes in: prints assigned, signing started, versions voided."""

from uuid import UUID

from hoso.gradebook.v1 import events_pb2

from services.common import standing, voids
from services.common.db import Tx
from services.common.intake import Subscription
from services.print import usecases
from services.print.kind import Kind


def print_assigned(tx: Tx, event: events_pb2.BookPrintAssigned) -> None:
    """Queue the unsigned print copy. Raises ValueError when the event names no book or digest."""
    usecases.queue(
        tx,
        UUID(event.book),
        event.version,
        school=event.school,
        kind=Kind.UNSIGNED,
        content_sha256=event.content_sha256,
    )


def signing_started(tx: Tx, event: events_pb2.BookSigningStarted) -> None:
    """Queue the signing copy. Raises ValueError when the event names no book or digest."""
    usecases.queue(
        tx, UUID(event.book), event.version, school=event.school, kind=Kind.SIGNING, content_sha256=event.content_sha256
    )


SUBSCRIPTIONS = (
    Subscription(events_pb2.BookPrintAssigned, print_assigned),
    Subscription(events_pb2.BookSigningStarted, signing_started),
    Subscription(events_pb2.BookVoided, voids.book_voided),
    *standing.SUBSCRIPTIONS,
)
