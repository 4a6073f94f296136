"""Ways from a certificate to a root, each judged by RFC 5280 section 6.1 (pyhanko_certvalidator).

Nothing is fetched and revocation is not asked: this judges what an authority issued, on the day
that it is brought.
"""

import datetime as dt
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhanko_certvalidator.authority import CertTrustAnchor, derive_quals_from_cert
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import SUPPORTED_EXTENSIONS, validate_path

from services.common import config
from services.common.config import ConfigError
from services.common.errors import Violation
from services.signing import certificates

MAX_CERTIFICATES: Final = 50
"""Most issuers that are looked at, those of the authority's file included."""
MAX_PATHS: Final = 300
"""Most ways that are judged; authorities that certify each other in a circle have very many."""

_MAX_STEPS: Final = 5_000  # most beginnings of ways that are looked at
_LONGEST_CHAIN: Final = 8
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_RULES: Final = {
    "maximum path length": "PATH_TOO_LONG",
    "unsupported critical extension": "UNKNOWN_CRITICAL",
    "permitted namespace": "NAME_CONSTRAINTS",
    "excluded from the namespace": "NAME_CONSTRAINTS",
}
"""What the library's sentences about a way mean here; any other is PATH_INVALID."""
_WORDS: Final = {
    "NOT_YET_VALID": "Có chứng thư chưa đến ngày hiệu lực.",
    "EXPIRED": "Có chứng thư đã hết hạn.",
    "WEAK_SIGNATURE": "Có chứng thư được ký với hàm băm yếu; cần SHA-256, SHA-384 hoặc SHA-512.",
    "ISSUER_IS_NO_AUTHORITY": "Có chứng thư do nơi không được phép cấp chứng thư cấp.",
    "PATH_TOO_LONG": "Chuỗi chứng thư dài hơn mức một cơ quan cấp cho phép.",
    "UNKNOWN_CRITICAL": "Có chứng thư mang phần mở rộng bắt buộc mà hệ thống không xử lý được.",
    "NAME_CONSTRAINTS": "Có tên nằm ngoài phạm vi mà cơ quan cấp được phép cấp.",
    "PATH_INVALID": "Chuỗi chứng thư không hợp lệ theo RFC 5280, hoặc có phần không xét được.",
    "TOO_MANY_CERTIFICATES": f"Chuỗi có quá {MAX_CERTIFICATES} chứng thư.",
    "TOO_MANY_PATHS": "Có quá nhiều đường dẫn đến chứng thư gốc để xét hết; hãy bỏ bớt chứng thư thừa.",
    "CHAIN_INCOMPLETE": "Chuỗi chứng thư không dẫn đến chứng thư gốc nào được Sở tin cậy.",
}
_Path = list[x509.Certificate]


class _TooManyPathsError(Exception):
    """There are more ways than are judged."""


def best(
    own: x509.Certificate, issuers: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: dt.datetime
) -> tuple[_Path | None, list[str]]:
    """A way from `own` to a root and the rules that it breaks: one that breaks none if there is
    any, else the shortest; None and CHAIN_INCOMPLETE when there is none, or TOO_MANY_CERTIFICATES.
    TOO_MANY_PATHS says that there may be a good one among those that were not looked at.

    The certificates must be readable (`certificates.readable`).
    """
    known = list(dict.fromkeys([*issuers, *roots]))
    if len(known) > MAX_CERTIFICATES:
        return None, ["TOO_MANY_CERTIFICATES"]
    first: tuple[_Path | None, list[str]] | None = None
    try:
        for path in _paths(own, known, roots):
            rules = broken(path, at)
            if not rules:
                return path, []
            first = first or (path, rules)
    except _TooManyPathsError:
        shortest, rules = first or (None, of_each(own, at))
        return shortest, [*rules, "TOO_MANY_PATHS"]
    return first or (None, ["CHAIN_INCOMPLETE", *of_each(own, at)])


def read_roots(file: Path) -> list[x509.Certificate]:
    """The roots that are trusted. Raises ConfigError when the file has none that can be read."""
    try:
        roots = x509.load_pem_x509_certificates(config.read_roots(file))
    except ValueError as e:
        raise ConfigError(f"trust_roots_file {file}: {e}") from e
    if not all(map(certificates.readable, roots)):
        raise ConfigError(f"trust_roots_file {file} holds a certificate that cannot be read")
    return roots


def problems(chain: Sequence[bytes], roots: Sequence[x509.Certificate], at: dt.datetime) -> list[Violation]:
    """Why a signatory's certificates (DER, own first, all readable) may not be registered under
    these roots; empty when they may.
    """
    own, *issuers = map(x509.load_der_x509_certificate, chain)
    _, rules = best(own, issuers, roots, at)
    where = "signatory.certificate_chain"
    return [Violation(where, rule, _WORDS[rule]) for rule in rules]


def broken(path: _Path, at: dt.datetime) -> list[str]:
    """The rules that a way from a certificate to a root breaks."""
    rules = [rule for certificate in path for rule in of_each(certificate, at)]
    if not all(certificates.is_authority(issuer) for issuer in path[1:]):
        rules.append("ISSUER_IS_NO_AUTHORITY")
    return list(dict.fromkeys(rules)) or _by_rfc_5280(path, at)


def of_each(certificate: x509.Certificate, at: dt.datetime) -> list[str]:
    """The rules that a certificate breaks wherever it stands."""
    rules = []
    if at < certificate.not_valid_before_utc:
        rules.append("NOT_YET_VALID")
    if at > certificate.not_valid_after_utc:
        rules.append("EXPIRED")
    if not isinstance(_digest(certificate), _HASHES):
        rules.append("WEAK_SIGNATURE")
    return rules


def is_root(certificate: x509.Certificate) -> bool:
    """Whether an authority has issued this certificate to itself."""
    return certificates.issued_by(certificate, certificate) and certificates.is_authority(certificate)


def _paths(own: x509.Certificate, known: _Path, roots: Sequence[x509.Certificate]) -> Iterator[_Path]:
    """The ways to a root, the shortest first, none of which passes an authority (a name with a key)
    twice. Raises _TooManyPathsError when there are more than MAX_PATHS.
    """
    issuers = _issuers([own, *known], known)
    steps = _steps_to(roots, issuers)
    holders = {issuer: _holder(issuer) for by in issuers.values() for issuer in by}
    found = begun = 0
    # The length that a way will have at least, and of equals the one that is nearer to its root.
    waiting = [(0, 0, begun, [own])]
    while waiting:
        *_, path = heapq.heappop(waiting)
        if len(path) > 1 and path[-1] in roots:
            if found == MAX_PATHS:
                raise _TooManyPathsError
            found += 1
            yield path
            continue
        passed = {holders[issuer] for issuer in path[1:]}
        for issuer in issuers[path[-1]]:
            least = len(path) + 1 + steps.get(issuer, _LONGEST_CHAIN)
            if least > _LONGEST_CHAIN or issuer == own or holders[issuer] in passed:
                continue
            if begun == _MAX_STEPS:
                raise _TooManyPathsError
            begun += 1
            heapq.heappush(waiting, (least, -len(path), begun, [*path, issuer]))


def _issuers(subjects: _Path, known: _Path) -> Mapping[x509.Certificate, _Path]:
    return {
        subject: [issuer for issuer in known if certificates.issued_by(subject, issuer)]
        for subject in dict.fromkeys(subjects)
    }


def _steps_to(
    roots: Sequence[x509.Certificate], issuers: Mapping[x509.Certificate, _Path]
) -> Mapping[x509.Certificate, int]:
    """How many issuers away the nearest root is, for the certificates from which a way leads."""
    steps = dict.fromkeys(roots, 0)
    while more := {subject for subject, by in issuers.items() if subject not in steps and steps.keys() & set(by)}:
        steps |= dict.fromkeys(more, max(steps.values()) + 1)
    return steps


def _holder(issuer: x509.Certificate) -> tuple[x509.Name, bytes]:
    """Whom the certificate is for; its key has verified another, so it is of a supported kind."""
    return issuer.subject, issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _digest(certificate: x509.Certificate) -> hashes.HashAlgorithm | None:
    """Of the signature; None when it has none, or one that is not supported."""
    try:
        return certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None


def _by_rfc_5280(path: _Path, at: dt.datetime) -> list[str]:
    """What else RFC 5280 section 6.1 has against a way. The root binds those below it with its own
    path length and name constraints, as if it were one of them.
    """
    try:
        own, *between, root = [asn1.Certificate.load(c.public_bytes(Encoding.DER)) for c in path]
        if root.critical_extensions - SUPPORTED_EXTENSIONS:
            return ["UNKNOWN_CRITICAL"]
        anchor = _anchor(root)
        context = ValidationContext(
            trust_roots=[anchor],
            moment=at,
            allow_fetching=False,
            revinfo_policy=CertRevTrustPolicy(revocation_checking_policy=NO_REVOCATION),
        )
        # With parameters of ours the library adds the root's constraints to them. Alone they lack
        # the kinds of name that they do not mention, and the library needs every kind.
        validate_path(context, ValidationPath(anchor, reversed(between), own), PKIXValidationParams())
    except ValidationError as e:
        return [next((rule for words, rule in _RULES.items() if words in str(e)), "PATH_INVALID")]
    except (ValueError, TypeError, NotImplementedError):
        # An extension that the library cannot read, or a name that it cannot compare.
        return ["PATH_INVALID"]
    return []


def _anchor(root: asn1.Certificate) -> CertTrustAnchor:
    bounds = derive_quals_from_cert(root)
    # A policy that a root names is no demand on those below it: only policyConstraints demand.
    # Its path length for attribute authorities, of which there are none, must be a number, too.
    stated = bounds.standard_parameters or PKIXValidationParams()
    names = PKIXValidationParams(
        initial_permitted_subtrees=stated.initial_permitted_subtrees,
        initial_excluded_subtrees=stated.initial_excluded_subtrees,
    )
    return CertTrustAnchor(root, replace(bounds, standard_parameters=names, max_aa_path_length=bounds.max_path_length))
