"""Events that signing consumes: a signing copy is ready, a version of a book has ended."""

from uuid import UUID

from hoso.gradebook.v1 import events_pb2 as gradebook_events
from hoso.print.v1 import events_pb2 as print_events
from hoso.print.v1 import print_pb2

from services.common import jobs, standing, voids
from services.common.db import Tx
from services.common.intake import Subscription
from services.signing import domain


def rendition_ready(tx: Tx, event: print_events.RenditionReady) -> None:
    """Queue a job that fetches the signing copy; print copies are ignored.

    Raises ValueError when the event names no rendition or book.
    """
    if event.kind != print_pb2.RENDITION_KIND_SIGNING:
        return
    payload = {
        "rendition": str(UUID(event.rendition)),
        "book": str(UUID(event.book)),
        "version": str(event.version),
        "school": event.school,
        "content_sha256": event.content_sha256.hex(),
        "pdf_sha256": event.pdf_sha256.hex(),
    }
    jobs.enqueue(tx, domain.FETCH_JOB, payload["rendition"], payload)


SUBSCRIPTIONS = (
    Subscription(print_events.RenditionReady, rendition_ready),
    Subscription(gradebook_events.BookVoided, voids.book_voided),
    *standing.SUBSCRIPTIONS,
)
