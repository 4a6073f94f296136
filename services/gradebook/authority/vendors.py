"""The Department's registry of vendors: whose software was appraised, and who is suspended."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import NamedTuple

from services.common.db import Database
from services.common.errors import NotFound
from services.common.identity import Caller
from services.common.vietnam import today
from services.gradebook.authority import vendor_store
from services.gradebook.authority.vendor_store import NewAppraisal, VendorRow
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import VendorStatus
from services.gradebook.model.dossier_rules import Document, check_document
from services.gradebook.roster import access, standing

_FIRST, _LAST = date(2000, 1, 1), date(2199, 12, 31)
_RESULTS = frozenset({VendorStatus.APPRAISED, VendorStatus.REFUSED, VendorStatus.SUSPENDED})


class Appraisal(NamedTuple):
    """An appraisal as sent.

    status: VendorStatus. Days: ISO 8601; valid_to empty: until further notice.
    """

    status: int
    decision: Document
    valid_from: str
    valid_to: str
    note: str


def put_vendor(
    database: Database, caller: Caller, name: str, *, title: str, software: str, version: str
) -> VendorStatus:
    """Register a vendor, or a new version of its software, which has to be appraised again.

    A suspended vendor stays suspended. Raises Invalid.
    """
    findings = Findings()
    findings.vendor("vendor.name", name)
    findings.text("vendor.title", title, longest=60)
    findings.text("vendor.software", software, longest=200)
    findings.text("vendor.version", version, longest=40)
    findings.refuse()
    with database.transaction() as tx:
        vendor_store.hold(tx)
        before = vendor_store.find(tx, [name]).get(name)
        status = VendorStatus(before.status) if before else VendorStatus.REGISTERED
        if before and before.version != version and status is not VendorStatus.SUSPENDED:
            status = VendorStatus.REGISTERED
        vendor_store.put(tx, name, title=title, software=software, version=version, status=status)
        standing.vendor_changed(tx, name, status)
        access.record_department(
            tx, caller, "VENDOR_PUT", f"vendors/{name}", title=title, version=version, status=status.name
        )
        return status


def appraise_vendor(database: Database, caller: Caller, name: str, appraisal: Appraisal) -> None:
    """Record the result of an appraisal; a suspension takes effect in every school with this
    commit.

    The same appraisal again changes nothing. Raises Invalid, NotFound VENDOR_UNKNOWN.
    """
    findings = Findings()
    findings.vendor("vendor", name)
    findings.one_of("appraisal.status", appraisal.status, _RESULTS)
    check_document(findings, "appraisal.decision", appraisal.decision, today())
    findings.day("appraisal.valid_from", appraisal.valid_from, _FIRST, _LAST)
    findings.text("appraisal.note", appraisal.note, longest=500, shortest=0)
    findings.refuse()
    first, last = date.fromisoformat(appraisal.valid_from), None
    if appraisal.valid_to:
        findings.day("appraisal.valid_to", appraisal.valid_to, first, _LAST)
        findings.refuse()
        last = date.fromisoformat(appraisal.valid_to)
    new = NewAppraisal(appraisal.status, asdict(appraisal.decision), first, last, appraisal.note)
    with database.transaction() as tx:
        vendor_store.hold(tx)
        vendor = vendor_store.find(tx, [name]).get(name)
        if vendor is None:
            raise NotFound("VENDOR_UNKNOWN", "Chưa đăng kí nhà cung cấp này.", vendor=name)
        if _is_newest(vendor, new):
            return
        vendor_store.appraise(tx, vendor, new)
        standing.vendor_changed(tx, name, new.status)
        access.record_department(
            tx,
            caller,
            "VENDOR_APPRAISED",
            f"vendors/{name}",
            status=VendorStatus(new.status).name,
            version=vendor.version,
            decision_sha256=appraisal.decision.sha256,
            valid_from=first,
            valid_to=last or "",
        )


def list_vendors(database: Database, status: int, after: str, limit: int) -> Sequence[VendorRow]:
    """A page of vendors by name. status: VendorStatus, 0 for any. Raises Invalid."""
    findings = Findings()
    if status:
        findings.one_of("status", status, set(VendorStatus))
    findings.refuse()
    with database.transaction() as tx:
        return vendor_store.page(tx, status, after, limit)


def _is_newest(vendor: VendorRow, new: NewAppraisal) -> bool:
    """Whether the newest appraisal, of this version, says exactly the same."""
    newest = (vendor.appraised_status, vendor.decision, vendor.valid_from, vendor.valid_to, vendor.note)
    return vendor.appraised_version == vendor.version and newest == tuple(new) and vendor.status == new.status
