"""Asking gradebook, before what cannot be undone, what it knows of that very book (ADR-0062).

An event says that something is due; that it is, only its owner can say. So a job takes what the
event said as a claim and compares it with gradebook's answer at that moment.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from hoso.gradebook.v1 import books_pb2
from hoso.gradebook.v1.books_pb2 import BookFacts, BookState
from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub

from services.common import jobs
from services.common.db import Database, Tx
from services.common.errors import Forged
from services.common.grpc_client import DEADLINE_S, calling
from services.common.jobs import Job

ENDED = frozenset({books_pb2.BOOK_STATE_MISMATCH, books_pb2.BOOK_STATE_REVOKED})
"""A version in one of these states has ended: what is made of it is void."""
PRINT_ASSIGNED, SIGNING_STARTED, LOCKED = (
    frozenset(range(first, books_pb2.BOOK_STATE_REVOKED)) - ENDED
    for first in (
        books_pb2.BOOK_STATE_PRINT_ASSIGNED,
        books_pb2.BOOK_STATE_DIGITAL_SIGNING,
        books_pb2.BOOK_STATE_LOCKED,
    )
)
"""The states of a version alive once its print was assigned, its signing started, it was locked."""
BEING_SIGNED = frozenset({books_pb2.BOOK_STATE_DIGITAL_SIGNING, books_pb2.BOOK_STATE_SIGNED})
"""The states in which a signature or the seal may still be missing."""


def ask(gradebook: BookServiceStub, book: UUID) -> BookFacts:
    """What gradebook knows of a book now.

    Raises NotFound BOOK_UNKNOWN, Unavailable.
    """
    with calling("gradebook"):
        request = books_pb2.GetBookFactsRequest(book=str(book))
        return gradebook.GetBookFacts(request, timeout=DEADLINE_S).facts


def compare(facts: BookFacts, **claimed: object) -> None:
    """Compare what was claimed of a book with the facts of the same names.

    Raises Forged BOOK_DIFFERS, which names the fields.
    """
    differing = sorted(name for name, value in claimed.items() if getattr(facts, name) != value)
    if differing:
        message = "Thông báo hoặc dữ liệu lưu khác với sổ ở dịch vụ sổ điểm."
        raise Forged("BOOK_DIFFERS", message, book=facts.book, fields=", ".join(differing))


def require(facts: BookFacts, states: Collection[int]) -> None:
    """Raises Forged BOOK_STATE when gradebook has the book in none of these states."""
    if facts.state not in states:
        state = BookState.Name(facts.state)
        raise Forged(
            "BOOK_STATE", f"Sổ đang ở trạng thái {state}; việc này chưa được giao.", book=facts.book, state=state
        )


def void_handler(
    database: Database, gradebook: BookServiceStub, void: Callable[[Tx, UUID, int], None]
) -> Callable[[Job], None]:
    """The handler of `voids.JOB` for `worker.run`: voids a version when gradebook says that it has
    ended.

    void: records it in the open transaction; given the book and its version.
    """

    def handle(job: Job) -> None:
        book, version = UUID(job.payload["book"]), int(job.payload["version"])
        facts = ask(gradebook, book)
        compare(facts, version=version)
        require(facts, ENDED)
        with database.transaction() as tx:
            void(tx, book, version)
            jobs.finish(tx, job)

    return handle
