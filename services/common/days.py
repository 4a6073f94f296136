"""Work that is due once per day in UTC (07:00 in Vietnam)."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from services.common import log
from services.common.db import Database, Tx
from services.common.errors import Unavailable

_LOOK_S = 60.0
_log = log.get(__name__)


def day(time: datetime) -> str:
    """The day of a moment (aware), such as ``2026-12-01``: the key of that day's job."""
    return time.astimezone(UTC).date().isoformat()


def queue_every_day(
    name: str, database: Database, stop: threading.Event, queue: Callable[[Tx, datetime], object]
) -> None:
    """Start a thread that calls `queue` now and whenever a new day has begun, until `stop` is set.

    queue: puts the day's job into the open transaction; repeating it must change nothing.
    """
    threading.Thread(target=_repeat, args=(name, database, stop, queue), name=f"{name}-days", daemon=True).start()


def _repeat(name: str, database: Database, stop: threading.Event, queue: Callable[[Tx, datetime], object]) -> None:
    queued = ""
    while not stop.is_set():
        now = datetime.now(UTC)
        if day(now) != queued:
            try:
                with database.transaction() as tx:
                    queue(tx, now)
                queued = day(now)
            except Unavailable as e:
                _log.warning("the day's job cannot be queued; trying again", job=name, reason=e.reason)
        stop.wait(_LOOK_S)
