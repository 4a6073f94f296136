"""The principal's monthly remarks on the use of a class's book."""

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.entry import allowed
from services.gradebook.entry.store import holding, principal_remarks
from services.gradebook.entry.store.principal_remarks import RemarkRow
from services.gradebook.model import attendance_rules, results, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, year_lock

_LAST_REMARK = 8
"""August: the last month of a school year with a remark on the use of the book."""


def record_principal_remark(database: Database, caller: Caller, ref: ClassRef, month: str, remark: str) -> int:
    """Record the principal's remark of a month on the use of the book (principal).

    Returns its version.

    The remark that stands makes no new version. Raises Invalid; Forbidden ROLE_REQUIRED; NotFound
    CLASS_UNKNOWN; Rejected BOOK_LOCKED when a book alive holds the month.
    """
    roster_rules.check_class_ref(ref)
    findings = Findings()
    attendance_rules.check_month(findings, "month", month, ref.school_year, _LAST_REMARK)
    findings.text("remark", remark, longest=500)
    findings.refuse()
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        principal = access.require(tx, caller, year, Permission.RECORD_PRINCIPAL_REMARK)
        access.check_authorised(ref.school, ref.school_year, year.authority)
        year_lock.hold_year(tx, year.id)
        newest = principal_remarks.newest(tx, school_class.id, month)
        if newest is not None and newest.remark == remark:
            return newest.version
        allowed.check_free(holding.alive_states(tx, school_class.id), results.first_stage(ref.school_year, month))
        version = newest.version + 1 if newest else 1
        principal_remarks.add(
            tx, school_class.id, month, version, remark=remark, person=principal.person, client=caller.client
        )
        access.record(
            tx, caller, ref.school, "PRINCIPAL_REMARK_RECORDED", ref.resource, month=month, remark_version=version
        )
        return version


def list_principal_remarks(database: Database, caller: Caller, ref: ClassRef) -> list[RemarkRow]:
    """Every version of every month's remark, by month and version."""
    roster_rules.check_class_ref(ref)
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        return principal_remarks.of_class(tx, school_class.id)
