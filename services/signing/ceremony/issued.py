"""Certificates that the authority issued and somebody brought back: read, judged, and refused by
rule.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from services.signing import certificates
from services.signing.ceremony.plan import CeremonyError, KeyPlan
from services.signing.domain import Signatory

_LONGEST_CHAIN: Final = 8
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_WORDS: Final = {
    "CERTIFICATE_UNREADABLE": "holds no PEM certificate",
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
    if not any(_is_root(certificate) for certificate in authority):
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
    path = _path(own, [*brought[1:], *authority], roots=[c for c in authority if _is_root(c)])
    chain = tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in path or [own])
    rules = [] if _public_key(own) == public_key else ["WRONG_KEY"]
    rules += [violation.rule for violation in certificates.problems(_signatory(plan, chain))]
    if _is_authority(own):
        rules.append("IS_AN_AUTHORITY")
    if path is None:
        rules.append("CHAIN_INCOMPLETE")
    for certificate in path or [own]:
        rules += _rules_of_each(certificate, at)
    if path and not all(_is_authority(issuer) for issuer in path[1:]):
        rules.append("ISSUER_IS_NO_AUTHORITY")
    return _lines(file, rules) if rules else Issued(own, chain)


def _lines(file: Path, rules: Sequence[str]) -> list[str]:
    return [f"{file}: {rule}: {_WORDS[rule]}" for rule in dict.fromkeys(rules)]


def _read(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return []


def _path(
    own: x509.Certificate, issuers: Sequence[x509.Certificate], *, roots: Sequence[x509.Certificate]
) -> list[x509.Certificate] | None:
    """From `own` to a root, each issued by the next; None when there is no such way."""
    path = [own]
    while path[-1] not in roots:
        issuer = next((c for c in issuers if c not in path and certificates.issued_by(path[-1], c)), None)
        if issuer is None or len(path) == _LONGEST_CHAIN:
            return None
        path.append(issuer)
    return path


def _rules_of_each(certificate: x509.Certificate, at: dt.datetime) -> list[str]:
    rules = []
    if at < certificate.not_valid_before_utc:
        rules.append("NOT_YET_VALID")
    if at > certificate.not_valid_after_utc:
        rules.append("EXPIRED")
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        rules.append("WEAK_SIGNATURE")
    return rules


def _is_root(certificate: x509.Certificate) -> bool:
    return certificates.issued_by(certificate, certificate) and _is_authority(certificate)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and usage.key_cert_sign


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


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
