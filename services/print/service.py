"""PrintService over gRPC: messages ↔ arguments. See proto/hoso/print/v1/print.proto."""

from collections.abc import Iterator

import grpc
from hoso.print.v1 import print_pb2 as pb
from hoso.print.v1 import print_pb2_grpc

from services.common import chunks, standing
from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access
from services.common.message_fields import timestamp
from services.print import usecases
from services.print.store import StoredRendition

_READERS = Access(clients=("operator/department", "vendor/*"))
_READERS_OR_SIGNING = Access(clients=("operator/department", "service/signing", "vendor/*"))
ACCESS = {"GetRendition": _READERS_OR_SIGNING, "ListRenditions": _READERS, "DownloadRendition": _READERS_OR_SIGNING}


def served(database: Database) -> Served:
    """The service, ready for `grpc_server.serve`."""
    servicer = Print(database)
    return Served(
        add=lambda server: print_pb2_grpc.add_PrintServiceServicer_to_server(servicer, server),
        name="hoso.print.v1.PrintService",
        access=ACCESS,
    )


class Print(print_pb2_grpc.PrintServiceServicer):
    """The servicer; errors are raised as those of `services.common.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def GetRendition(self, request: pb.GetRenditionRequest, context: grpc.ServicerContext) -> pb.GetRenditionResponse:
        """One rendition without its bytes."""
        with self._database.transaction() as tx:
            return pb.GetRenditionResponse(rendition=_rendition(usecases.readable(tx, request.rendition)))

    def ListRenditions(
        self, request: pb.ListRenditionsRequest, context: grpc.ServicerContext
    ) -> pb.ListRenditionsResponse:
        """The renditions of a book, newest first."""
        with self._database.transaction() as tx:
            renditions = usecases.of_book(tx, request.book)
        return pb.ListRenditionsResponse(renditions=[_rendition(rendition) for rendition in renditions])

    def DownloadRendition(
        self, request: pb.DownloadRenditionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadRenditionResponse]:
        """The PDF in chunks."""
        with self._database.transaction() as tx:
            school, pdf = usecases.download(tx, request.rendition)
        for chunk in standing.while_allowed(self._database, school, chunks.split(pdf)):
            yield pb.DownloadRenditionResponse(chunk=chunk)


def _rendition(stored: StoredRendition) -> pb.Rendition:
    return pb.Rendition(
        id=str(stored.id),
        book=str(stored.book),
        version=stored.version,
        school=stored.school,
        kind=usecases.KINDS[stored.kind],
        content_sha256=stored.content_sha256,
        pdf_sha256=stored.pdf_sha256,
        pdf_size_bytes=stored.pdf_size_bytes,
        pages=stored.pages,
        create_time=timestamp(stored.created_time),
        void=stored.void,
        fields=[
            pb.SignatureField(
                name=field.name, order=field.order, rank=field.rank, role=field.role, signatory=field.signatory
            )
            for field in stored.fields
        ],
    )
