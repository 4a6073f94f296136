"""The `work` role: claims due jobs, runs their handlers in threads, keeps their leases alive and
records how they end.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Mapping

import structlog

from services.common import audit, identity, jobs, log, ready
from services.common.db import Database, Tx
from services.common.errors import Forbidden, Forged, Invalid, NotFound, Rejected, Unavailable, Waiting
from services.common.jobs import Job, LeaseLost

Handler = Callable[[Job], None]

POLL_S = 1.0
"""Longest time until a job whose time has come is noticed, when no notification comes."""
STOP_S = 30.0
"""How long running handlers may take to end after `stop`. Handlers that take longer are left; their
leases run out.
"""

_FINAL = (Rejected, Invalid, NotFound, Forbidden)
_log = log.get(__name__)


def run(
    database: Database,
    handlers: Mapping[str, Handler],
    *,
    concurrency: int,
    lease_s: float,
    stop: threading.Event,
) -> None:
    """Work until `stop` is set: up to `concurrency` jobs at a time, of the kinds that `handlers`
    names.

    A handler calls `jobs.finish` or `jobs.finish_for_now` in the transaction that writes its
    result. What it raises decides what follows: Waiting and Unavailable stand aside without using
    up an attempt; Rejected, Invalid, NotFound and Forbidden make the job dead, and Forged raises an
    alarm besides: in the log (`alarm`) and in the audit chain ``alarms``. Anything else, and
    returning without finishing, is retried and dead after eight attempts.

    lease_s: how soon a killed worker's job is taken over by another, at least 3; it is renewed
    three times as often.
    """
    _Worker(database, handlers, concurrency, lease_s, stop).run()


class _Worker:
    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        concurrency: int,
        lease_s: float,
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._stop = stop
        self._free = threading.Semaphore(concurrency)
        # By run, not by the job's id: a job that stands aside may be claimed again before its run
        # has ended here.
        self._running: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        heartbeat = threading.Thread(target=self._keep_leases, name="leases", daemon=True)
        heartbeat.start()
        ready.ready()
        try:
            while not self._stop.is_set():
                self._start_next()
            self._drain()
        finally:
            self._ended.set()
            heartbeat.join()

    def _start_next(self) -> None:
        if not self._free.acquire(timeout=POLL_S):
            return
        job = None
        try:
            with self._database.transaction() as tx:
                job = jobs.claim(tx, list(self._handlers), self._lease_s)
        except Unavailable as e:
            _log.warning("jobs cannot be claimed; trying again", reason=e.reason)
            self._stop.wait(POLL_S)
        finally:
            if job is None:
                self._free.release()
        if job is None:
            self._wait_for_work()
            return
        with self._lock:
            self._running[id(job)] = job
        # A daemon thread: a handler that hangs must not keep the process from ending after STOP_S.
        # It runs in a copy of this thread's context, whose log lines name the service and its role.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._handle, job), name=f"job-{job.id}", daemon=True).start()

    def _wait_for_work(self) -> None:
        try:
            self._database.listen(jobs.CHANNEL, POLL_S)
        except Unavailable:
            self._stop.wait(POLL_S)

    def _handle(self, job: Job) -> None:
        try:
            with structlog.contextvars.bound_contextvars(job=job.id, kind=job.kind, attempt=job.attempt):
                self._record(job, self._outcome(job))
        finally:
            with self._lock:
                del self._running[id(job)]
            self._free.release()

    def _outcome(self, job: Job) -> Exception | None:
        try:
            self._handlers[job.kind](job)
        except Exception as e:  # noqa: BLE001 - every kind of failure is recorded on the job's row
            return e
        return None

    def _record(self, job: Job, error: Exception | None) -> None:
        """Write how the job ended. While the database is away the lease runs out and the job is
        simply run again.
        """
        reason = "NOT_FINISHED" if error is None else log.describe(error)
        try:
            with self._database.transaction() as tx:
                if isinstance(error, LeaseLost):
                    _log.warning("lease lost; another worker has the job")
                elif isinstance(error, Waiting | Unavailable):
                    jobs.stand_aside(tx, job, reason)
                    _log.info("job stands aside", reason=reason)
                elif jobs.fail(tx, job, reason, final=isinstance(error, _FINAL)):
                    if isinstance(error, Forged):
                        _alarm(tx, job, error)
                    _log.error("job failed", reason=reason, alarm=isinstance(error, Forged))
                elif error is None:
                    _log.info("job done")
        except Unavailable as e:
            _log.warning("the job's end cannot be recorded; it will run again", reason=e.reason)

    def _keep_leases(self) -> None:
        while not self._ended.wait(self._lease_s / 3):
            with self._lock:
                running = list(self._running.values())
            if not running:
                continue
            try:
                with self._database.transaction() as tx:
                    jobs.renew(tx, running, self._lease_s)
            except Unavailable as e:
                _log.warning("leases cannot be renewed", reason=e.reason, jobs=len(running))

    def _drain(self) -> None:
        deadline = time.monotonic() + STOP_S
        for _ in range(self._concurrency):
            if not self._free.acquire(timeout=max(0.0, deadline - time.monotonic())):
                _log.warning("handlers did not end in time; their leases will run out", jobs=len(self._running))
                return


def _alarm(tx: Tx, job: Job, error: Forged) -> None:
    subject = f"jobs/{job.kind}/{job.key}"
    audit.append(tx, audit.AuditRow("alarms", error.reason, subject, error.facts, identity.SYSTEM))
