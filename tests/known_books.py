"""A stand-in for gradebook as services ask it: what it knows of books, over real gRPC."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from hoso.gradebook.v1 import books_pb2, books_pb2_grpc

from tests import servers, stand_ins


@dataclass
class KnownBooks(books_pb2_grpc.BookServiceServicer):
    """facts: by book id. asked: how often it was asked."""

    facts: dict[str, books_pb2.BookFacts] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    def GetBookFacts(self, request: Any, context: grpc.ServicerContext) -> books_pb2.GetBookFactsResponse:
        self.asked += 1
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        if request.book not in self.facts:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such book")
        return books_pb2.GetBookFactsResponse(facts=self.facts[request.book])

    def put(self, state: str, **facts: Any) -> None:
        """Know a book. state: such as ``LOCKED``; facts: the other fields of BookFacts."""
        number = books_pb2.BookState.Value(f"BOOK_STATE_{state}")
        self.facts[facts["book"]] = books_pb2.BookFacts(state=number, **facts)

    def move(self, book: str, state: str) -> None:
        """The book is now in another state."""
        self.facts[book].state = books_pb2.BookState.Value(f"BOOK_STATE_{state}")


@contextlib.contextmanager
def serving(pki: servers.Pki, books: KnownBooks) -> Iterator[str]:
    """Serve what `books` knows, with gradebook's certificate; the address."""

    def add(server: grpc.Server) -> None:
        books_pb2_grpc.add_BookServiceServicer_to_server(books, server)

    with stand_ins.serving(pki, "gradebook", add) as address:
        yield address
