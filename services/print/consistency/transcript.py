"""Rules 1 to 7 of ``docs/formats/transcript-1.md``: beyond JSON Schema."""

from collections.abc import Iterator
from typing import Any

from services.common.errors import Violation
from services.print.consistency import common

_PROMOTED = ("PROMOTED", "PROGRAMME_COMPLETED")


def violations(data: dict[str, Any]) -> Iterator[Violation]:
    """Every inconsistency of the transcript `data`, with its path."""
    yield from common.header(data)
    yield from common.day(data["student"]["birth_date"], "student.birth_date", "Ngày sinh")
    yield from _history(data["study_history"])
    grades = data["grades"]
    yield from common.ascending((g["school_year"] for g in grades), "grades", strictly=True)
    yield from common.ascending((g["grade_level"] for g in grades), "grades")
    for index, grade in enumerate(grades):
        if grade["grade_level"] not in common.GRADES[data["school"]["level"]]:
            message = "Khối lớp không thuộc cấp học của học bạ."
            yield Violation(f"grades[{index}].grade_level", "GRADE_OF_OTHER_LEVEL", message)
        yield from _grade(grade, f"grades[{index}]")
    yield from _last(data, grades[-1], f"grades[{len(grades) - 1}]")
    yield from _corrections(data, grades[-1], f"grades[{len(grades) - 1}]")
    fixed = {
        "HOMEROOM_TEACHER": grades[-1]["homeroom_teacher"],
        "PRINCIPAL": data["principal"],
        "SCHOOL_SEAL": common.seal_of(data),
    }
    yield from common.signatories(data, fixed)


def _history(rows: list[dict[str, Any]]) -> Iterator[Violation]:
    yield from common.ascending((row["school_year"] for row in rows), "study_history")
    for index, row in enumerate(rows):
        path = f"study_history[{index}]"
        yield from common.years(row["school_year"], f"{path}.school_year")
        yield from common.day(row["joined_on"], f"{path}.joined_on", "Ngày vào học")
        yield from common.day(row["left_on"], f"{path}.left_on", "Ngày chuyển đi")


def _grade(grade: dict[str, Any], path: str) -> Iterator[Violation]:
    yield from common.years(grade["school_year"], f"{path}.school_year")
    yield from common.day(grade["principal_approval"]["date"], f"{path}.principal_approval.date", "Ngày phê duyệt")
    yield from common.unique(grade["subjects"], "code", f"{path}.subjects")
    for index, subject in enumerate(grade["subjects"]):
        here = f"{path}.subjects[{index}]"
        cells = [(key, subject[key]) for key in ("semester_1", "semester_2", "year", "reassessed")]
        yield from common.values_of_kind(subject["kind"], cells, here)
    codes = {subject["code"] for subject in grade["subjects"]}
    for index, code in enumerate(grade["corrected_subjects"]):
        if code not in codes:
            yield Violation(f"{path}.corrected_subjects[{index}]", "UNKNOWN_SUBJECT", "Môn học không có trong bảng.")
    yield from _summer(grade, path)


def _summer(grade: dict[str, Any], path: str) -> Iterator[Violation]:
    if grade["promoted_after_summer"] and (grade["stage"] != "AFTER_SUMMER" or grade["promotion"] not in _PROMOTED):
        message = "Chỉ ghi được lên lớp sau hè khi có kết quả sau hè và được lên lớp."
        yield Violation(f"{path}.promoted_after_summer", "PROMOTED_AFTER_SUMMER", message)
    if grade["stage"] == "AFTER_SUMMER":
        return
    message = "Kết quả sau kì nghỉ hè chỉ có trong học bạ sau hè."
    for index, subject in enumerate(grade["subjects"]):
        if subject["reassessed"] is not None:
            yield Violation(f"{path}.subjects[{index}].reassessed", "SUMMER_OF_OTHER_STAGE", message)
    for key in ("conduct", "learning"):
        if grade[key]["after_summer"] is not None:
            yield Violation(f"{path}.{key}.after_summer", "SUMMER_OF_OTHER_STAGE", message)


def _last(data: dict[str, Any], last: dict[str, Any], path: str) -> Iterator[Violation]:
    expected = [
        ("school_year", last["school_year"], data["school_year"]),
        ("stage", last["stage"], data["stage"]),
        ("school.code", last["school"]["code"], data["school"]["code"]),
        ("principal", last["principal"], data["principal"]),
    ]
    for key, given, wanted in expected:
        if given != wanted:
            message = "Năm học cuối trong học bạ phải là năm học đang được ký."
            yield Violation(f"{path}.{key}", "LAST_GRADE_DIFFERS", message)


def _corrections(data: dict[str, Any], last: dict[str, Any], path: str) -> Iterator[Violation]:
    log = data["corrections"]
    if last["corrections_count"] != len(log):
        message = "Số chỗ sửa chữa không khớp với bảng kê sửa chữa."
        yield Violation(f"{path}.corrections_count", "CORRECTIONS_COUNT", message)
    for index, correction in enumerate(log):
        field, subject = f"corrections[{index}].subject", correction["subject"]
        yield from common.correction(correction, data["school_year"], f"corrections[{index}]")
        if correction["column"].startswith(common.WITHOUT_SUBJECT):
            if subject is not None:
                yield Violation(field, "SUBJECT_OF_CONDUCT", "Nội dung sửa này không gắn với môn học.")
        elif subject not in last["corrected_subjects"]:
            message = "Môn học được sửa chữa chưa được nêu trong bảng."
            yield Violation(field, "UNKNOWN_SUBJECT", message)
    if set(last["corrected_subjects"]) - {c["subject"] for c in log}:
        message = "Môn học được nêu có sửa chữa nhưng không có trong bảng kê."
        yield Violation(f"{path}.corrected_subjects", "CORRECTIONS_COUNT", message)
