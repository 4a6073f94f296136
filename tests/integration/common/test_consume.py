"""The consumer process on a real RabbitMQ and PostgreSQL: every message is handled, resting, or a
dead letter.
"""

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.layout import Stack
from services.common import topology
from services.common.db import Database
from services.common.settings import BrokerConfig, DatabaseConfig
from tests.owning import as_owner
from tests.waiting import eventually

from . import messages
from .children import CONSUMER, Child, family
from .happened import Ended, Happened, body, hear_itself

SERVICE = "gradebook"
QUEUE = topology.queue(SERVICE)
DEAD = topology.dead_queue(SERVICE)
TYPE = Happened.DESCRIPTOR.full_name


@pytest.fixture
def queue(stack: Stack, broker: Callable[[str], BrokerConfig], base: Database) -> BrokerConfig:
    config = broker(SERVICE)
    hear_itself(stack, config.virtual_host)
    topology.declare(config, SERVICE, [TYPE])
    with messages.channel(config) as channel:
        for name in (QUEUE, DEAD, *(topology.retry_queue(SERVICE, s) for s in topology.RETRY_S)):
            channel.queue_purge(name)
    with as_owner(base.config) as tx:
        tx.execute("CREATE TABLE IF NOT EXISTS handled (value text)")
        tx.execute("GRANT SELECT, INSERT ON handled TO gradebook")
        tx.execute("TRUNCATE handled")
    return config


@pytest.fixture
def start(queue: BrokerConfig, database_config: DatabaseConfig, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    with family(tmp_path, queue, database_config) as children:
        yield lambda **more: children.start(CONSUMER, **more)


def send(broker: BrokerConfig, value: str, event_id: str = "", **properties: object) -> str:
    event_id = event_id or str(uuid.uuid4())
    options: dict[str, object] = {"message_id": event_id, "type": TYPE, "content_type": "application/octet-stream"}
    messages.publish(broker, QUEUE, body(value), **(options | properties))
    return event_id


def handled(base: Database) -> list[str]:
    with base.transaction() as tx:
        return [value for (value,) in tx.execute("SELECT value FROM handled ORDER BY ctid")]


def test_events_are_handled_once_and_in_order(base: Database, queue: BrokerConfig, start: Callable[..., Child]) -> None:
    values = [str(number) for number in range(30)]
    for value in values:
        event_id = send(queue, value)
    send(queue, "29", event_id)
    consumer = start()
    eventually(lambda: handled(base) == values)
    eventually(lambda: messages.depth(queue, QUEUE) == 0)
    assert consumer.end(signal.SIGTERM) == 0
    assert handled(base) == values
    assert messages.depth(queue, QUEUE) == 0, "a message was left unacknowledged"


def test_a_failing_handler_climbs_the_ladder_to_the_dead_letters(
    base: Database, queue: BrokerConfig, start: Callable[..., Child]
) -> None:
    start()
    event_id = send(queue, "fail")
    send(queue, "next")
    eventually(lambda: handled(base) == ["next"])
    eventually(lambda: messages.depth(queue, topology.retry_queue(SERVICE, 10)) == 1)
    properties, taken = messages.take(queue, topology.retry_queue(SERVICE, 10))
    assert properties.headers["hoso-attempt"] == 2
    assert properties.headers["hoso-error"].startswith("ValueError in handle (consuming.py:")
    assert (properties.message_id, properties.type, taken) == (event_id, TYPE, body("fail"))
    messages.publish(queue, QUEUE, taken, message_id=event_id, type=TYPE, headers={"hoso-attempt": 4})
    properties, taken = messages.take(queue, DEAD)
    assert (properties.message_id, taken) == (event_id, body("fail"))
    assert handled(base) == ["next"]


@pytest.mark.parametrize(
    ("unreadable", "properties"),
    [
        (b"\xff\x00{", {}),
        (b'{"value": {"not": "a string"}}', {}),
        (body("x"), {"type": Ended.DESCRIPTOR.full_name}),
        (body("x"), {"message_id": "not a uuid"}),
        (body("x"), {"message_id": None, "type": None}),
        (b"{", {"content_type": "application/json", "content_encoding": "utf-8"}),
        (b'"x\xff', {"content_type": "application/x-python-serialize", "content_encoding": "nonsense"}),
        (body("x"), {"headers": {"compression": "nonsense"}}),
        (body("x"), {"type": b"\xff\xfe"}),
        (body("x"), {"message_id": b"\xff\xfe"}),
        (body("x"), {"app_id": b"\xff\xfe", "correlation_id": b"\xff"}),
    ],
)
def test_an_unreadable_message_becomes_a_dead_letter(
    base: Database, queue: BrokerConfig, start: Callable[..., Child], unreadable: bytes, properties: dict[str, object]
) -> None:
    options: dict[str, object] = {"message_id": str(uuid.uuid4()), "type": TYPE}
    messages.publish(queue, QUEUE, unreadable, **(options | properties))
    consumer = start()
    assert messages.take(queue, DEAD)[1] == unreadable
    send(queue, "next")
    eventually(lambda: handled(base) == ["next"])
    assert consumer.end(signal.SIGTERM) == 0


def test_an_unavailable_handler_holds_the_queue(
    base: Database, queue: BrokerConfig, start: Callable[..., Child]
) -> None:
    consumer = start()
    send(queue, "away")
    send(queue, "next")
    eventually(lambda: consumer.logged("message held; trying again") >= 3)
    assert handled(base) == []
    assert all(messages.depth(queue, topology.retry_queue(SERVICE, s)) == 0 for s in topology.RETRY_S)
    assert consumer.end(signal.SIGTERM) == 0
    eventually(lambda: messages.depth(queue, QUEUE) == 2)


def test_a_slow_database_does_not_stop_the_event_loop(
    base: Database, queue: BrokerConfig, start: Callable[..., Child], tmp_path: Path
) -> None:
    start()
    send(queue, "first")
    eventually(lambda: handled(base) == ["first"])
    ticks = tmp_path / "ticks"
    eventually(ticks.exists)
    before = ticks.stat().st_size
    started = time.monotonic()
    send(queue, "slow")
    eventually(lambda: "slow" in handled(base))
    passed_s = time.monotonic() - started
    assert passed_s > 1.9
    assert ticks.stat().st_size - before > passed_s * 10 * 0.6


def test_a_killed_consumer_loses_and_repeats_nothing(
    base: Database, queue: BrokerConfig, start: Callable[..., Child]
) -> None:
    values = [str(number) for number in range(300)]
    for value in values:
        send(queue, value)
    for done in (50, 120, 200):
        consumer = start()
        eventually(lambda done=done: len(handled(base)) > done)  # type: ignore[misc]
        consumer.end(signal.SIGKILL)
    start()
    eventually(lambda: len(handled(base)) >= 300)
    eventually(lambda: messages.depth(queue, QUEUE) == 0)
    assert sorted(handled(base), key=int) == values


def test_a_consumer_refuses_to_run_with_grpc(queue: BrokerConfig, start: Callable[..., Child]) -> None:
    consumer = start(load=["grpc"])
    assert consumer.process.wait(15) == 1
    assert "must not load grpc" in consumer.log.read_text()
