"""Stand-ins for gradebook and signing: real gRPC over mTLS, serving bytes by id."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc
from hoso.signing.v1 import signing_pb2, signing_pb2_grpc

from services.common import chunks
from services.common.settings import PeerConfig
from tests import servers, stand_ins


@dataclass
class Peers:
    """snapshots, documents: bytes by id; tests put there what archive shall find."""

    config: PeerConfig
    snapshots: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)


class _Marks(marks_pb2_grpc.MarkServiceServicer):
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def DownloadSnapshot(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        if request.snapshot not in self._peers.snapshots:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such snapshot")
        for chunk in chunks.split(self._peers.snapshots[request.snapshot]):
            yield marks_pb2.DownloadSnapshotResponse(chunk=chunk)


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
    """Both stand-ins on one free port."""
    peers = Peers(PeerConfig("", stand_ins.tls(pki, "service/archive")))

    def add(server: grpc.Server) -> None:
        statuses = health.HealthServicer()
        statuses.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
        marks_pb2_grpc.add_MarkServiceServicer_to_server(_Marks(peers), server)
        signing_pb2_grpc.add_SigningServiceServicer_to_server(_Signing(peers), server)

    with stand_ins.serving(pki, add) as address:
        peers.config = replace(peers.config, address=address)
        yield peers
