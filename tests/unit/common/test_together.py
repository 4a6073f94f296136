"""Calls done together: each gets its own answer, whoever did the work, and nobody waits for
ever.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.common.together import Together
from tests.waiting import eventually


class Work:
    """Doubles numbers; negative ones are refused; notes the groups and how many ran at a time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.groups: list[list[int]] = []
        self.running = self.most_running = 0
        self.lock = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        with self.lock:
            self.groups.append(list(items))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        if 1_000_000 in items:
            raise RuntimeError("the whole group")
        return [ValueError(item) if item < 0 else 2 * item for item in items]


def answer(together: Together[int, int], item: int) -> int | str:
    try:
        return together.do(item)
    except (ValueError, RuntimeError) as e:
        return str(e)


def test_a_single_call_begins_at_once() -> None:
    work = Work()
    together = Together(work, at_once=1, another_group_from=1, most=10)
    assert [together.do(1), together.do(2)] == [2, 4]
    assert work.groups == [[1], [2]]


@pytest.mark.parametrize("at_once", [1, 2])
def test_each_of_many_threads_gets_its_own_answer(at_once: int) -> None:
    work = Work(0.001)
    together = Together(work, at_once=at_once, another_group_from=1, most=5)
    items = [number if number % 7 else -number for number in range(1, 501)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda item: answer(together, item), items))
    assert answers == [2 * item if item > 0 else str(item) for item in items]
    assert sorted(item for group in work.groups for item in group) == sorted(items)
    assert max(map(len, work.groups)) == 5
    assert work.most_running == at_once
    assert len(work.groups) < len(items)


def test_an_error_of_the_work_answers_its_group_only() -> None:
    together = Together(Work(), at_once=1, another_group_from=1, most=10)
    with pytest.raises(RuntimeError, match="the whole group"):
        together.do(1_000_000)
    assert together.do(4) == 8


def test_calls_that_arrive_meanwhile_are_answered_by_the_first_of_them() -> None:
    began, go_on = threading.Event(), threading.Event()
    groups: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        began.set()
        assert go_on.wait(10)
        return list(items)

    together: Together[int, int] = Together(work, at_once=1, another_group_from=1, most=10)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(together.do, 1)
        assert began.wait(10)
        others = [pool.submit(together.do, number) for number in (2, 3, 4)]
        eventually(lambda: len(together._waiting) == 3)
        go_on.set()
        assert [first.result(10), *(call.result(10) for call in others)] == [1, 2, 3, 4]
    assert [sorted(group) for group in groups] == [[1], [2, 3, 4]]


def test_many_waiting_calls_begin_another_group_before_the_first_has_ended() -> None:
    go_on = threading.Event()
    groups: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        assert go_on.wait(10)
        return list(items)

    together: Together[int, int] = Together(work, at_once=2, another_group_from=3, most=10)

    def waits_for(count: int, groups_under_way: int) -> None:
        eventually(lambda: (len(together._waiting), len(groups)) == (count, groups_under_way))

    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(together.do, 1)]
        waits_for(0, 1)
        calls += [pool.submit(together.do, number) for number in (2, 3)]
        waits_for(2, 1)  # too few for another group
        calls.append(pool.submit(together.do, 4))
        waits_for(0, 2)
        calls += [pool.submit(together.do, number) for number in (5, 6, 7, 8)]
        waits_for(4, 2)  # enough, but two groups are under way
        go_on.set()
        assert [call.result(10) for call in calls] == list(range(1, 9))
    assert [sorted(group) for group in groups] == [[1], [2, 3, 4], [5, 6, 7, 8]]
