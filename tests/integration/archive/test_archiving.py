"""From an event to a locked, registered and verified record, on both stores, with what may go wrong
on the way.
"""

import base64
import dataclasses
import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hoso.gradebook.v1 import common_pb2, events_pb2
from hoso.gradebook.v1.marks_pb2_grpc import MarkServiceStub
from hoso.signing.v1.signing_pb2_grpc import SigningServiceStub

from deploy.local import layout
from services.archive import domain, events, locking, store, usecases, worm
from services.archive.domain import Policy, Record
from services.archive.proof import Check, Report
from services.archive.verification import Verifier
from services.common import audit, db, identity, jobs
from services.common.canonical import canonical_bytes
from services.common.errors import Forbidden, Invalid, NotFound, Rejected, Unavailable, Waiting
from services.common.grpc_client import channel
from services.common.identity import Caller
from services.common.settings import DatabaseConfig
from services.print.kind import Kind
from tests import records, servers
from tests.integration.archive import peers as stand_ins
from tests.integration.archive.conftest import RunningStore
from tests.printing import render
from tests.unit.archive.signed_books import Ca, sign, signatories, signing_copy

OPERATOR = Caller("operator/department")


@dataclass(frozen=True)
class Sealed:
    """A sealed book and one of its earlier revisions, by a CA that archive trusts."""

    content: bytes
    pdf: bytes
    before_seal: bytes
    roots: bytes


@pytest.fixture(scope="session")
def sealed() -> Sealed:
    content, unsigned = signing_copy()
    ca = Ca(at=datetime.now(UTC))  # archive checks certificates at the time of locking
    revisions = sign(unsigned, signatories(content), ca)
    return Sealed(content, revisions[-1], revisions[-2], ca.root)


@dataclass(frozen=True)
class Bench:
    """Archive over a real database and store, and the bytes its peers hand out."""

    archive: locking.Archive
    peers: stand_ins.Peers
    running: RunningStore

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.archive.database, self.archive.worm, self.archive.roots)

    def prove(self, *, passed: bool = True) -> None:
        now = datetime.now(UTC)
        config = self.running.config
        checks = (Check("delete-version", "refused", "refused", passed),)
        report = Report(config.endpoint, config.bucket, config.probe_bucket, now, now, checks)
        with self.archive.database.transaction() as tx:
            usecases.record_probe(tx, report)

    def announce_book(self, sealed: Sealed, **change: Any) -> str:
        """The event BookLocked of a new book, and its document at signing; the book's id."""
        content = json.loads(sealed.content)
        document, book = str(uuid.uuid4()), str(uuid.uuid4())
        self.peers.documents[document] = change.pop("offered", sealed.pdf)
        event = events_pb2.BookLocked(
            book=book,
            version=1,
            school=content["school"]["code"],
            school_year=content["school_year"],
            content_sha256=hashlib.sha256(sealed.content).digest(),
            document=document,
            document_sha256=hashlib.sha256(sealed.pdf).digest(),
        )
        for name, value in change.items():
            setattr(event, name, value)
        with self.archive.database.transaction() as tx:
            events.book_locked(tx, event)
        return book

    def announce_snapshot(self, data: bytes, school: str = "79000123") -> str:
        snapshot = str(uuid.uuid4())
        self.peers.snapshots[snapshot] = data
        event = events_pb2.SnapshotTaken(
            snapshot=snapshot,
            school=school,
            school_year="2025-2026",
            content_sha256=hashlib.sha256(data).digest(),
            size_bytes=len(data),
        )
        with self.archive.database.transaction() as tx:
            events.snapshot_taken(tx, event)
        return snapshot

    def claim(self) -> jobs.Job | None:
        with self.archive.database.transaction() as tx:
            return jobs.claim(tx, [domain.LOCK_BOOK_JOB, domain.LOCK_SNAPSHOT_JOB], 60)

    def work(self) -> None:
        """Run the one job that is due."""
        job = self.claim()
        assert job is not None
        locking.handlers(self.archive)[job.kind](job)

    def record(self, kind: str, source: str, version: int) -> Record:
        with self.archive.database.transaction() as tx:
            record = store.find_source(tx, kind, source, version)
        assert record is not None
        return record

    def query(self, statement: str) -> list[Any]:
        with self.archive.database.transaction() as tx:
            return tx.execute(statement.encode()).fetchall()

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(t, json.loads(bytes(b))) for t, b in self.query("SELECT type, body FROM outbox ORDER BY id")]

    def objects(self) -> list[str]:
        client = worm.connect(self.running.config, self.running.admin)
        return [str(o.object_name) for o in client.list_objects(self.running.config.bucket, recursive=True)]


@pytest.fixture(scope="module")
def database_config(database: Callable[[str], DatabaseConfig]) -> DatabaseConfig:
    config = database("archive")
    db.migrate(config, [layout.REPOSITORY / "services" / "archive" / "migrations"])
    return config


@pytest.fixture(scope="module")
def peers(pki_files: servers.Pki) -> Iterator[stand_ins.Peers]:
    with stand_ins.serving(pki_files) as peers:
        yield peers


@pytest.fixture
def bench(
    store: RunningStore, database_config: DatabaseConfig, peers: stand_ins.Peers, sealed: Sealed
) -> Iterator[Bench]:
    database = db.Database(database_config)
    with database.transaction() as tx:
        tx.execute("TRUNCATE outbox, inbox, job")
    with channel(peers.config) as opened:
        marks, signing = MarkServiceStub(opened), SigningServiceStub(opened)
        archive = locking.Archive(database, store.worm(), store.config.endpoint, sealed.roots, marks, signing)
        token = identity.acting(OPERATOR)
        bench = Bench(archive, peers, store)
        bench.prove()
        yield bench
        identity._current.reset(token)
    database.close()


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
    revisions = sign(render(data, Kind.SIGNING).pdf, signatories(data), ca)
    return Sealed(data, revisions[-1], revisions[-2], ca.root)


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
        bench.prove(passed=False)
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


def test_passing_probe_wakes_what_waited(bench: Bench) -> None:
    bench.prove(passed=False)
    bench.announce_snapshot(uuid.uuid4().bytes)
    with bench.archive.database.transaction() as tx:
        tx.execute("UPDATE job SET waits = 1, due_time = now() + interval '1 hour'")
    assert bench.claim() is None
    bench.prove()
    bench.work()
    assert [name for name, _ in bench.events()] == ["hoso.archive.v1.SnapshotArchived"]


@pytest.mark.parametrize("case", ["earlier revision", "announced otherwise", "other school", "no pdf"])
def test_what_is_not_the_sealed_book_is_refused_and_not_kept(bench: Bench, sealed: Sealed, case: str) -> None:
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
    with bench.archive.database.transaction() as tx:
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


@pytest.mark.parametrize("act", ["second version", "delete marker", "row edited", "row removed", "head cut"])
def test_tampering_is_found_by_verification(bench: Bench, act: str) -> None:
    snapshots = [bench.announce_snapshot(uuid.uuid4().bytes) for _ in range(3)]
    for _ in snapshots:
        bench.work()
    record = bench.record(domain.Kind.SNAPSHOT, snapshots[1], 0)
    client = worm.connect(bench.running.config, bench.running.admin)
    after = bench.record(domain.Kind.SNAPSHOT, snapshots[2], 0)
    failed = {
        "second version": "ONE_VERSION",
        "delete marker": "ONE_VERSION",
        "row edited": "REGISTER_CHAIN",
        "row removed": "REGISTER_CHAIN",
        "head cut": "REGISTER_CHAIN",
    }[act]
    subject = after if act == "head cut" else record
    undo = ""
    if act == "second version":
        client.put_object(record.bucket, record.key, io.BytesIO(b"forged"), 6)
    elif act == "delete marker":
        client.remove_object(record.bucket, record.key)
    elif act == "row edited":
        _as_owner(bench, f"UPDATE record SET school = '79000999' WHERE id = '{record.id}'")
        undo = f"UPDATE record SET school = '{record.school}' WHERE id = '{record.id}'"
    elif act == "row removed":
        _as_owner(bench, f"UPDATE record SET sequence = 1000000 - sequence WHERE id = '{after.id}'")
        undo = f"UPDATE record SET sequence = 1000000 - sequence WHERE id = '{after.id}'"
    else:
        _as_owner(bench, "UPDATE register_head SET sequence = sequence - 1")
        undo = "UPDATE register_head SET sequence = sequence + 1"
    report = bench.verifier.verify(str(subject.id))[1]
    assert report.failed == (failed,)
    assert bench.query("SELECT valid, failed FROM verification ORDER BY id DESC LIMIT 1") == [(False, [failed])]
    if undo:
        _as_owner(bench, undo)


def _as_owner(bench: Bench, statement: str) -> None:
    """What somebody with the rights of the tables' owner could do."""
    with bench.archive.database.transaction() as tx:
        for table in ("record", "register_head"):
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        tx.execute(statement.encode())
        for table in ("record", "register_head"):
            tx.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


def test_register_rows_cannot_be_changed_by_mistake(bench: Bench) -> None:
    bench.announce_snapshot(uuid.uuid4().bytes)
    bench.work()
    for statement in ("UPDATE record SET school = 'x'", "DELETE FROM record", "TRUNCATE record CASCADE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), bench.archive.database.transaction() as tx:
            tx.execute(statement.encode())


def test_every_act_is_in_the_audit_chain(bench: Bench, sealed: Sealed) -> None:
    bench.announce_snapshot(uuid.uuid4().bytes)
    bench.work()
    bench.announce_book(sealed, offered=sealed.before_seal)
    bench.work()
    rows = bench.query("SELECT action FROM audit_entry WHERE chain = 'archive' ORDER BY sequence DESC LIMIT 3")
    assert [action for (action,) in rows] == ["RECORD_REFUSED", "RECORD_ARCHIVED", "STORE_PROBED"]
    with bench.archive.database.transaction() as tx:
        assert audit.verify(tx) == []


def test_policies_have_bounds_and_versions(bench: Bench) -> None:
    with bench.archive.database.transaction() as tx:
        current = store.policy(tx, domain.Kind.SNAPSHOT)
    longer = dataclasses.replace(current, years=current.years % 40 + 21, permanent=False)
    with bench.archive.database.transaction() as tx:
        added = usecases.put_policy(tx, longer)
        assert usecases.put_policy(tx, longer) == added
    assert added == dataclasses.replace(longer, version=current.version + 1)
    snapshot = bench.announce_snapshot(uuid.uuid4().bytes)
    bench.work()
    record = bench.record(domain.Kind.SNAPSHOT, snapshot, 0)
    assert record.policy_version == added.version
    assert record.retain_until == domain.retain_until(added, record.archive_time)


@pytest.mark.parametrize(
    ("years", "reference", "rules"),
    [
        (700, "TT 08/2025/TT-BGDĐT", {"RETENTION_YEARS"}),
        (19, "TT 08/2025/TT-BGDĐT", {"RETENTION_YEARS"}),
        (0, " ", {"RETENTION_YEARS", "LEGAL_REFERENCE"}),
    ],
)
def test_policy_outside_of_its_bounds_is_refused(bench: Bench, years: int, reference: str, rules: set[str]) -> None:
    with pytest.raises(Invalid) as invalid, bench.archive.database.transaction() as tx:
        usecases.put_policy(tx, Policy(domain.Kind.CLASS_BOOK, 0, years, True, reference))
    assert {v.rule for v in invalid.value.violations} == rules


def test_persons_read_their_own_school_only(bench: Bench) -> None:
    snapshot = bench.announce_snapshot(uuid.uuid4().bytes)
    bench.work()
    record = str(bench.record(domain.Kind.SNAPSHOT, snapshot, 0).id)
    identity.acting(Caller("vendor/smas", "gv-001", "79000123"))
    assert bench.verifier.verify(record)[1].valid
    identity.acting(Caller("vendor/smas", "gv-900", "79000999"))
    with pytest.raises(Forbidden):
        bench.verifier.verify(record)
    identity.acting(OPERATOR)
    with pytest.raises(NotFound):
        bench.verifier.verify(str(uuid.uuid4()))
    with pytest.raises(Invalid):
        bench.verifier.verify("not an id")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
