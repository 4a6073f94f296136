"""Taking events in: a service declares its subscriptions; each event is handled once, in one short transaction.

The inbox row (unique event id) and what the handler writes commit together, so a repeated message changes nothing.
Handlers do no heavy work: they change state or queue a job. This module loads neither nameko nor eventlet; only `run`
does, in the process of the role `consume`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.message import Message

from services.common import db, log, worker
from services.common.db import Tx
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig, DatabaseConfig

PREFETCH = 10
"""How many messages the broker hands out before the first is acknowledged. They are handled in order, one by one."""

# Native code that blocks or dies beside eventlet; see the import rules in docs/architecture.md.
_NEVER_HERE = ("grpc", "pyhanko", "pkcs11", "minio", "typst")
_log = log.get(__name__)


@dataclass(frozen=True)
class Subscription:
    """An event that this service takes in.

    event: its generated class. handle: called with the open transaction and the event; it must not commit, call other
    services or do heavy work. What it raises decides: Unavailable holds the queue and tries again, anything else sends
    the message up the retry ladder (1, 10, 60, 600 seconds) and then to the dead letters.
    """

    event: type[Message]
    handle: Callable[[Tx, Any], None]


@dataclass(frozen=True)
class Delivery:
    """What arrived, as it arrived."""

    event_id: str
    type: str
    body: bytes


class Outcome(Enum):
    """What becomes of a delivery."""

    DONE = "done"
    HOLD = "hold"
    RETRY = "retry"
    DEAD = "dead"


def event_types(subscriptions: Iterable[Subscription]) -> list[str]:
    """The full proto names of the events, for `topology.declare`."""
    return [subscription.event.DESCRIPTOR.full_name for subscription in subscriptions]


def run(
    service: str,
    broker: BrokerConfig,
    database: DatabaseConfig,
    subscriptions: Iterable[Subscription],
    *,
    prefetch: int = PREFETCH,
) -> int:
    """Consume ``<service>.events`` until SIGTERM or SIGINT; returns the process's exit code.

    A broker that is away is waited for, also at start; a database that is away holds the messages. 0 after a signal;
    1 when the consumer broke, for the supervisor to start it again. Raises RuntimeError when the process has loaded
    what must not live beside eventlet, or when eventlet has not patched the standard library.
    """
    loaded = [name for name in _NEVER_HERE if name in sys.modules]
    if loaded:
        raise RuntimeError(f"a consumer process must not load {', '.join(loaded)}")
    # Not at the top: importing it loads nameko and eventlet, which belong in no other process.
    from services.common import consumer  # noqa: PLC0415

    return consumer.run(service, broker, Intake(database, subscriptions), prefetch)


class Intake:
    """Handles deliveries one by one over one connection of its own. Used by one thread."""

    def __init__(self, database: DatabaseConfig, subscriptions: Iterable[Subscription]) -> None:
        self._database = database
        self._subscriptions: Mapping[str, Subscription] = {
            subscription.event.DESCRIPTOR.full_name: subscription for subscription in subscriptions
        }
        self._connection: Tx | None = None

    def take(self, delivery: Delivery) -> tuple[Outcome, str]:
        """Handle one delivery: what becomes of it, and why (a code and a place, without personal data)."""
        try:
            event_id, subscription, event = self._decode(delivery)
        except (ValueError, LookupError, json_format.ParseError) as e:
            return Outcome.DEAD, f"UNREADABLE {type(e).__name__}"
        try:
            self._handle(event_id, subscription, event)
        except Unavailable as e:
            self.close()
            return Outcome.HOLD, worker.describe(e)
        except Exception as e:  # noqa: BLE001 - whatever it is, the message goes up the ladder
            return Outcome.RETRY, worker.describe(e)
        return Outcome.DONE, ""

    def close(self) -> None:
        """Close the connection; the next delivery opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _decode(self, delivery: Delivery) -> tuple[UUID, Subscription, Message]:
        """Raises LookupError for an unknown type, ValueError or ParseError for an unreadable id or body."""
        subscription = self._subscriptions[delivery.type]
        # Fields that a newer sender knows and we do not are no reason to refuse an event.
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
