"""Reads the certificates of signatories and judges whether they fit (RFC 5280)."""

import datetime as dt
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from services.common.errors import Violation
from services.signing import token_wire as wire
from services.signing.domain import Signatory

_MIN_RSA_BITS = 2048  # Circular 15/2025/TT-BKHCN, appendix


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
    for index, (certificate, issuer) in enumerate(pairwise(chain)):
        if not issued_by(certificate, issuer):
            violations.append(
                Violation(f"{where}[{index}]", "CHAIN_BROKEN", "Chứng thư kế tiếp không phải cơ quan cấp.")
            )
    return violations


def readable(certificate: x509.Certificate) -> bool:
    """Whether its extensions can be read, each of which may stand once."""
    try:
        return certificate.extensions is not None
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False


def validity(der: bytes) -> tuple[dt.datetime, dt.datetime]:
    """From when until when the certificate is in force; aware UTC."""
    certificate = x509.load_der_x509_certificate(der)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    attributes = certificate.subject.get_attributes_for_oid(oid)
    return str(attributes[0].value) if len(attributes) == 1 else ""


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.digital_signature and usage.content_commitment


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
