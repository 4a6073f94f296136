"""The role `check-config`: reach every dependency and say in one line each what is wrong."""

from collections.abc import Callable

import grpc

from services.common import topology
from services.common.db import Database
from services.common.errors import HosoError, Unavailable
from services.common.grpc_client import channel
from services.common.settings import DatabaseConfig, PeerConfig
from services.print.config import PrintConfig

_PATIENCE_S = 5.0


def problems(config: PrintConfig) -> list[str]:
    """What keeps print from working, empty when nothing does."""
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: _database(config.database),
        "broker": lambda: topology.ping(config.broker, "print"),
        "gradebook": lambda: _peer(config.gradebook),
    }
    found = []
    for name, check in checks.items():
        try:
            check()
        except HosoError as e:
            found.append(f"{name}: {e.reason} {e.message}")
    return found


def _database(config: DatabaseConfig) -> None:
    database = Database(config, max_size=1)
    try:
        database.ping()
    finally:
        database.close()


def _peer(peer: PeerConfig) -> None:
    with channel(peer) as open_channel:
        try:
            grpc.channel_ready_future(open_channel).result(timeout=_PATIENCE_S)
        except grpc.FutureTimeoutError as e:
            raise Unavailable("PEER_AWAY", f"{peer.address} does not answer") from e
