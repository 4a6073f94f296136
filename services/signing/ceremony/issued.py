"""Certificates that the authority issued and somebody brought back: read, judged, and refused by
rule.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from services.signing import certificate_path, certificates
from services.signing.ceremony.plan import CeremonyError, KeyPlan
from services.signing.domain import Signatory

_WORDS: Final = {
    "CERTIFICATE_UNREADABLE": "holds no PEM certificate, or one that cannot be read",
    "WRONG_KEY": "the certificate is not for the key in the token",
    "SUBJECT_SERIAL": "serialNumber of the subject is not the signatory id",
    "SUBJECT_NAME": "the common name is not the signatory's name",
    "KEY_USAGE": "key usage must be digitalSignature and nonRepudiation",
    "ALGORITHM": "the certified key does not fit the signatory's algorithm",
    "IS_AN_AUTHORITY": "the certificate is one of an authority, which signs certificates",
    "NOT_YET_VALID": "not yet valid",
    "EXPIRED": "no longer valid",
    "WEAK_SIGNATURE": "signed with a digest other than SHA-256, SHA-384 or SHA-512",
    "ISSUER_IS_NO_AUTHORITY": "an issuer's certificate does not allow it to sign certificates",
    "PATH_TOO_LONG": "an issuer's path length does not allow so many authorities below it",
    "UNKNOWN_CRITICAL": "a certificate has a critical extension that is not processed here",
    "NAME_CONSTRAINTS": "an issuer's name constraints exclude a name below it",
    "PATH_INVALID": "RFC 5280 does not accept the chain of issuers, or something in it cannot be judged",
    "TOO_MANY_CERTIFICATES": f"more than {certificate_path.MAX_CERTIFICATES} issuers, the authority's included",
    "TOO_MANY_PATHS": "too many chains lead to a root to look at all; leave out what is not needed",
    "CHAIN_INCOMPLETE": "no chain of issuers leads to a root of authority_file",
}


@dataclass(frozen=True)
class Issued:
    """A certificate that was brought back. chain: DER, the signatory's own first, the root last."""

    own: x509.Certificate
    chain: tuple[bytes, ...]


def read_authority(file: Path) -> list[x509.Certificate]:
    """Certificates of the authority. Raises CeremonyError when the file has no root in it."""
    authority = _read(file)
    if not any(certificate_path.is_root(certificate) for certificate in authority):
        raise CeremonyError(f"{file}: NO_ROOT: no readable self-issued certificate of an authority")
    return authority


def judge(
    file: Path, plan: KeyPlan, public_key: bytes, *, authority: Sequence[x509.Certificate], at: dt.datetime
) -> Issued | list[str]:
    """The certificate in `file`, or one line per broken rule, which names file and rule.

    public_key: SubjectPublicKeyInfo (DER) of the key in the token.
    """
    brought = _read(file)
    if not brought:
        return _lines(file, ["CERTIFICATE_UNREADABLE"])
    own = brought[0]
    roots = [certificate for certificate in authority if certificate_path.is_root(certificate)]
    way, broken = certificate_path.best(own, [*brought[1:], *authority], roots, at)
    chain = tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in way or [own])
    rules = [] if _public_key(own) == public_key else ["WRONG_KEY"]
    rules += [violation.rule for violation in certificates.problems(_signatory(plan, chain))]
    rules += broken
    return _lines(file, rules) if rules else Issued(own, chain)


def _lines(file: Path, rules: Sequence[str]) -> list[str]:
    return [f"{file}: {rule}: {_WORDS[rule]}" for rule in dict.fromkeys(rules)]


def _read(file: Path) -> list[x509.Certificate]:
    """The certificates in a file; none when one of them cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return []
    return found if all(map(certificates.readable, found)) else []


def _public_key(certificate: x509.Certificate) -> bytes:
    """SubjectPublicKeyInfo (DER); empty for a kind of key that is not supported."""
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _signatory(plan: KeyPlan, chain: tuple[bytes, ...]) -> Signatory:
    return Signatory(
        id=plan.signatory,
        school=plan.school,
        name=plan.name,
        seal=bool(plan.custodian),
        custodian=plan.custodian,
        key_uri="",
        algorithm=plan.algorithm,
        custody="",
        certificate_chain=chain,
    )
