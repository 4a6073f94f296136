"""The audit chain on a real PostgreSQL: what is written is found again, and every kind of tampering is named."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from services.common import audit
from services.common.audit import Break
from services.common.db import Database
from services.common.settings import DatabaseConfig

CHAIN = "school/79000001"


@dataclass(frozen=True)
class Caller:
    client: str = "vendor/smas"
    person: str | None = "people/7"
    school: str | None = "79000001"


@pytest.fixture
def chain(base: Database) -> Iterator[Database]:
    """Five rows in the chain under test, three in another, that stay whole."""
    with base.transaction() as tx:
        truncate(tx)
        for number in range(1, 6):
            assert audit.append(tx, CHAIN, "MARK_CHANGED", f"marks/{number}", {"new": "8.3"}, Caller()) == number
        for number in range(3):
            audit.append(tx, "another", "BOOK_LOCKED", f"books/{number}", {}, Caller(person=None, school=None))
    yield base
    with base.transaction() as tx:
        truncate(tx)


def tamper(base: Database, *statements: str) -> list[Break]:
    """What `verify` says after someone with the owner's rights has done this, triggers off."""
    with base.transaction() as tx:
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
    found = tamper(
        chain,
        f"UPDATE audit_entry SET subject = 'marks/99', hash = '\\x{digest}' WHERE {ENTRY} = 2",
    )
    assert found == [Break(CHAIN, 3, "LINK_MISMATCH")]


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
    with pytest.raises(psycopg.errors.InsufficientPrivilege), chain.transaction() as tx:
        tx.execute(statement)


def test_a_rolled_back_act_leaves_no_row(chain: Database) -> None:
    with pytest.raises(RuntimeError), chain.transaction() as tx:
        audit.append(tx, CHAIN, "A", "s", {}, Caller())
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
        audit.append(tx, CHAIN, "REFUSED", "a\0b", facts, Caller(client="x\ud800"))
        assert audit.verify(tx) == []
        row = tx.execute(f"SELECT facts ->> 'name' FROM audit_entry WHERE {ENTRY} = 6").fetchone()
    assert row == ("Nguyễn\ufffd",)


def test_writers_at_the_same_time_make_one_chain(chain: Database) -> None:
    def write() -> None:
        for _ in range(20):
            with chain.transaction() as tx:
                audit.append(tx, CHAIN, "A", "s", {"k": "v"}, Caller())

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


def test_many_rows_are_verified_in_constant_memory(chain: Database, database: Callable[[str], DatabaseConfig]) -> None:
    with chain.transaction() as tx:
        for number in range(2500):
            audit.append(tx, "long", "A", str(number), {}, Caller())
        assert audit.verify_all(tx, "long") == (2500, [])
