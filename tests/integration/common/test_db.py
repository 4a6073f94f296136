"""Transactions, notifications and migrations on a real PostgreSQL."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from services.common import db
from services.common.config import ConfigError
from services.common.db import Database, MigrationError, trip
from services.common.errors import Unavailable
from services.common.settings import DatabaseConfig
from tests.integration.common.conftest import EMPTY
from tests.waiting import eventually

COMMON = [
    "common/0001_outbox_inbox.sql",
    "common/0002_job.sql",
    "common/0003_audit.sql",
    "common/0004_audit_append.sql",
    "common/0005_audit_without_subjects.sql",
    "common/0006_standing.sql",
    "common/0009_events_again.sql",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "demo" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_a.sql").write_text("CREATE TABLE a (n int);\nINSERT INTO a VALUES (1);\n")
    return folder


@pytest.fixture
def base(database_config: DatabaseConfig) -> Iterator[Database]:
    """As the owner: these tests are about transactions, whatever they touch."""
    base = Database(db.as_owner(database_config))
    with base.transaction() as tx:
        tx.execute(EMPTY)
    yield base
    base.close()


@pytest.fixture
def empty(request: pytest.FixtureRequest, postgres_server: object) -> DatabaseConfig:
    config: DatabaseConfig = postgres_server.create("print")  # type: ignore[attr-defined]
    request.addfinalizer(lambda: postgres_server.drop(config))  # type: ignore[attr-defined]
    return config


def scalar(base: Database, statement: str) -> object:
    with base.transaction() as tx:
        row = tx.execute(statement).fetchone()
    return row and row[0]


def test_a_transaction_commits_at_the_end_and_rolls_back_on_any_error(base: Database) -> None:
    with base.transaction() as tx:
        tx.execute("INSERT INTO inbox VALUES (gen_random_uuid(), 'kept')")
    with pytest.raises(KeyboardInterrupt), base.transaction() as tx:
        tx.execute("INSERT INTO inbox VALUES (gen_random_uuid(), 'lost')")
        raise KeyboardInterrupt
    assert scalar(base, "SELECT string_agg(type, ',') FROM inbox") == "kept"


ADD = "INSERT INTO inbox VALUES (gen_random_uuid(), $1) RETURNING type"
COUNT = "SELECT count(*) FROM inbox"
DIVIDE = "SELECT 1 / $1::int"


def test_a_trip_executes_statements_in_order_and_may_commit_with_them(base: Database) -> None:
    for total in (1, 2):
        with base.transaction() as tx:
            assert trip(tx, (ADD, ["it's \\ ${}%s"]), (COUNT, [])) == [[("it's \\ ${}%s",)], [(total,)]]
            assert scalar(base, COUNT) == total - 1, "nobody sees what is not committed"
            assert trip(tx, (COUNT, []), commit=True) == [[(total,)]]
            assert scalar(base, COUNT) == total
        assert scalar(base, COUNT) == total


def test_nothing_stays_of_a_trip_with_an_error(base: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), base.transaction() as tx:
        trip(tx, (ADD, ["a mistake later"]))
        trip(tx, (ADD, ["before it"]), (DIVIDE, [0]), (ADD, ["behind it"]), commit=True)
    with pytest.raises(Unavailable), base.transaction() as tx:
        trip(tx, (ADD, ["cut"]))
        scalar(
            base, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        trip(tx, (COUNT, []), commit=True)
    assert scalar(base, COUNT) == 0


def test_statements_see_what_was_committed_while_the_one_before_waited(base: Database) -> None:
    counts: list[object] = []

    def wait() -> None:
        with base.transaction() as tx:
            counts.append(trip(tx, ("SELECT pg_advisory_xact_lock($1)", [1]), (COUNT, []))[1])

    with base.transaction() as tx:
        tx.execute("SELECT pg_advisory_xact_lock(1)")
        thread = threading.Thread(target=wait)
        thread.start()
        eventually(lambda: scalar(base, "SELECT count(*) FROM pg_locks WHERE NOT granted"))
        db.execute(tx, (ADD, ["meanwhile"]))
    thread.join(10)
    assert counts == [[(1,)]]


def test_a_mistake_is_not_unavailable(base: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), base.transaction() as tx:
        tx.execute("SELECT * FROM nowhere")
    with pytest.raises(psycopg.errors.CheckViolation), base.transaction() as tx:
        tx.execute("INSERT INTO job (kind, key, payload, state) VALUES ('k', 'k', '{}', 'odd')")


def test_busy_and_slow_are_unavailable(base: Database) -> None:
    for statement in ("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)",):
        with pytest.raises(Unavailable) as e, base.transaction() as tx:
            tx.execute(statement)
        assert e.value.facts == {"sqlstate": "57014"}
    with base.transaction() as first:
        first.execute("LOCK TABLE job")
        with pytest.raises(Unavailable) as e, base.transaction() as second:
            second.execute("SET LOCAL lock_timeout = 20")
            second.execute("LOCK TABLE job")
    assert e.value.facts == {"sqlstate": "55P03"}


def test_a_deadlock_is_unavailable_for_one_of_the_two(base: Database) -> None:
    barrier = threading.Barrier(2, timeout=10)
    ended: list[str] = []

    def lock(first: str, second: str) -> None:
        try:
            with base.transaction() as tx:
                tx.execute(f"LOCK TABLE {first}")
                barrier.wait()
                tx.execute(f"LOCK TABLE {second}")
            ended.append("done")
        except Unavailable as e:
            ended.append(e.facts["sqlstate"])

    threads = [threading.Thread(target=lock, args=names) for names in (("job", "inbox"), ("inbox", "job"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ended) == ["40P01", "done"]


def test_a_killed_session_is_unavailable_and_the_next_call_works(base: Database) -> None:
    with pytest.raises(Unavailable), base.transaction() as tx:
        tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert [scalar(base, "SELECT 1") for _ in range(20)] == [1] * 20


def test_idle_connections_that_were_cut_fail_nobody(base: Database) -> None:
    with base.transaction() as first, base.transaction() as second, base.transaction() as third:
        for tx in (first, second, third):
            tx.execute("SELECT 1")
    with base.transaction() as tx:
        tx.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert [scalar(base, "SELECT 1") for _ in range(10)] == [1] * 10


def test_only_transactions_that_keep_plans_give_up_sequential_scans(base: Database) -> None:
    for keep_plans in (True, False, True):
        with base.transaction(keep_plans=keep_plans) as tx:
            settings = [tx.execute(f"SHOW {name}").fetchone() for name in ("plan_cache_mode", "enable_seqscan", "jit")]
        kept = [("force_generic_plan",), ("off",), ("off",)]
        assert settings == (kept if keep_plans else [("auto",), ("on",), ("off",)])


def test_a_server_that_is_not_there_is_unavailable(database_config: DatabaseConfig) -> None:
    base = Database(dataclasses.replace(database_config, port=1))
    started = time.monotonic()
    with pytest.raises(Unavailable):
        base.ping()
    with pytest.raises(Unavailable):
        base.listen("x", 1)
    assert time.monotonic() - started < 2 * db.POOL_TIMEOUT_S
    base.close()


def test_another_services_certificate_is_refused(
    database_config: DatabaseConfig, database: Callable[[str], DatabaseConfig]
) -> None:
    stranger = dataclasses.replace(database_config, tls=database("print").tls)
    with pytest.raises(Unavailable):
        db.connect(stranger)


def test_listen_hears_what_is_committed(base: Database) -> None:
    assert base.listen("c", 5), "the first call cannot know what it missed"
    assert not base.listen("c", 0.1)
    with base.transaction() as tx:
        tx.execute("NOTIFY c")
    assert base.listen("c", 5)
    assert not base.listen("c", 0.1)
    with pytest.raises(RuntimeError), base.transaction() as tx:
        tx.execute("NOTIFY c")
        raise RuntimeError
    assert not base.listen("c", 0.1)


def test_a_cut_listener_says_so_and_listens_again(base: Database) -> None:
    base.listen("c", 1)
    with base.transaction() as tx:
        tx.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    with pytest.raises(Unavailable):
        base.listen("c", 5)
    assert base.listen("c", 5), "something may have been missed"


def test_migrations_are_applied_once_and_in_order(empty: DatabaseConfig, folder: Path) -> None:
    assert db.migrate(empty, [folder]) == [*COMMON, "demo/0001_a.sql"]
    assert db.migrate(empty, [folder]) == []
    (folder / "0002_b.sql").write_text("ALTER TABLE a ADD m int;")
    assert db.migrate(empty, [folder]) == ["demo/0002_b.sql"]


def test_migrations_need_an_owner(empty: DatabaseConfig, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"database\.owner"):
        db.migrate(dataclasses.replace(empty, owner=None), [folder])


def test_rights_that_cannot_be_given_are_named(empty: DatabaseConfig, folder: Path) -> None:
    (folder.parent / "grants.toml").write_text('a = "SELECT"\nb = "SELECT"\n')
    with pytest.raises(MigrationError, match=r"demo/grants\.toml: b: .*does not exist"):
        db.migrate(empty, [folder])
    with db.connect(empty) as user, pytest.raises(psycopg.errors.InsufficientPrivilege):
        user.execute("SELECT * FROM a")
    (folder.parent / "grants.toml").write_text('a = "SELECT (n)"\n')
    assert db.migrate(empty, [folder]) == []
    with db.connect(empty) as user:
        assert user.execute("SELECT n FROM a").fetchall() == [(1,)]


def test_a_failing_file_leaves_nothing_behind(empty: DatabaseConfig, folder: Path) -> None:
    (folder / "0002_b.sql").write_text("CREATE TABLE b (n int); SELECT 1/0;")
    with pytest.raises(MigrationError, match=r"demo/0002_b\.sql"):
        db.migrate(empty, [folder])
    (folder / "0002_b.sql").write_text("CREATE TABLE b (n int);")
    assert db.migrate(empty, [folder]) == ["demo/0002_b.sql"]


def test_changed_missing_and_late_files_are_refused(empty: DatabaseConfig, folder: Path) -> None:
    (folder / "0003_c.sql").write_text("SELECT 1;")
    db.migrate(empty, [folder])
    text = (folder / "0003_c.sql").read_text()
    (folder / "0003_c.sql").write_text(text + " ")
    with pytest.raises(MigrationError, match=r"0003_c\.sql was changed"):
        db.migrate(empty, [folder])
    (folder / "0003_c.sql").unlink()
    with pytest.raises(MigrationError, match=r"0003_c\.sql was applied"):
        db.migrate(empty, [folder])
    (folder / "0003_c.sql").write_text(text)
    (folder / "0002_b.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"0002_b\.sql stands before"):
        db.migrate(empty, [folder])
    with pytest.raises(MigrationError, match="no migration files"):
        db.migrate(empty, [folder.parent])


def test_two_migrations_at_once_apply_each_file_once(empty: DatabaseConfig, folder: Path) -> None:
    applied: list[str] = []
    threads = [threading.Thread(target=lambda: applied.extend(db.migrate(empty, [folder]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(applied) == sorted([*COMMON, "demo/0001_a.sql"])


def test_a_server_that_may_forget_is_refused(base: Database) -> None:
    with base.transaction() as tx:
        db.assert_durable(tx)
        tx.execute("SET LOCAL synchronous_commit = off")
        with pytest.raises(db.NotDurable, match="synchronous_commit"):
            db.assert_durable(tx)
