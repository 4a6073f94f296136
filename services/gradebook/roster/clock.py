"""The database's clock, by which windows open and close."""

from datetime import datetime

from services.common.db import Tx


def seconds_until(tx: Tx, moment: datetime) -> float:
    """From the beginning of this transaction, by the database's clock; negative when it is past."""
    row = tx.execute("SELECT extract(epoch FROM %s - now())::float8", (moment,)).fetchone()
    assert row is not None
    return float(row[0])


def now(tx: Tx) -> datetime:
    """The database's clock, which decides about windows."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment
