"""What a correction may be about: for each kind who asks, what is asked for, what stands, how it is written.

Reading a request goes by the rules of entry of the same data.
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
from services.gradebook.model.acts import Act
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.correction_rules import EXCUSED_TOTAL, OF_CONDUCT, UNEXCUSED_TOTAL, Change, Datum, Kind
from services.gradebook.model.domain import PROTO_LEVELS, SUBJECT_KINDS, SUMMER, ClassRef, MarkKind, column_kind
from services.gradebook.model.permissions import Permission
from services.gradebook.model.sheet_rules import WITHDRAWN, Cells, CellState


class WantedSession(NamedTuple):
    """A session of the month and what the sheet shall say of it, as numbers of the proto."""

    day: int
    session: int
    value: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for; which fields a kind takes: `FIELDS`. column: (kind, position); new_level: of the proto.

    new_absences: excused, unexcused. evidence, evidence_sha256: what proves it; the digest is empty without a scan.
    """

    kind: Kind
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


class Asked(NamedTuple):
    """What a request would change. version: of the datum as it stands; 0 when nothing was ever entered."""

    datum: Datum
    version: int
    changes: tuple[Change, ...]


FIELDS: Mapping[Kind, frozenset[str]] = {
    Kind.MARK: frozenset({"subject", "semester", "column", "new_value"}),
    Kind.CONDUCT: frozenset({"semester", "new_level"}),
    Kind.SUMMER_CONDUCT: frozenset({"new_level"}),
    Kind.ABSENCES: frozenset({"new_absences"}),
    Kind.ATTENDANCE: frozenset({"month", "sessions"}),
}
"""The fields of a request that a kind needs; it takes no others of these."""


def target(tx: Tx, caller: Caller, wanted: Wanted) -> Target:
    """The class and who may ask: the subject's teacher for a mark, else the homeroom teacher.

    Raises Forbidden NOT_ASSIGNED, ROLE_REQUIRED, and as `marks.find_target`.
    """
    if wanted.kind is Kind.MARK:
        return subject_target(tx, caller, wanted.ref, wanted.subject, Permission.REQUEST_MARK_CORRECTION)
    return homeroom_target(tx, caller, wanted.ref, Permission.REQUEST_CLASS_CORRECTION)


def semester_of(wanted: Wanted) -> int | None:
    """The semester of what is asked for, as its datum has it."""
    return SUMMER if wanted.kind is Kind.SUMMER_CONDUCT else wanted.semester or None


def read(tx: Tx, found: Target, state: EntryState, wanted: Wanted) -> Asked:
    """What the request would change. Raises Invalid, also UNCHANGED; Rejected ATTENDANCE_KEPT, ATTENDANCE_NOT_KEPT."""
    return _READERS[wanted.kind](tx, found, state, wanted)


def check_kept(tx: Tx, datum: Datum) -> None:
    """The year's absences rest on the sheets where a class keeps any, else on the totals (ADR-0038).

    Raises Rejected ATTENDANCE_KEPT, ATTENDANCE_NOT_KEPT.
    """
    if datum.kind is Kind.ABSENCES and attendance.is_kept(tx, datum.class_id):
        message = "Lớp điểm danh theo tháng; hãy đề nghị sửa bảng điểm danh, tổng số buổi nghỉ được tính từ đó."
        raise Rejected("ATTENDANCE_KEPT", message)
    if datum.kind is Kind.ATTENDANCE and not attendance.is_kept(tx, datum.class_id):
        message = "Lớp không điểm danh theo tháng; hãy đề nghị sửa tổng số buổi nghỉ cả năm."
        raise Rejected("ATTENDANCE_NOT_KEPT", message)


def version(tx: Tx, datum: Datum) -> int:
    """The version that stands; 0 when nothing was ever entered."""
    if datum.kind is Kind.ATTENDANCE:
        sheet = attendance.month_sheets(tx, datum.class_id, datum.month).get(datum.student_id)
        return sheet.version if sheet else 0
    if datum.kind is Kind.ABSENCES:
        return _totals(tx, datum)[0]
    standing = _standing(tx, datum)
    return standing.version if standing else 0


def write(tx: Tx, act: Act, datum: Datum, changes: tuple[Change, ...]) -> str:
    """The datum's next version, through an act of entry. Returns the digest of what was written."""
    new = {one.place: one.new for one in changes}
    if datum.kind is Kind.MARK:
        return _write_mark(tx, act, datum, new[0])
    if datum.kind in OF_CONDUCT:
        return conduct.write_conduct(tx, act, [datum.student_id], [_given(new[0])]).sha256
    if datum.kind is Kind.ABSENCES:
        excused, unexcused = _given(new[EXCUSED_TOTAL]), _given(new[UNEXCUSED_TOTAL])
        return conduct.write_absences(tx, act, [datum.student_id], [excused], [unexcused]).sha256
    sheet = attendance.month_sheets(tx, datum.class_id, datum.month).get(datum.student_id)
    says = attendance_rules.said(sheet.absences) if sheet else {}
    absences = attendance_rules.sheet(says | {place: _given(value) for place, value in new.items()})
    written, _ = attendance.write(tx, act, datum.month, {datum.student_id: absences})
    return written.sha256


def _write_mark(tx: Tx, act: Act, datum: Datum, new: int | None) -> str:
    standing = _standing(tx, datum)
    cell = Cells([datum.student_id], [datum.column], [WITHDRAWN if new is None else new])
    stands = {(datum.student_id, datum.column): standing} if standing else {}
    return sheets.write_marks(tx, PlannedSheet(act, sheet_rules.changes(cell, stands, settle=False), unchanged=0))


def _read_mark(tx: Tx, found: Target, state: EntryState, wanted: Wanted) -> Asked:
    """A cell, its value read by the rules of entry."""
    assert wanted.column is not None
    assert found.subject_kind is not None
    numbers, wrong = sheet_rules.read_columns([wanted.column], found.regular_in(wanted.semester), "column")
    refuse(wrong)
    refuse(sheet_rules.check_reassessment(numbers, wanted.semester))
    rows = [(wanted.student, [wanted.new_value])]
    kind = SUBJECT_KINDS[found.subject_kind]
    cells, wrong = sheet_rules.read_rows(rows, numbers, state.students, kind, student_field="student", left=state.left)
    refuse([replace(one, field="student" if one.field == "student" else "new_value") for one in wrong])
    if column_kind(numbers[0]) is MarkKind.REASSESSMENT:
        summer.check(tx, found, wanted.ref, state.students, rows)
    if not sheet_rules.changes(cells, state.cells, settle=False).count:
        raise _unchanged(["new_value"])
    ((student, column, value),) = zip(cells.students, cells.columns, cells.values, strict=True)
    stands = state.cells.get((student, column), CellState(None, zero_by_rule=False, version=0))
    datum = _datum(found, wanted, student)._replace(subject_id=found.subject_id, column=column)
    return Asked(datum, stands.version, (Change(0, stands.value, None if value == WITHDRAWN else value),))


def _read_level(tx: Tx, found: Target, state: EntryState, wanted: Wanted) -> Asked:
    student = _student(state, wanted)
    if wanted.kind is Kind.SUMMER_CONDUCT:
        summer.check_training(tx, found, wanted.ref, {"student": student})
    datum = _datum(found, wanted, student)
    stands = _standing(tx, datum) or CellState(None, zero_by_rule=False, version=0)
    level = int(PROTO_LEVELS[wanted.new_level])
    if level == stands.value:
        raise _unchanged(["new_level"])
    return Asked(datum, stands.version, (Change(0, stands.value, level),))


def _read_totals(tx: Tx, found: Target, state: EntryState, wanted: Wanted) -> Asked:
    assert wanted.new_absences is not None
    datum = _datum(found, wanted, _student(state, wanted))
    check_kept(tx, datum)
    seen, stands = _totals(tx, datum)
    new = zip((EXCUSED_TOTAL, UNEXCUSED_TOTAL), wanted.new_absences, strict=True)
    # Both are told, also when one stays: the sum is what decides (Điều 12).
    changes = tuple(Change(place, stands.get(place), value) for place, value in new)
    if all(one.old == one.new for one in changes):
        raise _unchanged(["new_absences"])
    return Asked(datum, seen, changes)


def _read_sessions(tx: Tx, found: Target, state: EntryState, wanted: Wanted) -> Asked:
    wrong = Findings()
    new: dict[int, int] = {}
    for index, (day, session, value) in enumerate(wanted.sessions):
        attendance_rules.add_session(
            wrong, f"sessions[{index}]", wanted.month, day=day, session=session, value=value, sessions=new
        )
    wrong.refuse()
    datum = _datum(found, wanted, _student(state, wanted))
    check_kept(tx, datum)
    sheet = attendance.month_sheets(tx, datum.class_id, wanted.month).get(datum.student_id)
    says = attendance_rules.said(sheet.absences) if sheet else {}
    # Without a sheet nothing is said of any session; in a sheet who is not absent is present.
    unsaid = attendance_rules.PRESENT if sheet else None
    same = [
        f"sessions[{index}]" for index, (place, value) in enumerate(new.items()) if says.get(place, unsaid) == value
    ]
    if same:
        raise _unchanged(same)
    changes = tuple(Change(place, says.get(place, unsaid), value) for place, value in sorted(new.items()))
    return Asked(datum, sheet.version if sheet else 0, changes)


_READERS: Mapping[Kind, Callable[[Tx, Target, EntryState, Wanted], Asked]] = {
    Kind.MARK: _read_mark,
    Kind.CONDUCT: _read_level,
    Kind.SUMMER_CONDUCT: _read_level,
    Kind.ABSENCES: _read_totals,
    Kind.ATTENDANCE: _read_sessions,
}


def _datum(found: Target, wanted: Wanted, student: int) -> Datum:
    assert found.class_id is not None
    return Datum(wanted.kind, found.class_id, student, semester=semester_of(wanted), month=wanted.month)


def _student(state: EntryState, wanted: Wanted) -> int:
    wrong: list[Violation] = []
    student = sheet_rules.read_student(wanted.student, state.students, set(), "student", wrong, left=state.left)
    if student is None:
        raise Invalid(wrong)
    return student


def _standing(tx: Tx, datum: Datum) -> CellState | None:
    """What a mark or level holds."""
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
    """The version of a student's totals, and the totals by place; 0 and nothing when none were entered."""
    totals = attendance.totals(tx, datum.class_id, datum.student_id)
    if totals is None:
        return 0, {}
    return totals.version, {EXCUSED_TOTAL: totals.excused, UNEXCUSED_TOTAL: totals.unexcused}


def _given(value: int | None) -> int:
    assert value is not None
    return value


def _unchanged(fields: list[str]) -> Invalid:
    return Invalid([Violation(field, "UNCHANGED", "Giá trị mới giống giá trị đang có.") for field in fields])
