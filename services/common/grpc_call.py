"""One call at the edge: who calls, may it, does it fit into the client's share; then its message is
received, a thread does the work, and the answer is sent.

All but the work happens in the server's event loop, so a call that waits for its peer holds a few
kilobytes and no thread. Nothing is read before the client is known and admitted, and everything
that is awaited from a peer has a deadline of the server's (ADR-0060).
"""

import asyncio
import contextvars
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import grpc
import psycopg
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from services.common import grpc_status, identity, limits, log
from services.common.errors import Exhausted, Forbidden, Forged, HosoError, Invalid, Unauthenticated, Violation
from services.common.identity import Access, Caller
from services.common.limits import REPORTED
from services.common.peer import Clients
from services.common.settings import ServerConfig
from services.common.shares import Shares, Workers
from services.common.tokens import TokenVerifier

Refusal = Callable[[Caller, str, HosoError], None]
"""Called with caller, RPC and error after a refusal, to write an audit row."""
Answer = TypeVar("Answer")

_log = log.get(__name__)


class CallerGone(Exception):
    """The peer has ended the call, or its deadline is over: nobody waits for an answer."""


@dataclass(frozen=True)
class Door:
    """What all calls of a server share. table: RPC → who may call it."""

    loop: asyncio.AbstractEventLoop
    config: ServerConfig
    table: Mapping[str, Access]
    verifier: TokenVerifier
    refused: Refusal
    shares: Shares
    workers: Workers
    clients: Clients


class ServicerContext:
    """What a servicer may ask about its call."""

    def __init__(self, call: "Call") -> None:
        self._call = call

    def is_active(self) -> bool:
        """Whether somebody still waits for the answer."""
        return not self._call.gone

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, None when it set none."""
        return self._call.time_remaining()


class Call:
    """A call from its headers to its end. kind: of its share, "calls", "uploads" or "watches"."""

    def __init__(self, door: Door, rpc: str, context: Any, kind: str) -> None:
        self.gone = False
        self.caller = Caller(client="unknown")
        self._door, self._rpc, self._context, self._kind = door, rpc, context, kind
        self._slow = False
        self._request: Any = None
        self._unsent: asyncio.TimerHandle | None = None
        self._taken: list[tuple[str, int]] = []
        self._variables = contextvars.copy_context()
        self._loop = door.loop

    async def __aenter__(self) -> "Call":
        self._context.add_done_callback(self._ended)
        try:
            self._admit()
        except HosoError as e:
            await self._refuse(e)
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, tb: Any) -> None:
        if error is None or isinstance(error, asyncio.CancelledError | grpc.aio.AbortError | GeneratorExit):
            return
        if isinstance(error, CallerGone) or self.gone:
            _log.info("caller gone", rpc=self._rpc, client=self.caller.client)
            raise asyncio.CancelledError from error
        if isinstance(error, Forged):
            _log.error("forged", rpc=self._rpc, reason=error.reason, alarm=True, **error.facts)
        if isinstance(error, HosoError):
            await self._refuse(error)
        if isinstance(error, psycopg.DataError):
            _log.error("value refused by the database alone", rpc=self._rpc, error=type(error).__name__)
            await self._refuse(Invalid(_unstorable(self._request)))
        # The message of a library's exception may quote a row; type and place suffice to find the
        # bug.
        _log.error("internal error", rpc=self._rpc, error=type(error).__name__, frames="".join(traceback.format_tb(tb)))
        await self._abort(grpc_status.INTERNAL)

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, None when it set none."""
        remaining: float | None = self._context.time_remaining()
        return remaining

    async def receive(self) -> bytes | None:
        """The next message, None after the last. Raises Exhausted REQUEST_TOO_SLOW, SHARE_USED."""
        task = asyncio.current_task(self._loop)  # without the loop it would ask for it, a system call
        assert task is not None
        timer = self._loop.call_later(self._door.config.receive_s, self._give_up, task)
        try:
            message = await self._context.read()
        except asyncio.CancelledError:
            if not self._slow:
                raise
            task.uncancel()
            text = "Yêu cầu được gửi quá chậm nên bị dừng; hãy gửi lại."
            raise Exhausted("REQUEST_TOO_SLOW", text, seconds=f"{self._door.config.receive_s:g}") from None
        finally:
            timer.cancel()
        if message is grpc.aio.EOF:
            return None
        self._take("bytes", len(message))
        return bytes(message)

    async def receive_only(self) -> bytes:
        """The message of a call that sends one. Raises Invalid NO_MESSAGE, and as `receive`."""
        message = await self.receive()
        if message is None:
            raise Invalid([Violation("", "NO_MESSAGE", "Yêu cầu không có nội dung.")])
        return message

    def parsed(self, deserialize: Callable[[bytes], Any], message: bytes) -> Any:
        """The request of a call that sends one, as `parse`."""
        self._request = parse(deserialize, message)
        return self._request

    async def send(self, message: bytes) -> None:
        """Send one message of a stream. Raises Exhausted ANSWER_NOT_TAKEN when the peer does not
        read, CallerGone when it leaves in this moment.
        """
        try:
            async with asyncio.timeout(self._door.config.send_s):
                await self._context.write(message)
        except grpc.aio.InternalError as e:
            raise CallerGone from e
        except TimeoutError:
            text = "Bên gọi không nhận kết quả nên yêu cầu bị dừng."
            raise Exhausted("ANSWER_NOT_TAKEN", text, seconds=f"{self._door.config.send_s:g}") from None

    def answer(self, message: bytes) -> bytes:
        """The only message of an answer, counted until it is sent; a peer that does not take it
        ends the call.
        """
        self._take("bytes", len(message))
        task = asyncio.current_task(self._loop)
        if task is not None:
            self._unsent = self._loop.call_later(self._door.config.send_s, task.cancel)
        return message

    async def work(self, function: Callable[[], Answer]) -> Answer:
        """The answer of a function that a thread executes, in the name of the caller."""
        return await self._door.workers.run(self.caller.client, lambda: self._act(function), self._variables)

    def messages(self, deserialize: Callable[[bytes], Any]) -> Iterator[Any]:
        """The messages of the stream that the peer sends, for a thread outside of the loop."""
        while True:
            message = asyncio.run_coroutine_threadsafe(self.receive(), self._loop).result()
            if self.gone:
                raise CallerGone
            if message is None:
                return
            yield parse(deserialize, message)
            self._loop.call_soon_threadsafe(self._give_back_bytes, len(message))

    def within(self, function: Callable[[], Answer]) -> Answer:
        """The answer of a function in the name of the caller, in this thread."""
        return self._variables.run(self._act, function)

    def _act(self, function: Callable[[], Answer]) -> Answer:
        identity.acting(self.caller)
        identity.verifying(self._door.verifier)
        return function()

    def _give_up(self, task: "asyncio.Task[Any]") -> None:
        """The peer's message has not come in time."""
        self._slow = True
        task.cancel()

    def _admit(self) -> None:
        """Who calls, and within its share; the access table; then the token, which costs more.

        Raises Unauthenticated, Forbidden, Exhausted, Invalid DEADLINE.
        """
        try:
            client = self._door.clients.identify(self._context.auth_context())
        except Unauthenticated:
            self._take(self._kind, 1)  # all who cannot be named have one share together
            raise
        self.caller = Caller(client=client)
        self._take(self._kind, 1)
        token = next((value for key, value in self._context.invocation_metadata() if key == "authorization"), None)
        identity.check_access(self._rpc, client, self._door.table.get(self._rpc), has_person=isinstance(token, str))
        if isinstance(token, str):
            scheme, _, value = token.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("TOKEN_INVALID", "Mã xác thực phải có dạng “Bearer …”.")
            person, school = self._door.verifier.verify(value, client)
            self.caller = Caller(client=client, person=person, school=school)

    def _take(self, kind: str, amount: int) -> None:
        self._door.shares.take(self.caller.client, kind, amount)
        self._taken.append((kind, amount))

    def _give_back_bytes(self, amount: int) -> None:
        if ("bytes", amount) in self._taken:
            self._taken.remove(("bytes", amount))
            self._door.shares.give_back(self.caller.client, "bytes", amount)

    def _ended(self, _: Any) -> None:
        """However the call ended: nobody waits for it, and what it held is free."""
        self.gone = True
        if self._unsent is not None:
            self._unsent.cancel()
        for kind, amount in self._taken:
            self._door.shares.give_back(self.caller.client, kind, amount)
        self._taken.clear()

    async def _refuse(self, error: HosoError) -> None:
        if isinstance(error, Forbidden | Unauthenticated):
            _log.warning("refused", rpc=self._rpc, client=self.caller.client, reason=error.reason)
            await self.work(lambda: self._door.refused(self.caller, self._rpc, error))
        await self._abort(grpc_status.status_of(error))

    async def _abort(self, status: status_pb2.Status) -> None:
        await self._context.abort_with_status(rpc_status.to_status(status))


def parse(deserialize: Callable[[bytes], Any], message: bytes) -> Any:
    """A message from its bytes, no larger than its fields may be.

    Raises Invalid NOT_PROTOBUF, and as `limits.check`.
    """
    try:
        request = deserialize(message)
    except DecodeError:
        text = "Nội dung yêu cầu không đúng định dạng protobuf."
        raise Invalid([Violation("", "NOT_PROTOBUF", text)]) from None
    limits.check(request)
    return request


def perform(behaviour: Callable[[Any, Any], Any], request: Any, context: ServicerContext) -> Any:
    """What a servicer's method answers to a request. Raises CallerGone when nobody waits for it."""
    if not context.is_active():
        raise CallerGone
    return behaviour(request, context)


def _unstorable(request: Any) -> list[Violation]:
    """What of a request the database has refused, as no use case did: text with U+0000, which
    PostgreSQL cannot store, by its field; otherwise a number too large or the like, without.
    """
    nul = list(islice(_nul_characters(request), REPORTED)) if isinstance(request, Message) else []
    return nul or [Violation("", "VALUE", "Có giá trị ngoài phạm vi cho phép.")]


def _nul_characters(message: Message, prefix: str = "") -> Iterator[Violation]:
    for field, value in message.ListFields():
        for index, item in enumerate(value) if field.is_repeated else [(None, value)]:
            path = f"{prefix}{field.name}" + ("" if index is None else f"[{index}]")
            if field.type == field.TYPE_STRING and "\0" in item:
                yield Violation(path, "CONTROL_CHARACTER", "Có ký tự điều khiển U+0000.")
            elif field.type == field.TYPE_MESSAGE:
                yield from _nul_characters(item, f"{path}.")
