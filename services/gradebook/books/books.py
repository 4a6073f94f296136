"""What people do with a book from its freezing to its return: one function per act."""

from typing import cast

from google.protobuf.message import Message
from hoso.gradebook.v1 import common_pb2, events_pb2

from services.common import outbox
from services.common.db import Database, Tx
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.books import book_store, transcript_store
from services.gradebook.books.book_store import BookRow
from services.gradebook.books.steps import is_preparer, make_step, write_steps
from services.gradebook.entry import open_corrections
from services.gradebook.model import lifecycle
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import Stage
from services.gradebook.model.lifecycle import BookAct
from services.gradebook.model.permissions import Actor, is_eligible
from services.gradebook.roster import roster_store

DIGEST_PREFIX_BYTES = 8


def assign_print(database: Database, caller: Caller, book_id: str, officer: str) -> BookRow:
    """Name the officer in charge of print and reconciliation (principal); printing follows.

    Raises Invalid OFFICER_ROLE, OFFICER_IS_PREPARER: two different people compare print and data.
    """

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        staff = roster_store.staff(tx, book.school_id, [officer]).get(officer) if officer.isprintable() else None
        if staff is None or not is_eligible(Actor.OFFICER, staff.roles):
            raise Invalid([Violation("officer", "OFFICER_ROLE", "Người được phân công phải là cán bộ phụ trách CSDL.")])
        if is_preparer(book, staff):
            message = "Người đối chiếu phải khác người lập sổ."
            raise Invalid([Violation("officer", "OFFICER_IS_PREPARER", message)])
        return {"officer_id": staff.id}

    return make_step(database, caller, book_id, BookAct.ASSIGN_PRINT, note=officer, check=check, event=_print_assigned)


def start_reconciliation(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Start comparing print and data (assigned officer)."""
    return make_step(database, caller, book_id, BookAct.START_RECONCILIATION)


def confirm_reconciliation(database: Database, caller: Caller, book_id: str, digest: bytes) -> BookRow:
    """Confirm that print and data agree (assigned officer, preparer); RECONCILED when both have.

    digest: as on the printed page, at least its first eight bytes. Raises Rejected DIGEST_MISMATCH.
    """
    if not DIGEST_PREFIX_BYTES <= len(digest) <= 32:
        message = f"Mã băm phải có từ {DIGEST_PREFIX_BYTES} đến 32 byte."
        raise Invalid([Violation("content_sha256", "LENGTH", message)])

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        del tx
        if not book.content_sha256.startswith(digest):
            raise Rejected(
                "DIGEST_MISMATCH",
                "Mã băm trên bản in khác mã băm của dữ liệu đã chốt.",
                expected=book.content_sha256.hex(),
                found=digest.hex(),
            )
        return {}

    return make_step(database, caller, book_id, BookAct.CONFIRM, note=digest.hex(), check=check)


def report_mismatch(database: Database, caller: Caller, book_id: str, differences: str) -> BookRow:
    """End a version whose print differs from the data or cannot be made; its print is void."""
    _check_text("differences", differences, shortest=1, longest=2000)
    return make_step(database, caller, book_id, BookAct.REPORT_MISMATCH, note=differences, event=_voided)


def record_hand_signed(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Record the blue-ink signatures (principal)."""
    return make_step(database, caller, book_id, BookAct.HAND_SIGN)


def record_stamped(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Record the red stamp (seal custodian).

    Raises Rejected NO_SEAL for record types without it.
    """
    return make_step(database, caller, book_id, BookAct.STAMP)


def record_paper_archived(database: Database, caller: Caller, book_id: str, place: str) -> BookRow:
    """Record where the paper is kept (data officer)."""
    _check_text("place", place, shortest=1, longest=200)
    return make_step(database, caller, book_id, BookAct.ARCHIVE_PAPER, note=place)


def start_digital_signing(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Start the digital signatures (principal); signing copy and signatures follow.

    Raises Rejected CORRECTION_OPEN: once signing has begun, a correction needs the book revoked.
    """

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        classes = book_store.classes_of(tx, book.id) if book.class_id is None else [book.class_id]
        open_corrections.refuse(tx, classes, Stage(book.stage), subject=book.subject, student=book.student)
        return {}

    return make_step(database, caller, book_id, BookAct.START_SIGNING, check=check, event=_signing_started)


def lock_book(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Lock the book and the data in it (principal); archiving follows."""
    return make_step(database, caller, book_id, BookAct.LOCK, event=_locked)


def return_book(database: Database, caller: Caller, book_id: str, recipient: str) -> BookRow:
    """Record to whom the electronic copy was returned (principal)."""
    _check_text("recipient", recipient, shortest=1, longest=200)
    return make_step(database, caller, book_id, BookAct.RETURN, note=recipient)


def revoke_book(database: Database, caller: Caller, book_id: str, reason: str, department_notice: str) -> BookRow:
    """Revoke a signed book with the Department's notice (principal); nothing is erased.

    The transcripts made from a class book end with it unless their signing has begun. Raises
    Rejected TRANSCRIPTS_ALIVE while such a transcript is alive: it must be revoked first
    (ADR-0036).
    """
    _check_text("reason", reason, shortest=10, longest=2000)
    _check_text("department_notice", department_notice, shortest=1, longest=200)
    note = f"{department_notice}: {reason}"

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        _end_transcripts(tx, caller, book)
        return {}

    return make_step(database, caller, book_id, BookAct.REVOKE, note=note, check=check, event=_voided)


def _end_transcripts(tx: Tx, caller: Caller, source: BookRow) -> None:
    transcripts = transcript_store.made_from(tx, source.id)
    signed = [book for book in transcripts if book.state not in lifecycle.RULES[BookAct.LOSE_SOURCE].sources]
    if signed:
        raise Rejected(
            "TRANSCRIPTS_ALIVE",
            f"Có {len(signed)} học bạ lập từ sổ này đang ký hoặc đã ký; phải thu hồi các học bạ đó trước.",
            transcripts=len(signed),
        )
    after = [lifecycle.step(book.life, BookAct.LOSE_SOURCE, {Actor.SYSTEM}) for book in transcripts]
    write_steps(tx, caller, transcripts, BookAct.LOSE_SOURCE, after, note=f"books/{source.id}")
    outbox.add_all(tx, [_voided(book) for book in transcripts])


def _check_text(field: str, text: str, *, shortest: int, longest: int) -> None:
    findings = Findings()
    findings.text(field, text, shortest=shortest, longest=longest)
    findings.refuse()


def _print_assigned(book: BookRow) -> Message:
    return events_pb2.BookPrintAssigned(
        book=str(book.id), version=book.version, school=book.school, content_sha256=book.content_sha256
    )


def _signing_started(book: BookRow) -> Message:
    return events_pb2.BookSigningStarted(
        book=str(book.id), version=book.version, school=book.school, content_sha256=book.content_sha256
    )


def _locked(book: BookRow) -> Message:
    return events_pb2.BookLocked(
        book=str(book.id),
        version=book.version,
        school=book.school,
        school_year=book.school_year,
        content_sha256=book.content_sha256,
        document=book.signed_document,
        document_sha256=book.document_sha256 or b"",
        record_type=cast("common_pb2.RecordType.ValueType", book.record_type),
        pdf_sha256=book.signing_pdf_sha256 or b"",
        pdf_size_bytes=book.signing_pdf_size_bytes or 0,
    )


def _voided(book: BookRow) -> Message:
    return events_pb2.BookVoided(book=str(book.id), version=book.version)
