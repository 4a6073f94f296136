"""The versions of frozen books: `begin` a draft, make its content, `keep` it.

A version alive is kept as it is and must hold the same content; else the next version is written.
"""

import hashlib
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from services.common import audit, identity
from services.common.audit import AuditRow
from services.common.db import Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow, NewBook, NewTransition, Scope
from services.gradebook.model.catalogue import RecordBook
from services.gradebook.model.domain import ClassRef, RecordType, Stage
from services.gradebook.model.lifecycle import ENDED, BookAct, BookState
from services.gradebook.roster import access


class Draft(NamedTuple):
    """A version whose content is still to be made.

    alive: the version that has not ended, if any; `version` is then its number, else the next.
    """

    scope: Scope
    stage: Stage
    version: int
    alive: BookRow | None


class Content(NamedTuple):
    """The content of a draft.

    data: canonical bytes. resource: what the book is of, for the audit row.
    source_id: the class book that a transcript was made from.
    """

    draft: Draft
    data: bytes
    resource: str
    source_id: uuid.UUID | None = None


def begin(tx: Tx, stage: Stage, scopes: Sequence[Scope]) -> list[Draft]:
    """The version to be frozen of each scope, in their order."""
    drafts = []
    for scope, newest in zip(scopes, book_store.newest_of_each(tx, scopes, stage), strict=True):
        if newest is not None and newest.state not in ENDED:
            drafts.append(Draft(scope, stage, newest.version, newest))
        else:
            drafts.append(Draft(scope, stage, newest.version + 1 if newest else 1, None))
    return drafts


def keep(tx: Tx, caller: Caller, ref: ClassRef, record: RecordBook, contents: Sequence[Content]) -> list[BookRow]:
    """The books of drafts, in their order: those alive as they are, the others written.

    Writes all in a fixed number of statements. Raises Rejected BOOK_STATE if a version alive holds
    other content; then none is written.
    """
    digests = [hashlib.sha256(content.data).digest() for content in contents]
    new_books: dict[int, NewBook] = {}
    for index, (content, digest) in enumerate(zip(contents, digests, strict=True)):
        alive = content.draft.alive
        if alive is None:
            new_books[index] = _new_book(content, digest, sealed=record.sealed)
        elif alive.content_sha256 != digest:
            raise _holds_other_content(alive)
    _write(tx, caller, ref, [(contents[index].resource, book) for index, book in new_books.items()])
    written = book_store.books(tx, [book.id for book in new_books.values()])
    return [content.draft.alive or written[new_books[index].id] for index, content in enumerate(contents)]


def _new_book(content: Content, digest: bytes, *, sealed: bool) -> NewBook:
    return NewBook(
        id=uuid.uuid4(),
        scope=content.draft.scope,
        sealed=sealed,
        stage=content.draft.stage,
        version=content.draft.version,
        content=content.data,
        content_sha256=digest,
        source_id=content.source_id,
    )


def _holds_other_content(alive: BookRow) -> Rejected:
    state = BookState(alive.state).name
    return Rejected(
        "BOOK_STATE",
        f"Sổ phiên bản {alive.version} đang ở trạng thái {state} với dữ liệu khác và phải kết thúc trước.",
        state=state,
        act=BookAct.FREEZE.value,
        version=alive.version,
    )


def _write(tx: Tx, caller: Caller, ref: ClassRef, new_books: Sequence[tuple[str, NewBook]]) -> None:
    """Write books with their first transition and audit row. new_books: (resource, book)."""
    book_store.add(tx, [book for _, book in new_books])
    person = identity.person(caller, ref.school)
    book_store.add_transitions(
        tx,
        [
            NewTransition(book.id, BookAct.FREEZE.value, None, BookState.DATA_COMPLETE, person, caller.client, "")
            for _, book in new_books
        ],
    )
    audit.append_all(tx, [_audit_record(caller, ref, resource, book) for resource, book in new_books])


def _audit_record(caller: Caller, ref: ClassRef, resource: str, book: NewBook) -> AuditRow:
    return access.school_record(
        caller,
        ref.school,
        "BOOK_FROZEN",
        f"books/{book.id}",
        school_year=ref.school_year,
        record_type=RecordType(book.scope.record_type).name,
        of=resource,
        stage=Stage(book.stage).name,
        version=book.version,
        content_sha256=book.content_sha256.hex(),
    )
