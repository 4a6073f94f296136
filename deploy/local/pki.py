"""The stack's own certificate authority, which gives each process its transport identity.

The certificate authority and every key exist only inside the stack's folder. A certificate names
its holder twice: as common name (PostgreSQL and RabbitMQ log in by it) and as URI SAN
``urn:hoso:<name>`` (the services ask for it). This is transport identity only; the keys that sign
class books live in PKCS#11 tokens and come from another CA.
"""

import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .layout import SERVICES, Stack, write_private

SERVERS = ("server/postgres", "server/rabbitmq", "server/s3")
CLIENTS = (
    *(f"service/{service}" for service in SERVICES),
    "operator/department",
    "vendor/smas",
    "vendor/vietschool",
)
ANCHORS = tuple(f"anchor/{service}" for service in SERVICES)
"""Who signs a service's audit heads (ADR-0051): a key of its own, good for documents and not for
connections.
"""
STORE_INNER = "store/inner"
"""SeaweedFS's own servers among themselves, under a CA of their own so that no service can pose as
one of them.
"""
ISSUER = "https://id.hoso.local"
"""The `iss` claim of the person tokens that the local stack's demo issues; a name, not an address.
"""

_CA_LIFETIME = datetime.timedelta(days=10 * 365)
_LIFETIME = datetime.timedelta(days=825)
_RENEW_BEFORE = datetime.timedelta(days=30)
_CLOCK_SKEW = datetime.timedelta(minutes=5)
_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336


@dataclass(frozen=True)
class Identity:
    """One certificate and its key on disk, with the CA that its peers' certificates come from."""

    name: str
    ca_file: Path
    cert_file: Path
    key_file: Path


def identity(stack: Stack, name: str) -> Identity:
    """Where the certificate of `name` (such as ``service/print``) lies; `issue_all` has made it."""
    folder = stack.pki / name
    ca = "store-ca.pem" if name == STORE_INNER else "ca.pem"
    return Identity(name, stack.pki / ca, folder / "cert.pem", folder / "key.pem")


def issue_all(stack: Stack) -> bool:
    """Make the CA, every certificate and the token issuer that are missing or end soon. True when
    any was made.
    """
    made = [_ensure_ca(stack, "ca"), _ensure_ca(stack, "store-ca")]
    made += [_ensure_certificate(stack, name, renew=made[0]) for name in (*SERVERS, *CLIENTS, *ANCHORS)]
    made.append(_ensure_certificate(stack, STORE_INNER, renew=made[1]))
    made.append(_ensure_issuer(stack))
    return any(made)


def _ensure_ca(stack: Stack, file_name: str) -> bool:
    cert_file, key_file = stack.pki / f"{file_name}.pem", stack.pki / f"{file_name}.key"
    if key_file.exists() and _lasts(cert_file):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(f"Hồ Sơ {file_name} of local stack {stack.name}")
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        _builder(name, name, key.public_key(), now, _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    write_private(cert_file, certificate.public_bytes(serialization.Encoding.PEM))
    return True


def _ensure_certificate(stack: Stack, name: str, *, renew: bool) -> bool:
    """A certificate for `name`; also a server certificate for loopback unless it is a client's or
    an anchor's.
    """
    where = identity(stack, name)
    if not renew and where.key_file.exists() and _lasts(where.cert_file):
        return False
    where.cert_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key = serialization.load_pem_private_key(where.ca_file.with_suffix(".key").read_bytes(), password=None)
    ca = x509.load_pem_x509_certificate(where.ca_file.read_bytes())
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the local CA key is not an elliptic-curve key")
    kind = name.partition("/")[0]
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:hoso:{name}")]
    usages = [_DOCUMENT_SIGNING if kind == "anchor" else ExtendedKeyUsageOID.CLIENT_AUTH]
    if kind in {"server", "service", "store"}:
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        _builder(_subject(name), ca.subject, key.public_key(), now, _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(where.key_file, key)
    write_private(where.cert_file, certificate.public_bytes(serialization.Encoding.PEM))
    return True


def _ensure_issuer(stack: Stack) -> bool:
    """The Ed25519 key that signs person tokens (RFC 8037), and the list of issuers that the
    services trust.
    """
    key_file, issuers_file = stack.pki / "issuer.key", stack.pki / "issuers.json"
    if key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        _write_key(key_file, key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    entry = {"keys": [public.decode()], "clients": ["vendor/*", "operator/department"], "schools": ["*"]}
    text = json.dumps({ISSUER: entry}, indent=2) + "\n"
    if issuers_file.exists() and issuers_file.read_text(encoding="utf-8") == text:
        return False
    write_private(issuers_file, text)
    return True


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    lifetime: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Hồ Sơ local stack"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


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


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    write_private(
        path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _lasts(cert_file: Path) -> bool:
    if not cert_file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    return certificate.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + _RENEW_BEFORE
