"""An upgrade of a database that has schools in it: what was going on goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path

from services.common.db import Database, migrate
from services.common.settings import DatabaseConfig
from services.gradebook.domain import Authorisation, Authority
from tests.integration.gradebook.world import MIGRATIONS


def test_a_year_that_was_open_before_dossiers_were_kept_stays_open(
    database: Callable[[str], DatabaseConfig], tmp_path: Path
) -> None:
    config = database("gradebook")
    older = tmp_path / "gradebook" / "migrations"
    older.mkdir(parents=True)
    for file in MIGRATIONS.glob("000[123]_*.sql"):
        shutil.copy(file, older)
    migrate(config, [older])
    opened = Database(config, max_size=1)
    with opened.transaction() as tx:
        tx.execute(
            "INSERT INTO school (code, name, level, commune, province, department) VALUES ('1', 'a', 1, 'b', 'c', 'd')"
        )
        tx.execute(
            "INSERT INTO school_year (school_id, name, vendor, paper_track_required)"
            " SELECT id, '2025-2026', 'smas', true FROM school"
        )
    assert "gradebook/0011_dossiers.sql" in migrate(config, [MIGRATIONS])
    with opened.transaction() as tx:
        rows = tx.execute("SELECT authorisation, authority FROM school_year").fetchall()
    opened.close()
    assert rows == [(Authorisation.BY_DEPARTMENT, Authority.GRANTED)]
