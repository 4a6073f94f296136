"""Books, their content and the steps of their lives."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.entry.store.holding import ALIVE
from services.gradebook.model.domain import RecordType
from services.gradebook.model.lifecycle import BookState, Life


class BookKey(NamedTuple):
    """Where a book stands in a list of one record type.

    holder: moet_student_id of a transcript, person id of a teacher's book; else empty.
    """

    grade_level: int
    class_name: str
    holder: str
    subject: str
    stage: int
    version: int


class Scope(NamedTuple):
    """What the versions of a book share. Ids that the record type lacks are None (ADR-0035).

    class_id: of a class book; of a transcript the student's class, which does not identify it.
    """

    record_type: RecordType
    year_id: int
    class_id: int | None = None
    staff_id: int | None = None
    subject_code: str | None = None
    student_id: int | None = None


class BookRow(NamedTuple):
    """A version of a book: what it is of, how far it is, and what decides who may act on it.

    class_name, student (moet_student_id), teacher (person id), subject: empty where the record type
    has none; class_id is then None, grade_level 0.
    preparer: person id; None when anyone with the preparer's role may prepare it.
    signing_rendition, signing_pdf_sha256, signing_pdf_size_bytes: print's signing copy; None until
    it is announced. document_sha256: of the finished PDF. source_id: the class book that a
    transcript was made from.
    """

    id: UUID
    record_type: int
    year_id: int
    class_id: int | None
    school: str
    school_year: str
    class_name: str
    grade_level: int
    student: str
    teacher: str
    subject: str
    vendor: str
    paper_track_required: bool
    school_id: int
    preparer: str | None
    sealed: bool
    stage: int
    version: int
    state: int
    content_sha256: bytes
    content_size_bytes: int
    officer_person: str | None
    officer_confirmed: bool
    preparer_confirmed: bool
    replaced_by: int | None
    unsigned_rendition: str
    signing_rendition: UUID | None
    signing_pdf_sha256: bytes | None
    signing_pdf_size_bytes: int | None
    signed_document: str
    document_sha256: bytes | None
    archive_record: str
    source_id: UUID | None
    problem: str
    authority: int

    @property
    def life(self) -> Life:
        """The book as the life cycle sees it."""
        return Life(
            BookState(self.state),
            sealed=self.sealed,
            paper_track_required=self.paper_track_required,
            has_problem=bool(self.problem),
            officer_confirmed=self.officer_confirmed,
            preparer_confirmed=self.preparer_confirmed,
        )

    @property
    def key(self) -> BookKey:
        """Where the book stands in a list."""
        return BookKey(
            self.grade_level, self.class_name, self.student or self.teacher, self.subject, self.stage, self.version
        )


class TransitionRow(NamedTuple):
    """A step in the life of a book. from_state: None for the first."""

    act: str
    from_state: int | None
    to_state: int
    person: str
    client: str
    time: datetime
    note: str


class NewTransition(NamedTuple):
    """A step to write. from_state: None for the first; person: empty for steps of the system."""

    book_id: UUID
    act: str
    from_state: int | None
    to_state: int
    person: str
    client: str
    note: str


class NewBook(NamedTuple):
    """A book to be written, in its first state. source_id: see BookRow."""

    id: UUID
    scope: Scope
    sealed: bool
    stage: int
    version: int
    content: bytes
    content_sha256: bytes
    source_id: UUID | None = None


class ContentRow(NamedTuple):
    """The frozen bytes of a book."""

    book_id: UUID
    content: bytes


BOOK_COLUMNS = """b.id, b.record_type, y.id AS year_id, b.class_id, s.code AS school, y.name AS school_year,
    coalesce(c.name, '') AS class_name, coalesce(c.grade_level, 0) AS grade_level,
    coalesce(p.moet_student_id, '') AS student, coalesce(t.person, '') AS teacher,
    coalesce(b.subject_code, '') AS subject, y.vendor, y.paper_track_required, s.id AS school_id,
    coalesce(h.person, t.person) AS preparer, b.sealed, b.stage, b.version, b.state, b.content_sha256,
    b.content_size_bytes, o.person AS officer_person, b.officer_confirmed, b.preparer_confirmed, b.replaced_by,
    b.unsigned_rendition, b.signing_rendition, b.signing_pdf_sha256, b.signing_pdf_size_bytes, b.signed_document,
    b.document_sha256, b.archive_record, b.source_id, b.problem, y.authority"""
BOOK_TABLES = """book b JOIN school_year y ON y.id = b.school_year_id JOIN school s ON s.id = y.school_id
    LEFT JOIN school_class c ON c.id = b.class_id LEFT JOIN staff h ON h.id = c.homeroom_id
    LEFT JOIN staff t ON t.id = b.staff_id LEFT JOIN student p ON p.id = b.student_id
    LEFT JOIN staff o ON o.id = b.officer_id"""
BOOK_QUERY = f"SELECT {BOOK_COLUMNS} FROM {BOOK_TABLES}"  # noqa: S608 - constants
"""Reads BookRow: of book `b`, school year `y`, school `s`, class `c`, student `p`."""

_IN_SCOPE = f"""b.record_type = %(record_type)s AND b.school_year_id = %(year_id)s
    AND (b.record_type <> {RecordType.CLASS_BOOK:d} OR b.class_id = %(class_id)s)
    AND (b.record_type <> {RecordType.TRANSCRIPT:d} OR b.student_id = %(student_id)s)
    AND (b.record_type <> {RecordType.TEACHER_BOOK:d}
        OR b.staff_id = %(staff_id)s AND b.subject_code = %(subject_code)s)"""

_WITH_CELL = f"""
SELECT id FROM book WHERE class_id = %(class_id)s AND record_type = {RecordType.CLASS_BOOK:d}
UNION ALL SELECT k.book_id FROM book_class k JOIN book n ON n.id = k.book_id
    JOIN subject u ON u.id = %(subject_id)s AND u.code = n.subject_code WHERE k.class_id = %(class_id)s
UNION ALL SELECT n.id FROM book n JOIN school_class l ON l.school_year_id = n.school_year_id
    WHERE n.record_type = {RecordType.TRANSCRIPT:d} AND n.student_id = %(student_id)s AND l.id = %(class_id)s
"""  # noqa: S608 - constants
"""Ids of the versions, alive or ended, that hold a student's cell of a class."""


def find_book(tx: Tx, book_id: UUID, *, lock: bool = False) -> BookRow | None:
    """A book, or None. lock: hold its row until commit, so that acts on it follow one another."""
    return rows(tx, BookRow, f"{BOOK_QUERY} WHERE b.id = %s{' FOR UPDATE OF b' if lock else ''}", (book_id,)).fetchone()


def book(tx: Tx, book_id: UUID) -> BookRow:
    """A book that exists."""
    return one_row(rows(tx, BookRow, f"{BOOK_QUERY} WHERE b.id = %s", (book_id,)))


def books(tx: Tx, book_ids: Sequence[UUID]) -> dict[UUID, BookRow]:
    """Several books by id; unknown ones are omitted."""
    return {row.id: row for row in rows(tx, BookRow, f"{BOOK_QUERY} WHERE b.id = ANY(%s)", (list(book_ids),))}


def newest(tx: Tx, scope: Scope, stage: int) -> BookRow | None:
    """The newest version of a book for a stage, locked."""
    return newest_of_each(tx, [scope], stage)[0]


def newest_of_each(tx: Tx, scopes: Sequence[Scope], stage: int) -> list[BookRow | None]:
    """The newest version of each of several books for a stage, locked; in one batch."""
    with tx.cursor(row_factory=class_row(BookRow)) as cursor:
        cursor.executemany(
            f"{BOOK_QUERY} WHERE {_IN_SCOPE} AND b.stage = %(stage)s ORDER BY b.version DESC LIMIT 1 FOR UPDATE OF b",
            [{**scope._asdict(), "stage": stage} for scope in scopes],
            returning=True,
        )
        return [result.fetchone() for result in cursor.results()]


def alive_with_cell(
    tx: Tx, class_id: int, *, subject_id: int | None, student_id: int, first_stage: int
) -> list[BookRow]:
    """The versions alive, of a stage or a later one, that hold a student's cell of a class; locked.

    These are the class book, the teachers' books of the subject, and the student's transcript of
    the year. subject_id: None for conduct and absences.
    """
    return rows(
        tx,
        BookRow,
        f"{BOOK_QUERY} WHERE b.id = ANY(ARRAY({_WITH_CELL})) AND b.stage >= %(first_stage)s AND {ALIVE}"
        " ORDER BY b.id FOR UPDATE OF b",
        {"class_id": class_id, "subject_id": subject_id, "student_id": student_id, "first_stage": first_stage},
    ).fetchall()


def classes_of(tx: Tx, book_id: UUID) -> list[int]:
    """The classes whose marks a teacher's book holds."""
    return scalars(tx, int, "SELECT class_id FROM book_class WHERE book_id = %s", (book_id,)).fetchall()


def list_books(
    tx: Tx,
    year_id: int,
    record_type: int,
    *,
    class_name: str,
    student: str,
    states: Sequence[int],
    after: BookKey,
    limit: int,
) -> list[BookRow]:
    """A page of the books of a type, in the order of their keys.

    class_name, student (moet_student_id), states: only such books; empty for all.
    """
    key = (
        "coalesce(c.grade_level, 0), coalesce(c.name, ''), coalesce(p.moet_student_id, t.person, ''),"
        " coalesce(b.subject_code, ''), b.stage, b.version"
    )
    return rows(
        tx,
        BookRow,
        f"{BOOK_QUERY} WHERE b.school_year_id = %(year_id)s AND b.record_type = %(record_type)s"
        " AND (%(only_class)s = '' OR c.name = %(only_class)s)"
        " AND (%(only_student)s = '' OR p.moet_student_id = %(only_student)s)"
        " AND (%(only_states)s::smallint[] = '{}' OR b.state = ANY(%(only_states)s))"
        f" AND ({key}) > (%(grade_level)s, %(class_name)s, %(holder)s, %(subject)s, %(stage)s, %(version)s)"
        f" ORDER BY {key} LIMIT %(limit)s",
        {
            "year_id": year_id,
            "record_type": record_type,
            "only_class": class_name,
            "only_student": student,
            "only_states": list(states),
            **after._asdict(),
            "limit": limit,
        },
    ).fetchall()


def add(tx: Tx, new: Sequence[NewBook]) -> None:
    """Write books with their content, in three batches; earlier versions then point to them."""
    parameters = [
        {**book.scope._asdict(), **book._asdict(), "state": BookState.DATA_COMPLETE, "size": len(book.content)}
        for book in new
    ]
    for book_parameters in parameters:
        del book_parameters["scope"]
    with tx.cursor() as cursor:
        cursor.executemany(_REPLACE, parameters)
        cursor.executemany(_ADD, parameters)
        cursor.executemany(_ADD_CONTENT, parameters)


_REPLACE = (
    f"UPDATE book b SET replaced_by = %(version)s WHERE {_IN_SCOPE}"  # noqa: S608 - a constant
    " AND b.stage = %(stage)s AND b.replaced_by IS NULL"
)
_ADD = (
    "INSERT INTO book (id, record_type, school_year_id, class_id, staff_id, subject_code, student_id, source_id,"
    " sealed, stage, version, state, content_sha256, content_size_bytes)"
    " VALUES (%(id)s, %(record_type)s, %(year_id)s, %(class_id)s, %(staff_id)s, %(subject_code)s, %(student_id)s,"
    " %(source_id)s, %(sealed)s, %(stage)s, %(version)s, %(state)s, %(content_sha256)s, %(size)s)"
)
_ADD_CONTENT = "INSERT INTO book_content (book_id, content) VALUES (%(id)s, %(content)s)"


def add_classes(tx: Tx, book_id: UUID, classes: Sequence[int]) -> None:
    """Record the classes whose marks a teacher's book holds."""
    tx.execute(
        "INSERT INTO book_class (class_id, book_id) SELECT unnest(%s::integer[]), %s ON CONFLICT DO NOTHING",
        (list(classes), book_id),
    )


def content(tx: Tx, book_id: UUID) -> bytes:
    """The frozen bytes of a book that exists."""
    return one_row(scalars(tx, bytes, "SELECT content FROM book_content WHERE book_id = %s", (book_id,)))


def contents(tx: Tx, book_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The frozen bytes of books, by id."""
    statement = "SELECT book_id, content FROM book_content WHERE book_id = ANY(%s)"
    return {row.book_id: row.content for row in rows(tx, ContentRow, statement, (list(book_ids),))}


def act_time(tx: Tx, book_id: UUID, act: str) -> datetime:
    """When a book first went through an act that is in its history."""
    return one_row(
        scalars(
            tx,
            datetime,
            "SELECT recorded_time FROM book_transition WHERE book_id = %s AND act = %s ORDER BY id LIMIT 1",
            (book_id, act),
        )
    )


def update(tx: Tx, changes: Mapping[UUID, Mapping[str, object]]) -> None:
    """Set columns of books, in one batch.

    changes: book id → column → value, with the same columns for each.
    """
    columns = next(iter(changes.values()), {})
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
    )
    with tx.cursor() as cursor:
        cursor.executemany(
            sql.SQL("UPDATE book SET {} WHERE id = %(book_id)s").format(assignments),
            [{**values, "book_id": book_id} for book_id, values in changes.items()],
        )


def add_transitions(tx: Tx, steps: Sequence[NewTransition]) -> None:
    """Write steps into the histories of books, in one batch."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO book_transition (book_id, act, from_state, to_state, person, client, note)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            steps,
        )


def transitions(tx: Tx, book_id: UUID) -> list[TransitionRow]:
    """The history of a book, oldest first."""
    return rows(
        tx,
        TransitionRow,
        "SELECT act, from_state, to_state, person, client, recorded_time AS time, note FROM book_transition"
        " WHERE book_id = %s ORDER BY id",
        (book_id,),
    ).fetchall()
