"""The audit chain on a real PostgreSQL: what is written is found again, and every kind of tampering
is named.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest
from hoso.operations.v1 import operations_pb2 as pb
from hoso.operations.v1.operations_pb2_grpc import OperationsServiceStub

from services.common import audit, operations
from services.common.audit import Break, ChainHead
from services.common.db import Database, Tx
from services.common.errors import Invalid, NotFound, Rejected
from services.common.grpc_client import calling, channel
from services.common.refusals import Refusals
from services.common.settings import DatabaseConfig, PeerConfig, ServerConfig, TlsConfig
from tests import servers
from tests.integration.archive import forging
from tests.integration.common import messages
from tests.owning import as_owner
from tests.servers import Pki, PostgresServer

CHAIN = "school/79000001"


@dataclass(frozen=True)
class Caller:
    client: str = "vendor/smas"
    person: str | None = "people/7"
    school: str | None = "79000001"


@pytest.fixture
def chain(base: Database) -> Iterator[Database]:
    """Five rows in the chain under test, three in another, that stay whole."""
    with as_owner(base.config) as tx:
        truncate(tx)
        for number in range(1, 6):
            assert (
                audit.append(tx, audit.AuditRow(CHAIN, "MARK_CHANGED", f"marks/{number}", {"new": "8.3"}, Caller()))
                == number
            )
        for number in range(3):
            audit.append(
                tx, audit.AuditRow("another", "BOOK_LOCKED", f"books/{number}", {}, Caller(person=None, school=None))
            )
    yield base
    with as_owner(base.config) as tx:
        truncate(tx)


def tamper(base: Database, *statements: str) -> list[Break]:
    """What `verify` says after someone with the owner's rights has done this, triggers off."""
    with as_owner(base.config) as tx:
        tx.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        tx.execute("ALTER TABLE audit_head DISABLE TRIGGER USER")
        for statement in statements:
            tx.execute(statement)
        tx.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        tx.execute("ALTER TABLE audit_head ENABLE TRIGGER USER")
    with base.transaction() as tx:
        return audit.verify(tx)


def truncate(tx: psycopg.Connection[tuple[object, ...]]) -> None:
    tx.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
    tx.execute("ALTER TABLE audit_head DISABLE TRIGGER USER")
    tx.execute("TRUNCATE audit_entry, audit_head")
    tx.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    tx.execute("ALTER TABLE audit_head ENABLE TRIGGER USER")


def test_an_untouched_chain_is_whole(chain: Database) -> None:
    with chain.transaction() as tx:
        assert audit.verify_all(tx) == (8, [])
        assert audit.verify_all(tx, CHAIN) == (5, [])
        assert [(head.chain, head.sequence) for head in audit.heads(tx)] == [("another", 3), (CHAIN, 5)]
        row = tx.execute("SELECT client, person, school FROM audit_entry WHERE chain = 'another' LIMIT 1").fetchone()
    assert row == ("vendor/smas", "", "")


ENTRY = f"chain = '{CHAIN}' AND sequence"
COPY = "INSERT INTO audit_entry SELECT chain, {}, recorded_time, action, subject, client, person, school, facts,"


@pytest.mark.parametrize(
    ("statements", "sequence", "reason"),
    [
        ([f'UPDATE audit_entry SET facts = \'{{"new": "9.3"}}\' WHERE {ENTRY} = 2'], 2, "HASH_MISMATCH"),
        ([f"UPDATE audit_entry SET facts = '{{\"new\": 1e300}}' WHERE {ENTRY} = 2"], 2, "HASH_MISMATCH"),
        ([f"UPDATE audit_entry SET person = 'people/8' WHERE {ENTRY} = 5"], 5, "HASH_MISMATCH"),
        (
            [f"UPDATE audit_entry SET recorded_time = recorded_time - interval '1 us' WHERE {ENTRY} = 1"],
            1,
            "HASH_MISMATCH",
        ),
        ([f"UPDATE audit_entry SET hash = sha256('x') WHERE {ENTRY} = 3"], 3, "HASH_MISMATCH"),
        ([f"UPDATE audit_entry SET previous_hash = sha256('x') WHERE {ENTRY} = 3"], 3, "HASH_MISMATCH"),
        ([f"DELETE FROM audit_entry WHERE {ENTRY} = 1"], 1, "ROW_MISSING"),
        ([f"DELETE FROM audit_entry WHERE {ENTRY} = 3"], 3, "ROW_MISSING"),
        ([f"DELETE FROM audit_entry WHERE {ENTRY} >= 4"], 4, "ROW_MISSING"),
        ([f"DELETE FROM audit_entry WHERE {ENTRY} > 0"], 1, "ROW_MISSING"),
        # A cut tail with the head's number set back, and with its hash, too, but of another row.
        (
            [
                f"DELETE FROM audit_entry WHERE {ENTRY} = 5",
                f"UPDATE audit_head SET sequence = 4 WHERE chain = '{CHAIN}'",
            ],
            4,
            "HEAD_MISMATCH",
        ),
        ([f"UPDATE audit_head SET sequence = 4 WHERE chain = '{CHAIN}'"], 5, "ROW_UNEXPECTED"),
        ([f"UPDATE audit_head SET sequence = 9 WHERE chain = '{CHAIN}'"], 6, "ROW_MISSING"),
        # An inserted row, the later ones moved up.
        (
            [
                f"UPDATE audit_entry SET sequence = sequence + 100 WHERE {ENTRY} >= 3",
                f"UPDATE audit_entry SET sequence = sequence - 99 WHERE {ENTRY} >= 103",
                f"{COPY.format(3)} previous_hash, hash FROM audit_entry WHERE {ENTRY} = 2",
            ],
            3,
            "HASH_MISMATCH",
        ),
        # Two rows in each other's place.
        (
            [
                f"UPDATE audit_entry SET sequence = 100 WHERE {ENTRY} = 2",
                f"UPDATE audit_entry SET sequence = 2 WHERE {ENTRY} = 3",
                f"UPDATE audit_entry SET sequence = 3 WHERE {ENTRY} = 100",
            ],
            2,
            "HASH_MISMATCH",
        ),
        ([f"{COPY.format(6)} previous_hash, hash FROM audit_entry WHERE {ENTRY} = 5"], 6, "ROW_UNEXPECTED"),
    ],
)
def test_tampering_is_found_at_the_first_bad_row(
    chain: Database, statements: list[str], sequence: int, reason: str
) -> None:
    assert tamper(chain, *statements) == [Break(CHAIN, sequence, reason)]


def test_a_row_that_was_hashed_anew_no_longer_fits_the_next(chain: Database) -> None:
    """A careful forger computes the right hash of the edited row; the row after it tells."""
    with chain.transaction() as tx:
        rows = tx.execute(
            "SELECT chain, sequence, recorded_time, action, subject, client, person, school, facts, previous_hash"
            f" FROM audit_entry WHERE {ENTRY} = 2"
        ).fetchone()
    assert rows is not None
    forged = audit._Row(*rows)._replace(subject="marks/99")
    digest = audit._hash(forged).hex()
    problems = tamper(
        chain,
        f"UPDATE audit_entry SET subject = 'marks/99', hash = '\\x{digest}' WHERE {ENTRY} = 2",
    )
    assert problems == [Break(CHAIN, 3, "LINK_MISMATCH")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET subject = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "TRUNCATE audit_head CASCADE",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET sequence = sequence - 1",
        "UPDATE audit_head SET sequence = sequence + 2",
        "UPDATE audit_head SET chain = 'x'",
        "UPDATE audit_head SET hash = sha256('x')",
    ],
)
def test_the_database_refuses_changes(chain: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_owner(chain.config) as tx:
        tx.execute(statement)


def test_a_rolled_back_act_leaves_no_row(chain: Database) -> None:
    with pytest.raises(RuntimeError), chain.transaction() as tx:
        audit.append(tx, audit.AuditRow(CHAIN, "A", "s", {}, Caller()))
        raise RuntimeError
    with chain.transaction() as tx:
        assert audit.verify_all(tx) == (8, [])


def test_strange_text_is_recorded_and_verified(chain: Database) -> None:
    controls = "".join(map(chr, range(1, 32))) + "\x7f\u2028\\/\"'"
    facts = {
        "name": "Nguyễn\0",
        "lone": "\udc80",
        "emoji": "😀",
        "é": "e\u0301",
        "controls": controls,
        "Zz": "",
        "a_": "%s",
    }
    with chain.transaction() as tx:
        audit.append(tx, audit.AuditRow(CHAIN, "REFUSED", "a\0b", facts, Caller(client="x\ud800")))
        assert audit.verify(tx) == []
        row = tx.execute(f"SELECT facts ->> 'name' FROM audit_entry WHERE {ENTRY} = 6").fetchone()
    assert row == ("Nguyễn\ufffd",)


def test_writers_at_the_same_time_make_one_chain(chain: Database) -> None:
    def write() -> None:
        for _ in range(20):
            with chain.transaction() as tx:
                audit.append(tx, audit.AuditRow(CHAIN, "A", "s", {"k": "v"}, Caller()))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with chain.transaction() as tx:
            assert audit.verify(tx) == [], "a row that is being appended is no break"
    for thread in threads:
        thread.join()
    with chain.transaction() as tx:
        assert audit.verify_all(tx, CHAIN) == (85, [])


def test_progress_is_reported_batch_by_batch(chain: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH_ROWS", 2)
    progress = list(audit.check_chains(chain))
    assert [(p.rows, p.chains_done) for p in progress] == [(2, 0), (3, 1), (5, 1), (7, 1), (8, 2)]
    assert {p.chains_total for p in progress} == {2}
    with chain.transaction() as tx:
        oldest = tx.execute("SELECT min(recorded_time) FROM audit_entry").fetchone()
    assert oldest == (progress[-1].oldest_time,)
    assert [p.rows for p in audit.check_chains(chain, "another")] == [2, 3]
    with pytest.raises(NotFound):
        list(audit.check_chains(chain, "nowhere"))


def test_a_batch_that_ends_with_the_chain_is_its_last_but_one(chain: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH_ROWS", 5)
    assert [(p.rows, p.chains_done, p.breaks) for p in audit.check_chains(chain, CHAIN)] == [(5, 0, ()), (5, 1, ())]


def test_rows_whose_head_is_gone_are_found(chain: Database, postgres_server: PostgresServer) -> None:
    with forging.superuser(postgres_server.stack, chain.config) as root:
        root.execute("DELETE FROM audit_head WHERE chain = %s", (CHAIN,))
        with chain.transaction() as tx:
            assert audit.verify(tx) == [Break(CHAIN, 1, "ROW_UNEXPECTED")]


def breaks(base: Database, anchored: list[ChainHead]) -> list[Break]:
    """What a full check says; the quick comparison must name the same chains at their anchored
    rows.
    """
    problems = [problem for progress in audit.check_chains(base, anchored=anchored) for problem in progress.breaks]
    with base.transaction() as tx:
        assert audit.differences(tx, anchored) == [
            Break(h.chain, h.sequence, b.reason) for h in anchored for b in problems if b.chain == h.chain
        ]
    return problems


def test_a_forged_chain_is_found_by_its_anchored_head_alone(chain: Database, postgres_server: PostgresServer) -> None:
    with chain.transaction() as tx:
        anchored = audit.heads(tx)
        audit.append(tx, audit.AuditRow(CHAIN, "MARK_CHANGED", "marks/6", {}, Caller()))
    assert breaks(chain, anchored) == []
    for forge, expected in (
        (lambda root: forging.rewrite(root, CHAIN, "marks/9"), Break(CHAIN, 5, "ANCHOR_MISMATCH")),
        (lambda root: forging.cut(root, CHAIN, 3), Break(CHAIN, 4, "SHORTER_THAN_ANCHOR")),
        (lambda root: forging.remove(root, CHAIN), Break(CHAIN, 1, "SHORTER_THAN_ANCHOR")),
    ):
        with forging.superuser(postgres_server.stack, chain.config) as root:
            forge(root)
            with chain.transaction() as tx:
                assert audit.verify(tx) == [], "entirely correct in itself"
            assert breaks(chain, anchored) == [expected]


class Counting(Database):
    """A database that counts its transactions."""

    transactions = 0

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        self.transactions += 1
        with super().transaction() as tx:
            yield tx


@pytest.fixture
def served(chain: Database, pki_files: Pki) -> Iterator[tuple[Counting, OperationsServiceStub]]:
    """OperationsService over the chains under test, called by the operator."""
    files = {name: pki_files.identity(name) for name in ("service/gradebook", "operator/department")}
    tls = {name: TlsConfig(own.ca_file, own.cert_file, own.key_file) for name, own in files.items()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    counting = Counting(chain.config)
    config = ServerConfig(address, tls["service/gradebook"], pki_files.stack.pki / "issuers.json")
    with (
        servers.serving(config, [operations.served(counting)], Refusals(counting)),
        channel(PeerConfig(address, tls["operator/department"]), "gradebook") as opened,
    ):
        yield counting, OperationsServiceStub(opened)
    counting.close()


def test_the_stream_reports_progress_and_breaks(served: tuple[Counting, OperationsServiceStub]) -> None:
    database, stub = served
    with database.transaction() as tx:
        anchored = [pb.AuditHead(chain=h.chain, sequence=h.sequence, sha256=h.sha256) for h in audit.heads(tx)]
    anchored[0].sha256 = bytes(32)
    progress = list(stub.VerifyAuditChains(pb.VerifyAuditChainsRequest(anchored=anchored), timeout=20))
    assert [(p.rows, p.chains_done, p.chains_total) for p in progress] == [(3, 1, 2), (8, 2, 2)]
    assert [(b.chain, b.sequence, b.reason) for p in progress for b in p.breaks] == [("another", 3, "ANCHOR_MISMATCH")]
    assert progress[-1].oldest_time.ToDatetime(UTC) <= datetime.now(UTC)
    with pytest.raises(Invalid), calling("gradebook"):
        list(stub.VerifyAuditChains(pb.VerifyAuditChainsRequest(anchored=[pb.AuditHead(chain="a\0")]), timeout=20))


@pytest.mark.parametrize("unary", [False, True])
def test_work_ends_when_the_caller_has_gone(
    served: tuple[Counting, OperationsServiceStub], monkeypatch: pytest.MonkeyPatch, unary: bool
) -> None:
    database, stub = served
    with database.transaction() as tx:
        for number in range(3000):
            audit.append(tx, audit.AuditRow("long", "A", str(number), {}, Caller()))
    monkeypatch.setattr(audit, "BATCH_ROWS", 1)
    before = database.transactions
    if unary:
        call = stub.VerifyAudit.future(pb.VerifyAuditRequest(chain="long"), timeout=60)
    else:
        call = stub.VerifyAuditChains(pb.VerifyAuditChainsRequest(chain="long"), timeout=60)
    messages.eventually(lambda: database.transactions > before + 5)
    call.cancel()

    def still() -> bool:
        seen = database.transactions
        time.sleep(0.3)
        return database.transactions == seen

    messages.eventually(still)
    assert database.transactions - before < 3000


def test_the_unary_call_takes_a_chain_and_is_bounded(
    served: tuple[Counting, OperationsServiceStub], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stub = served
    answer = stub.VerifyAudit(pb.VerifyAuditRequest(), timeout=20)
    assert (answer.rows, list(answer.breaks)) == (8, [])
    monkeypatch.setattr(operations, "MAX_ROWS_AT_ONCE", 4)
    assert stub.VerifyAudit(pb.VerifyAuditRequest(chain="another"), timeout=20).rows == 3
    with pytest.raises(Rejected) as refused, calling("gradebook"):
        stub.VerifyAudit(pb.VerifyAuditRequest(), timeout=20)
    assert refused.value.reason == "AUDIT_TOO_LONG"
    with pytest.raises(NotFound), calling("gradebook"):
        stub.VerifyAudit(pb.VerifyAuditRequest(chain="nowhere"), timeout=20)


def test_many_rows_are_verified_in_constant_memory(chain: Database, database: Callable[[str], DatabaseConfig]) -> None:
    with chain.transaction() as tx:
        for number in range(2500):
            audit.append(tx, audit.AuditRow("long", "A", str(number), {}, Caller()))
        assert audit.verify_all(tx, "long") == (2500, [])
