"""Class books of format 2 at print's edge: good ones pass, and each rule beyond the schema names
its fault.
"""

from collections.abc import Callable
from typing import Any

import pytest

from services.common.canonical import canonical_bytes
from services.common.errors import Invalid
from services.print import content
from tests.class_book_2 import RETESTED, add_corrections, canonical_2, class_book_2

Change = Callable[[dict[str, Any]], Any]
STAGES = ["SEMESTER_1", "WHOLE_YEAR", "AFTER_SUMMER"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("students", [1, 12, 70])
def test_a_good_book_passes(students: int, stage: str) -> None:
    book = content.parse(canonical_2(students, stage))
    assert book.record_name == f"CLASS_BOOK/79000123/2025-2026/6A1/{stage}/v1"
    assert book.format.template == "class_book/2"


def test_a_class_that_keeps_only_totals_has_no_sheets() -> None:
    data = class_book_2(4)
    data["attendance"] = []
    data["year"]["evaluation"][0]["absent_sessions"] = 31
    assert content.parse(canonical_bytes(data)).data == data


def _change(*path: str | int, to: Any) -> Change:
    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = to

    return change


def _row(month: int, row: int, *path: str | int, to: Any) -> Change:
    return _change("attendance", month, "rows", row, *path, to=to)


THIRD = {"day": 3, "session": "MORNING", "excused": True}
FAULTS: list[tuple[str, Change, str, str]] = [
    ("WHOLE_YEAR", _change("attendance", 1, "month", to="2025-09"), "attendance[1]", "NOT_IN_ORDER"),
    ("SEMESTER_1", _change("attendance", 0, "month", to="2024-09"), "attendance[0].month", "MONTH_OF_OTHER_YEAR"),
    ("SEMESTER_1", _change("attendance", 0, "days", to=31), "attendance[0].days", "DAYS_OF_MONTH"),
    ("SEMESTER_1", _row(0, 0, "excused", to=62), "attendance[0].rows[0]", "ABSENCES_COUNTED"),
    ("SEMESTER_1", _row(0, 1, "student", to=1), "attendance[0].rows", "ROWS_NOT_CLASS_LIST"),
    (
        "SEMESTER_1",
        _row(0, 0, to={"student": 1, "absences": [THIRD] * 2, "excused": 2, "unexcused": 0}),
        "attendance[0].rows[0].absences[1]",
        "NOT_IN_ORDER",
    ),
    (
        "SEMESTER_1",
        _row(0, 0, to={"student": 1, "absences": [{**THIRD, "day": 31}], "excused": 1, "unexcused": 0}),
        "attendance[0].rows[0].absences",
        "NO_SUCH_DATE",
    ),
    (
        "WHOLE_YEAR",
        _change("year", "evaluation", 2, "absent_sessions", to=0),
        "year.evaluation[2].absent_sessions",
        "ABSENCES_COUNTED",
    ),
    (
        "WHOLE_YEAR",
        _change("semesters", 1, "marks", 0, "rows", 0, "reassessed", to="ABSENT"),
        "semesters[1].marks[0].rows[0].reassessed",
        "SUMMER_OF_OTHER_STAGE",
    ),
    (
        "WHOLE_YEAR",
        _change("year", "evaluation", 0, "conduct_after_summer", to="GOOD"),
        "year.evaluation[0].conduct_after_summer",
        "SUMMER_OF_OTHER_STAGE",
    ),
    (
        "AFTER_SUMMER",
        _change("year", "evaluation", RETESTED - 1, "promotion", to="RETEST"),
        f"year.evaluation[{RETESTED - 1}].promotion",
        "PENDING_AFTER_SUMMER",
    ),
    (
        "AFTER_SUMMER",
        _change("semesters", 1, "marks", 0, "rows", RETESTED - 1, "reassessed", to="PASS"),
        f"semesters[1].marks[0].rows[{RETESTED - 1}].reassessed",
        "VALUE_OF_OTHER_KIND",
    ),
    (
        "WHOLE_YEAR",
        _change("principal_remarks", 0, "month", to="2025-12"),
        "principal_remarks[1]",
        "NOT_IN_ORDER",
    ),
]


@pytest.mark.parametrize(("stage", "change", "field", "rule"), FAULTS)
def test_each_inconsistency_is_named(stage: str, change: Change, field: str, rule: str) -> None:
    data = class_book_2(6, stage)
    change(data)
    with pytest.raises(Invalid) as refused:
        content.parse(canonical_bytes(data))
    assert (field, rule) in [(v.field, v.rule) for v in refused.value.violations]


def test_absent_is_a_value_of_both_kinds_of_subjects() -> None:
    data = class_book_2(6, "AFTER_SUMMER")
    comment = next(i for i, subject in enumerate(data["subjects"]) if subject["kind"] == "COMMENT_ONLY")
    data["semesters"][1]["marks"][comment]["rows"][0]["reassessed"] = "ABSENT"
    assert content.parse(canonical_bytes(data)).data == data


# Places of the corrections that `add_corrections` makes; before them stands that of a mark.
MARK, SESSION, SUMMER_CONDUCT, TOTAL = 0, 1, 3, 4
CORRECTION_FAULTS: list[tuple[int, dict[str, Any], str, str]] = [
    (SESSION, {"subject": "TOAN"}, "subject", "SUBJECT_OF_CONDUCT"),
    (SESSION, {"semester": "SEMESTER_1"}, "semester", "SEMESTER_OF_COLUMN"),
    (MARK, {"semester": None}, "semester", "SEMESTER_OF_COLUMN"),
    (SESSION, {"column": "ATTENDANCE_2025-11-31_MORNING"}, "column", "NO_SUCH_DATE"),
    (SESSION, {"column": "ATTENDANCE_2024-11-03_MORNING"}, "column", "MONTH_OF_OTHER_YEAR"),
    (SESSION, {"new": "GOOD"}, "new", "VALUE_OF_OTHER_COLUMN"),
    (SESSION, {"new": None}, "new", "VALUE_OF_OTHER_COLUMN"),
    (MARK, {"old": "EXCUSED"}, "old", "VALUE_OF_OTHER_COLUMN"),
    (MARK, {"new": 8}, "new", "VALUE_OF_OTHER_COLUMN"),
    (TOTAL, {"new": "8"}, "new", "VALUE_OF_OTHER_COLUMN"),
    (SUMMER_CONDUCT, {"subject": "TOAN"}, "subject", "SUBJECT_OF_CONDUCT"),
]


@pytest.mark.parametrize(("index", "change", "field", "rule"), CORRECTION_FAULTS)
def test_a_correction_fits_what_it_names(index: int, change: dict[str, Any], field: str, rule: str) -> None:
    data = class_book_2(6, "AFTER_SUMMER")
    add_corrections(data)
    content.parse(canonical_bytes(data))
    data["corrections"][index] |= change
    with pytest.raises(Invalid) as refused:
        content.parse(canonical_bytes(data))
    assert (f"corrections[{index}].{field}", rule) in [(v.field, v.rule) for v in refused.value.violations]
