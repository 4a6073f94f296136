"""The control log of a school's gradebook, and its checks by the school's leadership."""

from datetime import datetime

from services.common.db import Database
from services.common.errors import Invalid, Violation
from services.common.identity import Caller
from services.gradebook.authority import control_log_store, dossier_store
from services.gradebook.authority.control_log_store import LogRow
from services.gradebook.model import permissions, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access


def list_log(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    *,
    after: tuple[datetime, str, int] | None,
    limit: int,
) -> list[LogRow]:
    """A page of the control log, oldest first, after the row with that time, chain and sequence."""
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        access.year(tx, caller, school, school_year)
        return control_log_store.page(tx, school, school_year, after, limit)


def record_check(database: Database, caller: Caller, school: str, school_year: str, *, up_to: int, remark: str) -> int:
    """Record that the leadership in charge checked the log up to a row; returns the check's own row
    number.

    In charge are the principal and a vice principal named in the approved dossier, or any vice
    principal if no dossier is approved (3260/GDĐT-GDTrH mục 3: “lãnh đạo nhà trường được phân công
    phụ trách”). The check keeps the hash of row `up_to`.
    Raises Invalid, Forbidden ROLE_REQUIRED, PERSON_UNKNOWN.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.text("remark", remark, shortest=5, longest=1000)
    findings.number("up_to", up_to, 1, 2**53)
    findings.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        staff = access.staff(tx, caller, year)
        approved = dossier_store.approved(tx, year.school_id, school_year)
        assigned = approved.assigned if approved else None
        in_charge = permissions.in_charge(staff.person, assigned)
        actors = permissions.capacities(staff.roles, in_charge=in_charge)
        permissions.check(Permission.CHECK_CONTROL_LOG, actors, person=staff.person)
        row = control_log_store.row(tx, school, up_to)
        if row is None:
            raise Invalid([Violation("up_to", "ROW_UNKNOWN", "Sổ theo dõi không có dòng mang số này.")])
        return access.record(
            tx,
            caller,
            school,
            "CONTROL_LOG_CHECKED",
            f"schools/{school}/years/{school_year}/control-log",
            up_to=up_to,
            up_to_sha256=row.sha256.hex(),
            remark=remark,
        )
