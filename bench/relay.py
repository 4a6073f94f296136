"""Outbox relay: events per second from outbox rows to confirmed messages, against raw pipelined
publisher confirms.

Both publish the same number of events with the same body and the same window of unconfirmed
messages to the same quorum queue. The relay is the real process; the reference does nothing but
publish and count confirms.
"""

import time
import uuid

import pika
import pika.spec
from google.protobuf import json_format
from google.protobuf.message import Message
from hoso.gradebook.v1 import events_pb2

from bench import stack as stacks
from bench.pairs import Settings, Slice, Tell, amount_for, take_turns
from bench.report import Row, compared
from deploy.local import rabbitmq
from deploy.local.layout import Stack
from services.common import amqp, db, outbox, relay, topology
from services.common.rows import one_row, scalars
from services.common.settings import BrokerConfig, DatabaseConfig
from services.gradebook.config import Config

TARGET = 0.2
AGAINST = "raw pipelined publisher confirms, quorum queue"
_SERVICE = "gradebook"
_RECEIVER = "archive"
_TRIAL = 2_000
_MOST = 200_000
_POLL_S = 0.02
_TIMEOUT_S = 300.0


def measure(stack: Stack, settings: Settings, tell: Tell) -> list[Row]:
    """One row: the relay against the bare publisher."""
    with stacks.empty_database(stack, _SERVICE) as database, stacks.empty_virtual_host(stack) as virtual_host:
        broker = rabbitmq.config(stack, f"service/{_SERVICE}", virtual_host=virtual_host)
        receiver = rabbitmq.config(stack, f"service/{_RECEIVER}", virtual_host=virtual_host)
        event = _event()
        db.migrate(database, [])
        topology.declare(receiver, _RECEIVER, [event.DESCRIPTOR.full_name])
        with stacks.running(stack, _SERVICE, "relay", Config(database, broker, stacks.server(stack, _SERVICE))):
            _relayed(database, receiver, event, _TRIAL)  # also waits until the process is up
            trial = _relayed(database, receiver, event, _TRIAL)
            amount = amount_for(settings.seconds, trial, least=_TRIAL, most=_MOST)
            rates = take_turns(
                settings.pairs,
                lambda _: _relayed(database, receiver, event, amount),
                {AGAINST: lambda _: _published(broker, receiver, event, amount)},
                tell,
            )
    note = f"{amount:,} events a slice, body {len(_body(event))} bytes, window {relay.WINDOW}"
    return [compared("relay.events", "events/s", rates, AGAINST, target=TARGET, note=note)]


def _event() -> events_pb2.BookLocked:
    """An event of usual size."""
    return events_pb2.BookLocked(
        book=str(uuid.uuid4()),
        version=1,
        school="31000705",
        school_year="2025-2026",
        content_sha256=bytes(32),
        document=str(uuid.uuid4()),
        document_sha256=bytes(32),
    )


def _body(event: Message) -> bytes:
    return json_format.MessageToJson(event, preserving_proto_field_name=True, indent=None).encode()


def _relayed(database: DatabaseConfig, receiver: BrokerConfig, event: Message, amount: int) -> Slice:
    """Commit `amount` outbox rows and wait until the relay has published and marked them all."""
    with db.connect(database, autocommit=True) as connection:
        with connection.transaction():
            connection.execute(
                "INSERT INTO outbox (event_id, type, body)"
                " SELECT gen_random_uuid(), %s, %s FROM generate_series(1, %s)",
                (event.DESCRIPTOR.full_name, _body(event), amount),
            )
            connection.execute("SELECT pg_notify(%s, '')", (outbox.CHANNEL,))
        began = time.perf_counter()
        while _pending(connection):
            if time.perf_counter() - began > _TIMEOUT_S:
                raise TimeoutError(
                    "the relay does not publish; see bench-gradebook-relay.log in the stack's log folder"
                )
            time.sleep(_POLL_S)
        spent = time.perf_counter() - began
    _purge(receiver)
    return Slice(amount, spent)


def _pending(connection: db.Tx) -> bool:
    return one_row(scalars(connection, bool, "SELECT EXISTS (SELECT FROM outbox WHERE published_time IS NULL)"))


def _purge(receiver: BrokerConfig) -> None:
    """Empty the queue, so that no slice pays for the messages of the slices before it."""
    with amqp.channel(receiver) as channel:
        channel.queue_purge(topology.queue(_RECEIVER))


def _published(broker: BrokerConfig, receiver: BrokerConfig, event: Message, amount: int) -> Slice:
    """Publish `amount` messages, never more than the relay's window unconfirmed; the time until the
    last confirm.
    """
    publisher = _Publisher(broker, event, amount)
    spent = publisher.run()
    _purge(receiver)
    return Slice(amount, spent)


class _Publisher:
    """The least that keeps a window of publisher confirms full."""

    def __init__(self, broker: BrokerConfig, event: Message, amount: int) -> None:
        self._body = _body(event)
        self._key = outbox.routing_key(event.DESCRIPTOR.full_name)
        self._properties = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        self._amount = amount
        self._sent = self._confirmed = self._confirmed_up_to = 0
        self._confirmed_alone: set[int] = set()
        self._began = self._ended = 0.0
        self._error: BaseException | None = None
        self._connection = pika.SelectConnection(
            amqp.parameters(broker),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
        )

    def run(self) -> float:
        """Seconds between the first publish and the last confirm. Raises what ended the connection
        before that.
        """
        self._connection.ioloop.start()
        self._connection.ioloop.close()
        if self._error is not None:
            raise self._error
        return self._ended - self._began

    def _closed(self, _: object, reason: BaseException) -> None:
        if self._confirmed < self._amount:
            self._error = reason
        self._connection.ioloop.stop()

    def _opened(self, channel: pika.channel.Channel) -> None:
        self._channel = channel
        channel.confirm_delivery(self._on_confirm, callback=lambda _: self._start())

    def _start(self) -> None:
        self._began = time.perf_counter()
        self._fill()

    def _fill(self) -> None:
        while self._sent < self._amount and self._sent - self._confirmed < relay.WINDOW:
            self._channel.basic_publish(topology.EXCHANGE, self._key, self._body, self._properties)
            self._sent += 1

    def _on_confirm(self, frame: pika.frame.Method) -> None:
        method = frame.method
        if not isinstance(method, pika.spec.Basic.Ack):
            raise RuntimeError("the broker refused a message")
        if method.multiple:
            self._confirmed_up_to = max(self._confirmed_up_to, method.delivery_tag)
            self._confirmed_alone = {tag for tag in self._confirmed_alone if tag > self._confirmed_up_to}
        else:
            self._confirmed_alone.add(method.delivery_tag)
        self._confirmed = self._confirmed_up_to + len(self._confirmed_alone)
        if self._confirmed < self._amount:
            self._fill()
        else:
            self._ended = time.perf_counter()
            self._connection.close()
