"""Books, their content and the steps of their life."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg import sql

from services.common.db import Tx
from services.gradebook.lifecycle import Life, State


class BookRow(NamedTuple):
    """A book with what names it and what decides who may act on it."""

    id: UUID
    class_id: int
    school: str
    school_year: str
    class_name: str
    vendor: str
    paper_track_required: bool
    school_id: int
    homeroom_person: str
    stage: int
    version: int
    state: int
    content_sha256: bytes
    content_size_bytes: int
    officer_person: str | None
    officer_confirmed: bool
    homeroom_confirmed: bool
    replaced_by: int | None
    unsigned_rendition: str
    signed_document: str
    sealed_sha256: bytes | None
    archive_record: str
    problem: str
    authority: int

    @property
    def life(self) -> Life:
        """What the life cycle looks at."""
        return Life(
            State(self.state),
            paper_track_required=self.paper_track_required,
            has_problem=bool(self.problem),
            officer_confirmed=self.officer_confirmed,
            homeroom_confirmed=self.homeroom_confirmed,
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


class NewBook(NamedTuple):
    """A book to be written, in its first state."""

    id: UUID
    class_id: int
    stage: int
    version: int
    content: bytes
    content_sha256: bytes


_BOOK = (
    "SELECT b.id, b.class_id, s.code, y.name, c.name, y.vendor, y.paper_track_required, s.id, h.person, b.stage,"
    " b.version, b.state, b.content_sha256, b.content_size_bytes, o.person, b.officer_confirmed, b.homeroom_confirmed,"
    " b.replaced_by, b.unsigned_rendition, b.signed_document, b.sealed_sha256, b.archive_record, b.problem,"
    " y.authority"
    " FROM book b JOIN school_class c ON c.id = b.class_id JOIN school_year y ON y.id = c.school_year_id"
    " JOIN school s ON s.id = y.school_id JOIN staff h ON h.id = c.homeroom_id LEFT JOIN staff o ON o.id = b.officer_id"
)


def book(tx: Tx, book_id: UUID, *, lock: bool = False) -> BookRow | None:
    """One book; `lock` holds it until commit, so that states are left one after the other."""
    row = tx.execute(f"{_BOOK} WHERE b.id = %s{' FOR UPDATE OF b' if lock else ''}", (book_id,)).fetchone()
    return None if row is None else BookRow(*row)


def newest(tx: Tx, class_id: int, stage: int) -> BookRow | None:
    """The newest version of a class's book for a stage, locked."""
    row = tx.execute(
        f"{_BOOK} WHERE b.class_id = %s AND b.stage = %s ORDER BY b.version DESC LIMIT 1 FOR UPDATE OF b",
        (class_id, stage),
    ).fetchone()
    return None if row is None else BookRow(*row)


def list_books(tx: Tx, year_id: int, after: tuple[int, str, int, int], limit: int) -> list[tuple[int, BookRow]]:
    """A page of books by grade, class, stage and version; each with its grade."""
    rows = tx.execute(
        _BOOK.replace(" FROM book", ", c.grade_level FROM book", 1)
        + " WHERE y.id = %s AND (c.grade_level, c.name, b.stage, b.version) > (%s, %s, %s, %s)"
        " ORDER BY c.grade_level, c.name, b.stage, b.version LIMIT %s",
        (year_id, *after, limit),
    )
    return [(row[-1], BookRow(*row[:-1])) for row in rows]


def add(tx: Tx, new: NewBook) -> None:
    """Write a book with its content; earlier ended versions point to it."""
    tx.execute(
        "UPDATE book SET replaced_by = %s WHERE class_id = %s AND stage = %s AND replaced_by IS NULL",
        (new.version, new.class_id, new.stage),
    )
    tx.execute(
        "INSERT INTO book (id, class_id, stage, version, state, content_sha256, content_size_bytes)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (new.id, new.class_id, new.stage, new.version, State.DATA_COMPLETE, new.content_sha256, len(new.content)),
    )
    tx.execute("INSERT INTO book_content (book_id, content) VALUES (%s, %s)", (new.id, new.content))


def content(tx: Tx, book_id: UUID) -> bytes | None:
    """The frozen bytes of a book."""
    row = tx.execute("SELECT content FROM book_content WHERE book_id = %s", (book_id,)).fetchone()
    return None if row is None else bytes(row[0])


def update(tx: Tx, book_id: UUID, **columns: object) -> None:
    """Set columns of a book."""
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
    )
    tx.execute(
        sql.SQL("UPDATE book SET {} WHERE id = %(book_id)s").format(assignments), {**columns, "book_id": book_id}
    )


def add_transition(
    tx: Tx, book_id: UUID, act: str, from_state: int | None, to_state: int, person: str, client: str, note: str
) -> None:
    """Write a step into the book's history."""
    tx.execute(
        "INSERT INTO book_transition (book_id, act, from_state, to_state, person, client, note)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (book_id, act, from_state, to_state, person, client, note),
    )


def transitions(tx: Tx, book_id: UUID) -> Sequence[TransitionRow]:
    """The history of a book, oldest first."""
    rows = tx.execute(
        "SELECT act, from_state, to_state, person, client, recorded_time, note FROM book_transition"
        " WHERE book_id = %s ORDER BY id",
        (book_id,),
    )
    return [TransitionRow(*row) for row in rows]
