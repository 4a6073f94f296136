"""Stand-ins for gradebook and signing: real gRPC over mTLS, serving bytes by id."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hoso.gradebook.v1 import books_pb2_grpc, common_pb2, events_pb2, marks_pb2, marks_pb2_grpc
from hoso.signing.v1 import signing_pb2, signing_pb2_grpc

from services.common import chunks
from services.common.settings import PeerConfig
from tests import servers, stand_ins
from tests.known_books import KnownBooks


@dataclass
class Peers:
    """snapshots, documents: bytes by id; tests put there what archive shall find."""

    gradebook: PeerConfig
    signing: PeerConfig
    snapshots: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    snapshot_facts: dict[str, marks_pb2.SnapshotFacts] = field(default_factory=dict)
    books: KnownBooks = field(default_factory=KnownBooks)

    def lock(self, event: events_pb2.BookLocked, printed: bytes) -> None:
        """Know a book as it is when gradebook announces that it is locked.

        printed: the signing copy that print made.
        """
        self.books.put(
            "LOCKED",
            **{
                name: getattr(event, name)
                for name in ("book", "version", "school", "school_year", "content_sha256", "document")
            },
            document_sha256=event.document_sha256,
            record_type=event.record_type or common_pb2.RECORD_TYPE_CLASS_BOOK,
            signing_rendition=event.document,
            signing_pdf_sha256=hashlib.sha256(printed).digest(),
            signing_pdf_size_bytes=len(printed),
        )

    def take(self, event: events_pb2.SnapshotTaken) -> None:
        """Know a snapshot as it is when gradebook announces it."""
        self.snapshot_facts[event.snapshot] = marks_pb2.SnapshotFacts(
            snapshot=event.snapshot,
            school=event.school,
            school_year=event.school_year,
            content_sha256=event.content_sha256,
        )


class _Marks(marks_pb2_grpc.MarkServiceServicer):
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def DownloadSnapshot(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        if request.snapshot not in self._peers.snapshots:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such snapshot")
        for chunk in chunks.split(self._peers.snapshots[request.snapshot]):
            yield marks_pb2.DownloadSnapshotResponse(chunk=chunk)

    def GetSnapshotFacts(self, request: Any, context: grpc.ServicerContext) -> marks_pb2.GetSnapshotFactsResponse:
        if request.snapshot not in self._peers.snapshot_facts:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such snapshot")
        return marks_pb2.GetSnapshotFactsResponse(facts=self._peers.snapshot_facts[request.snapshot])


class _Signing(signing_pb2_grpc.SigningServiceServicer):
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def DownloadDocument(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        if request.document not in self._peers.documents:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such document")
        for chunk in chunks.split(self._peers.documents[request.document]):
            yield signing_pb2.DownloadDocumentResponse(chunk=chunk)


@contextlib.contextmanager
def serving(pki: servers.Pki) -> Iterator[Peers]:
    """Both stand-ins, each on a free port and with the certificate of the service it stands for."""
    own = stand_ins.tls(pki, "service/archive")
    peers = Peers(PeerConfig("", own), PeerConfig("", own))

    def add_gradebook(server: grpc.Server) -> None:
        _add_health(server)
        marks_pb2_grpc.add_MarkServiceServicer_to_server(_Marks(peers), server)
        books_pb2_grpc.add_BookServiceServicer_to_server(peers.books, server)

    def add_signing(server: grpc.Server) -> None:
        _add_health(server)
        signing_pb2_grpc.add_SigningServiceServicer_to_server(_Signing(peers), server)

    with (
        stand_ins.serving(pki, "gradebook", add_gradebook) as gradebook,
        stand_ins.serving(pki, "signing", add_signing) as signing,
    ):
        peers.gradebook, peers.signing = PeerConfig(gradebook, own), PeerConfig(signing, own)
        yield peers


def _add_health(server: grpc.Server) -> None:
    statuses = health.HealthServicer()
    statuses.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
