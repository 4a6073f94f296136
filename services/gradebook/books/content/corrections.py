"""Approved corrections as frozen content lists them: one entry a place that was changed."""

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
    Kind,
)
from services.gradebook.model.domain import REASSESSMENT_COLUMN, column_name, keyed_code, level_code
from services.gradebook.model.results import ClassStudent, NamedPerson
from services.gradebook.model.times import vietnam_time
from services.gradebook.rules import Level

ATTENDANCE = "ATTENDANCE_"
"""What the column of a session of attendance begins with; day and half follow."""

_SAID = {PRESENT: "PRESENT", EXCUSED: "EXCUSED", UNEXCUSED: "UNEXCUSED"}
_COLUMNS = {
    Kind.CONDUCT: {0: "CONDUCT"},
    Kind.SUMMER_CONDUCT: {0: "CONDUCT_AFTER_SUMMER"},
    Kind.ABSENCES: {EXCUSED_TOTAL: "ABSENCES_EXCUSED", UNEXCUSED_TOTAL: "ABSENCES_UNEXCUSED"},
}


def corrections_list(approved: Sequence[ApprovedCorrection], students: Sequence[ClassStudent]) -> list[dict[str, Any]]:
    """Approved corrections as a book lists them, in the order given, of the students in the list."""
    numbers = {student.id: student.number for student in students}
    return [
        {
            "student": numbers[one.student_id],
            "subject": one.subject,
            "semester": f"SEMESTER_{one.semester}" if one.kind in {Kind.MARK, Kind.CONDUCT} else None,
            "column": _column(one, change.place),
            "old": _value(one.kind, change.old),
            "new": _value(one.kind, change.new),
            "reason": one.reason,
            "requested_by": asdict(NamedPerson(*one.requested_by)),
            "confirmed_by": asdict(NamedPerson(*one.confirmed_by)),
            "approved_by": asdict(NamedPerson(*one.approved_by)),
            "time": vietnam_time(one.time),
        }
        for one in approved
        if one.student_id in numbers
        for change in one.changes
        if change.old != change.new
    ]


def _column(one: ApprovedCorrection, place: int) -> str:
    if one.kind is Kind.ATTENDANCE:
        return f"{ATTENDANCE}{one.month}-{place // 10:02d}_{SESSIONS[place % 10]}"
    if one.kind is not Kind.MARK:
        return _COLUMNS[one.kind][place]
    return "REASSESSED" if one.column == REASSESSMENT_COLUMN else column_name(one.column)


def _value(kind: Kind, value: int | None) -> str | int | None:
    if value is None or kind is Kind.ABSENCES:
        return value
    if kind is Kind.ATTENDANCE:
        return _SAID[value]
    if kind in OF_CONDUCT:
        return level_code(next(level for level in Level if int(level) == value))
    return keyed_code(value)
