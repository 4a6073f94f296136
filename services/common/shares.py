"""What one client may hold of a service at a time, and whose call comes next.

Everything here runs in the event loop of the server, in one thread, and so needs no lock.
"""

import asyncio
import contextvars
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from services.common.errors import Exhausted

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Limits:
    """What one client name may hold at a time.

    calls: calls, waiting or running. uploads: calls that send a stream, each of which has a thread.
    watches: health and reflection streams. bytes: of requests and answers in hand.
    """

    calls: int
    uploads: int
    watches: int
    bytes: int


class Shares:
    """Counts what each client name holds, however many connections it has."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: Counter[tuple[str, str]] = Counter()

    def take(self, client: str, kind: str, amount: int = 1) -> None:
        """Take an amount of a kind, named as in `Limits`. Raises Exhausted SHARE_USED."""
        limit: int = getattr(self._limits, kind)
        if self._held[client, kind] + amount > limit:
            message = "Phần mềm này đang có quá nhiều yêu cầu cùng lúc; hãy gửi lại sau ít giây."
            raise Exhausted("SHARE_USED", message, kind=kind, limit=limit)
        self._held[client, kind] += amount

    def give_back(self, client: str, kind: str, amount: int = 1) -> None:
        """Give back an amount that was taken."""
        self._held[client, kind] -= amount
        if not self._held[client, kind]:
            del self._held[client, kind]


class Workers:
    """Threads that do the work of calls. Clients take turns, and no client holds all of them.

    A quarter of the threads is out of reach for any one client, so that another's call begins at
    once however much the first has waiting.
    """

    def __init__(self, threads: int) -> None:
        """Start none yet. The event loop must be running."""
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="rpc")
        self._free = threads
        self._most = max(1, threads - max(1, threads // 4))
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, client: str, work: Callable[[], Answer], within: contextvars.Context) -> Answer:
        """The answer of `work`, done by a thread within the context's variables.

        A call that is cancelled while it waits never begins; one that is running goes on and keeps
        its thread, whose answer is then dropped.
        """
        if self._free and self._running[client] < self._most:
            self._enter(client)
        else:
            await self._turn(client)
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._executor.submit(self._do, client, work, within, answer)
        return await answer

    def _do(
        self, client: str, work: Callable[[], Answer], within: contextvars.Context, answer: "asyncio.Future[Answer]"
    ) -> None:
        """In a thread: the work, and one message to the loop about it."""
        try:
            done = within.run(work)
        except BaseException as e:  # noqa: BLE001 - raised by `run`
            error = RuntimeError("work raised StopIteration") if isinstance(e, StopIteration) else e
            self._loop.call_soon_threadsafe(self._failed, client, answer, error)
        else:
            self._loop.call_soon_threadsafe(self._done, client, answer, done)

    def _done(self, client: str, answer: "asyncio.Future[Answer]", done: Answer) -> None:
        self._leave(client)
        if not answer.done():
            answer.set_result(done)

    def _failed(self, client: str, answer: "asyncio.Future[Any]", error: BaseException) -> None:
        self._leave(client)
        if not answer.done():
            answer.set_exception(error)

    def close(self) -> None:
        """Wait for the running work, start no other."""
        self._executor.shutdown(cancel_futures=True)

    async def _turn(self, client: str) -> None:
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(client)  # its turn had come
            raise

    def _enter(self, client: str) -> None:
        self._free -= 1
        self._running[client] += 1

    def _leave(self, client: str) -> None:
        self._free += 1
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        self._admit()

    def _admit(self) -> None:
        """Let the next calls begin: one per client in turn, while threads are free."""
        while self._free:
            client = next((c for c in self._waiting if self._running[c] < self._most), None)
            if client is None:
                return
            turns = self._waiting[client]
            turn = turns.popleft()
            if turns:
                self._waiting.move_to_end(client)
            else:
                del self._waiting[client]
            if not turn.done():
                self._enter(client)
                turn.set_result(None)
