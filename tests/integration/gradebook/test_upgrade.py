"""An upgrade of a database that has schools in it: what was going on goes on."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.common.db import Database, migrate
from services.common.settings import DatabaseConfig
from services.gradebook.entry.store import corrections
from services.gradebook.model.correction_rules import Change, CorrectionKind
from services.gradebook.model.domain import Authorisation, Authority, Stage
from tests.integration.gradebook.world import MIGRATIONS
from tests.owning import as_owner

_A_CLASS = """
INSERT INTO school (code, name, level, commune, province, department) VALUES ('1', 'a', 1, 'b', 'c', 'd');
INSERT INTO school_year (school_id, name, vendor, paper_track_required, authorisation, authorisation_decision,
    authorised_time) VALUES (1, '2025-2026', 'smas', true, 2, 'b', now());
INSERT INTO staff (school_id, person, name, roles) VALUES (1, 'gv', 'Giáo viên', '{5}');
INSERT INTO school_class (school_year_id, name, grade_level, homeroom_id) VALUES (1, '6A1', 6, 1);
INSERT INTO student (moet_student_id) VALUES ('s1');
INSERT INTO subject (school_year_id, grade_level, position, code, name, kind, periods_per_year, regular_count)
    VALUES (1, 6, 1, 'TOAN', 'Toán', 2, 140, 4)
"""


@pytest.fixture
def config(postgres_server: Any) -> Iterator[DatabaseConfig]:
    """An empty database of its own for each test."""
    made: DatabaseConfig = postgres_server.create("gradebook")
    yield made
    postgres_server.drop(made)


def test_a_year_that_was_open_before_dossiers_were_kept_stays_open(config: DatabaseConfig, tmp_path: Path) -> None:
    older = tmp_path / "gradebook" / "migrations"
    older.mkdir(parents=True)
    for file in MIGRATIONS.glob("000[123]_*.sql"):
        shutil.copy(file, older)
    migrate(config, [older])
    opened = Database(config, max_size=1)
    with as_owner(opened.config) as tx:
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


def test_corrections_of_before_stay_what_they_were(config: DatabaseConfig, tmp_path: Path) -> None:
    older = tmp_path / "gradebook" / "migrations"
    older.mkdir(parents=True)
    for file in MIGRATIONS.glob("00*.sql"):
        if file.name < "0017":
            shutil.copy(file, older)
    migrate(config, [older])
    opened = Database(config, max_size=1)
    with as_owner(opened.config) as tx:
        tx.execute(_A_CLASS)
        for what in ("1, 1, 10, 50, 1, 85", "2, 1, 12, NULL, 0, 202", "2, 1, 3, 40, 2, NULL", "1, NULL, 0, 4, 1, 2"):
            tx.execute(
                "INSERT INTO correction (id, request_id, request_sha256, class_id, student_id, reason, evidence, state,"
                " semester, subject_id, column_no, old_value, old_version, new_value) SELECT gen_random_uuid(),"
                f" gen_random_uuid(), sha256('a'), 1, 1, 'Nhập nhầm.', 'Bài', 1, {what}"
            )
            tx.execute(
                "INSERT INTO correction_step (correction_id, state, person, client, note)"
                " SELECT id, 1, 'gv', 'vendor/smas', '' FROM correction ORDER BY number DESC LIMIT 1"
            )
    assert migrate(config, [MIGRATIONS]) == [
        "gradebook/0017_corrections_of_class_data.sql",
        "gradebook/0018_reads_of_one_school.sql",
        "gradebook/0020_acts.sql",
        "gradebook/0022_standing.sql",
        "gradebook/0023_signing_copy.sql",
    ]
    with opened.transaction() as tx:
        migrated = corrections.list_corrections(tx, 1, class_id=None, state=None, after=0, limit=10)
        open_ids = [len(corrections.open_ids(tx, [1], stage, "", "")) for stage in Stage]
        again = [corrections.open_at(tx, item.datum) for item in migrated]
    opened.close()
    assert [(*item.datum, item.old_version, item.changes) for item in migrated] == [
        (CorrectionKind.MARK, 1, 1, 1, 1, 10, "", 1, (Change(0, 50, 85),)),
        (CorrectionKind.MARK, 1, 1, 1, 2, 12, "", 0, (Change(0, None, 202),)),
        (CorrectionKind.MARK, 1, 1, 1, 2, 3, "", 2, (Change(0, 40, None),)),
        (CorrectionKind.CONDUCT, 1, 1, None, 1, 0, "", 1, (Change(0, 4, 2),)),
    ]
    assert open_ids == [2, 3, 4]
    assert again == [item.id for item in migrated]
