"""Jobs on a real PostgreSQL: run once, fenced, retried, dead, replayed."""

import threading
import time
from uuid import uuid4

import pytest

from services.common import jobs, worker
from services.common.db import Database
from services.common.errors import Forbidden, Invalid, NotFound, Rejected, Violation
from services.common.jobs import Job
from tests.integration.common.queued_jobs import KIND, claim, enqueue, finishing, row, working_on
from tests.waiting import eventually


def test_a_job_runs_once_and_its_key_is_remembered(base: Database) -> None:
    seen: list[str] = []
    with working_on(base, finishing(base, seen)):
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


def listens(base: Database) -> bool:
    """Whether a worker waits to be woken; nothing else in this database listens."""
    with base.transaction() as tx:
        listening = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        return tx.execute(listening).fetchone() is not None


def test_a_waiting_worker_starts_a_new_job_at_once(base: Database) -> None:
    seen: list[str] = []
    with working_on(base, finishing(base, seen)):
        eventually(lambda: listens(base))
        started = time.monotonic()
        enqueue(base)
        eventually(lambda: seen == ["a"])
        assert time.monotonic() - started < worker.POLL_S / 2


def test_many_workers_never_run_one_job_twice(base: Database) -> None:
    seen: list[str] = []
    with base.transaction() as tx:
        for number in range(200):
            jobs.enqueue(tx, KIND, str(number), {})
    with working_on(base, finishing(base, seen), concurrency=4), working_on(base, finishing(base, seen), concurrency=4):
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
    with working_on(base, slow, lease_s=1.0), working_on(base, slow, lease_s=1.0):
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


@pytest.mark.parametrize(
    "error",
    [Rejected("NO", ""), Invalid([Violation("f", "R", "")]), NotFound("NONE", ""), Forbidden("NEVER", "")],
)
def test_a_refusal_is_dead_at_once(base: Database, error: Exception) -> None:
    def handle(job: Job) -> None:
        raise error

    enqueue(base)
    with working_on(base, handle):
        eventually(lambda: row(base)["state"] == "dead")
    assert row(base)["attempt"] == 1


def test_an_unexpected_error_is_retried_later_and_keeps_no_text(base: Database) -> None:
    def handle(job: Job) -> None:
        raise ValueError("Nguyễn Văn A")

    enqueue(base)
    with working_on(base, handle):
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
    with working_on(base, lambda job: None):
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
    with working_on(base, slow):
        assert started.wait(10)
    assert seen == ["a"]
