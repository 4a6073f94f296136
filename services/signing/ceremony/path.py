"""Ways from a certificate to a root, and what RFC 5280 section 6 says against them. Pure.

Only what a ceremony can meet is judged: names are directory names, and a critical extension of an
issuer that is none of those read here rules the way out, as the RFC asks of whoever does not
process it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from services.signing import certificates

_LONGEST_CHAIN: Final = 8
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_PROCESSED: Final = (x509.BasicConstraints, x509.KeyUsage, x509.NameConstraints)
_Path = list[x509.Certificate]
Extension = TypeVar("Extension", bound=x509.ExtensionType)


def best(
    own: x509.Certificate, issuers: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: dt.datetime
) -> tuple[_Path | None, list[str]]:
    """A way from `own` to a root and the rules that it breaks: one that breaks none if there is
    any, else the first; None and CHAIN_INCOMPLETE when there is none.
    """
    first: tuple[_Path | None, list[str]] | None = None
    for path in _paths([own], issuers, roots):
        rules = broken(path, at)
        if not rules:
            return path, []
        first = first or (path, rules)
    return first or (None, ["CHAIN_INCOMPLETE", *of_each(own, at)])


def broken(path: _Path, at: dt.datetime) -> list[str]:
    """The rules that a way from a certificate to a root breaks."""
    rules = [rule for certificate in path for rule in of_each(certificate, at)]
    if not all(is_authority(issuer) for issuer in path[1:]):
        rules.append("ISSUER_IS_NO_AUTHORITY")
    for below, issuer in enumerate(path[1:]):
        limit = _value(issuer, x509.BasicConstraints)
        if limit is not None and limit.path_length is not None and below > limit.path_length:
            rules.append("PATH_TOO_LONG")
        if any(e.critical and not isinstance(e.value, _PROCESSED) for e in issuer.extensions):
            rules.append("UNKNOWN_CRITICAL")
        if not all(_may_name(issuer, certificate.subject) for certificate in path[: below + 1]):
            rules.append("NAME_CONSTRAINTS")
    return list(dict.fromkeys(rules))


def of_each(certificate: x509.Certificate, at: dt.datetime) -> list[str]:
    """The rules that a certificate breaks wherever it stands."""
    rules = []
    if at < certificate.not_valid_before_utc:
        rules.append("NOT_YET_VALID")
    if at > certificate.not_valid_after_utc:
        rules.append("EXPIRED")
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        rules.append("WEAK_SIGNATURE")
    return rules


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate is one of an authority, which signs certificates."""
    constraints, usage = _value(certificate, x509.BasicConstraints), _value(certificate, x509.KeyUsage)
    return constraints is not None and usage is not None and constraints.ca and usage.key_cert_sign


def is_root(certificate: x509.Certificate) -> bool:
    """Whether an authority has issued this certificate to itself."""
    return certificates.issued_by(certificate, certificate) and is_authority(certificate)


def _paths(path: _Path, issuers: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> Iterator[_Path]:
    if path[-1] in roots:
        yield path
        return
    if len(path) == _LONGEST_CHAIN:
        return
    for issuer in dict.fromkeys(issuers):
        if issuer not in path and certificates.issued_by(path[-1], issuer):
            yield from _paths([*path, issuer], issuers, roots)


def _may_name(issuer: x509.Certificate, name: x509.Name) -> bool:
    """Whether an issuer's name constraints admit a directory name."""
    constraints = _value(issuer, x509.NameConstraints)
    if constraints is None:
        return True
    permitted = [n.value for n in constraints.permitted_subtrees or () if isinstance(n, x509.DirectoryName)]
    excluded = [n.value for n in constraints.excluded_subtrees or () if isinstance(n, x509.DirectoryName)]
    if any(_within(name, subtree) for subtree in excluded):
        return False
    return not permitted or any(_within(name, subtree) for subtree in permitted)


def _within(name: x509.Name, subtree: x509.Name) -> bool:
    return name.rdns[: len(subtree.rdns)] == subtree.rdns


def _value(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
