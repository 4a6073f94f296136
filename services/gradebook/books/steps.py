"""Steps in the life of a book: who may act, the state, and everything a step writes.

A step writes the book, its history, an audit row and the event that follows, in one transaction
that holds the book's row.
"""

import uuid
from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from services.common import audit, identity, outbox
from services.common.audit import AuditRow
from services.common.db import Database, Tx
from services.common.errors import NotFound
from services.common.identity import Caller
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow, NewTransition
from services.gradebook.model import lifecycle
from services.gradebook.model.domain import RecordType
from services.gradebook.model.lifecycle import BookAct, BookState, Life
from services.gradebook.model.permissions import Actor, capacities, preparer_of
from services.gradebook.roster import access, roster_store
from services.gradebook.roster.roster_store import StaffRow

_AUTHORISED = frozenset({BookAct.ASSIGN_PRINT, BookAct.LOCK})
"""Acts that printing and archiving follow: only in a school that is authorised."""


def find_book(tx: Tx, caller: Caller, book_id: str, *, lock: bool = False) -> BookRow:
    """A book that the caller's vendor may see. Raises NotFound BOOK_UNKNOWN, Forbidden."""
    try:
        key = uuid.UUID(book_id)
    except ValueError:
        key = None
    book = book_store.find_book(tx, key, lock=lock) if key else None
    if book is None:
        raise NotFound("BOOK_UNKNOWN", "Không có sổ này.")
    access.check_vendor(caller, book.school, book.vendor, book.authority)
    return book


def make_step(
    database: Database,
    caller: Caller,
    book_id: str,
    act: BookAct,
    *,
    note: str = "",
    check: Callable[[Tx, BookRow], dict[str, object]] | None = None,
    event: Callable[[BookRow], Message] | None = None,
) -> BookRow:
    """The book after a person's act; a repeated call returns it as it is.

    The person is checked before the state. check: further guards; returns further columns to set.
    event: what is announced of the changed book.
    """
    with database.transaction() as tx:
        book = find_book(tx, caller, book_id, lock=True)
        person = identity.person(caller, book.school)
        actors = _actors(tx, book, person)
        lifecycle.check_actor(act, actors)
        if act in _AUTHORISED:
            access.check_authorised(book.school, book.school_year, book.authority)
        if _is_repeated(tx, book, act, person, note):
            return book
        after = lifecycle.step(book.life, act, actors)
        columns = check(tx, book) if check else {}
        write_step(tx, caller, book, act, after, note=note, **columns)
        changed = book_store.book(tx, book.id)
        if event is not None:
            outbox.add(tx, event(changed))
        return changed


def write_step(
    tx: Tx, caller: Caller, book: BookRow, act: BookAct, after: Life, *, note: str, **columns: object
) -> None:
    """Write an act's changes to a book, its history and audit row. columns: further ones to set."""
    write_steps(tx, caller, [book], act, [after], note=note, **columns)


def write_steps(
    tx: Tx,
    caller: Caller,
    books: Sequence[BookRow],
    act: BookAct,
    after: Sequence[Life],
    *,
    note: str,
    **columns: object,
) -> None:
    """As `write_step`, for several books in batches."""
    steps = list(zip(books, after, strict=True))
    book_store.update(tx, {book.id: {**_life_columns(book, life), **columns} for book, life in steps})
    person = caller.person or ""
    book_store.add_transitions(
        tx,
        [
            NewTransition(book.id, act.value, book.state, life.state, person, caller.client, note)
            for book, life in steps
        ],
    )
    audit.append_all(tx, [_audit_record(caller, book, act, life) for book, life in steps])


def is_preparer(book: BookRow, staff: StaffRow) -> bool:
    """Whether someone prepares the book: whom the catalogue names for its record type."""
    actors = capacities(staff.roles)
    if staff.person == book.preparer:
        actors.add(Actor.ASSIGNED_TEACHER if book.class_id is None else Actor.HOMEROOM_TEACHER)
    return bool(preparer_of(RecordType(book.record_type), actors))


def _actors(tx: Tx, book: BookRow, person: str) -> set[Actor]:
    """In which capacities a person acts on a book."""
    staff = roster_store.staff(tx, book.school_id, [person]).get(person)
    if staff is None:
        return set()
    actors = capacities(staff.roles)
    if is_preparer(book, staff):
        actors.add(Actor.PREPARER)
    if person == book.officer_person:
        actors.add(Actor.OFFICER)
    if book.class_id is not None and roster_store.is_teacher_of_class(tx, book.class_id, staff.id):
        actors.add(Actor.SUBJECT_TEACHER)
    return actors


def _is_repeated(tx: Tx, book: BookRow, act: BookAct, person: str, note: str) -> bool:
    """Whether this call has already made its step; each act happens once per version."""
    return any(
        (step.act, step.person, step.note) == (act.value, person, note) for step in book_store.transitions(tx, book.id)
    )


def _life_columns(book: BookRow, after: Life) -> dict[str, object]:
    return {
        "state": after.state,
        "officer_confirmed": after.officer_confirmed,
        "preparer_confirmed": after.preparer_confirmed,
        "problem": "" if after.state != book.state else book.problem,
    }


def _audit_record(caller: Caller, book: BookRow, act: BookAct, after: Life) -> AuditRow:
    return access.school_record(
        caller,
        book.school,
        f"BOOK_{act.value}",
        f"books/{book.id}",
        school_year=book.school_year,
        version=book.version,
        content_sha256=book.content_sha256.hex(),
        from_state=BookState(book.state).name,
        to_state=after.state.name,
    )
