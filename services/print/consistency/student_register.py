"""Rules 1 to 6 of ``docs/formats/student-register-1.md``: what JSON Schema cannot say about a
student register.
"""

from collections.abc import Iterator
from typing import Any

from services.common.errors import Violation
from services.print.consistency import common


def violations(data: dict[str, Any]) -> Iterator[Violation]:
    """Every inconsistency of the register `data`, with its path; nothing when it is consistent."""
    yield from common.header(data)
    for key in ("register_number", "moet_student_id", "national_id"):
        yield from common.unique(data["rows"], key, "rows")
    for index, row in enumerate(data["rows"]):
        yield from _row(row, f"rows[{index}]")
    numbers = {row["register_number"] for row in data["rows"]}
    for index, correction in enumerate(data["corrections"]):
        if correction["register_number"] not in numbers:
            message = "Số đăng bộ không có trong sổ."
            yield Violation(f"corrections[{index}].register_number", "UNKNOWN_STUDENT", message)
    fixed = {
        "DATA_OFFICER": data["data_officer"],
        "PRINCIPAL": data["principal"],
        "SCHOOL_SEAL": common.seal_of(data),
    }
    yield from common.signatories(data, fixed)


def _row(row: dict[str, Any], path: str) -> Iterator[Violation]:
    yield from common.day(row["birth_date"], f"{path}.birth_date", "Ngày sinh")
    yield from common.day(row["entered_on"], f"{path}.entered_on", "Ngày vào trường")
    yield from common.day(row["left_on"], f"{path}.left_on", "Ngày ra trường")
    if (row["left_on"] is None) is not (row["left_reason"] is None):
        yield Violation(f"{path}.left_reason", "REASON_OF_LEAVING", "Ngày ra trường và lý do phải đi cùng nhau.")
    if row["left_on"] and row["entered_on"] and row["left_on"] < row["entered_on"]:
        yield Violation(f"{path}.left_on", "LEFT_BEFORE_ENTERED", "Ngày ra trường trước ngày vào trường.")
    for index, attended in enumerate(row["classes"]):
        yield from common.years(attended["school_year"], f"{path}.classes[{index}].school_year")
    yield from common.ascending((attended["school_year"] for attended in row["classes"]), f"{path}.classes")
    for index, movement in enumerate(row["movements"]):
        yield from common.day(movement["date"], f"{path}.movements[{index}].date", "Ngày biến động")
    yield from common.ascending((movement["date"] for movement in row["movements"]), f"{path}.movements")
