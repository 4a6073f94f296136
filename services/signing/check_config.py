"""Role `check-config`: can everything be reached that signing needs?"""

import contextlib
import uuid
from collections.abc import Callable

from hoso.gradebook.v1 import books_pb2, books_pb2_grpc
from hoso.print.v1 import print_pb2, print_pb2_grpc

from services.common import anchoring, topology
from services.common.config import ConfigError
from services.common.db import Database
from services.common.errors import HosoError, NotFound
from services.common.grpc_client import calling, channel
from services.signing import certificate_path
from services.signing.config import SigningConfig
from services.signing.token_client import TokenClient

_TIMEOUT_S = 5.0


def problems(config: SigningConfig) -> list[str]:
    """One line per dependency that does not answer, with what to do."""
    database = Database(config.database, max_size=1)
    checks: dict[str, Callable[[], None]] = {
        "database": database.ping,
        "broker": lambda: topology.ping(config.broker, "signing"),
        "print": lambda: _ask_print(config),
        "gradebook": lambda: _ask_gradebook(config),
        "tokens (start the role `tokens`)": TokenClient(config.tokens.socket, timeout_s=_TIMEOUT_S).ping,
    }
    lines = [f"module {name}: {file} is not there" for name, file in config.tokens.modules.items() if not file.exists()]
    try:
        certificate_path.read_roots(config.trust_roots_file)
    except ConfigError as e:
        lines.append(str(e))
    lines += anchoring.problems("signing", config.anchor)
    for name, check in checks.items():
        try:
            check()
        except HosoError as e:
            lines.append(f"{name}: {e.reason}: {e.message}")
    database.close()
    return lines


def _ask_gradebook(config: SigningConfig) -> None:
    """As `_ask_print`, for a book."""
    with channel(config.gradebook, "gradebook") as peer, contextlib.suppress(NotFound), calling("gradebook"):
        request = books_pb2.GetBookFactsRequest(book=str(uuid.UUID(int=0)))
        books_pb2_grpc.BookServiceStub(peer).GetBookFacts(request, timeout=_TIMEOUT_S)


def _ask_print(config: SigningConfig) -> None:
    """Ask for a rendition that cannot exist: NOT_FOUND shows that print answers and lets us in."""
    with channel(config.print, "print") as peer, contextlib.suppress(NotFound), calling("print"):
        request = print_pb2.GetRenditionRequest(rendition=str(uuid.UUID(int=0)))
        print_pb2_grpc.PrintServiceStub(peer).GetRendition(request, timeout=_TIMEOUT_S)
