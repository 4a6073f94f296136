"""Reading and writing the test broker's queues directly."""

from collections.abc import Iterator
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel

from services.common import amqp, topology
from services.common.settings import BrokerConfig
from tests.waiting import eventually


@contextmanager
def channel(broker: BrokerConfig) -> Iterator[BlockingChannel]:
    with amqp.channel(broker) as open_channel:
        open_channel.confirm_delivery()
        yield open_channel


def depth(broker: BrokerConfig, queue: str) -> int:
    """How many messages are ready in `queue`."""
    with channel(broker) as open_channel:
        return int(open_channel.queue_declare(queue, passive=True).method.message_count)


def take(broker: BrokerConfig, queue: str, timeout_s: float = 15.0) -> tuple[pika.BasicProperties, bytes]:
    """Take one message from `queue`, waiting for it."""
    with channel(broker) as open_channel:

        def get() -> tuple[pika.BasicProperties, bytes] | None:
            method, properties, body = open_channel.basic_get(queue, auto_ack=True)
            if method is None:
                return None
            assert properties is not None and body is not None
            return properties, body

        taken = eventually(get, timeout_s)
        assert taken is not None
        return taken


def publish(broker: BrokerConfig, queue: str, body: bytes, **properties: object) -> None:
    """Put a message straight into `queue` of the service whose login this is."""
    options = {"delivery_mode": 2, "user_id": broker.user, **properties}
    with channel(broker) as open_channel:
        exchange = topology.retry_exchange(broker.user.removeprefix("service/"))
        open_channel.basic_publish(exchange, queue, body, pika.BasicProperties(**options), mandatory=True)
