"""The job `fetch`: takes a signing copy from print, by name and digest, and stores it to be
signed.
"""

import hashlib
import uuid
from collections.abc import Callable

from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub
from hoso.print.v1 import print_pb2, print_pb2_grpc

from services.common import book_facts, chunks, jobs
from services.common.db import Database
from services.common.errors import Forged, Rejected
from services.common.grpc_client import DEADLINE_S, calling
from services.common.jobs import Job
from services.signing import domain, usecases
from services.signing.domain import Document, Required


def handler(
    database: Database, printing: print_pb2_grpc.PrintServiceStub, gradebook: BookServiceStub
) -> Callable[[Job], None]:
    """The handler of `fetch` jobs for `worker.run`."""

    def handle(job: Job) -> None:
        if not _is_due(gradebook, job):
            with database.transaction() as tx:
                jobs.finish(tx, job)
            return
        announced = bytes.fromhex(job.payload["pdf_sha256"])
        name = job.payload["rendition"]
        with calling("print"):
            answer = printing.GetRendition(print_pb2.GetRenditionRequest(rendition=name), timeout=DEADLINE_S)
            request = print_pb2.DownloadRenditionRequest(rendition=name)
            stream = printing.DownloadRendition(request, timeout=DEADLINE_S)
            pdf = chunks.join((piece.chunk for piece in stream), sha256=announced)
        rendition = answer.rendition
        _compare(job, rendition)
        document = Document(
            id=uuid.UUID(name),
            number=0,
            book=uuid.UUID(rendition.book),
            version=rendition.version,
            school=rendition.school,
            state=domain.SIGNING,
            content_sha256=rendition.content_sha256,
            revision=0,
            pdf_sha256=hashlib.sha256(pdf).digest(),
            pdf_size_bytes=len(pdf),
        )
        with database.transaction() as tx:
            usecases.take_in(tx, document, _required(rendition), pdf)
            jobs.finish(tx, job)

    return handle


def _is_due(gradebook: BookServiceStub, job: Job) -> bool:
    """Whether gradebook wants this copy signed; False when the version has ended meanwhile.

    Raises as `book_facts.compare` and `require`.
    """
    facts = book_facts.ask(gradebook, uuid.UUID(job.payload["book"]))
    book_facts.compare(
        facts,
        version=int(job.payload["version"]),
        school=job.payload["school"],
        content_sha256=bytes.fromhex(job.payload["content_sha256"]),
    )
    if facts.signing_rendition:  # print has told gradebook, too
        pdf_sha256 = bytes.fromhex(job.payload["pdf_sha256"])
        book_facts.compare(facts, signing_rendition=job.payload["rendition"], signing_pdf_sha256=pdf_sha256)
    if facts.state in book_facts.ENDED:
        return False
    book_facts.require(facts, book_facts.SIGNING_STARTED)
    return True


def _compare(job: Job, rendition: print_pb2.Rendition) -> None:
    """Print must deliver what it announced. Raises Forged RENDITION_DIFFERS."""
    announced = (job.payload["book"], job.payload["version"], job.payload["school"], job.payload["content_sha256"])
    answered = (rendition.book, str(rendition.version), rendition.school, rendition.content_sha256.hex())
    if announced != answered:
        raise Forged("RENDITION_DIFFERS", "Bản in không khớp với thông báo.", rendition=rendition.id)
    if not rendition.fields:
        raise Rejected("FIELDS_MISSING", "Bản ký không có ô ký nào.", rendition=rendition.id)


def _required(rendition: print_pb2.Rendition) -> list[Required]:
    return [
        Required(field=f.name, position=f.order, rank=f.rank, role=f.role, signatory=f.signatory)
        for f in rendition.fields
    ]
