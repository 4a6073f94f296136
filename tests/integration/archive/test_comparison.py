"""Journal, register and store are compared, on both stores; whoever owns one of them is found out
by the other two.
"""

import io
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from minio.commonconfig import COMPLIANCE
from minio.retention import Retention

from services.archive import comparison, differences, domain, store, worm
from services.archive.differences import Difference
from services.archive.domain import Record, row_hash
from services.common import jobs
from services.common.db import Tx
from services.common.errors import Forged
from tests.integration.archive.archiving import Bench
from tests.owning import as_owner


@pytest.fixture
def records(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Record]]:
    """Three records, with pages of two; what other tests have left differs already and is left
    out.
    """
    monkeypatch.setattr(comparison, "_PAGE", 2)
    snapshots = [bench.announce_snapshot(uuid.uuid4().bytes) for _ in range(3)]
    for _ in snapshots:
        bench.work()
    known = set(reasons(bench))
    monkeypatch.setattr(f"{__name__}._KNOWN", known)
    yield [bench.record(domain.Kind.SNAPSHOT, snapshot, 0) for snapshot in snapshots]


_KNOWN: set[Difference] = set()


def reasons(bench: Bench) -> list[Difference]:
    """The differences that are found beyond those known before."""
    result = comparison.compare(bench.archive.database, bench.archive.worm)
    assert result.count == len(result.listed)
    return [difference for difference in result.listed if difference not in _KNOWN]


def found(bench: Bench) -> set[tuple[str, str]]:
    return {(difference.reason, difference.name) for difference in reasons(bench)}


def unguarded(bench: Bench, act: Callable[[Tx], Any]) -> None:
    """Whoever owns the database does what no guard allows."""
    with as_owner(bench.archive.database.config) as tx:
        tx.execute("ALTER TABLE record DISABLE TRIGGER USER")
        tx.execute("ALTER TABLE register_head DISABLE TRIGGER USER")
        act(tx)
        tx.execute("ALTER TABLE record ENABLE TRIGGER USER")
        tx.execute("ALTER TABLE register_head ENABLE TRIGGER USER")


def put_rows_back(tx: Tx, rows: list[Any]) -> None:
    for row in rows:
        tx.execute("INSERT INTO record SELECT (jsonb_populate_record(NULL::public.record, %s::jsonb)).*", (row,))


def test_all_three_agree(bench: Bench, records: list[Record]) -> None:
    result = comparison.compare(bench.archive.database, bench.archive.worm)
    assert result.records >= 3
    assert result.objects >= 3
    assert reasons(bench) == []


def test_a_register_cut_at_its_end_with_its_head_is_found(bench: Bench, records: list[Record]) -> None:
    last = records[-1]
    kept = bench.query(f"SELECT to_jsonb(r)::text, previous_hash, sequence, hash FROM record r WHERE id = '{last.id}'")
    text, previous, sequence, row = kept[0]

    def cut(tx: Tx) -> None:
        tx.execute("DELETE FROM record WHERE id = %s", (last.id,))
        tx.execute("UPDATE register_head SET sequence = %s, hash = %s", (sequence - 1, previous))

    unguarded(bench, cut)
    # Its object is young: it could be of a record that is being archived.
    assert found(bench) == {("REGISTER_ROW_MISSING", f"records/{last.id}")}

    def mend(tx: Tx) -> None:
        put_rows_back(tx, [text])
        tx.execute("UPDATE register_head SET sequence = %s, hash = %s", (sequence, row))

    unguarded(bench, mend)
    assert found(bench) == set()


def test_a_register_written_anew_with_correct_hashes_is_found(bench: Bench, records: list[Record]) -> None:
    """The chain is whole, and VerifyRecord has nothing to object to in it."""
    with bench.archive.database.transaction() as tx:
        place = bench.query(f"SELECT sequence FROM record WHERE id = '{records[0].id}'")[0][0]
        before = store.register_after(tx, place - 1, 3)

    def forge(tx: Tx) -> None:
        previous = before[0].previous_hash
        for row in before:
            school = "79000999" if row.id == records[0].id else row.school
            forged = Record(**{name: getattr(row, name) for name in Record.__dataclass_fields__} | {"school": school})
            digest = row_hash(forged, row.sequence, previous)
            tx.execute(
                "UPDATE record SET school = %s, previous_hash = %s, hash = %s WHERE id = %s",
                (school, previous, digest, row.id),
            )
            previous = digest
        tx.execute("UPDATE register_head SET hash = %s", (previous,))

    def mend(tx: Tx) -> None:
        for row in before:
            tx.execute(
                "UPDATE record SET school = %s, previous_hash = %s, hash = %s WHERE id = %s",
                (row.school, row.previous_hash, row.hash, row.id),
            )
        tx.execute("UPDATE register_head SET hash = %s", (before[-1].hash,))

    unguarded(bench, forge)
    with bench.archive.database.transaction() as tx:
        assert domain.chain_problem(store.find_record(tx, records[0].id), *store.chain_around(tx, records[0].id)) == ""  # type: ignore[arg-type]
    assert found(bench) == {("REGISTER_ROW_CHANGED", f"records/{record.id}") for record in records}
    unguarded(bench, mend)
    assert found(bench) == set()


def test_a_record_that_was_never_archived_is_found(bench: Bench, records: list[Record]) -> None:
    head = bench.query("SELECT sequence, hash FROM register_head")[0]
    forged = Record(
        **{name: getattr(records[0], name) for name in Record.__dataclass_fields__}
        | {"id": uuid.uuid4(), "source": str(uuid.uuid4()), "key": worm.content_key(bytes(32))}
    )
    with bench.archive.database.transaction() as tx:
        store.add_record(tx, forged)
    name = f"records/{forged.id}"
    assert found(bench) == {("REGISTER_ROW_UNKNOWN", name), ("OBJECT_MISSING", name)}

    def mend(tx: Tx) -> None:
        tx.execute("DELETE FROM record WHERE id = %s", (forged.id,))
        tx.execute("UPDATE register_head SET sequence = %s, hash = %s", head)

    unguarded(bench, mend)


def test_a_second_version_and_a_marker_over_a_record_are_found(bench: Bench, records: list[Record]) -> None:
    client = worm.connect(bench.running.config, bench.running.admin)
    bucket = bench.running.config.bucket
    until = Retention(COMPLIANCE, datetime.now(UTC) + timedelta(seconds=30))
    client.put_object(bucket, records[0].key, io.BytesIO(b"other"), 5, retention=until)
    client.remove_object(bucket, records[1].key)
    assert found(bench) == {
        ("OBJECT_DOUBLE", f"records/{records[0].id}"),
        ("OBJECT_HIDDEN", f"records/{records[1].id}"),
    }


def test_an_object_that_no_row_names_is_found_once_it_is_no_record_under_way(
    bench: Bench, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = uuid.uuid4().bytes
    digest = domain.hashlib.sha256(data).digest()
    key = worm.content_key(digest)
    bench.archive.worm.put_locked(key, data, digest, datetime.now(UTC) + timedelta(days=1), {})
    assert found(bench) == set()
    monkeypatch.setattr(differences, "UNDER_WAY", timedelta(0))
    assert ("OBJECT_UNKNOWN", key) in found(bench)


def test_a_difference_is_kept_and_alarmed(bench: Bench, records: list[Record]) -> None:
    with bench.archive.database.transaction() as tx:
        assert comparison.queue_day(tx, datetime.now(UTC))
        assert not comparison.queue_day(tx, datetime.now(UTC))
        job = jobs.claim(tx, [comparison.JOB], 60)
    assert job is not None
    client = worm.connect(bench.running.config, bench.running.admin)
    client.remove_object(bench.running.config.bucket, records[2].key)
    with pytest.raises(Forged) as caught:
        comparison.run(bench.archive.database, bench.archive.worm, job)
    assert caught.value.reason == "STORE_DIFFERS"
    with bench.archive.database.transaction() as tx:
        kept = store.newest_comparison(tx)
    assert kept is not None
    assert {"reason": "OBJECT_HIDDEN", "name": f"records/{records[2].id}", "detail": "a delete marker"} in kept.listed
    assert kept.differences == len(kept.listed)
