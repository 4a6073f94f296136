"""Who a certificate is at the gRPC edge: one name, given by the CA of its kind, as long as it
holds; and whom a service's client takes for another service (ADR-0067).
"""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from hoso.operations.v1 import operations_pb2_grpc

from deploy.local import certificates, pki
from deploy.local.certificates import Issued, Profile
from deploy.local.layout import Stack, write_private
from services.common import grpc_server, peer
from services.common.db import Database
from services.common.errors import HosoError, Unauthenticated, Unavailable
from services.common.grpc_client import calling
from services.common.settings import TlsConfig
from tests.integration.edge.served import Edge, Status, tls
from tests.servers import Pki
from tests.waiting import eventually

OPERATOR = "operator/department"
VENDOR = "vendor/smas"
BOTH = Profile(certificates.PROFILES["service"].usages, 30)


@pytest.fixture
def own(tmp_path: Path) -> Pki:
    """CAs of this test's own, which it may change."""
    stack = Stack("own", 29000, tmp_path / "own")
    stack.make_folders()
    pki.issue_all(stack)
    return Pki(stack)


@pytest.fixture
def edge(own: Pki, db: Database) -> Iterator[Edge]:
    stop = threading.Event()
    edge = Edge(own, db, stop)
    grpc.channel_ready_future(edge.channel(OPERATOR)).result(timeout=10)
    yield edge
    stop.set()
    edge.thread.join(20)


def files(edge: Edge, issued: Issued) -> TlsConfig:
    """A certificate where a client finds it."""
    folder = edge.pki.stack.pki / "issued"
    folder.mkdir(exist_ok=True)
    name = str(issued.certificate.serial_number)
    certificates.write(issued, folder / f"{name}.pem", folder / f"{name}.key")
    return TlsConfig(edge.pki.identity(VENDOR).ca_file, folder / f"{name}.pem", folder / f"{name}.key")


def authority(edge: Edge, kind: str) -> Issued:
    return pki.authority(edge.pki.stack, kind)


def ask(channel: grpc.Channel) -> None:
    with calling("archive"):
        operations_pb2_grpc.OperationsServiceStub(channel).GetStatus(Status(), timeout=5)


def reason(call: Callable[[], object], kind: type[HosoError] = Unauthenticated) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "name"),
    [("vendor", OPERATOR), ("vendor", "service/gradebook"), ("operator", VENDOR), ("service", OPERATOR)],
)
def test_a_ca_gives_names_of_its_kind_only(edge: Edge, kind: str, name: str) -> None:
    issued = certificates.issue(authority(edge, kind), name)
    with edge.channel_with(files(edge, issued)) as channel:
        assert reason(lambda: ask(channel)) == "CERTIFICATE_ISSUER"


@pytest.mark.parametrize("kind", ["server", "anchor", "store"])
def test_a_ca_whose_names_make_no_calls_is_not_believed(edge: Edge, kind: str) -> None:
    profile = certificates.PROFILES["vendor"]
    uri = x509.UniformResourceIdentifier(f"urn:hoso:{OPERATOR}")
    issued = certificates.sign(authority(edge, kind), [OPERATOR], [uri], profile)
    with edge.channel_with(files(edge, issued)) as channel:
        assert reason(lambda: ask(channel), Unavailable) == "ARCHIVE_UNAVAILABLE"


def uri(name: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(f"urn:hoso:{name}")


@pytest.mark.parametrize(
    ("common_names", "names"),
    [
        pytest.param([VENDOR], [uri(OPERATOR)], id="another-common-name"),
        pytest.param([OPERATOR, VENDOR], [uri(OPERATOR)], id="two-common-names"),
        pytest.param([], [uri(OPERATOR)], id="no-common-name"),
        pytest.param([OPERATOR], [uri(OPERATOR), uri(VENDOR)], id="two-urns"),
        pytest.param([OPERATOR], [uri(VENDOR), uri(OPERATOR)], id="two-urns-the-other-first"),
        pytest.param([OPERATOR], [uri(OPERATOR), x509.UniformResourceIdentifier("https://smas.vn")], id="two-uris"),
        pytest.param([OPERATOR], [uri(OPERATOR), x509.DNSName("gradebook.service.hoso")], id="another-host"),
        pytest.param([OPERATOR], [uri(OPERATOR), x509.DNSName("localhost")], id="localhost"),
        pytest.param([OPERATOR], [uri(OPERATOR), x509.RFC822Name("a@hoso.vn")], id="mail"),
        pytest.param([OPERATOR], [x509.DNSName("department.operator.hoso")], id="no-urn"),
        pytest.param(["department"], [uri("department")], id="no-kind"),
        pytest.param(["operator/*"], [uri("operator/*")], id="a-pattern"),
        pytest.param(["operator/a\nb"], [uri("operator/a\nb")], id="two-lines"),
        pytest.param(["operator/a/b"], [uri("operator/a/b")], id="three-parts"),
        pytest.param(["operator/"], [uri("operator/")], id="only-a-kind"),
    ],
)
def test_a_certificate_with_another_name_is_refused(
    edge: Edge, common_names: list[str], names: list[x509.GeneralName]
) -> None:
    issued = certificates.sign(authority(edge, "operator"), common_names, names, certificates.PROFILES["operator"])
    with edge.channel_with(files(edge, issued)) as channel:
        assert reason(lambda: ask(channel)) == "CERTIFICATE_NAMES"


def test_a_revoked_certificate_is_refused_at_the_next_call(edge: Edge) -> None:
    stolen, own = edge.channel(OPERATOR), edge.channel(VENDOR)
    ask(stolen)
    ask(own)
    certificate = x509.load_pem_x509_certificate(edge.pki.identity(OPERATOR).cert_file.read_bytes())
    pki.revoke(edge.pki.stack, certificate)
    assert reason(lambda: ask(stolen)) == "CERTIFICATE_REVOKED"
    ask(own)
    pki.issue_all(edge.pki.stack)
    ask(edge.channel(OPERATOR))
    assert reason(lambda: ask(stolen)) == "CERTIFICATE_REVOKED"


def test_all_who_cannot_be_named_have_one_share(own: Pki, db: Database) -> None:
    stop = threading.Event()
    edge = Edge(own, db, stop, calls_per_client=1)
    try:
        grpc.channel_ready_future(edge.channel(VENDOR)).result(timeout=10)
        issued = certificates.issue(authority(edge, "vendor"), OPERATOR)
        with edge.channel_with(files(edge, issued)) as channel:
            stub = operations_pb2_grpc.OperationsServiceStub(channel)
            calls = [stub.GetStatus.future(Status(), timeout=10) for _ in range(100)]
            codes = {call.code() for call in calls}
        assert codes == {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        ask(edge.channel(VENDOR))
    finally:
        stop.set()
        edge.thread.join(20)


def test_a_connection_does_not_outlive_its_certificate(edge: Edge) -> None:
    issued = certificates.issue(authority(edge, "operator"), OPERATOR, lifetime=datetime.timedelta(seconds=3))
    with edge.channel_with(files(edge, issued)) as channel:
        ask(channel)
        time.sleep(3)
        assert reason(lambda: ask(channel)) == "CERTIFICATE_EXPIRED"


def test_a_revocation_list_that_is_too_old_refuses(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(edge.channel(OPERATOR))
    past = certificates.now() - datetime.timedelta(days=certificates.CRL_DAYS)
    monkeypatch.setattr(certificates, "now", lambda: past)
    certificate = x509.load_pem_x509_certificate(edge.pki.identity(VENDOR).cert_file.read_bytes())
    pki.revoke(edge.pki.stack, certificate)
    assert reason(lambda: ask(edge.channel(VENDOR))) == "CERTIFICATE_REVOKED"
    other = files(edge, certificates.issue(authority(edge, "vendor"), VENDOR, lifetime=datetime.timedelta(days=60)))
    assert reason(lambda: ask(edge.channel_with(other))) == "CRL_EXPIRED"
    ask(edge.channel(OPERATOR))


@pytest.mark.parametrize("content", [b"", b"not PEM"])
def test_a_bundle_that_cannot_be_used_changes_nothing(edge: Edge, content: bytes) -> None:
    bundle = edge.pki.identity(OPERATOR).ca_file
    good = bundle.read_bytes()
    channel = edge.channel(OPERATOR)
    ask(channel)
    write_private(bundle, content)
    ask(channel)
    write_private(bundle, good)
    ask(edge.channel(OPERATOR))


def test_a_server_uses_a_renewed_certificate_and_a_new_ca_without_a_restart(edge: Edge) -> None:
    stack = edge.pki.stack
    before = shown(edge)
    pki.revoke(stack, before)
    for file in stack.pki.glob("ca/operator.*"):
        file.unlink()
    pki.issue_all(stack)
    assert shown(edge).serial_number != before.serial_number
    ask(edge.channel(OPERATOR))


def test_half_a_renewal_is_not_used(edge: Edge) -> None:
    own = edge.pki.identity("service/archive")
    before = shown(edge)
    other = certificates.issue(authority(edge, "service"), "service/archive")
    certificates.write_key(own.key_file, other.key)
    assert shown(edge) == before
    write_private(own.cert_file, certificates.pem(other.certificate))
    assert shown(edge) == other.certificate


def test_a_server_warns_of_what_ends_soon(own: Pki, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    where = own.identity("service/archive")
    soon = datetime.timedelta(days=peer.WARN_DAYS - 1)
    issued = certificates.issue(pki.authority(own.stack, "service"), "service/archive", lifetime=soon)
    certificates.write(issued, where.cert_file, where.key_file)
    stop = threading.Event()
    edge = Edge(own, db, stop)
    try:
        said = ""

        def warned() -> bool:
            nonlocal said
            said += capfd.readouterr().out
            return "certificate ends soon" in said

        eventually(warned)
    finally:
        stop.set()
        edge.thread.join(20)


def test_an_old_connection_ends(own: Pki, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "MAX_CONNECTION_S", 1)
    monkeypatch.setattr(grpc_server, "CONNECTION_GRACE_S", 1)
    stop = threading.Event()
    edge = Edge(own, db, stop)
    try:
        eventually(lambda: shown(edge))
        with connected(edge) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            connection.settimeout(10)
            while connection.recv(4096):
                pass
    finally:
        stop.set()
        edge.thread.join(20)


@pytest.mark.parametrize("service", ["gradebook", "print", "signing"])
def test_a_client_takes_no_service_for_another(edge: Edge, service: str) -> None:
    with edge.channel_with(tls(edge.pki, OPERATOR), service) as channel:
        assert reason(lambda: ask(channel), Unavailable) == "ARCHIVE_UNAVAILABLE"


@pytest.mark.parametrize("kind", ["vendor", "operator", "server"])
def test_a_client_believes_the_services_ca_only(edge: Edge, kind: str) -> None:
    names = [uri("service/archive"), x509.DNSName("archive.service.hoso")]
    forged = certificates.sign(authority(edge, kind), ["service/archive"], names, BOTH)
    own = edge.pki.identity("service/archive")
    certificates.write(forged, own.cert_file, own.key_file)
    eventually(lambda: shown(edge) == forged.certificate)
    with edge.channel(OPERATOR) as channel:
        assert reason(lambda: ask(channel), Unavailable) == "ARCHIVE_UNAVAILABLE"


def shown(edge: Edge) -> x509.Certificate:
    """The certificate that the server shows to a new connection."""
    with connected(edge) as connection:
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")


def connected(edge: Edge) -> ssl.SSLSocket:
    own = edge.pki.identity(VENDOR)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(own.cert_file, own.key_file)
    context.set_alpn_protocols(["h2"])
    host, port = edge.address.rsplit(":", 1)
    return context.wrap_socket(socket.create_connection((host, int(port)), 5))
