"""The job `render`: fetch frozen content from gradebook, render it, keep and announce the result.

Wherever it is killed, it starts again from the beginning: nothing is kept before the single
transaction at its end.
"""

from collections.abc import Callable

from hoso.gradebook.v1 import books_pb2, books_pb2_grpc

from services.common import book_facts, chunks, jobs, log
from services.common.db import Database
from services.common.errors import Invalid
from services.common.grpc_client import DEADLINE_S, calling
from services.common.jobs import Job
from services.print import content, render, usecases
from services.print.content import Content
from services.print.kind import Kind
from services.print.store import SignatureField

_log = log.get(__name__)
_DUE = {Kind.UNSIGNED: book_facts.PRINT_ASSIGNED, Kind.SIGNING: book_facts.SIGNING_STARTED}


def handler(database: Database, gradebook: books_pb2_grpc.BookServiceStub) -> Callable[[Job], None]:
    """The handler of `render` jobs for `worker.run`.

    It raises Unavailable while gradebook or the database is away; Forged when gradebook knows
    another school, version, content or state of the book than was announced; NotFound and Forged
    DIGEST_MISMATCH when it does not have that content; RenderError when the engine refuses good
    content.
    """

    def handle(job: Job) -> None:
        with database.transaction() as tx:
            if usecases.finish_if_done(tx, job):
                return
        if not _is_due(gradebook, job):
            with database.transaction() as tx:
                jobs.finish(tx, job)
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


def _is_due(gradebook: books_pb2_grpc.BookServiceStub, job: Job) -> bool:
    """Whether gradebook wants this rendition now; False when the version has ended meanwhile.

    The pages of a book go to the school that it is of, and to nobody else. Raises as
    `book_facts.compare` and `require`.
    """
    book, version, kind = usecases.subject(job)
    facts = book_facts.ask(gradebook, book)
    content_sha256 = bytes.fromhex(job.payload["content_sha256"])
    book_facts.compare(facts, version=version, school=job.payload["school"], content_sha256=content_sha256)
    if facts.state in book_facts.ENDED:
        return False
    book_facts.require(facts, _DUE[kind])
    return True


def _fetch(gradebook: books_pb2_grpc.BookServiceStub, book: str, announced: bytes) -> bytes:
    request = books_pb2.DownloadBookContentRequest(book=book)
    with calling("gradebook"):
        stream = gradebook.DownloadBookContent(request, timeout=DEADLINE_S)
        return chunks.join((piece.chunk for piece in stream), sha256=announced)
