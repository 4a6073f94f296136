"""Archive as it runs in production: one process per role, with RabbitMQ and gRPC over mTLS."""

import contextlib
import hashlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from hoso.archive.v1 import archive_pb2 as pb
from hoso.archive.v1 import archive_pb2_grpc, events_pb2
from hoso.gradebook.v1 import events_pb2 as gradebook_events
from hoso.operations.v1 import anchors_pb2
from hoso.operations.v1.anchors_pb2_grpc import AnchorServiceStub

from deploy.local import configs, layout, objectstore
from services.archive.config import ArchiveConfig
from services.common import anchor, db, topology
from services.common.db import Database
from services.common.errors import Forbidden, HosoError, Invalid, NotFound, Unauthenticated
from services.common.grpc_client import calling, channel
from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig
from tests import servers
from tests.integration.archive import peers as stand_ins
from tests.integration.archive.stores import with_buckets
from tests.integration.common import messages
from tests.service_processes import Processes, free_port
from tests.stand_ins import tls
from tests.standing import announced
from tests.unit.archive.signed_books import Ca, sign, signatories, signing_copy

SCHOOL, YEAR = "79000123", "2025-2026"
_ROLES = ("serve", "consume", "relay", "work")


@dataclass
class Line(Processes):
    """Archive's processes, their configuration, and both ends: what archive hears and what it
    says.
    """

    config: ArchiveConfig
    peers: stand_ins.Peers

    def announce_snapshot(self, data: bytes) -> str:
        snapshot = str(uuid.uuid4())
        self.peers.snapshots[snapshot] = data
        digest = hashlib.sha256(data).digest()
        event = gradebook_events.SnapshotTaken(
            snapshot=snapshot, school=SCHOOL, school_year=YEAR, content_sha256=digest, size_bytes=len(data)
        )
        self.peers.take(event)
        self.announce(event)
        return snapshot

    def heard(self, kind: type[Any], count: int, timeout_s: float = 60) -> list[Any]:
        """The next events that gradebook would get from archive."""
        events = []
        deadline = time.monotonic() + timeout_s
        while len(events) < count:
            properties, body = messages.take(self.sender, "gradebook.events", deadline - time.monotonic())
            assert properties.type == kind.DESCRIPTOR.full_name
            events.append(json_format.Parse(body, kind()))
        return events

    def stub(self, client: str) -> archive_pb2_grpc.ArchiveServiceStub:
        peer = PeerConfig(self.config.server.listen, tls(self.pki, client))
        return archive_pb2_grpc.ArchiveServiceStub(channel(peer, "archive"))


@pytest.fixture(scope="module")
def ca() -> Ca:
    return Ca(at=datetime.now(UTC))


@pytest.fixture(scope="module")
def line(
    seaweedfs: objectstore.Store,
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
    broker: Callable[[str], BrokerConfig],
    ca: Ca,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("archive")
    running = with_buckets(seaweedfs)
    fresh = replace(running.config, bucket=f"{running.config.bucket}-r", probe_bucket=f"{running.config.bucket}-p")
    (folder / "roots.pem").write_bytes(ca.pem)
    with stand_ins.serving(pki_files) as peers, contextlib.ExitStack() as stop:
        listen, own = f"{layout.HOST}:{free_port()}", pki_files.identity("anchor/archive")
        ourselves = PeerConfig(listen, tls(pki_files, "service/archive"))
        config = ArchiveConfig(
            database=database("archive"),
            broker=broker("archive"),
            anchor=AnchorConfig(own.key_file, own.cert_file, ourselves),
            server=ServerConfig(
                listen=listen,
                tls=tls(pki_files, "service/archive"),
                issuers_file=pki_files.stack.pki / "issuers.json",
            ),
            gradebook=peers.gradebook,
            signing=peers.signing,
            store=fresh,
            trust_roots_file=folder / "roots.pem",
        )
        file = folder / "archive.toml"
        file.write_text(configs.dump(config))
        line = Line("archive", file, pki_files, broker("gradebook"), config, peers)
        answered = [events_pb2.SnapshotArchived, events_pb2.RecordArchived, events_pb2.RecordRefused]
        topology.declare(line.sender, "gradebook", [kind.DESCRIPTOR.full_name for kind in answered])
        stop.callback(line.end)
        yield line


@pytest.fixture(scope="module")
def up(line: Line) -> Line:
    """Set up as an administrator does it, then started."""
    assert line.once("migrate").returncode == 0
    missing = line.once("check-config")
    assert missing.returncode == 1
    assert "store: BUCKET_NOT_LOCKED" in missing.stdout
    assert "STORE_NOT_PROVEN" in missing.stdout
    made = [f"created {line.config.store.bucket}", f"created {line.config.store.probe_bucket}"]
    assert line.once("provision").stdout.splitlines() == made
    assert line.once("provision").stdout == ""
    probed = line.once("probe")
    assert probed.returncode == 0, probed.stdout
    good = line.once("check-config")
    assert (good.stdout, good.returncode) == ("configuration is good\n", 0)
    for role in _ROLES:
        line.start(role)
    for event in announced(SCHOOL, ["gv-1"], years=[YEAR]):
        line.announce(event)
    grpc.channel_ready_future(
        channel(PeerConfig(line.config.server.listen, tls(line.pki, "operator/department")), "archive")
    ).result(timeout=20)
    return line


def test_sealed_book_from_event_to_event(up: Line, ca: Ca) -> None:
    content, unsigned = signing_copy()
    pdf = sign(unsigned, signatories(content), ca)[-1]
    document, book = str(uuid.uuid4()), str(uuid.uuid4())
    up.peers.documents[document] = pdf
    event = gradebook_events.BookLocked(
        book=book,
        version=1,
        school=SCHOOL,
        school_year=YEAR,
        content_sha256=hashlib.sha256(content).digest(),
        document=document,
        document_sha256=hashlib.sha256(pdf).digest(),
    )
    up.peers.lock(event, unsigned)
    up.announce(event)
    up.announce(event)
    (archived,) = up.heard(events_pb2.RecordArchived, 1)
    assert (archived.book, archived.object_sha256) == (book, hashlib.sha256(pdf).digest())

    operator = up.stub("operator/department")
    answer = operator.VerifyRecord(pb.VerifyRecordRequest(record=archived.record), timeout=30)
    assert [c.name for c in answer.checks if not c.passed] == []
    assert answer.valid
    assert len(answer.signatures) == 15
    assert answer.signatures[-1].role == "SCHOOL_SEAL"
    pieces = operator.DownloadRecord(pb.DownloadRecordRequest(record=archived.record), timeout=30)
    assert b"".join(piece.chunk for piece in pieces) == pdf


def test_many_verifications_at_once_hold_up_nobody(up: Line) -> None:
    """Each takes a good part of a second of processor time: a client has one at a time, and its
    other calls go on as well.
    """
    operator = up.stub("operator/department")
    request = pb.ListRecordsRequest(school=SCHOOL, kind=pb.RECORD_KIND_CLASS_BOOK)
    (record, *_) = operator.ListRecords(request, timeout=10).records
    asked = [operator.VerifyRecord.future(pb.VerifyRecordRequest(record=record.id), timeout=60) for _ in range(32)]
    durations = []
    while not all(call.done() for call in asked) or not durations:
        began = time.monotonic()
        operator.GetRecord(pb.GetRecordRequest(record=record.id), timeout=30)
        durations.append(time.monotonic() - began)
    codes = Counter(call.code() for call in asked)
    assert codes.keys() == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert codes[grpc.StatusCode.OK] <= 3
    assert max(durations) < 0.5
    assert operator.VerifyRecord(pb.VerifyRecordRequest(record=record.id), timeout=30).valid


def test_archive_anchors_its_own_heads(up: Line) -> None:
    """The role `work` made the day's anchor by itself, through the role `serve`."""
    operator = AnchorServiceStub(
        channel(PeerConfig(up.config.server.listen, tls(up.pki, "operator/department")), "archive")
    )

    def anchored() -> bool:
        listed = operator.ListAnchors(anchors_pb2.ListAnchorsRequest(service="archive"), timeout=10)
        return [a.number for a in listed.anchors] == [1]

    messages.eventually(anchored, timeout_s=30)
    answer = operator.GetAnchor(anchors_pb2.GetAnchorRequest(service="archive"), timeout=10)
    trusted = up.config.server.tls.ca_file.read_bytes()
    assert "archive" in {head.chain for head in anchor.read(answer.statement, "archive", trusted).heads}


def test_the_day_is_compared_and_an_operator_compares_once_more(up: Line) -> None:
    operator = up.stub("operator/department")

    def newest() -> pb.GetComparisonResponse | None:
        try:
            answer: pb.GetComparisonResponse = operator.GetComparison(pb.GetComparisonRequest(), timeout=10)
        except grpc.RpcError as e:
            assert e.code() is grpc.StatusCode.NOT_FOUND
            return None
        return answer

    messages.eventually(lambda: newest() is not None, timeout_s=30)
    operator.CompareStore(pb.CompareStoreRequest(), timeout=10)
    first = newest()
    messages.eventually(lambda: newest() != first, timeout_s=30)
    again = newest()
    assert again is not None
    assert again.records >= 1
    assert again.objects > again.records  # the anchors are objects too
    assert (again.difference_count, list(again.differences)) == (0, [])


def test_killed_workers_lose_and_double_nothing(up: Line) -> None:
    """kill -9 of `work` again and again while it locks: every snapshot is archived once, each under
    one version.
    """
    wanted = {up.announce_snapshot(os.urandom(1_000_000)) for _ in range(40)}
    database = Database(up.config.database)
    interrupted = 0
    for pause_s in (0.0, 0.01, 0.03, 0.06):
        messages.eventually(lambda: _running(database) > 0)
        time.sleep(pause_s)
        up.kill("work")
        interrupted += _running(database)
        with database.transaction() as tx:
            tx.execute("UPDATE job SET due_time = now() WHERE state = 'running'")  # as if the lease had run out
        up.start("work")
    database.close()
    assert interrupted > 0
    heard = up.heard(events_pb2.SnapshotArchived, len(wanted), timeout_s=90)
    assert sorted(event.snapshot for event in heard) == sorted(wanted)
    operator = up.stub("operator/department")
    for event in heard:
        assert operator.VerifyRecord(pb.VerifyRecordRequest(record=event.record), timeout=30).valid


def _running(database: Database) -> int:
    with database.transaction() as tx:
        row = tx.execute("SELECT count(*) FROM job WHERE state = 'running'").fetchone()
    assert row is not None
    return int(row[0])


def test_lists_are_paged_newest_first(up: Line) -> None:
    snapshots = [up.announce_snapshot(os.urandom(100)) for _ in range(5)]
    up.heard(events_pb2.SnapshotArchived, 5)
    stub, seen, token = up.stub("operator/department"), [], ""
    while True:
        request = pb.ListRecordsRequest(school=SCHOOL, kind=pb.RECORD_KIND_SNAPSHOT, page_size=2, page_token=token)
        page = stub.ListRecords(request, timeout=10)
        seen += [record.source for record in page.records]
        token = page.next_page_token
        if not token:
            break
    assert sorted(seen[:5]) == sorted(snapshots)
    assert len(seen) == len(set(seen))
    assert stub.ListRecords(pb.ListRecordsRequest(school="79000999"), timeout=10).records == []


def _refused(call: Callable[[], object], kind: type[HosoError], reason: str) -> None:
    with pytest.raises(kind) as caught, calling("archive"):
        call()
    assert caught.value.reason == reason


def test_who_may_call(up: Line) -> None:
    snapshot = up.announce_snapshot(os.urandom(100))
    (archived,) = up.heard(events_pb2.SnapshotArchived, 1)
    assert archived.snapshot == snapshot
    vendor, printing = up.stub("vendor/smas"), up.stub("service/print")
    get = pb.GetRecordRequest(record=archived.record)
    own, other = up.token(SCHOOL), up.token("79000999")
    stranger = up.token(SCHOOL, client="vendor/vietschool")
    _refused(
        lambda: up.stub("vendor/vietschool").GetRecord(get, timeout=10, metadata=stranger),
        Forbidden,
        "VENDOR_NOT_AUTHORISED",
    )
    student = up.token(SCHOOL, person="hs-1")
    _refused(lambda: vendor.GetRecord(get, timeout=10, metadata=student), Forbidden, "PERSON_UNKNOWN")
    assert vendor.GetRecord(get, timeout=10, metadata=own).record.source == snapshot
    _refused(lambda: vendor.GetRecord(get, timeout=10), Unauthenticated, "PERSON_REQUIRED")
    _refused(lambda: vendor.GetRecord(get, timeout=10, metadata=other), Forbidden, "WRONG_SCHOOL")
    _refused(
        lambda: list(
            vendor.DownloadRecord(pb.DownloadRecordRequest(record=archived.record), timeout=10, metadata=other)
        ),
        Forbidden,
        "WRONG_SCHOOL",
    )
    _refused(lambda: printing.GetRecord(get, timeout=10), Forbidden, "CLIENT_NOT_ALLOWED")
    policy = pb.RetentionPolicy(kind=pb.RECORD_KIND_CLASS_BOOK, years=30, permanent=True, legal_reference="x")
    _refused(
        lambda: vendor.PutRetentionPolicy(pb.PutRetentionPolicyRequest(policy=policy), timeout=10, metadata=own),
        Forbidden,
        "CLIENT_NOT_ALLOWED",
    )
    with db.connect(up.config.database) as tx:
        rows = tx.execute("SELECT client, facts->>'reason' FROM audit_entry WHERE chain = 'access'").fetchall()
    assert ("vendor/smas", "WRONG_SCHOOL") in rows
    assert ("service/print", "CLIENT_NOT_ALLOWED") in rows


def test_bad_input_names_the_field(up: Line) -> None:
    operator = up.stub("operator/department")
    _refused(lambda: operator.GetRecord(pb.GetRecordRequest(record="x"), timeout=10), Invalid, "INVALID_INPUT")
    _refused(
        lambda: operator.GetRecord(pb.GetRecordRequest(record=str(uuid.uuid4())), timeout=10),
        NotFound,
        "RECORD_UNKNOWN",
    )
    for bad in (
        pb.ListRecordsRequest(page_size=501),
        pb.ListRecordsRequest(page_token="x"),
        pb.ListRecordsRequest(kind=9),
    ):
        _refused(lambda bad=bad: operator.ListRecords(bad, timeout=10), Invalid, "INVALID_INPUT")  # type: ignore[misc]
    policy = pb.RetentionPolicy(kind=pb.RECORD_KIND_CLASS_BOOK, years=700, legal_reference="TT 08/2025/TT-BGDĐT")
    with pytest.raises(Invalid) as invalid, calling("archive"):
        operator.PutRetentionPolicy(pb.PutRetentionPolicyRequest(policy=policy), timeout=10)
    assert [(v.field, v.rule) for v in invalid.value.violations] == [("policy.years", "RETENTION_YEARS")]


def test_operator_sees_the_proof_and_sets_policies(up: Line) -> None:
    operator = up.stub("operator/department")
    report = operator.GetStoreReport(pb.GetStoreReportRequest(), timeout=10)
    assert report.passed
    assert {"downgrade-then-bypass", "multi-delete", "expiry-and-legal-hold"} <= {c.name for c in report.checks}
    before = operator.ListRetentionPolicies(pb.ListRetentionPoliciesRequest(), timeout=10).policies
    assert {(p.kind, p.version, p.years, p.permanent) for p in before} == {
        (pb.RECORD_KIND_CLASS_BOOK, 1, 20, True),
        (pb.RECORD_KIND_SNAPSHOT, 1, 20, True),
        (pb.RECORD_KIND_TEACHER_BOOK, 1, 10, False),
        (pb.RECORD_KIND_TRANSCRIPT, 1, 20, True),
        (pb.RECORD_KIND_STUDENT_REGISTER, 1, 20, True),
        (pb.RECORD_KIND_AUDIT_ANCHOR, 1, 20, False),
    }
    policy = pb.RetentionPolicy(
        kind=pb.RECORD_KIND_CLASS_BOOK, years=50, permanent=True, legal_reference="Quyết định của Sở"
    )
    added = operator.PutRetentionPolicy(pb.PutRetentionPolicyRequest(policy=policy), timeout=10).policy
    assert (added.version, added.years) == (2, 50)
