"""Really rendered and really signed class books, with keys in memory in place of tokens."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from services.print.kind import Kind
from services.signing import token_wire
from services.signing.pades import PersonalMark, SealMark, SignerProfile, sign_field
from tests import content
from tests.printing import render

NOW = dt.datetime(2026, 6, 1, 9, 0, tzinfo=dt.UTC)
_DER = serialization.Encoding.DER


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass
class Ca:
    """A root and what it issued, one certificate per signatory."""

    name: str = "Root"
    at: dt.datetime = NOW
    issued: dict[tuple[str, bool], Issued] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = (
            _certificate(self._subject, self._subject, self._key.public_key(), self.at, 25)
            .add_extension(basic, critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def root(self) -> bytes:
        return self.certificate.public_bytes(_DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, signatory: str, name: str, *, may_sign: bool = True) -> Issued:
        if (signatory, may_sign) not in self.issued:
            key = ec.generate_private_key(ec.SECP256R1())
            attributes = [(NameOID.COMMON_NAME, name), (NameOID.SERIAL_NUMBER, signatory)]
            subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
            usage = _usage("digital_signature", "content_commitment") if may_sign else _usage("key_agreement")
            builder = _certificate(subject, self._subject, key.public_key(), self.at, 3).add_extension(
                usage, critical=True
            )
            self.issued[signatory, may_sign] = Issued(builder.sign(self._key, hashes.SHA256()), key)
        return self.issued[signatory, may_sign]

    def profile(self, signatory: str, name: str, *, may_sign: bool = True) -> SignerProfile:
        issued = self.issue(signatory, name, may_sign=may_sign)
        return SignerProfile(
            (issued.certificate.public_bytes(_DER), self.root),
            token_wire.ECDSA_P256_SHA256,
            lambda _, digest: issued.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))),
        )


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, at: dt.datetime, years: int
) -> x509.CertificateBuilder:
    start = at - dt.timedelta(days=200)
    return x509.CertificateBuilder(
        issuer, subject, public, x509.random_serial_number(), start, start + dt.timedelta(days=365 * years)
    )


def _usage(*names: str) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in every})


def signing_copy(students: int = 3, subjects: int = 12, **more: Any) -> tuple[bytes, bytes]:
    """Frozen content and its rendered signing copy, unsigned; `subjects` and three more
    signatories.
    """
    with mock.patch.object(content, "SUBJECTS", content.SUBJECTS[:subjects]):
        data = content.canonical(students, **more)
    return data, render(data, Kind.SIGNING).pdf


def signatories(data: bytes) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(data)["signatories"]
    return listed


def sign(
    pdf: bytes,
    listed: Sequence[Mapping[str, Any]],
    ca: Ca,
    *,
    first: str | None = None,
    last: str | None = None,
    may_sign: bool = True,
) -> list[bytes]:
    """Every revision after each signature of `listed`, in that order; the last entry is the final
    file.

    first, last: names of the fields that certify and close the document; by default the first and
    the last of `listed`.
    """
    revisions = []
    for number, s in enumerate(listed):
        mark = SealMark(s["name"]) if s["role"] == "SCHOOL_SEAL" else PersonalMark(s["name"])
        pdf = sign_field(
            pdf,
            s["field"],
            ca.profile(s["signatory"], s["name"], may_sign=may_sign),
            mark=mark,
            reason="Xác nhận kết quả",
            at=NOW + dt.timedelta(minutes=number),
            first=s["field"] == (first or listed[0]["field"]),
            last=s["field"] == (last or listed[-1]["field"]),
        ).pdf
        revisions.append(pdf)
    return revisions
