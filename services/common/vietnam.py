"""Time in Vietnam, by which deadlines, school years and retention terms are counted."""

from datetime import date, datetime, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7))
"""Indochina Time, without summer time."""


def today() -> date:
    """Today's date in Vietnam."""
    return datetime.now(VIETNAM).date()
