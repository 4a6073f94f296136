"""Entering a sheet of marks and the subject teacher's remarks of its semester in one act
(ADR-0045).

What is wrong with the marks and with the remarks is reported at once.
"""

from services.common import identity
from services.common.db import Database, Tx
from services.common.errors import HosoError, Invalid
from services.gradebook.entry import acts, marks, remarks, targets
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.entry.remarks import PlannedRemarks
from services.gradebook.entry.store import remarks as remark_store
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.acts import Written
from services.gradebook.entry.store.sheets import OpenedSheet, PlannedSheet
from services.gradebook.model.acts import NOTHING, EnteredAct
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission

_KINDS = {EntryKind.MARKS, EntryKind.REMARKS}


def enter_sheet(database: Database, entry: SheetEntry) -> EnteredAct:
    """Enter marks and remarks, all or nothing; without columns and rows only remarks are entered.

    Raises as `marks.enter_marks`, and Rejected BOOK_LOCKED when a book alive contains a remark.
    """
    marks.check_names(entry.ref, entry.subject, entry.semester)
    identity.person(entry.caller, entry.ref.school)
    with database.transaction(keep_plans=True) as tx:
        (opened,) = sheets.open_sheets(tx, [entry.key], wait=True)
        target = opened.target if opened else None
        for permission in (Permission.ENTER_MARKS, Permission.ENTER_SUBJECT_REMARKS):
            targets.check_teacher(entry.caller, entry.ref, entry.subject, target, permission)
        assert opened is not None
        bad_size, bad_remarks = _check(entry)
        if opened.state.earlier:
            _refuse(bad_size, bad_remarks)
            return acts.repeat(opened.state.earlier, _KINDS, entry.request, entry.caller)
        planned_marks = bad_size or _plan_marks(tx, entry, opened)
        planned_remarks = bad_remarks or _plan_remarks(tx, entry, opened)
        _refuse(planned_marks, planned_remarks)
        assert isinstance(planned_remarks, PlannedRemarks)
        if isinstance(planned_marks, PlannedSheet):
            _write(tx, entry, planned_marks, planned_remarks)
            return EnteredAct(planned_marks.entered, planned_remarks.entered)
        remarks.write_alone(
            tx, entry.caller, entry.request, entry.ref, planned_remarks, class_id=opened.target.class_id
        )
        return EnteredAct(NOTHING, planned_remarks.entered)


def _check(entry: SheetEntry) -> tuple[Invalid | None, Invalid | None]:
    """Faults in the number of marks and in the remarks, before anything is looked up."""
    violations = marks.size_violations(entry) if entry.rows or entry.columns else []
    findings = Findings()
    remarks.check_rows(findings, entry.remarks, "remarks")
    return (
        Invalid(violations) if violations else None,
        Invalid(findings.violations) if findings.violations else None,
    )


def _plan_marks(tx: Tx, entry: SheetEntry, opened: OpenedSheet) -> PlannedSheet | HosoError | None:
    if not (entry.rows or entry.columns):
        return None
    try:
        return marks.plan(tx, entry, opened.target, opened.state)
    except HosoError as e:
        return e


def _plan_remarks(tx: Tx, entry: SheetEntry, opened: OpenedSheet) -> PlannedRemarks | HosoError:
    try:
        return remarks.plan(tx, opened.target, entry.subject, entry.semester, entry.remarks, field="remarks")
    except HosoError as e:
        return e


def _refuse(*decided: object) -> None:
    """Raise every fault of the input, or else the first refusal."""
    refusals = [what for what in decided if isinstance(what, HosoError)]
    refuse([violation for e in refusals if isinstance(e, Invalid) for violation in e.violations])
    if refusals:
        raise refusals[0]


def _write(tx: Tx, entry: SheetEntry, planned_marks: PlannedSheet, planned_remarks: PlannedRemarks) -> None:
    sheet = planned_marks._replace(texts=planned_remarks.entered, remarks=planned_remarks.rows)
    digest = sheets.write_marks(tx, sheet)
    remark_store.add(tx, entry.request.id, planned_remarks.changed)
    # The audit rows last, because writers to a chain wait for each other.
    written = Written(sheet.changes.count, digest)
    acts.record(tx, entry.caller, entry.ref, sheet.act, written, subject=entry.subject, semester=entry.semester)
    remarks.record(tx, entry.caller, entry.ref, sheet.act, planned_remarks, digest=digest)
