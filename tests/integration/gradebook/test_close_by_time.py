"""Windows that close because their time came, through the real worker; windows for some grades
only.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.configs import dump
from services.common import jobs
from services.common.db import Database, migrate
from services.common.errors import Invalid, Rejected
from services.common.settings import BrokerConfig, DatabaseConfig, ServerConfig, WorkConfig
from services.gradebook.config import Config
from services.gradebook.entry import windows
from tests.integration.gradebook.world import FIRST, MIGRATIONS, World, served, tls
from tests.owning import as_owner
from tests.servers import Pki, PostgresServer
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
MARK = [(2, 0)]


@pytest.fixture(scope="module")
def database_config(database: Callable[[str], DatabaseConfig]) -> DatabaseConfig:
    return database("gradebook")


@pytest.fixture(scope="module")
def world(pki_files: Pki, database_config: DatabaseConfig) -> Iterator[World]:
    with served(pki_files, database_config, students=5) as world:
        world.put_roster()
        yield world


@pytest.fixture
def start(
    pki_files: Pki, database_config: DatabaseConfig, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start the worker as a supervisor does; it needs neither broker nor server."""
    files = tls(pki_files, "service/gradebook")
    nowhere = BrokerConfig("127.0.0.1", 1, "gradebook", "hoso", files)
    server = ServerConfig("127.0.0.1:1", files, pki_files.stack.pki / "issuers.json")
    file = tmp_path / "gradebook.toml"
    file.write_text(dump(Config(database_config, nowhere, server, WorkConfig(lease_s=3))))
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
        command = [sys.executable, "-m", "services.gradebook", "work", "--config", str(file)]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)


def test_a_window_closes_by_itself_once_though_its_worker_was_away_and_was_killed(
    world: World, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    school_class = world.school.classes[0]
    world.plan_window(end_s=3600)
    world.plan_window(end_s=1)
    world.enter(school_class, "TOAN", FIRST, MARK, {school_class.students[0].id: ["8"]})
    eventually(lambda: world.rows("SELECT 1 FROM entry_window WHERE close_time <= clock_timestamp()"))
    with pytest.raises(Rejected) as late:
        world.enter(school_class, "TOAN", FIRST, MARK, {school_class.students[0].id: ["9"]})
    assert late.value.reason == "WINDOW_CLOSED"
    assert not window(world).window.HasField("closed_time")

    with world.database.transaction() as tx:
        tx.execute("SELECT pg_advisory_xact_lock(%s, id) FROM school_year", (0x4742,))
        killed = start()
        eventually(lambda: world.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        killed.kill()
        killed.wait(timeout=10)
    assert not window(world).window.HasField("closed_time")

    start()
    closed = eventually(lambda: (current := window(world)).window.HasField("closed_time") and current)
    assert (closed.window.closed_by, closed.window.closed_by_time) == ("", True)
    assert [s.school_class.name for s in closed.snapshots] == ["6A1", "6A2"]
    assert len(world.outbox("SnapshotTaken")) == 2
    audit = world.rows("SELECT client, facts->>'by' FROM audit_entry WHERE action = 'WINDOW_CLOSED'")
    assert audit == [("system", "TIME")]
    assert world.close_window() == 2

    # What an earlier plan left, and what was closed by hand, ends quietly.
    world.plan_window("HK2", end_s=2)
    assert world.close_window("HK2") == 2
    with world.database.transaction() as tx:
        tx.execute("UPDATE job SET due_time = now()")
    eventually(lambda: world.rows("SELECT count(*) FROM job WHERE state <> 'done'") == [(0,)])
    closed = world.ask("GetWindow", **world.year, window="HK2")
    assert (closed.window.closed_by, closed.window.closed_by_time) == (world.school.principal, False)
    assert len(world.outbox("SnapshotTaken")) == 4


def test_a_window_may_be_for_some_grades(world: World) -> None:
    school_class = world.school.classes[0]
    world.plan_window("K7", grades=(7,))
    with pytest.raises(Rejected) as other_grade:
        world.enter(school_class, "TOAN", FIRST, MARK, {school_class.students[0].id: ["8"]})
    assert other_grade.value.reason == "WINDOW_CLOSED"
    assert world.close_window("K7") == 0
    world.plan_window("K6", grades=(6, 7))
    assert world.enter(school_class, "TOAN", FIRST, MARK, {school_class.students[0].id: ["7"]}).changed == 1
    assert world.close_window("K6") == 2
    listed = world.ask("ListWindows", **world.year, page_size=2)
    assert [w.name for w in listed.windows] == ["CN", "HK2"]
    rest = world.ask("ListWindows", **world.year, page_size=2, page_token=listed.next_page_token)
    assert [(w.name, list(w.grade_levels)) for w in rest.windows] == [("K7", [7]), ("K6", [6, 7])]
    with pytest.raises(Invalid) as wrong:
        world.plan_window("SAI", grades=(5, 5))
    assert {v.rule for v in wrong.value.violations} == {"DUPLICATE", "OUT_OF_RANGE"}


def window(world: World) -> Any:
    return world.ask("GetWindow", **world.year, window="CN")


def test_windows_planned_before_this_release_get_their_job_from_the_migration(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    config = postgres_server.create("gradebook")
    before = tmp_path / "gradebook" / "migrations"
    before.mkdir(parents=True)
    for path in MIGRATIONS.glob("000[123]_*.sql"):
        shutil.copy(path, before)
    try:
        migrate(config, [before])
        base = Database(config, max_size=1)
        with as_owner(config) as tx:
            tx.execute("INSERT INTO school VALUES (DEFAULT, '1', '', 1, '', '', '')")
            tx.execute("INSERT INTO school_year VALUES (DEFAULT, 1, '2025-2026', 'smas', false)")
            tx.execute(
                "INSERT INTO entry_window"
                " (school_year_id, name, open_time, close_time, semesters, mark_kinds, closed_time)"
                " VALUES (1, 'CN', now() - interval '2 h', now() - interval '1 h', '{1}', '{1}', NULL),"
                " (1, 'XONG', now() - interval '2 h', now() - interval '1 h', '{1}', '{1}', now())"
            )
        migrate(config, [MIGRATIONS])
        with base.transaction() as tx:
            job = jobs.claim(tx, [windows.CLOSE_JOB], 60)
        assert job is not None
        windows.close_by_time(base, job)
        with base.transaction() as tx:
            closed = tx.execute("SELECT name, closed_by_time FROM entry_window ORDER BY id").fetchall()
            assert jobs.claim(tx, [windows.CLOSE_JOB], 60) is None
        assert closed == [("CN", True), ("XONG", False)]
        base.close()
    finally:
        postgres_server.drop(config)
