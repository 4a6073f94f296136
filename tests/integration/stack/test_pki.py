"""The stack's certificates say who their holder is, lead to its own CA, and are renewed before they
end.
"""

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local import pki
from deploy.local.layout import Stack


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    stack = Stack("own", 29000, tmp_path_factory.mktemp("own") / "own")
    stack.make_folders()
    assert pki.issue_all(stack)
    return stack


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("name", [*pki.CLIENTS, *pki.SERVERS, *pki.ANCHORS, pki.STORE_INNER])
def test_a_certificate_names_its_holder_twice(issued: Stack, name: str) -> None:
    who = pki.identity(issued, name)
    certificate, ca = read(who.cert_file), read(who.ca_file)
    certificate.verify_directly_issued_by(ca)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:hoso:{name}"]
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name


@pytest.mark.parametrize("name", ["operator/department", "vendor/smas"])
def test_a_client_cannot_pose_as_a_server(issued: Stack, name: str) -> None:
    certificate = read(pki.identity(issued, name).cert_file)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert not names.get_values_for_type(x509.DNSName)


def test_an_anchor_key_makes_no_connection(issued: Stack) -> None:
    certificate = read(pki.identity(issued, "anchor/print").cert_file)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH} & set(usage)


def test_the_store_has_an_inner_ca_of_its_own(issued: Stack) -> None:
    inner, outer = pki.identity(issued, pki.STORE_INNER), pki.identity(issued, "service/archive")
    with pytest.raises((ValueError, InvalidSignature)):
        read(outer.cert_file).verify_directly_issued_by(read(inner.ca_file))


def test_only_the_owner_may_read_a_key(issued: Stack) -> None:
    keys = [path for path in issued.pki.rglob("*") if path.suffix == ".key" or path.name == "key.pem"]
    assert len(keys) == len(pki.CLIENTS) + len(pki.SERVERS) + len(pki.ANCHORS) + 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_a_second_time_changes_nothing(issued: Stack) -> None:
    assert not pki.issue_all(issued)


def test_a_certificate_is_renewed_in_its_last_month(issued: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(pki.identity(issued, "service/print").cert_file)
    left = before.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    monkeypatch.setattr(pki, "_RENEW_BEFORE", left - datetime.timedelta(days=1))
    assert not pki.issue_all(issued)
    monkeypatch.setattr(pki, "_RENEW_BEFORE", left + datetime.timedelta(days=1))
    assert pki.issue_all(issued)
    after = read(pki.identity(issued, "service/print").cert_file)
    assert after.serial_number != before.serial_number
