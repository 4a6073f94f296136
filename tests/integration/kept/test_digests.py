"""Digests of an earlier release in gradebook's audit rows still say what the rows of each act
are.
"""

from collections.abc import Iterator

import pytest

from services.common.db import Database, Tx, migrate
from tests.integration.gradebook.world import MIGRATIONS
from tests.integration.kept.conftest import Restored
from tests.kept import digests
from tests.owning import as_owner

ACTIONS = {
    "ABSENCES_ENTERED",
    "ACHIEVEMENTS_ENTERED",
    "ATTENDANCE_ENTERED",
    "CONDUCT_ENTERED",
    "CORRECTION_APPROVED",
    "MARKS_ENTERED",
    "MARKS_SETTLED",
    "REMARKS_ENTERED",
    "STUDENT_MOVED",
}


@pytest.fixture(scope="module")
def database(restored: Restored) -> Iterator[Database]:
    config = restored("gradebook")
    migrate(config, [MIGRATIONS])
    database = Database(config, max_size=1)
    yield database
    database.close()


def differing(tx: Tx) -> list[str]:
    """The actions whose digest is not that of their rows."""
    return [row.action for row in digests.bound_rows(tx) if digests.recomputed(tx, row) != row.sha256]


def test_every_digest_is_that_of_its_rows(database: Database) -> None:
    with database.transaction() as tx:
        assert {row.action for row in digests.bound_rows(tx)} == ACTIONS
        assert differing(tx) == []


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        (
            "UPDATE remark SET remark = remark || '.' WHERE ctid = (SELECT min(ctid) FROM remark)",
            ["REMARKS_ENTERED"],
        ),
        (
            "UPDATE achievement SET achieved = achieved || '.' WHERE ctid = (SELECT min(ctid) FROM achievement)",
            ["ACHIEVEMENTS_ENTERED"],
        ),
        (
            "UPDATE entry SET vals[1] = vals[1] + 1 WHERE id = (SELECT min(id) FROM entry WHERE kind = 3)",
            ["CONDUCT_ENTERED"],
        ),
        ("UPDATE entry SET vals[1] = 99 WHERE id = (SELECT min(id) FROM entry WHERE kind = 4)", ["ABSENCES_ENTERED"]),
        ("UPDATE entry SET versions[1] = 9 WHERE id = (SELECT min(id) FROM entry WHERE kind = 2)", ["MARKS_SETTLED"]),
        ("UPDATE entry SET vals[1] = 99 WHERE id = (SELECT min(id) FROM entry WHERE kind = 1)", ["MARKS_ENTERED"]),
        (
            "UPDATE entry SET vals[1] = 99 WHERE id = (SELECT min(id) FROM entry WHERE kind = 5)",
            ["CORRECTION_APPROVED"],
        ),
        ("UPDATE entry SET vals[1] = 99 WHERE id = (SELECT min(id) FROM entry WHERE kind = 11)", ["STUDENT_MOVED"]),
        (
            "UPDATE attendance SET excused = excused || 11::smallint WHERE request_id ="
            " (SELECT request_id FROM entry WHERE kind = 6 AND reason = '' AND changed > 0 ORDER BY id LIMIT 1)"
            " AND NOT 11 = ANY(excused || unexcused)",
            ["ATTENDANCE_ENTERED"],
        ),
    ],
)
def test_a_changed_row_is_found(database: Database, change: str, actions: list[str]) -> None:
    with as_owner(database.config) as tx:
        for table in ("remark", "achievement", "entry", "attendance"):
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        assert tx.execute(change.encode()).rowcount > 0
        assert differing(tx) == actions
        tx.rollback()
