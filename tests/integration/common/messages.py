"""Reading and writing the test broker's queues directly."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel

from services.common import amqp
from services.common.settings import BrokerConfig


def eventually(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


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
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            method, properties, body = open_channel.basic_get(queue, auto_ack=True)
            if method is not None:
                assert properties is not None and body is not None
                return properties, body
            time.sleep(0.02)
    raise AssertionError(f"no message in {queue}")


def publish(broker: BrokerConfig, queue: str, body: bytes, **properties: object) -> None:
    """Put a message straight into `queue`."""
    with channel(broker) as open_channel:
        open_channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)
