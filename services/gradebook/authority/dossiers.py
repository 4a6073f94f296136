"""Adoption dossiers from draft to decision; approval authorises the school year with the dossier's
software.

Each use case that changes a dossier locks the row of its school year first, so they follow one
another.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import Caller
from services.common.vietnam import today
from services.gradebook.authority import dossier_store as store
from services.gradebook.authority import vendor_store
from services.gradebook.authority.dossier_store import DossierRow, StepRow
from services.gradebook.model import dossier_items, dossier_rules, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import Authority
from services.gradebook.model.dossier_rules import (
    Document,
    DossierAct,
    DossierState,
    Facts,
    Items,
    Reason,
    Round,
    Route,
)
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, clock, roster_store
from services.gradebook.roster.roster_store import YearRow


class Routed(NamedTuple):
    """A dossier, how it reaches the Department, and its history if that was asked for."""

    row: DossierRow
    route: Route
    history: Sequence[StepRow] = ()


class Decision(NamedTuple):
    """The Department's decision as sent. state: DossierState; reason: Reason, 0 for an approval."""

    state: int
    reason: int
    document: Document
    note: str


def save_dossier(database: Database, caller: Caller, school: str, school_year: str, items: Items) -> Routed:
    """Write the whole draft (principal, vice principal, data officer).

    Raises Invalid; Forbidden ROLE_REQUIRED; Rejected DOSSIER_STATE, ROUND_CLOSED.
    """
    roster_rules.check_year_ref(school, school_year)
    dossier_rules.check_items(items, today())
    with database.transaction() as tx:
        year = _hold(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.SAVE_DOSSIER)
        newest = store.find(tx, year.id)
        dossier_round = store.find_round(tx, school_year)
        version = dossier_rules.draft_version(
            (newest.version, newest.state) if newest else None,
            authorised=year.authority != Authority.NONE,
            deadline=dossier_round.deadline if dossier_round else None,
            now=clock.now(tx),
        )
        dossier_id = store.save(tx, year.id, version, items)
        before = newest.state if newest and newest.version == version else 0
        _add_step(tx, caller, dossier_id, DossierAct.SAVE, before=before, after=DossierState.DRAFT)
        access.record(
            tx,
            caller,
            school,
            "DOSSIER_SAVED",
            _resource(year),
            version=version,
            items_sha256=dossier_items.items_sha256(items).hex(),
        )
        return _routed(tx, year, dossier_round)


def submit_dossier(database: Database, caller: Caller, school: str, school_year: str) -> Routed:
    """Hand the dossier in (principal); after the deadline it is recorded and rejected as late.

    Returns the dossier; a second call changes nothing. Raises Invalid naming what is missing;
    NotFound DOSSIER_UNKNOWN; Forbidden ROLE_REQUIRED; Rejected DOSSIER_STATE, ROUND_NOT_OPEN.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = _hold(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.SUBMIT_DOSSIER)
        dossier = _newest(tx, year)
        dossier_round = store.find_round(tx, school_year)
        if dossier_round is None:
            raise Rejected("ROUND_NOT_OPEN", "Sở chưa mở đợt nhận hồ sơ của năm học này.", school_year=school_year)
        if dossier.state is DossierState.SUBMITTED:
            return Routed(dossier, _route(dossier, dossier_round))
        target = dossier_rules.step(dossier.state, DossierAct.SUBMIT)
        submission = dossier_rules.complete(dossier.items, _facts(tx, year, dossier.items))
        now = clock.now(tx)
        late = dossier_rules.is_late(now, dossier_round.deadline)
        digest = dossier_items.items_sha256(dossier.items)
        store.hand_in(tx, dossier.id, submission, digest, now, late=late, reason=Reason.LATE if late else 0)
        target = DossierState.REJECTED if late else target
        note = f"Hạn nộp: {dossier_rules.local(dossier_round.deadline)}" if late else ""
        _add_step(tx, caller, dossier.id, DossierAct.SUBMIT, before=dossier.state, after=target, note=note)
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
            deadline=dossier_rules.local(dossier_round.deadline),
            to_state=target.name,
        )
        return _routed(tx, year, dossier_round)


def start_review(database: Database, caller: Caller, school: str, school_year: str) -> Routed:
    """Take a dossier into review (Department); a THCS must be on a list that came in time.

    Returns the dossier; a second call changes nothing.
    Raises NotFound DOSSIER_UNKNOWN; Rejected DOSSIER_STATE, NOT_ON_LIST.
    """
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        year = _hold(tx, caller, school, school_year)
        dossier = _newest(tx, year)
        dossier_round = store.find_round(tx, school_year)
        if dossier.state is DossierState.UNDER_REVIEW:
            return Routed(dossier, _route(dossier, dossier_round))
        target = dossier_rules.step(dossier.state, DossierAct.START_REVIEW)
        if _route(dossier, dossier_round) is Route.LIST:
            listed = store.listed_time(tx, school, school_year)
            if listed is None or (dossier_round is not None and dossier_rules.is_late(listed, dossier_round.deadline)):
                raise Rejected(
                    "NOT_ON_LIST",
                    "Trường THCS này chưa có trong danh sách tổng hợp được gửi về Sở đúng hạn.",
                    school=school,
                    received=dossier_rules.local(listed) if listed else "",
                )
        store.set_state(tx, dossier.id, target)
        _add_step(tx, caller, dossier.id, DossierAct.START_REVIEW, before=dossier.state, after=target)
        access.record(tx, caller, school, "DOSSIER_REVIEW_STARTED", _resource(year), version=dossier.version)
        return _routed(tx, year, dossier_round)


def decide_dossier(database: Database, caller: Caller, school: str, school_year: str, decision: Decision) -> Routed:
    """Approve, which authorises the school year with the dossier's software, or reject
    (Department).

    The same decision again changes nothing.
    Raises Invalid; NotFound DOSSIER_UNKNOWN; Rejected DOSSIER_STATE, SOFTWARE_NOT_APPRAISED.
    """
    roster_rules.check_year_ref(school, school_year)
    _check_decision(decision)
    state, reason, document, note = decision
    act = DossierAct.APPROVE if state == DossierState.APPROVED else DossierAct.REJECT
    with database.transaction() as tx:
        vendor_store.share(tx)
        year = _hold(tx, caller, school, school_year)
        dossier = _newest(tx, year)
        dossier_round = store.find_round(tx, school_year)
        if (dossier.state, dossier.reason, dossier.decision) == (state, reason, document):
            return Routed(dossier, _route(dossier, dossier_round))
        target = dossier_rules.step(dossier.state, act)
        if act is DossierAct.APPROVE:
            _authorise(tx, year, dossier.software)
        store.set_state(tx, dossier.id, target, reason, asdict(document))
        _add_step(tx, caller, dossier.id, act, before=dossier.state, after=target, note=note)
        access.record(
            tx,
            caller,
            school,
            f"DOSSIER_{target.name}",
            _resource(year),
            version=dossier.version,
            software=dossier.software,
            reason=Reason(reason).name if reason else "",
            decision_sha256=document.sha256,
        )
        return _routed(tx, year, dossier_round)


def get_dossier(database: Database, caller: Caller, school: str, school_year: str, version: int) -> Routed:
    """A version of a school's dossier with its history; version 0: the newest.

    Raises Invalid; NotFound DOSSIER_UNKNOWN.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.number("version", version, 0, 2**15)
    findings.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        dossier = _newest(tx, year, version)
        return Routed(dossier, _route(dossier, store.find_round(tx, school_year)), store.steps(tx, dossier.id))


def list_dossiers(database: Database, school_year: str, state: int, after: str, limit: int) -> list[Routed]:
    """A page of the newest dossier of every school, by school code.

    state: DossierState, 0 for any.
    """
    findings = Findings()
    findings.school_year("school_year", school_year)
    if state:
        findings.one_of("state", state, set(DossierState))
    findings.refuse()
    with database.transaction() as tx:
        dossier_round = store.find_round(tx, school_year)
        return [Routed(row, _route(row, dossier_round)) for row in store.page(tx, school_year, state, after, limit)]


def _hold(tx: Tx, caller: Caller, school: str, school_year: str) -> YearRow:
    """Lock the row of a school year until commit and read it as it is then."""
    year = access.year(tx, caller, school, school_year)
    store.hold_year(tx, year.id)
    return access.year(tx, caller, school, school_year)


def _newest(tx: Tx, year: YearRow, version: int = 0) -> DossierRow:
    dossier = store.find(tx, year.id, version)
    if dossier is None:
        raise NotFound("DOSSIER_UNKNOWN", "Trường chưa lập hồ sơ này.", school=year.school, school_year=year.name)
    return dossier


def _routed(tx: Tx, year: YearRow, dossier_round: Round | None) -> Routed:
    dossier = _newest(tx, year)
    return Routed(dossier, _route(dossier, dossier_round))


def _route(dossier: DossierRow, dossier_round: Round | None) -> Route:
    return dossier_rules.route(dossier.level, dossier.school, dossier_round.direct_schools if dossier_round else ())


def _check_decision(decision: Decision) -> None:
    """Raises Invalid."""
    findings = Findings()
    findings.one_of("state", decision.state, {DossierState.APPROVED, DossierState.REJECTED})
    if decision.state == DossierState.REJECTED:
        findings.one_of("reason", decision.reason, set(Reason))
    elif decision.reason:
        findings.add("reason", "NOT_APPLICABLE", "Chỉ nêu lí do khi không duyệt hồ sơ.")
    dossier_rules.check_document(findings, "decision", decision.document, today())
    findings.text("note", decision.note, longest=500, shortest=0)
    findings.refuse()


def _authorise(tx: Tx, year: YearRow, software: str) -> None:
    """Authorise a school year with a software. Raises Rejected SOFTWARE_NOT_APPRAISED."""
    if not _appraised(tx, [software])[software]:
        message = "Phần mềm của hồ sơ chưa được Sở thẩm định hoặc kết quả thẩm định không còn hiệu lực."
        raise Rejected("SOFTWARE_NOT_APPRAISED", message, software=software)
    store.authorise(tx, year.id, software)


def _facts(tx: Tx, year: YearRow, items: Items) -> Facts:
    previous = store.approved(tx, year.school_id, dossier_rules.year_before(year.name))
    software = [*items.software, *([previous.software] if previous else ())]
    people = [*(duty.person for duty in items.assignment), *(previous.assigned if previous else ())]
    staff = {row.person: row.roles for row in roster_store.staff(tx, year.school_id, people).values()}
    return Facts(_appraised(tx, software), store.window_names(tx, year.id), staff, previous)


def _appraised(tx: Tx, names: Sequence[str]) -> dict[str, bool]:
    """Vendor name → whether its software may be named in a dossier today."""
    day = today()
    vendors = vendor_store.find(tx, names)
    return {
        name: name in vendors
        and dossier_rules.usable(vendors[name].status, vendors[name].valid_from, vendors[name].valid_to, day)
        for name in names
    }


def _add_step(
    tx: Tx, caller: Caller, dossier_id: int, act: DossierAct, *, before: int, after: DossierState, note: str = ""
) -> None:
    store.add_step(
        tx,
        dossier_id,
        act,
        from_state=before,
        to_state=after,
        person=caller.person or "",
        client=caller.client,
        note=note,
    )


def _resource(year: YearRow) -> str:
    return f"schools/{year.school}/years/{year.name}/dossier"
