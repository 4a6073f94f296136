"""The servers under the services: who may connect, to what, and that durability is on."""

import ssl
from collections.abc import Callable

import pika
import pika.exceptions
import psycopg
import pytest

from deploy.local import postgres
from services.common import db
from services.common.settings import BrokerConfig, DatabaseConfig, TlsConfig
from tests.servers import Pki, PostgresServer


def connect(database: DatabaseConfig, **changes: object) -> psycopg.Connection[tuple[object, ...]]:
    parameters: dict[str, object] = {
        "host": "postgres.server.hoso",
        "hostaddr": database.host,
        "port": database.port,
        "dbname": database.name,
        "user": database.user,
        "sslmode": "verify-full",
        "sslrootcert": database.tls.ca_file,
        "sslcert": database.tls.cert_file,
        "sslkey": database.tls.key_file,
    }
    return psycopg.connect(**{**parameters, **changes})  # type: ignore[arg-type]


def open_broker(broker: BrokerConfig, tls: TlsConfig) -> pika.BlockingConnection:
    context = ssl.create_default_context(cafile=str(broker.tls.ca_file))
    context.load_cert_chain(tls.cert_file, tls.key_file)
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=broker.host,
            port=broker.port,
            virtual_host=broker.virtual_host,
            credentials=pika.credentials.ExternalCredentials(),
            ssl_options=pika.SSLOptions(context, "rabbitmq.server.hoso"),
        )
    )


def test_a_database_has_an_owner_and_a_user(database: Callable[[str], DatabaseConfig]) -> None:
    config = database("gradebook")
    with connect(db.as_owner(config)) as connection:
        connection.execute("CREATE TABLE t (x int)")
        assert connection.execute("SELECT current_user").fetchone() == ("gradebook_owner",)
    with connect(config) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("gradebook",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM t")


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes", "ssl", "data_checksums"])
def test_durability_and_tls_are_on(database: Callable[[str], DatabaseConfig], setting: str) -> None:
    with connect(database("gradebook")) as connection:
        row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
    assert row == ("on",)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"user": "signing"}, "certificate authentication failed"),
        ({"user": "gradebook_owner"}, "certificate authentication failed"),
        ({"user": "postgres", "dbname": "postgres"}, "certificate authentication failed"),
        ({"dbname": "signing"}, "permission denied for database"),
        ({"dbname": "postgres"}, "permission denied for database"),
        ({"dbname": "template1"}, "permission denied for database"),
        ({"sslmode": "disable"}, "no encryption"),
        ({"sslcert": "", "sslkey": ""}, "certificate"),
    ],
)
def test_postgres_refuses(database: Callable[[str], DatabaseConfig], change: dict[str, str], refusal: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=refusal):
        connect(database("gradebook"), **change)


def test_a_vendor_certificate_opens_no_database(database: Callable[[str], DatabaseConfig], pki_files: Pki) -> None:
    vendor = pki_files.identity("vendor/smas")
    with pytest.raises(psycopg.OperationalError, match="unknown ca"):
        connect(database("gradebook"), sslcert=vendor.cert_file, sslkey=vendor.key_file)


def test_a_service_uses_its_own_queues_only(broker: Callable[[str], BrokerConfig]) -> None:
    own = broker("gradebook")
    with open_broker(own, own.tls) as connection:
        channel = connection.channel()
        channel.queue_declare("gradebook.events", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("gradebook.events", "hoso.events", "print.v1.RenditionReady")
        channel.confirm_delivery()
        channel.basic_publish("hoso.events", "gradebook.v1.X", b"x")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            channel.queue_declare("signing.events", durable=True)


def test_a_virtual_host_starts_empty(broker: Callable[[str], BrokerConfig]) -> None:
    own = broker("archive")
    not_found = pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND")
    with open_broker(own, own.tls) as connection, not_found:
        connection.channel().queue_declare("archive.events", passive=True)


def test_the_broker_refuses_a_certificate_that_is_no_service(
    broker: Callable[[str], BrokerConfig], pki_files: Pki
) -> None:
    vendor = pki_files.identity("vendor/smas")
    stranger = TlsConfig(ca_file=vendor.ca_file, cert_file=vendor.cert_file, key_file=vendor.key_file)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        open_broker(broker("gradebook"), stranger)


def test_a_database_of_before_is_handed_over_to_its_owner(postgres_server: PostgresServer) -> None:
    stack = postgres_server.stack
    with postgres.admin(stack, "print") as root:
        root.execute("CREATE TABLE of_before (n int)")
        root.execute("ALTER TABLE of_before OWNER TO print")
        root.execute("ALTER DATABASE print OWNER TO print")
        try:
            postgres.ready(stack)
            owners = root.execute(
                "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'of_before' UNION ALL"
                " SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'print'"
            ).fetchall()
            assert owners == [("print_owner",), ("print_owner",)]
        finally:
            root.execute("DROP TABLE of_before")
    with connect(postgres.config(stack, "print")) as user:
        assert user.execute("SELECT current_user").fetchone() == ("print",)
