"""The life of a book, step by step: lock the row, check actor and state, write step, history, audit and event."""

import uuid
from collections.abc import Callable, Sequence
from typing import cast

from google.protobuf.message import Message
from hoso.gradebook.v1 import common_pb2, events_pb2

from services.common import audit, outbox
from services.common.audit import Record
from services.common.db import Database, Tx
from services.common.errors import Invalid, NotFound, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.books import book_store, transcript_store
from services.gradebook.books.book_store import BookKey, BookRow, NewTransition, TransitionRow
from services.gradebook.entry import open_corrections
from services.gradebook.model import lifecycle, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import RecordType, Stage
from services.gradebook.model.lifecycle import Act, Life, State
from services.gradebook.model.permissions import Actor, capacities, is_eligible
from services.gradebook.roster import access, roster_store
from services.gradebook.roster.roster_store import StaffRow

DIGEST_PREFIX_BYTES = 8

_AUTHORISED = frozenset({Act.ASSIGN_PRINT, Act.LOCK})
"""Acts from which print and archive follow; the school must be authorised."""


def assign_print(database: Database, caller: Caller, book_id: str, officer: str) -> BookRow:
    """Name the officer in charge of print and review (principal); printing follows.

    Raises Invalid OFFICER_ROLE, OFFICER_IS_PREPARER: print and data are compared by two people.
    """

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        row = roster_store.staff(tx, book.school_id, [officer]).get(officer) if officer.isprintable() else None
        if row is None or not is_eligible(Actor.OFFICER, row.roles):
            raise Invalid([Violation("officer", "OFFICER_ROLE", "Người được phân công phải là cán bộ phụ trách CSDL.")])
        if _is_preparer(book, row):
            message = "Người đối chiếu phải khác người lập sổ."
            raise Invalid([Violation("officer", "OFFICER_IS_PREPARER", message)])
        return {"officer_id": row.id}

    return _act(database, caller, book_id, Act.ASSIGN_PRINT, note=officer, check=check, event=_print_assigned)


def start_reconciliation(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Start comparing print and data (assigned officer)."""
    return _act(database, caller, book_id, Act.START_RECONCILIATION)


def confirm_reconciliation(database: Database, caller: Caller, book_id: str, digest: bytes) -> BookRow:
    """Confirm that print and data agree (assigned officer, preparer); RECONCILED when both have.

    digest: as read off the printed page, at least its first eight bytes. Raises Rejected DIGEST_MISMATCH.
    """
    if not DIGEST_PREFIX_BYTES <= len(digest) <= 32:
        message = f"Mã băm phải có từ {DIGEST_PREFIX_BYTES} đến 32 byte."
        raise Invalid([Violation("content_sha256", "LENGTH", message)])

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        del tx
        if not book.content_sha256.startswith(digest):
            raise Rejected(
                "DIGEST_MISMATCH",
                "Mã băm trên bản in khác mã băm của dữ liệu đã chốt.",
                expected=book.content_sha256.hex(),
                found=digest.hex(),
            )
        return {}

    return _act(database, caller, book_id, Act.CONFIRM, note=digest.hex(), check=check)


def report_mismatch(database: Database, caller: Caller, book_id: str, differences: str) -> BookRow:
    """End a version whose print differs from the data, or cannot be printed; its print is void."""
    _check_text("differences", differences, shortest=1, longest=2000)
    return _act(database, caller, book_id, Act.REPORT_MISMATCH, note=differences, event=_voided)


def record_hand_signed(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Record the blue-ink signatures (principal)."""
    return _act(database, caller, book_id, Act.HAND_SIGN)


def record_stamped(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Record the red stamp (seal custodian). Raises Rejected NO_SEAL for a record type without one."""
    return _act(database, caller, book_id, Act.STAMP)


def record_paper_archived(database: Database, caller: Caller, book_id: str, place: str) -> BookRow:
    """Record where the paper is kept (data officer)."""
    _check_text("place", place, shortest=1, longest=200)
    return _act(database, caller, book_id, Act.ARCHIVE_PAPER, note=place)


def start_digital_signing(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Start the digital signatures (principal); signing copy and signatures follow.

    Raises Rejected CORRECTION_OPEN: once signing began, a correction needs the book revoked.
    """

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        refuse_book(tx, book)
        return {}

    return _act(database, caller, book_id, Act.START_SIGNING, check=check, event=_signing_started)


def lock_book(database: Database, caller: Caller, book_id: str) -> BookRow:
    """Lock the book and the data in it (principal); archiving follows."""
    return _act(database, caller, book_id, Act.LOCK, event=_locked)


def return_book(database: Database, caller: Caller, book_id: str, recipient: str) -> BookRow:
    """Record to whom the electronic copy was returned (principal)."""
    _check_text("recipient", recipient, shortest=1, longest=200)
    return _act(database, caller, book_id, Act.RETURN, note=recipient)


def revoke_book(database: Database, caller: Caller, book_id: str, reason: str, department_notice: str) -> BookRow:
    """Revoke a signed book with the Department's notice (principal); nothing is erased.

    Transcripts made from a class book and not yet being signed end with it. Raises Rejected TRANSCRIPTS_ALIVE while
    others of them live: they are revoked first (ADR-0036).
    """
    _check_text("reason", reason, shortest=10, longest=2000)
    _check_text("department_notice", department_notice, shortest=1, longest=200)
    note = f"{department_notice}: {reason}"

    def check(tx: Tx, book: BookRow) -> dict[str, object]:
        _end_transcripts(tx, caller, book)
        return {}

    return _act(database, caller, book_id, Act.REVOKE, note=note, check=check, event=_voided)


def _end_transcripts(tx: Tx, caller: Caller, source: BookRow) -> None:
    made = transcript_store.made_from(tx, source.id)
    signed = [one for one in made if one.state not in lifecycle.RULES[Act.LOSE_SOURCE].sources]
    if signed:
        raise Rejected(
            "TRANSCRIPTS_ALIVE",
            f"Có {len(signed)} học bạ lập từ sổ này đang ký hoặc đã ký; phải thu hồi các học bạ đó trước.",
            transcripts=len(signed),
        )
    after = [lifecycle.step(book.life, Act.LOSE_SOURCE, {Actor.SYSTEM}) for book in made]
    write_steps(tx, caller, made, Act.LOSE_SOURCE, after, f"books/{source.id}")
    outbox.add_all(tx, [_voided(book) for book in made])


def get_book(database: Database, caller: Caller, book_id: str) -> tuple[BookRow, Sequence[TransitionRow]]:
    """A book with its history. Raises NotFound BOOK_UNKNOWN."""
    with database.transaction() as tx:
        book = find(tx, caller, book_id)
        return book, book_store.transitions(tx, book.id)


def list_books(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    record_type: int,
    class_name: str,
    student: str,
    states: Sequence[int],
    after: BookKey,
    limit: int,
) -> list[BookRow]:
    """A page of books of one type by their keys. class_name, student, states: only those; empty for all."""
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    found.one_of("record_type", record_type, set(RecordType))
    found.text("class_name", class_name, longest=20, shortest=0)
    if student:
        found.code("student", student)
    if found.count("states", len(states), 0, len(State)):
        for index, state in enumerate(states):
            found.one_of(f"states[{index}]", state, set(State))
    found.refuse()
    with database.transaction() as tx:
        year_id = access.year(tx, caller, school, school_year).id
        return book_store.list_books(tx, year_id, record_type, class_name, student, states, after, limit)


def book_content(database: Database, caller: Caller, book_id: str) -> bytes:
    """The frozen bytes of a book. Raises NotFound BOOK_UNKNOWN."""
    with database.transaction() as tx:
        book = find(tx, caller, book_id)
        data = book_store.content(tx, book.id)
        assert data is not None
        return data


def find(tx: Tx, caller: Caller, book_id: str, *, lock: bool = False) -> BookRow:
    """A book that the caller's vendor may see. Raises NotFound BOOK_UNKNOWN, Forbidden."""
    try:
        key = uuid.UUID(book_id)
    except ValueError:
        key = None
    book = book_store.book(tx, key, lock=lock) if key else None
    if book is None:
        raise NotFound("BOOK_UNKNOWN", "Không có sổ này.")
    access.check_vendor(caller, book.school, book.vendor, book.authority)
    return book


def write_step(tx: Tx, caller: Caller, book: BookRow, act: Act, after: Life, note: str, **columns: object) -> None:
    """Write what an act changed: the book, its history, the audit row. columns: further ones of the book."""
    write_steps(tx, caller, [book], act, [after], note, **columns)


def write_steps(
    tx: Tx, caller: Caller, listed: Sequence[BookRow], act: Act, after: Sequence[Life], note: str, **columns: object
) -> None:
    """Write what an act changed in several books as `write_step` does, in batches."""
    steps = list(zip(listed, after, strict=True))
    book_store.update(tx, {book.id: {**_changed(book, life), **columns} for book, life in steps})
    person = caller.person or ""
    book_store.add_transitions(
        tx,
        [
            NewTransition(book.id, act.value, book.state, life.state, person, caller.client, note)
            for book, life in steps
        ],
    )
    audit.append_all(tx, [_step_record(caller, book, act, life) for book, life in steps])


def _changed(book: BookRow, after: Life) -> dict[str, object]:
    return {
        "state": after.state,
        "officer_confirmed": after.officer_confirmed,
        "preparer_confirmed": after.preparer_confirmed,
        "problem": "" if after.state != book.state else book.problem,
    }


def _step_record(caller: Caller, book: BookRow, act: Act, after: Life) -> Record:
    return access.school_record(
        caller,
        book.school,
        f"BOOK_{act.value}",
        f"books/{book.id}",
        school_year=book.school_year,
        version=book.version,
        content_sha256=book.content_sha256.hex(),
        from_state=State(book.state).name,
        to_state=after.state.name,
    )


def _act(
    database: Database,
    caller: Caller,
    book_id: str,
    act: Act,
    *,
    note: str = "",
    check: Callable[[Tx, BookRow], dict[str, object]] | None = None,
    event: Callable[[BookRow], Message] | None = None,
) -> BookRow:
    """One act of a person: who, then repeated?, then state and guards, then everything it changes in one transaction.

    check: more guards; it returns columns to set with the state.
    """
    with database.transaction() as tx:
        book = find(tx, caller, book_id, lock=True)
        person = access.person(caller, book.school)
        actors = _actors(tx, book, person)
        lifecycle.check_actor(act, actors)
        if act in _AUTHORISED:
            access.check_authorised(book.school, book.school_year, book.authority)
        if _done_before(tx, book, act, person, note):
            return book
        after = lifecycle.step(book.life, act, actors)
        columns = check(tx, book) if check else {}
        write_step(tx, caller, book, act, after, note, **columns)
        changed = book_store.book(tx, book.id)
        assert changed is not None
        if event is not None:
            outbox.add(tx, event(changed))
        return changed


def _actors(tx: Tx, book: BookRow, person: str) -> set[Actor]:
    """In which capacities a person acts on a book."""
    row = roster_store.staff(tx, book.school_id, [person]).get(person)
    if row is None:
        return set()
    actors = capacities(row.roles)
    if _is_preparer(book, row):
        actors.add(Actor.PREPARER)
    if person == book.officer_person:
        actors.add(Actor.OFFICER)
    if book.class_id is not None and roster_store.is_teacher_of_class(tx, book.class_id, row.id):
        actors.add(Actor.SUBJECT_TEACHER)
    return actors


def _is_preparer(book: BookRow, row: StaffRow) -> bool:
    """Whether a person prepares the book: a named one, or any văn thư of a student register."""
    if book.preparer is None:
        return is_eligible(Actor.PREPARER, row.roles)
    return row.person == book.preparer


def _done_before(tx: Tx, book: BookRow, act: Act, person: str, note: str) -> bool:
    """Whether this same call has already made its step; each act happens once in the life of a version."""
    return any(
        (step.act, step.person, step.note) == (act.value, person, note) for step in book_store.transitions(tx, book.id)
    )


def _check_text(field: str, text: str, *, shortest: int, longest: int) -> None:
    found = Findings()
    found.text(field, text, shortest=shortest, longest=longest)
    found.refuse()


def _print_assigned(book: BookRow) -> Message:
    return events_pb2.BookPrintAssigned(
        book=str(book.id), version=book.version, school=book.school, content_sha256=book.content_sha256
    )


def _signing_started(book: BookRow) -> Message:
    return events_pb2.BookSigningStarted(
        book=str(book.id), version=book.version, school=book.school, content_sha256=book.content_sha256
    )


def _locked(book: BookRow) -> Message:
    return events_pb2.BookLocked(
        book=str(book.id),
        version=book.version,
        school=book.school,
        school_year=book.school_year,
        content_sha256=book.content_sha256,
        document=book.signed_document,
        document_sha256=book.document_sha256 or b"",
        record_type=cast("common_pb2.RecordType.ValueType", book.record_type),
    )


def _voided(book: BookRow) -> Message:
    return events_pb2.BookVoided(book=str(book.id), version=book.version)


def refuse_book(tx: Tx, book: BookRow) -> None:
    """Raises Rejected CORRECTION_OPEN while corrections of what the book holds wait for a decision."""
    classes = book_store.classes_of(tx, book.id) if book.class_id is None else [book.class_id]
    open_corrections.refuse(tx, classes, Stage(book.stage), subject=book.subject, student=book.student)
