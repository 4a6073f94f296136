"""The job `render`: fetch frozen content from gradebook, render it, keep and announce the result.

Wherever it is killed, it starts again from the beginning: nothing is kept before the single
transaction at its end.
"""

from collections.abc import Callable

from hoso.gradebook.v1 import books_pb2, books_pb2_grpc

from services.common import chunks, log
from services.common.db import Database
from services.common.errors import Invalid
from services.common.grpc_client import DEADLINE_S, calling
from services.common.jobs import Job
from services.print import content, render, usecases
from services.print.content import Content
from services.print.kind import Kind
from services.print.store import SignatureField

_log = log.get(__name__)


def handler(database: Database, gradebook: books_pb2_grpc.BookServiceStub) -> Callable[[Job], None]:
    """The handler of `render` jobs for `worker.run`.

    It raises Unavailable while gradebook or the database is away; NotFound and Rejected
    DIGEST_MISMATCH when gradebook does not have the content that it announced; RenderError when the
    engine refuses good content.
    """

    def handle(job: Job) -> None:
        with database.transaction() as tx:
            if usecases.finish_if_done(tx, job):
                return
        raw = _fetch(gradebook, job.payload["book"], bytes.fromhex(job.payload["content_sha256"]))
        try:
            book = content.parse(raw)
        except Invalid as e:
            _log.warning("content cannot be printed", faults=len(e.violations), rule=e.violations[0].rule)
            with database.transaction() as tx:
                usecases.fail(tx, job, e)
            return
        rendition = render.render(book, Kind(job.payload["kind"]))
        fields = signature_fields(book) if rendition.fields else ()
        with database.transaction() as tx:
            usecases.keep(tx, job, rendition.pdf, rendition.pages, fields)

    return handle


def signature_fields(book: Content) -> tuple[SignatureField, ...]:
    """The record's signatories as the fields of its signing copy, in order."""
    return tuple(
        SignatureField(
            name=signatory["field"],
            order=signatory["order"],
            rank=signatory["rank"],
            role=signatory["role"],
            signatory=signatory["signatory"],
        )
        for signatory in book.data["signatories"]
    )


def _fetch(gradebook: books_pb2_grpc.BookServiceStub, book: str, announced: bytes) -> bytes:
    request = books_pb2.DownloadBookContentRequest(book=book)
    with calling("gradebook"):
        stream = gradebook.DownloadBookContent(request, timeout=DEADLINE_S)
        return chunks.join((piece.chunk for piece in stream), sha256=announced)
