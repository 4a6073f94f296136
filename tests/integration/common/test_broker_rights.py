"""What each certificate may do at a real RabbitMQ with the rights of a new stack, and what becomes
of a message that is not from whom it seems to be.
"""

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pika.exceptions
import pytest
from cryptography import x509

from deploy.local import certificates, pki, rabbitmq
from deploy.local.layout import SERVICES, Stack
from services.common import amqp, dead_letters, topology
from services.common.db import Database
from services.common.settings import BrokerConfig, DatabaseConfig, TlsConfig
from tests.owning import as_owner
from tests.servers import Pki, RabbitServer
from tests.waiting import eventually

from . import messages
from .children import CONSUMER, Child, family
from .happened import Happened, body, hear_itself

TYPE = Happened.DESCRIPTOR.full_name
REFUSED = "ACCESS_REFUSED"
READS = {
    "gradebook": "print.v1.RenditionReady",
    "print": "gradebook.v1.BookVoided",
    "signing": "print.v1.RenditionReady",
    "archive": "gradebook.v1.BookLocked",
}


@pytest.fixture(scope="module")
def everyone(broker: Callable[[str], BrokerConfig]) -> dict[str, BrokerConfig]:
    """Every service's way into the broker, with its queues."""
    configs = {service: broker(service) for service in SERVICES}
    for service, config in configs.items():
        topology.declare(config, service, [f"hoso.{READS[service]}"])
    return configs


def answer(config: BrokerConfig, method: str, *arguments: object, **more: object) -> str:
    """What the broker answers to an act on a channel of its own; empty when it lets it pass."""
    with amqp.channel(config) as channel:
        channel.confirm_delivery()
        try:
            getattr(channel, method)(*arguments, **more)
        except pika.exceptions.ChannelClosedByBroker as e:
            return str(e.reply_text)
    return ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_publishes_its_own_package_in_its_own_name(everyone: dict[str, BrokerConfig], service: str) -> None:
    config, rest = everyone[service], topology.retry_queue(service, 1)
    for other in SERVICES:
        told = answer(config, "basic_publish", "hoso.events", f"{other}.v1.Anything", b"{}")
        assert (REFUSED in told) == (other != service), (other, told)
        claimed = pika.BasicProperties(user_id=f"service/{other}")
        told = answer(config, "basic_publish", topology.retry_exchange(service), rest, b"{}", claimed)
        assert ("user_id" in told) == (other != service), (other, told)
    for key in ("", "#", service, f"{service}.v1", f"{service}.v1.X.Y", f"x.{service}.v1.X"):
        assert REFUSED in answer(config, "basic_publish", "hoso.events", key, b"{}"), key


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_writes_the_default_exchange_or_what_is_of_others(
    everyone: dict[str, BrokerConfig], service: str
) -> None:
    config = everyone[service]
    for receiver in SERVICES:
        queues = (topology.queue(receiver), topology.dead_queue(receiver), topology.retry_queue(receiver, 1))
        for name in queues:
            assert REFUSED in answer(config, "basic_publish", "", name, b"{}"), name
        if receiver == service:
            continue
        assert REFUSED in answer(config, "basic_publish", topology.retry_exchange(receiver), queues[0], b"{}")
        for name in queues:
            for method in ("basic_get", "queue_purge", "queue_delete"):
                assert REFUSED in answer(config, method, name), (method, name)
            assert REFUSED in answer(config, "queue_bind", name, "hoso.events", READS[service]), name
            assert REFUSED in answer(config, "queue_unbind", name, "hoso.events", READS[receiver]), name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_right_that_it_does_not_use(everyone: dict[str, BrokerConfig], service: str) -> None:
    config, own = everyone[service], topology.queue(service)
    acts: tuple[tuple[object, ...], ...] = (
        ("queue_bind", own, "hoso.events", "#"),
        ("queue_bind", own, "hoso.events", "gradebook.#"),
        ("queue_bind", own, "hoso.events", f"{service}.v1.Anything"),
        ("queue_bind", own, "amq.topic", "x"),
        ("exchange_declare", "hoso.events", "topic", False, True),
        ("exchange_delete", "hoso.events"),
        ("exchange_declare", f"{service}.mine", "topic"),
        ("queue_declare", f"{service}.events.copy"),
        ("queue_declare", ""),
        ("basic_publish", "amq.topic", "x", b"{}"),
    )
    for method, *arguments in acts:
        assert REFUSED in answer(config, str(method), *arguments), (method, arguments)
    assert answer(config, "queue_bind", own, "hoso.events", READS[service]) == ""


@pytest.mark.parametrize("name", ["operator/department", "vendor/smas"])
def test_an_operator_or_vendor_has_no_account(
    everyone: dict[str, BrokerConfig], pki_files: Pki, stack: Stack, tmp_path: Path, name: str
) -> None:
    config = dataclasses.replace(everyone["print"], user=name)

    def knock(cert_file: Path, key_file: Path) -> None:
        tls = TlsConfig(config.tls.ca_file, cert_file, key_file)
        pika.BlockingConnection(amqp.parameters(dataclasses.replace(config, tls=tls)))

    own = pki_files.identity(name)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        knock(own.cert_file, own.key_file)
    # Nor would it help if the services' CA, whom the broker believes, gave such a name.
    issued = certificates.sign(
        pki.authority(stack, "service"),
        (name,),
        [x509.UniformResourceIdentifier(f"urn:hoso:{name}")],
        certificates.PROFILES["service"],
    )
    certificates.write(issued, tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        knock(tmp_path / "cert.pem", tmp_path / "key.pem")


@pytest.fixture
def consumer(
    stack: Stack,
    everyone: dict[str, BrokerConfig],
    base: Database,
    database_config: DatabaseConfig,
    tmp_path: Path,
) -> Iterator[Child]:
    """Gradebook's consumer, which takes Happened of gradebook and nothing else."""
    config = everyone["gradebook"]
    hear_itself(stack, config.virtual_host)
    with messages.channel(config) as channel:
        for rest_s in topology.RETRY_S:
            channel.queue_purge(topology.retry_queue("gradebook", rest_s))
        channel.queue_purge(topology.queue("gradebook"))
        channel.queue_purge(topology.dead_queue("gradebook"))
    with as_owner(base.config) as tx:
        tx.execute("CREATE TABLE IF NOT EXISTS handled (value text)")
        tx.execute("GRANT SELECT, INSERT ON handled TO gradebook")
        tx.execute("TRUNCATE handled")
    with family(tmp_path, config, database_config) as children:
        yield children.start(CONSUMER)


def handled(base: Database) -> list[str]:
    with base.transaction() as tx:
        return [value for (value,) in tx.execute("SELECT value FROM handled ORDER BY ctid")]


def test_an_event_of_another_than_its_owner_is_a_dead_letter_with_an_alarm(
    everyone: dict[str, BrokerConfig], base: Database, consumer: Child
) -> None:
    """print may write to gradebook's queue, but only its own events: the type says another's."""
    own = {"user_id": "service/print"}
    noted = {topology.PUBLISHER_HEADER: "service/gradebook", topology.ATTEMPT_HEADER: -7}
    forgeries: list[dict[str, object]] = [
        own,
        {},  # nobody's
        {"app_id": "gradebook"},
        {**own, "app_id": "gradebook", "headers": noted},
        {"headers": noted},
    ]
    for number, properties in enumerate(forgeries):
        options = {"message_id": str(uuid.uuid4()), "type": TYPE, "delivery_mode": 2, **properties}
        with messages.channel(everyone["print"]) as channel:
            forged = pika.BasicProperties(**options)
            channel.basic_publish("hoso.events", READS["gradebook"], body(f"forged {number}"), forged, mandatory=True)
    gradebook = everyone["gradebook"]
    eventually(lambda: messages.depth(gradebook, topology.dead_queue("gradebook")) == len(forgeries))
    messages.publish(gradebook, topology.queue("gradebook"), body("own"), message_id=str(uuid.uuid4()), type=TYPE)
    eventually(lambda: handled(base) == ["own"])
    alarms = [json.loads(line) for line in consumer.log.read_text().splitlines() if "NOT_FROM_OWNER" in line]
    assert [(alarm["level"], alarm["alarm"], alarm["type"]) for alarm in alarms] == [("error", True, TYPE)] * 5

    # An operator who replays everything makes none of them true.
    letters = dead_letters.replay(gradebook, "gradebook")
    assert sorted(letter.publisher for letter in letters) == ["", "", "", "service/print", "service/print"]
    eventually(lambda: consumer.logged("NOT_FROM_OWNER") == 2 * len(forgeries))
    eventually(lambda: messages.depth(gradebook, topology.dead_queue("gradebook")) == len(forgeries))
    assert handled(base) == ["own"]


def test_the_first_publisher_is_remembered_on_the_ladder_and_by_a_replay(
    everyone: dict[str, BrokerConfig], base: Database, consumer: Child
) -> None:
    gradebook = everyone["gradebook"]
    failing = {"message_id": str(uuid.uuid4()), "type": TYPE}
    messages.publish(gradebook, topology.queue("gradebook"), body("fail"), **failing)
    eventually(lambda: consumer.logged("trying again") >= 2)  # it was on the ladder and is believed again
    properties, taken = messages.take(gradebook, topology.retry_queue("gradebook", 10))
    assert (properties.user_id, properties.headers[topology.PUBLISHER_HEADER]) == ("service/gradebook",) * 2
    messages.publish(gradebook, topology.queue("gradebook"), taken, headers={topology.ATTEMPT_HEADER: 4}, **failing)
    eventually(lambda: messages.depth(gradebook, topology.dead_queue("gradebook")) == 1)
    (letter,) = dead_letters.replay(gradebook, "gradebook")
    assert (letter.publisher, letter.attempts) == ("service/gradebook", 4)
    eventually(lambda: consumer.logged("trying again") >= 3)
    assert consumer.logged("NOT_FROM_OWNER") == 0


def test_the_queues_of_an_existing_broker_are_kept_with_their_messages(
    stack: Stack, rabbitmq_server: RabbitServer
) -> None:
    """They lead dead letters through the default exchange, and no longer anybody may write it."""
    virtual_host = rabbitmq_server.create()
    config = rabbitmq_server.config("print", virtual_host)
    own, dead, rest = topology.queue("print"), topology.dead_queue("print"), topology.retry_queue("print", 1)
    try:
        rabbitmq.control(stack, "set_permissions", "-p", virtual_host, config.user, ".*", ".*", ".*")
        with messages.channel(config) as channel:
            for name, arguments in {
                dead: {"x-delivery-limit": 1_000_000_000},
                own: {"x-delivery-limit": 1000, **to_default_exchange(dead)},
                **{
                    topology.retry_queue("print", rest_s): {
                        "x-delivery-limit": 1_000_000_000,
                        "x-message-ttl": rest_s * 1000,
                        **to_default_exchange(own),
                    }
                    for rest_s in topology.RETRY_S
                },
            }.items():
                channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
            for name in (own, dead, rest):
                channel.basic_publish("", name, name.encode(), mandatory=True)
        rabbitmq.create_virtual_host(stack, virtual_host)  # the rights as a new stack has them

        topology.declare(config, "print", [f"hoso.{READS['print']}"])
        topology.declare(config, "print", [f"hoso.{READS['print']}"])
        topology.ping(config, "print")
        assert {messages.take(config, own)[1], messages.take(config, own)[1]} == {own.encode(), rest.encode()}
        assert messages.take(config, dead)[1] == dead.encode()
        messages.publish(config, rest, b"rests, comes back, dies")
        with messages.channel(config) as channel:
            eventually(lambda: channel.queue_declare(own, passive=True).method.message_count == 1)
            channel.basic_reject(channel.basic_get(own)[0].delivery_tag, requeue=False)
        properties, died = messages.take(config, dead)
        assert (properties.user_id, died) == (config.user, b"rests, comes back, dies")
    finally:
        rabbitmq_server.drop(virtual_host)


def to_default_exchange(queue: str) -> dict[str, object]:
    return {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
