"""Books, their content and the steps of their life."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg import sql

from services.common.db import Tx
from services.gradebook.model.domain import RecordType
from services.gradebook.model.lifecycle import Life, State


class BookKey(NamedTuple):
    """The place of a book in a list of one record type. holder: student or person id."""

    grade_level: int
    class_name: str
    holder: str
    subject: str
    stage: int
    version: int


class Scope(NamedTuple):
    """What a book is one instance of. Ids that the record type does not have are None (ADR-0035).

    class_id: of a class book; of a transcript the student's class, which does not make it another transcript.
    """

    record_type: RecordType
    year_id: int
    class_id: int | None = None
    staff_id: int | None = None
    subject_code: str | None = None
    student_id: int | None = None


class BookRow(NamedTuple):
    """A book with what names it and what decides who may act on it.

    class_name, student (moet_student_id), teacher (person id), subject: empty where the record type has none; class_id
    None and grade_level 0 likewise. preparer: person id; None when anyone with the preparer's role is meant.
    document_sha256: of the finished PDF. source_id: the class book that a transcript was made from.
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
    signed_document: str
    document_sha256: bytes | None
    archive_record: str
    source_id: UUID | None
    problem: str
    authority: int

    @property
    def life(self) -> Life:
        """What the life cycle looks at."""
        return Life(
            State(self.state),
            sealed=self.sealed,
            paper_track_required=self.paper_track_required,
            has_problem=bool(self.problem),
            officer_confirmed=self.officer_confirmed,
            preparer_confirmed=self.preparer_confirmed,
        )

    @property
    def key(self) -> BookKey:
        """Its place in lists."""
        return BookKey(
            self.grade_level, self.class_name, self.student or self.teacher, self.subject, self.stage, self.version
        )


class TransitionRow(NamedTuple):
    """One step in the life of a book."""

    act: str
    from_state: int | None
    to_state: int
    person: str
    client: str
    time: datetime
    note: str


class NewTransition(NamedTuple):
    """A step to be written. from_state: None for the first; person: empty for a step of the system."""

    book_id: UUID
    act: str
    from_state: int | None
    to_state: int
    person: str
    client: str
    note: str


class NewBook(NamedTuple):
    """A book to be written, in its first state. source_id: the class book that a transcript was made from."""

    id: UUID
    scope: Scope
    sealed: bool
    stage: int
    version: int
    content: bytes
    content_sha256: bytes
    source_id: UUID | None = None


BOOK_QUERY = (
    "SELECT b.id, b.record_type, y.id, b.class_id, s.code, y.name, coalesce(c.name, ''), coalesce(c.grade_level, 0),"
    " coalesce(p.moet_student_id, ''), coalesce(t.person, ''), coalesce(b.subject_code, ''), y.vendor,"
    " y.paper_track_required, s.id, coalesce(h.person, t.person), b.sealed, b.stage, b.version, b.state,"
    " b.content_sha256, b.content_size_bytes, o.person, b.officer_confirmed, b.preparer_confirmed, b.replaced_by,"
    " b.unsigned_rendition, b.signed_document, b.document_sha256, b.archive_record, b.source_id, b.problem,"
    " y.authority"
    " FROM book b JOIN school_year y ON y.id = b.school_year_id JOIN school s ON s.id = y.school_id"
    " LEFT JOIN school_class c ON c.id = b.class_id LEFT JOIN staff h ON h.id = c.homeroom_id"
    " LEFT JOIN staff t ON t.id = b.staff_id LEFT JOIN student p ON p.id = b.student_id"
    " LEFT JOIN staff o ON o.id = b.officer_id"
)
_SCOPE = (
    "b.record_type = %(record_type)s AND b.school_year_id = %(year_id)s"
    " AND (b.record_type <> 1 OR b.class_id = %(class_id)s) AND (b.record_type <> 3 OR b.student_id = %(student_id)s)"
    " AND (b.record_type <> 2 OR b.staff_id = %(staff_id)s AND b.subject_code = %(subject_code)s)"
)
_HOLDING = (
    "SELECT id FROM book WHERE class_id = %(class)s AND record_type = 1"
    " UNION ALL SELECT k.book_id FROM book_class k JOIN book n ON n.id = k.book_id"
    " JOIN subject u ON u.id = %(subject)s AND u.code = n.subject_code WHERE k.class_id = %(class)s"
    " UNION ALL SELECT n.id FROM book n JOIN school_class l ON l.school_year_id = n.school_year_id"
    " WHERE n.record_type = 3 AND n.student_id = %(student)s AND l.id = %(class)s"
)


def book(tx: Tx, book_id: UUID, *, lock: bool = False) -> BookRow | None:
    """One book; `lock` holds it until commit, so that states are left one after the other."""
    row = tx.execute(f"{BOOK_QUERY} WHERE b.id = %s{' FOR UPDATE OF b' if lock else ''}", (book_id,)).fetchone()
    return None if row is None else BookRow(*row)


def newest(tx: Tx, scope: Scope, stage: int) -> BookRow | None:
    """The newest version of a book for a stage, locked."""
    return newest_of_each(tx, [scope], stage)[0]


def newest_of_each(tx: Tx, scopes: Sequence[Scope], stage: int) -> list[BookRow | None]:
    """The newest version of each of several books for a stage, locked; in one batch."""
    with tx.cursor() as cursor:
        cursor.executemany(
            f"{BOOK_QUERY} WHERE {_SCOPE} AND b.stage = %(stage)s ORDER BY b.version DESC LIMIT 1 FOR UPDATE OF b",
            [{**scope._asdict(), "stage": stage} for scope in scopes],
            returning=True,
        )
        rows = [result.fetchone() for result in cursor.results()]
    return [None if row is None else BookRow(*row) for row in rows]


def books(tx: Tx, book_ids: Sequence[UUID]) -> dict[UUID, BookRow]:
    """Several books by id; unknown ones are omitted."""
    rows = tx.execute(f"{BOOK_QUERY} WHERE b.id = ANY(%s)", (list(book_ids),))
    return {row[0]: BookRow(*row) for row in rows}


def living(tx: Tx, class_id: int, subject_id: int | None, student_id: int, first_stage: int) -> list[BookRow]:
    """The versions alive, of this stage and later ones, that hold one student's cell of a class, locked.

    The class book, the teachers' books of the subject, the student's transcript of the year. subject_id: None for
    conduct.
    """
    rows = tx.execute(
        f"{BOOK_QUERY} WHERE b.id = ANY(ARRAY({_HOLDING})) AND b.stage >= %(stage)s AND b.state NOT IN (5, 16)"
        " ORDER BY b.id FOR UPDATE OF b",
        {"class": class_id, "subject": subject_id, "student": student_id, "stage": first_stage},
    )
    return [BookRow(*row) for row in rows]


def classes_of(tx: Tx, book_id: UUID) -> list[int]:
    """The classes whose marks a teacher's book holds."""
    rows = tx.execute("SELECT class_id FROM book_class WHERE book_id = %s", (book_id,))
    return [row[0] for row in rows]


def list_books(
    tx: Tx,
    year_id: int,
    record_type: int,
    class_name: str,
    student: str,
    states: Sequence[int],
    after: BookKey,
    limit: int,
) -> list[BookRow]:
    """A page of books of a type by their keys. class_name, student, states: only those; empty for all."""
    key = "coalesce(c.grade_level, 0), coalesce(c.name, ''), coalesce(p.moet_student_id, t.person, '')"
    key += ", coalesce(b.subject_code, ''), b.stage, b.version"
    rows = tx.execute(
        f"{BOOK_QUERY} WHERE b.school_year_id = %s AND b.record_type = %s AND (%s = '' OR c.name = %s)"
        " AND (%s = '' OR p.moet_student_id = %s) AND (%s::smallint[] = '{}' OR b.state = ANY(%s))"
        f" AND ({key}) > (%s, %s, %s, %s, %s, %s) ORDER BY {key} LIMIT %s",
        (
            year_id,
            record_type,
            class_name,
            class_name,
            student,
            student,
            list(states),
            list(states),
            *after,
            limit,
        ),
    )
    return [BookRow(*row) for row in rows]


def add(tx: Tx, new: Sequence[NewBook]) -> None:
    """Write books with their content, in three batches; earlier ended versions point to them."""
    fields = [
        {**book._asdict(), **book.scope._asdict(), "state": State.DATA_COMPLETE, "size": len(book.content)}
        for book in new
    ]
    for row in fields:
        del row["scope"]
    with tx.cursor() as cursor:
        for statement in _ADD:
            cursor.executemany(statement, fields)


_ADD = (
    f"UPDATE book b SET replaced_by = %(version)s WHERE {_SCOPE}"  # noqa: S608 - a constant
    " AND b.stage = %(stage)s AND b.replaced_by IS NULL",
    "INSERT INTO book (id, record_type, school_year_id, class_id, staff_id, subject_code, student_id, source_id,"
    " sealed, stage, version, state, content_sha256, content_size_bytes)"
    " VALUES (%(id)s, %(record_type)s, %(year_id)s, %(class_id)s, %(staff_id)s, %(subject_code)s, %(student_id)s,"
    " %(source_id)s, %(sealed)s, %(stage)s, %(version)s, %(state)s, %(content_sha256)s, %(size)s)",
    "INSERT INTO book_content (book_id, content) VALUES (%(id)s, %(content)s)",
)


def add_classes(tx: Tx, book_id: UUID, classes: Sequence[int]) -> None:
    """Note the classes whose marks a teacher's book holds."""
    tx.execute(
        "INSERT INTO book_class (class_id, book_id) SELECT unnest(%s::integer[]), %s ON CONFLICT DO NOTHING",
        (list(classes), book_id),
    )


def contents(tx: Tx, book_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The frozen bytes of books, by id."""
    rows = tx.execute("SELECT book_id, content FROM book_content WHERE book_id = ANY(%s)", (list(book_ids),))
    return {book_id: bytes(data) for book_id, data in rows}


def act_time(tx: Tx, book_id: UUID, act: str) -> datetime:
    """When an act that a book has behind it was done."""
    row = tx.execute(
        "SELECT recorded_time FROM book_transition WHERE book_id = %s AND act = %s ORDER BY id LIMIT 1", (book_id, act)
    ).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def content(tx: Tx, book_id: UUID) -> bytes | None:
    """The frozen bytes of a book."""
    row = tx.execute("SELECT content FROM book_content WHERE book_id = %s", (book_id,)).fetchone()
    return None if row is None else bytes(row[0])


def update(tx: Tx, changes: Mapping[UUID, Mapping[str, object]]) -> None:
    """Set columns of books, in one batch. changes: book id → column → value, the same columns for each."""
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


def transitions(tx: Tx, book_id: UUID) -> Sequence[TransitionRow]:
    """The history of a book, oldest first."""
    rows = tx.execute(
        "SELECT act, from_state, to_state, person, client, recorded_time, note FROM book_transition"
        " WHERE book_id = %s ORDER BY id",
        (book_id,),
    )
    return [TransitionRow(*row) for row in rows]
