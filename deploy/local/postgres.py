"""PostgreSQL for the stack: TLS only, client certificates only; for each service one database with
an owner, as which `migrate` connects, and a user of run time, which owns nothing (ADR-0068).

Durability is the product's promise, so fsync, synchronous_commit and full_page_writes stay on, also
in tests.
"""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from services.common.settings import DatabaseConfig, OwnerConfig, TlsConfig

from . import account, pki
from .layout import HOST, SERVICES, LocalError, Stack, write_private
from .process import NotReadyError, Process

MINIMUM_VERSION = 15
SUPERUSER = "postgres"
PORT_OFFSET = 1

_SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
ssl = on
ssl_ca_file = '{ca}'
ssl_crl_file = '{ca}'
ssl_cert_file = '{cert}'
ssl_key_file = '{key}'
ssl_min_protocol_version = 'TLSv1.3'
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 200
shared_buffers = 128MB
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""

_HBA = """\
# Programs of this machine's stack owner, for making databases; everyone else shows a certificate.
local   all all              peer map=stack
hostssl all all 127.0.0.1/32 cert clientname=DN map=stack
"""


def config(stack: Stack, service: str, *, database: str | None = None) -> DatabaseConfig:
    """How `service` reaches its database, or `database`, made by `create_database`."""
    identity = pki.identity(stack, f"service/{service}")
    owner = pki.identity(stack, f"owner/{service}")
    return DatabaseConfig(
        host=HOST,
        port=stack.port(PORT_OFFSET),
        name=database or service,
        user=service,
        tls=TlsConfig(pki.bundle(stack, "servers"), identity.cert_file, identity.key_file),
        owner=OwnerConfig(owner_of(service), owner.cert_file, owner.key_file),
    )


def user_of(name: str) -> str:
    """The role as which the certificate of `name` connects; "" for none."""
    kind, _, service = name.partition("/")
    return {"service": service, "owner": owner_of(service)}.get(kind, "")


def owner_of(service: str) -> str:
    """The role that owns that service's tables."""
    return f"{service}_owner"


def prepare(stack: Stack) -> None:
    """Make the data directory when there is none, and write the server's configuration."""
    data = stack.root / "pg"
    if not (data / "PG_VERSION").exists():
        _initialize(data)
    _write_certificates(stack)
    settings = _SETTINGS.format(
        host=HOST,
        port=stack.port(PORT_OFFSET),
        sockets=stack.sockets,
        ca="ca.pem",
        cert="server.pem",
        key="server.key",
    )
    _write(data / "postgresql.conf", settings)
    _write(data / "pg_hba.conf", _HBA)
    people = {pwd.getpwuid(os.getuid()).pw_name, account.current().name}
    lines = [f'stack "{person}" {SUPERUSER}' for person in sorted(people)]
    names = [f"{kind}/{service}" for kind in ("service", "owner") for service in SERVICES]
    lines += [f'stack "/^CN={name},O=[^,+]+$" {user_of(name)}' for name in names]
    _write(data / "pg_ident.conf", "\n".join(lines) + "\n")


def reload(stack: Stack) -> None:
    """Let the running server go by the present certificate and CRL."""
    _write_certificates(stack)
    with admin(stack) as connection:
        connection.execute("SELECT pg_reload_conf()")


def end_sessions(stack: Stack, user: str = "", *, older_than_s: float = 0) -> int:
    """End the sessions of a role, or of all but the superuser's, that began so long ago; their
    number.
    """
    with admin(stack) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = coalesce(nullif(%s, ''), usename)"
            " AND usename <> %s AND backend_start < now() - make_interval(secs => %s)",
            (user, SUPERUSER, older_than_s),
        )
        return ended.rowcount


def process(stack: Stack) -> Process:
    """The server as a supervised process; `prepare` must have run."""
    command = (*account.current().prefix, str(_program("postgres")), "-D", str(stack.root / "pg"))
    return Process(
        name="postgres",
        command=command,
        check=lambda: ready(stack),
        stop_signal=signal.SIGINT,  # "fast" shutdown: end the sessions, write a checkpoint, leave nothing to recover
        group="server",
    )


def ready(stack: Stack) -> None:
    """Make the roles and databases that are missing. Raises NotReadyError until the server takes
    connections.
    """
    try:
        with admin(stack) as connection:
            connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")
            for service in SERVICES:
                _ensure_role(connection, service)
                _ensure_role(connection, owner_of(service))
                _hand_over(stack, connection, service)
                create_database(connection, service, service)
    except psycopg.OperationalError as e:
        raise NotReadyError(str(e).strip()) from e


def admin(stack: Stack, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
    """A superuser's connection over the Unix socket, in autocommit; only for making and dropping
    databases.
    """
    return psycopg.connect(
        host=str(stack.sockets),
        port=stack.port(PORT_OFFSET),
        user=SUPERUSER,
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def create_database(connection: psycopg.Connection[tuple[object, ...]], name: str, service: str) -> None:
    """Create a database of that service unless it is there; nobody but its owner and its user may
    connect to it.
    """
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'").format(
                sql.Identifier(name), sql.Identifier(owner_of(service))
            )
        )
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(service))
    )


def drop_database(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Drop the database when it is there, ending its sessions."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _hand_over(stack: Stack, connection: psycopg.Connection[tuple[object, ...]], service: str) -> None:
    """Give what the service's user owned before owners and users differed to the owner."""
    owns = "SELECT FROM pg_database WHERE datname = %s AND datdba = %s::regrole"
    if connection.execute(owns, (service, service)).fetchone() is not None:
        with admin(stack, service) as inside:
            inside.execute(
                sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(service), sql.Identifier(owner_of(service)))
            )


def _ensure_role(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))


def _write_certificates(stack: Stack) -> None:
    """Copies, for the server insists that its key belongs to the user it runs as, who may not be
    us.
    """
    identity, data = pki.identity(stack, "server/postgres"), stack.root / "pg"
    for source, name in (
        (pki.bundle(stack, "database-clients"), "ca.pem"),
        (identity.cert_file, "server.pem"),
        (identity.key_file, "server.key"),
    ):
        _write(data / name, source.read_text(encoding="utf-8"))


def _initialize(data: Path) -> None:
    owner = account.current()
    shutil.rmtree(data, ignore_errors=True)  # what an interrupted attempt left
    data.mkdir(mode=0o700)
    os.chown(data, owner.uid, owner.gid)
    command = [*owner.prefix, str(_program("initdb")), "-D", str(data), "-U", SUPERUSER, "-A", "peer"]
    options = ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"]
    done = subprocess.run(command + options, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise LocalError(f"initdb failed:\n{done.stderr.strip()}")


def _write(path: Path, text: str) -> None:
    owner = account.current()
    write_private(path, text)
    os.chown(path, owner.uid, owner.gid)


def _program(name: str) -> Path:
    """The program of the newest PostgreSQL on this machine. Raises LocalError when there is none of
    15 or newer.
    """
    by_version = {int(path.parents[1].name): path for path in Path("/usr/lib/postgresql").glob(f"[0-9]*/bin/{name}")}
    if by_version and max(by_version) >= MINIMUM_VERSION:
        return by_version[max(by_version)]
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    raise LocalError(f"PostgreSQL {MINIMUM_VERSION} or newer is not installed ({name} not found); run: make setup")
