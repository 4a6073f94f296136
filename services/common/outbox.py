"""Events to announce, written in the transaction of the change and published later by the relay."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf import json_format
from google.protobuf.message import Message

from services.common.db import Tx
from services.common.rows import one_row, rows

CHANNEL = "hoso_outbox"
_PREFIX = "hoso."


@dataclass(frozen=True)
class OutboxCounts:
    """Events not yet published.

    pending: their number. oldest_time: when the oldest was written. refused: how many the broker
    has sent back at least once; last_error: the newest reason, empty when none.
    """

    pending: int
    oldest_time: datetime | None
    refused: int
    last_error: str


def add(tx: Tx, event: Message) -> str:
    """Announce `event` when and only when `tx` commits. Returns its event id (UUID).

    Events carry ids and digests only, never names, marks or files: no personal data on broker
    disks.
    """
    return add_all(tx, [event])[0]


def add_all(tx: Tx, events: Sequence[Message]) -> list[str]:
    """Announce events as `add` does, in their order, in two statements however many they are."""
    new = [(uuid.uuid4(), event.DESCRIPTOR.full_name, _body(event)) for event in events]
    with tx.cursor() as cursor:
        cursor.executemany("INSERT INTO outbox (event_id, type, body) VALUES (%s, %s, %s)", new)
    tx.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return [str(event_id) for event_id, _, _ in new]


def _body(event: Message) -> bytes:
    return json_format.MessageToJson(event, preserving_proto_field_name=True, indent=None).encode()


def routing_key(event_type: str) -> str:
    """The routing key of a full proto name: the name without ``hoso.``, such as
    ``gradebook.v1.BookLocked``.
    """
    return event_type.removeprefix(_PREFIX)


def owner(event_type: str) -> str:
    """The login of the only service that may publish an event: ``service/gradebook`` for
    ``hoso.gradebook.v1.BookLocked``. Empty for what is no event of ours.
    """
    package = event_type.removeprefix(_PREFIX).partition(".")[0]
    return f"service/{package}" if event_type.startswith(_PREFIX) else ""


def state(tx: Tx) -> OutboxCounts:
    """The events that still wait for the broker."""
    statement = (
        "SELECT count(*) AS pending, min(created_time) AS oldest_time,"
        " count(*) FILTER (WHERE attempts > 0) AS refused,"
        " coalesce((SELECT last_error FROM outbox WHERE published_time IS NULL AND last_error IS NOT NULL"
        " ORDER BY id DESC LIMIT 1), '') AS last_error FROM outbox WHERE published_time IS NULL"
    )
    return one_row(rows(tx, OutboxCounts, statement))
