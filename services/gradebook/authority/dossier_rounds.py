"""Rounds of adoption dossiers: their deadlines, the offices' consolidated lists, the schools that
are missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from services.common.db import Database
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.common.vietnam import today
from services.gradebook.authority import dossier_store as store
from services.gradebook.authority.dossier_store import MissingRow, SchoolRow
from services.gradebook.model import dossier_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.dossier_rules import (
    Document,
    Round,
    Route,
)
from services.gradebook.roster import access, clock

MAX_LISTED = 500


def put_round(database: Database, caller: Caller, dossier_round: Round) -> None:
    """Open the round of a school year, or change its deadline (Department). Raises Invalid."""
    findings = Findings()
    findings.school_year("round.school_year", dossier_round.school_year)
    if findings.count("round.direct_schools", len(dossier_round.direct_schools), 0, MAX_LISTED):
        for index, code in enumerate(dossier_round.direct_schools):
            findings.code(f"round.direct_schools[{index}]", code)
    if findings.count("round.offices", len(dossier_round.offices), 0, MAX_LISTED):
        for index, office in enumerate(dossier_round.offices):
            findings.text(f"round.offices[{index}]", office, longest=150)
    findings.text("round.note", dossier_round.note, longest=500, shortest=0)
    findings.refuse()
    with database.transaction() as tx:
        store.put_round(tx, dossier_round)
        access.record_department(
            tx,
            caller,
            "DOSSIER_ROUND_PUT",
            f"rounds/{dossier_round.school_year}",
            deadline=dossier_rules.local(dossier_round.deadline),
            direct_schools=",".join(dossier_round.direct_schools),
            offices=len(dossier_round.offices),
        )


def forward_list(
    database: Database,
    caller: Caller,
    school_year: str,
    office: str,
    document: Document,
    *,
    received: datetime | None,
    schools: Sequence[str],
) -> bool:
    """Record an office's consolidated list of permitted THCS (Department).

    Returns whether it came late.

    received: None for the time of this call. The same list again changes nothing.
    Raises Invalid; Rejected ROUND_NOT_OPEN.
    """
    findings = Findings()
    findings.school_year("school_year", school_year)
    findings.text("office", office, longest=150)
    dossier_rules.check_document(findings, "list", document, today())
    findings.unique("schools", schools, "Một trường có hai lần.")
    if findings.count("schools", len(schools), 1, MAX_LISTED):
        for index, code in enumerate(schools):
            findings.code(f"schools[{index}]", code)
    findings.refuse()
    with database.transaction() as tx:
        now = clock.now(tx)
        dossier_round = store.find_round(tx, school_year)
        if dossier_round is None:
            raise Rejected("ROUND_NOT_OPEN", "Sở chưa mở đợt nhận hồ sơ của năm học này.", school_year=school_year)
        known = store.schools(tx, schools)
        refuse(_not_listable(schools, known, dossier_round, office))
        if received is not None and received > now:
            raise Invalid([Violation("received_time", "TIME", "Thời điểm nhận không được ở tương lai.")])
        received = received or now
        ids = [known[code].id for code in schools]
        if not store.has_list(tx, school_year, office, document.sha256, ids):
            store.add_list(tx, school_year, office, document=asdict(document), received=received, school_ids=ids)
            access.record_department(
                tx,
                caller,
                "DOSSIER_LIST_RECORDED",
                f"rounds/{school_year}",
                office=office,
                list_sha256=document.sha256,
                received=dossier_rules.local(received),
                schools=",".join(schools),
            )
        return dossier_rules.is_late(received, dossier_round.deadline)


def list_missing(database: Database, school_year: str, after: str, limit: int) -> list[tuple[MissingRow, Route]]:
    """A page of the schools that still have to hand in a dossier, by school code, with their
    routes.
    """
    findings = Findings()
    findings.school_year("school_year", school_year)
    findings.refuse()
    with database.transaction() as tx:
        dossier_round = store.find_round(tx, school_year)
        direct = dossier_round.direct_schools if dossier_round else ()
        rows = store.missing(tx, school_year, after, limit)
        return [(row, dossier_rules.route(row.level, row.school, direct)) for row in rows]


def _not_listable(
    schools: Sequence[str], known: Mapping[str, SchoolRow], dossier_round: Round, office: str
) -> list[Violation]:
    violations = []
    if dossier_round.offices and office not in dossier_round.offices:
        message = "Đơn vị này không thuộc các đơn vị gửi danh sách của đợt."
        violations.append(Violation("office", "OFFICE_UNKNOWN", message))
    for index, code in enumerate(schools):
        where = f"schools[{index}]"
        if code not in known:
            violations.append(Violation(where, "SCHOOL_UNKNOWN", "Chưa có trường này."))
        elif dossier_rules.route(known[code].level, code, dossier_round.direct_schools) is not Route.LIST:
            violations.append(Violation(where, "ROUTE_DIRECT", "Trường này nộp hồ sơ trực tiếp về Sở."))
    return violations
