"""The registry of vendors and their appraisals."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.model.domain import VendorStatus

_VENDORS_LOCK = "gradebook/vendors"


class VendorRow(NamedTuple):
    """A vendor with its newest appraisal, whose fields are None before the first.

    status, appraised_status: VendorStatus. appraised_version: version of the software appraised.
    """

    name: str
    title: str
    software: str
    version: str
    status: int
    appraised_status: int | None
    appraised_version: str | None
    decision: dict[str, Any] | None
    valid_from: date | None
    valid_to: date | None
    note: str | None


class NewAppraisal(NamedTuple):
    """An appraisal to write. decision: a document in JSON; valid_to None: until further notice."""

    status: int
    decision: dict[str, Any]
    valid_from: date
    valid_to: date | None
    note: str


_VENDOR = (
    "SELECT v.name, v.title, v.software, v.version, v.status, a.status AS appraised_status,"
    " a.version AS appraised_version, a.decision, a.valid_from, a.valid_to, a.note FROM vendor v"
    " LEFT JOIN LATERAL (SELECT * FROM vendor_appraisal a WHERE a.vendor = v.name"
    " ORDER BY a.id DESC LIMIT 1) a ON true"
)


def share(tx: Tx) -> None:
    """Lock the registry against changes until commit.

    So a school year is never opened with a vendor that is being suspended at the same time.
    """
    tx.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", (_VENDORS_LOCK,))


def hold(tx: Tx) -> None:
    """Lock the registry exclusively until commit."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_VENDORS_LOCK,))


def put(tx: Tx, name: str, *, title: str, software: str, version: str, status: int) -> None:
    """Write a vendor by its name. status: VendorStatus."""
    tx.execute(
        "INSERT INTO vendor (name, title, software, version, status) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET title = excluded.title, software = excluded.software,"
        " version = excluded.version, status = excluded.status",
        (name, title, software, version, status),
    )


def find(tx: Tx, names: Sequence[str]) -> dict[str, VendorRow]:
    """The named vendors, by name; unknown ones are omitted."""
    known = rows(tx, VendorRow, f"{_VENDOR} WHERE v.name = ANY(%s)", (list(names),))
    return {row.name: row for row in known}


def page(tx: Tx, status: int, after: str, limit: int) -> list[VendorRow]:
    """A page of vendors by name. status: VendorStatus, 0 for any."""
    return rows(
        tx,
        VendorRow,
        f"{_VENDOR} WHERE v.name > %(after)s AND (%(status)s = 0 OR v.status = %(status)s)"
        " ORDER BY v.name LIMIT %(limit)s",
        {"after": after, "status": status, "limit": limit},
    ).fetchall()


def appraise(tx: Tx, vendor: VendorRow, new: NewAppraisal) -> None:
    """Write an appraisal, and note in every school year of the vendor whether it is suspended."""
    tx.execute(
        "INSERT INTO vendor_appraisal (vendor, version, status, decision, valid_from, valid_to, note)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (vendor.name, vendor.version, new.status, Jsonb(new.decision), new.valid_from, new.valid_to, new.note),
    )
    tx.execute("UPDATE vendor SET status = %s WHERE name = %s", (new.status, vendor.name))
    suspended = new.status == VendorStatus.SUSPENDED
    tx.execute(
        "UPDATE school_year SET vendor_suspended = %(suspended)s"
        " WHERE vendor = %(vendor)s AND vendor_suspended <> %(suspended)s",
        {"suspended": suspended, "vendor": vendor.name},
    )
