"""Entering a sheet of marks and the subject teacher's remarks of its semester in one transaction (ADR-0045).

Order within the transaction as in `marks`; what is wrong with the marks and with the remarks is told at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import HosoError, Invalid
from services.gradebook.entry import marks, remarks
from services.gradebook.entry.acts import Entered, check_head, check_subject_target, record, repeat
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.entry.remarks import Planned as PlannedRemarks
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.marks import Written
from services.gradebook.entry.store.sheets import Opened
from services.gradebook.entry.store.sheets import Planned as PlannedMarks
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access

NONE = Entered(0, 0)


class EnteredSheet(NamedTuple):
    """Answer of an entry of marks and remarks."""

    marks: Entered
    remarks: Entered


def enter_sheet(database: Database, one: SheetEntry, texts: Sequence[tuple[str, str]]) -> EnteredSheet:
    """Enter marks and remarks, all or nothing. one: may have no columns and rows; then only remarks are entered.

    texts: moet_student_id and the remark of the sheet's semester, "" to take it away; at least one.
    Raises as `marks.enter_marks` does, and Rejected BOOK_LOCKED when a living book contains a remark.
    """
    check_head(one.ref, one.subject, one.semester)
    access.person(one.caller, one.ref.school)
    with database.transaction(keep_plans=True) as tx:
        (opened,) = sheets.open_sheets(tx, [marks.key(one)], wait=True)
        target = opened.target if opened else None
        for permission in (Permission.ENTER_MARKS, Permission.ENTER_SUBJECT_REMARKS):
            check_subject_target(one.caller, one.ref, one.subject, target, permission)
        assert opened is not None
        planned_marks = _decide_marks(tx, one, opened)
        planned_remarks = _decide_remarks(tx, one, opened, texts)
        _refuse(planned_marks, planned_remarks)
        digest = sheets.write_marks(tx, planned_marks) if isinstance(planned_marks, PlannedMarks) else ""
        if isinstance(planned_remarks, PlannedRemarks):
            remarks.write(tx, planned_remarks)
        # The audit rows last, because writers to a chain wait for each other.
        if isinstance(planned_marks, PlannedMarks):
            written = Written(planned_marks.changes.count, digest)
            record(tx, one.caller, one.ref, planned_marks.act, written, subject=one.subject, semester=one.semester)
        if isinstance(planned_remarks, PlannedRemarks):
            remarks.record(tx, one.caller, one.ref, planned_remarks)
    return EnteredSheet(_answer(planned_marks), _answer(planned_remarks))


def _decide_marks(tx: Tx, one: SheetEntry, opened: Opened) -> PlannedMarks | Entered | HosoError:
    if one.rows or one.columns:
        try:
            marks.check_size(one)
        except Invalid as e:
            return e
        decided = marks.decide(tx, one, opened, waited=True)
        assert decided is not None
        return decided
    if opened.state.earlier is not None:
        # An id under which marks were entered cannot be this request's, which has none.
        repeat(opened.state.earlier, one.request, one.caller)
    return NONE


def _decide_remarks(
    tx: Tx, one: SheetEntry, opened: Opened, texts: Sequence[tuple[str, str]]
) -> PlannedRemarks | Entered | HosoError:
    try:
        found = Findings()
        remarks.check_rows(found, texts, "remarks")
        found.refuse()
        return remarks.decide(tx, one.caller, one.request, opened.target, one.subject, one.semester, texts, "remarks")
    except HosoError as e:
        return e


def _refuse(*decided: object) -> None:
    """Raise what was refused: everything that is wrong with the input, or else the first refusal."""
    refusals = [one for one in decided if isinstance(one, HosoError)]
    refuse([violation for one in refusals if isinstance(one, Invalid) for violation in one.violations])
    if refusals:
        raise refusals[0]


def _answer(decided: PlannedMarks | PlannedRemarks | Entered | HosoError) -> Entered:
    assert not isinstance(decided, HosoError)
    if isinstance(decided, PlannedMarks):
        return Entered(decided.changes.count, decided.unchanged)
    return decided.entered if isinstance(decided, PlannedRemarks) else decided
