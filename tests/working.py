"""A worker of jobs in a thread of the test, as the role `work` runs it in a process."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from services.common import worker
from services.common.db import Database


@contextmanager
def working(
    database: Database,
    handlers: Mapping[str, worker.Handler],
    *,
    concurrency: int = 2,
    lease_s: float = 30.0,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    """Work while the block runs, or until `stop` is set; fails the test when the worker hangs."""
    stop = stop or threading.Event()
    thread = threading.Thread(
        target=worker.run,
        args=(database, handlers),
        kwargs={"concurrency": concurrency, "lease_s": lease_s, "stop": stop},
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the worker does not end"
