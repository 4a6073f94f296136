"""What whoever owns a database can do to its audit chains: everything, with entirely correct
hashes.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import class_row

from deploy.local import postgres
from deploy.local.layout import Stack
from services.common import audit
from services.common.settings import DatabaseConfig

_TABLES = ("audit_entry", "audit_head")


@contextlib.contextmanager
def superuser(stack: Stack, config: DatabaseConfig) -> Iterator[psycopg.Connection[Any]]:
    """PostgreSQL's superuser in the database, the audit tables without their triggers; all is put
    back at the end.
    """
    with psycopg.connect(
        host=str(stack.sockets), port=config.port, user=postgres.SUPERUSER, dbname=config.name, autocommit=True
    ) as root:
        for table in _TABLES:
            root.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
            root.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        try:
            yield root
        finally:
            root.execute("TRUNCATE audit_entry, audit_head")
            root.execute("ALTER TABLE audit_entry ALTER sequence SET NOT NULL")
            root.execute("ALTER TABLE audit_entry DROP CONSTRAINT IF EXISTS audit_entry_pkey")
            root.execute("ALTER TABLE audit_entry ADD PRIMARY KEY (chain, sequence)")
            for table in _TABLES:
                root.execute(f"INSERT INTO {table} TABLE kept_{table}")
                root.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


def rewrite(root: psycopg.Connection[Any], chain: str, subject: str) -> None:
    """Change the subject of a chain's first row and recompute every hash, the head's included."""
    columns = "chain, sequence, recorded_time, action, subject, client, person, school, facts, previous_hash"
    cursor = root.cursor(row_factory=class_row(audit._Row))
    previous = bytes(32)
    for row in cursor.execute(
        f"SELECT {columns} FROM audit_entry WHERE chain = %s ORDER BY sequence", (chain,)
    ).fetchall():
        forged = row._replace(subject=subject if row.sequence == 1 else row.subject, previous_hash=previous)
        previous = audit._hash(forged)
        root.execute(
            "UPDATE audit_entry SET subject = %s, previous_hash = %s, hash = %s WHERE chain = %s AND sequence = %s",
            (forged.subject, forged.previous_hash, previous, chain, row.sequence),
        )
    root.execute("UPDATE audit_head SET hash = %s WHERE chain = %s", (previous, chain))


def cut(root: psycopg.Connection[Any], chain: str, length: int) -> None:
    """Put a chain back to what it was when it had `length` rows, as a restored old database
    would.
    """
    root.execute("DELETE FROM audit_entry WHERE chain = %s AND sequence > %s", (chain, length))
    root.execute(
        "UPDATE audit_head h SET sequence = e.sequence, hash = e.hash FROM audit_entry e"
        " WHERE e.chain = h.chain AND e.sequence = %s AND h.chain = %s",
        (length, chain),
    )


def remove(root: psycopg.Connection[Any], chain: str) -> None:
    """Remove a chain whole."""
    root.execute("DELETE FROM audit_entry WHERE chain = %s", (chain,))
    root.execute("DELETE FROM audit_head WHERE chain = %s", (chain,))


def add_outside(root: psycopg.Connection[Any], chain: str, sequence: int | None) -> None:
    """Add a copy of a chain's first row under a number that no row has, with another action."""
    root.execute("ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_pkey")
    root.execute("ALTER TABLE audit_entry DROP CONSTRAINT IF EXISTS audit_entry_sequence_check")
    root.execute("ALTER TABLE audit_entry ALTER sequence DROP NOT NULL")
    root.execute(
        "INSERT INTO audit_entry SELECT chain, %s, recorded_time, 'FORGED', subject, client, person, school, facts,"
        " previous_hash, hash FROM audit_entry WHERE chain = %s AND sequence = 1",
        (sequence, chain),
    )


def spoil(root: psycopg.Connection[Any], chain: str, column: str, value: str) -> None:
    """Put a value that no program reads into a chain's second row."""
    root.execute(
        f"UPDATE audit_entry SET {column} = %s WHERE chain = %s AND sequence = 2",  # type: ignore[arg-type]
        (value, chain),
    )
