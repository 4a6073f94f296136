"""Jobs on a real PostgreSQL: run once, fenced, retried, dead, woken, replayed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
import structlog

from services.common import jobs, worker
from services.common.db import Database
from services.common.errors import Forbidden, Invalid, NotFound, Rejected, Unavailable, Violation, Waiting
from services.common.jobs import Job, LeaseLost

KIND = "render"


@contextmanager
def working(base: Database, handler: worker.Handler, *, concurrency: int = 2, lease_s: float = 3.0) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(
        target=worker.run,
        args=(base, {KIND: handler}),
        kwargs={"concurrency": concurrency, "lease_s": lease_s, "stop": stop},
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def eventually(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def enqueue(base: Database, key: str = "a", **options: object) -> None:
    with base.transaction() as tx:
        jobs.enqueue(tx, KIND, key, {"book": key}, **options)  # type: ignore[arg-type]


def row(base: Database, key: str = "a") -> dict[str, object]:
    with base.transaction() as tx, tx.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        columns = cursor.execute("SELECT *, due_time - now() AS delay FROM job WHERE key = %s", (key,)).fetchone()
    assert columns is not None
    return columns


def claim(base: Database, lease_s: float = 30.0) -> Job | None:
    with base.transaction() as tx:
        return jobs.claim(tx, [KIND], lease_s)


def finishing(base: Database, seen: list[str]) -> worker.Handler:
    def handle(job: Job) -> None:
        seen.append(job.key)
        with base.transaction() as tx:
            jobs.finish(tx, job)

    return handle


def test_a_job_runs_once_and_its_key_is_remembered(base: Database) -> None:
    seen: list[str] = []
    with working(base, finishing(base, seen)):
        enqueue(base)
        eventually(lambda: row(base)["state"] == "done")
        with base.transaction() as tx:
            assert jobs.enqueue(tx, KIND, "a", {}) is False
        time.sleep(0.3)
    assert seen == ["a"]


def test_a_rolled_back_enqueue_leaves_nothing(base: Database) -> None:
    with pytest.raises(RuntimeError), base.transaction() as tx:
        jobs.enqueue(tx, KIND, "a", {})
        raise RuntimeError
    assert claim(base) is None


def test_a_waiting_worker_starts_a_new_job_at_once(base: Database) -> None:
    seen: list[str] = []
    with working(base, finishing(base, seen)):
        time.sleep(1.3)  # it listens by now
        started = time.monotonic()
        enqueue(base)
        eventually(lambda: seen == ["a"])
        assert time.monotonic() - started < worker.POLL_S / 2


def test_many_workers_never_run_one_job_twice(base: Database) -> None:
    seen: list[str] = []
    with base.transaction() as tx:
        for number in range(200):
            jobs.enqueue(tx, KIND, str(number), {})
    with working(base, finishing(base, seen), concurrency=4), working(base, finishing(base, seen), concurrency=4):
        eventually(lambda: len(seen) >= 200)
    assert sorted(seen, key=int) == [str(number) for number in range(200)]


def test_priority_then_age_decides_who_is_next(base: Database) -> None:
    for key, priority in (("old", 0), ("new", 0), ("urgent", 10)):
        enqueue(base, key, priority=priority)
    enqueue(base, "later", priority=99, delay_s=60)
    order = [claim(base), claim(base), claim(base)]
    assert [job.key for job in order if job] == ["urgent", "old", "new"]
    assert claim(base) is None


def test_a_lease_is_renewed_while_the_handler_runs(base: Database) -> None:
    seen: list[str] = []

    def slow(job: Job) -> None:
        time.sleep(2.5)
        finishing(base, seen)(job)

    enqueue(base)
    with working(base, slow, lease_s=1.0), working(base, slow, lease_s=1.0):
        eventually(lambda: row(base)["state"] == "done")
    assert seen == ["a"]
    assert row(base)["attempt"] == 1


def test_the_loser_of_a_lease_cannot_write(base: Database) -> None:
    enqueue(base)
    first = claim(base, lease_s=0.01)
    time.sleep(0.05)
    second = claim(base)
    assert first and second and second.attempt == 2
    with pytest.raises(jobs.LeaseLost), base.transaction() as tx:
        jobs.enqueue(tx, KIND, "result of the loser", {})
        jobs.finish(tx, first)
    with base.transaction() as tx:
        jobs.fail(tx, first, "TOO_LATE", final=True)
        jobs.stand_aside(tx, first, "TOO_LATE")
        jobs.renew(tx, [first], 60)
        jobs.finish(tx, second)
    assert row(base)["state"] == "done"
    assert claim(base) is None, "what the loser wrote must be rolled back"


def test_a_job_that_kills_its_worker_eight_times_is_dead(base: Database) -> None:
    enqueue(base)
    for _ in range(jobs.MAX_ATTEMPTS):
        assert claim(base, lease_s=0.0)
    assert claim(base) is None
    assert (row(base)["state"], row(base)["last_error"]) == ("dead", "LEASE_EXPIRED")


@pytest.mark.parametrize("error", [Waiting("NOT_YET", ""), Unavailable("STORE_AWAY", "")])
def test_standing_aside_burns_no_attempt(base: Database, error: Exception) -> None:
    def handle(job: Job) -> None:
        raise error

    enqueue(base)
    with working(base, handle):
        eventually(lambda: row(base)["waits"] == 2)
    assert row(base)["attempt"] == 0
    assert row(base)["state"] == "waiting"
    with base.transaction() as tx:
        tx.execute("UPDATE job SET waits = 500, due_time = now()")
    job = claim(base)
    assert job is not None
    with base.transaction() as tx:
        jobs.stand_aside(tx, job, "NOT_YET")
    assert 59 < row(base)["delay"].total_seconds() <= 60  # type: ignore[attr-defined]


def test_a_job_that_is_claimed_again_before_its_last_run_has_ended_costs_no_place(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands aside, is due at once, and the thread of its first run is slow to end."""
    go_on = threading.Event()
    runs: list[Job] = []
    bound = structlog.contextvars.bound_contextvars

    @contextmanager
    def ending_slowly(**facts: object) -> Iterator[None]:
        first = not runs
        with bound(**facts):
            yield
        if first:
            assert go_on.wait(15)

    def handler(job: Job) -> None:
        runs.append(job)
        if len(runs) == 1:
            raise Waiting("LATER", "x")
        with base.transaction() as tx:
            jobs.finish(tx, job)

    def done() -> bool:
        with base.transaction() as tx:
            jobs.wake(tx, KIND, ["a"])
        return row(base)["state"] == "done"

    monkeypatch.setattr(structlog.contextvars, "bound_contextvars", ending_slowly)
    with working(base, handler):
        enqueue(base)
        eventually(done)
        go_on.set()
    assert [job.id for job in runs] == [runs[0].id] * 2


def test_wake_makes_those_that_stood_aside_due_but_not_those_that_failed(base: Database) -> None:
    for key in ("aside", "failed"):
        enqueue(base, key)
        job = claim(base)
        assert job is not None
        with base.transaction() as tx:
            if key == "aside":
                jobs.stand_aside(tx, job, "NOT_YET")
            else:
                jobs.fail(tx, job, "BROKEN", final=False)
    assert claim(base) is None
    with base.transaction() as tx:
        jobs.wake(tx, KIND, ["aside", "failed"])
    woken = claim(base)
    assert woken is not None and woken.key == "aside"
    assert claim(base) is None


def test_a_wake_while_the_job_runs_is_not_lost(base: Database) -> None:
    enqueue(base)
    job = claim(base)
    assert job is not None
    with base.transaction() as tx:
        jobs.wake(tx, KIND, ["a"])
    with base.transaction() as tx:
        jobs.stand_aside(tx, job, "LOOKED_TOO_EARLY")
    assert claim(base) is not None


def test_wake_touches_the_named_jobs_alone(base: Database) -> None:
    for key in ("a", "b"):
        enqueue(base, key)
        job = claim(base)
        assert job is not None
        with base.transaction() as tx:
            jobs.stand_aside(tx, job, "NOT_YET")
    with base.transaction() as tx:
        assert sorted(jobs.aside(tx, KIND)) == ["a", "b"]
        jobs.wake(tx, KIND, ["b"])
    woken = claim(base)
    assert woken is not None and woken.key == "b"
    assert claim(base) is None


def request(base: Database, *keys: str) -> None:
    with base.transaction() as tx:
        jobs.request(tx, KIND, {key: {"book": key} for key in keys})


def test_a_request_makes_a_new_job_and_a_finished_one_due(base: Database) -> None:
    enqueue(base, "b")
    done = claim(base)
    assert done is not None
    with base.transaction() as tx:
        jobs.finish(tx, done)
    request(base, "a", "b")
    claimed = [claim(base), claim(base)]
    assert [(job.key, job.payload, job.attempt) for job in claimed if job] == [
        ("b", {"book": "b"}, 1),
        ("a", {"book": "a"}, 1),
    ]
    assert claim(base) is None


def test_a_request_while_the_job_finds_nothing_to_do_runs_it_again(base: Database) -> None:
    enqueue(base)
    job = claim(base)
    assert job is not None
    request(base, "a")
    with base.transaction() as tx:
        jobs.finish_for_now(tx, job)
    again = claim(base)
    assert again is not None and again.attempt == 1
    with base.transaction() as tx:
        jobs.finish_for_now(tx, again)
    assert (row(base)["state"], row(base)["finished_time"] is None) == ("done", False)
    assert claim(base) is None


def test_finish_for_now_is_fenced(base: Database) -> None:
    enqueue(base)
    job = claim(base, lease_s=0.0)
    assert job is not None and claim(base) is not None
    with pytest.raises(LeaseLost), base.transaction() as tx:
        jobs.finish_for_now(tx, job)
    assert row(base)["state"] == "running"


def test_a_request_leaves_failed_and_dead_jobs_alone(base: Database) -> None:
    for key in ("failed", "dead"):
        enqueue(base, key)
        job = claim(base)
        assert job is not None
        with base.transaction() as tx:
            jobs.fail(tx, job, "BROKEN", final=key == "dead")
    request(base, "failed", "dead")
    assert claim(base) is None
    assert (row(base, "failed")["state"], row(base, "dead")["state"]) == ("waiting", "dead")


def test_leases_are_renewed_while_another_transaction_holds_some_of_their_rows(base: Database) -> None:
    """`request` locks rows in the order of keys; the heartbeat must neither wait for it nor block
    it.
    """
    for key in ("b", "a"):
        enqueue(base, key)
    held = [job for job in (claim(base, lease_s=5.0), claim(base, lease_s=5.0)) if job]
    with base.transaction() as tx:
        tx.execute("SELECT 1 FROM job WHERE key = 'a' FOR UPDATE")
        with base.transaction() as heartbeat:
            heartbeat.execute("SET LOCAL lock_timeout = '1s'")
            jobs.renew(heartbeat, held, 60.0)
    remaining = {key: row(base, key)["delay"].total_seconds() for key in ("a", "b")}  # type: ignore[attr-defined]
    assert remaining["a"] < 10 < remaining["b"]


@pytest.mark.parametrize(
    "error",
    [Rejected("NO", ""), Invalid([Violation("f", "R", "")]), NotFound("NONE", ""), Forbidden("NEVER", "")],
)
def test_a_refusal_is_dead_at_once(base: Database, error: Exception) -> None:
    def handle(job: Job) -> None:
        raise error

    enqueue(base)
    with working(base, handle):
        eventually(lambda: row(base)["state"] == "dead")
    assert row(base)["attempt"] == 1


def test_an_unexpected_error_is_retried_later_and_keeps_no_text(base: Database) -> None:
    def handle(job: Job) -> None:
        raise ValueError("Nguyễn Văn A")

    enqueue(base)
    with working(base, handle):
        eventually(lambda: row(base)["last_error"] is not None)
    failed = row(base)
    assert (failed["state"], failed["attempt"]) == ("waiting", 1)
    assert str(failed["last_error"]).startswith("ValueError in handle (test_jobs.py:")
    assert "Nguyễn" not in str(failed["last_error"])


def test_delays_grow_and_the_eighth_failure_is_the_last(base: Database) -> None:
    enqueue(base)
    delays = []
    for _ in range(jobs.MAX_ATTEMPTS):
        with base.transaction() as tx:
            tx.execute("UPDATE job SET due_time = now()")
        job = claim(base)
        assert job is not None
        with base.transaction() as tx:
            assert jobs.fail(tx, job, "BROKEN", final=False)
        delays.append(row(base)["delay"].total_seconds())  # type: ignore[attr-defined]
    assert row(base)["state"] == "dead"
    assert delays[:7] == sorted(delays[:7]) and delays[0] >= 1.5 and delays[6] <= 600


def test_a_handler_that_forgets_to_finish_is_a_failure(base: Database) -> None:
    enqueue(base)
    with working(base, lambda job: None):
        eventually(lambda: row(base)["last_error"] == "NOT_FINISHED")


def test_replay_gives_a_dead_job_all_its_attempts_again(base: Database) -> None:
    enqueue(base)
    job = claim(base)
    assert job is not None
    with base.transaction() as tx:
        with pytest.raises(Rejected, match="chưa"):
            jobs.replay(tx, job.id)
        with pytest.raises(NotFound):
            jobs.replay(tx, 0)
        jobs.fail(tx, job, "BROKEN", final=True)
        (dead,) = jobs.list_dead(tx)
        assert (dead.id, dead.attempts, dead.last_error) == (job.id, 1, "BROKEN")
        assert jobs.list_dead(tx, before_id=dead.id) == []
        assert jobs.state(tx).dead == 1
        jobs.replay(tx, dead.id)
        assert (jobs.state(tx).open, jobs.state(tx).dead) == (1, 0)
    again = claim(base)
    assert again is not None and again.attempt == 1


def test_unknown_kinds_are_left_to_others(base: Database) -> None:
    with base.transaction() as tx:
        jobs.enqueue(tx, "seal", str(uuid4()), {})
    assert claim(base) is None


def test_stop_lets_a_running_handler_end(base: Database) -> None:
    started = threading.Event()
    seen: list[str] = []

    def slow(job: Job) -> None:
        started.set()
        time.sleep(1)
        finishing(base, seen)(job)

    enqueue(base)
    with working(base, slow):
        assert started.wait(10)
    assert seen == ["a"]
