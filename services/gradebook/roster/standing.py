"""Announcing who serves which school and who is staff there, for `services.common.standing`.

Each announcement carries a version, taken while its row is locked: of two changes to a row the
later one has the higher version, whatever the order in which they arrive.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hoso.gradebook.v1 import events_pb2

from services.common import outbox
from services.common.db import Database, Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.model.domain import VendorStatus

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
    return _all_vendors(database), _all_years(database), _all_staff(database)


def _all_vendors(database: Database) -> int:
    count, after = 0, ""
    while True:
        with database.transaction() as tx:
            page = rows(
                tx,
                _Vendor,
                "SELECT name, status FROM vendor WHERE name > %s ORDER BY name LIMIT %s FOR SHARE",
                (after, _PAGE),
            ).fetchall()
            if not page:
                return count
            version = _version(tx)
            outbox.add_all(tx, [_vendor_event(version, row.name, row.status) for row in page])
        count, after = count + len(page), page[-1].name


def _all_years(database: Database) -> int:
    count, after = 0, 0
    while True:
        with database.transaction() as tx:
            page = rows(
                tx,
                _Year,
                "SELECT y.id, s.code AS school, y.name, y.vendor FROM school_year y"
                " JOIN school s ON s.id = y.school_id WHERE y.id > %s ORDER BY y.id LIMIT %s FOR SHARE OF y",
                (after, _PAGE),
            ).fetchall()
            if not page:
                return count
            version = _version(tx)
            outbox.add_all(tx, [_year_event(version, row.school, row.name, row.vendor) for row in page])
        count, after = count + len(page), page[-1].id


def _all_staff(database: Database) -> int:
    count, after = 0, 0
    while True:
        with database.transaction() as tx:
            page = rows(
                tx,
                _Staff,
                "SELECT p.id, s.code AS school, p.person, p.roles FROM staff p"
                " JOIN school s ON s.id = p.school_id WHERE p.id > %s ORDER BY p.id LIMIT %s FOR SHARE OF p",
                (after, _PAGE),
            ).fetchall()
            if not page:
                return count
            version = _version(tx)
            outbox.add_all(tx, [_staff_event(version, row.school, row.person, row.roles) for row in page])
        count, after = count + len(page), page[-1].id


def _version(tx: Tx) -> int:
    return one_row(scalars(tx, int, "SELECT nextval('standing_version')"))


def _year_event(version: int, school: str, school_year: str, vendor: str) -> events_pb2.SchoolYearServed:
    return events_pb2.SchoolYearServed(school=school, school_year=school_year, vendor=vendor, standing_version=version)


def _vendor_event(version: int, vendor: str, status: int) -> events_pb2.VendorStatusChanged:
    suspended = status == VendorStatus.SUSPENDED
    return events_pb2.VendorStatusChanged(vendor=vendor, suspended=suspended, standing_version=version)


def _staff_event(version: int, school: str, person: str, roles: Sequence[int]) -> events_pb2.StaffChanged:
    return events_pb2.StaffChanged(school=school, person=person, roles=roles, standing_version=version)
