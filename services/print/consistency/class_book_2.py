"""Rules of ``docs/formats/class-book-2.md``: those of class-book-1, attendance, and the summer."""

import calendar
from collections.abc import Iterator, Sequence
from typing import Any

from services.common.errors import Violation
from services.print.consistency import class_book, common

_SESSIONS = {"MORNING": 1, "AFTERNOON": 2}
_PENDING = ("RETEST", "SUMMER_TRAINING")


def violations(data: dict[str, Any]) -> Iterator[Violation]:
    """Every inconsistency of the class book `data`, with its path."""
    yield from class_book.violations({**data, "semesters": [_without_absent(part) for part in data["semesters"]]})
    yield from _months(data, data["attendance"], "attendance")
    yield from _months(data, data["principal_remarks"], "principal_remarks")
    for index, month in enumerate(data["attendance"]):
        yield from _sheet(data["students"], month, f"attendance[{index}]")
    for index, correction in enumerate(data["corrections"]):
        yield from common.correction(correction, data["school_year"], f"corrections[{index}]")
    if data["year"] is not None:
        yield from _totals(data)
        yield from _after_summer(data)
    if data["stage"] != "AFTER_SUMMER":
        yield from _nothing_reassessed(data["semesters"])


def _without_absent(part: dict[str, Any]) -> dict[str, Any]:
    """The semester with ABSENT, which is no value of a subject's kind, replaced by none."""
    return {
        **part,
        "marks": [
            {
                **sheet,
                "rows": [
                    {**row, "reassessed": None} if row["reassessed"] == "ABSENT" else row for row in sheet["rows"]
                ],
            }
            for sheet in part["marks"]
        ],
    }


def _months(data: dict[str, Any], rows: Sequence[dict[str, Any]], path: str) -> Iterator[Violation]:
    months = [row["month"] for row in rows]
    yield from common.ascending(months, path, strictly=True)
    first = int(data["school_year"][:4])
    for index, month in enumerate(months):
        if not f"{first}-08" <= month <= f"{first + 1}-08":
            yield Violation(f"{path}[{index}].month", "MONTH_OF_OTHER_YEAR", "Tháng không thuộc năm học của sổ.")


def _sheet(students: Sequence[dict[str, Any]], month: dict[str, Any], path: str) -> Iterator[Violation]:
    days = calendar.monthrange(int(month["month"][:4]), int(month["month"][5:]))[1]
    if month["days"] != days:
        yield Violation(f"{path}.days", "DAYS_OF_MONTH", f"Tháng này có {days} ngày.")
    yield from common.one_row_each(students, month["rows"], f"{path}.rows")
    for index, row in enumerate(month["rows"]):
        here = f"{path}.rows[{index}]"
        sessions = [10 * absence["day"] + _SESSIONS[absence["session"]] for absence in row["absences"]]
        yield from common.ascending(sessions, f"{here}.absences", strictly=True)
        if sessions and sessions[-1] // 10 > days:
            yield Violation(f"{here}.absences", "NO_SUCH_DATE", f"Tháng này có {days} ngày.")
        excused = sum(absence["excused"] for absence in row["absences"])
        counted = (row["excused"], row["unexcused"])
        if counted != (excused, len(sessions) - excused) and (sessions or counted != (None, None)):
            yield Violation(here, "ABSENCES_COUNTED", "Tổng số buổi nghỉ của tháng không khớp với các ngày nghỉ.")


def _totals(data: dict[str, Any]) -> Iterator[Violation]:
    """Where months are kept, the year's absences are at least their sum.

    They are more for students who joined during the year.
    """
    sums = [0] * len(data["students"])
    for month in data["attendance"]:
        for row in month["rows"]:
            # A row of an unknown student was reported before.
            if row["student"] <= len(sums):
                sums[row["student"] - 1] += (row["excused"] or 0) + (row["unexcused"] or 0)
    for index, (row, expected) in enumerate(zip(data["year"]["evaluation"], sums, strict=False)):
        if data["attendance"] and (row["absent_sessions"] or 0) < expected:
            path = f"year.evaluation[{index}].absent_sessions"
            yield Violation(path, "ABSENCES_COUNTED", "Tổng số buổi nghỉ cả năm nhỏ hơn tổng các tháng.")


def _after_summer(data: dict[str, Any]) -> Iterator[Violation]:
    """Nobody is left pending after the summer, and before it nothing says what it brought."""
    year, after = data["year"], data["stage"] == "AFTER_SUMMER"
    for index, row in enumerate(year["evaluation"]):
        path = f"year.evaluation[{index}]"
        if after and row["promotion"] in _PENDING:
            yield Violation(f"{path}.promotion", "PENDING_AFTER_SUMMER", "Sau kì nghỉ hè không còn học sinh chờ xét.")
        for key in ("conduct_after_summer", "learning_after_summer"):
            if not after and row[key] is not None:
                yield Violation(f"{path}.{key}", "SUMMER_OF_OTHER_STAGE", "Kết quả sau hè không thuộc giai đoạn này.")
    if year["totals"]["pending_summer" if after else "promoted_after_summer"]:
        yield Violation("year.totals", "TOTALS", "Số liệu sau kì nghỉ hè không khớp với giai đoạn của sổ.")


def _nothing_reassessed(semesters: Sequence[dict[str, Any]]) -> Iterator[Violation]:
    for part_index, part in enumerate(semesters):
        for sheet_index, sheet in enumerate(part["marks"]):
            for index, row in enumerate(sheet["rows"]):
                if row["reassessed"] is not None:
                    path = f"semesters[{part_index}].marks[{sheet_index}].rows[{index}].reassessed"
                    message = "Kết quả đánh giá lại chỉ có trong sổ sau kì nghỉ hè."
                    yield Violation(path, "SUMMER_OF_OTHER_STAGE", message)
