"""The rules about names and CAs that need no server; the doors' are in tests/integration/edge and
tests/integration/common.
"""

import datetime
import itertools
from pathlib import Path

import pytest
from cryptography import x509

from deploy.local import certificates, pki
from deploy.local.layout import Stack
from services.common import peer
from services.common.config import ConfigError
from services.common.settings import TlsConfig

NAME = "service/print"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    own = Stack("own", 29000, tmp_path_factory.mktemp("own") / "own")
    own.make_folders()
    pki.issue_all(own)
    return own


def tls(own: Stack, folder: Path, issued: certificates.Issued) -> TlsConfig:
    certificates.write(issued, folder / "cert.pem", folder / "key.pem")
    return TlsConfig(pki.bundle(own, "ca"), folder / "cert.pem", folder / "key.pem")


def test_a_good_certificate_has_no_problem(own: Stack) -> None:
    files = pki.identity(own, NAME)
    assert peer.problems(TlsConfig(files.ca_file, files.cert_file, files.key_file), NAME) == []


def test_check_config_refuses_a_certificate_of_two_names(own: Stack, tmp_path: Path) -> None:
    names = [x509.UniformResourceIdentifier("urn:hoso:service/gradebook")]
    two = certificates.sign(pki.authority(own, "service"), [NAME], names, certificates.PROFILES["service"])
    (problem,) = peer.problems(tls(own, tmp_path, two), NAME)
    assert "đúng một URI" in problem


def test_check_config_refuses_the_certificate_of_another(own: Stack, tmp_path: Path) -> None:
    other = certificates.issue(pki.authority(own, "service"), "service/gradebook")
    (problem,) = peer.problems(tls(own, tmp_path, other), NAME)
    assert problem.endswith("names service/gradebook, not service/print")


def test_what_ends_soon_is_named(own: Stack, tmp_path: Path) -> None:
    days = datetime.timedelta(days=peer.WARN_DAYS - 1)
    short = certificates.issue(pki.authority(own, "service"), NAME, lifetime=days)
    (problem,) = peer.problems(tls(own, tmp_path, short), NAME)
    assert problem.startswith(f"certificate {tmp_path / 'cert.pem'} ends ")
    later = certificates.now() + datetime.timedelta(days=certificates.CRL_DAYS - 1)
    ending = peer.ends_soon(tls(own, tmp_path, short), later)
    assert [line.partition(" ends ")[0].partition(": ")[2] for line in ending[1:]] == [
        "CRL of service",
        "CRL of operator",
        "CRL of vendor",
    ]


def test_a_ca_without_its_crl_is_not_believed(own: Stack, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    service, vendor = pki.authority(own, "service"), pki.authority(own, "vendor")
    foreign = certificates.new_authority("vendor", "another")
    for crl in (b"", certificates.pem(certificates.new_crl(service, ())), certificates.pem(forged(vendor, foreign))):
        bundle.write_bytes(certificates.pem(vendor.certificate) + crl)
        with pytest.raises(ConfigError, match="no CRL of"):
            peer.read_authorities(bundle, ("vendor",))


def forged(vendor: certificates.Issued, foreign: certificates.Issued) -> x509.CertificateRevocationList:
    """A CRL in the vendors' CA's name by another key."""
    return certificates.new_crl(certificates.Issued(foreign.key, vendor.certificate), ())


def test_the_newest_crl_counts(own: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor, moment = pki.authority(own, "vendor"), certificates.now()
    lists = []
    for days, revoked in ((2, [1]), (0, [1, 2]), (1, [])):
        monkeypatch.setattr(certificates, "now", lambda days=days: moment - datetime.timedelta(days=days))
        lists.append(certificates.pem(certificates.new_crl(vendor, revoked)))
    bundle = tmp_path / "bundle.pem"
    for order in itertools.permutations(lists):
        bundle.write_bytes(certificates.pem(vendor.certificate) + b"".join(order))
        (authority,) = peer.read_authorities(bundle, ("vendor",))
        assert authority.revoked == {1, 2}


def test_a_certificate_that_is_no_ca_is_believed_for_nothing(own: Stack, tmp_path: Path) -> None:
    """It could be named ``ca/vendor`` by the CA of something else."""
    names = [x509.UniformResourceIdentifier("urn:hoso:ca/vendor")]
    false = certificates.sign(pki.authority(own, "vendor"), ["x"], names, certificates.PROFILES["vendor"])
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificates.pem(false.certificate))
    with pytest.raises(ConfigError, match="no CA is named"):
        peer.read_authorities(bundle, ("vendor",))
