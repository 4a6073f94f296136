"""The owner of a service's tables, for what the service itself may not do with them (ADR-0068)."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.common import db
from services.common.settings import DatabaseConfig


@contextmanager
def as_owner(config: DatabaseConfig) -> Iterator[db.Tx]:
    """A transaction of the owner."""
    with db.connect(db.as_owner(config)) as tx:
        yield tx
