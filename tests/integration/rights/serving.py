"""``python -m tests.integration.rights.serving <service> <file.toml>``: the role `serve` of a
service, wired as in production, but whatever a call would change is undone at its end.

So every call meets the same data, in any order and any number, and each answers as if it were the
first. Only marks are written for good: their commit travels with the statements.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator

from psycopg.pq import TransactionStatus

from services.common import db


class Undone(db.Database):
    """A database whose transactions are rolled back where others commit."""

    @contextlib.contextmanager
    def transaction(self, *, keep_plans: bool = False) -> Iterator[db.Tx]:
        """As the real one. What would fail at the commit fails here too."""
        with super().transaction(keep_plans=keep_plans) as tx:
            yield tx
            if tx.info.transaction_status == TransactionStatus.INTRANS:
                tx.execute("SET CONSTRAINTS ALL IMMEDIATE")
            tx.rollback()


def main(service: str, file: str) -> int:
    """Serve until SIGTERM."""
    db.Database = Undone  # type: ignore[misc]  # what the role imports when it starts
    sys.argv = [sys.argv[0], "serve", "--config", file]
    code: int = importlib.import_module(f"services.{service}.__main__").main()
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
