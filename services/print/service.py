"""PrintService over gRPC: messages ↔ arguments. See proto/hoso/print/v1/print.proto."""

from collections.abc import Iterator

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hoso.print.v1 import print_pb2 as pb
from hoso.print.v1 import print_pb2_grpc

from services.common import chunks
from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access
from services.print import usecases
from services.print.store import StoredRendition

_READERS = Access(clients=("operator/*", "service/signing", "service/gradebook", "vendor/*"))
ACCESS = {"GetRendition": _READERS, "ListRenditions": _READERS, "DownloadRendition": _READERS}


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
            found = usecases.of_book(tx, request.book)
        return pb.ListRenditionsResponse(renditions=[_rendition(one) for one in found])

    def DownloadRendition(
        self, request: pb.DownloadRenditionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadRenditionResponse]:
        """The PDF in chunks."""
        with self._database.transaction() as tx:
            pdf = usecases.download(tx, request.rendition)
        for chunk in chunks.split(pdf):
            yield pb.DownloadRenditionResponse(chunk=chunk)


def _rendition(one: StoredRendition) -> pb.Rendition:
    made = Timestamp()
    made.FromDatetime(one.created_time)
    return pb.Rendition(
        id=str(one.id),
        book=one.book,
        version=one.version,
        school=one.school,
        kind=usecases.KINDS[one.kind],
        content_sha256=one.content_sha256,
        pdf_sha256=one.pdf_sha256,
        pdf_size_bytes=one.pdf_size_bytes,
        pages=one.pages,
        create_time=made,
        void=one.void,
        fields=[
            pb.SignatureField(name=f.name, order=f.order, rank=f.rank, role=f.role, signatory=f.signatory)
            for f in one.fields
        ],
    )
