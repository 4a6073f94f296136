"""What is locked shows the pages that print made, whoever had the document in between."""

import hashlib
import io
from dataclasses import replace
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from services.archive import evidence
from services.archive.report import Report
from services.signing.pades import signature
from tests.painting import painted_over
from tests.unit.archive.signed_books import Ca, sign, signatories, signing_copy
from tests.unit.archive.test_evidence import AT, Book


@pytest.fixture(scope="module")
def book() -> Book:
    content, unsigned = signing_copy(subjects=3)
    ca = Ca()
    return Book(ca, content, unsigned, sign(unsigned, signatories(content), ca))


def verify(pdf: bytes, book: Book, *, printed: bool = True, **change: Any) -> Report:
    """With the digest that signing says; printed: whether what print made is known, too."""
    original = evidence.Printed(hashlib.sha256(book.unsigned).digest(), len(book.unsigned))
    return evidence.verify(
        pdf,
        hashlib.sha256(pdf).digest(),
        hashlib.sha256(book.content).digest(),
        subject=book.subject,
        roots=[book.ca.root],
        at=AT,
        printed=replace(original, **change) if printed else None,
    )


def paint(writer: Any) -> None:
    """Paint the first page over."""
    page = writer.find_page_for_modification(0)[0].get_object()
    white = generic.StreamObject(stream_data=b"q 1 1 1 rg 0 0 2000 2000 re f Q")
    before = page.raw_get("/Contents")
    page[pdf_name("/Contents")] = generic.ArrayObject([before, writer.add_object(white)])
    writer.update_container(page)


def test_the_sealed_book_begins_with_what_print_made(book: Book) -> None:
    report = verify(book.pdf, book)
    assert report.failed == ()
    assert {"PRINTED_BYTES", "SIGNATURES_ONLY"} <= {check.name for check in report.checks}


@pytest.mark.parametrize("change", [{"sha256": bytes(32)}, {"size_bytes": 1000}, {"size_bytes": 10**9}], ids=str)
def test_other_bytes_than_print_made(book: Book, change: dict[str, Any]) -> None:
    assert "PRINTED_BYTES" in verify(book.pdf, book, **change).failed


def test_pages_painted_over_before_the_first_signature(book: Book) -> None:
    forged = sign(painted_over(book.unsigned), book.listed, book.ca)[-1]
    assert verify(forged, book, printed=False).failed == ()
    assert "PRINTED_BYTES" in verify(forged, book).failed


def test_pages_painted_over_between_print_and_the_first_signature(book: Book) -> None:
    """As whoever owns signing's database can: an update below all signatures, signed by nobody."""
    writer = IncrementalPdfFileWriter(io.BytesIO(book.unsigned))
    paint(writer)
    out = io.BytesIO()
    writer.write(out)
    forged = sign(out.getvalue(), book.listed, book.ca)[-1]
    assert forged.startswith(book.unsigned)
    assert verify(forged, book, printed=False).failed == ()
    assert verify(forged, book).failed == ("SIGNATURES_ONLY",)


def test_pages_painted_over_together_with_the_first_signature(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signing service that was broken into can: before the first signature nothing is
    certified.
    """
    honest, painted = signature._DrawnAppearance.apply, []

    def apply(self: Any, sig_annot: Any, writer: Any) -> None:
        honest(self, sig_annot, writer)
        if not painted:
            painted.append(paint(writer))

    monkeypatch.setattr(signature._DrawnAppearance, "apply", apply)
    forged = sign(book.unsigned, book.listed, book.ca)[-1]
    assert painted and forged.startswith(book.unsigned)
    assert verify(forged, book, printed=False).failed == ()
    assert verify(forged, book).failed == ("SIGNATURES_ONLY",)
