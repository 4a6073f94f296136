"""Which errors answer one of many requests of a call."""

from collections.abc import Callable

from services.common.errors import (
    Conflict,
    Forbidden,
    HosoError,
    Invalid,
    NotFound,
    Rejected,
    Unauthenticated,
)
from services.common.identity import Caller

ANSWERS = (Invalid, NotFound, Conflict, Rejected, Unauthenticated, Forbidden)
"""Errors that answer one of many; any other ends the call."""


Refused = Callable[[Caller, HosoError], None]
"""Called for each of many that its person may not do, to leave an audit row."""
