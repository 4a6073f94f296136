"""From an event to a locked, registered and verified record, on both stores, with what may go wrong
on the way.
"""

import base64
import dataclasses
import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2

from deploy.local import layout
from services.archive import domain, locking, store, worm
from services.common import jobs
from services.common.canonical import canonical_bytes
from services.common.errors import NotFound, Rejected, Unavailable, Waiting
from services.print.kind import Kind
from tests import records
from tests.integration.archive.archiving import Bench, Sealed
from tests.owning import as_owner
from tests.printing import render
from tests.unit.archive.signed_books import Ca, sign, signatories


def test_sealed_book_is_locked_registered_announced_and_verified(bench: Bench, sealed: Sealed) -> None:
    book = bench.announce_book(sealed)
    bench.work()
    record = bench.record(domain.Kind.CLASS_BOOK, book, 1)
    assert bench.archive.worm.read(record.key, record.version_id) == sealed.pdf
    assert bench.archive.worm.retention(record.key, record.version_id) == worm.Retention(
        "COMPLIANCE", record.retain_until
    )
    assert record.retain_until > datetime.now(UTC).replace(year=datetime.now(UTC).year + 20)
    assert bench.events() == [
        (
            "hoso.archive.v1.RecordArchived",
            {
                "book": book,
                "version": 1,
                "record": str(record.id),
                "content_sha256": _base64(record.content_sha256),
                "object_sha256": _base64(record.object_sha256),
            },
        )
    ]
    verified, report = bench.verifier.verify(str(record.id))
    assert (verified, report.failed, len(report.signatures)) == (record, (), 15)
    assert bench.query("SELECT state FROM job") == [("done",)]


def _closed(content: dict[str, Any], ca: Ca) -> Sealed:
    data = canonical_bytes(content)
    printed = render(data, Kind.SIGNING).pdf
    revisions = sign(printed, signatories(data), ca)
    return Sealed(data, printed, revisions[-1], revisions[-2], ca.root)


def test_every_record_type_is_locked_as_its_kind(bench: Bench) -> None:
    ca = Ca(at=datetime.now(UTC))
    bench = dataclasses.replace(bench, archive=dataclasses.replace(bench.archive, roots=ca.pem))
    for number, content in (
        (common_pb2.RECORD_TYPE_TEACHER_BOOK, records.teacher_book(1, 3, "SEMESTER_1")),
        (common_pb2.RECORD_TYPE_TRANSCRIPT, records.transcript(1)),
        (common_pb2.RECORD_TYPE_STUDENT_REGISTER, records.student_register(3)),
    ):
        book = bench.announce_book(_closed(content, ca), record_type=number)
        bench.work()
        record = bench.record(content["record_type"], book, 1)
        assert bench.verifier.verify(str(record.id))[1].failed == ()
        held = bench.archive.worm.retention(record.key, record.version_id)
        years = {"TEACHER_BOOK": 10}.get(record.kind, 20)
        assert held is not None
        assert held.retain_until == record.retain_until
        assert record.retain_until.year == record.archive_time.year + years


def test_a_record_of_another_type_than_announced_is_refused(bench: Bench) -> None:
    ca = Ca(at=datetime.now(UTC))
    bench = dataclasses.replace(bench, archive=dataclasses.replace(bench.archive, roots=ca.pem))
    book = bench.announce_book(_closed(records.teacher_book(1, 3, "SEMESTER_1"), ca))  # as a class book
    bench.work()
    (refused,) = [body for kind, body in bench.events() if kind.endswith("RecordRefused") and body["book"] == book]
    assert {"SUBJECT", "SIGNING_ORDER"} <= set(refused["failed_checks"])
    with pytest.raises(ValueError, match="record type 99"):
        bench.announce_book(_closed(records.transcript(1), ca), record_type=99)


def test_snapshot_is_locked_and_verified(bench: Bench) -> None:
    data = json.dumps({"class": "6A1", "marks": uuid.uuid4().hex}).encode()
    snapshot = bench.announce_snapshot(data)
    bench.work()
    record = bench.record(domain.Kind.SNAPSHOT, snapshot, 0)
    assert bench.verifier.verify(str(record.id))[1].failed == ()
    assert [name for name, _ in bench.events()] == ["hoso.archive.v1.SnapshotArchived"]


def test_two_snapshots_with_the_same_bytes_share_one_locked_object(bench: Bench) -> None:
    data = uuid.uuid4().bytes
    first, second = bench.announce_snapshot(data), bench.announce_snapshot(data)
    bench.work()
    bench.work()
    a, b = (bench.record(domain.Kind.SNAPSHOT, s, 0) for s in (first, second))
    assert (a.key, a.version_id) == (b.key, b.version_id)
    assert bench.verifier.verify(str(b.id))[1].failed == ()


@pytest.mark.parametrize("newest", ["none", "failed"])
def test_nothing_is_accepted_by_an_unproven_store(bench: Bench, newest: str) -> None:
    if newest == "failed":
        bench.running.prove(bench.archive.database, passed=False)
    else:
        bench = dataclasses.replace(bench, archive=dataclasses.replace(bench.archive, endpoint="other:443"))
    data = uuid.uuid4().bytes
    snapshot = bench.announce_snapshot(data)
    with pytest.raises(Waiting) as waiting:
        bench.work()
    assert waiting.value.reason == "STORE_NOT_PROVEN"
    assert worm.content_key(hashlib.sha256(data).digest()) not in bench.objects()
    with bench.archive.database.transaction() as tx:
        assert store.find_source(tx, domain.Kind.SNAPSHOT, snapshot, 0) is None


def test_a_passing_probe_wakes_waiting_jobs(bench: Bench) -> None:
    bench.running.prove(bench.archive.database, passed=False)
    bench.announce_snapshot(uuid.uuid4().bytes)
    with bench.archive.database.transaction() as tx:
        tx.execute("UPDATE job SET waits = 1, due_time = now() + interval '1 hour'")
    assert bench.claim() is None
    bench.running.prove(bench.archive.database)
    bench.work()
    assert [name for name, _ in bench.events()] == ["hoso.archive.v1.SnapshotArchived"]


@pytest.mark.parametrize("case", ["earlier revision", "announced otherwise", "other school", "no pdf"])
def test_anything_but_the_sealed_book_is_refused_and_not_kept(bench: Bench, sealed: Sealed, case: str) -> None:
    before = bench.objects()
    change: dict[str, Any] = {
        "earlier revision": {
            "offered": sealed.before_seal,
            "document_sha256": hashlib.sha256(sealed.before_seal).digest(),
        },
        "announced otherwise": {"offered": sealed.before_seal},
        "other school": {"school": "79000999"},
        "no pdf": {"offered": b"nothing", "document_sha256": hashlib.sha256(b"nothing").digest()},
    }[case]
    book = bench.announce_book(sealed, **change)
    bench.work()
    ((name, body),) = bench.events()
    assert (name, body["book"]) == ("hoso.archive.v1.RecordRefused", book)
    expected = {
        "earlier revision": "SIGNATURES_COMPLETE",
        "announced otherwise": "FILE_DIGEST",
        "other school": "SUBJECT",
        "no pdf": "READABLE",
    }
    assert expected[case] in body["failed_checks"]
    assert bench.objects() == before
    assert bench.query("SELECT state FROM job") == [("done",)]


def test_crash_between_lock_and_register_leaves_one_object_and_one_record(bench: Bench) -> None:
    data = uuid.uuid4().bytes
    snapshot = bench.announce_snapshot(data)
    job = bench.claim()
    assert job is not None
    # Another worker took the job over while this one was at the store: its transaction may not
    # commit.
    late = dataclasses.replace(job, lease=uuid.uuid4())
    with pytest.raises(jobs.LeaseLost):
        locking.lock_snapshot(bench.archive, late)
    key = worm.content_key(hashlib.sha256(data).digest())
    assert len(bench.archive.worm.versions(key)) == 1
    assert bench.events() == []
    locking.lock_snapshot(bench.archive, job)
    record = bench.record(domain.Kind.SNAPSHOT, snapshot, 0)
    assert [v.version_id for v in bench.archive.worm.versions(key)] == [record.version_id]
    assert len(bench.events()) == 1


def test_finished_work_is_not_repeated(bench: Bench) -> None:
    data = uuid.uuid4().bytes
    snapshot = bench.announce_snapshot(data)
    bench.work()
    with bench.archive.database.transaction() as tx:
        tx.execute("UPDATE job SET state = 'waiting', finished_time = NULL, due_time = now()")
    bench.work()
    assert bench.query(f"SELECT count(*) FROM record WHERE source = '{snapshot}'") == [(1,)]
    assert len(bench.events()) == 1


def test_other_bytes_for_a_registered_version_are_refused(bench: Bench, sealed: Sealed) -> None:
    book = bench.announce_book(sealed)
    bench.work()
    other = hashlib.sha256(sealed.before_seal).hexdigest()
    with as_owner(bench.archive.database.config) as tx:
        tx.execute(
            "UPDATE job SET state = 'waiting', finished_time = NULL, due_time = now(),"
            " payload = payload || jsonb_build_object('document_sha256', %s::text)",
            (other,),
        )
    with pytest.raises(Rejected) as refused:
        bench.work()
    assert refused.value.reason == "RECORD_DIFFERS"
    assert bench.record(domain.Kind.CLASS_BOOK, book, 1).object_sha256 == hashlib.sha256(sealed.pdf).digest()


def test_store_away_and_source_missing(bench: Bench) -> None:
    data = uuid.uuid4().bytes
    bench.announce_snapshot(data)
    away_config = dataclasses.replace(bench.running.config, endpoint=f"{layout.HOST}:1")
    away = dataclasses.replace(bench.archive, worm=worm.WormStore(away_config, bench.running.own))
    job = bench.claim()
    assert job is not None
    with pytest.raises(Unavailable):
        locking.lock_snapshot(away, job)
    bench.peers.snapshots.clear()
    with pytest.raises(NotFound):
        locking.lock_snapshot(bench.archive, job)
    assert bench.events() == []


def test_snapshot_with_other_bytes_than_announced_is_not_kept(bench: Bench) -> None:
    snapshot = bench.announce_snapshot(uuid.uuid4().bytes)
    bench.peers.snapshots[snapshot] = forged = uuid.uuid4().bytes
    with pytest.raises(Rejected) as refused:
        bench.work()
    assert refused.value.reason == "DIGEST_MISMATCH"
    assert worm.content_key(hashlib.sha256(forged).digest()) not in bench.objects()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
