"""Adoption dossiers from draft to decision; an approval authorises the school year with the dossier's software.

One act on a school year's dossier at a time: each holds the row of the school year first.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Invalid, NotFound, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.authority import dossier_store as store
from services.gradebook.authority import vendor_store
from services.gradebook.authority.dossier_store import DossierRow, MissingRow, StepRow
from services.gradebook.authority.vendors import today
from services.gradebook.model import dossier_rules, roster_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import Authority
from services.gradebook.model.dossier_rules import Act, Document, DossierState, Facts, Items, Reason, Round, Route
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, clock, roster_store
from services.gradebook.roster.roster_store import YearRow

MAX_LISTED = 500


class Routed(NamedTuple):
    """A dossier and how it reaches the Department."""

    row: DossierRow
    route: Route
    history: Sequence[StepRow] = ()


def put_round(database: Database, caller: Caller, one: Round) -> None:
    """Open the round of a school year, or move its deadline (Department)."""
    found = Findings()
    found.school_year("round.school_year", one.school_year)
    if found.count("round.direct_schools", len(one.direct_schools), 0, MAX_LISTED):
        for index, code in enumerate(one.direct_schools):
            found.code(f"round.direct_schools[{index}]", code)
    if found.count("round.offices", len(one.offices), 0, MAX_LISTED):
        for index, office in enumerate(one.offices):
            found.text(f"round.offices[{index}]", office, longest=150)
    found.text("round.note", one.note, longest=500, shortest=0)
    found.refuse()
    with database.transaction() as tx:
        store.put_round(tx, one)
        access.record_department(
            tx,
            caller,
            "DOSSIER_ROUND_PUT",
            f"rounds/{one.school_year}",
            deadline=dossier_rules.local(one.deadline),
            direct_schools=",".join(one.direct_schools),
            offices=len(one.offices),
        )


def save_dossier(database: Database, caller: Caller, school: str, school_year: str, items: Items) -> Routed:
    """Write the draft as a whole (principal, vice principal, data officer).

    Raises Invalid; Forbidden ROLE_REQUIRED; Rejected DOSSIER_STATE, ROUND_CLOSED.
    """
    roster_rules.check_year_ref(school, school_year)
    dossier_rules.check_items(items, today())
    with database.transaction() as tx:
        year = _hold(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.SAVE_DOSSIER)
        newest = store.find(tx, year.id)
        one_round = store.find_round(tx, school_year)
        version = dossier_rules.draft_version(
            (newest.version, newest.state) if newest else None,
            authorised=year.authority != Authority.NONE,
            deadline=one_round.deadline if one_round else None,
            now=clock.now(tx),
        )
        dossier_id = store.save(tx, year.id, version, items)
        before = newest.state if newest and newest.version == version else 0
        _step(tx, caller, dossier_id, Act.SAVE, before, DossierState.DRAFT, "")
        access.record(
            tx,
            caller,
            school,
            "DOSSIER_SAVED",
            _resource(year),
            version=version,
            items_sha256=dossier_rules.items_sha256(items).hex(),
        )
        return _found(tx, year, one_round)


def submit_dossier(database: Database, caller: Caller, school: str, school_year: str) -> Routed:
    """Hand the dossier in (principal); after the deadline it is recorded and rejected as late.

    Handed in already: that dossier. Raises Invalid naming what is missing; NotFound DOSSIER_UNKNOWN; Forbidden
    ROLE_REQUIRED; Rejected DOSSIER_STATE, ROUND_NOT_OPEN.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = _hold(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.SUBMIT_DOSSIER)
        dossier = _newest(tx, year)
        one_round = store.find_round(tx, school_year)
        if one_round is None:
            raise Rejected("ROUND_NOT_OPEN", "Sở chưa mở đợt nhận hồ sơ của năm học này.", school_year=school_year)
        if dossier.state is DossierState.SUBMITTED:
            return Routed(dossier, _route(dossier, one_round))
        target = dossier_rules.step(dossier.state, Act.SUBMIT)
        submission = dossier_rules.complete(dossier.items, _facts(tx, year, dossier.items))
        now = clock.now(tx)
        late = dossier_rules.is_late(now, one_round.deadline)
        digest = dossier_rules.items_sha256(dossier.items)
        store.hand_in(tx, dossier.id, submission, digest, now, late=late, reason=Reason.LATE if late else 0)
        target = DossierState.REJECTED if late else target
        note = f"Hạn nộp: {dossier_rules.local(one_round.deadline)}" if late else ""
        _step(tx, caller, dossier.id, Act.SUBMIT, dossier.state, target, note)
        access.record(
            tx,
            caller,
            school,
            "DOSSIER_SUBMITTED",
            _resource(year),
            version=dossier.version,
            items_sha256=digest.hex(),
            software=submission.software,
            late=late,
            deadline=dossier_rules.local(one_round.deadline),
            to_state=target.name,
        )
        return _found(tx, year, one_round)


def forward_list(
    database: Database,
    caller: Caller,
    school_year: str,
    office: str,
    document: Document,
    received: datetime | None,
    schools: Sequence[str],
) -> bool:
    """Record an office's consolidated list of permitted THCS (Department). Returns whether it came late.

    The same list again changes nothing. Raises Invalid; Rejected ROUND_NOT_OPEN.
    """
    found = Findings()
    found.school_year("school_year", school_year)
    found.text("office", office, longest=150)
    dossier_rules.check_document(found, "list", document, today())
    found.unique("schools", schools, "Một trường có hai lần.")
    if found.count("schools", len(schools), 1, MAX_LISTED):
        for index, code in enumerate(schools):
            found.code(f"schools[{index}]", code)
    found.refuse()
    with database.transaction() as tx:
        now = clock.now(tx)
        one_round = store.find_round(tx, school_year)
        if one_round is None:
            raise Rejected("ROUND_NOT_OPEN", "Sở chưa mở đợt nhận hồ sơ của năm học này.", school_year=school_year)
        known = store.school_ids(tx, schools)
        refuse(_not_listable(schools, known, one_round, office))
        if received is not None and received > now:
            raise Invalid([Violation("received_time", "TIME", "Thời điểm nhận không được ở tương lai.")])
        when = received or now
        ids = [known[code][0] for code in schools]
        if not store.has_list(tx, school_year, office, document.sha256, ids):
            store.add_list(tx, school_year, office, asdict(document), when, ids)
            access.record_department(
                tx,
                caller,
                "DOSSIER_LIST_RECORDED",
                f"rounds/{school_year}",
                office=office,
                list_sha256=document.sha256,
                received=dossier_rules.local(when),
                schools=",".join(schools),
            )
        return dossier_rules.is_late(when, one_round.deadline)


def start_review(database: Database, caller: Caller, school: str, school_year: str) -> Routed:
    """Take a dossier into review (Department); a THCS must be on a list that came in time.

    Raises NotFound DOSSIER_UNKNOWN; Rejected DOSSIER_STATE, NOT_ON_LIST.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = _hold(tx, caller, school, school_year)
        dossier = _newest(tx, year)
        one_round = store.find_round(tx, school_year)
        if dossier.state is DossierState.UNDER_REVIEW:
            return Routed(dossier, _route(dossier, one_round))
        target = dossier_rules.step(dossier.state, Act.START_REVIEW)
        if _route(dossier, one_round) is Route.LIST:
            listed = store.listed_time(tx, school, school_year)
            if listed is None or (one_round is not None and dossier_rules.is_late(listed, one_round.deadline)):
                raise Rejected(
                    "NOT_ON_LIST",
                    "Trường THCS này chưa có trong danh sách tổng hợp được gửi về Sở đúng hạn.",
                    school=school,
                    received=dossier_rules.local(listed) if listed else "",
                )
        store.set_state(tx, dossier.id, target)
        _step(tx, caller, dossier.id, Act.START_REVIEW, dossier.state, target, "")
        access.record(tx, caller, school, "DOSSIER_REVIEW_STARTED", _resource(year), version=dossier.version)
        return _found(tx, year, one_round)


def decide_dossier(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    state: int,
    reason: int,
    decision: Document,
    note: str,
) -> Routed:
    """Approve, which authorises the school year with the dossier's software, or reject (Department).

    The same decision again changes nothing. Raises Invalid; NotFound DOSSIER_UNKNOWN; Rejected DOSSIER_STATE,
    SOFTWARE_NOT_APPRAISED.
    """
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    found.one_of("state", state, {DossierState.APPROVED, DossierState.REJECTED})
    if state == DossierState.REJECTED:
        found.one_of("reason", reason, set(Reason))
    elif reason:
        found.add("reason", "NOT_APPLICABLE", "Chỉ nêu lí do khi không duyệt hồ sơ.")
    dossier_rules.check_document(found, "decision", decision, today())
    found.text("note", note, longest=500, shortest=0)
    found.refuse()
    approved = state == DossierState.APPROVED
    with database.transaction() as tx:
        vendor_store.share(tx)
        year = _hold(tx, caller, school, school_year)
        dossier = _newest(tx, year)
        one_round = store.find_round(tx, school_year)
        if (dossier.state, dossier.reason, dossier.decision) == (state, reason, decision):
            return Routed(dossier, _route(dossier, one_round))
        target = dossier_rules.step(dossier.state, Act.APPROVE if approved else Act.REJECT)
        if approved:
            if not _appraised(tx, [dossier.software])[dossier.software]:
                message = "Phần mềm của hồ sơ chưa được Sở thẩm định hoặc kết quả thẩm định không còn hiệu lực."
                raise Rejected("SOFTWARE_NOT_APPRAISED", message, software=dossier.software)
            store.authorise(tx, year.id, dossier.software)
        store.set_state(tx, dossier.id, target, reason, asdict(decision))
        _step(tx, caller, dossier.id, Act.APPROVE if approved else Act.REJECT, dossier.state, target, note)
        access.record(
            tx,
            caller,
            school,
            f"DOSSIER_{target.name}",
            _resource(year),
            version=dossier.version,
            software=dossier.software,
            reason=Reason(reason).name if reason else "",
            decision_sha256=decision.sha256,
        )
        return _found(tx, year, one_round)


def get_dossier(database: Database, caller: Caller, school: str, school_year: str, version: int) -> Routed:
    """A version of a school's dossier with its history; version 0: the newest. Raises NotFound DOSSIER_UNKNOWN."""
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    found.number("version", version, 0, 2**15)
    found.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        dossier = _newest(tx, year, version)
        return Routed(dossier, _route(dossier, store.find_round(tx, school_year)), store.steps(tx, dossier.id))


def list_dossiers(database: Database, school_year: str, state: int, after: str, limit: int) -> list[Routed]:
    """A page of the newest dossier of every school, by school code. state 0: any."""
    found = Findings()
    found.school_year("school_year", school_year)
    if state:
        found.one_of("state", state, set(DossierState))
    found.refuse()
    with database.transaction() as tx:
        one_round = store.find_round(tx, school_year)
        return [Routed(row, _route(row, one_round)) for row in store.page(tx, school_year, state, after, limit)]


def list_missing(database: Database, school_year: str, after: str, limit: int) -> list[tuple[MissingRow, Route]]:
    """A page of the schools that have handed in nothing and need to, by school code, with their routes."""
    found = Findings()
    found.school_year("school_year", school_year)
    found.refuse()
    with database.transaction() as tx:
        one_round = store.find_round(tx, school_year)
        direct = one_round.direct_schools if one_round else ()
        rows = store.missing(tx, school_year, after, limit)
        return [(row, dossier_rules.route(row.level, row.school, direct)) for row in rows]


def _hold(tx: Tx, caller: Caller, school: str, school_year: str) -> YearRow:
    """The school year, held until commit, as it stands once nobody else holds it."""
    year = access.year(tx, caller, school, school_year)
    store.hold_year(tx, year.id)
    return access.year(tx, caller, school, school_year)


def _newest(tx: Tx, year: YearRow, version: int = 0) -> DossierRow:
    dossier = store.find(tx, year.id, version)
    if dossier is None:
        raise NotFound("DOSSIER_UNKNOWN", "Trường chưa lập hồ sơ này.", school=year.school, school_year=year.name)
    return dossier


def _found(tx: Tx, year: YearRow, one_round: Round | None) -> Routed:
    dossier = _newest(tx, year)
    return Routed(dossier, _route(dossier, one_round))


def _route(dossier: DossierRow, one_round: Round | None) -> Route:
    return dossier_rules.route(dossier.level, dossier.school, one_round.direct_schools if one_round else ())


def _facts(tx: Tx, year: YearRow, items: Items) -> Facts:
    previous = store.approved(tx, year.school_id, dossier_rules.year_before(year.name))
    software = [*items.software, *([previous.software] if previous else ())]
    people = [*(one.person for one in items.assignment), *(previous.assigned if previous else ())]
    staff = {row.person: row.roles for row in roster_store.staff(tx, year.school_id, people).values()}
    return Facts(_appraised(tx, software), store.window_names(tx, year.id), staff, previous)


def _appraised(tx: Tx, names: Sequence[str]) -> dict[str, bool]:
    day = today()
    found = vendor_store.find(tx, names)
    return {
        name: name in found
        and dossier_rules.usable(found[name].status, found[name].valid_from, found[name].valid_to, day)
        for name in names
    }


def _not_listable(
    schools: Sequence[str], known: dict[str, tuple[int, int]], one_round: Round, office: str
) -> list[Violation]:
    found = []
    if one_round.offices and office not in one_round.offices:
        found.append(Violation("office", "OFFICE_UNKNOWN", "Đơn vị này không thuộc các đơn vị gửi danh sách của đợt."))
    for index, code in enumerate(schools):
        where = f"schools[{index}]"
        if code not in known:
            found.append(Violation(where, "SCHOOL_UNKNOWN", "Chưa có trường này."))
        elif dossier_rules.route(known[code][1], code, one_round.direct_schools) is not Route.LIST:
            found.append(Violation(where, "ROUTE_DIRECT", "Trường này nộp hồ sơ trực tiếp về Sở."))
    return found


def _step(tx: Tx, caller: Caller, dossier_id: int, act: Act, before: int, after: DossierState, note: str) -> None:
    store.add_step(tx, dossier_id, act, before, after, caller.person or "", caller.client, note)


def _resource(year: YearRow) -> str:
    return f"schools/{year.school}/years/{year.name}/dossier"
