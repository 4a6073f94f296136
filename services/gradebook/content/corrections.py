"""Approved corrections as frozen content lists them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.gradebook.content.times import vietnam_time
from services.gradebook.corrections import ApprovedCorrection
from services.gradebook.domain import (
    REASSESSMENT_COLUMN,
    column_name,
    keyed_code,
    level_code,
)
from services.gradebook.results import (
    ClassStudent,
    NamedPerson,
)
from services.gradebook.rules import Level


def corrections_list(approved: Sequence[ApprovedCorrection], students: Sequence[ClassStudent]) -> list[dict[str, Any]]:
    """Approved corrections as a book lists them, in the order given, of the students in the list."""
    numbers = {student.id: student.number for student in students}
    return [
        {
            "student": numbers[one.student_id],
            "subject": one.subject,
            "semester": f"SEMESTER_{one.semester}",
            "column": _corrected_column(one),
            "old": _corrected_value(one.subject, one.old_value),
            "new": _corrected_value(one.subject, one.new_value),
            "reason": one.reason,
            "requested_by": asdict(NamedPerson(*one.requested_by)),
            "confirmed_by": asdict(NamedPerson(*one.confirmed_by)),
            "approved_by": asdict(NamedPerson(*one.approved_by)),
            "time": vietnam_time(one.time),
        }
        for one in approved
        if one.student_id in numbers
    ]


def _corrected_column(one: ApprovedCorrection) -> str:
    if one.subject is None:
        return "CONDUCT"
    return "REASSESSED" if one.column == REASSESSMENT_COLUMN else column_name(one.column)


def _corrected_value(subject: str | None, value: int | None) -> str | None:
    if subject is not None or value is None:
        return keyed_code(value)
    return level_code(next(level for level in Level if int(level) == value))
