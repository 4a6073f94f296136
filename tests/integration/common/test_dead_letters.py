"""The operator's tools for dead letters, on a real RabbitMQ."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from hoso.operations.v1 import dead_letters_pb2 as pb
from hoso.operations.v1 import dead_letters_pb2_grpc

from deploy.local.layout import Stack
from services.common import dead_letter_service, dead_letters, topology
from services.common.db import Database
from services.common.errors import Invalid, NotFound, Unavailable
from services.common.grpc_client import channel
from services.common.refusals import Refusals
from services.common.settings import BrokerConfig, PeerConfig, ServerConfig
from tests import servers
from tests.servers import Pki
from tests.service_processes import free_port
from tests.stand_ins import tls
from tests.waiting import eventually

from . import messages
from .happened import hear_itself

SERVICE = "gradebook"
QUEUE = topology.queue(SERVICE)
DEAD = topology.dead_queue(SERVICE)
HAPPENED = "hoso.gradebook.v1.Happened"


@pytest.fixture
def queue(stack: Stack, broker: Callable[[str], BrokerConfig]) -> BrokerConfig:
    config = broker(SERVICE)
    hear_itself(stack, config.virtual_host)
    topology.declare(config, SERVICE, [HAPPENED])
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
            messages.publish(broker, QUEUE, b"%d" % number, message_id=ids[-1], type=HAPPENED, headers=headers)
            eventually(lambda: channel.queue_declare(QUEUE, passive=True).method.message_count > 0)
            channel.basic_reject(channel.basic_get(QUEUE)[0].delivery_tag, requeue=False)
    eventually(lambda: messages.depth(broker, DEAD) == before + len(numbers))
    return ids


def test_a_dead_letter_names_its_event_and_its_error(queue: BrokerConfig) -> None:
    (event_id,) = bury(queue, 7)
    (letter,) = dead_letters.list_letters(queue, SERVICE)
    assert letter == dead_letters.show(queue, SERVICE, event_id)
    assert (letter.id, letter.type, letter.body, letter.attempts) == (event_id, HAPPENED, b"7", 4)
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
    assert (properties.message_id, properties.type, body) == (ids[1], HAPPENED, b"2")
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


def test_a_letter_with_properties_that_are_no_text_is_listed_and_replayed(queue: BrokerConfig) -> None:
    for number in range(3):
        odd = b"\xff%d" % number
        messages.publish(queue, DEAD, odd, message_id=odd, type=odd, headers={"hoso-error": "x\0"})
    letters = dead_letters.list_letters(queue, SERVICE)
    assert {(letter.id[:7], letter.type) for letter in letters} == {("sha256:", "")}
    assert len(dead_letters.replay(queue, SERVICE, [letters[0].id])) == 1
    assert len(dead_letters.discard(queue, SERVICE, [letters[1].id], reason="sent by a test")) == 1


def test_a_service_without_queues_is_a_clear_error(queue: BrokerConfig, broker: Callable[[str], BrokerConfig]) -> None:
    with pytest.raises(Unavailable, match="migrate"):
        dead_letters.list_letters(broker("print"), "print")
    with pytest.raises(Unavailable, match="migrate"):
        topology.ping(broker("print"), "print")
    topology.ping(queue, SERVICE)


def test_declaring_again_changes_nothing(queue: BrokerConfig) -> None:
    ids = bury(queue, 1)
    topology.declare(queue, SERVICE, [HAPPENED, "hoso.gradebook.v1.Ended"])
    assert [letter.id for letter in dead_letters.list_letters(queue, SERVICE)] == ids


def test_an_operator_replays_and_discards_through_the_service_on_record(
    queue: BrokerConfig, base: Database, pki_files: Pki, stack: Stack
) -> None:
    ids = bury(queue, 1, 2, 3)
    config = ServerConfig(
        listen=f"127.0.0.1:{free_port()}",
        tls=tls(pki_files, "service/gradebook"),
        issuers_file=stack.pki / "issuers.json",
    )
    with servers.serving(config, [dead_letter_service.served(base, queue, SERVICE)], Refusals(base)):

        def stub(client: str) -> Any:
            return dead_letters_pb2_grpc.DeadLetterServiceStub(
                channel(PeerConfig(config.listen, tls(pki_files, client)), "gradebook")
            )

        operator = stub("operator/department")
        listed = operator.ListDeadLetters(pb.ListDeadLettersRequest(), timeout=20).letters
        assert sorted(letter.id for letter in listed) == sorted(ids)
        assert {(letter.type, letter.publisher, letter.attempts) for letter in listed} == {(HAPPENED, queue.user, 4)}
        request = pb.DiscardDeadLettersRequest(letters=ids[:1], reason="sent by a test")
        assert [letter.id for letter in operator.DiscardDeadLetters(request, timeout=20).letters] == ids[:1]
        assert len(operator.ReplayDeadLetters(pb.ReplayDeadLettersRequest(), timeout=20).letters) == 2
        eventually(lambda: (messages.depth(queue, DEAD), messages.depth(queue, QUEUE)) == (0, 2))
        for refused, act, code in (
            ("operator/department", pb.DiscardDeadLettersRequest(letters=ids), grpc.StatusCode.INVALID_ARGUMENT),
            ("operator/department", pb.DiscardDeadLettersRequest(reason="x"), grpc.StatusCode.INVALID_ARGUMENT),
            ("service/print", request, grpc.StatusCode.PERMISSION_DENIED),
            ("vendor/smas", request, grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.RpcError) as error:
                stub(refused).DiscardDeadLetters(act, timeout=20)
            assert error.value.code() is code
    with base.transaction() as tx:
        rows = tx.execute(
            "SELECT action, subject, facts ->> 'reason', client FROM audit_entry"
            " WHERE chain = 'operations' ORDER BY sequence"
        ).fetchall()
    assert rows[0] == ("DEAD_LETTER_DISCARDED", f"dead-letters/{ids[0]}", "sent by a test", "operator/department")
    assert sorted(row[1] for row in rows[1:]) == sorted(f"dead-letters/{letter}" for letter in ids[1:])
    assert {row[0] for row in rows[1:]} == {"DEAD_LETTER_REPLAYED"}
