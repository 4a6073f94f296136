"""Archive's AnchorService served over gRPC on a real store, and a service that anchors there."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hoso.operations.v1.anchors_pb2_grpc import AnchorServiceStub

from deploy.local import layout
from services.archive import service_anchors
from services.archive.anchors import Anchors
from services.common import anchor, anchoring, operations
from services.common.anchoring import Anchoring
from services.common.db import Database, migrate
from services.common.grpc_client import channel
from services.common.refusals import Refusals
from services.common.settings import AnchorConfig, DatabaseConfig, PeerConfig, ServerConfig
from tests import servers, stand_ins
from tests.integration.archive.stores import RunningStore
from tests.service_processes import free_port
from tests.working import working

MIGRATIONS = layout.REPOSITORY / "services" / "archive" / "migrations"


@dataclass
class AnchorLine:
    """The archive that locks anchors, and how others reach it.

    databases: of the services by name, that of archive among them. addresses: of each service's
    gRPC server.
    """

    pki: servers.Pki
    store: RunningStore
    databases: Mapping[str, Database]
    addresses: Mapping[str, str]
    anchors: Anchors

    @property
    def archive(self) -> Database:
        return self.databases["archive"]

    def peer(self, client: str) -> PeerConfig:
        return PeerConfig(self.addresses["archive"], stand_ins.tls(self.pki, client))

    def stub(self, client: str) -> AnchorServiceStub:
        return AnchorServiceStub(channel(self.peer(client), "archive"))

    def config(self, service: str) -> AnchorConfig:
        who = self.pki.identity(f"anchor/{service}")
        return AnchorConfig(who.key_file, who.cert_file, self.peer(f"service/{service}"))

    def anchoring(self, service: str) -> Anchoring:
        return Anchoring(
            service,
            self.databases[service],
            self.stub(f"service/{service}"),
            anchor.load_signer(self.config(service), service),
            self.anchors.trusted,
        )

    @contextlib.contextmanager
    def working(self, service: str) -> Iterator[None]:
        """The role `work` of a service that does nothing but anchor."""
        stop = threading.Event()
        database = self.databases[service]
        handlers = anchoring.start(service, database, self.config(service), stop)
        with working(database, handlers, stop=stop):
            yield


@contextlib.contextmanager
def serving(pki: servers.Pki, store: RunningStore, configs: Mapping[str, DatabaseConfig]) -> Iterator[AnchorLine]:
    """Every service of `configs` (archive among them) serves its operations, and archive its
    anchors.
    """
    with contextlib.ExitStack() as stop:
        databases, addresses = {}, {}
        for service, config in configs.items():
            migrate(config, [MIGRATIONS] if service == "archive" else [])
            databases[service] = Database(config)
            stop.callback(databases[service].close)
            addresses[service] = f"{layout.HOST}:{free_port()}"
        trusted = pki.identity("service/archive").ca_file.read_bytes()
        anchors = Anchors(databases["archive"], store.worm(), store.config.endpoint, trusted)
        for service, database in databases.items():
            served = [operations.served(database)]
            if service == "archive":
                served.append(service_anchors.served(anchors))
            own = _server(pki, addresses[service], service)
            stop.enter_context(servers.serving(own, served, Refusals(database)))
        line = AnchorLine(pki, store, databases, addresses, anchors)
        store.prove(line.archive)
        yield line


def _server(pki: servers.Pki, address: str, service: str) -> ServerConfig:
    issuers: Path = pki.stack.pki / "issuers.json"
    return ServerConfig(address, stand_ins.tls(pki, f"service/{service}"), issuers)
