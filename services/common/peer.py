"""Whom a certificate names, who issued it, and whether it still holds (ADR-0067).

A name such as ``service/print`` stands in a certificate as its only common name and its only URI
(``urn:hoso:service/print``); whoever is connected to also bears ``print.service.hoso`` as its only
host name. Each kind of name has a CA of its own, which says so itself: ``urn:hoso:ca/service``.

A door trusts a bundle (`settings.TlsConfig.ca_file`): PEM certificates of CAs, each with its
current CRL.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.common import log
from services.common.config import ConfigError
from services.common.errors import Unauthenticated
from services.common.settings import TlsConfig

URN = "urn:hoso:"
CLIENTS = ("service", "operator", "vendor")
"""Kinds of name that may call a service."""
WARN_DAYS = 7
"""Days before its end at which a certificate or CRL is complained about; renewal is due at ten."""
KNOWN_CERTIFICATES = 10_000
"""Size of the cache of checked certificates, about 20 MB; it is emptied when it is full."""

# A part of a host name, too; and nothing that a log or a pattern of names could misread.
_NAME = re.compile(r"[a-z]{1,20}/[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
_log = log.get(__name__)


@dataclass(frozen=True)
class Authority:
    """A CA that is believed for names of `kind`. revoked: serial numbers; current_until: the time
    at which its CRL is too old to go by.
    """

    kind: str
    certificate: x509.Certificate
    revoked: frozenset[int]
    current_until: datetime


@dataclass(frozen=True)
class Named:
    """A certificate whose names agree and whose CA may give them. ends: its last moment."""

    name: str
    serial: int
    ends: datetime
    authority: Authority


def host_of(name: str) -> str:
    """The host name that stands for a name in TLS: ``service/print`` is ``print.service.hoso``."""
    kind, _, rest = name.partition("/")
    return f"{rest}.{kind}.hoso"


def name_of(certificate: x509.Certificate) -> str:
    """The one name in a certificate. Raises Unauthenticated CERTIFICATE_NAMES unless it is one."""
    names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) != 1 or _NAME.fullmatch(names[0]) is None:
        raise _names("cần đúng một tên chung (CN) dạng loại/tên, gồm chữ a–z, chữ số và dấu -")
    (name,) = names
    uris, others = [], []
    for entry in _alternative_names(certificate):
        if isinstance(entry, x509.UniformResourceIdentifier):
            uris.append(entry.value)
        elif not isinstance(entry, x509.DNSName) or entry.value != host_of(name):
            others.append(entry)
    if uris != [f"{URN}{name}"]:
        raise _names(f"cần đúng một URI, bằng {URN} và tên chung")
    if others:
        raise _names(f"ngoài {host_of(name)} không được có tên nào khác")
    return name


def named(certificate: x509.Certificate, authorities: Iterable[Authority]) -> Named:
    """Whom a certificate names, given by a CA of that kind.

    Raises Unauthenticated CERTIFICATE_NAMES, CERTIFICATE_ISSUER.
    """
    name = name_of(certificate)
    kind = name.partition("/")[0]
    for authority in authorities:
        if authority.kind == kind and _issued(certificate, authority.certificate):
            return Named(name, certificate.serial_number, certificate.not_valid_after_utc, authority)
    raise Unauthenticated("CERTIFICATE_ISSUER", "Nơi cấp chứng thư không được cấp tên loại này.", kind=kind)


def check_current(holder: Named, moment: datetime) -> None:
    """Raises Unauthenticated CERTIFICATE_EXPIRED, CERTIFICATE_REVOKED, and CRL_EXPIRED when the
    CA's list is too old to tell.
    """
    if moment >= holder.ends:
        raise Unauthenticated("CERTIFICATE_EXPIRED", "Chứng thư của máy gọi đã hết hạn.", client=holder.name)
    if holder.serial in holder.authority.revoked:
        raise Unauthenticated("CERTIFICATE_REVOKED", "Chứng thư của máy gọi đã bị thu hồi.", client=holder.name)
    if moment >= holder.authority.current_until:
        message = "Danh sách chứng thư bị thu hồi đã quá hạn; quản trị viên cần cập nhật."
        raise Unauthenticated("CRL_EXPIRED", message, kind=holder.authority.kind)


def read_authorities(bundle: Path, kinds: Iterable[str]) -> tuple[Authority, ...]:
    """The CAs of these kinds in a bundle. Raises ConfigError when it cannot be read, holds none of
    them, or one has no CRL.
    """
    try:
        data = bundle.read_bytes()
        certificates = x509.load_pem_x509_certificates(data)
        lists = [x509.load_pem_x509_crl(block) for block in _crl_blocks(data)]
    except (OSError, ValueError) as e:
        raise ConfigError(f"ca_file {bundle}: {e}") from e
    wanted = frozenset(kinds)
    found = tuple(
        _authority(bundle, certificate, lists) for certificate in certificates if kind_of(certificate) in wanted
    )
    if not found:
        raise ConfigError(f"ca_file {bundle}: no CA is named {URN}ca/… for any of: {', '.join(sorted(wanted))}")
    return found


def only(bundle: Path, kind: str) -> Path:
    """The bundle itself, for libraries that read it themselves and believe every CA in it.

    Raises ConfigError when it holds a CA of another kind.
    """
    read_authorities(bundle, (kind,))
    for certificate in x509.load_pem_x509_certificates(bundle.read_bytes()):
        if kind_of(certificate) != kind:
            subject = certificate.subject.rfc4514_string()
            raise ConfigError(f"ca_file {bundle}: only CAs named {URN}ca/{kind} may stand here, not {subject}")
    return bundle


def pem_of(authorities: Iterable[Authority]) -> bytes:
    """The CAs' certificates, for a TLS library."""
    return b"".join(authority.certificate.public_bytes(Encoding.PEM) for authority in authorities)


def kind_of(certificate: x509.Certificate) -> str | None:
    """The kind of name that a CA issues, None when it does not say or is no CA."""
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return None
    uris = [entry.value for entry in _alternative_names(certificate)]
    prefix = f"{URN}ca/"
    return uris[0].removeprefix(prefix) if is_ca and len(uris) == 1 and uris[0].startswith(prefix) else None


def problems(tls: TlsConfig, name: str) -> list[str]:
    """What is wrong with a server's own certificate, which must name `name` and nobody else, and
    what ends soon; one line each, for an operator.
    """
    try:
        own = name_of(_read(tls.cert_file))
        lines = [] if own == name else [f"certificate {tls.cert_file}: names {own}, not {name}"]
        return lines + ends_soon(tls, datetime.now(UTC))
    except (ConfigError, Unauthenticated) as e:
        return [f"certificate {tls.cert_file}: {e}"]


def ends_soon(tls: TlsConfig, moment: datetime) -> list[str]:
    """What of a server's certificate and of the CAs that it believes ends within WARN_DAYS.

    Raises ConfigError when a file cannot be used.
    """
    ends = {f"certificate {tls.cert_file}": _read(tls.cert_file).not_valid_after_utc}
    for authority in read_authorities(tls.ca_file, CLIENTS):
        ends[f"{tls.ca_file}: CA of {authority.kind}"] = authority.certificate.not_valid_after_utc
        ends[f"{tls.ca_file}: CRL of {authority.kind}"] = authority.current_until
    return [f"{what} ends {end:%Y-%m-%d %H:%M} UTC" for what, end in ends.items() if (end - moment).days < WARN_DAYS]


class Clients:
    """Names the callers of a server by a bundle, which is looked at for each call. For one thread
    (the event loop).
    """

    def __init__(self, bundle: Path) -> None:
        """Raises ConfigError."""
        self._bundle = bundle
        self._seen = look(bundle)
        self._authorities = read_authorities(bundle, CLIENTS)
        self._known: dict[bytes, Named] = {}

    def identify(self, auth_context: Mapping[str, Iterable[bytes]]) -> str:
        """The client's name. Raises Unauthenticated as `named` and `check_current`."""
        self._refresh()
        pem = next(iter(auth_context.get("x509_pem_cert", ())), b"")
        holder = self._known.get(pem)
        if holder is None:
            holder = named(_parsed(pem), self._authorities)
            if len(self._known) >= KNOWN_CERTIFICATES:
                self._known.clear()
            self._known[pem] = holder
        check_current(holder, datetime.now(UTC))
        return holder.name

    def _refresh(self) -> None:
        """Read the bundle again when it has changed. One that cannot be used changes nothing: its
        CRLs, which grow too old, bound for how long.
        """
        seen = look(self._bundle)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._authorities = read_authorities(self._bundle, CLIENTS)
        except ConfigError as e:
            _log.error("bundle of CAs unusable; those read before stay believed", error=str(e))
            return
        self._known.clear()
        _log.info("bundle of CAs read again", revoked=sum(len(authority.revoked) for authority in self._authorities))


def look(file: Path) -> tuple[int, int, int] | None:
    """What changes when a file does; None when it cannot be looked at."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _read(cert_file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(cert_file.read_bytes())
    except (OSError, ValueError) as e:
        raise ConfigError(f"cert_file {cert_file}: {e}") from e


def _parsed(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as e:
        raise _names("không đọc được chứng thư") from e


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, ValueError):
        return []


def _issued(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _authority(
    bundle: Path, certificate: x509.Certificate, lists: Iterable[x509.CertificateRevocationList]
) -> Authority:
    """The newest CRL that the CA has signed goes with it."""
    own = [
        crl
        for crl in lists
        if crl.issuer == certificate.subject and crl.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]
    ]
    newest = max(own, key=lambda crl: crl.last_update_utc, default=None)
    if newest is None or newest.next_update_utc is None:
        raise ConfigError(f"ca_file {bundle}: no CRL of {certificate.subject.rfc4514_string()} stands in it")
    revoked = frozenset(entry.serial_number for entry in newest)
    return Authority(kind_of(certificate) or "", certificate, revoked, newest.next_update_utc)


def _crl_blocks(data: bytes) -> list[bytes]:
    begin, end = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
    return [begin + part.partition(end)[0] + end + b"\n" for part in data.split(begin)[1:]]


def _names(rule: str) -> Unauthenticated:
    return Unauthenticated("CERTIFICATE_NAMES", f"Chứng thư phải mang đúng một tên: {rule}.")
