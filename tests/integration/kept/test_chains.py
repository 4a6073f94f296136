"""Audit chains and digests of an earlier release verify after `migrate`, and a changed byte in them
is found.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

import services
from deploy.local import layout
from services.common import audit
from services.common.audit import Break
from services.common.db import Database, migrate
from tests.integration.kept.conftest import Restored
from tests.owning import as_owner

SERVICES = Path(services.__path__[0])


@pytest.fixture(scope="module", params=layout.SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def database(service: str, restored: Restored) -> Iterator[Database]:
    """A service's restored database, not yet migrated."""
    database = Database(restored(service), max_size=2)
    yield database
    database.close()


def migrated(database: Database, service: str) -> None:
    migrate(database.config, [SERVICES / service / "migrations"])


def test_every_chain_verifies_as_it_did(database: Database, service: str) -> None:
    with as_owner(database.config) as tx:
        before = audit.heads(tx)
    migrated(database, service)
    with database.transaction() as tx:
        assert audit.heads(tx) == before
        assert audit.verify_all(tx) == (sum(head.sequence for head in before), [])
    assert before


@pytest.mark.parametrize(
    "change",
    [
        'facts = facts || \'{"changed": "0", "x": "y"}\'',
        "hash = set_byte(hash, 31, get_byte(hash, 31) # 1)",
        "person = person || ' '",
        "recorded_time = recorded_time + interval '1 microsecond'",
    ],
)
def test_a_changed_row_is_found(database: Database, service: str, change: str) -> None:
    migrated(database, service)
    with as_owner(database.config) as tx:
        head = audit.heads(tx)[-1]
        tx.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        changed = tx.execute(
            f"UPDATE audit_entry SET {change} WHERE (chain, sequence) = (%s, 1)".encode(), (head.chain,)
        )
        assert changed.rowcount == 1
        assert audit.verify(tx) == [Break(head.chain, 1, "HASH_MISMATCH")]
        tx.rollback()
