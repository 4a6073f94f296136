"""The role `consume`. Only `run` loads nameko and eventlet, in the process of that role."""

import sys
from collections.abc import Iterable

from services.common.intake import Intake, Subscription
from services.common.settings import BrokerConfig, DatabaseConfig

PREFETCH = 10
"""Messages that the broker sends ahead of acknowledgements; they are handled in order, one by one.
"""

# Native code that blocks or crashes under eventlet; see the import rules in docs/architecture.md.
_NEVER_HERE = ("grpc", "pyhanko", "pkcs11", "minio", "typst")


def run(
    service: str,
    broker: BrokerConfig,
    database: DatabaseConfig,
    subscriptions: Iterable[Subscription],
    *,
    prefetch: int = PREFETCH,
) -> int:
    """Consume ``<service>.events`` until SIGTERM or SIGINT; returns the process's exit code.

    While the broker is away it is waited for, also at start; while the database is away messages
    are held. Exit code 0 after a signal; 1 when the consumer broke, for the supervisor to start it
    again. Raises RuntimeError when the process has loaded what must not run under eventlet, or when
    eventlet has not patched the standard library.
    """
    loaded = [name for name in _NEVER_HERE if name in sys.modules]
    if loaded:
        raise RuntimeError(f"a consumer process must not load {', '.join(loaded)}")
    # Importing it loads nameko and eventlet, which belong in no other process.
    from services.common import consumer  # noqa: PLC0415

    return consumer.run(service, broker, Intake(database, subscriptions), prefetch)
