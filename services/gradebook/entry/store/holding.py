"""The books alive that hold a datum; while there is one, the datum is not entered (ADR-0032)."""

from collections.abc import Sequence
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import rows, scalars
from services.gradebook.model.domain import RecordType
from services.gradebook.model.lifecycle import ENDED

ALIVE = f"b.state NOT IN ({', '.join(str(int(state)) for state in sorted(ENDED))})"
"""Whether a book `b` is alive.

Not a parameter, so that a partial index with this condition serves.
"""


class BookStage(NamedTuple):
    """A book alive: its record type, stage and state."""

    record_type: int
    stage: int
    state: int


def alive_states(tx: Tx, class_id: int) -> list[BookStage]:
    """The class books of a class that are alive."""
    return rows(
        tx,
        BookStage,
        "SELECT b.record_type, b.stage, b.state FROM book b"  # noqa: S608 - a constant
        f" WHERE b.class_id = %s AND b.record_type = %s AND {ALIVE}",
        (class_id, RecordType.CLASS_BOOK),
    ).fetchall()


def teacher_book_states(tx: Tx, class_id: int, subject_code: str, stage: int) -> list[int]:
    """The states of the teachers' books alive of a subject that hold a class, from a stage on."""
    return scalars(
        tx,
        int,
        "SELECT b.state FROM book_class k JOIN book b ON b.id = k.book_id WHERE k.class_id = %s AND b.subject_code = %s"  # noqa: S608
        f" AND b.stage >= %s AND {ALIVE}",
        (class_id, subject_code, stage),
    ).fetchall()


def transcript_states(tx: Tx, year_id: int, students: Sequence[int]) -> list[int]:
    """The states of the transcripts alive of students (ids) in a school year."""
    return scalars(
        tx,
        int,
        "SELECT b.state FROM book b WHERE b.record_type = %s AND b.school_year_id = %s AND b.student_id = ANY(%s)"  # noqa: S608
        f" AND {ALIVE}",
        (RecordType.TRANSCRIPT, year_id, list(students)),
    ).fetchall()
