"""Messages that a service could not handle: an operator lists, replays or discards them, through
the service's API (`operations`), for the service alone may touch its queues.

Nothing leaves ``<service>.dead`` before the broker has confirmed its replacement, and listing
changes nothing but the order. Two operators working at once see different letters.
"""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from services.common import amqp, topology
from services.common.errors import Invalid, NotFound, Unavailable, Violation
from services.common.settings import BrokerConfig

LIST_LIMIT = 100
_ID_DIGITS = 16


@dataclass(frozen=True)
class DeadLetter:
    """A message in the dead-letter queue.

    id: the event id; without a UUID as such, ``sha256:`` and the first 16 hex digits of the body's
    digest.
    type: full proto name as sent, possibly empty. publisher: login that published it first; empty
    when the message does not prove it. body: as it arrived; ids and digests only.
    attempts: times on the retry ladder. error: the last known error, possibly empty.
    dead_time: when it became a dead letter (aware, UTC, whole seconds); None if the broker gave
    none.
    """

    id: str
    type: str
    publisher: str
    body: bytes
    attempts: int
    error: str
    dead_time: datetime | None


@dataclass(frozen=True)
class _Held:
    """A message fetched from the queue, neither acknowledged nor returned yet."""

    letter: DeadLetter
    tag: int
    properties: pika.BasicProperties


def list_letters(config: BrokerConfig, service: str, *, limit: int = LIST_LIMIT) -> list[DeadLetter]:
    """The first `limit` dead letters of `service`. Raises Unavailable."""
    with amqp.channel(config) as channel:
        return [held.letter for held in _hold(channel, config, service, limit)]


def show(config: BrokerConfig, service: str, letter_id: str) -> DeadLetter:
    """One dead letter. Raises NotFound DEAD_LETTER_NOT_FOUND, Unavailable."""
    with amqp.channel(config) as channel:
        return _select(_hold(channel, config, service), [letter_id])[0].letter


def replay(config: BrokerConfig, service: str, letter_ids: Sequence[str] | None = None) -> list[DeadLetter]:
    """Return dead letters (None: all) to the service's queue with a full set of attempts.

    Each stays what it is and is from whom it was: nobody can make up an event here.

    An event that was handled before is recognised by its id and changes nothing. Raises NotFound
    for an unknown id, before anything is replayed; Unavailable when the broker breaks off, in which
    case a letter may be in both queues.
    """

    def give_back(channel: BlockingChannel, held: _Held) -> None:
        properties = held.properties
        channel.basic_publish(
            topology.retry_exchange(service),
            topology.queue(service),
            held.letter.body,
            pika.BasicProperties(
                message_id=properties.message_id,
                type=properties.type,
                app_id=properties.app_id,
                user_id=config.user,
                headers={topology.PUBLISHER_HEADER: held.letter.publisher},
                content_type=properties.content_type,
                delivery_mode=pika.DeliveryMode.Persistent,
            ),
            mandatory=True,
        )

    return _take(config, service, letter_ids, give_back)


def discard(config: BrokerConfig, service: str, letter_ids: Sequence[str], *, reason: str) -> list[DeadLetter]:
    """Remove dead letters for good and return them; the caller records them in an audit trail with
    `reason`.

    Raises Invalid when `reason` is blank; NotFound for an unknown id, before anything is removed;
    Unavailable.
    """
    if not reason.strip():
        raise Invalid([Violation("reason", "REASON_MISSING", "Phải nêu lý do khi bỏ một thông điệp.")])
    return _take(config, service, letter_ids, lambda channel, held: None)


def _take(
    config: BrokerConfig,
    service: str,
    letter_ids: Sequence[str] | None,
    act: Callable[[BlockingChannel, _Held], None],
) -> list[DeadLetter]:
    """Act on each chosen letter, then acknowledge it; the others return when the channel closes."""
    letters = []
    with amqp.channel(config) as channel:
        channel.confirm_delivery()
        for held in _select(_hold(channel, config, service), letter_ids):
            try:
                act(channel, held)
            except (pika.exceptions.UnroutableError, pika.exceptions.NackError) as e:
                raise Unavailable("QUEUE_REFUSES", f"{topology.queue(service)} takes no message now") from e
            channel.basic_ack(held.tag)
            letters.append(held.letter)
    return letters


def _hold(channel: BlockingChannel, config: BrokerConfig, service: str, limit: int | None = None) -> list[_Held]:
    name = topology.dead_queue(service)
    try:
        count = channel.queue_declare(name, passive=True).method.message_count
    except pika.exceptions.ChannelClosedByBroker as e:
        raise Unavailable("TOPOLOGY_MISSING", f"{e.reply_text}; run the role `migrate` first") from e
    taken: list[_Held] = []
    while len(taken) < (count if limit is None else min(count, limit)):
        method, properties, body = channel.basic_get(name)
        if method is None or properties is None or body is None:
            break
        taken.append(_Held(_letter(properties, body, config.user), method.delivery_tag, properties))
    return taken


def _select(held: list[_Held], letter_ids: Sequence[str] | None) -> list[_Held]:
    if letter_ids is None:
        return held
    missing = set(letter_ids) - {message.letter.id for message in held}
    if missing:
        names = ", ".join(sorted(missing))
        raise NotFound("DEAD_LETTER_NOT_FOUND", f"Không có thông điệp: {names}.", letters=names)
    return [message for message in held if message.letter.id in letter_ids]


def _letter(properties: pika.BasicProperties, body: bytes, own: str) -> DeadLetter:
    headers: dict[str, Any] = properties.headers or {}
    origin = topology.origin(properties.user_id, headers, own)
    deaths = headers.get("x-death") or [{}]
    time = deaths[0].get("time")
    return DeadLetter(
        id=_id(_text(properties.message_id), body),
        type=_text(properties.type),
        publisher=origin.publisher,
        body=body,
        attempts=origin.attempts,
        error=str(headers.get(topology.ERROR_HEADER, "")),
        dead_time=time.replace(tzinfo=UTC) if isinstance(time, datetime) else None,
    )


def _text(value: str | bytes | None) -> str:
    """A property as text; empty when it is none (pika leaves what is no UTF-8 as bytes)."""
    return value if isinstance(value, str) else ""


def _id(message_id: str, body: bytes) -> str:
    try:
        return str(uuid.UUID(message_id))
    except ValueError:
        return f"sha256:{hashlib.sha256(body).hexdigest()[:_ID_DIGITS]}"
