"""What waits for open corrections: freezing a book that holds what they change, and signing it."""

from collections.abc import Sequence
from uuid import UUID

from services.common.db import Tx
from services.common.errors import Rejected
from services.gradebook.domain import Stage
from services.gradebook.store import books, corrections
from services.gradebook.store.books import BookRow

_NAMED = 10


def refuse(tx: Tx, classes: Sequence[int], stage: Stage, *, subject: str = "", student: str = "") -> None:
    """Raises Rejected CORRECTION_OPEN while corrections of what a book of the stage holds wait for a decision.

    subject: code, for a teacher's book; student: moet_student_id, for a transcript.
    """
    refuse_open(corrections.open_ids(tx, classes, stage, subject, student))


def refuse_open(listed: Sequence[UUID]) -> None:
    """Raises Rejected CORRECTION_OPEN when corrections (ids) wait for a decision."""
    if listed:
        raise Rejected(
            "CORRECTION_OPEN",
            f"Còn {len(listed)} đề nghị sửa chưa được giải quyết.",
            corrections=",".join(map(str, listed[:_NAMED])),
            open=len(listed),
        )


def refuse_book(tx: Tx, book: BookRow) -> None:
    """Raises Rejected CORRECTION_OPEN while corrections of what the book holds wait for a decision."""
    classes = books.classes_of(tx, book.id) if book.class_id is None else [book.class_id]
    refuse(tx, classes, Stage(book.stage), subject=book.subject, student=book.student)
