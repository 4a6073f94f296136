"""Acts on books that come many in one call: which use case each is."""

from collections.abc import Callable, Sequence
from typing import Any

from hoso.gradebook.v1 import books_pb2

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.books import books
from services.gradebook.books.book_store import BookRow
from services.gradebook.books.many_books import Acting

_ACTS: dict[str, Callable[[Database, Caller, Any], BookRow]] = {
    "assign_print": lambda database, who, act: books.assign_print(database, who, act.book, act.officer),
    "start_reconciliation": lambda database, who, act: books.start_reconciliation(database, who, act.book),
    "confirm_reconciliation": lambda database, who, act: books.confirm_reconciliation(
        database, who, act.book, act.content_sha256
    ),
    "record_hand_signed": lambda database, who, act: books.record_hand_signed(database, who, act.book),
    "record_stamped": lambda database, who, act: books.record_stamped(database, who, act.book),
    "record_paper_archived": lambda database, who, act: books.record_paper_archived(database, who, act.book, act.place),
    "start_digital_signing": lambda database, who, act: books.start_digital_signing(database, who, act.book),
    "lock_book": lambda database, who, act: books.lock_book(database, who, act.book),
    "return_book": lambda database, who, act: books.return_book(database, who, act.book, act.recipient),
}
"""Name in the oneof → the act."""


def read(database: Database, acts: Sequence[books_pb2.BookAct]) -> list[Acting | None]:
    """What each act does; None for one that is not set."""
    return [_acting(database, one) for one in acts]


def _acting(database: Database, one: books_pb2.BookAct) -> Acting | None:
    name = one.WhichOneof("act")
    if name is None:
        return None
    act, request = _ACTS[name], getattr(one, name)
    return lambda who: act(database, who, request)
