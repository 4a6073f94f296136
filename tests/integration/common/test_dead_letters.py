"""The operator's tools for dead letters, on a real RabbitMQ."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.common import dead_letters, topology
from services.common.errors import Invalid, NotFound, Unavailable
from services.common.settings import BrokerConfig
from tests.waiting import eventually

from . import messages

SERVICE = "gradebook"
QUEUE = topology.queue(SERVICE)
DEAD = topology.dead_queue(SERVICE)


@pytest.fixture
def queue(broker: Callable[[str], BrokerConfig]) -> BrokerConfig:
    config = broker(SERVICE)
    topology.declare(config, SERVICE, ["hoso.x.v1.Happened"])
    with messages.channel(config) as channel:
        channel.queue_purge(QUEUE)
        channel.queue_purge(DEAD)
    return config


def bury(broker: BrokerConfig, *numbers: int) -> list[str]:
    """Dead letters made the real way: rejected by a consumer of the service's queue."""
    ids = []
    with messages.channel(broker) as channel:
        before = channel.queue_declare(DEAD, passive=True).method.message_count
        for number in numbers:
            ids.append(str(uuid.uuid4()))
            headers = {"hoso-attempt": 4, "hoso-error": "ValueError in handle (events.py:7)"}
            messages.publish(
                broker, QUEUE, b"%d" % number, message_id=ids[-1], type="hoso.x.v1.Happened", headers=headers
            )
            eventually(lambda: channel.queue_declare(QUEUE, passive=True).method.message_count > 0)
            channel.basic_reject(channel.basic_get(QUEUE)[0].delivery_tag, requeue=False)
    eventually(lambda: messages.depth(broker, DEAD) == before + len(numbers))
    return ids


def test_a_dead_letter_names_its_event_and_its_error(queue: BrokerConfig) -> None:
    (event_id,) = bury(queue, 7)
    (letter,) = dead_letters.list_letters(queue, SERVICE)
    assert letter == dead_letters.show(queue, SERVICE, event_id)
    assert (letter.id, letter.type, letter.body, letter.attempts) == (event_id, "hoso.x.v1.Happened", b"7", 4)
    assert letter.error == "ValueError in handle (events.py:7)"
    assert letter.dead_time is not None and abs(datetime.now(UTC) - letter.dead_time) < timedelta(minutes=1)


def test_looking_fifty_times_loses_nothing(queue: BrokerConfig) -> None:
    """RabbitMQ 4 drops a message after twenty deliveries unless the queue says otherwise."""
    ids = bury(queue, 1, 2)
    for _ in range(50):
        seen = dead_letters.list_letters(queue, SERVICE)
        assert sorted(letter.id for letter in seen) == sorted(ids)
    assert len(dead_letters.list_letters(queue, SERVICE, limit=1)) == 1


def test_replay_moves_the_chosen_and_leaves_the_others(queue: BrokerConfig) -> None:
    ids = bury(queue, 1, 2, 3)
    (moved,) = dead_letters.replay(queue, SERVICE, [ids[1]])
    assert moved.id == ids[1]
    properties, body = messages.take(queue, QUEUE)
    assert (properties.message_id, properties.type, body) == (ids[1], "hoso.x.v1.Happened", b"2")
    assert topology.ATTEMPT_HEADER not in (properties.headers or {}), "the attempts must start again"
    eventually(lambda: messages.depth(queue, DEAD) == 2)
    assert len(dead_letters.replay(queue, SERVICE)) == 2
    eventually(lambda: (messages.depth(queue, DEAD), messages.depth(queue, QUEUE)) == (0, 2))


def test_an_unknown_id_stops_everything(queue: BrokerConfig) -> None:
    ids = bury(queue, 1)
    for act in (
        lambda: dead_letters.replay(queue, SERVICE, [*ids, "nobody"]),
        lambda: dead_letters.discard(queue, SERVICE, [*ids, "nobody"], reason="test"),
        lambda: dead_letters.show(queue, SERVICE, "nobody"),
    ):
        with pytest.raises(NotFound, match="nobody"):
            act()
    eventually(lambda: messages.depth(queue, DEAD) == 1)


def test_discard_wants_a_reason_and_returns_what_is_gone(queue: BrokerConfig) -> None:
    ids = bury(queue, 1, 2)
    with pytest.raises(Invalid):
        dead_letters.discard(queue, SERVICE, ids, reason="  ")
    assert [letter.id for letter in dead_letters.discard(queue, SERVICE, [ids[0]], reason="sent by a test")] == [ids[0]]
    eventually(lambda: [letter.id for letter in dead_letters.list_letters(queue, SERVICE)] == [ids[1]])


def test_a_letter_without_id_can_be_named_by_its_body(queue: BrokerConfig) -> None:
    messages.publish(queue, DEAD, b"\xff\x00")
    (letter,) = dead_letters.list_letters(queue, SERVICE)
    assert letter.id.startswith("sha256:")
    assert dead_letters.discard(queue, SERVICE, [letter.id], reason="unreadable") == [letter]
    assert dead_letters.list_letters(queue, SERVICE) == []


def test_a_service_without_queues_is_a_clear_error(queue: BrokerConfig, broker: Callable[[str], BrokerConfig]) -> None:
    with pytest.raises(Unavailable, match="migrate"):
        dead_letters.list_letters(broker("print"), "print")
    with pytest.raises(Unavailable, match="migrate"):
        topology.ping(broker("print"), "print")
    topology.ping(queue, SERVICE)


def test_declaring_again_changes_nothing(queue: BrokerConfig) -> None:
    ids = bury(queue, 1)
    topology.declare(queue, SERVICE, ["hoso.x.v1.Happened", "hoso.x.v1.Ended"])
    assert [letter.id for letter in dead_letters.list_letters(queue, SERVICE)] == ids
