"""The nameko side of the role `consume`: one queue, manual acknowledgement, no message lost.

nameko 2.14 acknowledges a message whose handler raised, and kombu acknowledges a body it cannot
decode. So our consumer takes raw messages, decides for itself, and acknowledges last. Database work
runs in one native thread (eventlet.tpool), so that libpq never stops the event loop and heartbeats
go on while a message is held. Imported by `consume.run` only.
"""

import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import eventlet
from amqp import serialization
from amqp.spec import Basic
from eventlet import patcher, tpool
from eventlet.semaphore import Semaphore
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from nameko.messaging import Consumer, QueueConsumer
from nameko.runners import ServiceRunner

from services.common import amqp, log, peer, ready, topology
from services.common.intake import NOT_FROM_OWNER, Delivery, Intake, Outcome
from services.common.settings import BrokerConfig

MAX_HOLD_S = 5.0
MAX_RECONNECT_S = 5.0

_KEPT_PROPERTIES = ("message_id", "type", "app_id")
_log = log.get(__name__)


def run(service: str, broker: BrokerConfig, intake: Intake, prefetch: int) -> int:
    """Consume until a signal arrives; see `consume.run`."""
    if not patcher.is_monkey_patched("socket"):
        raise RuntimeError("eventlet must patch the standard library before anything else is imported")
    tpool.set_num_threads(1)
    receiver = _Receiver(service, broker, intake)
    runner = ServiceRunner(_nameko_config(broker, prefetch))
    runner.add_service(_service_class(service, receiver))

    def stop(*_: object) -> None:
        receiver.stopping = True
        eventlet.spawn_n(runner.stop)  # a signal handler may not switch green threads itself

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        runner.start()
        # In a green thread, so that signal handlers are served while this one waits.
        eventlet.spawn(runner.wait).wait()
    except Exception as e:  # noqa: BLE001 - the process ends with it
        _log.error("consumer broke", error=type(e).__name__, exc_info=True)
        return 1
    return 0 if receiver.stopping else 1


def _properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """A message's properties; none when they cannot be decoded, so that it becomes a dead letter.

    Otherwise the error would end the connection, the message would come again, and whoever may
    publish one could stop this service for good.
    """
    try:
        properties: tuple[dict[str, Any], int] = serialization.decode_properties_basic(buffer, offset)
    except Exception as e:  # noqa: BLE001 - whatever a hostile message makes the decoder raise
        _log.error("properties unreadable", error=type(e).__name__, alarm=True)
        return {}, len(buffer)
    return properties


serialization.PROPERTY_CLASSES[Basic.CLASS_ID] = _properties


class _RawQueueConsumer(QueueConsumer):  # type: ignore[misc]
    """Hands over raw messages; kombu would acknowledge a body that it cannot decode."""

    def get_consumers(self, consumer_cls: Any, channel: Any) -> Any:
        channel.auto_decode = False  # a body that claims an encoding stays bytes
        for provider in self._providers:
            consumer = consumer_cls(queues=[provider.queue], on_message=partial(self.handle_message, provider, None))
            consumer.qos(prefetch_count=self.prefetch_count)
            self._consumers[provider] = consumer
        return self._consumers.values()

    def on_consume_ready(self, connection: Connection, channel: Any, consumers: Any, **kwargs: Any) -> None:
        """The broker has agreed to hand us messages."""
        super().on_consume_ready(connection, channel, consumers, **kwargs)
        ready.ready()

    @contextmanager
    def establish_connection(self) -> Iterator[Connection]:
        """Connect with short pauses; kombu's own grow to half a minute."""
        with self.create_connection() as connection:
            connection.ensure_connection(
                self.on_connection_error, interval_start=0.5, interval_step=0.5, interval_max=MAX_RECONNECT_S
            )
            yield connection

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        """The broker is away; the next attempt follows by itself."""
        _log.warning("broker away; connecting again", error=type(exc).__name__, pause_s=interval)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """A header names a compression that kombu does not know."""
        _log.error("message unreadable; dead letter", error=type(exc).__name__)
        message.reject(requeue=False)


class _EventConsumer(Consumer):  # type: ignore[misc]
    """Passes the whole message to the method, and leaves acknowledging to it."""

    queue_consumer = _RawQueueConsumer()

    def handle_message(self, body: None, message: Message) -> None:
        super().handle_message(message, message)

    def handle_message_processed(self, message: Message, result: Any = None, exc_info: Any = None) -> None:
        """Nothing: `_Receiver.receive` has acknowledged.

        An error in it is a mistake in this module: it ends the connection, and the message, still
        unacknowledged, is delivered again.
        """
        if exc_info is not None:
            raise exc_info[1]


def _service_class(service: str, receiver: "_Receiver") -> type:
    # The topology is declared once per release; declaring it again with other arguments would fail.
    queue = Queue(topology.queue(service), no_declare=True)

    class Events:
        name = service

        @_EventConsumer.decorator(queue)  # type: ignore[untyped-decorator]
        def on_message(self, message: Message) -> None:
            receiver.receive(message)

    return Events


class _Receiver:
    def __init__(self, service: str, broker: BrokerConfig, intake: Intake) -> None:
        self.stopping = False
        self._service = service
        self._broker = broker
        self._intake = intake
        self._in_order = Semaphore(1)
        connection = Connection("pyamqp://")
        self._broker_errors = connection.connection_errors + connection.channel_errors

    def receive(self, message: Message) -> None:
        """Handle messages one after the other and tell the broker the outcome."""
        with self._in_order:
            if self.stopping or not _connected(message):
                return  # the broker delivers it again, in order
            outcome, reason = self._take(message)
            try:
                self._acknowledge(message, outcome, reason)
            except self._broker_errors as e:
                # The broker has the message back and delivers it again; the inbox knows what was
                # done.
                _log.warning("broker lost before the acknowledgement", error=type(e).__name__)

    def _take(self, message: Message) -> tuple[Outcome, str]:
        """Handle the message; while the database is away, hold it and try again."""
        delivery = Delivery(
            event_id=str(message.properties.get("message_id", "")),
            type=str(message.properties.get("type", "")),
            body=bytes(message.body),
            publisher=self._origin(message).publisher,
        )
        pause_s = 0.1
        while True:
            outcome, reason = tpool.execute(self._intake.take, delivery)
            if outcome is not Outcome.HOLD or self.stopping or not _connected(message):
                return outcome, reason
            _log.warning("message held; trying again", event_id=delivery.event_id, reason=reason, pause_s=pause_s)
            eventlet.sleep(pause_s)
            pause_s = min(MAX_HOLD_S, pause_s * 2)

    def _acknowledge(self, message: Message, outcome: Outcome, reason: str) -> None:
        """Acknowledge last. The broker redelivers a message that is neither acknowledged nor
        rejected.
        """
        if outcome is Outcome.HOLD or not _connected(message):
            return
        if outcome is Outcome.RETRY:
            attempt = self._origin(message).attempts
            if attempt < len(topology.RETRY_S):
                self._rest(message, attempt, reason)
                message.ack()
                return
            outcome = Outcome.DEAD
        if outcome is Outcome.DEAD:
            event_id, event_type = (str(message.properties.get(name, "")) for name in ("message_id", "type"))
            alarm = reason.startswith(NOT_FROM_OWNER)
            _log.error("event not handled; dead letter", reason=reason, event_id=event_id, type=event_type, alarm=alarm)
            message.reject(requeue=False)
            return
        message.ack()

    def _origin(self, message: Message) -> topology.Origin:
        return topology.origin(message.properties.get("user_id"), message.headers, self._broker.user)

    def _rest(self, message: Message, attempt: int, reason: str) -> None:
        """Put a copy on the retry ladder and wait for the broker's confirm. Raises on failure."""
        rest_s = topology.RETRY_S[attempt]
        _log.warning("event not handled; trying again", reason=reason, attempt=attempt + 1, rest_s=rest_s)
        with _connect(self._broker) as connection:
            connection.Producer().publish(
                bytes(message.body),
                exchange=topology.retry_exchange(self._service),
                routing_key=topology.retry_queue(self._service, rest_s),
                content_type=message.content_type,
                content_encoding="binary",
                headers={
                    topology.ATTEMPT_HEADER: attempt + 1,
                    topology.ERROR_HEADER: reason,
                    topology.PUBLISHER_HEADER: self._origin(message).publisher,
                },
                user_id=self._broker.user,
                delivery_mode="persistent",
                mandatory=True,
                **{name: message.properties[name] for name in _KEPT_PROPERTIES if name in message.properties},
            )


def _connected(message: Message) -> bool:
    return message.channel.connection is not None


def _nameko_config(broker: BrokerConfig, prefetch: int) -> dict[str, object]:
    return {
        "AMQP_URI": _uri(broker),
        "AMQP_SSL": _tls(broker),
        "LOGIN_METHOD": "EXTERNAL",
        "HEARTBEAT": amqp.HEARTBEAT_S,
        "max_workers": prefetch,  # nameko's prefetch count, too
    }


def _connect(broker: BrokerConfig) -> Connection:
    return Connection(
        _uri(broker), ssl=_tls(broker), login_method="EXTERNAL", transport_options={"confirm_publish": True}
    )


def _uri(broker: BrokerConfig) -> str:
    return f"pyamqp://{broker.host}:{broker.port}/{broker.virtual_host}"


def _tls(broker: BrokerConfig) -> dict[str, object]:
    return {
        "ca_certs": str(peer.only(broker.tls.ca_file, "server")),
        "certfile": str(broker.tls.cert_file),
        "keyfile": str(broker.tls.key_file),
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": amqp.SERVER_HOST,
        "tls_minimum_version": ssl.TLSVersion.TLSv1_2,
    }
