"""The role `check-config`: reach every dependency and name in one line per problem what is
wrong.
"""

from collections.abc import Callable

from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.archive import store
from services.archive.config import ArchiveConfig
from services.archive.worm import WormStore, own_credentials
from services.common import anchoring, topology
from services.common.config import ConfigError, read_roots
from services.common.db import Database
from services.common.errors import HosoError, Unavailable
from services.common.grpc_client import calling, channel
from services.common.settings import PeerConfig

_PATIENCE_S = 5.0


def problems(config: ArchiveConfig) -> list[str]:
    """One line per problem that keeps archive from working; empty when there is none."""
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: _database(config),
        "broker": lambda: topology.ping(config.broker, "archive"),
        "store": lambda: WormStore(config.store, own_credentials(config.store)).require_lock(),
        "trust roots": lambda: _roots(config),
        "gradebook": lambda: _peer("gradebook", config.gradebook),
        "signing": lambda: _peer("signing", config.signing),
    }
    lines = anchoring.problems("archive", config.anchor)
    for name, check in checks.items():
        try:
            check()
        except HosoError as e:
            facts = ", ".join(f"{key}={value}" for key, value in e.facts.items())
            lines.append(f"{name}: {e.reason} {e.message} {facts}".rstrip())
        except ConfigError as e:
            lines.append(f"{name}: {e}")
    return lines


def _database(config: ArchiveConfig) -> None:
    database = Database(config.database, max_size=1)
    try:
        with database.transaction() as tx:
            newest = store.newest_probe(tx, config.store.endpoint, config.store.bucket)
    finally:
        database.close()
    if newest is None or not newest.passed:
        raise Unavailable("STORE_NOT_PROVEN", "Kho lưu trữ chưa được chứng minh; chạy vai trò `probe`.")


def _roots(config: ArchiveConfig) -> None:
    read_roots(config.trust_roots_file)


def _peer(name: str, peer: PeerConfig) -> None:
    """The peer must answer; it may answer that it does not serve yet."""
    with channel(peer, name) as open_channel, calling(name):
        health_pb2_grpc.HealthStub(open_channel).Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE_S)
