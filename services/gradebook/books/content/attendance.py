"""Attendance by month as in class books."""

import calendar
from typing import Any

from services.gradebook.entry.attendance_content import SESSIONS
from services.gradebook.model.domain import Stage
from services.gradebook.model.results import Absences, ClassData, ClassStudent, first_stage


def attendance(data: ClassData, stage: Stage) -> list[dict[str, Any]]:
    """The months' sheets in a book of the stage, by month; empty if the class keeps only totals."""
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
            {"day": session // 10, "session": SESSIONS[session % 10], "excused": session in absences.excused}
            for session in sorted(absences.excused + absences.unexcused)
        ],
        "excused": len(absences.excused),
        "unexcused": len(absences.unexcused),
    }
