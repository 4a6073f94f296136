"""Moments as frozen content writes them."""

from datetime import datetime, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7))


def vietnam_time(moment: datetime) -> str:
    """ISO 8601 at +07:00 in whole seconds, as pages print it."""
    return moment.astimezone(VIETNAM).replace(microsecond=0).isoformat()
