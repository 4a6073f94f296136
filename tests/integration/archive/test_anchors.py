"""Anchored audit heads on both stores: made once a day, locked, read from the store alone, and what
is refused.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hoso.operations.v1 import anchors_pb2 as pb
from hoso.operations.v1 import operations_pb2, operations_pb2_grpc
from minio.commonconfig import COMPLIANCE

from deploy.local import certificates, pki
from services.archive import store as archive_store
from services.archive import worm
from services.archive.domain import Kind, retain_until
from services.common import anchor, anchoring, audit, jobs
from services.common.anchor import Signer, Statement
from services.common.errors import Forbidden, HosoError, Invalid, NotFound, Rejected, Unavailable
from services.common.grpc_client import calling, channel
from services.common.identity import SYSTEM
from services.common.jobs import Job
from services.common.settings import DatabaseConfig, PeerConfig
from tests import servers, stand_ins
from tests.integration.archive.anchor_line import AnchorLine, serving
from tests.integration.archive.forging import cut, remove, rewrite, superuser
from tests.integration.archive.stores import RunningStore
from tests.integration.common import messages
from tests.owning import as_owner

SERVICE = "gradebook"


@pytest.fixture(scope="module")
def line(
    store: RunningStore, pki_files: servers.Pki, database: Callable[[str], DatabaseConfig]
) -> Iterator[AnchorLine]:
    configs = {service: database(service) for service in (SERVICE, "print", "archive")}
    with serving(pki_files, store, configs) as line:
        for base in line.databases.values():
            with as_owner(base.config) as tx:
                tx.execute("TRUNCATE job")  # the other store's
        with line.databases[SERVICE].transaction() as tx:
            if not audit.heads(tx):
                for number in range(1, 6):
                    audit.append(
                        tx,
                        audit.AuditRow(
                            "school/79000001", "MARKS_ENTERED", f"marks/{number}", {"n": str(number)}, SYSTEM
                        ),
                    )
                audit.append(tx, audit.AuditRow("department", "VENDOR_APPRAISED", "vendors/smas", {}, SYSTEM))
        yield line


def queue(line: AnchorLine, key: str) -> Job:
    """The claimed job with that key."""
    with line.databases[SERVICE].transaction() as tx:
        jobs.enqueue(tx, anchoring.JOB, key, {})
        job = jobs.claim(tx, [anchoring.JOB], 60)
    assert job is not None
    assert job.key == key
    return job


def anchor_again(line: AnchorLine, key: str) -> None:
    anchoring.make(line.anchoring(SERVICE), queue(line, f"asked/{key}"))


def newest(line: AnchorLine, number: int = 0) -> tuple[pb.Anchor, bytes, Statement]:
    """An anchor as an operator reads it, its signature checked."""
    answer = line.stub("operator/department").GetAnchor(pb.GetAnchorRequest(service=SERVICE, number=number), timeout=20)
    return answer.anchor, answer.statement, anchor.read(answer.statement, SERVICE, line.anchors.trusted)


def refusal(call: Callable[[], object]) -> HosoError:
    with pytest.raises(HosoError) as caught, calling("archive"):
        call()
    return caught.value


def test_a_day_has_one_anchor_and_it_is_locked(line: AnchorLine) -> None:
    today = datetime.now(UTC)
    with line.databases[SERVICE].transaction() as tx:
        assert anchoring.queue_day(tx, today)
        assert not anchoring.queue_day(tx, today + timedelta(seconds=1))
        job = jobs.claim(tx, [anchoring.JOB], 60)
    assert job is not None
    assert job.key == today.date().isoformat()
    anchoring.make(line.anchoring(SERVICE), job)
    locked, signed, statement = newest(line)
    assert (locked.number, locked.sha256, statement.previous_sha256) == (1, anchor.sha256(signed), b"")
    with line.databases[SERVICE].transaction() as tx:
        assert statement.heads == tuple(audit.heads(tx))
        assert tx.execute("SELECT state FROM job").fetchall() == [("done",)]
        # As if the worker had died after the lock and before the job's end.
        tx.execute("UPDATE job SET state = 'waiting', finished_time = NULL, due_time = now()")
        again = jobs.claim(tx, [anchoring.JOB], 60)
    assert again is not None
    anchoring.make(line.anchoring(SERVICE), again)
    assert newest(line)[0].number == 1

    with line.archive.transaction() as tx:
        policy = archive_store.policy(tx, Kind.AUDIT_ANCHOR)
    held = line.store.worm().retention(locked.key, locked.version_id)
    assert held == worm.Retention(COMPLIANCE, retain_until(policy, datetime.now(UTC)))
    assert locked.retain_until_time.ToDatetime(UTC) == held.retain_until
    assert locked.key == f"anchors/{SERVICE}/0000000001/{locked.sha256.hex()}"


def test_the_next_anchor_names_the_previous(line: AnchorLine) -> None:
    before = newest(line)[0]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    anchoring.make(line.anchoring(SERVICE), queue(line, tomorrow))
    locked, _, statement = newest(line)
    assert (statement.number, statement.previous_sha256) == (before.number + 1, before.sha256)
    listed = line.stub("operator/department").ListAnchors(
        pb.ListAnchorsRequest(service=SERVICE, page_size=1), timeout=20
    )
    assert [a.number for a in listed.anchors] == [locked.number]
    rest = line.stub("operator/department").ListAnchors(
        pb.ListAnchorsRequest(service=SERVICE, page_token=listed.next_page_token), timeout=20
    )
    assert [a.number for a in rest.anchors] == list(range(before.number, 0, -1))
    assert newest(line, before.number)[0] == before
    with line.archive.transaction() as tx:
        rows = tx.execute("SELECT action, subject, client FROM audit_entry WHERE chain = 'anchors'").fetchall()
        assert audit.verify(tx) == []
    assert ("AUDIT_ANCHORED", f"anchors/{SERVICE}/{locked.number}", f"service/{SERVICE}") in rows


def test_the_role_work_anchors_by_itself_and_when_asked(line: AnchorLine) -> None:
    tls = stand_ins.tls(line.pki, "operator/department")
    operator = operations_pb2_grpc.OperationsServiceStub(channel(PeerConfig(line.addresses["print"], tls), "print"))
    stub = line.stub("operator/department")

    def number() -> int:
        listed = stub.ListAnchors(pb.ListAnchorsRequest(service="print"), timeout=20)
        return listed.anchors[0].number if listed.anchors else 0

    with line.working("print"):
        messages.eventually(lambda: number() == 1)
        operator.AnchorAudit(operations_pb2.AnchorAuditRequest(), timeout=10)
        messages.eventually(lambda: number() == 2)
    with line.databases["print"].transaction() as tx:
        rows = tx.execute("SELECT action, client FROM audit_entry WHERE chain = 'operations'").fetchall()
    assert rows[-1] == ("ANCHOR_ASKED", "operator/department")


def a_next_statement(line: AnchorLine, **change: object) -> Statement:
    locked, _, statement = newest(line)
    following = replace(statement, number=locked.number + 1, previous_sha256=locked.sha256, time=datetime.now(UTC))
    return replace(following, **change)  # type: ignore[arg-type]


def send(line: AnchorLine, signed: bytes, client: str = f"service/{SERVICE}") -> HosoError:
    request = pb.AnchorAuditHeadsRequest(statement=signed)
    return refusal(lambda: line.stub(client).AnchorAuditHeads(request, timeout=20))


def signer(line: AnchorLine, name: str) -> Signer:
    """Any key of the stack: the anchor key of another service, or the key that makes
    connections.
    """
    who = line.pki.identity(name)
    key = serialization.load_pem_private_key(who.key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Signer(key, x509.load_pem_x509_certificate(who.cert_file.read_bytes()))


def test_anything_but_the_callers_next_anchor_is_refused(line: AnchorLine) -> None:
    before, _, statement = newest(line)
    ours = line.anchoring(SERVICE).signer
    good = anchor.sign(a_next_statement(line), ours)
    head, _, signature = good.split(b".")
    other = anchor.sign(a_next_statement(line, heads=()), ours).split(b".")

    forged = send(line, b".".join((head, other[1], signature)))
    assert (forged.reason, forged.facts["why"]) == ("ANCHOR_INVALID", "SIGNATURE")
    of_a_vendor = certificates.sign(
        pki.authority(line.pki.stack, "vendor"),
        [f"anchor/{SERVICE}"],
        [x509.UniformResourceIdentifier(f"urn:hoso:anchor/{SERVICE}")],
        certificates.PROFILES["anchor"],
    )
    for other_signer, why in (
        (signer(line, "anchor/print"), "SIGNER_NAME"),
        (signer(line, "service/gradebook"), "CERTIFICATE"),
        (Signer(of_a_vendor.key, of_a_vendor.certificate), "CERTIFICATE"),
    ):
        with_another_key = send(line, anchor.sign(a_next_statement(line), other_signer))
        assert (with_another_key.reason, with_another_key.facts["why"]) == ("ANCHOR_INVALID", why)
    assert send(line, b"no statement").facts["why"] == "FORMAT"

    in_anothers_name = send(line, good, "service/print")
    assert (type(in_anothers_name), in_anothers_name.reason) == (Forbidden, "ANCHOR_OF_ANOTHER")
    assert send(line, good, "operator/department").reason == "CLIENT_NOT_ALLOWED"
    with line.archive.transaction() as tx:
        refusals = tx.execute("SELECT client, facts->>'reason' FROM audit_entry WHERE chain = 'access'").fetchall()
    assert ("service/print", "ANCHOR_OF_ANOTHER") in refusals

    early = datetime.now(UTC) + timedelta(minutes=11)
    assert send(line, anchor.sign(a_next_statement(line, time=early), ours)).reason == "ANCHOR_TIME"
    for change in ({"number": before.number + 2}, {"previous_sha256": bytes(32)}, {"number": before.number}):
        assert send(line, anchor.sign(a_next_statement(line, **change), ours)).reason == "ANCHOR_NOT_NEXT"
    shorter = [replace(h, sequence=1) if h.sequence > 1 else h for h in statement.heads]
    back = send(line, anchor.sign(a_next_statement(line, heads=tuple(shorter)), ours))
    assert (back.reason, back.facts["chain"]) == ("ANCHOR_GOES_BACK", "school/79000001")
    assert send(line, anchor.sign(a_next_statement(line, heads=()), ours)).reason == "ANCHOR_GOES_BACK"
    # Two jobs of one service at the same time: the later one has older heads and the number that is
    # taken. It is late, not forged, and must not end as a dead job.
    late = a_next_statement(line, number=before.number, heads=tuple(shorter))
    assert send(line, anchor.sign(late, ours)).reason == "ANCHOR_NOT_NEXT"
    assert newest(line)[0] == before


def test_nothing_is_anchored_in_a_store_that_is_not_proven(line: AnchorLine) -> None:
    line.store.prove(line.archive, passed=False)
    try:
        refused = send(line, anchor.sign(a_next_statement(line), line.anchoring(SERVICE).signer))
    finally:
        line.store.prove(line.archive)
    assert (type(refused), refused.reason) == (Unavailable, "STORE_NOT_PROVEN")


def test_who_may_read_anchors(line: AnchorLine) -> None:
    get = pb.GetAnchorRequest(service=SERVICE)
    assert refusal(lambda: line.stub("service/print").GetAnchor(get, timeout=20)).reason == "ANCHOR_OF_ANOTHER"
    assert refusal(lambda: line.stub("vendor/smas").GetAnchor(get, timeout=20)).reason == "CLIENT_NOT_ALLOWED"
    operator = line.stub("operator/department")
    for request, kind in (
        (pb.GetAnchorRequest(service=SERVICE, number=99), NotFound),
        (pb.GetAnchorRequest(service="nobody"), NotFound),
        (pb.GetAnchorRequest(service="../records"), Invalid),
        (pb.GetAnchorRequest(service=SERVICE, number=-1), Invalid),
    ):
        assert type(refusal(lambda request=request: operator.GetAnchor(request, timeout=20))) is kind  # type: ignore[misc]


def test_the_archives_database_can_neither_hide_nor_forge_an_anchor(line: AnchorLine) -> None:
    before = newest(line)
    with as_owner(line.archive.config) as tx:
        tx.execute("ALTER TABLE audit_anchor DISABLE TRIGGER USER")
        tx.execute("DELETE FROM audit_anchor")
        tx.execute("INSERT INTO audit_anchor SELECT 'gradebook', 9000, sha256('x'), 'anchors/gradebook/9', 'v', now()")
        tx.execute("ALTER TABLE audit_anchor ENABLE TRIGGER USER")
    assert newest(line) == before
    anchor_again(line, "after")
    assert newest(line)[0].number == before[0].number + 1
    with as_owner(line.archive.config) as tx:
        rows = tx.execute("SELECT number FROM audit_anchor WHERE service = 'gradebook' ORDER BY number").fetchall()
    assert rows == [(before[0].number,), (before[0].number + 1,), (9000,)], "a lost row comes back with the next"


@pytest.mark.parametrize("forgery", ["rewritten", "cut short", "removed"])
def test_a_chain_that_was_changed_is_not_anchored(line: AnchorLine, forgery: str) -> None:
    anchor_again(line, f"before {forgery}")
    before = newest(line)
    with superuser(line.pki.stack, line.databases[SERVICE].config) as root:
        if forgery == "rewritten":
            rewrite(root, "school/79000001", "marks/9")
        elif forgery == "cut short":
            cut(root, "school/79000001", 4)
        else:
            remove(root, "department")
        with line.databases[SERVICE].transaction() as tx:
            assert audit.verify(tx) == [], "entirely correct in itself"
        with pytest.raises(Rejected) as refused:
            anchor_again(line, f"after {forgery}")
    assert refused.value.reason == "AUDIT_DIFFERS_FROM_ANCHOR"
    expected = {
        "rewritten": ("school/79000001", "5"),
        "cut short": ("school/79000001", "5"),
        "removed": ("department", "1"),
    }
    assert (refused.value.facts["chain"], refused.value.facts["sequence"]) == expected[forgery]
    assert newest(line) == before


def test_a_store_that_was_tampered_with_is_named(line: AnchorLine) -> None:
    """A second version of an anchor, which only an account of the store can put. Last, because it
    stays there.
    """
    locked = newest(line)[0]
    intruder = worm.connect(line.store.config, line.store.admin)
    intruder.put_object(line.store.config.bucket, locked.key, io.BytesIO(b"forged"), 6)
    request = pb.GetAnchorRequest(service=SERVICE)
    tampered = refusal(lambda: line.stub("operator/department").GetAnchor(request, timeout=20))
    assert (type(tampered), tampered.reason) == (Rejected, "STORE_TAMPERED")
    with pytest.raises(Rejected) as refused:
        anchor_again(line, "onto forged")
    assert refused.value.reason == "STORE_TAMPERED"
    assert isinstance(refused.value.__cause__, grpc.RpcError)
