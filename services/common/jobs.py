"""Heavy work: rows that worker threads claim, run and finish, at least once and never by two at a time.

A handler may be killed at any point and run again, so it looks up what it has already done, and it calls `finish` in
the transaction that writes its result: when its lease was taken over meanwhile, that transaction rolls back.
"""

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.types.json import Jsonb

from services.common.db import Tx
from services.common.errors import NotFound, Rejected

CHANNEL = "hoso_jobs"
MAX_ATTEMPTS = 8
MAX_WAIT_S = 60.0
"""Longest pause before a job that stood aside (Waiting, Unavailable) is tried again."""
MAX_RETRY_S = 600.0


class LeaseLost(Exception):
    """Another worker has taken this job over; whatever this one was about to write must not be written."""


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
class State:
    """open: jobs due, running or waiting; oldest_time: when the oldest of them was queued. dead: jobs that gave up."""

    open: int
    oldest_time: datetime | None
    dead: int


def enqueue(
    tx: Tx, kind: str, key: str, payload: Mapping[str, str], *, priority: int = 0, delay_s: float = 0.0
) -> bool:
    """Queue a job, when and only when `tx` commits. False when `key` was queued before for this kind, done or not.

    priority: higher goes first; bulk work is 0, a single reprint that someone waits for is 10.
    """
    row = tx.execute(
        "INSERT INTO job (kind, key, payload, priority, due_time)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s)) ON CONFLICT (kind, key) DO NOTHING RETURNING id",
        (kind, key, Jsonb(dict(payload)), priority, delay_s),
    ).fetchone()
    _notify(tx)
    return row is not None


def wake(tx: Tx, kind: str) -> None:
    """What jobs of this kind may wait for has happened: those that stood aside are due as soon as `tx` commits.

    A job that is running now and stands aside later is tried again at once, since it may have looked too early.
    """
    tx.execute(
        "UPDATE job SET woken = true, due_time = CASE state WHEN 'waiting' THEN now() ELSE due_time END"
        " WHERE id IN (SELECT id FROM job WHERE state IN ('waiting', 'running') AND kind = %s"
        " AND (state = 'running' OR waits > 0)"
        " ORDER BY id FOR UPDATE)",
        (kind,),
    )
    _notify(tx)


def finish(tx: Tx, job: Job) -> None:
    """Mark `job` done in the caller's transaction. Raises LeaseLost when another worker has taken it over."""
    done = tx.execute(
        "UPDATE job SET state = 'done', lease = NULL, finished_time = now(), last_error = NULL"
        " WHERE id = %s AND lease = %s",
        (job.id, job.lease),
    )
    if done.rowcount != 1:
        raise LeaseLost(f"job {job.id}")


def list_dead(tx: Tx, *, limit: int = 100, before_id: int | None = None) -> list[DeadJob]:
    """Jobs that gave up, the newest id first, at most `limit`; the next page starts before the last id of this one."""
    rows = tx.execute(
        "SELECT id, kind, key, attempt, last_error, finished_time FROM job"
        " WHERE state = 'dead' AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        {"before": before_id, "limit": limit},
    )
    return [DeadJob(*row) for row in rows]


def replay(tx: Tx, job_id: int) -> None:
    """Make a dead job due again with a full set of attempts.

    Raises NotFound JOB_NOT_FOUND; Rejected JOB_NOT_DEAD.
    """
    row = tx.execute("SELECT state FROM job WHERE id = %s FOR UPDATE", (job_id,)).fetchone()
    if row is None:
        raise NotFound("JOB_NOT_FOUND", f"Không có công việc số {job_id}.", job=job_id)
    if row[0] != "dead":
        raise Rejected("JOB_NOT_DEAD", f"Công việc số {job_id} chưa bị dừng hẳn.", job=job_id, state=row[0])
    tx.execute(
        "UPDATE job SET state = 'waiting', attempt = 0, waits = 0, due_time = now(), finished_time = NULL"
        " WHERE id = %s",
        (job_id,),
    )
    _notify(tx)


def state(tx: Tx) -> State:
    """How much is open and how much gave up."""
    # Two questions, because each has its own index; done rows are many and stay for ever.
    row = tx.execute(
        "SELECT count(*), min(created_time), (SELECT count(*) FROM job WHERE state = 'dead')"
        " FROM job WHERE state IN ('waiting', 'running')"
    ).fetchone()
    assert row is not None
    return State(*row)


def claim(tx: Tx, kinds: Sequence[str], lease_s: float) -> Job | None:
    """Take the next due job of these kinds for `lease_s` seconds, or None; for `worker.run`.

    A job whose lease ran out is taken over; that has burned an attempt, and the eighth makes it dead.
    """
    while True:
        row = tx.execute(
            "UPDATE job SET state = 'running', lease = %s, attempt = attempt + 1, woken = false,"
            " due_time = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = (SELECT id FROM job WHERE state IN ('waiting', 'running') AND kind = ANY(%s)"
            " AND due_time <= now() ORDER BY priority DESC, due_time, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING id, kind, key, payload, attempt, lease",
            (uuid.uuid4(), lease_s, list(kinds)),
        ).fetchone()
        if row is None:
            return None
        job = Job(*row)
        if job.attempt <= MAX_ATTEMPTS:
            return job
        tx.execute(
            "UPDATE job SET state = 'dead', lease = NULL, finished_time = now(), attempt = attempt - 1,"
            " last_error = 'LEASE_EXPIRED' WHERE id = %s",
            (job.id,),
        )


def renew(tx: Tx, jobs: Sequence[Job], lease_s: float) -> None:
    """Prolong the leases of running jobs; for the heartbeat. A lease that was taken over stays lost."""
    tx.execute(
        "UPDATE job SET due_time = clock_timestamp() + make_interval(secs => %s)"
        " WHERE id IN (SELECT id FROM job WHERE lease = ANY(%s) AND id = ANY(%s) ORDER BY id FOR UPDATE)",
        (lease_s, [job.lease for job in jobs], [job.id for job in jobs]),
    )


def stand_aside(tx: Tx, job: Job, reason: str) -> None:
    """Give the job back without burning its attempt: at once when it was woken meanwhile, otherwise after 1, 2, 4 …
    at most sixty seconds.
    """
    tx.execute(
        "UPDATE job SET state = 'waiting', lease = NULL, attempt = attempt - 1, waits = waits + 1, last_error = %s,"
        " due_time = CASE WHEN woken THEN now()"
        " ELSE now() + make_interval(secs => least(%s, power(2, least(waits, 10)))) END WHERE id = %s AND lease = %s",
        (reason, MAX_WAIT_S, job.id, job.lease),
    )


def fail(tx: Tx, job: Job, reason: str, *, final: bool) -> bool:
    """Record a failed attempt: dead when `final` or when it was the eighth, otherwise due after 2, 6, 18 … seconds.

    False, and nothing changes, when the job is finished or was taken over.
    """
    dead = final or job.attempt >= MAX_ATTEMPTS
    # A tenth of chance keeps jobs that failed together from coming back together.
    delay_s = min(MAX_RETRY_S, 2 * 3 ** (job.attempt - 1)) * random.uniform(0.9, 1.0)  # noqa: S311 - not a secret
    done = tx.execute(
        "UPDATE job SET state = %s, lease = NULL, waits = 0, last_error = %s,"
        " finished_time = CASE WHEN %s THEN now() END, due_time = now() + make_interval(secs => %s)"
        " WHERE id = %s AND lease = %s",
        ("dead" if dead else "waiting", reason, dead, delay_s, job.id, job.lease),
    )
    return done.rowcount == 1


def _notify(tx: Tx) -> None:
    tx.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
