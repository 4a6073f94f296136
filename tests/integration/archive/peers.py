"""Stand-ins for gradebook and signing: real gRPC over mTLS, serving bytes by id."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc
from hoso.signing.v1 import signing_pb2, signing_pb2_grpc

from services.common import chunks
from services.common.settings import PeerConfig, TlsConfig
from tests import servers


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


def tls(pki: servers.Pki, name: str) -> TlsConfig:
    who = pki.identity(name)
    return TlsConfig(who.ca_file, who.cert_file, who.key_file)


@contextlib.contextmanager
def serving(pki: servers.Pki) -> Iterator[Peers]:
    """Both stand-ins on one free port."""
    who = pki.identity("service/gradebook")
    server = grpc.server(ThreadPoolExecutor(4))
    credentials = grpc.ssl_server_credentials(
        [(who.key_file.read_bytes(), who.cert_file.read_bytes())], who.ca_file.read_bytes(), True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    statuses = health.HealthServicer()
    statuses.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
    peers = Peers(PeerConfig(f"127.0.0.1:{port}", tls(pki, "service/archive")))
    marks_pb2_grpc.add_MarkServiceServicer_to_server(_Marks(peers), server)
    signing_pb2_grpc.add_SigningServiceServicer_to_server(_Signing(peers), server)
    server.start()
    try:
        yield peers
    finally:
        server.stop(0).wait()
