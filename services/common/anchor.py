"""Signed statements of a service's audit heads: written by the service, locked by archive, checked
by anybody.

A statement is a JWS (RFC 7515, compact, ES256) over canonical JSON (RFC 8785) and carries its
signer's certificate, so that it can be checked in twenty years with the CA's certificate and any
JOSE library. The format is described in docs/formats/audit-anchor-1.md.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.api_jws import PyJWS

from services.common.audit import ChainHead
from services.common.config import ConfigError, read_secret
from services.common.peer import URN, kind_of
from services.common.settings import AnchorConfig

FORMAT = "hoso/audit-anchor/1"

_ALGORITHM = "ES256"
_TYPE = "hoso-audit-anchor"
_DIGEST_BYTES = 32


class AnchorInvalid(Exception):
    """The statement proves nothing. reason: a stable code such as ``SIGNATURE`` or
    ``ANOTHER_SERVICE``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Statement:
    """What a service says about its audit chains at one moment.

    number: from 1, without gaps. previous_sha256: of the statement before it, 32 bytes; empty for
    the first. time: aware UTC. heads: of every chain that has rows, each chain once.
    """

    service: str
    number: int
    previous_sha256: bytes
    time: datetime
    heads: tuple[ChainHead, ...]


@dataclass(frozen=True)
class Signer:
    """A service's anchor key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def load_signer(config: AnchorConfig, service: str) -> Signer:
    """The key and certificate of `service`. Raises ConfigError when they are missing, wrong or not
    of this service.
    """
    try:
        key = serialization.load_pem_private_key(read_secret(config.key_file).encode(), password=None)
        certificate = x509.load_pem_x509_certificate(config.cert_file.read_bytes())
    except (OSError, ValueError, TypeError) as e:
        raise ConfigError(f"anchor.key_file, anchor.cert_file: {e}") from e
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"anchor.key_file {config.key_file} holds no ECDSA P-256 key")
    if certificate.public_key() != key.public_key():
        raise ConfigError("anchor.cert_file is not the certificate of anchor.key_file")
    if not _is_named(certificate, service):
        raise ConfigError(f"anchor.cert_file is not named {URN}anchor/{service}")
    return Signer(key, certificate)


def sign(statement: Statement, signer: Signer) -> bytes:
    """The signed statement."""
    certificate = base64.b64encode(signer.certificate.public_bytes(serialization.Encoding.DER)).decode()
    headers = {"typ": _TYPE, "x5c": [certificate]}
    return PyJWS().encode(_payload(statement), signer.key, algorithm=_ALGORITHM, headers=headers).encode()


def read(signed: bytes, service: str, trusted: bytes) -> Statement:
    """Check a signed statement of `service` in every respect and return what it says.

    trusted: PEM certificates of the CAs that issue anchor certificates; each must have issued them
    directly. The certificate must have been valid at the time that the statement names. Raises
    AnchorInvalid: FORMAT, CERTIFICATE, SIGNATURE, ANOTHER_SERVICE, SIGNER_NAME,
    CERTIFICATE_EXPIRED.
    """
    certificate = _certificate(signed, trusted)
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise AnchorInvalid("CERTIFICATE")
    try:
        payload: bytes = PyJWS().decode(signed, public_key, algorithms=[_ALGORITHM])
    except jwt.PyJWTError as e:
        raise AnchorInvalid("SIGNATURE") from e
    statement = _parse(payload)
    if statement.service != service:
        raise AnchorInvalid("ANOTHER_SERVICE")
    if not _is_named(certificate, service):
        raise AnchorInvalid("SIGNER_NAME")
    if not certificate.not_valid_before_utc <= statement.time <= certificate.not_valid_after_utc:
        raise AnchorInvalid("CERTIFICATE_EXPIRED")
    return statement


def went_back(earlier: Sequence[ChainHead], later: Sequence[ChainHead]) -> list[str]:
    """The chains whose later head cannot follow the earlier one: gone, shorter, or as long with
    another hash.
    """
    heads = {head.chain: head for head in later}
    return [
        head.chain
        for head in earlier
        if head.chain not in heads
        or heads[head.chain].sequence < head.sequence
        or (heads[head.chain].sequence == head.sequence and heads[head.chain].sha256 != head.sha256)
    ]


def sha256(signed: bytes) -> bytes:
    """The digest by which the next statement names this one."""
    return hashlib.sha256(signed).digest()


def _payload(statement: Statement) -> bytes:
    return rfc8785.dumps(
        {
            "format": FORMAT,
            "service": statement.service,
            "number": statement.number,
            "previous_sha256": statement.previous_sha256.hex(),
            "time": _time_text(statement.time),
            "heads": [
                {"chain": head.chain, "sequence": head.sequence, "sha256": head.sha256.hex()}
                for head in statement.heads
            ],
        }
    )


def _parse(payload: bytes) -> Statement:
    """Only the canonical form of a whole statement is one: what it is written back to must be the
    same bytes.
    """
    try:
        fields: Mapping[str, Any] = json.loads(payload)
        statement = Statement(
            service=str(fields["service"]),
            number=int(fields["number"]),
            previous_sha256=bytes.fromhex(fields["previous_sha256"]),
            time=datetime.fromisoformat(fields["time"]).astimezone(UTC),
            heads=tuple(
                ChainHead(str(head["chain"]), int(head["sequence"]), bytes.fromhex(head["sha256"]))
                for head in fields["heads"]
            ),
        )
        canonical = _payload(statement) == payload
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:  # rfc8785 raises ValueErrors
        raise AnchorInvalid("FORMAT") from e
    chains = [head.chain for head in statement.heads]
    digests = [head.sha256 for head in statement.heads] + ([statement.previous_sha256] if statement.number > 1 else [])
    if (
        not canonical
        or statement.number < 1
        or (statement.number == 1 and statement.previous_sha256)
        or len(set(chains)) != len(chains)
        or any(head.sequence < 1 for head in statement.heads)
        or any(len(digest) != _DIGEST_BYTES for digest in digests)
    ):
        raise AnchorInvalid("FORMAT")
    return statement


def _certificate(signed: bytes, trusted: bytes) -> x509.Certificate:
    """The signer's certificate in the header, issued by a trusted CA for signatures."""
    try:
        (encoded,) = jwt.get_unverified_header(signed)["x5c"]
        certificate = x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
    except Exception as e:  # whatever a hostile header makes the readers raise
        raise AnchorInvalid("FORMAT") from e
    issuers = [
        ca for ca in x509.load_pem_x509_certificates(trusted) if kind_of(ca) == "anchor" and _issued(certificate, ca)
    ]
    if not issuers or not _may_sign(certificate):
        raise AnchorInvalid("CERTIFICATE")
    return certificate


def _issued(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
        return ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (x509.ExtensionNotFound, ValueError):
        return False


def _is_named(certificate: x509.Certificate, service: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return names.get_values_for_type(x509.UniformResourceIdentifier) == [f"{URN}anchor/{service}"]


def _time_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
