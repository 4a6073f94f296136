"""The job `fetch`: takes a signing copy from print, by name and digest, and stores it to be
signed.
"""

import hashlib
import uuid
from collections.abc import Callable

from hoso.print.v1 import print_pb2, print_pb2_grpc

from services.common import chunks, jobs
from services.common.db import Database
from services.common.errors import Rejected
from services.common.grpc_client import DEADLINE_S, calling
from services.common.jobs import Job
from services.signing import domain, usecases
from services.signing.domain import Document, Required


def handler(database: Database, printing: print_pb2_grpc.PrintServiceStub) -> Callable[[Job], None]:
    """The handler of `fetch` jobs for `worker.run`."""

    def handle(job: Job) -> None:
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
            book=rendition.book,
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


def _compare(job: Job, rendition: print_pb2.Rendition) -> None:
    """Print must deliver what it announced. Raises Rejected RENDITION_DIFFERS."""
    announced = (job.payload["book"], job.payload["version"], job.payload["school"], job.payload["content_sha256"])
    answered = (rendition.book, str(rendition.version), rendition.school, rendition.content_sha256.hex())
    if announced != answered:
        raise Rejected("RENDITION_DIFFERS", "Bản in không khớp với thông báo.", rendition=rendition.id)
    if not rendition.fields:
        raise Rejected("FIELDS_MISSING", "Bản ký không có ô ký nào.", rendition=rendition.id)


def _required(rendition: print_pb2.Rendition) -> list[Required]:
    return [
        Required(field=f.name, position=f.order, rank=f.rank, role=f.role, signatory=f.signatory)
        for f in rendition.fields
    ]
