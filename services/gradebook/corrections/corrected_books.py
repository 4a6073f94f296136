"""What a correction does to the books that hold its datum: those being signed forbid it, the others
end."""

from collections.abc import Sequence

from hoso.gradebook.v1 import events_pb2

from services.common import outbox
from services.common.db import Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow
from services.gradebook.books.steps import write_steps
from services.gradebook.entry.store.corrections import CorrectionRow
from services.gradebook.model import lifecycle
from services.gradebook.model.correction_rules import Datum, first_stage
from services.gradebook.model.lifecycle import RULES, BookAct, BookState
from services.gradebook.model.permissions import Actor


def holding(tx: Tx, datum: Datum, school_year: str) -> list[BookRow]:
    """The books alive that hold a datum, locked until commit."""
    return book_store.alive_with_cell(
        tx,
        datum.class_id,
        subject_id=datum.subject_id,
        student_id=datum.student_id,
        first_stage=first_stage(datum, school_year),
    )


def check(books: Sequence[BookRow]) -> None:
    """Raises Rejected BOOK_LOCKED when the signing of a book has begun."""
    for book in books:
        if book.state not in RULES[BookAct.CORRECT].sources:
            raise Rejected(
                "BOOK_LOCKED",
                "Sổ đã vào giai đoạn ký số: Hiệu trưởng thu hồi sổ theo thông báo của Sở (RevokeBook), sửa dữ liệu, rồi"
                " chốt và phát hành lại phiên bản mới.",
                book=book.id,
                version=book.version,
                book_state=BookState(book.state).name,
            )


def end(tx: Tx, caller: Caller, books: Sequence[BookRow], correction: CorrectionRow) -> None:
    """End books that hold what was corrected: MISMATCH, their prints void.

    `check` must have passed.
    """
    after = [lifecycle.step(book.life, BookAct.CORRECT, {Actor.SYSTEM}) for book in books]
    write_steps(tx, caller, books, BookAct.CORRECT, after, note=correction.resource)
    outbox.add_all(tx, [events_pb2.BookVoided(book=str(book.id), version=book.version) for book in books])
