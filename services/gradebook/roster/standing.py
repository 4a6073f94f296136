"""Announcing who serves which school and who is staff there, for `services.common.standing`.

Each announcement carries a version, taken while its row is locked: of two changes to a row the
later one has the higher version, whatever the order in which they arrive.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from google.protobuf.message import Message
from hoso.gradebook.v1 import events_pb2

from services.common import outbox
from services.common.db import Database, Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.model.domain import VendorStatus

_Row = TypeVar("_Row")
_Key = TypeVar("_Key", str, int)

_PAGE = 1_000


class _Vendor(NamedTuple):
    name: str
    status: int


class _Year(NamedTuple):
    id: int
    school: str
    name: str
    vendor: str


class _Staff(NamedTuple):
    id: int
    school: str
    person: str
    roles: Sequence[int]


def year_served(tx: Tx, school: str, school_year: str, vendor: str) -> None:
    """Announce the vendor of a school year, whose row this transaction has locked or written."""
    outbox.add(tx, _year_event(_version(tx), school, school_year, vendor))


def vendor_changed(tx: Tx, vendor: str, status: int) -> None:
    """Announce a vendor. status: VendorStatus. The caller holds the registry
    (`vendor_store.hold`).
    """
    outbox.add(tx, _vendor_event(_version(tx), vendor, status))


def staff_changed(tx: Tx, school: str, people: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Announce people, whose rows this transaction has written, as pairs of id and roles."""
    version = _version(tx)
    outbox.add_all(tx, [_staff_event(version, school, person, roles) for person, roles in people])


def announce_all(database: Database) -> tuple[int, int, int]:
    """Announce everything once more, page by page: at the first start of a service, or after it
    lost its copy. Vendors first, so that a suspended one is known before its schools are.

    Returns the numbers of vendors, school years and people announced.
    """
    vendors = _announce(
        database,
        _vendors,
        "",
        lambda row: row.name,
        lambda version, row: _vendor_event(version, row.name, row.status),
    )
    years = _announce(
        database,
        _years,
        0,
        lambda row: row.id,
        lambda version, row: _year_event(version, row.school, row.name, row.vendor),
    )
    people = _announce(
        database,
        _staff,
        0,
        lambda row: row.id,
        lambda version, row: _staff_event(version, row.school, row.person, row.roles),
    )
    return vendors, years, people


def _announce(
    database: Database,
    page_after: Callable[[Tx, _Key], Sequence[_Row]],
    after: _Key,
    key: Callable[[_Row], _Key],
    event: Callable[[int, _Row], Message],
) -> int:
    """Announce the rows of all pages, each page in its own transaction, and count them."""
    count = 0
    while True:
        with database.transaction() as tx:
            page = page_after(tx, after)
            if not page:
                return count
            version = _version(tx)
            outbox.add_all(tx, [event(version, row) for row in page])
        count, after = count + len(page), key(page[-1])


def _vendors(tx: Tx, after: str) -> Sequence[_Vendor]:
    statement = "SELECT name, status FROM vendor WHERE name > %s ORDER BY name LIMIT %s FOR SHARE"
    return rows(tx, _Vendor, statement, (after, _PAGE)).fetchall()


def _years(tx: Tx, after: int) -> Sequence[_Year]:
    return rows(
        tx,
        _Year,
        "SELECT y.id, s.code AS school, y.name, y.vendor FROM school_year y"
        " JOIN school s ON s.id = y.school_id WHERE y.id > %s ORDER BY y.id LIMIT %s FOR SHARE OF y",
        (after, _PAGE),
    ).fetchall()


def _staff(tx: Tx, after: int) -> Sequence[_Staff]:
    return rows(
        tx,
        _Staff,
        "SELECT p.id, s.code AS school, p.person, p.roles FROM staff p"
        " JOIN school s ON s.id = p.school_id WHERE p.id > %s ORDER BY p.id LIMIT %s FOR SHARE OF p",
        (after, _PAGE),
    ).fetchall()


def _version(tx: Tx) -> int:
    return one_row(scalars(tx, int, "SELECT nextval('standing_version')"))


def _year_event(version: int, school: str, school_year: str, vendor: str) -> events_pb2.SchoolYearServed:
    return events_pb2.SchoolYearServed(school=school, school_year=school_year, vendor=vendor, standing_version=version)


def _vendor_event(version: int, vendor: str, status: int) -> events_pb2.VendorStatusChanged:
    suspended = status == VendorStatus.SUSPENDED
    return events_pb2.VendorStatusChanged(vendor=vendor, suspended=suspended, standing_version=version)


def _staff_event(version: int, school: str, person: str, roles: Sequence[int]) -> events_pb2.StaffChanged:
    return events_pb2.StaffChanged(school=school, person=person, roles=roles, standing_version=version)
