"""Jobs queued, claimed and worked on, for the tests of jobs."""

from contextlib import AbstractContextManager

import psycopg

from services.common import jobs, worker
from services.common.db import Database
from services.common.jobs import Job
from tests.working import working

KIND = "render"


def working_on(
    base: Database, handler: worker.Handler, *, concurrency: int = 2, lease_s: float = 3.0
) -> AbstractContextManager[None]:
    return working(base, {KIND: handler}, concurrency=concurrency, lease_s=lease_s)


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


def request(base: Database, *keys: str) -> None:
    with base.transaction() as tx:
        jobs.request(tx, KIND, {key: {"book": key} for key in keys})
