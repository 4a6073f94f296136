"""Which living books hold a datum: while one does, it is entered no more (ADR-0032)."""

from collections.abc import Sequence

from services.common.db import Tx


def alive_states(tx: Tx, class_id: int) -> list[tuple[int, int, int]]:
    """Record type, stage and state of each class book of a class that is alive."""
    rows = tx.execute(
        "SELECT record_type, stage, state FROM book WHERE class_id = %s AND record_type = 1 AND state NOT IN (5, 16)",
        (class_id,),
    )
    return rows.fetchall()


def teacher_book_states(tx: Tx, class_id: int, subject_code: str, stage: int) -> list[int]:
    """The states of the living teachers' books of a subject that hold a class, from a stage on."""
    rows = tx.execute(
        "SELECT b.state FROM book_class k JOIN book b ON b.id = k.book_id WHERE k.class_id = %s AND b.subject_code = %s"
        " AND b.state NOT IN (5, 16) AND b.stage >= %s",
        (class_id, subject_code, stage),
    )
    return [row[0] for row in rows]


def transcript_states(tx: Tx, year_id: int, students: Sequence[int]) -> list[int]:
    """The states of the living transcripts of students (ids) in a school year."""
    rows = tx.execute(
        "SELECT state FROM book WHERE record_type = 3 AND school_year_id = %s AND student_id = ANY(%s)"
        " AND state NOT IN (5, 16)",
        (year_id, list(students)),
    )
    return [row[0] for row in rows]
