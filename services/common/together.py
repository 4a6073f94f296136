"""Combining simultaneous calls, where the fixed cost of a piece of work exceeds its own.

There is no delay and no extra thread. A call that finds no other running begins at once, alone;
calls that arrive meanwhile wait, and the first of them does the work of all. When many wait,
another group begins before the running one has ended.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _WaitingCall(Generic[Item, Answer]):
    """A waiting call. gate: opened when `answer` is set, or when the call is to work on `group`."""

    __slots__ = ("answer", "gate", "group", "item")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.gate = threading.Lock()
        self.gate.acquire()
        self.answer: list[Answer | Exception] = []
        self.group: list[_WaitingCall[Item, Answer]] = []


class Together(Generic[Item, Answer]):
    """Combines the calls of threads. Threads share it."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer | Exception]],
        *,
        at_once: int,
        another_group_from: int,
        most: int,
    ) -> None:
        """Combine calls of `work`.

        work: answers a group of items, in their order, with an answer or an exception for each; an
            exception that it raises is the answer to all. at_once: groups that may run at the same
            time. another_group_from: number of waiting items that start another group while one
            runs. most: items per group.
        """
        self._work = work
        self._at_once, self._another_group_from, self._most = at_once, another_group_from, most
        self._lock = threading.Lock()
        self._waiting: deque[_WaitingCall[Item, Answer]] = deque()
        self._leaders = 0

    def do(self, item: Item) -> Answer:
        """The answer to an item, worked out alone or with others. Raises it when it is an
        exception.
        """
        call: _WaitingCall[Item, Answer] = _WaitingCall(item)
        with self._lock:
            self._waiting.append(call)
            leader = self._next()
        if leader is not None and leader is not call:
            leader.gate.release()
        if leader is not call:
            call.gate.acquire()
        if call.group:
            self._lead(call.group)
        (answer,) = call.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _next(self) -> _WaitingCall[Item, Answer] | None:
        """The first waiting call, with its group; None when no group is to begin now."""
        enough = self._another_group_from if self._leaders else 1
        if len(self._waiting) < enough or self._leaders == self._at_once:
            return None
        self._leaders += 1
        group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        group[0].group = group
        return group[0]

    def _lead(self, group: list[_WaitingCall[Item, Answer]]) -> None:
        try:
            answers = self._work([call.item for call in group])
        except Exception as e:  # noqa: BLE001 - raised by every call of the group
            answers = [e] * len(group)
        with self._lock:
            self._leaders -= 1
            following = self._next()
        if following is not None:
            following.gate.release()
        for call, answer in zip(group, answers, strict=True):
            call.answer.append(answer)
            call.gate.release()
