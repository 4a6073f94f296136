"""Every way to pass off something else as the sealed book fails the check that names it."""

import hashlib
import io
import json
import random
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pikepdf
import pytest
from cryptography.hazmat.primitives import serialization
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko_certvalidator.registry import SimpleCertificateStore

from services.archive import evidence
from services.archive.report import Report
from services.common.canonical import canonical_bytes
from services.print.kind import Kind
from services.signing.pades import cms_der
from tests import records
from tests.printing import render
from tests.unit.archive.signed_books import NOW, Ca, sign, signatories, signing_copy

AT = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class Book:
    """A sealed book, its parts and its maker's CA."""

    ca: Ca
    content: bytes
    unsigned: bytes
    revisions: list[bytes]

    @property
    def pdf(self) -> bytes:
        return self.revisions[-1]

    @property
    def subject(self) -> evidence.Subject:
        content = json.loads(self.content)
        return evidence.Subject(
            content["record_type"], content["school"]["code"], content["school_year"], content["version"]
        )

    @property
    def listed(self) -> list[dict[str, Any]]:
        return signatories(self.content)


@pytest.fixture(scope="module")
def book() -> Book:
    content, unsigned = signing_copy(subjects=3)
    ca = Ca()
    return Book(ca, content, unsigned, sign(unsigned, signatories(content), ca))


def _verify(pdf: bytes, book: Book, *, honest_digest: bool = True, ca: Ca | None = None) -> Report:
    """honest_digest: the attacker got their file's own digest into the register, so only the rest
    can find it.
    """
    digest = hashlib.sha256(pdf if honest_digest else book.pdf).digest()
    root = (ca or book.ca).root
    return evidence.verify(
        pdf, digest, hashlib.sha256(book.content).digest(), subject=book.subject, roots=[root], at=AT
    )


def test_sealed_book_passes(book: Book) -> None:
    report = _verify(book.pdf, book)
    assert report.failed == ()
    assert [s.field for s in report.signatures] == [s["field"] for s in book.listed]
    assert [s.signatory for s in report.signatures] == [s["signatory"] for s in book.listed]
    assert all(s.valid for s in report.signatures)
    assert len(report.signatures) == 6


def test_certificates_may_end_after_the_lock(book: Book) -> None:
    digests = hashlib.sha256(book.pdf).digest(), hashlib.sha256(book.content).digest()
    years_later = evidence.verify(
        book.pdf, *digests, subject=book.subject, roots=[book.ca.root], at=AT + timedelta(days=3650)
    )
    assert "CHAINS_TRUSTED" in years_later.failed
    assert evidence.verify(book.pdf, *digests, subject=book.subject, roots=[book.ca.root], at=AT).valid


def test_teachers_of_one_rank_may_sign_in_any_order(book: Book) -> None:
    listed = book.listed
    shuffled = random.Random(7).sample(listed[:3], 3) + listed[3:]
    assert _verify(sign(book.unsigned, shuffled, book.ca)[-1], book).failed == ()


@pytest.mark.parametrize("kept", [0, 1, 3, 5])
def test_earlier_revision_offered_as_final(book: Book, kept: int) -> None:
    pdf = book.revisions[kept - 1] if kept else book.unsigned
    report = _verify(pdf, book)
    assert "SIGNATURES_COMPLETE" in report.failed
    assert not report.valid


def test_register_digest_is_compared(book: Book) -> None:
    assert "FILE_DIGEST" in _verify(book.revisions[-2], book, honest_digest=False).failed


def test_flipped_bits_anywhere(book: Book) -> None:
    """Also inside the hole of a signature and its padding, which cryptography alone does not
    cover.
    """
    rng = random.Random(20260601)
    holes = [m for m in range(len(book.pdf)) if book.pdf.startswith(b"/Contents <", m)]
    places = [rng.randrange(len(book.pdf)) for _ in range(8)] + [hole + 11 + 3000 for hole in holes[:2]]
    for place in places:
        changed = bytearray(book.pdf)
        changed[place] ^= 1 << rng.randrange(7)
        report = _verify(bytes(changed), book)
        assert not report.valid, place


def test_padding_of_the_signature_hides_nothing(book: Book) -> None:
    end = book.pdf.rindex(b"00>")
    stuffed = book.pdf[:end] + b"41>" + book.pdf[end + 3 :]
    report = _verify(stuffed, book)
    assert report.failed == ("NOTHING_HIDDEN",)


def test_update_after_the_seal(book: Book) -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(book.pdf))
    writer.root["/HoSoForged"] = writer.root["/Type"]
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    report = _verify(out.getvalue(), book)
    assert {"SEAL_COVERS_FILE", "CHANGES_PERMITTED"} <= set(report.failed)


def test_trailing_bytes_after_the_seal(book: Book) -> None:
    assert "SEAL_COVERS_FILE" in _verify(book.pdf + b"\n% more\n", book).failed


def test_other_content_of_the_same_people(book: Book) -> None:
    other, unsigned = signing_copy(students=4, subjects=3)
    assert other != book.content
    report = _verify(sign(unsigned, signatories(other), book.ca)[-1], book)
    assert report.failed == ("CONTENT_DIGEST",)


@pytest.mark.parametrize("change", [{"school": "79000124"}, {"school_year": "2024-2025"}, {"version": 2}])
def test_another_book_of_ours(book: Book, change: dict[str, Any]) -> None:
    digests = hashlib.sha256(book.pdf).digest(), hashlib.sha256(book.content).digest()
    announced = replace(book.subject, **change)
    assert evidence.verify(book.pdf, *digests, subject=announced, roots=[book.ca.root], at=AT).failed == ("SUBJECT",)


def test_damaged_compression_is_unreadable(book: Book) -> None:
    start = book.pdf.index(b"stream", book.pdf.index(b"/EmbeddedFile"))
    damaged = bytearray(book.pdf)
    damaged[start + 200 : start + 210] = bytes(10)
    assert not _verify(bytes(damaged), book).valid


def _with_attachments(pdf: bytes, files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for name in list(opened.attachments):
            del opened.attachments[name]
        for name, data in files.items():
            opened.attachments[name] = pikepdf.AttachedFileSpec(opened, data, filename=name)
        opened.save(out)
    return out.getvalue()


def test_attachment_swapped_after_sealing(book: Book) -> None:
    forged = json.loads(book.content)
    forged["class"]["name"] = "9A9"
    report = _verify(_with_attachments(book.pdf, {"content.json": json.dumps(forged).encode()}), book)
    assert {"CONTENT_DIGEST", "SIGNATURES_INTACT"} <= set(report.failed)


def test_attachment_missing_before_signing(book: Book) -> None:
    bare = _with_attachments(book.unsigned, {"other.json": book.content})
    report = _verify(sign(bare, book.listed, book.ca)[-1], book)
    assert {"CONTENT_ATTACHED", "CONTENT_DIGEST", "SIGNATURES_COMPLETE"} <= set(report.failed)


def test_other_ca_with_the_same_names(book: Book) -> None:
    forged = sign(book.unsigned, book.listed, Ca("Root"))[-1]
    report = _verify(forged, book)
    assert report.failed == ("CHAINS_TRUSTED",)
    assert not any(s.valid for s in report.signatures)


def test_signed_by_another_person(book: Book) -> None:
    listed = book.listed
    listed[1] = listed[1] | {"signatory": listed[0]["signatory"]}
    # A certificate of the same name, issued to somebody else.
    report = _verify(sign(book.unsigned, listed, Ca("Root"))[-1], book)
    assert "SIGNATORIES" in report.failed


def test_certificate_in_another_name(book: Book) -> None:
    ca = Ca()
    listed = book.listed
    listed[-2] = listed[-2] | {"name": "Nguyễn Văn Khác"}
    assert _verify(sign(book.unsigned, listed, ca)[-1], book, ca=ca).failed == ("SIGNATORY_NAMES",)


def test_principal_before_homeroom_teacher(book: Book) -> None:
    listed = book.listed
    listed[-3], listed[-2] = listed[-2], listed[-3]
    assert _verify(sign(book.unsigned, listed, book.ca)[-1], book).failed == ("SIGNING_ORDER",)


def test_seal_not_last(book: Book) -> None:
    listed = book.listed
    listed[-2], listed[-1] = listed[-1], listed[-2]
    assert "SIGNING_ORDER" in _verify(sign(book.unsigned, listed, book.ca)[-1], book).failed


def test_seal_that_does_not_close(book: Book) -> None:
    report = _verify(sign(book.unsigned, book.listed, book.ca, last="none")[-1], book)
    assert report.failed == ("CLOSED_BY_SEAL",)


def test_first_signature_that_does_not_certify(book: Book) -> None:
    assert "CHANGES_PERMITTED" in _verify(sign(book.unsigned, book.listed, book.ca, first="none")[-1], book).failed


def test_key_not_made_for_signing(book: Book) -> None:
    ca = Ca()
    report = _verify(sign(book.unsigned, book.listed, ca, may_sign=False)[-1], book, ca=ca)
    assert report.failed == ("CHAINS_TRUSTED",)


def _old_style(book: Book, pdf: bytes, field: str, who: dict[str, Any], *, new_field: bool = False) -> bytes:
    """A signature as many programs make it: PKCS#7 detached, without signing-certificate-v2."""
    issued = book.ca.issue(who["signatory"], who["name"])
    signer = signers.SimpleSigner(
        signing_cert=_asn1(issued.certificate.public_bytes(serialization.Encoding.DER)),
        signing_key=load_private_key_from_pemder_data(
            issued.key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            None,
        ),
        cert_registry=SimpleCertificateStore(),
    )
    metadata = signers.PdfSignatureMetadata(field_name=field, subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED)
    out = signers.PdfSigner(
        metadata, signer, new_field_spec=SigFieldSpec(field, box=(0, 0, 10, 10)) if new_field else None
    ).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), existing_fields_only=not new_field)
    data: bytes = out.getvalue()
    return data


def _asn1(der: bytes) -> Any:
    return next(iter(load_certs_from_pemder_data(der)))


def test_signature_without_signing_certificate(book: Book) -> None:
    before_seal = book.revisions[-2]
    report = _verify(_old_style(book, before_seal, book.listed[-1]["field"], book.listed[-1]), book)
    assert "PADES_PROFILE" in report.failed


def test_extra_signature(book: Book) -> None:
    report = _verify(_old_style(book, book.revisions[-2], "sig-07-more", book.listed[0], new_field=True), book)
    assert {"SIGNATURES_COMPLETE", "CHANGES_PERMITTED"} <= set(report.failed)


def test_signature_that_leaves_out_the_end_of_its_revision(book: Book) -> None:
    """The principal's own software signs all but the last bytes, which could then be exchanged
    before the seal.
    """
    pdf, principal = book.revisions[-2], book.listed[-2]
    byte_range = list(re.finditer(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) (\d+)", pdf))[-1]
    first, second, rest = map(int, byte_range.groups())
    shorter = str(rest - 40).encode().ljust(len(byte_range[3]))
    pdf = pdf[: byte_range.start(3)] + shorter + pdf[byte_range.end(3) :]
    digest = hashlib.sha256(pdf[:first] + pdf[second : second + rest - 40]).digest()
    signer = book.ca.profile(principal["signatory"], principal["name"])
    attributes = cms_der.signed_attributes(signer.certificates, signer.algorithm, digest)
    value = signer.raw_sign(digest, cms_der.attributes_digest(attributes))
    content = cms_der.content_info(signer.certificates, signer.algorithm, attributes, value)
    hole = content.hex().encode().ljust(second - first - 2, b"0")
    pdf = pdf[: first + 1] + hole + pdf[second - 1 :]
    report = _verify(sign(pdf, book.listed[-1:], book.ca, first="none")[-1], book)
    assert report.failed == ("REVISIONS_COVERED",)


def test_one_signature_in_two_fields(book: Book) -> None:
    """A homeroom teacher who also teaches a subject signs once for both."""
    teacher, homeroom = book.listed[0], book.listed[-3]
    assert teacher["signatory"] == homeroom["signatory"]
    writer = IncrementalPdfFileWriter(io.BytesIO(book.revisions[2]))
    fields = {name: (value, ref) for name, value, ref in enumerate_sig_fields(writer)}
    target = fields[homeroom["field"]][1].get_object()
    target["/V"] = fields[teacher["field"]][1].get_object().raw_get("/V")
    writer.update_container(target)
    out = io.BytesIO()
    writer.write(out)
    pdf = sign(out.getvalue(), book.listed[-2:], book.ca, first="none")[-1]
    assert "ONE_REVISION_EACH" in _verify(pdf, book).failed


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n%%EOF", b"not a pdf", bytes(4096)])
def test_anything_but_a_pdf_is_unreadable(book: Book, data: bytes) -> None:
    assert "READABLE" in _verify(data, book).failed


def test_no_signatories_in_the_content_is_no_approval(book: Book) -> None:
    empty = json.loads(book.content)
    empty["signatories"] = []
    data = json.dumps(empty).encode()
    other = replace(book, content=data)
    report = _verify(_with_attachments(book.unsigned, {"content.json": data}), other)
    assert {"SIGNATURES_COMPLETE", "SIGNATORIES", "SIGNING_ORDER", "SEAL_COVERS_FILE"} <= set(report.failed)


@pytest.fixture(scope="module")
def teacher_book() -> Book:
    """A record without a seal: the principal's signature closes it."""
    content = canonical_bytes(records.teacher_book(1, 3, "SEMESTER_1"))
    unsigned, ca = render(content, Kind.SIGNING).pdf, Ca()
    return Book(ca, content, unsigned, sign(unsigned, signatories(content), ca))


def test_a_record_without_a_seal_is_closed_by_the_principal(teacher_book: Book) -> None:
    report = _verify(teacher_book.pdf, teacher_book)
    assert report.failed == ()
    assert [s.role for s in report.signatures] == ["SUBJECT_TEACHER", "PRINCIPAL"]
    assert "SIGNATURES_COMPLETE" in _verify(teacher_book.revisions[0], teacher_book).failed


def test_a_record_without_a_seal_that_is_not_closed(teacher_book: Book) -> None:
    open_book = sign(teacher_book.unsigned, teacher_book.listed, teacher_book.ca, last="none")[-1]
    assert _verify(open_book, teacher_book).failed == ("CLOSED_BY_SEAL",)


def test_a_record_of_another_type_contradicts_the_register(teacher_book: Book, book: Book) -> None:
    """What needs no seal cannot be offered in place of what does, nor the other way round."""
    for record, other in ((teacher_book, "CLASS_BOOK"), (book, "TEACHER_BOOK")):
        subject = replace(record.subject, record_type=other)
        digests = hashlib.sha256(record.pdf).digest(), hashlib.sha256(record.content).digest()
        failed = evidence.verify(record.pdf, *digests, subject=subject, roots=[record.ca.root], at=AT).failed
        assert {"SUBJECT", "SIGNING_ORDER"} <= set(failed)


@pytest.mark.parametrize("data", [records.transcript(2), records.student_register(5)], ids=["transcript", "register"])
def test_transcripts_and_registers_are_closed_by_the_seal(data: dict[str, Any]) -> None:
    content, ca = canonical_bytes(data), Ca()
    unsigned = render(content, Kind.SIGNING).pdf
    record = Book(ca, content, unsigned, sign(unsigned, signatories(content), ca))
    assert _verify(record.pdf, record).failed == ()
    assert "SIGNATURES_COMPLETE" in _verify(record.revisions[-2], record).failed
