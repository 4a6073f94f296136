"""The lock of a school year: exclusive for what marks refer to, shared by entry (ADR-0031)."""

from services.common.db import Tx

YEAR_LOCK = 0x4742  # "GB"; advisory locks of (this, school year id)


def hold_year(tx: Tx, year_id: int) -> None:
    """Lock the year exclusively until commit: entries in progress finish first, new ones wait."""
    tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (YEAR_LOCK, year_id))
