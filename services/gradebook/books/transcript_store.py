"""Transcripts of students over school years and schools, and those made from a class book."""

from collections.abc import Sequence
from uuid import UUID

from services.common.db import Tx
from services.common.rows import rows, scalars
from services.gradebook.books.book_store import BOOK_COLUMNS, BOOK_QUERY, BOOK_TABLES, BookRow, ContentRow
from services.gradebook.entry.store.holding import ALIVE
from services.gradebook.model.domain import RecordType


def made_from(tx: Tx, source_id: UUID) -> list[BookRow]:
    """The transcripts alive that were made from a class book, locked."""
    return rows(
        tx,
        BookRow,
        f"{BOOK_QUERY} WHERE b.source_id = %s AND {ALIVE} ORDER BY b.id FOR UPDATE OF b",
        (source_id,),
    ).fetchall()


def contents_made_from(tx: Tx, source_id: UUID, students: Sequence[int]) -> dict[UUID, bytes]:
    """Book id → content of the students' (ids) transcripts alive that a class book was the source
    of.
    """
    contents = rows(
        tx,
        ContentRow,
        "SELECT b.id AS book_id, c.content FROM book b JOIN book_content c ON c.book_id = b.id"  # noqa: S608 - a constant
        f" WHERE b.source_id = %s AND b.student_id = ANY(%s) AND {ALIVE}",
        (source_id, list(students)),
    )
    return {row.book_id: row.content for row in contents}


def of_earlier_years(tx: Tx, students: Sequence[int], school_year: str) -> dict[str, list[BookRow]]:
    """moet_student_id → the transcripts alive of earlier school years, of any school, oldest first.

    students: ids. One transcript per year: of the last stage and its newest version.
    """
    transcripts: dict[str, list[BookRow]] = {}
    for book in rows(
        tx,
        BookRow,
        f"SELECT DISTINCT ON (b.student_id, y.name) {BOOK_COLUMNS} FROM {BOOK_TABLES}"  # noqa: S608 - constants
        f" WHERE b.record_type = %s AND b.student_id = ANY(%s) AND y.name < %s AND {ALIVE}"
        " ORDER BY b.student_id, y.name, b.stage DESC, b.version DESC",
        (RecordType.TRANSCRIPT, list(students), school_year),
    ):
        transcripts.setdefault(book.student, []).append(book)
    return transcripts


def schools_of(tx: Tx, student: str) -> list[int]:
    """The ids of the schools in which a student is or was enrolled, the newest first."""
    return scalars(
        tx,
        int,
        "SELECT y.school_id FROM enrolment e JOIN student p ON p.id = e.student_id"
        " JOIN school_year y ON y.id = e.school_year_id WHERE p.moet_student_id = %s"
        " ORDER BY y.name DESC, e.left_on IS NULL DESC, e.joined_on DESC NULLS LAST, e.class_id DESC",
        (student,),
    ).fetchall()


def of_student(tx: Tx, student: str, school_id: int | None) -> list[BookRow]:
    """A student's transcripts by year, stage and version; of one school, or of all (None)."""
    return rows(
        tx,
        BookRow,
        f"{BOOK_QUERY} WHERE b.record_type = %(record_type)s AND p.moet_student_id = %(student)s"
        " AND (%(school_id)s::integer IS NULL OR s.id = %(school_id)s)"
        " ORDER BY y.name, s.code, b.stage, b.version",
        {"record_type": RecordType.TRANSCRIPT, "student": student, "school_id": school_id},
    ).fetchall()
