"""The CMS of one PAdES-B-B signature (RFC 5652, ETSI EN 319 122-1), put together from parts that
never change.

Everything but the message digest and the signature value is the same for every signature of one
signatory, so those parts are encoded once; re-encoding certificates with asn1crypto for each
document costs more than the rest of signing.
"""

import functools
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import algos, cms, core, x509
from pyhanko.sign.general import as_signing_certificate_v2

from services.signing import token_wire as wire

_PSS: Final = {
    "hash_algorithm": {"algorithm": "sha256"},
    "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
    "salt_length": 32,
}
# The Government's CA names PKCS#1 v1.5 signatures by the OID of the key type, rsaEncryption (RFC
# 3370, 3.2).
MECHANISMS: Final[dict[str, dict[str, Any]]] = {
    wire.ECDSA_P256_SHA256: {"algorithm": "sha256_ecdsa"},
    wire.RSA_PKCS1_SHA256: {"algorithm": "rsassa_pkcs1v15"},
    wire.RSA_PSS_SHA256: {"algorithm": "rsassa_pss", "parameters": _PSS},
}
"""Algorithm of a key → AlgorithmIdentifier of its signatures."""

_SEQUENCE, _SET, _OCTETS, _CONTEXT_0 = 0x30, 0x31, 0x04, 0xA0
_DIGEST_PLACE: Final = b"\x00" * 32
_LONGEST_P256_VALUE: Final = 72
_MARGIN: Final = 16


@dataclass(frozen=True)
class _Parts:
    attributes: tuple[bytes, ...]
    before_signer: bytes
    signer_before: bytes
    mechanism: bytes
    longest_value: int


def reserved_digits(certificates: tuple[bytes, ...], algorithm: str) -> int:
    """Hexadecimal digits to keep free for the longest CMS that this signatory can make."""
    attributes = signed_attributes(certificates, algorithm, _DIGEST_PLACE)
    value = bytes(_parts(certificates, algorithm).longest_value)
    return 2 * (len(content_info(certificates, algorithm, attributes, value)) + _MARGIN)


def signed_attributes(certificates: tuple[bytes, ...], algorithm: str, message_digest: bytes) -> bytes:
    """The SET of signed attributes, as it is hashed for the signature (RFC 5652, 5.4). No
    signing-time: PAdES.
    """
    parts = _parts(certificates, algorithm)
    # In DER a SET OF is sorted; the digest may move its attribute only among others of the same
    # length.
    return _tlv(_SET, *sorted(part.replace(_DIGEST_PLACE, message_digest) for part in parts.attributes))


def content_info(certificates: tuple[bytes, ...], algorithm: str, attributes: bytes, signature: bytes) -> bytes:
    """The complete ContentInfo around `attributes` (from `signed_attributes`) and the signature
    over them.
    """
    parts = _parts(certificates, algorithm)
    signer = _tlv(
        _SEQUENCE,
        parts.signer_before,
        bytes([_CONTEXT_0]) + attributes[1:],
        parts.mechanism,
        _tlv(_OCTETS, signature),
    )
    signed_data = _tlv(_SEQUENCE, parts.before_signer, _tlv(_SET, signer))
    return _tlv(_SEQUENCE, cms.ContentType("signed_data").dump(), _tlv(_CONTEXT_0, signed_data))


@functools.lru_cache(maxsize=4096)
def _parts(certificates: tuple[bytes, ...], algorithm: str) -> _Parts:
    own = x509.Certificate.load(certificates[0])
    digest_algorithm = algos.DigestAlgorithm({"algorithm": "sha256"})
    mechanism = algos.SignedDigestAlgorithm(MECHANISMS[algorithm])
    protection = cms.CMSAlgorithmProtection({"digest_algorithm": digest_algorithm, "signature_algorithm": mechanism})
    attributes = [
        ("content_type", cms.ContentType("data")),
        ("message_digest", core.OctetString(_DIGEST_PLACE)),
        ("signing_certificate_v2", as_signing_certificate_v2(own)),
        ("cms_algorithm_protection", protection),
    ]
    embedded = [der for der in certificates if not _self_issued(der)] or [certificates[0]]
    identifier = cms.IssuerAndSerialNumber({"issuer": own.issuer, "serial_number": own.serial_number})
    version = core.Integer(1).dump()
    return _Parts(
        attributes=tuple(cms.CMSAttribute({"type": name, "values": [value]}).dump() for name, value in attributes),
        before_signer=b"".join(
            (
                version,
                _tlv(_SET, digest_algorithm.dump()),
                cms.EncapsulatedContentInfo({"content_type": "data"}).dump(),
                _tlv(_CONTEXT_0, *sorted(embedded)),
            )
        ),
        signer_before=version + identifier.dump() + digest_algorithm.dump(),
        mechanism=mechanism.dump(),
        longest_value=_LONGEST_P256_VALUE if algorithm == wire.ECDSA_P256_SHA256 else own.public_key.byte_size,
    )


def attributes_digest(attributes: bytes) -> bytes:
    """SHA-256 that the token signs."""
    return hashlib.sha256(attributes).digest()


def _self_issued(der: bytes) -> bool:
    certificate = x509.Certificate.load(der)
    return bool(certificate.subject == certificate.issuer)


def _tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body
