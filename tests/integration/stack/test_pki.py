"""The stack's certificates say who their holder is, lead to the CA of their kind, and are renewed
before they end.
"""

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local import certificates, pki
from deploy.local.layout import Stack
from services.common import peer

NAMES = [*pki.CLIENTS, *pki.SERVERS, *pki.OWNERS, *pki.ANCHORS, pki.STORE_INNER]


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    stack = Stack("own", 29000, tmp_path_factory.mktemp("own") / "own")
    stack.make_folders()
    assert pki.issue_all(stack)
    return stack


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_names_its_holder_twice(issued: Stack, name: str) -> None:
    certificate = read(pki.identity(issued, name).cert_file)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:hoso:{name}"]
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name
    if name != pki.STORE_INNER:  # which bears its host, too
        assert peer.name_of(certificate) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_comes_from_the_ca_of_its_kind(issued: Stack, name: str) -> None:
    certificate = read(pki.identity(issued, name).cert_file)
    certificate.verify_directly_issued_by(pki.authority(issued, name.partition("/")[0]).certificate)
    for kind in certificates.PROFILES.keys() - {name.partition("/")[0]}:
        with pytest.raises((ValueError, InvalidSignature)):
            certificate.verify_directly_issued_by(pki.authority(issued, kind).certificate)


@pytest.mark.parametrize("name", ["operator/department", "vendor/smas", "owner/print"])
def test_a_client_cannot_pose_as_a_server(issued: Stack, name: str) -> None:
    for certificate in (
        read(pki.identity(issued, name).cert_file),
        pki.authority(issued, name.partition("/")[0]).certificate,
    ):
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert not names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("name", pki.SERVERS)
def test_a_server_cannot_pose_as_a_client(issued: Stack, name: str) -> None:
    certificate = read(pki.identity(issued, name).cert_file)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_an_anchor_key_makes_no_connection(issued: Stack) -> None:
    certificate = read(pki.identity(issued, "anchor/print").cert_file)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH} & set(usage)


@pytest.mark.parametrize(
    ("door", "kinds"),
    [
        ("ca", ["service", "operator", "vendor", "anchor"]),
        ("database-clients", ["service", "owner"]),
        ("broker-clients", ["service"]),
        ("servers", ["server"]),
        ("store-ca", ["store"]),
    ],
)
def test_a_door_believes_the_cas_whose_names_it_accepts(issued: Stack, door: str, kinds: list[str]) -> None:
    bundle = pki.bundle(issued, door)
    assert [peer.kind_of(ca) for ca in x509.load_pem_x509_certificates(bundle.read_bytes())] == kinds
    assert [authority.kind for authority in peer.read_authorities(bundle, kinds)] == kinds


def test_only_the_owner_may_read_a_key(issued: Stack) -> None:
    keys = [path for path in issued.pki.rglob("*") if path.suffix == ".key" or path.name == "key.pem"]
    assert len(keys) == len(NAMES) + len(certificates.PROFILES) + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_a_second_time_changes_nothing(issued: Stack) -> None:
    assert not pki.issue_all(issued)


@pytest.mark.parametrize(("name", "days"), [("service/print", 30), ("operator/department", 30), ("vendor/smas", 90)])
def test_a_certificate_lives_for_days_and_is_renewed_in_the_last_third(
    issued: Stack, monkeypatch: pytest.MonkeyPatch, name: str, days: int
) -> None:
    before = read(pki.identity(issued, name).cert_file)
    assert before.not_valid_after_utc - before.not_valid_before_utc < datetime.timedelta(days=days, hours=1)
    later(monkeypatch, before.not_valid_after_utc - datetime.timedelta(days=days / 3, hours=-1))
    pki.issue_all(issued)
    after = read(pki.identity(issued, name).cert_file)
    assert after.serial_number != before.serial_number
    assert not pki.issue_all(issued)


def test_a_crl_is_renewed_with_what_it_held(issued: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    revoked = read(pki.identity(issued, "vendor/smas").cert_file)
    pki.revoke(issued, revoked)
    (before,) = peer.read_authorities(pki.bundle(issued, "ca"), ("vendor",))
    later(monkeypatch, before.current_until - datetime.timedelta(days=1))
    pki.issue_all(issued)
    (after,) = peer.read_authorities(pki.bundle(issued, "ca"), ("vendor",))
    assert after.current_until > before.current_until
    assert revoked.serial_number in after.revoked
    assert read(pki.identity(issued, "vendor/smas").cert_file) != revoked


def later(monkeypatch: pytest.MonkeyPatch, moment: datetime.datetime) -> None:
    monkeypatch.setattr(certificates, "now", lambda: moment)
