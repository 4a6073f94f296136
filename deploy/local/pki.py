"""The stack's own certificate authorities, which give each process its transport identity.

The certificate authorities and every key exist only inside the stack's folder. This is transport
identity only; the keys that sign class books live in PKCS#11 tokens and come from another CA. What
is in a certificate is in `certificates`; who may use it where, in ADR-0067.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from . import certificates
from .certificates import CRL_DAYS, PROFILES, Issued
from .layout import SERVICES, LocalError, Stack, write_private

SERVERS = ("server/postgres", "server/rabbitmq", "server/s3")
CLIENTS = (
    *(f"service/{service}" for service in SERVICES),
    "operator/department",
    "vendor/smas",
    "vendor/vietschool",
)
OWNERS = tuple(f"owner/{service}" for service in SERVICES)
"""Who migrates a service's database (ADR-0068): names that PostgreSQL alone knows."""
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

BROKER_CLIENTS = ("service",)
"""Kinds of name that RabbitMQ lets in."""
_DOORS = {
    "ca": ("service", "operator", "vendor", "anchor"),  # gRPC; each end picks the kinds it believes
    "database-clients": ("service", "owner"),
    "broker-clients": BROKER_CLIENTS,
    "servers": ("server",),
    "store-ca": ("store",),
}
"""Bundle → the CAs that the door which reads it believes."""


@dataclass(frozen=True)
class Identity:
    """One certificate and its key on disk, with the bundle of CAs that its peers come from."""

    name: str
    ca_file: Path
    cert_file: Path
    key_file: Path


def identity(stack: Stack, name: str) -> Identity:
    """Where the certificate of `name` (such as ``service/print``) lies; `issue_all` has made it."""
    folder = stack.pki / name
    return Identity(
        name, bundle(stack, "store-ca" if name == STORE_INNER else "ca"), folder / "cert.pem", folder / "key.pem"
    )


def bundle(stack: Stack, door: str) -> Path:
    """The file of the CAs that a door believes, with their CRLs: ``database-clients``, ``servers``
    and so on.
    """
    return stack.pki / f"{door}.pem"


def authority(stack: Stack, kind: str) -> Issued:
    """The CA for names of that kind, with its key."""
    return certificates.read(*_authority_files(stack, kind))


def issue_all(stack: Stack) -> bool:
    """Make every CA, certificate, CRL and the token issuer that are missing, revoked or in the last
    third of their life, and the doors' bundles. True when any was made.
    """
    made = [_ensure_authority(stack, kind) for kind in PROFILES]
    made += [_ensure_crl(stack, kind) for kind in PROFILES]
    made += [_ensure_certificate(stack, name) for name in (*SERVERS, *CLIENTS, *OWNERS, *ANCHORS, STORE_INNER)]
    made += [_ensure_bundle(stack, door) for door in _DOORS]
    made.append(_ensure_issuer(stack))
    return any(made)


def revoke(stack: Stack, certificate: x509.Certificate) -> None:
    """Take a certificate back; `issue_all` makes its holder another one when it was the present
    one. Raises LocalError when it is of none of the stack's CAs.
    """
    for kind in PROFILES:
        if certificates.issued_by(certificate, authority(stack, kind)):
            _write_crl(stack, kind, {*_revoked(stack, kind), certificate.serial_number})
            break
    else:
        raise LocalError("this certificate is of none of the stack's CAs")
    for door in _DOORS:
        _ensure_bundle(stack, door)


def _authority_files(stack: Stack, kind: str) -> tuple[Path, Path]:
    return stack.pki / "ca" / f"{kind}.pem", stack.pki / "ca" / f"{kind}.key"


def crl_file(stack: Stack, kind: str) -> Path:
    """The present CRL of that CA."""
    return stack.pki / "ca" / f"{kind}.crl"


def _ensure_authority(stack: Stack, kind: str) -> bool:
    cert_file, key_file = _authority_files(stack, kind)
    if key_file.exists() and cert_file.exists():
        return False
    cert_file.parent.mkdir(mode=0o700, exist_ok=True)
    certificates.write(certificates.new_authority(kind, stack.name), cert_file, key_file)
    return True


def _ensure_crl(stack: Stack, kind: str) -> bool:
    file = crl_file(stack, kind)
    if file.exists():
        crl = x509.load_pem_x509_crl(file.read_bytes())
        ends = crl.next_update_utc
        own = crl.is_signature_valid(authority(stack, kind).certificate.public_key())  # type: ignore[arg-type]
        if own and ends is not None and ends - certificates.now() > certificates.left(CRL_DAYS):
            return False
    _write_crl(stack, kind, _revoked(stack, kind))
    return True


def _write_crl(stack: Stack, kind: str, revoked: set[int]) -> None:
    write_private(crl_file(stack, kind), certificates.pem(certificates.new_crl(authority(stack, kind), revoked)))


def _revoked(stack: Stack, kind: str) -> set[int]:
    file = crl_file(stack, kind)
    return {entry.serial_number for entry in x509.load_pem_x509_crl(file.read_bytes())} if file.exists() else set()


def _ensure_certificate(stack: Stack, name: str) -> bool:
    where, kind = identity(stack, name), name.partition("/")[0]
    issuer = authority(stack, kind)
    if where.key_file.exists() and where.cert_file.exists():
        certificate = x509.load_pem_x509_certificate(where.cert_file.read_bytes())
        lasts = certificate.not_valid_after_utc - certificates.now() > certificates.left(PROFILES[kind].days)
        if (
            lasts
            and certificates.issued_by(certificate, issuer)
            and certificate.serial_number not in _revoked(stack, kind)
        ):
            return False
    where.cert_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates.write(certificates.issue(issuer, name), where.cert_file, where.key_file)
    return True


def _ensure_bundle(stack: Stack, door: str) -> bool:
    parts = [
        file.read_bytes() for kind in _DOORS[door] for file in (_authority_files(stack, kind)[0], crl_file(stack, kind))
    ]
    file = bundle(stack, door)
    if file.exists() and file.read_bytes() == b"".join(parts):
        return False
    write_private(file, b"".join(parts))
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
        certificates.write_key(key_file, key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    entry = {"keys": [public.decode()], "clients": ["vendor/*", "operator/department"], "schools": ["*"]}
    text = json.dumps({ISSUER: entry}, indent=2) + "\n"
    if issuers_file.exists() and issuers_file.read_text(encoding="utf-8") == text:
        return False
    write_private(issuers_file, text)
    return True
