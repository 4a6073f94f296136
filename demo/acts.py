"""What the people of the demo school do with a book in each state, as they would through a vendor.

The demo is driven by the books' states alone: work done before an interruption shows in the state
and is not repeated, so the demo may be stopped, killed or repeated at any time.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hoso.gradebook.v1 import books_pb2, common_pb2
from hoso.print.v1 import print_pb2
from hoso.signing.v1 import signing_pb2

from cli.connection import Persons, Services, call, download
from services.common.config import read_secret
from services.common.errors import Rejected

SIGNATURES_EACH = 200
ACTIVE_S = 1800
_PRINTED_DIGEST = re.compile(r"(?:[0-9a-f]{4} ){3}[0-9a-f]{4}")


class DemoFailed(Exception):
    """The demo cannot go on; the message says where to look."""


@dataclass(frozen=True)
class Staff:
    """Person ids of the school's office holders."""

    principal: str
    data_officer: str
    seal_custodian: str


@dataclass
class Acts:
    """The school's people with their tokens and PINs.

    vendor: stubs with the vendor's certificate. homeroom: class name → homeroom teacher.
    pin_files: signatory id → file with the PIN of that signatory's token, in the order of signing.
    """

    vendor: Services
    persons: Persons
    staff: Staff
    school: str
    homeroom: dict[str, str]
    pin_files: dict[str, Path]

    def advance(self, book: books_pb2.Book) -> None:
        """Do the next step that a person owes this book, if any.

        Raises DemoFailed when the book reports a problem.
        """
        if book.problem:
            raise DemoFailed(f"{book.school_class.name}: {book.problem} (hoso books show {book.id})")
        act = (self._acts() if book.sealed else self._acts() | self._acts_without_seal()).get(book.state)
        if act is None:
            return
        try:
            act(book)
        except Rejected as e:
            # The state changed after we read it, for example by a call whose answer was lost.
            if e.reason != "BOOK_STATE":
                raise

    def keep_keys_active(self) -> None:
        """Everyone with something to sign enters the PIN again if the key is not active."""
        for signatory in self.pin_files:
            person = self.staff.seal_custodian if signatory == self.school else signatory
            token = self.persons.token(person)
            pending = call(
                self.vendor.signing.ListPending,
                signing_pb2.ListPendingRequest(signatory=signatory),
                token,
                patient=True,
            )
            if pending.key_active or not any(document.due for document in pending.pending):
                continue
            request = signing_pb2.ActivateKeyRequest(
                signatory=signatory,
                pin=read_secret(self.pin_files[signatory]),
                max_signatures=SIGNATURES_EACH,
                duration_seconds=ACTIVE_S,
            )
            call(self.vendor.signing.ActivateKey, request, token, patient=True)

    def _acts(self) -> dict[int, Callable[[books_pb2.Book], None]]:
        return {
            books_pb2.BOOK_STATE_DATA_COMPLETE: self._assign_print,
            books_pb2.BOOK_STATE_PRINTED_UNSIGNED: self._start_review,
            books_pb2.BOOK_STATE_UNDER_RECONCILIATION: self._review,
            books_pb2.BOOK_STATE_RECONCILED: self._after_review,
            books_pb2.BOOK_STATE_HAND_SIGNED: self._stamp,
            books_pb2.BOOK_STATE_STAMPED: self._file_paper,
            books_pb2.BOOK_STATE_PAPER_ARCHIVED: self._start_signing,
            books_pb2.BOOK_STATE_SEALED: self._lock,
            books_pb2.BOOK_STATE_ARCHIVED: self._return,
        }

    def _acts_without_seal(self) -> dict[int, Callable[[books_pb2.Book], None]]:
        """The steps that differ for a record without the school's seal."""
        return {books_pb2.BOOK_STATE_HAND_SIGNED: self._file_paper, books_pb2.BOOK_STATE_SIGNED: self._lock}

    def _assign_print(self, book: books_pb2.Book) -> None:
        request = books_pb2.AssignPrintRequest(book=book.id, officer=self.staff.data_officer)
        self._as(self.staff.principal, self.vendor.books.AssignPrint, request)

    def _start_review(self, book: books_pb2.Book) -> None:
        request = books_pb2.StartReconciliationRequest(book=book.id)
        self._as(self.staff.data_officer, self.vendor.books.StartReconciliation, request)

    def _review(self, book: books_pb2.Book) -> None:
        """Confirm with the digest read off the printed pages: the officer, then the book's
        preparer.
        """
        digest = bytes.fromhex(self._digest_on_pages(book))
        request = books_pb2.ConfirmReconciliationRequest(book=book.id, content_sha256=digest)
        for person in (self.staff.data_officer, self._preparer(book)):
            self._as(person, self.vendor.books.ConfirmReconciliation, request)

    def _preparer(self, book: books_pb2.Book) -> str:
        """The person who froze the book: its teacher, văn thư for the register, else the homeroom
        teacher.
        """
        if book.record_type == common_pb2.RECORD_TYPE_STUDENT_REGISTER:
            return self.staff.seal_custodian
        return book.teacher or self.homeroom[book.school_class.name]

    def _after_review(self, book: books_pb2.Book) -> None:
        """On paper first where the service says that the year requires it, else digital signing."""
        try:
            request = books_pb2.RecordHandSignedRequest(book=book.id)
            self._as(self.staff.principal, self.vendor.books.RecordHandSigned, request)
        except Rejected as e:
            if e.reason != "PAPER_TRACK_NOT_REQUIRED":
                raise
            self._start_signing(book)

    def _stamp(self, book: books_pb2.Book) -> None:
        request = books_pb2.RecordStampedRequest(book=book.id)
        self._as(self.staff.seal_custodian, self.vendor.books.RecordStamped, request)

    def _file_paper(self, book: books_pb2.Book) -> None:
        request = books_pb2.RecordPaperArchivedRequest(book=book.id, place="Kho lưu trữ hồ sơ, tủ số 1")
        self._as(self.staff.data_officer, self.vendor.books.RecordPaperArchived, request)

    def _start_signing(self, book: books_pb2.Book) -> None:
        request = books_pb2.StartDigitalSigningRequest(book=book.id)
        self._as(self.staff.principal, self.vendor.books.StartDigitalSigning, request)

    def _lock(self, book: books_pb2.Book) -> None:
        self._as(self.staff.principal, self.vendor.books.LockBook, books_pb2.LockBookRequest(book=book.id))

    def _return(self, book: books_pb2.Book) -> None:
        request = books_pb2.ReturnBookRequest(book=book.id, recipient="Văn phòng nhà trường (bản điện tử)")
        self._as(self.staff.principal, self.vendor.books.ReturnBook, request)

    def _as(self, person: str, rpc: Callable[..., object], request: object) -> None:
        call(rpc, request, self.persons.token(person), patient=True)

    def _digest_on_pages(self, book: books_pb2.Book) -> str:
        """The digest as printed in the footer, the same on every page of the unsigned copy."""
        request = print_pb2.DownloadRenditionRequest(rendition=book.unsigned_rendition)
        token = self.persons.token(self.staff.data_officer)
        pages = page_texts(download(self.vendor.print.DownloadRendition, request, token))
        printed = {match.group() for page in pages if (match := _PRINTED_DIGEST.search(page))}
        if len(printed) != 1 or any(not _PRINTED_DIGEST.search(page) for page in pages):
            raise DemoFailed(f"{book.school_class.name}: the printed pages do not all carry one digest")
        return printed.pop().replace(" ", "")


def page_texts(pdf: bytes) -> list[str]:
    """The text of each page, read by poppler's pdftotext as a reviewer's eyes would."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(pdf)
        file.flush()
        text = subprocess.run(
            ["pdftotext", "-layout", file.name, "-"], check=True, capture_output=True, text=True
        ).stdout
    return text.split("\f")[:-1]
