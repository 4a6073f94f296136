"""Entering mark sheets: the busiest part of the system.

Order within the transaction: who may act → hold the year open → was this request answered before → is entry possible
now → is the sheet right → write cells, history and audit. Everything wrong with a sheet is told at once; a refusal
leaves nothing behind.

Sheets that come at the same time may share a transaction, which makes small ones cheaper; each is still accepted or
refused as if it had come alone (ADR-0034).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.common import audit
from services.common.db import Database, StatementError, Tx, trip
from services.common.errors import HosoError, Unavailable, Violation
from services.common.identity import Caller
from services.gradebook.entry import summer
from services.gradebook.entry.acts import (
    Entered,
    Request,
    check_head,
    check_open,
    check_subject_target,
    entry_record,
    first_stage_of,
    new_act,
    plan,
    read_sheet,
    repeat,
)
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.marks import Written
from services.gradebook.entry.store.sheets import Opened, Planned, SheetKey
from services.gradebook.model import sheet_rules
from services.gradebook.model.checks import refuse
from services.gradebook.model.domain import ClassRef, MarkKind, column_kind
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A rectangle of marks, and who enters it.

    columns: (kind, position); rows: moet_student_id and one value a column.
    """

    caller: Caller
    request: Request
    ref: ClassRef
    subject: str
    semester: int
    columns: Sequence[tuple[int, int]]
    rows: Sequence[tuple[str, Sequence[str]]]


Answer = Entered | Exception


def enter_marks(database: Database, one: SheetEntry) -> Entered:
    """Enter a rectangle of marks: all or nothing, in a transaction of its own.

    Raises Invalid; Unauthenticated PERSON_REQUIRED; Forbidden VENDOR_NOT_AUTHORISED, VENDOR_SUSPENDED, WRONG_SCHOOL,
    NOT_ASSIGNED; NotFound; Rejected SCHOOL_NOT_AUTHORISED, WINDOW_CLOSED, BOOK_LOCKED, and for a re-assessment
    YEAR_NOT_LOCKED; Conflict REQUEST_ID_REUSED; Unavailable.
    """
    _check(one)
    (answer,) = _in_one_transaction(database, [one], wait=True)
    if isinstance(answer, Exception):
        raise answer
    assert answer is not None
    return answer


def try_together(database: Database, entries: Sequence[SheetEntry]) -> list[Answer | None]:
    """Enter sheets in one transaction, each as `enter_marks` does, waiting for nobody; an error is returned.

    None for a sheet that is to be entered by `enter_marks`: what others hold, what meets another request for the same
    sheet or with the same id, and everything when the common transaction fails for a reason that is one sheet's own.
    """
    answers: list[Answer | None] = [_fault(one) for one in entries]
    together = _apart([index for index, answer in enumerate(answers) if answer is None], entries)
    if not together:
        return answers
    try:
        found = _in_one_transaction(database, [entries[index] for index in together], wait=False)
    except Unavailable as e:
        found = [e] * len(together)
    except StatementError:
        found = [None] * len(together)
    for index, answer in zip(together, found, strict=True):
        answers[index] = answer
    return answers


def _check(one: SheetEntry) -> None:
    check_head(one.ref, one.subject, one.semester)
    check_size(one)
    access.person(one.caller, one.ref.school)


def check_size(one: SheetEntry) -> None:
    """Raises Invalid COUNT for a sheet without rows, or with too many."""
    if not 1 <= len(one.rows) <= sheet_rules.MAX_ROWS:
        refuse([Violation("rows", "COUNT", f"Phải có từ 1 đến {sheet_rules.MAX_ROWS} dòng.")])


def _fault(one: SheetEntry) -> HosoError | None:
    try:
        _check(one)
    except HosoError as e:
        return e
    return None


def _apart(indexes: Sequence[int], entries: Sequence[SheetEntry]) -> list[int]:
    """Those of the entries that share neither sheet nor request id with one before them."""
    seen: set[object] = set()
    found = []
    for index in indexes:
        one = entries[index]
        names = {one.request.id, (one.ref, one.subject, one.semester)}
        if seen.isdisjoint(names):
            found.append(index)
        # Also of those left out: what comes after one of them must not overtake it.
        seen |= names
    return found


def _in_one_transaction(database: Database, entries: Sequence[SheetEntry], *, wait: bool) -> list[Answer | None]:
    """Answers of checked sheets. wait: for what someone else holds, of a single sheet; else None is its answer."""
    with database.transaction(keep_plans=True) as tx:
        opened = sheets.open_sheets(tx, [key(one) for one in entries], wait=wait)
        decided = [decide(tx, one, found, waited=wait) for one, found in zip(entries, opened, strict=True)]
        # Chains in the order of their names, so that no two transactions wait for each other.
        planned = sorted(
            ((one, what) for one, what in zip(entries, decided, strict=True) if isinstance(what, Planned)),
            key=lambda pair: pair[0].ref.school,
        )
        if planned:
            writing, digests = sheets.writing([what for _, what in planned])
            records = [
                entry_record(
                    one.caller,
                    one.ref,
                    what.act,
                    Written(what.changes.count, digest),
                    subject=one.subject,
                    semester=one.semester,
                )
                for (one, what), digest in zip(planned, digests, strict=True)
            ]
            trip(tx, writing, audit.appending(records), commit=True)
    return [Entered(what.changes.count, what.unchanged) if isinstance(what, Planned) else what for what in decided]


def key(one: SheetEntry) -> SheetKey:
    """What names the sheet of an entry."""
    ref = one.ref
    return SheetKey(ref.school, ref.school_year, ref.name, one.subject, one.caller.person, one.semester, one.request.id)


def decide(tx: Tx, one: SheetEntry, found: Opened | None, *, waited: bool) -> Planned | Entered | HosoError | None:
    """What is to be written, or the answer when nothing is; None for what someone else holds and was not waited for."""
    if found is None and not waited:
        return None
    try:
        target = check_subject_target(
            one.caller, one.ref, one.subject, found.target if found else None, Permission.ENTER_MARKS
        )
        assert found is not None
        if found.state.earlier is not None:
            return repeat(found.state.earlier, one.request, one.caller)
        numbers, cells = read_sheet(target, found.state, one.semester, one.columns, one.rows)
        refuse(sheet_rules.check_reassessment(numbers, one.semester))
        kinds = {column_kind(number) for number in numbers}
        check_open(found.state, kinds, first_stage_of(kinds, one.semester))
        if MarkKind.REASSESSMENT in kinds:
            summer.check(tx, target, one.ref, found.state.students, one.rows)
        act = new_act(one.request, EntryKind.MARKS, target, one.caller, semester=one.semester)
        return plan(act, found.state, cells)
    except HosoError as e:
        return e
