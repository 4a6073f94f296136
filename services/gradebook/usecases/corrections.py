"""Asking for a correction after the window closed, and seeing corrections. Deciding them: usecases/decisions.py."""

import uuid
from dataclasses import dataclass, replace
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Conflict, Invalid, NotFound, Rejected, Violation
from services.common.identity import Caller
from services.gradebook import entry, roster_rules
from services.gradebook.checks import Findings, refuse
from services.gradebook.corrections import CONDUCT_COLUMN, State
from services.gradebook.domain import PROTO_LEVELS, SUBJECT_KINDS, ClassRef, MarkKind, Semester, column_kind
from services.gradebook.entry import WITHDRAWN, Standing
from services.gradebook.store import corrections, marks, roster, windows
from services.gradebook.store.corrections import CorrectionRow, NewCorrection
from services.gradebook.store.marks import Target
from services.gradebook.usecases import access, corrected_books, reassessment
from services.gradebook.usecases.marks import Request, homeroom_target, subject_target

REASON_LENGTHS = (10, 300)
"""The book's list of corrections prints the reason and holds no more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: a mark (subject, column as (kind, position), new_value), or conduct (new_level).

    evidence, evidence_sha256: what proves it; the digest is empty when there is no scan.
    """

    ref: ClassRef
    subject: str
    semester: int
    column: tuple[int, int] | None
    student: str
    new_value: str
    new_level: int
    reason: str
    evidence: str
    evidence_sha256: bytes


class _Cell(NamedTuple):
    """A cell, what it holds and what it shall hold; a value None is no mark."""

    subject_id: int | None
    column: int
    student_id: int
    standing: Standing
    value: int | None


def request_correction(database: Database, caller: Caller, request: Request, wanted: Wanted) -> CorrectionRow:
    """Ask for another value in one cell (its subject teacher; for conduct the homeroom teacher).

    Raises Invalid, also UNCHANGED; Forbidden NOT_ASSIGNED, ROLE_REQUIRED; Rejected WINDOW_OPEN, WINDOW_CLOSING,
    WINDOW_NOT_CLOSED, BOOK_LOCKED, CORRECTION_OPEN, SCHOOL_NOT_AUTHORISED; Conflict REQUEST_ID_REUSED.
    """
    _check(wanted)
    of_conduct = not wanted.subject
    with database.transaction() as tx:
        if of_conduct:
            target = homeroom_target(tx, caller, wanted.ref)
        else:
            target = subject_target(tx, caller, wanted.ref, wanted.subject)
        marks.share_year(tx, target, wanted.semester, request.id)
        earlier = corrections.by_request(tx, request.id)
        if earlier is not None:
            return _repeat(earlier, request, caller)
        cell = (_conduct_cell if of_conduct else _mark_cell)(tx, target, request, wanted)
        assert target.class_id is not None
        check_closed(tx, target.year_id, target.class_id, wanted.semester, None if of_conduct else cell.column)
        corrected_books.check(
            corrected_books.holding(tx, target.class_id, cell.subject_id, wanted.semester, cell.column, cell.student_id)
        )
        return _add(tx, caller, request, target.class_id, wanted, cell)


def check_closed(tx: Tx, year_id: int, class_id: int, semester: int, column: int | None) -> None:
    """Corrections are for cells that no window has open and one has closed. column None: conduct, in any window.

    Raises Rejected WINDOW_OPEN, WINDOW_CLOSING, WINDOW_NOT_CLOSED.
    """
    # Windows for re-assessed marks alone let no conduct in.
    kinds = set(MarkKind) - {MarkKind.REASSESSMENT} if column is None else {column_kind(column)}
    covering = [
        window
        for window in windows.covering(tx, year_id, [semester], roster.grade_level(tx, class_id))
        if kinds & set(window.mark_kinds)
    ]
    now = windows.now(tx)
    running = [window for window in covering if window.closed_time is None and window.open_time <= now]
    names = ",".join(window.name for window in running)
    if any(window.close_time > now for window in running):
        raise Rejected("WINDOW_OPEN", "Ô điểm đang trong thời hạn nhập; hãy nhập trực tiếp.", windows=names)
    if running:
        message = "Đợt nhập đã hết hạn và đang được đóng; hãy thử lại sau ít phút."
        raise Rejected("WINDOW_CLOSING", message, windows=names)
    if not any(window.closed_time is not None for window in covering):
        raise Rejected("WINDOW_NOT_CLOSED", "Chưa có đợt nhập nào của ô điểm này được đóng.")


def get_correction(database: Database, caller: Caller, correction_id: str) -> CorrectionRow:
    """A correction. Raises NotFound CORRECTION_UNKNOWN."""
    with database.transaction() as tx:
        return find(tx, caller, correction_id)


def list_corrections(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    class_name: str,
    state: int,
    after: int,
    limit: int,
) -> list[CorrectionRow]:
    """A page of the corrections of a year; class_name empty and state 0: of any. Raises NotFound CLASS_UNKNOWN."""
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    if state:
        found.one_of("state", state, set(State))
    found.refuse()
    with database.transaction() as tx:
        if not class_name:
            year_id = access.year(tx, caller, school, school_year).id
            return corrections.list_corrections(tx, year_id, None, state or None, after, limit)
        ref = ClassRef(school, school_year, class_name)
        roster_rules.check_class_ref(ref)
        year, school_class = access.school_class(tx, caller, ref)
        return corrections.list_corrections(tx, year.id, school_class.id, state or None, after, limit)


def find(tx: Tx, caller: Caller, correction_id: str, *, lock: bool = False) -> CorrectionRow:
    """A correction that the caller's vendor may see. Raises NotFound CORRECTION_UNKNOWN, Forbidden."""
    try:
        key = uuid.UUID(correction_id)
    except ValueError:
        key = None
    row = corrections.correction(tx, key, lock=lock) if key else None
    if row is None:
        raise NotFound("CORRECTION_UNKNOWN", "Không có đề nghị sửa này.")
    access.year(tx, caller, row.school, row.school_year)
    return row


def _check(wanted: Wanted) -> None:
    roster_rules.check_class_ref(wanted.ref)
    found = Findings()
    found.one_of("semester", wanted.semester, set(Semester))
    if wanted.subject:
        found.subject_code("subject", wanted.subject)
        if wanted.column is None:
            found.add("column", "REQUIRED", "Phải nêu cột điểm cần sửa.")
        if not wanted.new_value:
            found.add("new_value", "REQUIRED", "Phải nêu giá trị mới; dấu “-” để rút điểm.")
        if wanted.new_level:
            found.add("new_level", "NOT_ALLOWED", "Mức rèn luyện không đi cùng môn học.")
    else:
        found.one_of("new_level", wanted.new_level, PROTO_LEVELS)
        if wanted.column is not None or wanted.new_value:
            found.add("subject", "REQUIRED", "Sửa điểm phải nêu môn học.")
    found.text("reason", wanted.reason, shortest=REASON_LENGTHS[0], longest=REASON_LENGTHS[1])
    found.text("evidence.description", wanted.evidence, longest=300)
    if len(wanted.evidence_sha256) not in {0, 32}:
        found.add("evidence.sha256", "LENGTH", "Mã băm SHA-256 phải có 32 byte, hoặc để trống.")
    found.refuse()


def _repeat(earlier: CorrectionRow, request: Request, caller: Caller) -> CorrectionRow:
    if earlier.request_sha256 != request.sha256:
        raise Conflict(
            "REQUEST_ID_REUSED",
            "Mã yêu cầu (request_id) đã dùng cho một yêu cầu khác.",
            request_id=request.id,
            client=caller.client,
        )
    return earlier


def _mark_cell(tx: Tx, target: Target, request: Request, wanted: Wanted) -> _Cell:
    """The cell, its value read by the rules of entry."""
    assert wanted.column is not None
    assert target.subject_kind is not None
    state = marks.entry_state(tx, target, wanted.semester, request.id)
    numbers, wrong = entry.read_columns([wanted.column], target.regular_in(wanted.semester), "column")
    refuse(wrong)
    refuse(entry.check_reassessment(numbers, wanted.semester))
    rows = [(wanted.student, [wanted.new_value])]
    cells, wrong = entry.read_rows(
        rows, numbers, state.students, SUBJECT_KINDS[target.subject_kind], "student", state.left
    )
    refuse([replace(one, field="student" if one.field == "student" else "new_value") for one in wrong])
    if column_kind(numbers[0]) is MarkKind.REASSESSMENT:
        reassessment.check(tx, target, wanted.ref, state.students, rows)
    if not entry.changes(cells, state.standing, settle=False).count:
        raise _unchanged("new_value")
    ((student, column, value),) = zip(cells.students, cells.columns, cells.values, strict=True)
    standing = state.standing.get((student, column), Standing(None, zero_by_rule=False, version=0))
    return _Cell(target.subject_id, column, student, standing, None if value == WITHDRAWN else value)


def _conduct_cell(tx: Tx, target: Target, request: Request, wanted: Wanted) -> _Cell:
    assert target.class_id is not None
    state = marks.entry_state(tx, target, wanted.semester, request.id)
    wrong: list[Violation] = []
    student = entry.read_student(wanted.student, state.students, set(), "student", wrong, state.left)
    if student is None:
        raise Invalid(wrong)
    found = marks.standing(tx, target.class_id, None, wanted.semester, CONDUCT_COLUMN, student)
    standing = found or Standing(None, zero_by_rule=False, version=0)
    level = int(PROTO_LEVELS[wanted.new_level])
    if level == standing.value:
        raise _unchanged("new_level")
    return _Cell(None, CONDUCT_COLUMN, student, standing, level)


def _unchanged(field: str) -> Invalid:
    return Invalid([Violation(field, "UNCHANGED", "Giá trị mới giống giá trị đang có.")])


def _add(tx: Tx, caller: Caller, request: Request, class_id: int, wanted: Wanted, cell: _Cell) -> CorrectionRow:
    standing = corrections.open_at(tx, class_id, cell.subject_id, wanted.semester, cell.column, cell.student_id)
    if standing is not None:
        message = "Ô điểm này đang có một đề nghị sửa chưa được giải quyết."
        raise Rejected("CORRECTION_OPEN", message, correction=standing)
    new = NewCorrection(
        uuid.uuid4(),
        request.id,
        request.sha256,
        class_id,
        cell.subject_id,
        wanted.semester,
        cell.column,
        cell.student_id,
        cell.standing.value,
        cell.standing.version,
        cell.value,
        wanted.reason,
        wanted.evidence,
        wanted.evidence_sha256 or None,
    )
    corrections.add(tx, new, access.person(caller, wanted.ref.school), caller.client)
    access.record(
        tx,
        caller,
        wanted.ref.school,
        "CORRECTION_REQUESTED",
        f"corrections/{new.id}",
        school_class=wanted.ref.resource,
        subject=wanted.subject,
        semester=wanted.semester,
        column=cell.column,
        old_version=cell.standing.version,
        evidence_sha256=wanted.evidence_sha256.hex(),
    )
    row = corrections.correction(tx, new.id)
    assert row is not None
    return row
