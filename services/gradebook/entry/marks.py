"""Entering mark sheets: the busiest part of the system.

Sheets that come at the same time may share a transaction, which makes small ones cheaper; each is
still accepted or refused as if it had come alone (ADR-0034).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.common import audit, identity
from services.common.db import Database, StatementError, Tx, trip
from services.common.errors import HosoError, Unavailable, Violation
from services.common.identity import Caller
from services.gradebook.entry import acts, allowed, summer, targets
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.acts import Written
from services.gradebook.entry.store.sheets import EntryState, OpenedSheet, PlannedSheet, SheetKey, Target
from services.gradebook.model import roster_rules, sheet_rules
from services.gradebook.model.acts import Entered, EntryRequest
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import REASSESSMENT_COLUMN, ClassRef, Semester
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A rectangle of marks, and who enters it.

    columns: (kind, position); rows: moet_student_id and one value per column. remarks:
    moet_student_id and the remark of the sheet's semester, "" to take it away; with remarks there
    may be no marks.
    """

    caller: Caller
    request: EntryRequest
    ref: ClassRef
    subject: str
    semester: int
    columns: Sequence[tuple[int, int]]
    rows: Sequence[tuple[str, Sequence[str]]]
    remarks: Sequence[tuple[str, str]] = ()

    @property
    def key(self) -> SheetKey:
        """What names the sheet."""
        ref = self.ref
        return SheetKey(
            ref.school,
            ref.school_year,
            ref.name,
            self.subject,
            self.caller.person,
            self.semester,
            self.request.id,
        )


Answer = Entered | Exception


def enter_marks(database: Database, entry: SheetEntry) -> Entered:
    """Enter a rectangle of marks: all or nothing, in a transaction of its own.

    Raises Invalid; Unauthenticated PERSON_REQUIRED; Forbidden VENDOR_NOT_AUTHORISED,
    VENDOR_SUSPENDED, WRONG_SCHOOL, NOT_ASSIGNED; NotFound; Rejected SCHOOL_NOT_AUTHORISED,
    WINDOW_CLOSED, BOOK_LOCKED, and for a re-assessment YEAR_NOT_LOCKED; Conflict REQUEST_ID_REUSED;
    Unavailable.
    """
    _check(entry)
    (answer,) = _in_one_transaction(database, [entry], wait=True)
    if isinstance(answer, Exception):
        raise answer
    assert answer is not None
    return answer


def try_together(database: Database, entries: Sequence[SheetEntry]) -> list[Answer | None]:
    """Enter sheets in one transaction, each as `enter_marks` does, waiting for nobody; an error is
    returned.

    None for a sheet that is to be entered by `enter_marks`: what others hold, what meets another
    request for the same sheet or with the same id, and everything when the common transaction fails
    for a reason of a single sheet.
    """
    answers: list[Answer | None] = [_fault(entry) for entry in entries]
    together = _apart([index for index, answer in enumerate(answers) if answer is None], entries)
    if not together:
        return answers
    entered: list[Answer | None]
    try:
        entered = _in_one_transaction(database, [entries[index] for index in together], wait=False)
    except Unavailable as e:
        entered = [e] * len(together)
    except StatementError:
        entered = [None] * len(together)
    for index, answer in zip(together, entered, strict=True):
        answers[index] = answer
    return answers


def check_names(ref: ClassRef, subject: str, semester: int) -> None:
    """Raises Invalid when no sheet can have such a name, before anything is looked up."""
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.subject_code("subject", subject)
    findings.one_of("semester", semester, set(Semester))
    findings.refuse()


def size_violations(entry: SheetEntry) -> list[Violation]:
    """What is wrong with a sheet without rows, or with too many."""
    if 1 <= len(entry.rows) <= sheet_rules.MAX_ROWS:
        return []
    return [Violation("rows", "COUNT", f"Phải có từ 1 đến {sheet_rules.MAX_ROWS} dòng.")]


def _check(entry: SheetEntry) -> None:
    check_names(entry.ref, entry.subject, entry.semester)
    refuse(size_violations(entry))
    identity.person(entry.caller, entry.ref.school)


def _fault(entry: SheetEntry) -> HosoError | None:
    try:
        _check(entry)
    except HosoError as e:
        return e
    return None


def _apart(indexes: Sequence[int], entries: Sequence[SheetEntry]) -> list[int]:
    """Those of the entries that share neither sheet nor request id with an earlier one."""
    seen: set[object] = set()
    apart = []
    for index in indexes:
        entry = entries[index]
        names = {entry.request.id, (entry.ref, entry.subject, entry.semester)}
        if seen.isdisjoint(names):
            apart.append(index)
        # Also of those left out: what comes after one of them must not overtake it.
        seen |= names
    return apart


def _in_one_transaction(database: Database, entries: Sequence[SheetEntry], *, wait: bool) -> list[Answer | None]:
    """Answers to checked sheets.

    wait: for what someone else holds, of a single sheet; else None is its answer.
    """
    with database.transaction(keep_plans=True) as tx:
        opened = sheets.open_sheets(tx, [entry.key for entry in entries], wait=wait)
        decided = [_decide(tx, entry, sheet, waited=wait) for entry, sheet in zip(entries, opened, strict=True)]
        # Chains in the order of their names, so that no two transactions wait for each other.
        planned = sorted(
            ((entry, what) for entry, what in zip(entries, decided, strict=True) if isinstance(what, PlannedSheet)),
            key=lambda pair: pair[0].ref.school,
        )
        if planned:
            writing, digests = sheets.writing([sheet for _, sheet in planned])
            records = [
                acts.cells_record(
                    entry.caller,
                    entry.ref,
                    sheet.act,
                    Written(sheet.changes.count, digest),
                    subject=entry.subject,
                    semester=entry.semester,
                )
                for (entry, sheet), digest in zip(planned, digests, strict=True)
            ]
            trip(tx, writing, audit.appending(records), commit=True)
    return [what.entered if isinstance(what, PlannedSheet) else what for what in decided]


def _decide(
    tx: Tx, entry: SheetEntry, opened: OpenedSheet | None, *, waited: bool
) -> PlannedSheet | Entered | HosoError | None:
    """What is to be written, or the answer when nothing is;

    None for what someone else holds and was not waited for.
    """
    if opened is None and not waited:
        return None
    try:
        target = targets.check_teacher(
            entry.caller, entry.ref, entry.subject, opened.target if opened else None, Permission.ENTER_MARKS
        )
        assert opened is not None
        if opened.state.earlier:
            return acts.repeat(opened.state.earlier, {EntryKind.MARKS}, entry.request, entry.caller).cells
        return plan(tx, entry, target, opened.state)
    except HosoError as e:
        return e


def plan(tx: Tx, entry: SheetEntry, target: Target, state: EntryState) -> PlannedSheet:
    """What the marks of a sheet that the transaction holds change.

    Raises Invalid and Rejected as enter_marks.
    """
    shape = sheets.shape(target, state, entry.semester)
    columns, cells = sheet_rules.read_marks(shape, entry.columns, entry.rows, entry.semester)
    allowed.check_marks_open(state, columns, entry.semester)
    if REASSESSMENT_COLUMN in columns:
        summer.check(tx, target, entry.ref, state.students, entry.rows)
    act = acts.new_act(
        entry.request,
        EntryKind.MARKS,
        target.class_id,
        entry.caller,
        subject_id=target.subject_id,
        semester=entry.semester,
    )
    changes = sheet_rules.changes(cells, state.cells, settle=False)
    return PlannedSheet(act, changes, len(cells.values) - changes.count)
