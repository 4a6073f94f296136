"""A stand-in for gradebook: real gRPC over mTLS, handing out frozen content by book id."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from hoso.gradebook.v1 import books_pb2, books_pb2_grpc

from services.common import chunks
from services.common.settings import PeerConfig, TlsConfig
from tests import servers


@dataclass
class Gradebook:
    """contents: canonical bytes by book id, `None` for UNAVAILABLE. asked: the books asked for."""

    config: PeerConfig
    contents: dict[str, bytes | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Books(books_pb2_grpc.BookServiceServicer):
    def __init__(self, gradebook: Gradebook) -> None:
        self._gradebook = gradebook

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


def tls(pki: servers.Pki, name: str) -> TlsConfig:
    who = pki.identity(name)
    return TlsConfig(who.ca_file, who.cert_file, who.key_file)


@contextlib.contextmanager
def serving(pki: servers.Pki) -> Iterator[Gradebook]:
    """The stand-in on a free port."""
    who = pki.identity("service/gradebook")
    server = grpc.server(ThreadPoolExecutor(4))
    credentials = grpc.ssl_server_credentials(
        [(who.key_file.read_bytes(), who.cert_file.read_bytes())], who.ca_file.read_bytes(), True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    gradebook = Gradebook(PeerConfig(f"127.0.0.1:{port}", tls(pki, "service/print")))
    books_pb2_grpc.add_BookServiceServicer_to_server(_Books(gradebook), server)
    server.start()
    try:
        yield gradebook
    finally:
        server.stop(0).wait()
