"""Page tokens: where the next page begins, as text opaque to the caller."""

import base64
import binascii
import json

from services.common.errors import Invalid, Violation

_LARGEST = 2**31  # keys are the database's integers


def encode(key: tuple[int | str, ...]) -> str:
    """A token for the page after the row with this key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def decode(token: str, first: tuple[int | str, ...], largest: int = _LARGEST) -> tuple[int | str, ...]:
    """The key in a token, or `first` for an empty token.

    The key must have as many parts as `first`, of the same types; its numbers are from 0 to below
    `largest`. Raises Invalid PAGE_TOKEN.
    """
    if not token:
        return first
    try:
        key = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, list) or not _same_shape(key, first, largest):
        raise Invalid([Violation("page_token", "PAGE_TOKEN", "Mã trang không hợp lệ; hãy dùng mã của trang trước.")])
    return tuple(key)


def _same_shape(key: list[object], first: tuple[int | str, ...], largest: int) -> bool:
    return len(key) == len(first) and all(
        type(part) is type(like) and _usable(part, largest) for part, like in zip(key, first, strict=True)
    )


def _usable(part: object, largest: int) -> bool:
    if isinstance(part, str):
        return part.isprintable()
    return isinstance(part, int) and 0 <= part < largest
