"""Fields that messages of several services share: pages and points in time."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.errors import Invalid, Violation

_DEFAULT_PAGE, _MAX_PAGE = 100, 500
_LARGEST_ID = 2**63


def page_size(requested: int, field: str = "page_size") -> int:
    """The page size to use: 100 for 0, else 1 to 500. Raises Invalid PAGE_SIZE."""
    if not 0 <= requested <= _MAX_PAGE:
        raise Invalid([Violation(field, "PAGE_SIZE", f"Cỡ trang phải từ 1 đến {_MAX_PAGE} (0 là {_DEFAULT_PAGE}).")])
    return requested or _DEFAULT_PAGE


def before_id(page_token: str) -> int | None:
    """The row id before which a page of newest rows begins; None for the first page. Raises Invalid
    PAGE_TOKEN.
    """
    if page_token and not (page_token.isascii() and page_token.isdecimal() and int(page_token) < _LARGEST_ID):
        raise Invalid([Violation("page_token", "PAGE_TOKEN", "Mã trang không hợp lệ.")])
    return int(page_token) if page_token else None


def timestamp(time: datetime | None) -> Timestamp | None:
    """A point in time as messages carry it; None, an absent field, stays None."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
