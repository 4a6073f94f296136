"""Heavy work: rows that worker threads claim, run and finish, at least once, one thread at a time.

A handler may be killed at any point and run again, so it looks up what it has already done, and it
calls `finish` in the transaction that writes its result: when its lease was taken over meanwhile,
that transaction rolls back.
"""

import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from psycopg.types.json import Jsonb

from services.common.db import Tx
from services.common.errors import NotFound, Rejected
from services.common.rows import one_row, rows, scalars

CHANNEL: Final = "hoso_jobs"
MAX_ATTEMPTS: Final = 8
MAX_WAIT_S: Final = 60.0
"""Longest pause before a job that stood aside (Waiting, Unavailable) is tried again."""
MAX_RETRY_S: Final = 600.0

_WAITING: Final = "waiting"
_RUNNING: Final = "running"
_DONE: Final = "done"
_DEAD: Final = "dead"
"""States of a job. Statements hold them as text, not as parameters: so the planner sees that a
condition is that of a partial index.
"""
_IS_OPEN: Final = f"state IN ('{_WAITING}', '{_RUNNING}')"
"""The condition of the partial index of the jobs that are not over."""


class LeaseLost(Exception):
    """Another worker has taken this job over; this one must not write its result."""


@dataclass(frozen=True)
class Job:
    """A claimed job.

    key: unique within its kind. payload: ids and digests. attempt: 1 for the first try.
    lease: names this claim; `finish` compares it.
    """

    id: int
    kind: str
    key: str
    payload: Mapping[str, str]
    attempt: int
    lease: uuid.UUID = field(repr=False)


@dataclass(frozen=True)
class DeadJob:
    """A job that gave up. last_error: code and place, without personal data."""

    id: int
    kind: str
    key: str
    attempts: int
    last_error: str
    dead_time: datetime


@dataclass(frozen=True)
class JobCounts:
    """open: jobs due, running or waiting; oldest_time: when the oldest of them was queued.

    dead: jobs that gave up.
    """

    open: int
    oldest_time: datetime | None
    dead: int


def enqueue(
    tx: Tx, kind: str, key: str, payload: Mapping[str, str], *, priority: int = 0, delay_s: float = 0.0
) -> bool:
    """Queue a job when, and only when, `tx` commits.

    False when `key` was queued before for this kind, done or not. priority: higher goes first; bulk
    work is 0, a single reprint that someone waits for is 10.
    """
    new = tx.execute(
        "INSERT INTO job (kind, key, payload, priority, due_time)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s)) ON CONFLICT (kind, key) DO NOTHING",
        (kind, key, Jsonb(dict(payload)), priority, delay_s),
    )
    _notify(tx)
    return new.rowcount == 1


def request(tx: Tx, kind: str, payloads: Mapping[str, Mapping[str, str]]) -> None:
    """Make jobs due as soon as `tx` commits, each with its key and payload, also those done before.

    A job that runs now and ends with `finish_for_now` or stands aside is run again at once, since
    it may have looked too early. Jobs that failed keep their pause, and dead ones stay dead until
    an operator replays them.
    """
    if not payloads:
        return
    # In the order of their keys, so that two transactions that ask for the same jobs cannot block
    # each other.
    tx.execute(
        "INSERT INTO job (kind, key, payload)"  # noqa: S608 - constants
        " SELECT %s, key, payload FROM unnest(%s::text[], %s::jsonb[]) AS wanted (key, payload) ORDER BY key"
        " ON CONFLICT (kind, key) DO UPDATE SET woken = true, finished_time = NULL,"
        f" state = CASE job.state WHEN '{_DONE}' THEN '{_WAITING}' ELSE job.state END,"
        f" due_time = CASE job.state WHEN '{_RUNNING}' THEN job.due_time ELSE now() END,"
        f" created_time = CASE job.state WHEN '{_DONE}' THEN now() ELSE job.created_time END,"
        f" attempt = CASE job.state WHEN '{_DONE}' THEN 0 ELSE job.attempt END,"
        f" waits = CASE job.state WHEN '{_DONE}' THEN 0 ELSE job.waits END"
        f" WHERE job.state IN ('{_DONE}', '{_RUNNING}') OR (job.state = '{_WAITING}' AND job.waits > 0)",
        (kind, list(payloads), [Jsonb(dict(payload)) for payload in payloads.values()]),
    )
    _notify(tx)


def aside(tx: Tx, kind: str) -> list[str]:
    """Keys of the jobs of this kind that stand aside, or run now and may do so."""
    statement = (
        f"SELECT key FROM job WHERE {_IS_OPEN} AND kind = %s"  # noqa: S608 - constants
        f" AND (state = '{_RUNNING}' OR waits > 0)"
    )
    return scalars(tx, str, statement, (kind,)).fetchall()


def wake(tx: Tx, kind: str, keys: Collection[str]) -> None:
    """What these jobs may wait for has happened: those that stand aside are due when `tx` commits.

    A job that is running now and stands aside later is tried again at once, since it may have
    looked too early.
    """
    tx.execute(
        f"UPDATE job SET woken = true, due_time = CASE state WHEN '{_WAITING}' THEN now() ELSE due_time END"  # noqa: S608 - constants
        " WHERE id IN (SELECT id FROM job WHERE kind = %s AND key = ANY(%s)"
        f" AND (state = '{_RUNNING}' OR (state = '{_WAITING}' AND waits > 0)) ORDER BY key FOR UPDATE)",
        (kind, list(keys)),
    )
    _notify(tx)


def finish(tx: Tx, job: Job) -> None:
    """Mark `job` done in the caller's transaction. Raises LeaseLost when another worker has it."""
    done = tx.execute(
        "UPDATE job SET state = %s, lease = NULL, finished_time = now(), last_error = NULL"
        " WHERE id = %s AND lease = %s",
        (_DONE, job.id, job.lease),
    )
    if done.rowcount != 1:
        raise LeaseLost(f"job {job.id}")


def finish_for_now(tx: Tx, job: Job) -> None:
    """Mark `job` done until `request` asks for it again; when that happened during this run, it is
    due again at once. For a handler that finds nothing it can do. Raises LeaseLost like `finish`.
    """
    done = tx.execute(
        f"UPDATE job SET state = CASE WHEN woken THEN '{_WAITING}' ELSE '{_DONE}' END,"  # noqa: S608 - constants
        " lease = NULL, last_error = NULL,"
        " attempt = CASE WHEN woken THEN attempt - 1 ELSE attempt END, due_time = now(),"
        " finished_time = CASE WHEN NOT woken THEN now() END WHERE id = %s AND lease = %s",
        (job.id, job.lease),
    )
    if done.rowcount != 1:
        raise LeaseLost(f"job {job.id}")
    _notify(tx)


def list_dead(tx: Tx, *, limit: int = 100, before_id: int | None = None) -> list[DeadJob]:
    """Jobs that gave up, the newest id first, at most `limit`.

    The next page starts before the last id of this one.
    """
    return rows(
        tx,
        DeadJob,
        "SELECT id, kind, key, attempt AS attempts, last_error, finished_time AS dead_time FROM job"  # noqa: S608 - constants
        f" WHERE state = '{_DEAD}' AND (%(before)s::bigint IS NULL OR id < %(before)s)"
        " ORDER BY id DESC LIMIT %(limit)s",
        {"before": before_id, "limit": limit},
    ).fetchall()


def replay(tx: Tx, job_id: int) -> None:
    """Make a dead job due again with a full set of attempts.

    Raises NotFound JOB_NOT_FOUND; Rejected JOB_NOT_DEAD.
    """
    state_before = scalars(tx, str, "SELECT state FROM job WHERE id = %s FOR UPDATE", (job_id,)).fetchone()
    if state_before is None:
        raise NotFound("JOB_NOT_FOUND", f"Không có công việc số {job_id}.", job=job_id)
    if state_before != _DEAD:
        raise Rejected("JOB_NOT_DEAD", f"Công việc số {job_id} chưa bị dừng hẳn.", job=job_id, state=state_before)
    tx.execute(
        "UPDATE job SET state = %s, attempt = 0, waits = 0, due_time = now(), finished_time = NULL WHERE id = %s",
        (_WAITING, job_id),
    )
    _notify(tx)


def state(tx: Tx) -> JobCounts:
    """How much is open and how much gave up."""
    # Two questions, because each has its own index; done rows are many and are never removed.
    statement = (
        "SELECT count(*) AS open, min(created_time) AS oldest_time,"  # noqa: S608 - constants
        f" (SELECT count(*) FROM job WHERE state = '{_DEAD}') AS dead"
        f" FROM job WHERE {_IS_OPEN}"
    )
    return one_row(rows(tx, JobCounts, statement))


def claim(tx: Tx, kinds: Sequence[str], lease_s: float) -> Job | None:
    """Take the next due job of these kinds for `lease_s` seconds, or None; for `worker.run`.

    A job whose lease ran out is taken over; that has used up an attempt, and the eighth makes it
    dead.
    """
    while True:
        job = rows(
            tx,
            Job,
            "UPDATE job SET state = %s, lease = %s, attempt = attempt + 1, woken = false,"  # noqa: S608 - constants
            " due_time = clock_timestamp() + make_interval(secs => %s)"
            f" WHERE id = (SELECT id FROM job WHERE {_IS_OPEN} AND kind = ANY(%s)"
            " AND due_time <= now() ORDER BY priority DESC, due_time, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING id, kind, key, payload, attempt, lease",
            (_RUNNING, uuid.uuid4(), lease_s, list(kinds)),
        ).fetchone()
        if job is None or job.attempt <= MAX_ATTEMPTS:
            return job
        tx.execute(
            "UPDATE job SET state = %s, lease = NULL, finished_time = now(), attempt = attempt - 1,"
            " last_error = 'LEASE_EXPIRED' WHERE id = %s",
            (_DEAD, job.id),
        )


def renew(tx: Tx, jobs: Sequence[Job], lease_s: float) -> None:
    """Prolong the leases of running jobs; a lease that was taken over stays lost."""
    # A row that is locked is being finished or asked for, in a transaction that may lock several
    # rows in another order: it is left to the next heartbeat, of which there are three to a lease.
    tx.execute(
        "UPDATE job SET due_time = clock_timestamp() + make_interval(secs => %s)"
        " WHERE id IN (SELECT id FROM job WHERE lease = ANY(%s) AND id = ANY(%s) FOR UPDATE SKIP LOCKED)",
        (lease_s, [job.lease for job in jobs], [job.id for job in jobs]),
    )


def stand_aside(tx: Tx, job: Job, reason: str) -> None:
    """Give the job back without using up its attempt: due at once when it was woken meanwhile,
    otherwise after 1, 2, 4 … at most sixty seconds.
    """
    tx.execute(
        "UPDATE job SET state = %s, lease = NULL, attempt = attempt - 1, waits = waits + 1, last_error = %s,"
        " due_time = CASE WHEN woken THEN now()"
        " ELSE now() + make_interval(secs => least(%s, power(2, least(waits, 10)))) END WHERE id = %s AND lease = %s",
        (_WAITING, reason, MAX_WAIT_S, job.id, job.lease),
    )


def fail(tx: Tx, job: Job, reason: str, *, final: bool) -> bool:
    """Record a failed attempt: dead when `final` or when it was the eighth, otherwise due after
    2, 6, 18 … seconds.

    False, and nothing changes, when the job is finished or was taken over.
    """
    dead = final or job.attempt >= MAX_ATTEMPTS
    # A random tenth keeps jobs that failed together from coming back together.
    delay_s = min(MAX_RETRY_S, 2 * 3 ** (job.attempt - 1)) * random.uniform(0.9, 1.0)  # noqa: S311 - not a secret
    done = tx.execute(
        "UPDATE job SET state = %s, lease = NULL, waits = 0, last_error = %s,"
        " finished_time = CASE WHEN %s THEN now() END, due_time = now() + make_interval(secs => %s)"
        " WHERE id = %s AND lease = %s",
        (_DEAD if dead else _WAITING, reason, dead, delay_s, job.id, job.lease),
    )
    return done.rowcount == 1


def _notify(tx: Tx) -> None:
    tx.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
