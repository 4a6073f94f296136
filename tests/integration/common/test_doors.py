"""Who a certificate is for PostgreSQL and RabbitMQ, and whom our clients take for them (ADR-0067).
The same at the gRPC edge: tests/integration/edge/test_names.py.
"""

import contextlib
import dataclasses
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import psycopg
import pytest
from cryptography import x509

from deploy.local import certificates, pki, postgres, rabbitmq, renewal
from deploy.local.certificates import PROFILES, Issued
from deploy.local.layout import HOST, LocalError, Stack
from services.common import amqp, db
from services.common.config import ConfigError
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig, DatabaseConfig, TlsConfig
from tests.waiting import eventually

SERVICE = "service/print"
OTHER = "service/gradebook"


@pytest.fixture
def door(
    stack: Stack, database: Callable[[str], DatabaseConfig], broker: Callable[[str], BrokerConfig], tmp_path: Path
) -> "Doors":
    return Doors(stack, database("print"), broker("print"), tmp_path)


@dataclasses.dataclass(frozen=True)
class Doors:
    """Ways to knock with any certificate; the stack's servers."""

    stack: Stack
    database: DatabaseConfig
    broker: BrokerConfig
    folder: Path

    def sign(self, kind: str, *common_names: str, uri: str = "", host: str = "") -> Issued:
        """What the CA of `kind` could issue if it wanted."""
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:hoso:{uri or common_names[0]}")]
        if host == HOST:
            names.append(x509.IPAddress(ipaddress.IPv4Address(host)))
        elif host:
            names.append(x509.DNSName(host))
        return certificates.sign(pki.authority(self.stack, kind), common_names, names, PROFILES["service"])

    def files(self, issued: Issued) -> TlsConfig:
        name = str(issued.certificate.serial_number)
        cert_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificates.write(issued, cert_file, key_file)
        return TlsConfig(pki.bundle(self.stack, "servers"), cert_file, key_file)

    def opens_database(self, issued: Issued, user: str = "print") -> bool:
        name = "print" if user == "print" else "gradebook"
        config = dataclasses.replace(self.database, tls=self.files(issued), user=user, name=name)
        return answers(lambda: db.connect(config).close(), Unavailable, psycopg.OperationalError)

    def opens_broker(self, issued: Issued) -> bool:
        return answers(lambda: self.broker_user(issued), Unavailable)

    def broker_user(self, issued: Issued) -> str:
        """As whom the broker lets it in, by its own account."""
        with amqp.channel(dataclasses.replace(self.broker, tls=self.files(issued))):
            users = rabbitmq.control(self.stack, "list_connections", "user")
        return users.split()[-1]


def answers(knock: Callable[[], object], *refusals: type[Exception]) -> bool:
    try:
        knock()
    except refusals:
        return False
    return True


def test_the_services_ca_gives_the_names_of_services(door: Doors) -> None:
    good = door.sign("service", SERVICE)
    assert door.opens_database(good)
    assert door.opens_broker(good)
    assert consumer_says(door.broker) == "connected\n"


@pytest.mark.parametrize("kind", ["vendor", "operator", "server", "anchor", "store"])
def test_postgres_believes_the_services_ca_only(door: Doors, kind: str) -> None:
    assert not door.opens_database(door.sign(kind, SERVICE))


@pytest.mark.parametrize("kind", ["vendor", "operator", "server", "anchor", "store"])
def test_the_broker_believes_the_services_ca_only(door: Doors, kind: str) -> None:
    assert not door.opens_broker(door.sign(kind, SERVICE))


@pytest.mark.parametrize("names", [(SERVICE, OTHER), (OTHER, SERVICE)])
def test_two_common_names_open_nothing(door: Doors, names: tuple[str, str]) -> None:
    both = door.sign("service", *names)
    assert not door.opens_database(both, "print")
    assert not door.opens_database(both, "gradebook")
    assert not door.opens_broker(both)


def test_the_common_name_decides_at_both_doors(door: Doors) -> None:
    """Where common name and URI differ, gRPC refuses, so the common name is all it can be."""
    both = door.sign("service", SERVICE, uri=OTHER)
    assert not door.opens_database(both, "gradebook")
    assert door.broker_user(both) == SERVICE


def test_a_revoked_certificate_opens_nothing(door: Doors) -> None:
    stolen, kept = door.sign("service", SERVICE), door.sign("service", SERVICE)
    assert door.opens_database(stolen)
    assert door.opens_broker(stolen)
    renewal.revoke(door.stack, SERVICE, door.files(stolen).cert_file)
    eventually(lambda: not door.opens_database(stolen))
    assert not door.opens_broker(stolen)
    assert door.opens_database(kept)
    assert door.opens_broker(kept)


def test_revoking_ends_what_the_name_has_open(door: Doors) -> None:
    stolen = door.sign("service", SERVICE)
    files = door.files(stolen)
    session = db.connect(dataclasses.replace(door.database, tls=files), autocommit=True)
    connection = pika.BlockingConnection(amqp.parameters(dataclasses.replace(door.broker, tls=files)))
    renewal.revoke(door.stack, SERVICE, files.cert_file)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        connection.channel()


def test_a_certificate_of_others_is_not_revoked(door: Doors) -> None:
    key = certificates.new_authority("service", "another")
    with pytest.raises(LocalError, match="none of the stack's CAs"):
        renewal.revoke(door.stack, SERVICE, door.files(key).cert_file)


def test_old_sessions_end(door: Doors) -> None:
    session = db.connect(door.database, autocommit=True)
    connection = pika.BlockingConnection(amqp.parameters(door.broker))
    postgres.end_sessions(door.stack, "print", older_than_s=60)
    rabbitmq.end_connections(door.stack, SERVICE, older_than_s=60)
    session.execute("SELECT 1")
    connection.channel()
    time.sleep(1)
    assert postgres.end_sessions(door.stack, "print", older_than_s=0.5) >= 1
    assert rabbitmq.end_connections(door.stack, SERVICE, older_than_s=0.5) >= 1
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        connection.channel()


def test_servers_show_a_renewed_certificate_without_a_restart(door: Doors) -> None:
    for name, port in (("postgres", door.database.port), ("rabbitmq", door.broker.port)):
        before = shown(door, port)
        assert before == x509.load_pem_x509_certificate(
            pki.identity(door.stack, f"server/{name}").cert_file.read_bytes()
        )
        pki.revoke(door.stack, before)
        renewal.renew(door.stack)
        eventually(lambda port=port, before=before: shown(door, port) != before)  # type: ignore[misc]
    assert door.opens_database(door.sign("service", SERVICE))
    assert door.opens_broker(door.sign("service", SERVICE))


@pytest.mark.parametrize(
    ("kind", "name", "host"),
    [
        pytest.param("server", "server/rabbitmq", "rabbitmq.server.hoso", id="another-server"),
        pytest.param("server", "server/postgres", HOST, id="the-host"),
        pytest.param("service", "server/postgres", "postgres.server.hoso", id="another-ca"),
    ],
)
def test_nothing_else_passes_for_postgres(door: Doors, kind: str, name: str, host: str) -> None:
    with posing(door, door.sign(kind, name, host=host), postgres=True) as port:
        config = dataclasses.replace(door.database, port=port)
        with pytest.raises(Unavailable) as refused:
            db.connect(config)
    assert "certificate" in str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("kind", "name", "host"),
    [
        pytest.param("server", "server/postgres", "postgres.server.hoso", id="another-server"),
        pytest.param("server", "server/rabbitmq", HOST, id="the-host"),
        pytest.param("service", "server/rabbitmq", "rabbitmq.server.hoso", id="another-ca"),
    ],
)
def test_nothing_else_passes_for_the_broker(door: Doors, kind: str, name: str, host: str) -> None:
    with posing(door, door.sign(kind, name, host=host), postgres=False) as port:
        config = dataclasses.replace(door.broker, port=port)
        with pytest.raises(Unavailable) as refused, amqp.channel(config):
            pass
        assert "CERTIFICATE_VERIFY_FAILED" in repr(refused.value.__cause__)
        assert "certificate verify failed" in consumer_says(config)


def test_a_revoked_server_is_not_believed(door: Doors) -> None:
    server = door.sign("server", "server/postgres", host="postgres.server.hoso")
    with posing(door, server, postgres=True) as port:
        config = dataclasses.replace(door.database, port=port)
        with pytest.raises(Unavailable) as believed:
            db.connect(config)
        pki.revoke(door.stack, server.certificate)
        with pytest.raises(Unavailable) as refused:
            db.connect(config)
    assert "certificate verify failed" not in str(believed.value.__cause__)
    assert "certificate verify failed" in str(refused.value.__cause__)


def test_a_client_of_the_servers_believes_no_other_ca(door: Doors) -> None:
    everybody = dataclasses.replace(door.database.tls, ca_file=pki.identity(door.stack, SERVICE).ca_file)
    with pytest.raises(ConfigError, match="no CA is named"):
        db.Database(dataclasses.replace(door.database, tls=everybody))
    more = door.folder / "more.pem"
    more.write_bytes(door.database.tls.ca_file.read_bytes() + everybody.ca_file.read_bytes())
    mixed = dataclasses.replace(door.database.tls, ca_file=more)
    with pytest.raises(ConfigError, match=r"only CAs named urn:hoso:ca/server"):
        db.Database(dataclasses.replace(door.database, tls=mixed))
    with pytest.raises(ConfigError, match=r"only CAs named urn:hoso:ca/server"):
        amqp.parameters(dataclasses.replace(door.broker, tls=mixed))


def consumer_says(config: BrokerConfig) -> str:
    """What a consumer's process says that connects; it changes sockets for all of its process."""
    tls = tuple(map(str, dataclasses.astuple(config.tls)))
    program = (
        "from pathlib import Path; from services.common import consumer; from services.common.settings import *;"
        f"tls = TlsConfig(*map(Path, {tls!r}));"
        f"config = BrokerConfig({config.host!r}, {config.port}, {config.user!r}, {config.virtual_host!r}, tls);"
        "consumer._connect(config).connect(); print('connected')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


_SSL_REQUEST = bytes((0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F))  # PostgreSQL's protocol, 55.7


def shown(door: Doors, port: int) -> x509.Certificate:
    """The certificate that the server at `port` shows to a new connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(door.database.tls.cert_file, door.database.tls.key_file)
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        if port == door.database.port:
            plain.sendall(_SSL_REQUEST)
            assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")


@contextlib.contextmanager
def posing(door: Doors, issued: Issued, *, postgres: bool) -> Iterator[int]:
    """A port where somebody with this certificate answers as PostgreSQL or RabbitMQ would."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = door.files(issued)
    context.load_cert_chain(files.cert_file, files.key_file)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = server.accept()
                    with contextlib.suppress(OSError), plain:
                        if postgres:
                            plain.recv(8)
                            plain.sendall(b"S")
                        with context.wrap_socket(plain, server_side=True) as connection:
                            connection.recv(1)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)
