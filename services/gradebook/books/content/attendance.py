"""Attendance by month and the principal's remarks, as class books and snapshots hold them."""

import calendar
from typing import Any

from services.gradebook.entry.attendance_content import SESSIONS
from services.gradebook.model.domain import Stage
from services.gradebook.model.results import Absences, ClassData, ClassStudent, first_stage


def attendance(data: ClassData, stage: Stage) -> list[dict[str, Any]]:
    """The sheets of the months that a book of the stage holds, by month; empty when only totals are kept."""
    return [
        {
            "month": month,
            "days": calendar.monthrange(int(month[:4]), int(month[5:]))[1],
            "rows": [_row(student, sheet.get(student.id)) for student in data.students],
        }
        for month, sheet in sorted(data.attendance.items())
        if first_stage(data.school_year, month) <= stage
    ]


def _row(student: ClassStudent, absences: Absences | None) -> dict[str, Any]:
    if absences is None:
        return {"student": student.number, "absences": [], "excused": None, "unexcused": None}
    return {
        "student": student.number,
        "absences": [
            {"day": one // 10, "session": SESSIONS[one % 10], "excused": one in absences.excused}
            for one in sorted(absences.excused + absences.unexcused)
        ],
        "excused": len(absences.excused),
        "unexcused": len(absences.unexcused),
    }
