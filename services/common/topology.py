"""Queues and exchanges in RabbitMQ: names, declaration, and the check that they exist.

Services never declare while running: `declare` runs once per release (role `migrate`), because a
queue's arguments cannot be changed, and declaring it with others fails (PRECONDITION_FAILED).
"""

from collections.abc import Iterable

import pika.exceptions

from services.common import amqp, outbox
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig

EXCHANGE = "hoso.events"
RETRY_S = (1, 10, 60, 600)
"""The retry ladder: how long a failed message rests before each further attempt, in seconds."""
ATTEMPT_HEADER = "hoso-attempt"
ERROR_HEADER = "hoso-error"
"""Headers of a message on the ladder: failures so far, last error (code and place, no personal
data).
"""

# Without a dead-letter exchange, RabbitMQ 4 drops a message after 20 deliveries (3.x: never). A
# crash of the consumer counts against every message it held, so the limit need only end an endless
# loop.
_DELIVERY_LIMIT = 1_000
# Listing dead letters must never drop one.
_NO_DELIVERY_LIMIT = 1_000_000_000


def queue(service: str) -> str:
    """The queue that `service` consumes."""
    return f"{service}.events"


def retry_queue(service: str, rest_s: int) -> str:
    """The queue in which a failed message of `service` rests for `rest_s` seconds."""
    return f"{service}.retry.{rest_s}"


def dead_queue(service: str) -> str:
    """The queue of messages that `service` could not handle; only operators take from it."""
    return f"{service}.dead"


def declare(config: BrokerConfig, service: str, event_types: Iterable[str]) -> None:
    """Declare the exchange and `service`'s queues, and bind the events it subscribes to (full proto
    names).

    Repeating it changes nothing. Raises Unavailable when the broker is away, pika's
    ChannelClosedByBroker when a queue exists with other arguments. Works on RabbitMQ 3.10 to 4.x.
    """
    with amqp.channel(config) as open_channel:
        open_channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
        declare_queue = open_channel.queue_declare
        declare_queue(dead_queue(service), durable=True, arguments=_arguments(_NO_DELIVERY_LIMIT))
        declare_queue(
            queue(service),
            durable=True,
            arguments=_arguments(_DELIVERY_LIMIT, dead_letters_to=dead_queue(service)),
        )
        for rest_s in RETRY_S:
            arguments = _arguments(_NO_DELIVERY_LIMIT, dead_letters_to=queue(service))
            declare_queue(
                retry_queue(service, rest_s), durable=True, arguments={**arguments, "x-message-ttl": rest_s * 1000}
            )
        for event_type in event_types:
            open_channel.queue_bind(queue(service), EXCHANGE, outbox.routing_key(event_type))


def ping(config: BrokerConfig, service: str) -> None:
    """Check, for `check-config`, that the exchange and `service`'s queues exist. Raises
    Unavailable.
    """
    with amqp.channel(config) as open_channel:
        try:
            open_channel.exchange_declare(EXCHANGE, passive=True)
            for name in (queue(service), dead_queue(service), *(retry_queue(service, s) for s in RETRY_S)):
                open_channel.queue_declare(name, passive=True)
        except pika.exceptions.ChannelClosedByBroker as e:
            raise Unavailable("TOPOLOGY_MISSING", f"{e.reply_text}; run the role `migrate` first") from e


def _arguments(delivery_limit: int, *, dead_letters_to: str = "") -> dict[str, str | int]:
    """A quorum queue's arguments.

    Without reject-publish, at-least-once dead-lettering silently becomes at-most-once.
    """
    arguments: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}
    if dead_letters_to:
        arguments |= {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead_letters_to,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return arguments
