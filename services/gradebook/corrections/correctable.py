"""The kinds of corrections: who may request them, how a request is read, how it is written.

Requests are read by the same rules as the entry of the data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from services.common.db import Tx
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.entry import summer
from services.gradebook.entry.store import attendance, conduct, sheets
from services.gradebook.entry.store.sheets import EntryState, PlannedSheet, Target
from services.gradebook.entry.targets import homeroom_target, subject_target
from services.gradebook.model import attendance_rules, sheet_rules
from services.gradebook.model.acts import EntryAct
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.correction_rules import (
    EXCUSED_TOTAL,
    OF_CONDUCT,
    UNEXCUSED_TOTAL,
    Change,
    CorrectionKind,
    Datum,
)
from services.gradebook.model.domain import PROTO_LEVELS, SUBJECT_KINDS, SUMMER, ClassRef, MarkKind, column_kind
from services.gradebook.model.permissions import Permission
from services.gradebook.model.sheet_rules import WITHDRAWN, Cells, CellState


class WantedSession(NamedTuple):
    """A session of the month and the attendance wanted for it, as numbers of the proto."""

    day: int
    session: int
    value: int


@dataclass(frozen=True, slots=True)
class WantedCorrection:
    """What a request asks for; a kind takes the fields of `FIELDS`.

    column: (kind, position). new_level: number of the proto. new_absences: excused, unexcused.
    evidence, evidence_sha256: description and digest of the proof; without a scan the digest is
    empty.
    """

    kind: CorrectionKind
    ref: ClassRef
    subject: str
    semester: int
    column: tuple[int, int] | None
    student: str
    new_value: str
    new_level: int
    new_absences: tuple[int, int] | None
    month: str
    sessions: tuple[WantedSession, ...]
    reason: str
    evidence: str
    evidence_sha256: bytes


class PlannedCorrection(NamedTuple):
    """What a request would change.

    version: present one of the datum; 0 if none was ever entered.
    """

    datum: Datum
    version: int
    changes: tuple[Change, ...]


FIELDS: Mapping[CorrectionKind, frozenset[str]] = {
    CorrectionKind.MARK: frozenset({"subject", "semester", "column", "new_value"}),
    CorrectionKind.CONDUCT: frozenset({"semester", "new_level"}),
    CorrectionKind.SUMMER_CONDUCT: frozenset({"new_level"}),
    CorrectionKind.ABSENCES: frozenset({"new_absences"}),
    CorrectionKind.ATTENDANCE: frozenset({"month", "sessions"}),
}
"""The fields that a request of a kind must have; the others listed here must be empty."""


def find_target(tx: Tx, caller: Caller, wanted: WantedCorrection) -> Target:
    """The class, and for a mark its subject; the subject's or the homeroom teacher may ask.

    Raises as `targets.subject_target` for a mark, else as `targets.homeroom_target`.
    """
    if wanted.kind is CorrectionKind.MARK:
        return subject_target(tx, caller, wanted.ref, wanted.subject, Permission.REQUEST_MARK_CORRECTION)
    return homeroom_target(tx, caller, wanted.ref, Permission.REQUEST_CLASS_CORRECTION)


def semester_of(wanted: WantedCorrection) -> int | None:
    """The semester of the datum; None for absences and attendance."""
    return SUMMER if wanted.kind is CorrectionKind.SUMMER_CONDUCT else wanted.semester or None


def read(tx: Tx, target: Target, state: EntryState, wanted: WantedCorrection) -> PlannedCorrection:
    """What a request would change.

    Raises Invalid, also UNCHANGED; Rejected ATTENDANCE_KEPT, ATTENDANCE_NOT_KEPT.
    """
    return _READERS[wanted.kind](tx, target, state, wanted)


def check_kept(tx: Tx, datum: Datum) -> None:
    """Absences are corrected where the class keeps them: in sheets if it has any, else as totals.

    Raises Rejected ATTENDANCE_KEPT, ATTENDANCE_NOT_KEPT. Source: ADR-0038.
    """
    if datum.kind is CorrectionKind.ABSENCES and attendance.is_kept(tx, datum.class_id):
        message = "Lớp điểm danh theo tháng; hãy đề nghị sửa bảng điểm danh, tổng số buổi nghỉ được tính từ đó."
        raise Rejected("ATTENDANCE_KEPT", message)
    if datum.kind is CorrectionKind.ATTENDANCE and not attendance.is_kept(tx, datum.class_id):
        message = "Lớp không điểm danh theo tháng; hãy đề nghị sửa tổng số buổi nghỉ cả năm."
        raise Rejected("ATTENDANCE_NOT_KEPT", message)


def version(tx: Tx, datum: Datum) -> int:
    """The present version of a datum; 0 if none was ever entered."""
    if datum.kind is CorrectionKind.ATTENDANCE:
        sheet = attendance.month_sheets(tx, datum.class_id, datum.month).get(datum.student_id)
        return sheet.version if sheet else 0
    if datum.kind is CorrectionKind.ABSENCES:
        return _totals(tx, datum)[0]
    present = _cell_state(tx, datum)
    return present.version if present else 0


def write(tx: Tx, act: EntryAct, datum: Datum, changes: tuple[Change, ...]) -> str:
    """Write a datum's next version through an act of entry, and return the act's digest."""
    new = {change.place: change.new for change in changes}
    if datum.kind is CorrectionKind.MARK:
        return _write_mark(tx, act, datum, new[0])
    if datum.kind in OF_CONDUCT:
        return conduct.write_conduct(tx, act, [datum.student_id], [_not_none(new[0])]).sha256
    if datum.kind is CorrectionKind.ABSENCES:
        excused, unexcused = _not_none(new[EXCUSED_TOTAL]), _not_none(new[UNEXCUSED_TOTAL])
        return conduct.write_absences(tx, act, [datum.student_id], [excused], [unexcused]).sha256
    sheet = attendance.month_sheets(tx, datum.class_id, datum.month).get(datum.student_id)
    sessions = attendance_rules.said(sheet.absences) if sheet else {}
    absences = attendance_rules.sheet(sessions | {place: _not_none(value) for place, value in new.items()})
    written, _ = attendance.write(tx, act, datum.month, {datum.student_id: absences})
    return written.sha256


def _write_mark(tx: Tx, act: EntryAct, datum: Datum, new: int | None) -> str:
    present = _cell_state(tx, datum)
    cell = Cells([datum.student_id], [datum.column], [WITHDRAWN if new is None else new])
    cells = {(datum.student_id, datum.column): present} if present else {}
    return sheets.write_marks(tx, PlannedSheet(act, sheet_rules.changes(cell, cells, settle=False), unchanged=0))


def _read_mark(tx: Tx, target: Target, state: EntryState, wanted: WantedCorrection) -> PlannedCorrection:
    assert wanted.column is not None
    assert target.subject_kind is not None
    numbers, violations = sheet_rules.read_columns([wanted.column], target.regular_in(wanted.semester), "column")
    refuse(violations)
    refuse(sheet_rules.check_reassessment(numbers, wanted.semester))
    rows = [(wanted.student, [wanted.new_value])]
    kind = SUBJECT_KINDS[target.subject_kind]
    cells, violations = sheet_rules.read_rows(
        rows, numbers, state.students, kind, student_field="student", left=state.left
    )
    refuse(
        [
            replace(violation, field="student" if violation.field == "student" else "new_value")
            for violation in violations
        ]
    )
    if column_kind(numbers[0]) is MarkKind.REASSESSMENT:
        summer.check(tx, target, wanted.ref, state.students, rows)
    if not sheet_rules.changes(cells, state.cells, settle=False).count:
        raise _unchanged(["new_value"])
    ((student, column, value),) = zip(cells.students, cells.columns, cells.values, strict=True)
    present = state.cells.get((student, column), CellState(None, zero_by_rule=False, version=0))
    datum = _datum(target, wanted, student)._replace(subject_id=target.subject_id, column=column)
    change = Change(0, present.value, None if value == WITHDRAWN else value)
    return PlannedCorrection(datum, present.version, (change,))


def _read_level(tx: Tx, target: Target, state: EntryState, wanted: WantedCorrection) -> PlannedCorrection:
    student = _student(state, wanted)
    if wanted.kind is CorrectionKind.SUMMER_CONDUCT:
        summer.check_training(tx, target, wanted.ref, {"student": student})
    datum = _datum(target, wanted, student)
    present = _cell_state(tx, datum) or CellState(None, zero_by_rule=False, version=0)
    level = int(PROTO_LEVELS[wanted.new_level])
    if level == present.value:
        raise _unchanged(["new_level"])
    return PlannedCorrection(datum, present.version, (Change(0, present.value, level),))


def _read_totals(tx: Tx, target: Target, state: EntryState, wanted: WantedCorrection) -> PlannedCorrection:
    assert wanted.new_absences is not None
    datum = _datum(target, wanted, _student(state, wanted))
    check_kept(tx, datum)
    present_version, totals = _totals(tx, datum)
    new = zip((EXCUSED_TOTAL, UNEXCUSED_TOTAL), wanted.new_absences, strict=True)
    # Both totals are listed even if one stays the same: their sum decides (Điều 12).
    changes = tuple(Change(place, totals.get(place), value) for place, value in new)
    if all(change.old == change.new for change in changes):
        raise _unchanged(["new_absences"])
    return PlannedCorrection(datum, present_version, changes)


def _read_sessions(tx: Tx, target: Target, state: EntryState, wanted: WantedCorrection) -> PlannedCorrection:
    findings = Findings()
    new: dict[int, int] = {}
    for index, (day, session, value) in enumerate(wanted.sessions):
        attendance_rules.add_session(
            findings, f"sessions[{index}]", wanted.month, day=day, session=session, value=value, sessions=new
        )
    findings.refuse()
    datum = _datum(target, wanted, _student(state, wanted))
    check_kept(tx, datum)
    sheet = attendance.month_sheets(tx, datum.class_id, wanted.month).get(datum.student_id)
    absences = attendance_rules.said(sheet.absences) if sheet else {}
    # A sheet lists absences only: its other sessions are present. Without a sheet nothing is known.
    unlisted = attendance_rules.PRESENT if sheet else None
    old = {place: absences.get(place, unlisted) for place in new}
    same = [f"sessions[{index}]" for index, place in enumerate(new) if old[place] == new[place]]
    if same:
        raise _unchanged(same)
    changes = tuple(Change(place, old[place], value) for place, value in sorted(new.items()))
    return PlannedCorrection(datum, sheet.version if sheet else 0, changes)


_READERS: Mapping[CorrectionKind, Callable[[Tx, Target, EntryState, WantedCorrection], PlannedCorrection]] = {
    CorrectionKind.MARK: _read_mark,
    CorrectionKind.CONDUCT: _read_level,
    CorrectionKind.SUMMER_CONDUCT: _read_level,
    CorrectionKind.ABSENCES: _read_totals,
    CorrectionKind.ATTENDANCE: _read_sessions,
}


def _datum(target: Target, wanted: WantedCorrection, student: int) -> Datum:
    assert target.class_id is not None
    return Datum(wanted.kind, target.class_id, student, semester=semester_of(wanted), month=wanted.month)


def _student(state: EntryState, wanted: WantedCorrection) -> int:
    violations: list[Violation] = []
    student = sheet_rules.read_student(wanted.student, state.students, set(), "student", violations, left=state.left)
    if student is None:
        raise Invalid(violations)
    return student


def _cell_state(tx: Tx, datum: Datum) -> CellState | None:
    """The present state of a mark or level."""
    assert datum.semester is not None
    if datum.subject_id is None:
        return conduct.level_state(tx, datum.class_id, datum.semester, datum.student_id)
    return sheets.mark_state(
        tx,
        datum.class_id,
        datum.subject_id,
        semester=datum.semester,
        column=datum.column,
        student_id=datum.student_id,
    )


def _totals(tx: Tx, datum: Datum) -> tuple[int, dict[int, int]]:
    """The version of a student's totals, and the totals by place; 0 and {} if none were entered."""
    totals = attendance.totals(tx, datum.class_id, datum.student_id)
    if totals is None:
        return 0, {}
    return totals.version, {EXCUSED_TOTAL: totals.excused, UNEXCUSED_TOTAL: totals.unexcused}


def _not_none(value: int | None) -> int:
    assert value is not None
    return value


def _unchanged(fields: list[str]) -> Invalid:
    return Invalid([Violation(field, "UNCHANGED", "Giá trị mới giống giá trị đang có.") for field in fields])
