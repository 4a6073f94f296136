"""The acts of ActOnBooks and their use cases."""

from collections.abc import Callable, Sequence
from typing import Any

from hoso.gradebook.v1 import books_pb2

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.books import books
from services.gradebook.books.book_store import BookRow
from services.gradebook.books.many_books import ActOnBook

_ACTS: dict[str, Callable[[Database, Caller, Any], BookRow]] = {
    "assign_print": lambda database, caller, act: books.assign_print(database, caller, act.book, act.officer),
    "start_reconciliation": lambda database, caller, act: books.start_reconciliation(database, caller, act.book),
    "confirm_reconciliation": lambda database, caller, act: books.confirm_reconciliation(
        database, caller, act.book, act.content_sha256
    ),
    "record_hand_signed": lambda database, caller, act: books.record_hand_signed(database, caller, act.book),
    "record_stamped": lambda database, caller, act: books.record_stamped(database, caller, act.book),
    "record_paper_archived": lambda database, caller, act: books.record_paper_archived(
        database, caller, act.book, act.place
    ),
    "start_digital_signing": lambda database, caller, act: books.start_digital_signing(database, caller, act.book),
    "lock_book": lambda database, caller, act: books.lock_book(database, caller, act.book),
    "return_book": lambda database, caller, act: books.return_book(database, caller, act.book, act.recipient),
}
"""Name in the oneof → use case."""


def read(database: Database, acts: Sequence[books_pb2.BookAct]) -> list[ActOnBook | None]:
    """The use case of each act with its request; None for an act that is not set."""
    return [_act_on_book(database, act) for act in acts]


def _act_on_book(database: Database, act: books_pb2.BookAct) -> ActOnBook | None:
    name = act.WhichOneof("act")
    if name is None:
        return None
    use_case, request = _ACTS[name], getattr(act, name)
    return lambda caller: use_case(database, caller, request)
