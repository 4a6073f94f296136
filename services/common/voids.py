"""The end of a version of a book, as print and signing hear of it: a job, which asks gradebook."""

from uuid import UUID

from hoso.gradebook.v1 import events_pb2

from services.common import jobs
from services.common.db import Tx

JOB = "void"
"""Kind of the job; see `book_facts.void_handler`."""
_BEFORE_ALL_ELSE = 100


def book_voided(tx: Tx, event: events_pb2.BookVoided) -> None:
    """Queue the end of a version. Raises ValueError when the event names no book."""
    payload = {"book": str(UUID(event.book)), "version": str(event.version)}
    jobs.enqueue(tx, JOB, "/".join(payload.values()), payload, priority=_BEFORE_ALL_ELSE)
