"""Jobs that stand aside until they are woken, and jobs that are asked for again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from services.common import jobs
from services.common.db import Database
from services.common.errors import Unavailable, Waiting
from services.common.jobs import Job, LeaseLost
from tests.integration.common.queued_jobs import KIND, claim, enqueue, request, row, working_on
from tests.waiting import eventually


@pytest.mark.parametrize("error", [Waiting("NOT_YET", ""), Unavailable("STORE_AWAY", "")])
def test_standing_aside_uses_up_no_attempt(base: Database, error: Exception) -> None:
    def handle(job: Job) -> None:
        raise error

    enqueue(base)
    with working_on(base, handle):
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


def test_a_job_claimed_again_before_its_last_run_has_ended_takes_up_no_second_slot(
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
    with working_on(base, handler):
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
