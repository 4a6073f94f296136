"""PostgreSQL: pools of connections, transactions, errors as ours, and forward-only migrations.

One use case is one transaction. Whatever means "the database is away or busy, the same call may
work later" becomes `errors.Unavailable`; everything else (a violated constraint, a wrong statement)
stays a `psycopg.Error`. Rows are read by name with `services.common.rows`.
"""

import hashlib
import select
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
import psycopg.conninfo
from psycopg import Cursor, RawCursor, sql
from psycopg.rows import TupleRow, scalar_row
from psycopg_pool import ConnectionPool

from services.common import grants, log, peer
from services.common.config import ConfigError
from services.common.errors import Unavailable
from services.common.settings import DatabaseConfig

Tx = psycopg.Connection[TupleRow]
"""A connection inside an open transaction. Only `Database.transaction` commits it."""

StatementError = psycopg.Error
"""What a statement raises that is wrong in itself: a violated constraint, a value that PostgreSQL
cannot hold.
"""

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 5.0
MAX_CONNECTION_S = 3600.0
"""Age at which a connection is replaced, so that a renewed certificate is used and none outlives
its own by much.
"""
STATEMENT_TIMEOUT_S = 30
LOCK_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_TIMEOUT_S = 60

_SERVER_HOST = peer.host_of("server/postgres")
_COMMON_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x486F536F  # "HoSo"
_MIGRATION_TIMEOUT_S = 3600
_KEPT_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Planning the statement that opens score sheets costs ten times its execution, so its plan is
kept; a kept plan must not read a whole table because that was small once (manual 20.7.1, ADR-0053).
"""
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_log = log.get(__name__)


class NotDurable(Exception):
    """The server may lose a committed transaction; we refuse to work with it."""


def connect(config: DatabaseConfig, *, autocommit: bool = False) -> Tx:
    """A connection outside any pool, for a process that listens or holds an advisory lock.

    Raises Unavailable when the server cannot be reached.
    """
    with translated():
        return psycopg.connect(_conninfo(config), autocommit=autocommit)


def as_owner(config: DatabaseConfig) -> DatabaseConfig:
    """The same database, reached as the owner of its tables.

    Raises ConfigError when the configuration names none.
    """
    if config.owner is None:
        raise ConfigError("database.owner is missing: migrate runs as the owner of the tables (docs/operations.md)")
    tls = replace(config.tls, cert_file=config.owner.cert_file, key_file=config.owner.key_file)
    return replace(config, user=config.owner.user, tls=tls, owner=None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors that mean "later" into Unavailable: connection lost, server starting or stopping,
    lock or statement timeout, deadlock, serialization failure, disk full, standby (PostgreSQL
    classes 08, 40, 53, 55P03, 57, 58, 25006).
    """
    try:
        yield
    except psycopg.Error as e:
        if _means_later(e):
            raise Unavailable("DATABASE_UNAVAILABLE", "Cơ sở dữ liệu chưa sẵn sàng.", sqlstate=e.sqlstate or "") from e
        raise


class Database:
    """A pool of connections to one database. Threads share it; it does not survive a fork."""

    def __init__(self, config: DatabaseConfig, *, max_size: int = 8) -> None:
        """Open the pool in the background: a server that is away does not stop the process from
        starting.

        max_size: connections at most; as many again for transactions that keep plans. Raises
        ConfigError when `ca_file` believes other CAs than the servers'.
        """
        peer.only(config.tls.ca_file, "server")
        self.config = config
        self._max_size = max_size
        self._pool = _open_pool(config, max_size, {})
        self._keeping: ConnectionPool[Tx] | None = None
        self._keeping_lock = threading.Lock()
        self._listeners: dict[str, _Listener] = {}
        self._listeners_lock = threading.Lock()

    @contextmanager
    def transaction(self, *, keep_plans: bool = False) -> Iterator[Tx]:
        """One transaction: commit at the end, roll back on any error.

        keep_plans: for statements that are executed very often and look rows up by their keys. They
        are planned once per connection, without regard to parameters, and never by sequential scan.

        Raises Unavailable when the database is away or busy. When the connection breaks during the
        commit itself, the outcome is unknown: the caller repeats the whole use case, which must
        therefore be idempotent.
        """
        with translated(), self._chosen(keep_plans=keep_plans).connection() as tx:
            yield tx

    def _chosen(self, *, keep_plans: bool) -> ConnectionPool[Tx]:
        if not keep_plans:
            return self._pool
        with self._keeping_lock:
            if self._keeping is None:
                self._keeping = _open_pool(self.config, self._max_size, _KEPT_PLANS)
            return self._keeping

    def listen(self, channel: str, timeout_s: float) -> bool:
        """Wait up to `timeout_s` seconds for a NOTIFY on `channel`; True when one came.

        The first call for a channel, and the first after a lost connection, returns True at once,
        since something may have happened before we listened. At most one thread per channel. Raises
        Unavailable.
        """
        with self._listeners_lock:
            listener = self._listeners.setdefault(channel, _Listener(self.config, channel))
        return listener.wait(timeout_s)

    def ping(self) -> None:
        """Ask the server for a sign of life. Raises Unavailable."""
        with self.transaction() as tx:
            tx.execute("SELECT 1")

    def close(self) -> None:
        """Close every connection; transactions under way finish first."""
        with self._listeners_lock:
            for listener in self._listeners.values():
                listener.close()
            self._listeners.clear()
        self._pool.close()
        with self._keeping_lock:
            if self._keeping is not None:
                self._keeping.close()


def _open_pool(config: DatabaseConfig, max_size: int, settings: Mapping[str, str]) -> ConnectionPool[Tx]:
    return ConnectionPool(
        lambda: _conninfo(config, settings),
        min_size=1,
        max_size=max_size,
        max_lifetime=MAX_CONNECTION_S,
        timeout=POOL_TIMEOUT_S,
        check=_check,
        open=True,
    )


class Call(NamedTuple):
    """A statement with the placeholders $1, $2 …, and the values for them in this order."""

    statement: LiteralString
    parameters: Sequence[object]


def execute(tx: Tx, call: Call) -> Cursor[TupleRow]:
    """Execute one statement."""
    return RawCursor(tx).execute(*call)


def trip(tx: Tx, *calls: Call, commit: bool = False) -> list[list[TupleRow]]:
    """Execute statements in one round trip, which is most of what small ones cost; the rows of
    each.

    commit: the commit travels with them, so that no lock is held while the answer travels; nothing
    may follow in the transaction. The first error is raised, and nothing behind it is executed or
    committed: PostgreSQL skips the rest of a pipeline after an error.
    """
    with tx.pipeline():
        cursors = [execute(tx, call) for call in calls]
        if commit:
            # Not tx.commit(), which would wait for two answers.
            tx.execute("COMMIT", prepare=False)
    return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


def _check(tx: Tx) -> None:
    """Raises OperationalError for a connection that was lost while it was idle, so that the pool
    replaces it.

    A server that stops says so, or closes the connection; both make the socket readable. While it
    is not readable the server is not asked, which saves a round trip per transaction.
    """
    readable = select.poll()
    readable.register(tx.fileno(), select.POLLIN)
    if readable.poll(0):
        ConnectionPool.check_connection(tx)


class _Listener:
    """A connection that listens on one channel, made again after each loss."""

    def __init__(self, config: DatabaseConfig, channel: str) -> None:
        self._config = config
        self._channel = channel
        self._connection: Tx | None = None

    def wait(self, timeout_s: float) -> bool:
        try:
            with translated():
                if self._connection is None:
                    self._connection = connect(self._config, autocommit=True)
                    self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    return True
                return bool(list(self._connection.notifies(timeout=timeout_s, stop_after=1)))
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def assert_durable(tx: Tx) -> None:
    """Raises NotDurable unless the server keeps what it has committed through a power cut
    (PostgreSQL manual 20.5).
    """
    off = []
    for name in _DURABLE:
        (setting,) = tx.cursor(row_factory=scalar_row).execute("SELECT current_setting(%s)", (name,))
        if setting not in {"on", "local", "remote_write", "remote_apply"}:
            off.append(name)
    if off:
        raise NotDurable(f"set to on in postgresql.conf: {', '.join(off)}")


class MigrationError(Exception):
    """The schema cannot be brought forward. The message names the file and says what to do."""


@dataclass(frozen=True)
class _File:
    name: str
    sql: str
    sha256: bytes


def migrate(config: DatabaseConfig, folders: Sequence[Path]) -> list[str]:
    """As the owner, apply what is missing: the common tables first, then each of `folders`
    (``services/<service>/migrations``). Then give `config.user` the rights that the file
    ``grants.toml`` beside each folder lists, and no other.

    Returns the names of the files applied now, such as ``gradebook/0002_window.sql``. Raises
    MigrationError when a file that was applied has changed or vanished, when a new file stands
    before an applied one, when a statement fails (that file is rolled back whole), or when the
    roles are not what they should be; ConfigError without an owner; Unavailable when the server
    cannot be reached.
    """
    applied: list[str] = []
    with translated(), connect(as_owner(config), autocommit=True) as connection:
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{_MIGRATION_TIMEOUT_S}s",))
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        if problem := grants.problem_of_roles(connection, config.user):
            raise MigrationError(problem)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (name text PRIMARY KEY, sha256 bytea NOT NULL,"
            " applied_time timestamptz NOT NULL DEFAULT now())"
        )
        assert_durable(connection)
        for folder in (_COMMON_MIGRATIONS, *folders):
            for file in _missing(connection, folder):
                _apply(connection, file)
                applied.append(file.name)
        try:
            grants.give(connection, config.user, [folder.parent for folder in (_COMMON_MIGRATIONS, *folders)])
        except grants.GrantError as e:
            raise MigrationError(str(e)) from e
    return applied


def _missing(connection: Tx, folder: Path) -> list[_File]:
    owner = folder.resolve().parent.name
    files = [_read(owner, path) for path in sorted(folder.glob("*.sql"))]
    if not files:
        raise MigrationError(f"{folder}: no migration files")
    rows = connection.execute(
        "SELECT name, sha256 FROM schema_migration WHERE starts_with(name, %s) ORDER BY name", (f"{owner}/",)
    )
    done: dict[str, bytes] = dict(rows.fetchall())
    for file in files:
        if file.name in done and done[file.name] != file.sha256:
            raise MigrationError(f"{file.name} was changed after it was applied; restore it and add a new file")
    vanished = done.keys() - {file.name for file in files}
    if vanished:
        raise MigrationError(f"{min(vanished)} was applied but is not there; this release is older than the database")
    missing = [file for file in files if file.name not in done]
    if missing and done and missing[0].name < max(done):
        raise MigrationError(f"{missing[0].name} stands before {max(done)}, already applied; give it a higher number")
    return missing


def _read(owner: str, path: Path) -> _File:
    data = path.read_bytes()
    return _File(f"{owner}/{path.name}", data.decode("utf-8"), hashlib.sha256(data).digest())


def _apply(connection: Tx, file: _File) -> None:
    try:
        with connection.transaction():
            connection.execute(file.sql.encode("utf-8"))
            connection.execute("INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)", (file.name, file.sha256))
    except psycopg.OperationalError:
        raise
    except psycopg.Error as e:
        raise MigrationError(f"{file.name}: {e}") from e


def _conninfo(config: DatabaseConfig, more: Mapping[str, str] | None = None) -> str:
    addresses = _addresses(config.host)
    try:
        bundle = peer.only(config.tls.ca_file, "server")
    except ConfigError as e:  # a process that has started waits for the file to be mended
        _log.error("database unreachable", error=str(e))
        raise Unavailable("DATABASE_UNAVAILABLE", "Cơ sở dữ liệu chưa sẵn sàng.", error="ConfigError") from e
    settings = {
        **(more or {}),
        "jit": "off",  # compiling takes longer than any statement of ours
        "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_S}s",
        "TimeZone": "UTC",
    }
    return psycopg.conninfo.make_conninfo(
        # The server's certificate bears its name, not the host at which we find it.
        host=",".join(_SERVER_HOST for _ in addresses),
        hostaddr=",".join(addresses),
        port=config.port,
        dbname=config.name,
        user=config.user,
        sslmode="verify-full",
        sslrootcert=str(bundle),
        sslcrl=str(bundle),
        sslcert=str(config.tls.cert_file),
        sslkey=str(config.tls.key_file),
        gssencmode="disable",
        connect_timeout=CONNECT_TIMEOUT_S,
        # A server that vanished without a word is noticed within half a minute, also in the middle
        # of a statement.
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=25_000,
        options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )


def _addresses(host: str) -> list[str]:
    """The addresses of the server's host. Raises Unavailable when its name is not known now."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as e:
        raise Unavailable("DATABASE_UNAVAILABLE", "Cơ sở dữ liệu chưa sẵn sàng.", error=type(e).__name__) from e
    return [str(address[0]) for *_, address in found]


def _means_later(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:  # not the server's answer: the connection or the pool failed
        return isinstance(error, psycopg.OperationalError)
    return state[:2] in {"08", "40", "53", "57", "58"} or state in {"55P03", "25006", "25P03"}
