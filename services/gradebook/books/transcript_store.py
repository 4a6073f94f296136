"""Transcripts of students: over school years and schools, and those that were made from a class book."""

from collections.abc import Sequence
from uuid import UUID

from services.common.db import Tx
from services.gradebook.books.book_store import BOOK_QUERY, BookRow


def made_from(tx: Tx, source_id: UUID) -> list[BookRow]:
    """The living transcripts that were made from a class book, locked."""
    rows = tx.execute(
        f"{BOOK_QUERY} WHERE b.source_id = %s AND b.state NOT IN (5, 16) ORDER BY b.id FOR UPDATE OF b", (source_id,)
    )
    return [BookRow(*row) for row in rows]


def contents_made_from(tx: Tx, source_id: UUID, students: Sequence[int]) -> dict[UUID, bytes]:
    """Book id → content of the living transcripts of students (ids) that were made from a class book."""
    rows = tx.execute(
        "SELECT b.id, c.content FROM book b JOIN book_content c ON c.book_id = b.id"
        " WHERE b.source_id = %s AND b.student_id = ANY(%s) AND b.state NOT IN (5, 16)",
        (source_id, list(students)),
    )
    return {book_id: bytes(data) for book_id, data in rows}


def of_earlier_years(tx: Tx, students: Sequence[int], school_year: str) -> dict[int, list[BookRow]]:
    """Student id → their living transcripts of the school years before, of any school, one a year, oldest first.

    Of a year's several the last stage and version stands.
    """
    rows = tx.execute(
        f"{BOOK_QUERY.replace('SELECT ', 'SELECT DISTINCT ON (b.student_id, y.name) b.student_id, ', 1)}"
        " WHERE b.record_type = 3 AND b.student_id = ANY(%s) AND y.name < %s AND b.state NOT IN (5, 16)"
        " ORDER BY b.student_id, y.name, b.stage DESC, b.version DESC",
        (list(students), school_year),
    )
    found: dict[int, list[BookRow]] = {}
    for student, *row in rows:
        found.setdefault(student, []).append(BookRow(*row))
    return found


def schools_of(tx: Tx, student: str) -> list[int]:
    """The ids of the schools in which a student is or was enrolled, the newest first."""
    rows = tx.execute(
        "SELECT y.school_id FROM enrolment e JOIN student p ON p.id = e.student_id"
        " JOIN school_year y ON y.id = e.school_year_id WHERE p.moet_student_id = %s"
        " ORDER BY y.name DESC, e.left_on IS NULL DESC, e.joined_on DESC NULLS LAST, e.class_id DESC",
        (student,),
    )
    return [row[0] for row in rows]


def of_student(tx: Tx, student: str, school_id: int | None) -> list[BookRow]:
    """The transcripts of a student by school year, stage and version; of one school, or of all (None)."""
    rows = tx.execute(
        f"{BOOK_QUERY} WHERE b.record_type = 3 AND p.moet_student_id = %s AND (%s::integer IS NULL OR s.id = %s)"
        " ORDER BY y.name, s.code, b.stage, b.version",
        (student, school_id, school_id),
    )
    return [BookRow(*row) for row in rows]
