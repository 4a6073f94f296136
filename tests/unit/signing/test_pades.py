"""Signatures in a PDF: profile, order, locking, appearance, and what a check must not be fooled by.

Keys are in memory here, because tokens change nothing about the document; tests/integration/signing
has the tokens.
"""

import datetime as dt
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pikepdf
import pytest
import typst
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

from services.print import fields, fonts
from services.signing.pades import (
    Expected,
    OwnOutputError,
    PersonalMark,
    SealMark,
    Signed,
    SignerProfile,
    appearance,
    check,
    sign_field,
)
from services.signing.pades import signature as signature_module

NOW = dt.datetime(2026, 5, 28, 7, 3, 27, 123456, tzinfo=dt.UTC)
PEOPLE = ("gv-001", "gv-002", "79000123")
NAMES = ("sig-01-teacher-TOAN", "sig-02-principal", "sig-03-seal")
_HASH = utils.Prehashed(hashes.SHA256())
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


@dataclass(frozen=True)
class Person:
    """A signatory with a key in memory."""

    certificate: x509.Certificate
    algorithm: str
    raw: Callable[[bytes], bytes]

    @property
    def profile(self) -> SignerProfile:
        chain = tuple(c.public_bytes(serialization.Encoding.DER) for c in (self.certificate, root()[1]))
        return SignerProfile(chain, self.algorithm, lambda _covered, digest: self.raw(digest))


@cache
def root() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Root")])
    return key, certificate(name, key.public_key(), name, key, ca=True)


def certificate(subject, public, issuer, issuer_key, *, ca: bool = False, content_commitment: bool = True):
    usage = x509.KeyUsage(not ca, content_commitment and not ca, False, False, False, ca, ca, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@cache
def person(signatory: str, algorithm: str = "ECDSA_P256_SHA256", *, content_commitment: bool = True) -> Person:
    issuer_key, issuer = root()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Nguyễn Thị {signatory}"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, signatory),
        ]
    )
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if algorithm == "ECDSA_P256_SHA256":
        key = ec.generate_private_key(ec.SECP256R1())
        raw = lambda digest: key.sign(digest, ec.ECDSA(_HASH))  # noqa: E731
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        scheme = _PSS if algorithm == "RSA_PSS_SHA256" else padding.PKCS1v15()
        raw = lambda digest: key.sign(digest, scheme, _HASH)  # noqa: E731
    own = certificate(subject, key.public_key(), issuer.subject, issuer_key, content_commitment=content_commitment)
    return Person(own, algorithm, raw)


@cache
def unsigned() -> bytes:
    source = (
        '#set document(title: "Sổ", date: datetime(year: 2026, month: 5, day: 28))\n'
        '#set text(font: "Liberation Serif")\nĐiểm: 8,3'
    )
    pdf = typst.compile(
        source.encode(),
        font_paths=[str(fonts.FOLDER)],
        ignore_system_fonts=True,
        pdf_standards=["a-3b"],
        pdf_tags=False,
    )
    places = [fields.FieldPlace(name, 1, 60 + 180 * i, 400, 170, 68) for i, name in enumerate(NAMES)]
    return fields.add(pdf + b"\n", places)


def sign(pdf: bytes, index: int, who: Person | None = None, **more: object) -> Signed:
    last = index == len(NAMES) - 1
    mark = SealMark("Trường THCS Nguyễn Du") if last else PersonalMark("Nguyễn Thị Lan")
    options = {"mark": mark, "reason": "Ký xác nhận", "at": NOW, "first": index == 0, "last": last} | more
    return sign_field(pdf, NAMES[index], (who or person(PEOPLE[index])).profile, **options)  # type: ignore[arg-type]


@cache
def sealed() -> tuple[bytes, ...]:
    """All revisions, the unsigned one first."""
    revisions = [unsigned()]
    for index in range(len(NAMES)):
        revisions.append(sign(revisions[-1], index).pdf)
    return tuple(revisions)


def padded() -> bytes:
    """A first signature that leaves some of its place empty; every fourth ECDSA value fills it."""
    while True:
        pdf = sign(unsigned(), 0).pdf
        (after,) = re.findall(rb"/ByteRange\s*\[\s*\d+\s+\d+\s+(\d+)", pdf)
        if pdf[: int(after)].endswith(b"0000>"):
            return pdf


EXPECTED = [Expected(field, who) for field, who in zip(NAMES, PEOPLE, strict=True)]


def problems(pdf: bytes, expected: list[Expected] = EXPECTED, at: dt.datetime = NOW) -> set[str]:
    report = check(pdf, expected, [root()[1].public_bytes(serialization.Encoding.DER)], at)
    return set(report.problems).union(*(signature.problems for signature in report.signatures))


@pytest.mark.parametrize("algorithm", ["ECDSA_P256_SHA256", "RSA_PKCS1_SHA256", "RSA_PSS_SHA256"])
def test_each_algorithm(algorithm: str) -> None:
    signed = sign(unsigned(), 0, person("gv-001", algorithm))
    assert problems(signed.pdf, EXPECTED[:1]) == set()


def test_a_sealed_document_is_as_it_must_be() -> None:
    *earlier, pdf = sealed()
    assert problems(pdf) == set()
    for before, after in zip(earlier, [*earlier[1:], pdf], strict=True):
        assert after.startswith(before)
    report = check(pdf, EXPECTED, [root()[1].public_bytes(serialization.Encoding.DER)], NOW)
    assert [signature.signatory for signature in report.signatures] == list(PEOPLE)
    assert {signature.sign_time for signature in report.signatures} == {NOW.replace(microsecond=0)}
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        seal = opened.Root.AcroForm.Fields[2].V
        assert seal.SubFilter == "/ETSI.CAdES.detached"
        assert str(seal.M) == "D:20260528140327+07'00'"
        assert seal.Reference[0].TransformParams.Action == "/All"
        first = opened.Root.Perms.DocMDP
        assert first.Reference[0].TransformParams.P == 2


def test_the_cms_is_pades_baseline_b() -> None:
    pdf = sealed()[1]
    content = re.search(rb"/Contents <([0-9a-fA-F]+)>", pdf)
    assert content is not None
    info = cms.ContentInfo.load(bytes.fromhex(content[1].decode()))
    signed_data = info["content"]
    (signer,) = signed_data["signer_infos"]
    attributes = {attribute["type"].native: attribute["values"] for attribute in signer["signed_attrs"]}
    assert set(attributes) == {
        "content_type",
        "message_digest",
        "signing_certificate_v2",
        "cms_algorithm_protection",
    }
    assert signed_data["encap_content_info"]["content"].native is None
    assert len(signed_data["certificates"]) == 1  # the root comes from the verifier


# What an insider or a stranger might hand in.


def test_an_earlier_revision_is_not_final() -> None:
    assert problems(sealed()[2]) == {"SIGNATURE_MISSING"}
    assert problems(sealed()[1]) == {"SIGNATURE_MISSING"}
    assert problems(sealed()[0]) >= {"SIGNATURE_MISSING"}


def test_bytes_after_the_seal() -> None:
    assert "CHANGED_AFTER_LAST_SIGNATURE" in problems(sealed()[-1] + b"\n% more\n")


def test_a_change_after_the_seal() -> None:
    with pikepdf.open(io.BytesIO(sealed()[-1])) as opened:
        opened.pages[0].Rotate = 90
        out = io.BytesIO()
        opened.save(out)
    noticed = problems(out.getvalue())
    assert noticed


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.95])
def test_a_changed_byte_anywhere(place: float) -> None:
    pdf = bytearray(sealed()[-1])
    pdf[int(len(pdf) * place)] ^= 0x01
    assert problems(bytes(pdf)) != set()


def test_something_hidden_behind_the_cms() -> None:
    pdf = sealed()[-1]
    end = pdf.rfind(b"00>")
    assert "HOLE_NOT_EMPTY" in problems(pdf[:end] + b"41>" + pdf[end + 3 :])


def test_another_person_in_the_field() -> None:
    pdf = sign(unsigned(), 0, person("gv-777")).pdf
    assert problems(pdf, EXPECTED[:1]) == {"WRONG_SIGNATORY"}


def test_the_wrong_order() -> None:
    pdf = sign(unsigned(), 1, first=True).pdf
    pdf = sign(pdf, 0, first=False).pdf
    assert problems(pdf, EXPECTED[:2]) == {"WRONG_ORDER"}


def test_one_signature_too_many() -> None:
    assert problems(sealed()[2], EXPECTED[:1]) == {"SIGNATURE_UNEXPECTED"}


def test_a_certificate_for_something_else() -> None:
    pdf = sign(unsigned(), 0, person("gv-001", content_commitment=False)).pdf
    assert problems(pdf, EXPECTED[:1]) == {"NOT_TRUSTED"}


def test_after_the_certificates_end() -> None:
    assert "NOT_TRUSTED" in problems(sealed()[-1], at=NOW + dt.timedelta(days=1001))


def test_an_unknown_root() -> None:
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Other Root")])
    key = ec.generate_private_key(ec.SECP256R1())
    stranger = certificate(other, key.public_key(), other, key, ca=True)
    report = check(sealed()[-1], EXPECTED, [stranger.public_bytes(serialization.Encoding.DER)], NOW)
    assert all("NOT_TRUSTED" in signature.problems for signature in report.signatures)


@pytest.mark.parametrize("garbage", [b"", b"%PDF-1.7\n", b"not a PDF at all", sealed()[-1][:5000]])
def test_damaged_files_are_reported_not_raised(garbage: bytes) -> None:
    assert problems(garbage) != set()


# Our own output is checked before it leaves.


def test_a_faulty_signature_value_never_leaves() -> None:
    good = person("gv-001")

    def faulty(digest: bytes) -> bytes:
        value = bytearray(good.raw(digest))
        value[-1] ^= 1
        return bytes(value)

    with pytest.raises(OwnOutputError, match="does not verify"):
        sign(unsigned(), 0, replace(good, raw=faulty))


def test_another_persons_key_never_leaves() -> None:
    with pytest.raises(OwnOutputError, match="does not verify"):
        sign(unsigned(), 0, replace(person("gv-001"), raw=person("gv-002").raw))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pdf: pdf + b"x", "whole file"),
        (lambda pdf: pdf.replace(b"8,3", b"9,3") if b"8,3" in pdf else pdf[:50] + b"X" + pdf[51:], "another file"),
        (lambda pdf: pdf[: pdf.rfind(b"00>")] + b"41>" + pdf[pdf.rfind(b"00>") + 3 :], "not empty"),
    ],
)
def test_the_last_look_sees(change: Callable[[bytes], bytes], message: str) -> None:
    own = person("gv-001").profile.certificates[0]
    pdf = padded()
    signature_module.verify_newest(pdf, own)
    with pytest.raises(OwnOutputError, match=message):
        signature_module.verify_newest(change(pdf), own)


# What is drawn.


def test_the_seal_has_its_true_size() -> None:
    """36 mm across, whatever the size of its field; measured on the path's extreme points plus half
    the pen.
    """
    content = appearance.draw(SealMark("Trường THCS Nguyễn Du"), 300, 200, NOW).decode()
    rim = float(re.search(r"([\d.]+) w", content)[1])  # type: ignore[index]
    radius = float(re.search(r"w ([\d.]+) 0 m", content)[1])  # type: ignore[index]
    assert 2 * (radius + rim / 2) == pytest.approx(36 / 25.4 * 72, abs=0.05)
    assert content.startswith("q 1 0 0 1 150.00 100.00 cm 0.83 0.07 0.09 RG")


@pytest.mark.parametrize("name", ["Lê An", "Nguyễn Hoàng Thụy Khuê Anh Thư Phương Uyên Đặng"])
def test_a_name_stays_inside_its_field(name: str) -> None:
    content = appearance.draw(PersonalMark(name), 170, 68, NOW).decode()
    start, end = re.search(r"J ([\d.-]+) [\d.-]+ m .* ([\d.-]+) [\d.-]+ c S", content).groups()  # type: ignore[union-attr]
    assert float(start) >= 0
    assert float(end) <= 170


def test_the_time_is_drawn_in_vietnam() -> None:
    """The glyph run of the time at +07:00 is in the appearance."""
    drawn = appearance.draw(PersonalMark("Lê An"), 170, 68, NOW.astimezone(signature_module.VIETNAM)).decode()
    wanted = [appearance._glyph("LiberationSerif-Italic.ttf", letter)[1] for letter in "2026-05-28T14:03:27"]
    place = 0
    for outline in wanted:
        found_at = drawn.find(outline, place)
        assert found_at >= place
        place = found_at + len(outline)
