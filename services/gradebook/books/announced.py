"""Events of print, signing and archive about books, and what each changes.

Called by the consumer in its transaction. Late and repeated events change nothing. An event about
another version or digest than the book's leaves a problem on the book, for people to see.
"""

import uuid
from typing import Protocol

from hoso.archive.v1 import events_pb2 as archive_events
from hoso.print.v1 import events_pb2 as print_events
from hoso.print.v1 import print_pb2
from hoso.signing.v1 import events_pb2 as signing_events

from services.common.db import Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import SYSTEM
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow
from services.gradebook.books.steps import write_step
from services.gradebook.entry.store import windows
from services.gradebook.model import lifecycle
from services.gradebook.model.lifecycle import ENDED, RULES, BookAct, BookState
from services.gradebook.model.permissions import Actor
from services.gradebook.roster import access

_MAX_QUOTED = 500
"""Most characters of another service's words in a problem."""


class _AboutBook(Protocol):
    @property
    def book(self) -> str: ...
    @property
    def version(self) -> int: ...


class _AboutContent(_AboutBook, Protocol):
    @property
    def content_sha256(self) -> bytes: ...


class _AboutDocument(_AboutContent, Protocol):
    @property
    def document(self) -> str: ...


def rendition_ready(tx: Tx, event: print_events.RenditionReady) -> None:
    """The unsigned print exists: PRINTED_UNSIGNED. Of a signing copy the digest is noted."""
    book = _book(tx, event)
    if not _agrees(tx, book, event):
        return
    if event.school != book.school:
        _problem(tx, book, "Nhận được thông báo bản in mang mã của trường khác.")
    elif event.kind == print_pb2.RENDITION_KIND_UNSIGNED:
        _advance(tx, book, BookAct.PRINT, unsigned_rendition=str(_uuid(event.rendition)))
    elif event.kind == print_pb2.RENDITION_KIND_SIGNING and event.pdf_size_bytes:
        _note_signing_copy(tx, book, event)


def rendition_failed(tx: Tx, event: print_events.RenditionFailed) -> None:
    """Print cannot render the content; the school sees the reason."""
    book = _book(tx, event)
    unsigned = event.kind == print_pb2.RENDITION_KIND_UNSIGNED
    waiting = BookState.PRINT_ASSIGNED if unsigned else BookState.DIGITAL_SIGNING
    if (book.state, book.version) == (waiting, event.version):
        rendition = "bản in" if unsigned else "bản để ký số"
        fault = f"lỗi {event.reason} tại {event.field or 'toàn bộ nội dung'}"[:_MAX_QUOTED]
        _problem(tx, book, f"Không tạo được {rendition}: {fault}.")


def document_signed(tx: Tx, event: signing_events.DocumentSigned) -> None:
    """All personal signatures are made: SIGNED. The document is finished if no seal follows.

    Raises as `_is_signing_copy`.
    """
    book = _book(tx, event)
    if _agrees(tx, book, event) and _is_signing_copy(tx, book, event):
        finished = {} if book.sealed else {"document_sha256": event.document_sha256}
        _advance(tx, book, BookAct.SIGN, signed_document=str(_uuid(event.document)), **finished)


def document_sealed(tx: Tx, event: signing_events.DocumentSealed) -> None:
    """The school's seal is made: SEALED.

    The seal follows the last personal signature, so this event also stands for a DocumentSigned
    that it overtakes. Raises as `_is_signing_copy`.
    """
    book = _book(tx, event)
    if not (_agrees(tx, book, event) and _is_signing_copy(tx, book, event)):
        return
    if not book.sealed:
        _problem(tx, book, "Nhận được thông báo đóng dấu số cho loại sổ không đóng dấu.")
        return
    document = str(_uuid(event.document))
    if book.state == BookState.DIGITAL_SIGNING:
        _advance(tx, book, BookAct.SIGN, signed_document=document)
        book = _book(tx, event)
    _advance(tx, book, BookAct.SEAL, signed_document=document, document_sha256=event.document_sha256)


def record_archived(tx: Tx, event: archive_events.RecordArchived) -> None:
    """The finished book is held under object lock: ARCHIVED."""
    book = _book(tx, event)
    if not _agrees(tx, book, event):
        return
    if book.state == BookState.LOCKED and event.object_sha256 != book.document_sha256:
        _problem(tx, book, "Tệp trong kho lưu trữ khác tài liệu đã ký số, đóng dấu số.")
        return
    _advance(tx, book, BookAct.ARCHIVE, archive_record=str(_uuid(event.record)))


def record_refused(tx: Tx, event: archive_events.RecordRefused) -> None:
    """The archive refused the finished book; school and Department see the reason."""
    book = _book(tx, event)
    if (book.state, book.version) == (BookState.LOCKED, event.version):
        checks = ", ".join(event.failed_checks)[:_MAX_QUOTED]
        _problem(tx, book, f"Kho lưu trữ không nhận tài liệu; các kiểm tra không đạt: {checks}.")


def snapshot_archived(tx: Tx, event: archive_events.SnapshotArchived) -> None:
    """A snapshot is held under object lock.

    Raises NotFound SNAPSHOT_UNKNOWN, Rejected SNAPSHOT_DIFFERS; the event then ends in the dead
    letters, for an operator.
    """
    snapshot = _uuid(event.snapshot)
    facts, record = windows.snapshot_facts(tx, snapshot), str(_uuid(event.record))
    if facts is None:
        raise NotFound("SNAPSHOT_UNKNOWN", "Không có bản chụp dữ liệu này.", snapshot=snapshot)
    if facts.content_sha256 != event.content_sha256 or windows.add_snapshot_record(tx, snapshot, record) != record:
        raise Rejected("SNAPSHOT_DIFFERS", "Bản chụp được lưu trữ khác bản chụp đã tạo.", snapshot=snapshot)


def _book(tx: Tx, event: _AboutBook) -> BookRow:
    book = book_store.find_book(tx, _uuid(event.book), lock=True)
    if book is None:
        raise NotFound("BOOK_UNKNOWN", "Không có sổ này.", book=event.book)
    return book


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as e:
        raise NotFound("ID_UNKNOWN", "Mã không đúng dạng.") from e


def _agrees(tx: Tx, book: BookRow, event: _AboutContent) -> bool:
    """Whether an event is about this version and content; if not, a book alive gets a problem."""
    if (event.version, event.content_sha256) == (book.version, book.content_sha256):
        return True
    if book.state not in ENDED:
        _problem(tx, book, "Nhận được thông báo về một phiên bản hoặc nội dung khác với sổ này.")
    return False


def _note_signing_copy(tx: Tx, book: BookRow, event: print_events.RenditionReady) -> None:
    """Note once what print made to be signed (ADR-0069); another copy of the version is a
    problem.
    """
    copy: dict[str, object] = {
        "signing_rendition": _uuid(event.rendition),
        "signing_pdf_sha256": event.pdf_sha256,
        "signing_pdf_size_bytes": event.pdf_size_bytes,
    }
    if book.state in ENDED:
        return
    if book.state < BookState.DIGITAL_SIGNING:
        _problem(tx, book, "Nhận được thông báo bản để ký số khi sổ chưa được giao ký số.")
    elif book.signing_rendition is None:
        book_store.update(tx, {book.id: copy})
    elif any(getattr(book, name) != value for name, value in copy.items()):
        _problem(tx, book, "Nhận được hai thông báo khác nhau về bản để ký số.")


def _is_signing_copy(tx: Tx, book: BookRow, event: _AboutDocument) -> bool:
    """Whether a document is print's signing copy of this book; if not, the book gets a problem.

    Raises Rejected SIGNING_COPY_UNKNOWN while print's announcement is missing: it may come later
    than signing's, which is then tried again.
    """
    if book.state in ENDED or book.state < BookState.DIGITAL_SIGNING:
        return True  # the book takes no step by it, whatever it is
    if book.signing_rendition is None:
        raise Rejected("SIGNING_COPY_UNKNOWN", "Chưa có thông báo về bản để ký số.", book=book.id)
    if book.signing_rendition == _uuid(event.document):
        return True
    _problem(tx, book, "Tài liệu đã ký hoặc đóng dấu số không phải bản để ký số của sổ này.")
    return False


def _advance(tx: Tx, book: BookRow, act: BookAct, **columns: str | bytes) -> None:
    """Make the system's step if the book waits for it.

    An ended book stays as it is, and so does a book beyond the step; but other ids than it holds
    are a problem. A book before the step gets a problem: nobody has asked for the step.
    """
    (source,) = RULES[act].sources
    if book.state == source:
        after = lifecycle.step(book.life, act, {Actor.SYSTEM})
        write_step(tx, SYSTEM, book, act, after, note="", **columns)
    elif book.state in ENDED:
        return
    elif book.state < source:
        _problem(tx, book, f"Nhận được thông báo {act.value} khi sổ đang ở trạng thái {BookState(book.state).name}.")
    elif any(getattr(book, name) != value for name, value in columns.items()):
        _problem(tx, book, f"Nhận được hai thông báo {act.value} khác nhau.")


def _problem(tx: Tx, book: BookRow, message: str) -> None:
    book_store.update(tx, {book.id: {"problem": message}})
    resource, facts = f"books/{book.id}", {"school_year": book.school_year, "version": book.version}
    access.record(tx, SYSTEM, book.school, "BOOK_PROBLEM", resource, **facts)
