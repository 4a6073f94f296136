"""What waits for open corrections: freezing a book that holds what they change, and signing it."""

from collections.abc import Sequence
from uuid import UUID

from services.common.db import Tx
from services.common.errors import Rejected
from services.gradebook.entry.store import corrections
from services.gradebook.model.domain import Stage

_NAMED = 10


def refuse(tx: Tx, classes: Sequence[int], stage: Stage, *, subject: str = "", student: str = "") -> None:
    """Raises Rejected CORRECTION_OPEN while corrections of what a book of the stage holds wait for
    a decision.

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
