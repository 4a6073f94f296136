"""Reads the certificates of signatories and judges whether they fit (RFC 5280)."""

import datetime as dt
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from services.common.errors import Violation
from services.signing import token_wire as wire
from services.signing.domain import Signatory

_MIN_RSA_BITS = 2048  # Circular 15/2025/TT-BKHCN, appendix
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def problems(signatory: Signatory, field: str = "signatory") -> list[Violation]:
    """Why these certificates cannot serve this signatory; empty when they can."""
    where = f"{field}.certificate_chain"
    try:
        chain = [x509.load_der_x509_certificate(der) for der in signatory.certificate_chain]
    except ValueError:
        return [Violation(where, "CERTIFICATE_UNREADABLE", "Chứng thư chữ ký số không đọc được.")]
    if not all(map(readable, chain)):
        return [Violation(where, "CERTIFICATE_UNREADABLE", "Chứng thư chữ ký số không đọc được.")]
    if not chain:
        return [Violation(where, "CERTIFICATE_MISSING", "Thiếu chứng thư chữ ký số.")]
    violations = []
    own = chain[0]
    if _attribute(own, NameOID.SERIAL_NUMBER) != signatory.id:
        violations.append(Violation(where, "SUBJECT_SERIAL", "Chứng thư không mang mã của người ký (serialNumber)."))
    if _attribute(own, NameOID.COMMON_NAME) != signatory.name:
        violations.append(Violation(where, "SUBJECT_NAME", "Tên trên chứng thư khác tên người ký."))
    if not _may_sign(own):
        violations.append(
            Violation(where, "KEY_USAGE", "Chứng thư không cho phép ký số (digitalSignature, nonRepudiation).")
        )
    if not _fits(own, signatory.algorithm):
        violations.append(
            Violation(f"{field}.algorithm", "ALGORITHM", "Thuật toán không phù hợp với khóa của chứng thư.")
        )
    if is_authority(own):
        violations.append(Violation(where, "IS_AN_AUTHORITY", "Chứng thư là của cơ quan cấp, không phải của người ký."))
    for index, (certificate, issuer) in enumerate(pairwise(chain)):
        if not issued_by(certificate, issuer):
            violations.append(
                Violation(f"{where}[{index}]", "CHAIN_BROKEN", "Chứng thư kế tiếp không phải cơ quan cấp.")
            )
    return violations


def readable(certificate: x509.Certificate) -> bool:
    """Whether its names can be read, and its extensions, each of which may stand once."""
    try:
        return None not in (certificate.subject, certificate.issuer, certificate.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate is one of an authority, which signs certificates."""
    constraints, usage = _value(certificate, x509.BasicConstraints), _value(certificate, x509.KeyUsage)
    return constraints is not None and usage is not None and constraints.ca and usage.key_cert_sign


def validity(der: bytes) -> tuple[dt.datetime, dt.datetime]:
    """From when until when the certificate is in force; aware UTC."""
    certificate = x509.load_der_x509_certificate(der)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    attributes = certificate.subject.get_attributes_for_oid(oid)
    return str(attributes[0].value) if len(attributes) == 1 else ""


def _may_sign(certificate: x509.Certificate) -> bool:
    usage = _value(certificate, x509.KeyUsage)
    return usage is not None and usage.digital_signature and usage.content_commitment


def _value(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _fits(certificate: x509.Certificate, algorithm: str) -> bool:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return False
    if algorithm == wire.ECDSA_P256_SHA256:
        return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if algorithm in {wire.RSA_PKCS1_SHA256, wire.RSA_PSS_SHA256}:
        return isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS
    return False


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` is the issuer that the certificate names, and its key has signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
