"""Waiting for something that another thread, process or server does."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def eventually(condition: Callable[[], Result], timeout_s: float = 20.0) -> Result:
    """Wait until `condition` gives a true value, and return it. Fails the test when it does not in
    time.
    """
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)
    return result
