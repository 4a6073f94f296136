"""A realistic class book of format 2 for tests: the book of `tests.content` with attendance,
remarks and the summer.

Every value follows from `seed`, so a test that fails shows the same book again.
"""

import calendar
import datetime as dt
import random
from typing import Any

from services.common.canonical import canonical_bytes
from tests.content import class_book

MONTHS = ["2025-09", "2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
RETESTED, TRAINED, ABSENT, FAILED = 3, 5, 8, 11
"""Numbers of students in a book after the summer: re-assessed and promoted; trained and promoted;
did not sit one of their re-assessments; re-assessed and retained. A book that has fewer students
lacks them.
"""


def class_book_2(students: int = 42, stage: str = "WHOLE_YEAR", *, seed: int = 1) -> dict[str, Any]:
    """The content of one class book of format 2. stage: SEMESTER_1, WHOLE_YEAR or AFTER_SUMMER."""
    rng = random.Random(f"{seed}/{stage}/{students}")
    data = class_book(students, "SEMESTER_1" if stage == "SEMESTER_1" else "WHOLE_YEAR", seed=seed)
    months = MONTHS[:4] if stage == "SEMESTER_1" else MONTHS
    data |= {
        "format": "hoso/class-book/2",
        "stage": stage,
        "attendance": [_month(rng, month, students) for month in months],
        "principal_remarks": [_remark(data["principal"], month) for month in months[:-1]],
    }
    if data["year"]:
        for index, row in enumerate(data["year"]["evaluation"]):
            row["absent_sessions"] = sum(
                month["rows"][index]["excused"] + month["rows"][index]["unexcused"] for month in data["attendance"]
            )
    if stage == "AFTER_SUMMER":
        data["closing_time"] = "2026-08-20T17:00:00+07:00"
        _summer(data)
    return data


def add_corrections(data: dict[str, Any]) -> None:
    """Corrections of data other than marks: sessions of October, conduct after the summer, totals,
    one of them never entered.

    Of students 1 and 2, by the homeroom teacher, the vice principal and the principal.
    """
    about = {
        **data["corrections"][0],
        "subject": None,
        "semester": None,
        "reason": "Gia đình nộp giấy xin phép muộn; đã đối chiếu.",
        "requested_by": data["class"]["homeroom_teacher"],
        "confirmed_by": {"id": "pht-001", "name": "Lê Thị Phó"},
    }
    session = {**about, "student": 1, "column": "ATTENDANCE_2025-10-08_MORNING"}
    data["corrections"] += [
        {**session, "old": "UNEXCUSED", "new": "PRESENT"},
        {**session, "column": "ATTENDANCE_2025-10-08_AFTERNOON", "old": None, "new": "EXCUSED"},
        {**about, "student": 2, "column": "CONDUCT_AFTER_SUMMER", "old": "UNSATISFACTORY", "new": "SATISFACTORY"},
        {**about, "student": 2, "column": "ABSENCES_EXCUSED", "old": None, "new": 12},
        {**about, "student": 2, "column": "ABSENCES_UNEXCUSED", "old": 46, "new": 0},
    ]
    row = data["attendance"][1]["rows"][0]
    row |= {"absences": [{"day": 8, "session": "AFTERNOON", "excused": True}], "excused": 1, "unexcused": 0}
    if data["year"]:
        data["year"]["evaluation"][0]["absent_sessions"] = sum(
            month["rows"][0]["excused"] + month["rows"][0]["unexcused"] for month in data["attendance"]
        )


def canonical_2(students: int = 42, stage: str = "WHOLE_YEAR", **more: Any) -> bytes:
    """`class_book_2` as canonical bytes."""
    return canonical_bytes(class_book_2(students, stage, **more))


def _month(rng: random.Random, month: str, students: int) -> dict[str, Any]:
    year, number = (int(part) for part in month.split("-"))
    days = calendar.monthrange(year, number)[1]
    school_days = [day for day in range(1, days + 1) if dt.date(year, number, day).weekday() < 6]
    rows = []
    for student in range(1, students + 1):
        sessions = [(day, session) for day in school_days for session in ("MORNING", "AFTERNOON")]
        chosen = sorted(rng.sample(range(len(sessions)), rng.choice([0, 0, 0, 0, 1, 2, 3])))
        absences = [{"day": sessions[i][0], "session": sessions[i][1], "excused": rng.random() < 0.8} for i in chosen]
        excused = sum(bool(absence["excused"]) for absence in absences)
        rows.append(
            {"student": student, "absences": absences, "excused": excused, "unexcused": len(absences) - excused}
        )
    return {"month": month, "days": days, "rows": rows}


def _remark(principal: dict[str, str], month: str) -> dict[str, Any]:
    text = "Giáo viên ghi sổ đầy đủ, đúng hạn; điểm số khớp với sổ của giáo viên."
    if month == "2025-11":
        text += " Giáo viên chủ nhiệm cần cập nhật điểm danh mỗi ngày, không để dồn cuối tuần; nhắc lại lần hai." * 2
    return {"month": month, "remark": text, "by": principal, "time": f"{month}-28T16:30:00+07:00"}


def _summer(data: dict[str, Any]) -> None:
    """What the summer changes; the year's own results stay as they are but for those who are made
    to fail first.
    """
    evaluation, totals = data["year"]["evaluation"], data["year"]["totals"]
    for row in evaluation:
        if row["promotion"] == "RETEST":
            row["promotion"] = "RETAINED"
    for number in (RETESTED, ABSENT, FAILED):
        if number <= len(evaluation):
            _fail(data, number)
    if len(evaluation) >= TRAINED:
        data["year"]["summary"][TRAINED - 1]["conduct_result"] = "UNSATISFACTORY"
        evaluation[TRAINED - 1] |= {
            "conduct_result": "UNSATISFACTORY",
            "conduct_after_summer": "SATISFACTORY",
            "promotion": "PROMOTED",
            "award": None,
        }
    promoted = sum(row["promotion"] == "PROMOTED" for row in evaluation)
    after = [row for row in evaluation if row["conduct_after_summer"] or row["learning_after_summer"]]
    totals |= {
        "promoted": promoted,
        "not_promoted": len(evaluation) - promoted,
        "promoted_after_summer": sum(row["promotion"] == "PROMOTED" for row in after),
        "pending_summer": 0,
    }


def _fail(data: dict[str, Any], number: int) -> None:
    """A student whose year failed in the first two subjects, and what their re-assessments gave."""
    reassessed = {RETESTED: ("5.5", "6.0"), ABSENT: ("5.0", "ABSENT"), FAILED: ("3.1", "4.0")}[number]
    for index, result in enumerate(reassessed):
        code = data["subjects"][index]["code"]
        row = data["semesters"][1]["marks"][index]["rows"][number - 1]
        row |= {"year_result": "3.2", "reassessed": result}
        data["year"]["summary"][number - 1]["results"][code] = "3.2"
    data["year"]["summary"][number - 1]["learning_result"] = "UNSATISFACTORY"
    passed = number == RETESTED
    data["year"]["evaluation"][number - 1] |= {
        "learning_result": "UNSATISFACTORY",
        "learning_after_summer": "SATISFACTORY" if passed else "UNSATISFACTORY",
        "promotion": "PROMOTED" if passed else "RETAINED",
        "award": None,
    }
