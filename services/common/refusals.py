"""Refusals on record, without letting a caller fill the audit trail.

The trail cannot be deleted, so what a caller can make it hold is bounded: the first refusal of a
kind leaves a row at once, equal ones within the next minute are counted and leave one row with
their number, and a client that varies its refusals has at most KINDS_PER_CLIENT kinds per minute.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from services.common import audit, log
from services.common.audit import AuditRow
from services.common.db import Database
from services.common.errors import HosoError, Unavailable
from services.common.identity import Caller

PERIOD_S = 60.0
KINDS_PER_CLIENT = 20
"""Kinds of refusals (RPC, reason, person, school) that have rows of their own per client and
period; all further ones of the client are counted together.
"""
MAX_FACT = 200
"""Characters of a fact that are kept: it repeats what the caller sent."""
OTHERS = "OTHER_REFUSALS"

_log = log.get(__name__)


class _Kind(NamedTuple):
    rpc: str
    reason: str
    caller: Caller


class Refusals:
    """Writes the rows of one service's refusals, into the chain ``access``. Threads share it.

    A caller who may not pass is refused even while the database is away; then the log line alone
    remains.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._repeated: dict[_Kind, int] = {}
        self._kinds: Counter[str] = Counter()
        self._timer: threading.Timer | None = None

    def __call__(self, who: Caller, rpc: str, error: HosoError) -> None:
        """Record a refusal, or count it."""
        kind = _Kind(rpc, error.reason, who)
        with self._lock:
            rows = self._ended()
            if kind not in self._repeated and self._kinds[who.client] >= KINDS_PER_CLIENT:
                kind = _Kind("*", OTHERS, Caller(who.client))
            if kind in self._repeated:
                self._repeated[kind] += 1
            else:
                self._begin(kind)
                facts = {"reason": kind.reason} | (error.facts if kind.reason == error.reason else {})
                kept = {name: value[:MAX_FACT] for name, value in facts.items()}
                rows.append(AuditRow("access", "REFUSED", kind.rpc, kept, kind.caller))
        self._write(rows)

    def flush(self) -> None:
        """Write the numbers of a period that has ended."""
        with self._lock:
            self._timer = None
            rows = self._ended()
        self._write(rows)

    def _begin(self, kind: _Kind) -> None:
        if not self._repeated:
            self._until = self._clock() + PERIOD_S
            self._timer = threading.Timer(PERIOD_S + 0.1, self.flush)
            self._timer.daemon = True
            self._timer.start()
        self._repeated[kind] = 0
        self._kinds[kind.caller.client] += 1

    def _ended(self) -> list[AuditRow]:
        """The rows of the period if it is over; the next begins with the next refusal."""
        if self._clock() < self._until:
            return []
        rows = [
            AuditRow("access", "REFUSED_AGAIN", kind.rpc, {"reason": kind.reason, "times": str(times)}, kind.caller)
            for kind, times in self._repeated.items()
            if times
        ]
        self._repeated.clear()
        self._kinds.clear()
        return rows

    def _write(self, rows: list[AuditRow]) -> None:
        if not rows:
            return
        try:
            with self._database.transaction() as tx:
                audit.append_all(tx, rows)
        except Unavailable as e:
            for row in rows:
                _log.error("refusal without audit row", rpc=row.subject, client=row.caller.client, reason=e.reason)
