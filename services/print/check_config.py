"""The role `check-config`: reach every dependency and report each problem in one line."""

import contextlib
import uuid
from collections.abc import Callable

from hoso.gradebook.v1 import books_pb2, books_pb2_grpc

from services.common import anchoring, topology
from services.common.db import Database
from services.common.errors import HosoError, NotFound
from services.common.grpc_client import calling, channel
from services.common.settings import DatabaseConfig, PeerConfig
from services.print.config import PrintConfig

_PATIENCE_S = 5.0


def problems(config: PrintConfig) -> list[str]:
    """Whatever keeps print from working; empty when nothing does."""
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: _database(config.database),
        "broker": lambda: topology.ping(config.broker, "print"),
        "gradebook": lambda: _gradebook(config.gradebook),
    }
    failures = anchoring.problems("print", config.anchor)
    for name, check in checks.items():
        try:
            check()
        except HosoError as e:
            failures.append(f"{name}: {e.reason} {e.message}")
    return failures


def _database(config: DatabaseConfig) -> None:
    database = Database(config, max_size=1)
    try:
        database.ping()
    finally:
        database.close()


def _gradebook(peer: PeerConfig) -> None:
    """Ask for a book that cannot exist: NOT_FOUND proves that gradebook answers and lets us ask."""
    request = books_pb2.DownloadBookContentRequest(book=str(uuid.UUID(int=0)))
    with channel(peer, "gradebook") as open_channel, contextlib.suppress(NotFound), calling("gradebook"):
        list(books_pb2_grpc.BookServiceStub(open_channel).DownloadBookContent(request, timeout=_PATIENCE_S))
