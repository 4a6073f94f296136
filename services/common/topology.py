"""Queues and exchanges in RabbitMQ: names, declaration, who is behind a message, and the check that
they exist.

Services never declare while running: `declare` runs once per release (role `migrate`), because a
queue's arguments cannot be changed, and declaring it with others fails (PRECONDITION_FAILED).

Every service publishes its own events on one exchange, `EXCHANGE`, which belongs to the broker's
administrator. What a service puts back for itself, to rest, to be replayed, goes through an
exchange that nobody else may write. Nobody writes the default exchange (ADR-0062).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import pika.exceptions
from pika.adapters.blocking_connection import BlockingConnection

from services.common import amqp, outbox
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig

EXCHANGE = "hoso.events"
RETRY_S = (1, 10, 60, 600)
"""The retry ladder: how long a failed message rests before each further attempt, in seconds."""
ATTEMPT_HEADER = "hoso-attempt"
ERROR_HEADER = "hoso-error"
PUBLISHER_HEADER = "hoso-publisher"
"""Headers of a message that a service has put back for itself: failures so far, last error (code
and place, no personal data), who published it first.
"""

# Without a dead-letter exchange, RabbitMQ 4 drops a message after 20 deliveries (3.x: never). A
# crash of the consumer counts against every message it held, so the limit need only end an endless
# loop.
_DELIVERY_LIMIT = 1_000
# Listing dead letters must never drop one.
_NO_DELIVERY_LIMIT = 1_000_000_000
_PRECONDITION_FAILED = 406
_DEAD_LETTER_EXCHANGE = "x-dead-letter-exchange"


def queue(service: str) -> str:
    """The queue that `service` consumes."""
    return f"{service}.events"


def retry_exchange(service: str) -> str:
    """The exchange through which `service`, and nobody else, puts messages into its own queues; the
    routing key is the queue's name.
    """
    return f"{service}.retry"


def retry_queue(service: str, rest_s: int) -> str:
    """The queue in which a failed message of `service` rests for `rest_s` seconds."""
    return f"{service}.retry.{rest_s}"


def dead_queue(service: str) -> str:
    """The queue of messages that `service` could not handle; only operators take from it, through
    the service's own API.
    """
    return f"{service}.dead"


class Origin(NamedTuple):
    """Where a message comes from. publisher: the login of whoever published it first, empty when
    the message does not prove it; attempts: how often this service has failed to handle it.
    """

    publisher: str
    attempts: int


def origin(user_id: str | None, headers: Mapping[str, object] | None, own: str) -> Origin:
    """Where a message in a queue of the service with the login `own` comes from.

    The broker lets nobody set another `user_id` than the own login. So what another login sent is
    from that login, and its headers prove nothing. Only this service itself can have put a message
    back with its own login; then it has noted the first publisher and the attempts in headers.
    """
    if user_id != own or not headers:
        return Origin(user_id or "", 0)
    attempts = headers.get(ATTEMPT_HEADER, 0)
    return Origin(str(headers.get(PUBLISHER_HEADER, own)), attempts if isinstance(attempts, int) else 0)


def declare(config: BrokerConfig, service: str, event_types: Iterable[str]) -> None:
    """Declare `service`'s exchange and queues, and bind the events it subscribes to (full proto
    names).

    Repeating it changes nothing. Raises Unavailable when the broker is away, or when its
    administrator has not declared `EXCHANGE`; pika's ChannelClosedByBroker when a queue exists with
    other arguments, or when the rights for an event are missing. Works on RabbitMQ 3.10 to 4.x.
    """
    rests = {
        retry_queue(service, rest_s): _arguments(service, _NO_DELIVERY_LIMIT, dead_letters_to=queue(service))
        | {"x-message-ttl": rest_s * 1000}
        for rest_s in RETRY_S
    }
    queues = {
        dead_queue(service): _arguments(service, _NO_DELIVERY_LIMIT),
        queue(service): _arguments(service, _DELIVERY_LIMIT, dead_letters_to=dead_queue(service)),
        **rests,
    }
    with amqp.channel(config) as open_channel:
        _require(lambda: open_channel.exchange_declare(EXCHANGE, passive=True))
        open_channel.exchange_declare(retry_exchange(service), exchange_type="direct", durable=True)
        for name, arguments in queues.items():
            _declare_queue(open_channel.connection, name, arguments)
            open_channel.queue_bind(name, retry_exchange(service), name)
        for event_type in event_types:
            open_channel.queue_bind(queue(service), EXCHANGE, outbox.routing_key(event_type))


def ping(config: BrokerConfig, service: str) -> None:
    """Check, for `check-config`, that the exchanges and `service`'s queues exist. Raises
    Unavailable.
    """
    with amqp.channel(config) as open_channel:
        for exchange in (EXCHANGE, retry_exchange(service)):
            _require(partial(open_channel.exchange_declare, exchange, passive=True))
        for name in (queue(service), dead_queue(service), *(retry_queue(service, s) for s in RETRY_S)):
            _require(partial(open_channel.queue_declare, name, passive=True))


def _require(look: Callable[[], object]) -> None:
    """Raises Unavailable TOPOLOGY_MISSING when what `look` looks for does not exist."""
    try:
        look()
    except pika.exceptions.ChannelClosedByBroker as e:
        hint = "run the role `migrate` first; hoso.events comes from the broker's administrator"
        raise Unavailable("TOPOLOGY_MISSING", f"{e.reply_text}; {hint}") from e


def _declare_queue(connection: BlockingConnection, name: str, arguments: Mapping[str, str | int]) -> None:
    """Declare a queue. One that exists already may lead its dead letters through the default
    exchange: inside the broker that needs nobody's right, and its arguments can never change.
    """
    try:
        connection.channel().queue_declare(name, durable=True, arguments=dict(arguments))
    except pika.exceptions.ChannelClosedByBroker as e:
        if e.reply_code != _PRECONDITION_FAILED or _DEAD_LETTER_EXCHANGE not in arguments:
            raise
        connection.channel().queue_declare(name, durable=True, arguments={**arguments, _DEAD_LETTER_EXCHANGE: ""})


def _arguments(service: str, delivery_limit: int, *, dead_letters_to: str = "") -> dict[str, str | int]:
    """A quorum queue's arguments.

    Without reject-publish, at-least-once dead-lettering silently becomes at-most-once.
    """
    arguments: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}
    if dead_letters_to:
        arguments |= {
            _DEAD_LETTER_EXCHANGE: retry_exchange(service),
            "x-dead-letter-routing-key": dead_letters_to,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return arguments
