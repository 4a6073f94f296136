"""How the command line, tests and fault drills talk to a running supervisor: JSON lines over a Unix
socket.

The socket lies in a folder that only its user may enter. One request a connection: ``{"action":
…}`` and its answer, ``{"result": …}`` or ``{"error": …}``.
"""

import asyncio
import contextlib
import dataclasses
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from .layout import LocalError, Stack

ACTIONS = ("status", "down", "kill", "stop", "start")
_LONGEST_S = 180.0


@dataclasses.dataclass(frozen=True)
class Request:
    """action: one of ACTIONS. process: whom it concerns. signal: what ``kill`` sends."""

    action: str
    process: str = ""
    signal: int = int(signal.SIGKILL)


class NoSupervisorError(LocalError):
    """No supervisor runs this stack."""


def ask(stack: Stack, request: Request) -> object:
    """Send one request to the stack's supervisor and wait for its answer.

    Raises NoSupervisorError when none runs, LocalError with the supervisor's own words when it
    refuses.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_LONGEST_S)
        try:
            connection.connect(str(_path(stack)))
            connection.sendall(json.dumps(dataclasses.asdict(request)).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
        except (FileNotFoundError, ConnectionError) as e:
            raise NoSupervisorError(f"the stack {stack.name!r} is not running; start it with: make up") from e
        except TimeoutError as e:
            raise LocalError(f"the supervisor of {stack.name!r} did not answer within {_LONGEST_S:.0f} s") from e
    if not line:
        raise NoSupervisorError(f"the supervisor of {stack.name!r} ended while it was asked")
    answer = json.loads(line)
    if "error" in answer:
        raise LocalError(answer["error"])
    return answer["result"]


@contextlib.asynccontextmanager
async def serve(stack: Stack, answer: Callable[[Request], Awaitable[object]]) -> AsyncIterator[None]:
    """Answer requests while the block runs."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = Request(**json.loads(await reader.readline()))
            if request.action not in ACTIONS:
                raise LocalError(f"unknown action {request.action!r}")
            reply = {"result": await answer(request)}
        except LocalError as e:
            reply = {"error": str(e)}
        except (ValueError, TypeError) as e:
            reply = {"error": f"not a request: {e}"}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    _path(stack).unlink(missing_ok=True)
    server = await asyncio.start_unix_server(respond, _path(stack))
    try:
        yield
    finally:
        server.close()
        _path(stack).unlink(missing_ok=True)


def _path(stack: Stack) -> Path:
    return stack.sockets / "control.sock"
