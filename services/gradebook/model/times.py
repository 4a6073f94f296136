"""Points in time as written in frozen content."""

from datetime import datetime

from services.common.vietnam import VIETNAM


def vietnam_time(moment: datetime) -> str:
    """ISO 8601 at +07:00 in whole seconds, as printed on pages."""
    return moment.astimezone(VIETNAM).replace(microsecond=0).isoformat()
