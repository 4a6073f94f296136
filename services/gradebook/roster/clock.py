"""The database's clock, by which windows open and close."""

from datetime import datetime

from services.common.db import Tx
from services.common.rows import one_row, scalars


def seconds_until(tx: Tx, moment: datetime) -> float:
    """Seconds from the beginning of this transaction until a moment; negative when it is past."""
    return one_row(scalars(tx, float, "SELECT extract(epoch FROM %s - now())::float8", (moment,)))


def now(tx: Tx) -> datetime:
    """The time by the database's clock."""
    return one_row(scalars(tx, datetime, "SELECT clock_timestamp()"))
