"""What a service's user may do with its database: what the files `grants.toml` say, and no more
(ADR-0068).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest
from psycopg import sql

from deploy.local import layout, postgres
from services.common import db, grants
from services.common.settings import DatabaseConfig
from tests.integration.plans.rights import Right, rights
from tests.servers import PostgresServer

SERVICES = layout.REPOSITORY / "services"
_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
_COLUMNS = """
SELECT c.relname, a.attname, p.privilege FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
    unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (privilege)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
    AND has_column_privilege(%(user)s, c.oid, a.attnum, p.privilege)
    AND NOT has_table_privilege(%(user)s, c.oid, p.privilege)
"""
_WHOLE = """
SELECT c.relname, p.privilege FROM pg_class c,
    unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (privilege)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
    AND has_table_privilege(%(user)s, c.oid, p.privilege)
"""
_SEQUENCES = """
SELECT c.relname, p.privilege FROM pg_class c, unnest('{USAGE,SELECT,UPDATE}'::text[]) AS p (privilege)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
    AND has_sequence_privilege(%(user)s, c.oid, p.privilege)
"""
_DATABASES = """
SELECT d.datname, p.privilege FROM pg_database d, unnest('{CONNECT,CREATE,TEMPORARY}'::text[]) AS p (privilege)
WHERE has_database_privilege(%(user)s, d.oid, p.privilege) AND d.datname = ANY(%(names)s)
"""


def listed(service: str) -> dict[str, str]:
    return {**grants.read(SERVICES / "common"), **grants.read(SERVICES / service)}


def appended(service: str) -> list[str]:
    """The tables whose rows are never changed or removed."""
    return [
        table for table, line in listed(service).items() if "INSERT" in line and not re.search("UPDATE|DELETE", line)
    ]


@pytest.fixture(params=layout.SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(service: str, database: Callable[[str], DatabaseConfig]) -> DatabaseConfig:
    config = database(service)
    db.migrate(config, [SERVICES / service / "migrations"])
    return config


@pytest.fixture
def superuser(config: DatabaseConfig, postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    with postgres.admin(postgres_server.stack, config.name) as connection:
        yield connection


def test_every_table_has_its_line(service: str, superuser: psycopg.Connection[Any]) -> None:
    found = {name for (name,) in superuser.execute(_TABLES)}
    assert found - listed(service).keys() == set()


def test_the_user_has_the_rights_that_are_listed_and_no_other(service: str, superuser: psycopg.Connection[Any]) -> None:
    assert _held(superuser, service) == set(rights(listed(service)))


def test_migrate_takes_what_is_not_listed(service: str, config: DatabaseConfig) -> None:
    with db.connect(db.as_owner(config)) as owner:
        owner.execute("GRANT TRUNCATE, TRIGGER ON outbox TO PUBLIC")
        owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {service}".encode())
        owner.execute(f"GRANT UPDATE (hash) ON audit_entry TO {service}".encode())
    db.migrate(config, [SERVICES / service / "migrations"])
    with db.connect(db.as_owner(config)) as owner:
        assert _held(owner, service) == set(rights(listed(service)))


def _held(connection: psycopg.Connection[Any], user: str) -> set[Right]:
    columns = {Right(table, right, column) for table, column, right in connection.execute(_COLUMNS, {"user": user})}
    whole = {Right(*row) for query in (_WHOLE, _SEQUENCES) for row in connection.execute(query, {"user": user})}
    return columns | whole


def test_the_user_owns_nothing_and_cannot_become_the_owner(service: str, superuser: psycopg.Connection[Any]) -> None:
    owned = superuser.execute("SELECT relname FROM pg_class WHERE relowner = %s::regrole", (service,)).fetchall()
    owned += superuser.execute("SELECT proname FROM pg_proc WHERE proowner = %s::regrole", (service,)).fetchall()
    owned += superuser.execute("SELECT datname FROM pg_database WHERE datdba = %s::regrole", (service,)).fetchall()
    assert owned == []
    others = superuser.execute(
        "SELECT rolname FROM pg_roles WHERE rolname <> %s AND pg_has_role(%s, oid, 'MEMBER')", (service, service)
    ).fetchall()
    assert others == []


def test_it_may_connect_to_its_own_database_and_do_nothing_else_there(
    service: str, config: DatabaseConfig, superuser: psycopg.Connection[Any]
) -> None:
    names = [config.name, "postgres", "template1", *layout.SERVICES]
    held = superuser.execute(_DATABASES, {"user": service, "names": names}).fetchall()
    assert sorted(held) == sorted([(config.name, "CONNECT"), (service, "CONNECT")])
    schemas = superuser.execute(
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(%s, oid, 'CREATE')", (service,)
    ).fetchall()
    assert schemas == []


def _every_table(service: str) -> Iterator[str]:
    for table in (name for name, line in listed(service).items() if line != "USAGE"):
        yield f"ALTER TABLE {table} DISABLE TRIGGER USER"
        yield f"ALTER TABLE {table} DISABLE TRIGGER ALL"
        yield f"ALTER TABLE {table} ADD COLUMN more text"
        yield f"ALTER TABLE {table} OWNER TO {service}"
        yield f"TRUNCATE {table} CASCADE"
        yield f"DROP TABLE {table} CASCADE"
        yield f"CREATE RULE gone AS ON INSERT TO {table} DO INSTEAD NOTHING"
        yield f"CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION audit_refuse()"


def _whole_database(service: str) -> Iterator[str]:
    owner = postgres.owner_of(service)
    yield from (
        f"SET ROLE {owner}",
        f"SET SESSION AUTHORIZATION {owner}",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (n int)",
        "CREATE TEMP TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION audit_refuse() CASCADE",
        "ALTER FUNCTION audit_head_forward() RENAME TO gone",
        "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION audit_refuse()",
        f"GRANT {owner} TO {service}",
        f"ALTER ROLE {service} SUPERUSER",
    )


def _appended_rows(service: str, columns: Mapping[str, str]) -> Iterator[str]:
    for table in appended(service):
        yield f"UPDATE {table} SET {columns[table]} = DEFAULT"
        yield f"DELETE FROM {table}"


def test_guards_and_appended_rows_are_out_of_its_reach(
    service: str, config: DatabaseConfig, superuser: psycopg.Connection[Any]
) -> None:
    columns = dict(superuser.execute("SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attnum = 1"))
    statements = [*_whole_database(service), *_every_table(service), *_appended_rows(service, columns)]
    done = []
    with db.connect(config) as user:
        for statement in statements:
            try:
                with user.transaction(force_rollback=True):
                    user.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            done.append(statement)
    assert done == []


def test_what_triggers_keep_is_only_added_to(service: str, superuser: psycopg.Connection[Any]) -> None:
    """Where a trigger refuses every change of a row, the user has no right to one either, but for
    the one column that holding a row asks for.
    """
    kept = superuser.execute(
        "SELECT DISTINCT t.tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE NOT t.tgisinternal AND p.proname ~ '_(refuse|keep|change)$|^refuse_change$'"
        " AND t.tgtype & 24 = 24"  # UPDATE and DELETE
    ).fetchall()
    assert kept
    lines = listed(service)
    changed = {name for (name,) in kept if "UPDATE" in lines[name] or "DELETE" in lines[name]}
    assert changed == ({"student"} if service == "gradebook" else set())


def test_migrate_refuses_roles_that_are_not_apart(
    service: str, config: DatabaseConfig, superuser: psycopg.Connection[Any]
) -> None:
    migrations, owner = [SERVICES / service / "migrations"], postgres.owner_of(service)
    superuser.execute(sql.SQL("ALTER TABLE outbox OWNER TO {}").format(sql.Identifier(service)))
    with pytest.raises(db.MigrationError, match=f"REASSIGN OWNED BY {service} TO {owner}"):
        db.migrate(config, migrations)
    superuser.execute(sql.SQL("ALTER TABLE outbox OWNER TO {}").format(sql.Identifier(owner)))
    superuser.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(service)))
    try:
        with pytest.raises(db.MigrationError, match="may become the owner"):
            db.migrate(config, migrations)
    finally:
        superuser.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(owner), sql.Identifier(service)))
    assert db.migrate(config, migrations) == []
