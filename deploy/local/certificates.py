"""The stack's certificate authorities: what they issue, what they have taken back, and the files
that each door reads.

There is one CA for each kind of name (ADR-0067), which it states itself as ``urn:hoso:ca/<kind>``.
A door trusts a bundle: the CAs whose names it accepts, each with its CRL.
"""

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.common.peer import URN, host_of

from .layout import write_private

_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
_CA_DAYS = 10 * 365
_CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Profile:
    """What a kind's certificates are good for. days: of life; a third before the end they are
    renewed.
    """

    usages: tuple[x509.ObjectIdentifier, ...]
    days: int


PROFILES = {
    "server": Profile((_SERVER,), 30),
    "service": Profile((_SERVER, _CLIENT), 30),
    "owner": Profile((_CLIENT,), 30),
    "operator": Profile((_CLIENT,), 30),
    "vendor": Profile((_CLIENT,), 90),
    "anchor": Profile((_DOCUMENT_SIGNING,), 825),
    "store": Profile((_SERVER, _CLIENT), 90),
}
CRL_DAYS = 30


@dataclass(frozen=True)
class Issued:
    """A key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def now() -> datetime.datetime:
    """The present moment, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def left(days: int) -> datetime.timedelta:
    """How long before its end something that lives so many days is made anew."""
    return datetime.timedelta(days=days) / 3


def new_authority(kind: str, stack: str) -> Issued:
    """A CA for names of `kind`, which issues nothing but their certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    # RabbitMQ finds a CRL by a hash of this name that differs from OpenSSL's outside of ASCII.
    name = _subject(f"{kind} CA of stack {stack}")
    builder = _builder(name, name, key.public_key(), datetime.timedelta(days=_CA_DAYS))
    for extension, critical in (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(ca=True), True),
        (x509.ExtendedKeyUsage(PROFILES[kind].usages), False),
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{URN}ca/{kind}")]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Issued(key, builder.sign(key, hashes.SHA256()))


def issue(authority: Issued, name: str, *, lifetime: datetime.timedelta | None = None) -> Issued:
    """A certificate of one name, such as ``service/print``: common name, URI and, for whoever is
    connected to, the host name that stands for it.
    """
    kind = name.partition("/")[0]
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"{URN}{name}")]
    if _SERVER in PROFILES[kind].usages:
        names.append(x509.DNSName(host_of(name)))
    if kind == "store":  # SeaweedFS's servers know one another by host
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    return sign(authority, [name], names, PROFILES[kind], lifetime)


def sign(
    authority: Issued,
    common_names: Sequence[str],
    names: Iterable[x509.GeneralName],
    profile: Profile,
    lifetime: datetime.timedelta | None = None,
) -> Issued:
    """A certificate with these names, whether they agree or not."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    builder = _builder(
        _subject(*common_names),
        issuer.subject,
        key.public_key(),
        lifetime or datetime.timedelta(days=profile.days),
    )
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(ca=False), True),
        (x509.ExtendedKeyUsage(profile.usages), False),
        (x509.SubjectAlternativeName(names), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Issued(key, builder.sign(authority.key, hashes.SHA256()))


def issued_by(certificate: x509.Certificate, authority: Issued) -> bool:
    """Whether `authority` has signed the certificate."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, InvalidSignature):
        return False
    return True


def new_crl(authority: Issued, revoked: Iterable[int]) -> x509.CertificateRevocationList:
    """The list of the serial numbers that `authority` has taken back."""
    moment = now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(moment - _CLOCK_SKEW)
        .next_update(moment + datetime.timedelta(days=CRL_DAYS))
        .add_extension(x509.CRLNumber(int(moment.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(authority.key, hashes.SHA256())


def write(issued: Issued, cert_file: Path, key_file: Path) -> None:
    """Write both as PEM, the key first: readers that see half of a renewal read again."""
    write_key(key_file, issued.key)
    write_private(cert_file, pem(issued.certificate))


def read(cert_file: Path, key_file: Path) -> Issued:
    """What `write` wrote. Raises TypeError when the key is of another kind."""
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{key_file} holds no elliptic-curve key")
    return Issued(key, x509.load_pem_x509_certificate(cert_file.read_bytes()))


def pem(value: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """A certificate or CRL as PEM."""
    return value.public_bytes(serialization.Encoding.PEM)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    """Write a private key as unencrypted PKCS#8, readable by its owner only."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_private(path, key.private_bytes(encoding, form, serialization.NoEncryption()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: datetime.timedelta
) -> x509.CertificateBuilder:
    moment = now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _CLOCK_SKEW)
        .not_valid_after(moment + lifetime)
    )


def _subject(*common_names: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "hoso")
    return x509.Name([organisation, *(x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names)])


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
