"""What gradebook announces about a school that a vendor serves, for tests of the other services."""

from collections.abc import Iterable, Iterator

from google.protobuf.message import Message
from hoso.gradebook.v1 import events_pb2

from services.common import standing
from services.common.db import Tx

_HANDLERS = {subscription.event: subscription.handle for subscription in standing.SUBSCRIPTIONS}


def announced(
    school: str, people: Iterable[str], *, vendor: str = "smas", years: Iterable[str] = ("2025-2026",)
) -> Iterator[Message]:
    """The events: `vendor` serves `school` in `years`, `people` teach there."""
    for year in years:
        yield events_pb2.SchoolYearServed(school=school, school_year=year, vendor=vendor, standing_version=1)
    for person in people:
        yield events_pb2.StaffChanged(school=school, person=person, roles=[1], standing_version=1)


def keep(tx: Tx, events: Iterable[Message]) -> None:
    """Handle the events as a service's consumer does."""
    for event in events:
        _HANDLERS[type(event)](tx, event)
