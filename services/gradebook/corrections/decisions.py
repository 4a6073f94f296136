"""Confirming, deciding and taking back a correction. Approval changes everything that follows from it at once:

the next version of what was corrected, the class's next snapshot, the end of books that hold it and are not yet being
signed.
"""

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
from services.gradebook.model.acts import DIGEST_VERSION
from services.gradebook.model.acts import Act as EntryAct
from services.gradebook.model.checks import Findings
from services.gradebook.model.correction_rules import RULES, Act, State, step
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Offices, offices
from services.gradebook.roster import access, clock, roster_store, year_lock
from services.gradebook.roster.roster_store import YearRow

_LONGEST_NOTE = 300


def confirm(database: Database, caller: Caller, correction_id: str, note: str) -> CorrectionRow:
    """Certify a request (homeroom teacher, or who stands in). Raises as `corrections.step`, NotFound, Invalid."""
    return _act(database, caller, correction_id, Act.CONFIRM, note)


def decide(database: Database, caller: Caller, correction_id: str, note: str, *, approve: bool) -> CorrectionRow:
    """Approve or reject (principal, or who stands in); a rejection needs a note.

    Raises as `corrections.step`, NotFound, Invalid; for an approval Rejected STALE when the datum has another version
    than the request saw, BOOK_LOCKED, WINDOW_OPEN, WINDOW_CLOSING, ATTENDANCE_KEPT, SCHOOL_NOT_AUTHORISED.
    """
    return _act(database, caller, correction_id, Act.APPROVE if approve else Act.REJECT, note)


def withdraw(database: Database, caller: Caller, correction_id: str) -> CorrectionRow:
    """Take a request back (its requester). Raises as `corrections.step`, NotFound."""
    return _act(database, caller, correction_id, Act.WITHDRAW, "")


def _act(database: Database, caller: Caller, correction_id: str, act: Act, note: str) -> CorrectionRow:
    found = Findings()
    found.text("note", note, shortest=1 if act is Act.REJECT else 0, longest=_LONGEST_NOTE)
    found.refuse()
    with database.transaction() as tx:
        row = find(tx, caller, correction_id)
        year = access.year(tx, caller, row.school, row.school_year)
        if act is Act.APPROVE:
            year_lock.hold_year(tx, year.id)
        row = find(tx, caller, correction_id, lock=True)
        person = access.person(caller, row.school)
        if _done_before(row, act, person, note):
            return row
        state = step(row.progress, act, person, _offices(tx, year, row))
        facts = _approve(tx, caller, year, row, note) if act is Act.APPROVE else {}
        if act is not Act.APPROVE:
            corrections.move(tx, row.id, state, person, client=caller.client, note=note)
        ref = ClassRef(row.school, row.school_year, row.class_name)
        access.record(
            tx, caller, row.school, f"CORRECTION_{state.name}", row.resource, school_class=ref.resource, **facts
        )
        return corrections.correction(tx, row.id)


def _done_before(row: CorrectionRow, act: Act, person: str, note: str) -> bool:
    """Whether this same call has already made its step."""
    made = {Act.CONFIRM: row.confirmed, Act.WITHDRAW: row.withdrawn}.get(act, row.decided)
    decided_so = act not in {Act.APPROVE, Act.REJECT} or row.state == RULES[act].target
    return made is not None and (made.person, made.note) == (person, note) and decided_so


def _offices(tx: Tx, year: YearRow, row: CorrectionRow) -> Offices:
    school_class = roster_store.school_class(tx, year.id, row.class_name)
    assert school_class is not None

    def with_role(role: int) -> set[str]:
        return {row.person for row in roster_store.staff_with_role(tx, year.school_id, role)}

    return offices(school_class.homeroom_person, with_role)


def _approve(tx: Tx, caller: Caller, year: YearRow, row: CorrectionRow, note: str) -> dict[str, object]:
    """Write everything that an approval changes; the year is held, so nothing else moves meanwhile."""
    access.check_authorised(row.school, row.school_year, year.authority)
    settled.check_correctable(tx, year.id, row.school_year, row.datum)
    correctable.check_kept(tx, row.datum)
    held = corrected_books.holding(tx, row.datum, row.school_year)
    corrected_books.check(held)
    cells_sha256 = _write(tx, caller, row)
    person = access.person(caller, row.school)
    voided = [book.id for book in held]
    corrections.move(tx, row.id, State.APPROVED, person, client=caller.client, note=note, voided=voided)
    class_id = row.datum.class_id
    head = ClassHead(class_id, row.class_name, roster_store.grade_level(tx, class_id))
    (snapshot,) = snapshots.take(tx, year, [head], Occasion(clock.now(tx), correction_id=row.id))
    corrected_books.end(tx, caller, held, row)
    return {
        "cells_sha256": cells_sha256,
        "digest_version": DIGEST_VERSION,
        "snapshot": snapshot.id,
        "content_sha256": snapshot.content_sha256.hex(),
        "voided_books": ",".join(map(str, voided)),
    }


def _write(tx: Tx, caller: Caller, row: CorrectionRow) -> str:
    """The datum's next version, through an act of entry whose request id is the correction's id."""
    present = correctable.version(tx, row.datum)
    if present != row.old_version:
        raise Rejected(
            "STALE",
            "Dữ liệu đã thay đổi sau khi đề nghị; hãy từ chối đề nghị này và lập đề nghị mới.",
            seen_version=row.old_version,
            present_version=present,
        )
    act = EntryAct(
        row.id,
        row.request_sha256,
        EntryKind.CORRECTION,
        row.datum.class_id,
        row.datum.subject_id,
        row.datum.semester,
        access.person(caller, row.school),
        caller.client,
        row.reason,
    )
    return correctable.write(tx, act, row.datum, row.changes)
