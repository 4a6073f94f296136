"""A stand-in for gradebook: real gRPC over mTLS, handing out frozen content by book id."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from hoso.gradebook.v1 import books_pb2, books_pb2_grpc, events_pb2

from services.common import chunks
from services.common.settings import PeerConfig
from tests import servers, stand_ins


@dataclass
class Gradebook:
    """contents: canonical bytes by book id, `None` for UNAVAILABLE. facts: what it knows of books.
    asked: the books whose content was asked for.
    """

    config: PeerConfig
    contents: dict[str, bytes | None] = field(default_factory=dict)
    facts: dict[str, books_pb2.BookFacts] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def assigned(self, event: Any) -> None:
        """Know the book as it is when gradebook announces this event of print or signing."""
        signing = isinstance(event, events_pb2.BookSigningStarted)
        self.facts[event.book] = books_pb2.BookFacts(
            book=event.book,
            version=event.version,
            school=event.school,
            content_sha256=event.content_sha256,
            state=books_pb2.BOOK_STATE_DIGITAL_SIGNING if signing else books_pb2.BOOK_STATE_PRINT_ASSIGNED,
        )


class _Books(books_pb2_grpc.BookServiceServicer):
    def __init__(self, gradebook: Gradebook) -> None:
        self._gradebook = gradebook

    def GetBookFacts(self, request: Any, context: grpc.ServicerContext) -> books_pb2.GetBookFactsResponse:
        if request.book not in self._gradebook.facts:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such book")
        return books_pb2.GetBookFactsResponse(facts=self._gradebook.facts[request.book])

    def DownloadBookContent(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self._gradebook.asked.append(request.book)
        if request.book not in self._gradebook.contents:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such book")
        content = self._gradebook.contents[request.book]
        if content is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            return
        for chunk in chunks.split(content):
            yield books_pb2.DownloadBookContentResponse(chunk=chunk)


@contextlib.contextmanager
def serving(pki: servers.Pki) -> Iterator[Gradebook]:
    """The stand-in on a free port."""
    gradebook = Gradebook(PeerConfig("", stand_ins.tls(pki, "service/print")))

    def add(server: grpc.Server) -> None:
        books_pb2_grpc.add_BookServiceServicer_to_server(_Books(gradebook), server)

    with stand_ins.serving(pki, "gradebook", add) as address:
        gradebook.config = replace(gradebook.config, address=address)
        yield gradebook
