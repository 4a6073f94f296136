"""A server whose calls do what a test says, and the callers of it."""

import socket
import threading
from collections.abc import Callable

import grpc
from hoso.operations.v1 import operations_pb2, operations_pb2_grpc

from services.common import grpc_server, identity, operations, tokens
from services.common.db import Database
from services.common.errors import Unavailable
from services.common.grpc_client import channel
from services.common.refusals import Refusals
from services.common.settings import PeerConfig, ServerConfig, TlsConfig
from tests.servers import Pki

Status = operations_pb2.GetStatusRequest


ISSUER = "https://id.hoso.local"


def tls(pki: Pki, name: str) -> TlsConfig:
    files = pki.identity(name)
    return TlsConfig(files.ca_file, files.cert_file, files.key_file)


class Edge:
    """A served OperationsService whose GetStatus does what the test says."""

    def __init__(self, pki: Pki, db: Database, stop: threading.Event, **settings: float) -> None:
        self.pki, self.database = pki, db
        self.behaviour: Callable[[], None] = lambda: None
        self.database_away = False
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        served = operations.served(db)
        edge = self

        class Servicer(operations.Operations):
            def GetStatus(self, request: Status, context: grpc.ServicerContext) -> operations_pb2.GetStatusResponse:
                edge.behaviour()
                return super().GetStatus(request, context)

        served = grpc_server.Served(
            lambda server: operations_pb2_grpc.add_OperationsServiceServicer_to_server(Servicer(db), server),
            served.name,
            {
                **served.access,
                "GetStatus": identity.Access(("operator/*", "vendor/smas")),
                "ReplayJob": identity.Access(("vendor/*",), person=True),
            },
        )
        issuers = pki.stack.pki / "issuers.json"
        config = ServerConfig(self.address, tls(pki, "service/archive"), issuers, grace_s=5, **settings)  # type: ignore[arg-type]
        self.thread = threading.Thread(
            target=grpc_server.serve,
            args=(
                config,
                [served],
                Refusals(db),
                {"database": self._check},
                stop,
            ),
        )
        self.thread.start()

    def _check(self) -> None:
        if self.database_away:
            raise Unavailable("DATABASE_UNAVAILABLE", "away")

    def channel(self, client: str) -> grpc.Channel:
        return self.channel_with(tls(self.pki, client))

    def channel_with(self, files: TlsConfig, service: str = "archive") -> grpc.Channel:
        return channel(PeerConfig(self.address, files), service)

    def stub(self, client: str) -> operations_pb2_grpc.OperationsServiceStub:
        return operations_pb2_grpc.OperationsServiceStub(self.channel(client))


def token(
    pki: Pki,
    person: str = "gv-1",
    school: str = "S1",
    *,
    lifetime_s: int = 600,
    key: str | None = None,
    client: str = "vendor/smas",
) -> str:
    pem = key or (pki.stack.pki / "issuer.key").read_text()
    return tokens.issue(ISSUER, pem, client=client, person=person, school=school, lifetime_s=lifetime_s)
