"""The job that compares journal, register and store, once per day and when an operator asks
(ADR-0066).

It reads page by page, each in a short transaction, while records go on being archived.
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from services.archive import differences, store, usecases
from services.archive.differences import Comparison, Difference
from services.archive.worm import WormStore
from services.common import audit, days, identity, jobs
from services.common.db import Database, Tx
from services.common.errors import Forged
from services.common.jobs import Job

JOB = "compare-store"
"""Kind of the job. Its key is a day in UTC (``2026-12-01``), or ``asked/<uuid>``."""

_PAGE = 1_000
_PREFIXES = (*(f"records/sha256/{first:02x}/" for first in range(256)), "anchors/")


def start(database: Database, worm: WormStore, stop: threading.Event) -> Mapping[str, Callable[[Job], None]]:
    """The handler for `worker.run`, and a thread that queues its job every day until `stop` is
    set.
    """
    days.queue_every_day(JOB, database, stop, queue_day)
    return {JOB: lambda job: run(database, worm, job)}


def queue_day(tx: Tx, now: datetime) -> bool:
    """Queue the comparison of the day of `now` (aware). False when it was queued before."""
    return jobs.enqueue(tx, JOB, days.day(now), {})


def queue_asked(tx: Tx) -> None:
    """Queue a comparison for the calling operator, on record."""
    key = f"asked/{uuid.uuid4()}"
    jobs.enqueue(tx, JOB, key, {}, priority=10)
    audit.append(tx, audit.AuditRow("operations", "COMPARISON_ASKED", f"jobs/{JOB}/{key}", {}, identity.caller()))


def run(database: Database, worm: WormStore, job: Job) -> None:
    """Compare, keep the result and finish `job`.

    Raises Forged STORE_DIFFERS when anything differs, so that the job is dead with an alarm, after
    the result was kept; Unavailable.
    """
    result = compare(database, worm)
    with database.transaction() as tx:
        usecases.record_comparison(tx, result)
        if not result.count:
            jobs.finish(tx, job)
    if result.count:
        first = result.listed[0]
        message = "Nhật kí, sổ đăng kí lưu trữ và kho lưu trữ khác nhau; cần kiểm tra ngay."
        raise Forged("STORE_DIFFERS", message, differences=result.count, first=f"{first.reason} {first.name}")


def compare(database: Database, worm: WormStore) -> Comparison:
    """Compare all three. Raises Unavailable."""
    result = Comparison(datetime.now(UTC))
    for difference in _of_journal(database, result):
        result.add(difference)
    for prefix in _PREFIXES:
        with database.transaction() as tx:
            held = store.held_below(tx, prefix) if prefix != "anchors/" else store.held_anchors(tx)
        listed = worm.list_versions(prefix)
        result.objects += len(listed)
        for difference in differences.of_objects(held, listed, datetime.now(UTC)):
            result.add(difference)
    return result


def _of_journal(database: Database, result: Comparison) -> Iterator[Difference]:
    """Journal against register. A record's row and its entry are written in one transaction, in the
    same order: the n-th entry is of the n-th row.
    """
    with database.transaction() as tx:
        last_place = store.register_end(tx)  # rows that come later may have entries that are not read
    after = 0
    while True:
        with database.transaction() as tx:
            entries = store.journal_after(tx, after, result.records, _PAGE)
            rows = {row.sequence: row for row in store.register_after(tx, result.records, _PAGE)}
        for _, entry in entries:
            difference = differences.of_entry(entry, rows.get(entry.place))
            if difference:
                yield difference
        result.records += len(entries)
        if len(entries) < _PAGE:
            break
        after = entries[-1][0]
    place = result.records
    while place < last_place:
        with database.transaction() as tx:
            unnamed = [row for row in store.register_after(tx, place, _PAGE) if row.sequence <= last_place]
        yield from map(differences.of_unnamed, unnamed)
        if not unnamed:
            return
        place = unnamed[-1].sequence
