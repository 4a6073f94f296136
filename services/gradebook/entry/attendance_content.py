"""Sessions absent and the principal's remarks by month, as snapshots and class books hold them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.gradebook.model.domain import Stage
from services.gradebook.model.results import Absences, ClassData, ClassStudent, first_stage
from services.gradebook.model.times import vietnam_time

SESSIONS = {1: "MORNING", 2: "AFTERNOON"}
"""Halves of a day by the last digit of a session."""


def principal_remarks(data: ClassData, stage: Stage) -> list[dict[str, Any]]:
    """The remarks of the months that a book of the stage holds, by month."""
    return [
        {"month": month, "remark": remark.text, "by": asdict(remark.by), "time": vietnam_time(remark.time)}
        for month, remark in sorted(data.remarks.items())
        if first_stage(data.school_year, month) <= stage
    ]


def sessions(data: ClassData, students: Sequence[ClassStudent]) -> dict[str, list[dict[str, list[str]] | None]]:
    """Month → for each student in list order the sessions absent, such as "03M" and "03A";

    None without a sheet.
    """
    return {
        month: [_sessions(sheet.get(student.id)) for student in students]
        for month, sheet in sorted(data.attendance.items())
    }


def _sessions(absences: Absences | None) -> dict[str, list[str]] | None:
    if absences is None:
        return None
    return {
        name: [f"{session // 10:02d}{SESSIONS[session % 10][0]}" for session in listed]
        for name, listed in (("excused", absences.excused), ("unexcused", absences.unexcused))
    }
