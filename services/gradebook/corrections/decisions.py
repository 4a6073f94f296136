"""Confirming, deciding and withdrawing corrections.

An approval writes all that follows from it in one transaction: the next version of the datum, the
class's next snapshot, the end of the books that hold the datum.
"""

from services.common import identity
from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.corrections import correctable, corrected_books
from services.gradebook.corrections.corrections import find
from services.gradebook.entry import settled, snapshots
from services.gradebook.entry.snapshots import Occasion
from services.gradebook.entry.store import corrections
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.entry.store.corrections import CorrectionRow
from services.gradebook.model.acts import DIGEST_VERSION, EntryAct
from services.gradebook.model.checks import Findings
from services.gradebook.model.correction_rules import (
    RULES,
    CorrectionAct,
    CorrectionState,
    Offices,
    offices,
    step,
)
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.roster import access, clock, roster_store, year_lock
from services.gradebook.roster.roster_store import YearRow

_LONGEST_NOTE = 300


def confirm(database: Database, caller: Caller, correction_id: str, note: str) -> CorrectionRow:
    """Confirm a request (homeroom teacher or stand-in).

    Raises NotFound, Invalid, and as `correction_rules.step`.
    """
    return _act(database, caller, correction_id, CorrectionAct.CONFIRM, note)


def decide(database: Database, caller: Caller, correction_id: str, note: str, *, approve: bool) -> CorrectionRow:
    """Approve or reject (principal or stand-in); a rejection needs a note.

    Raises NotFound, Invalid, and as `correction_rules.step`; approving also raises Rejected STALE
    when the datum has another version than at the request, BOOK_LOCKED, WINDOW_OPEN,
    WINDOW_CLOSING, ATTENDANCE_KEPT, ATTENDANCE_NOT_KEPT, SCHOOL_NOT_AUTHORISED.
    """
    return _act(database, caller, correction_id, CorrectionAct.APPROVE if approve else CorrectionAct.REJECT, note)


def withdraw(database: Database, caller: Caller, correction_id: str) -> CorrectionRow:
    """Withdraw a request (its requester). Raises NotFound, and as `correction_rules.step`."""
    return _act(database, caller, correction_id, CorrectionAct.WITHDRAW, "")


def _act(database: Database, caller: Caller, correction_id: str, act: CorrectionAct, note: str) -> CorrectionRow:
    findings = Findings()
    findings.text("note", note, shortest=1 if act is CorrectionAct.REJECT else 0, longest=_LONGEST_NOTE)
    findings.refuse()
    with database.transaction() as tx:
        row = find(tx, caller, correction_id)
        year = access.year(tx, caller, row.school, row.school_year)
        if act is CorrectionAct.APPROVE:
            year_lock.hold_year(tx, year.id)
        row = find(tx, caller, correction_id, lock=True)
        person = identity.person(caller, row.school)
        if _is_repeated(row, act, person, note):
            return row
        state = step(row.progress, act, person, _offices(tx, caller, row))
        facts = _approve(tx, caller, year, row, note) if act is CorrectionAct.APPROVE else {}
        if act is not CorrectionAct.APPROVE:
            corrections.move(tx, row.id, state, person, client=caller.client, note=note)
        ref = ClassRef(row.school, row.school_year, row.class_name)
        access.record(
            tx, caller, row.school, f"CORRECTION_{state.name}", row.resource, school_class=ref.resource, **facts
        )
        return corrections.correction(tx, row.id)


def _is_repeated(row: CorrectionRow, act: CorrectionAct, person: str, note: str) -> bool:
    """Whether this call has already made its step."""
    step_made = {CorrectionAct.CONFIRM: row.confirmed, CorrectionAct.WITHDRAW: row.withdrawn}.get(act, row.decided)
    same_decision = act not in {CorrectionAct.APPROVE, CorrectionAct.REJECT} or row.state == RULES[act].target
    return step_made is not None and (step_made.person, step_made.note) == (person, note) and same_decision


def _offices(tx: Tx, caller: Caller, row: CorrectionRow) -> Offices:
    year, school_class = access.school_class(tx, caller, ClassRef(row.school, row.school_year, row.class_name))

    def with_role(role: int) -> set[str]:
        return {staff.person for staff in roster_store.staff_with_role(tx, year.school_id, role)}

    return offices(school_class.homeroom_person, row.progress.requester, with_role)


def _approve(tx: Tx, caller: Caller, year: YearRow, row: CorrectionRow, note: str) -> dict[str, object]:
    """Write everything that an approval changes, and return its facts for the audit row.

    The caller holds the year alone, so that nothing else changes meanwhile.
    """
    access.check_authorised(row.school, row.school_year, year.authority)
    settled.check_correctable(tx, year.id, row.school_year, row.datum)
    correctable.check_kept(tx, row.datum)
    books = corrected_books.holding(tx, row.datum, row.school_year)
    corrected_books.check(books)
    cells_sha256 = _write(tx, caller, row)
    person = identity.person(caller, row.school)
    voided = [book.id for book in books]
    corrections.move(tx, row.id, CorrectionState.APPROVED, person, client=caller.client, note=note, voided=voided)
    class_id = row.datum.class_id
    head = ClassHead(class_id, row.class_name, roster_store.grade_level(tx, class_id))
    (snapshot,) = snapshots.take(tx, year, [head], Occasion(clock.now(tx), correction_id=row.id))
    corrected_books.end(tx, caller, books, row)
    return {
        "cells_sha256": cells_sha256,
        "digest_version": DIGEST_VERSION,
        "snapshot": snapshot.id,
        "content_sha256": snapshot.content_sha256.hex(),
        "voided_books": ",".join(map(str, voided)),
    }


def _write(tx: Tx, caller: Caller, row: CorrectionRow) -> str:
    """Write the datum's next version by an act of entry, whose request id is the correction's
    id.
    """
    present_version = correctable.version(tx, row.datum)
    if present_version != row.old_version:
        raise Rejected(
            "STALE",
            "Dữ liệu đã thay đổi sau khi đề nghị; hãy từ chối đề nghị này và lập đề nghị mới.",
            seen_version=row.old_version,
            present_version=present_version,
        )
    act = EntryAct(
        row.id,
        row.request_sha256,
        EntryKind.CORRECTION,
        row.datum.class_id,
        row.datum.subject_id,
        row.datum.semester,
        identity.person(caller, row.school),
        caller.client,
        row.reason,
    )
    return correctable.write(tx, act, row.datum, row.changes)
