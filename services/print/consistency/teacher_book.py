"""Rules 1 to 7 of ``docs/formats/teacher-book-1.md``: what JSON Schema cannot say about a teacher's
book.
"""

from collections.abc import Iterator
from typing import Any

from services.common.errors import Violation
from services.print.consistency import common


def violations(data: dict[str, Any]) -> Iterator[Violation]:
    """Every inconsistency of the teacher's book `data`, with its path; nothing when it is
    consistent.
    """
    yield from common.header(data)
    yield from common.unique(data["classes"], "name", "classes")
    for index, taught in enumerate(data["classes"]):
        yield from _class(data, taught, f"classes[{index}]")
    yield from _level(data)
    yield from _corrections(data)
    yield from common.signatories(data, {"SUBJECT_TEACHER": data["teacher"], "PRINCIPAL": data["principal"]})
    if data["signatories"][0]["subject"] != data["subject"]["code"]:
        message = "Giáo viên phải ký cho đúng môn học của sổ."
        yield Violation("signatories[0].subject", "SUBJECT_OF_BOOK", message)


def _class(data: dict[str, Any], taught: dict[str, Any], path: str) -> Iterator[Violation]:
    yield from common.students(taught["students"], f"{path}.students")
    for index, student in enumerate(taught["students"]):
        yield from common.day(student["left_on"], f"{path}.students[{index}].left_on", "Ngày rời lớp")
    if wrong := common.semesters_of(data, taught["semesters"], f"{path}.semesters"):
        yield from wrong
        return
    for index, part in enumerate(taught["semesters"]):
        here = f"{path}.semesters[{index}].rows"
        yield from common.one_row_each(taught["students"], part["rows"], here)
        count = taught["regular_count"][part["semester"]]
        yield from common.sheet_rows(part["rows"], data["subject"]["kind"], count, part["semester"], here)


def _level(data: dict[str, Any]) -> Iterator[Violation]:
    grades = {taught["grade_level"] for taught in data["classes"]}
    levels = [level for level, of_level in common.GRADES.items() if grades & of_level]
    if data["school"]["level"] != (levels[0] if len(levels) == 1 else "MULTI_LEVEL"):
        yield Violation("school.level", "GRADE_OF_OTHER_LEVEL", "Cấp học của sổ không khớp với khối của các lớp.")


def _corrections(data: dict[str, Any]) -> Iterator[Violation]:
    listed = {taught["name"]: len(taught["students"]) for taught in data["classes"]}
    for index, correction in enumerate(data["corrections"]):
        path = f"corrections[{index}]"
        if correction["class"] not in listed:
            yield Violation(f"{path}.class", "UNKNOWN_CLASS", "Lớp không có trong sổ.")
        elif correction["student"] > listed[correction["class"]]:
            yield Violation(f"{path}.student", "UNKNOWN_STUDENT", "Học sinh không có trong danh sách lớp.")
        if correction["subject"] != data["subject"]["code"]:
            yield Violation(f"{path}.subject", "UNKNOWN_SUBJECT", "Môn học không phải là môn học của sổ.")
