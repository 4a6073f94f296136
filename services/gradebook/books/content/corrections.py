"""Approved corrections as listed in frozen content: one entry per changed value."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.gradebook.entry.attendance_content import SESSIONS
from services.gradebook.model.attendance_rules import EXCUSED, PRESENT, UNEXCUSED
from services.gradebook.model.correction_rules import (
    EXCUSED_TOTAL,
    OF_CONDUCT,
    UNEXCUSED_TOTAL,
    ApprovedCorrection,
    CorrectionKind,
)
from services.gradebook.model.domain import REASSESSMENT_COLUMN, column_name, keyed_code, level_code
from services.gradebook.model.results import ClassStudent, NamedPerson
from services.gradebook.model.times import vietnam_time
from services.gradebook.rules import Level

ATTENDANCE = "ATTENDANCE_"
"""Prefix of the column of an attendance session; the day and the session follow."""

_ATTENDANCE_VALUES = {PRESENT: "PRESENT", EXCUSED: "EXCUSED", UNEXCUSED: "UNEXCUSED"}
_COLUMNS = {
    CorrectionKind.CONDUCT: {0: "CONDUCT"},
    CorrectionKind.SUMMER_CONDUCT: {0: "CONDUCT_AFTER_SUMMER"},
    CorrectionKind.ABSENCES: {EXCUSED_TOTAL: "ABSENCES_EXCUSED", UNEXCUSED_TOTAL: "ABSENCES_UNEXCUSED"},
}


def corrections_list(approved: Sequence[ApprovedCorrection], students: Sequence[ClassStudent]) -> list[dict[str, Any]]:
    """The approved corrections of the students in the list, in the order given."""
    numbers = {student.id: student.number for student in students}
    return [
        {
            "student": numbers[correction.student_id],
            "subject": correction.subject,
            "semester": f"SEMESTER_{correction.semester}"
            if correction.kind in {CorrectionKind.MARK, CorrectionKind.CONDUCT}
            else None,
            "column": _column(correction, change.place),
            "old": _value(correction.kind, change.old),
            "new": _value(correction.kind, change.new),
            "reason": correction.reason,
            "requested_by": asdict(NamedPerson(*correction.requested_by)),
            "confirmed_by": asdict(NamedPerson(*correction.confirmed_by)),
            "approved_by": asdict(NamedPerson(*correction.approved_by)),
            "time": vietnam_time(correction.time),
        }
        for correction in approved
        if correction.student_id in numbers
        for change in correction.changes
        if change.old != change.new
    ]


def _column(correction: ApprovedCorrection, place: int) -> str:
    if correction.kind is CorrectionKind.ATTENDANCE:
        return f"{ATTENDANCE}{correction.month}-{place // 10:02d}_{SESSIONS[place % 10]}"
    if correction.kind is not CorrectionKind.MARK:
        return _COLUMNS[correction.kind][place]
    return "REASSESSED" if correction.column == REASSESSMENT_COLUMN else column_name(correction.column)


def _value(kind: CorrectionKind, value: int | None) -> str | int | None:
    if value is None or kind is CorrectionKind.ABSENCES:
        return value
    if kind is CorrectionKind.ATTENDANCE:
        return _ATTENDANCE_VALUES[value]
    if kind in OF_CONDUCT:
        return level_code(next(level for level in Level if int(level) == value))
    return keyed_code(value)
