"""Renewing and revoking the certificates of a running stack (ADR-0067).

What a service does by itself: `serve` shows a renewed certificate and goes by the CRLs from the
next call on; connections to PostgreSQL, RabbitMQ and other services use a renewed certificate when
they are made. What is done here: the servers' copies, and ending what has been open too long.
"""

from pathlib import Path

import psycopg
from cryptography import x509

from . import objectstore, pki, postgres, rabbitmq
from .layout import LocalError, Stack

MAX_CONNECTION_S = 24 * 3600
"""Age at which a session with PostgreSQL or RabbitMQ is ended; our own programs connect again."""


def renew(stack: Stack) -> list[str]:
    """Make anew what ends soon and end sessions older than a day; what was done, for a person."""
    made = pki.issue_all(stack)
    _reload(stack)
    sessions = postgres.end_sessions(stack, older_than_s=MAX_CONNECTION_S)
    connections = rabbitmq.end_connections(stack, older_than_s=MAX_CONNECTION_S)
    return [
        "Certificates or CRLs were made anew." if made else "Nothing ends soon.",
        f"Ended: {sessions} sessions of PostgreSQL, {connections} connections of RabbitMQ, older than a day.",
    ]


def revoke(stack: Stack, name: str, cert_file: Path | None = None) -> list[str]:
    """Take a certificate of `name` back, the present one unless a file is given, issue another
    when it was the present one, and end what the name has open. Raises LocalError.
    """
    file = cert_file or pki.identity(stack, name).cert_file
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as e:
        raise LocalError(f"{file}: {e}") from e
    pki.revoke(stack, certificate)
    pki.issue_all(stack)
    _reload(stack)
    user = postgres.user_of(name)
    sessions = postgres.end_sessions(stack, user) if user else 0
    connections = rabbitmq.end_connections(stack, name)
    return [
        f"{name}: certificate {certificate.serial_number:x} is void.",
        f"Ended: {sessions} sessions of PostgreSQL, {connections} connections of RabbitMQ.",
    ]


def _reload(stack: Stack) -> None:
    try:
        postgres.reload(stack)
    except psycopg.OperationalError as e:
        raise LocalError("the files are made; the servers do not run and will read them when they start") from e
    rabbitmq.reload(stack)
    objectstore.prepare(objectstore.choose(stack))  # MinIO works with copies
