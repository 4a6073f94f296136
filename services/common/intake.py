"""Taking in events: a service's subscriptions; each event is handled once, in one short
transaction.

The inbox row (unique event id) and the handler's writes commit together, so a repeated message
changes nothing. Handlers do no heavy work: they change state or queue a job. Nothing here depends
on nameko or eventlet; `consume` starts the process that receives the messages.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.message import Message

from services.common import db, log, outbox
from services.common.db import Tx
from services.common.errors import Unavailable
from services.common.settings import DatabaseConfig


@dataclass(frozen=True)
class Subscription:
    """An event that this service takes in.

    event: its generated class. handle: called with the open transaction and the event; it must not
    commit, call other services or do heavy work. When it raises Unavailable, the queue is held and
    the message tried again; after any other exception the message climbs the retry ladder (1, 10,
    60, 600 seconds) and then becomes a dead letter.
    """

    event: type[Message]
    handle: Callable[[Tx, Any], None]


@dataclass(frozen=True)
class Delivery:
    """A message as it arrived. publisher: the login of whoever published it, as the broker has
    proven it (`topology.publisher`); empty when it has not.
    """

    event_id: str
    type: str
    body: bytes
    publisher: str


class Outcome(Enum):
    """The outcome of a delivery."""

    DONE = "done"
    HOLD = "hold"
    RETRY = "retry"
    DEAD = "dead"


NOT_FROM_OWNER = "NOT_FROM_OWNER"
"""Why an event is a dead letter that its owner has not published."""


def event_types(subscriptions: Iterable[Subscription]) -> list[str]:
    """The full proto names of the events, for `topology.declare`."""
    return [subscription.event.DESCRIPTOR.full_name for subscription in subscriptions]


class Intake:
    """Handles deliveries one by one on a connection of its own. Used by one thread."""

    def __init__(self, database: DatabaseConfig, subscriptions: Iterable[Subscription]) -> None:
        self._database = database
        self._subscriptions: Mapping[str, Subscription] = {
            subscription.event.DESCRIPTOR.full_name: subscription for subscription in subscriptions
        }
        self._connection: Tx | None = None

    def take(self, delivery: Delivery) -> tuple[Outcome, str]:
        """Handle a delivery: its outcome and the reason (a code and a place, without personal
        data). Only the service that owns an event may say it; what others say is a dead letter.
        """
        if not delivery.publisher or delivery.publisher != outbox.owner(delivery.type):
            return Outcome.DEAD, f"{NOT_FROM_OWNER} from {delivery.publisher or 'nobody who proves it'}"
        try:
            event_id, subscription, event = self._decode(delivery)
        except (ValueError, LookupError, json_format.ParseError) as e:
            return Outcome.DEAD, f"UNREADABLE {type(e).__name__}"
        try:
            self._handle(event_id, subscription, event)
        except Unavailable as e:
            self.close()
            return Outcome.HOLD, log.describe(e)
        except Exception as e:  # noqa: BLE001 - after any error the message climbs the ladder
            return Outcome.RETRY, log.describe(e)
        return Outcome.DONE, ""

    def close(self) -> None:
        """Close the connection; the next delivery opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _decode(self, delivery: Delivery) -> tuple[UUID, Subscription, Message]:
        """Raises LookupError for an unknown type, ValueError or ParseError for an unreadable id or
        body.
        """
        subscription = self._subscriptions[delivery.type]
        # Fields that only a newer sender knows are no reason to refuse an event.
        event = json_format.Parse(delivery.body.decode("utf-8"), subscription.event(), ignore_unknown_fields=True)
        return UUID(delivery.event_id), subscription, event

    def _handle(self, event_id: UUID, subscription: Subscription, event: Message) -> None:
        with db.translated():
            if self._connection is None:
                self._connection = db.connect(self._database)
            with self._connection.transaction():
                new = self._connection.execute(
                    "INSERT INTO inbox (event_id, type) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    (event_id, event.DESCRIPTOR.full_name),
                )
                if new.rowcount == 1:
                    subscription.handle(self._connection, event)
