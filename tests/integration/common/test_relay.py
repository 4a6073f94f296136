"""The relay against a real PostgreSQL and RabbitMQ: nothing lost, nothing stuck, one at a time."""

import json
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.layout import Stack
from services.common import outbox, relay, topology
from services.common.db import Database
from services.common.intake import Delivery, Intake, Outcome, Subscription
from services.common.settings import BrokerConfig, DatabaseConfig
from tests.waiting import eventually

from . import messages
from .children import RELAY, family
from .happened import Ended, Happened, body, hear_itself

SERVICE = "gradebook"
QUEUE = topology.queue(SERVICE)
ROUTED = Happened.DESCRIPTOR.full_name


@pytest.fixture
def queue(stack: Stack, broker: Callable[[str], BrokerConfig]) -> BrokerConfig:
    config = broker(SERVICE)
    hear_itself(stack, config.virtual_host)
    topology.declare(config, SERVICE, [ROUTED])
    with messages.channel(config) as channel:
        channel.queue_purge(QUEUE)
    return config


@contextmanager
def relaying(database: DatabaseConfig, broker: BrokerConfig) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(database, broker, SERVICE, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive()


def add(base: Database, *values: str) -> list[str]:
    with base.transaction() as tx:
        return [outbox.add(tx, Happened(value=value)) for value in values]


def outbox_state(base: Database) -> outbox.OutboxCounts:
    with base.transaction() as tx:
        return outbox.state(tx)


def pending(base: Database) -> int:
    return outbox_state(base).pending


def test_an_event_arrives_as_promised(base: Database, database_config: DatabaseConfig, queue: BrokerConfig) -> None:
    (event_id,) = add(base, "book 12")
    with relaying(database_config, queue):
        properties, taken = messages.take(queue, QUEUE)
        eventually(lambda: pending(base) == 0)
    assert json.loads(taken) == {"value": "book 12"}
    assert properties.message_id == event_id == str(uuid.UUID(event_id))
    assert (properties.type, properties.app_id, properties.delivery_mode) == (ROUTED, SERVICE, 2)
    assert properties.user_id == f"service/{SERVICE}"
    assert properties.content_type == "application/octet-stream"


def test_a_rolled_back_event_is_never_sent(
    base: Database, database_config: DatabaseConfig, queue: BrokerConfig
) -> None:
    with pytest.raises(RuntimeError), base.transaction() as tx:
        outbox.add(tx, Happened(value="never"))
        raise RuntimeError
    with relaying(database_config, queue):
        add(base, "sent")
        assert messages.take(queue, QUEUE)[1] == body("sent")
        assert messages.depth(queue, QUEUE) == 0


def test_a_notification_wakes_the_relay(base: Database, database_config: DatabaseConfig, queue: BrokerConfig) -> None:
    with relaying(database_config, queue):
        add(base, "first")
        messages.take(queue, QUEUE)
        waits = []
        with messages.channel(queue) as channel:
            for number in range(20):
                started = time.monotonic()
                add(base, str(number))
                while channel.basic_get(QUEUE, auto_ack=True)[0] is None:
                    time.sleep(0.002)
                waits.append(time.monotonic() - started)
    assert sorted(waits)[10] < 0.25, waits


def test_many_events_keep_their_order(base: Database, database_config: DatabaseConfig, queue: BrokerConfig) -> None:
    ids = add(base, *(str(number) for number in range(5000)))
    with relaying(database_config, queue):
        eventually(lambda: pending(base) == 0, 60)
    received = []
    with messages.channel(queue) as channel:
        for method, properties, _ in channel.consume(QUEUE, auto_ack=True, inactivity_timeout=2):
            if method is None:
                break
            received.append(properties.message_id)
    assert received == ids


def test_an_event_without_a_queue_waits_and_holds_up_nobody(
    base: Database, database_config: DatabaseConfig, queue: BrokerConfig
) -> None:
    with base.transaction() as tx:
        outbox.add(tx, Ended(value="1"))
    add(base, "after")
    with relaying(database_config, queue):
        assert messages.take(queue, QUEUE)[1] == body("after")
        # The message is there a moment before its row is marked.
        eventually(lambda: (outbox_state(base).pending, outbox_state(base).refused) == (1, 1))
        assert outbox_state(base).last_error == "UNROUTABLE NO_ROUTE gradebook.v1.Ended"
        topology.declare(queue, SERVICE, [Ended.DESCRIPTOR.full_name])
        assert messages.take(queue, QUEUE)[0].type == "hoso.gradebook.v1.Ended"
        eventually(lambda: pending(base) == 0)
    with messages.channel(queue) as channel:
        channel.queue_unbind(QUEUE, topology.EXCHANGE, "gradebook.v1.Ended")


def test_only_one_relay_publishes_and_another_takes_over(
    base: Database, database_config: DatabaseConfig, queue: BrokerConfig
) -> None:
    add(base, *(str(number) for number in range(500)))
    with relaying(database_config, queue):
        with relaying(database_config, queue):
            eventually(lambda: pending(base) == 0)
            add(base, *(str(number) for number in range(500)))
            eventually(lambda: pending(base) == 0)
        add(base, "last")
        eventually(lambda: pending(base) == 0)
    assert messages.depth(queue, QUEUE) == 1001


def test_published_rows_are_kept_for_a_while_and_then_removed(
    base: Database, database_config: DatabaseConfig, queue: BrokerConfig
) -> None:
    with base.transaction() as tx:
        tx.execute(
            "INSERT INTO outbox (event_id, type, body, published_time)"
            " SELECT gen_random_uuid(), 't', '', now() - age * interval '1 day' FROM unnest('{1,6,8,400}'::int[]) age"
        )
    with relaying(database_config, queue), base.transaction() as tx:
        add(base, "x")
        messages.take(queue, QUEUE)
        rows = tx.execute("SELECT count(*) FROM outbox WHERE type = 't'").fetchone()
    assert rows == (2,)


def waits_for_a_row(base: Database) -> bool:
    with base.transaction() as tx:
        query = (
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return tx.execute(query).fetchone() == (True,)


def test_a_relay_killed_between_confirm_and_mark_repeats_and_the_inbox_absorbs_it(
    base: Database, database_config: DatabaseConfig, queue: BrokerConfig, tmp_path: Path
) -> None:
    ids = add(base, *(str(number) for number in range(20)))
    with family(tmp_path, queue, database_config) as children:
        with base.transaction() as tx:
            tx.execute("SELECT id FROM outbox FOR UPDATE")  # the relay can publish, and then not mark
            child = children.start(RELAY)
            eventually(lambda: messages.depth(queue, QUEUE) == 20)
            eventually(lambda: waits_for_a_row(base))
            child.end(signal.SIGKILL)
            # Its last statement would still be carried out by the server; a crash one moment
            # earlier sends none.
            tx.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert pending(base) == 20
        child = children.start(RELAY)
        eventually(lambda: pending(base) == 0)
        assert child.end(signal.SIGTERM) == 0
    assert messages.depth(queue, QUEUE) == 40

    handled: list[str] = []
    intake = Intake(database_config, [Subscription(Happened, lambda tx, event: handled.append(event.value))])
    for _ in range(40):
        properties, taken = messages.take(queue, QUEUE)
        assert properties.message_id in ids
        outcome, _ = intake.take(Delivery(properties.message_id, properties.type, taken, properties.user_id))
        assert outcome is Outcome.DONE
    intake.close()
    assert sorted(handled, key=int) == [str(number) for number in range(20)]


def test_a_stopped_relay_marks_what_it_published(
    base: Database, database_config: DatabaseConfig, queue: BrokerConfig, tmp_path: Path
) -> None:
    add(base, *(str(number) for number in range(3000)))
    with family(tmp_path, queue, database_config) as children:
        child = children.start(RELAY)
        eventually(lambda: messages.depth(queue, QUEUE) > 0)
        assert child.end(signal.SIGTERM) == 0
    eventually(lambda: messages.depth(queue, QUEUE) + pending(base) == 3000)
