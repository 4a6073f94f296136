"""Who may read a school's data outside gradebook: the vendor that serves the school, for its staff.

print, signing and archive keep copies of what gradebook announces, in their own databases, so that
a call asks nobody else. A copy that is missing refuses: gradebook's role ``announce`` fills it.
"""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from hoso.gradebook.v1 import events_pb2

from services.common import identity
from services.common.db import Database, Tx
from services.common.errors import Forbidden
from services.common.intake import Subscription
from services.common.rows import one_row, rows, scalars

ASK_AGAIN_S = 15.0
"""How long a download goes on without asking again whether it may."""


Piece = TypeVar("Piece")


class _Standing(NamedTuple):
    serves: bool
    suspended: bool
    staff: bool


def may_read(tx: Tx, school: str, school_year: str = "") -> None:
    """Operators and services read every school; a vendor only a school that it serves, in
    `school_year` or else in one of the school's two newest years, for a person of its staff.

    Two years, because the next may be opened with another vendor before the books of this one are
    archived. Raises as `person`.
    """
    if not _is_inside(identity.caller().client):
        person(tx, school, school_year)


def years_to_read(tx: Tx, school: str) -> list[str] | None:
    """The years of which the caller may list records of `school`: of a vendor those that it serves;
    None means all. Raises as `may_read`.
    """
    may_read(tx, school)
    client = identity.caller().client
    if _is_inside(client):
        return None
    return years_served(tx, school, identity.vendor_of(client) or "")


def years_served(tx: Tx, school: str, vendor: str) -> list[str]:
    """The years in which a vendor serves a school."""
    statement = "SELECT school_year FROM served_year WHERE school = %s AND vendor = %s ORDER BY school_year"
    return scalars(tx, str, statement, (school, vendor)).fetchall()


def while_allowed(database: Database, school: str, pieces: Iterable[Piece], school_year: str = "") -> Iterator[Piece]:
    """The pieces of a download, as long as the caller may read the school's data: a vendor that is
    suspended meanwhile gets no further ones. Raises as `may_read`, which has been asked before.
    """
    asked = time.monotonic()
    for piece in pieces:
        if time.monotonic() - asked >= ASK_AGAIN_S:
            with database.transaction() as tx:
                may_read(tx, school, school_year)
            asked = time.monotonic()
        yield piece


def person(tx: Tx, school: str, school_year: str = "") -> str:
    """The acting person, who is staff of `school`, through a vendor that serves it (see `may_read`)
    or an operator.

    Raises Forbidden VENDOR_NOT_AUTHORISED, VENDOR_SUSPENDED, PERSON_UNKNOWN, and as
    `identity.person`.
    """
    who = identity.caller()
    person_id, client = identity.person(who, school), who.client
    vendor = identity.vendor_of(client)
    standing = one_row(
        rows(
            tx,
            _Standing,
            "SELECT coalesce((SELECT bool_or(newest.vendor = %(vendor)s) FROM (SELECT vendor FROM served_year"
            " WHERE school = %(school)s AND (%(year)s = '' OR school_year = %(year)s)"
            " ORDER BY school_year DESC LIMIT 2) newest), false) AS serves,"
            " EXISTS (SELECT FROM vendor_standing WHERE vendor = %(vendor)s AND suspended) AS suspended,"
            " EXISTS (SELECT FROM staff_standing WHERE school = %(school)s AND person = %(person)s"
            " AND roles <> '{}') AS staff",
            {"vendor": vendor, "school": school, "year": school_year, "person": person_id},
        )
    )
    if not _is_inside(client):
        serves = vendor is not None and standing.serves
        identity.check_vendor(client, school, serves=serves, suspended=standing.suspended)
    if not standing.staff:
        message = "Người thực hiện chưa có trong danh sách của trường."
        raise Forbidden("PERSON_UNKNOWN", message, person=person_id)
    return person_id


def _is_inside(client: str) -> bool:
    return identity.is_operator(client) or identity.service_of(client) is not None


def year_served(tx: Tx, event: events_pb2.SchoolYearServed) -> None:
    """Keep which vendor serves a school in a year."""
    tx.execute(
        "INSERT INTO served_year AS known (school, school_year, vendor, version) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (school, school_year) DO UPDATE SET vendor = excluded.vendor, version = excluded.version"
        " WHERE known.version < excluded.version",
        (event.school, event.school_year, event.vendor, event.standing_version),
    )


def vendor_changed(tx: Tx, event: events_pb2.VendorStatusChanged) -> None:
    """Keep whether a vendor is suspended."""
    tx.execute(
        "INSERT INTO vendor_standing AS known (vendor, suspended, version) VALUES (%s, %s, %s)"
        " ON CONFLICT (vendor) DO UPDATE SET suspended = excluded.suspended, version = excluded.version"
        " WHERE known.version < excluded.version",
        (event.vendor, event.suspended, event.standing_version),
    )


def staff_changed(tx: Tx, event: events_pb2.StaffChanged) -> None:
    """Keep the roles of a person."""
    tx.execute(
        "INSERT INTO staff_standing AS known (school, person, roles, version) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (school, person) DO UPDATE SET roles = excluded.roles, version = excluded.version"
        " WHERE known.version < excluded.version",
        (event.school, event.person, list(event.roles), event.standing_version),
    )


SUBSCRIPTIONS = (
    Subscription(events_pb2.SchoolYearServed, year_served),
    Subscription(events_pb2.VendorStatusChanged, vendor_changed),
    Subscription(events_pb2.StaffChanged, staff_changed),
)
"""For the subscriptions of every service that asks here."""
