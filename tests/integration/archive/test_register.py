"""Archive's register: tampering, the audit chain, retention policies and who may read."""

import dataclasses
import io
import uuid

import psycopg
import pytest

from services.archive import domain, store, usecases, worm
from services.archive.domain import Policy
from services.common import audit, identity
from services.common.errors import Forbidden, Invalid, NotFound
from services.common.identity import Caller
from tests.integration.archive.archiving import OPERATOR, Bench, Sealed
from tests.owning import as_owner
from tests.standing import announced, keep


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
    with as_owner(bench.archive.database.config) as tx:
        for table in ("record", "register_head"):
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        tx.execute(statement.encode())
        for table in ("record", "register_head"):
            tx.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


def test_register_rows_cannot_be_changed_by_mistake(bench: Bench) -> None:
    bench.announce_snapshot(uuid.uuid4().bytes)
    bench.work()
    for statement in ("UPDATE record SET school = 'x'", "DELETE FROM record", "TRUNCATE record CASCADE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), as_owner(bench.archive.database.config) as tx:
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
    kept = bench.record(domain.Kind.SNAPSHOT, snapshot, 0)
    record, year = str(kept.id), kept.school_year
    with bench.archive.database.transaction() as tx:
        keep(tx, announced("79000123", ["gv-001"], years=[year]))
    identity.acting(Caller("vendor/smas", "gv-001", "79000123"))
    assert bench.verifier.verify(record)[1].valid
    identity.acting(Caller("vendor/smas", "gv-900", "79000999"))
    with pytest.raises(Forbidden):
        bench.verifier.verify(record)
    identity.acting(Caller("vendor/vietschool", "gv-001", "79000123"))
    with pytest.raises(Forbidden):
        bench.verifier.verify(record)
    identity.acting(OPERATOR)
    with pytest.raises(NotFound):
        bench.verifier.verify(str(uuid.uuid4()))
    with pytest.raises(Invalid):
        bench.verifier.verify("not an id")
