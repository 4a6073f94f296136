"""The `relay` role: publishes outbox rows to RabbitMQ, at least once, in order of id, many at a
time.

A row is marked only after the broker has confirmed it (publisher confirms) and routed it
(`mandatory`): a confirm alone says nothing about a queue. One thread runs one pika connection and
one PostgreSQL connection; the latter holds an advisory lock, so that a service has one working
relay, and losing it stops the work.
"""

import functools
import select
import threading
import time
from collections import deque
from typing import Any, NamedTuple
from uuid import UUID

import pika
import pika.channel
import pika.exceptions
import pika.spec

from services.common import amqp, db, log, outbox, ready, topology
from services.common.errors import Unavailable
from services.common.rows import one_row, rows, scalars
from services.common.settings import BrokerConfig, DatabaseConfig

WINDOW = 1000
"""Messages that may await their confirm at a time."""
KEEP_DAYS = 7
"""How long published rows are kept for inquiries."""

_MARK_ROWS = 250
_POLL_S = 1.0
_PURGE_S = 600.0
_PURGE_ROWS = 10_000
_LOCK = 0x52656C61  # "Rela"
_LEADER_POLL_S = 1.0
_MAX_PAUSE_S = 5.0
_STOP_S = 5.0
_CLOSE_S = 2.0

_FETCH = (
    "SELECT id, event_id, type, body FROM outbox WHERE published_time IS NULL AND due_time <= now()"
    " AND id <> ALL(%s::bigint[]) ORDER BY id LIMIT %s"
)
_MARK = "UPDATE outbox SET published_time = now(), last_error = NULL WHERE id = ANY(%s)"
_REFUSE = (
    "UPDATE outbox SET attempts = attempts + 1, last_error = %s,"
    " due_time = now() + make_interval(secs => least(300, power(2, least(attempts, 10)))) WHERE id = ANY(%s)"
)
_PURGE = (
    "DELETE FROM outbox WHERE id = ANY(ARRAY(SELECT id FROM outbox"
    " WHERE published_time < now() - make_interval(days => %s) ORDER BY published_time LIMIT %s))"
)
_log = log.get(__name__)


class _Row(NamedTuple):
    id: int
    event_id: UUID
    type: str
    body: bytes


def run(database: DatabaseConfig, config: BrokerConfig, service: str, stop: threading.Event) -> None:
    """Publish until `stop` is set; reconnect to broker and database with growing pauses."""
    pause_s = 0.0
    while not stop.wait(pause_s):
        started = time.monotonic()
        try:
            _work(database, config, service, stop)
        except (Unavailable, pika.exceptions.AMQPError, OSError) as e:
            if time.monotonic() - started > _MAX_PAUSE_S:
                pause_s = 0.0
            pause_s = min(_MAX_PAUSE_S, max(0.25, pause_s * 2))
            _log.warning("relay interrupted; connecting again", error=type(e).__name__, pause_s=pause_s)


def _work(database: DatabaseConfig, config: BrokerConfig, service: str, stop: threading.Event) -> None:
    with db.translated(), db.connect(database, autocommit=True) as connection:
        while not _leads(connection):
            if stop.wait(_LEADER_POLL_S):
                return
        connection.execute(f"LISTEN {outbox.CHANNEL}")
        _BrokerSession(connection, config, service, stop).run()


def _leads(connection: db.Tx) -> bool:
    return one_row(scalars(connection, bool, "SELECT pg_try_advisory_lock(%s)", (_LOCK,)))


class _BrokerSession:
    """One connection to the broker, from opening to closing, in the thread of its event loop."""

    def __init__(self, connection: db.Tx, config: BrokerConfig, service: str, stop: threading.Event) -> None:
        self._database = connection
        self._service = service
        self._login = config.user
        self._stop = stop
        self._channel: pika.channel.Channel | None = None
        self._ready: deque[_Row] = deque()
        self._in_flight: dict[int, _Row] = {}  # by delivery tag, which counts from 1
        self._confirmed: list[int] = []
        self._refused: dict[str, list[int]] = {}
        self._returned: dict[UUID, str] = {}
        self._last_tag = 0
        self._exhausted = False
        self._next_purge = time.monotonic()
        self._error: BaseException | None = None
        self._broker = pika.SelectConnection(
            amqp.parameters(config),
            on_open_callback=self._opened,
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
        )
        self._loop = self._broker.ioloop

    def run(self) -> None:
        """Work until stopped; raises the error that ended the connection."""
        try:
            self._loop.start()
        finally:
            self._loop.close()
        if self._error is not None:
            raise self._error

    def _opened(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: pika.channel.Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._guarded(self._on_return))
        channel.confirm_delivery(self._guarded(self._on_confirm))
        self._channel = channel
        self._loop.add_handler(self._database.fileno(), self._guarded(self._on_database), select.POLLIN)
        self._guarded(self._tick)()
        ready.ready()
        _log.info("relay publishes")

    def _closed(self, _: object, reason: BaseException) -> None:
        if self._error is None and not self._stop.is_set():
            self._error = reason
        self._loop.stop()

    def _channel_closed(self, _: object, reason: BaseException) -> None:
        if self._broker.is_open and not self._stop.is_set():
            self._fail(reason)

    def _fail(self, error: BaseException) -> None:
        """End this session; `run` raises the error. The connection may take a moment to close."""
        self._error = self._error or error
        if self._broker.is_open:
            self._broker.close()
            self._loop.call_later(_CLOSE_S, self._loop.stop)
        elif not self._broker.is_closing:
            self._loop.stop()

    def _guarded(self, callback: Any) -> Any:
        """The callback, guarded: any error in it ends this session; pika would not handle it."""

        @functools.wraps(callback)
        def call(*arguments: object) -> None:
            if self._error is not None:
                return
            try:
                callback(*arguments)
            except BaseException as e:  # noqa: BLE001 - raised again by run()
                self._fail(e)

        return call

    # Filling the window

    def _tick(self) -> None:
        """Every second: publish due rows, stop if asked to, remove old rows."""
        if self._stop.is_set():
            self._finish()
            return
        if time.monotonic() >= self._next_purge:
            self._purge()
        self._exhausted = False
        self._publish()
        self._loop.call_later(_POLL_S, self._guarded(self._tick))

    def _on_database(self, *_: object) -> None:
        """PostgreSQL sent something: a notification, or that it shuts down."""
        self._publish()

    def _publish(self) -> None:
        assert self._channel is not None
        while len(self._in_flight) < WINDOW and not self._stop.is_set():
            if not self._ready and not self._fetch():
                break
            row = self._ready.popleft()
            self._last_tag += 1
            self._in_flight[self._last_tag] = row
            self._channel.basic_publish(
                topology.EXCHANGE,
                outbox.routing_key(row.type),
                row.body,
                pika.BasicProperties(
                    message_id=str(row.event_id),
                    type=row.type,
                    app_id=self._service,
                    user_id=self._login,  # checked by the broker: this is who we are (ADR-0062)
                    content_type="application/octet-stream",
                    delivery_mode=pika.DeliveryMode.Persistent,
                ),
                mandatory=True,
            )

    def _fetch(self) -> bool:
        if self._exhausted and not self._notified():
            return False
        if len(self._in_flight) > WINDOW // 2:
            return False  # fetching few rows at a time would not pay
        self._mark()
        taken = [row.id for row in self._in_flight.values()]
        due = rows(self._database, _Row, _FETCH, (taken, WINDOW)).fetchall()
        self._ready.extend(due)
        self._exhausted = len(due) < WINDOW
        return bool(due)

    def _notified(self) -> bool:
        """Whether rows were added since the last call. Raises when the server is going away."""
        return bool(list(self._database.notifies(timeout=0)))

    # Outcomes of the messages

    def _on_return(
        self, _: object, method: pika.spec.Basic.Return, properties: pika.BasicProperties, body: bytes
    ) -> None:
        """The broker had no queue for the message. Its confirm comes next."""
        self._returned[UUID(properties.message_id)] = f"UNROUTABLE {method.reply_text} {method.routing_key}"

    def _on_confirm(self, frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        nacked = isinstance(frame.method, pika.spec.Basic.Nack)
        # Dictionaries keep their order, and tags are given in order: the oldest is always first.
        tags = [t for t in self._in_flight if t <= tag] if multiple else [tag]
        for confirmed in tags:
            row = self._in_flight.pop(confirmed)
            error = "NACKED by the broker" if nacked else self._returned.pop(row.event_id, None)
            if error is None:
                self._confirmed.append(row.id)
            else:
                self._refused.setdefault(error, []).append(row.id)
        if len(self._confirmed) >= _MARK_ROWS or not self._in_flight:
            self._mark()
        self._publish()

    def _mark(self) -> None:
        if self._confirmed:
            self._database.execute(_MARK, (self._confirmed,))
            self._confirmed.clear()
        for error, ids in self._refused.items():
            _log.warning("events not accepted by the broker; trying later", reason=error, events=len(ids))
            self._database.execute(_REFUSE, (error, ids))
        self._refused.clear()

    def _purge(self) -> None:
        removed = self._database.execute(_PURGE, (KEEP_DAYS, _PURGE_ROWS)).rowcount
        self._next_purge = time.monotonic() + (0 if removed == _PURGE_ROWS else _PURGE_S)

    def _finish(self) -> None:
        """Wait at most _STOP_S for open confirms; unmarked rows are published again later."""
        deadline = time.monotonic() + _STOP_S

        def look() -> None:
            if self._in_flight and time.monotonic() < deadline:
                self._loop.call_later(0.05, self._guarded(look))
                return
            self._mark()
            self._broker.close()

        look()
