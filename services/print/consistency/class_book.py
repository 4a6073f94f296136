"""Rules 1 to 9 of ``docs/formats/class-book-1.md``: beyond JSON Schema."""

from collections.abc import Iterator, Sequence
from typing import Any

from services.common.errors import Violation
from services.print.consistency import common


def violations(data: dict[str, Any]) -> Iterator[Violation]:
    """Every inconsistency of the class book `data`, with its path."""
    yield from common.header(data)
    if data["class"]["grade_level"] not in common.GRADES[data["school"]["level"]]:
        yield Violation("class.grade_level", "GRADE_OF_OTHER_LEVEL", "Khối lớp không thuộc cấp học của trường.")
    yield from common.students(data["students"], "students")
    yield from common.unique(data["subjects"], "code", "subjects")
    yield from _semesters(data)
    yield from _year(data)
    yield from _corrections(data)
    yield from _signatories(data)


def _semesters(data: dict[str, Any]) -> Iterator[Violation]:
    if wrong := common.semesters_of(data, data["semesters"], "semesters"):
        yield from wrong
        return
    codes = [subject["code"] for subject in data["subjects"]]
    for index, part in enumerate(data["semesters"]):
        path = f"semesters[{index}]"
        if [sheet["subject"] for sheet in part["marks"]] != codes:
            message = "Mỗi môn học phải có đúng một bảng điểm, theo thứ tự môn học của sổ."
            yield Violation(f"{path}.marks", "SHEETS_NOT_SUBJECTS", message)
            continue
        for number, (subject, sheet) in enumerate(zip(data["subjects"], part["marks"], strict=True)):
            here = f"{path}.marks[{number}].rows"
            yield from common.one_row_each(data["students"], sheet["rows"], here)
            count = subject["regular_count"][part["semester"]]
            yield from common.sheet_rows(sheet["rows"], subject["kind"], count, part["semester"], here)
        yield from _summary(data, part["summary"], f"{path}.summary")
        sheets = {sheet["subject"]: [row["result"] for row in sheet["rows"]] for sheet in part["marks"]}
        yield from _same_results(part["summary"], sheets, f"{path}.summary")


def _summary(data: dict[str, Any], rows: Sequence[dict[str, Any]], path: str) -> Iterator[Violation]:
    yield from common.one_row_each(data["students"], rows, path)
    codes = {subject["code"] for subject in data["subjects"]}
    for index, row in enumerate(rows):
        if row["results"].keys() != codes:
            message = "Kết quả tổng hợp phải có đủ và đúng các môn học của sổ."
            yield Violation(f"{path}[{index}].results", "RESULTS_NOT_SUBJECTS", message)


def _same_results(
    summary: Sequence[dict[str, Any]], sheets: dict[str, list[str | None]], path: str
) -> Iterator[Violation]:
    for code, results in sheets.items():
        for index, (row, result) in enumerate(zip(summary, results, strict=False)):
            if code in row["results"] and row["results"][code] != result:
                message = "Kết quả ở bảng tổng hợp khác với bảng điểm của môn học."
                yield Violation(f"{path}[{index}].results.{code}", "SUMMARY_DIFFERS", message)


def _year(data: dict[str, Any]) -> Iterator[Violation]:
    year = data["year"]
    if (year is None) is not (data["stage"] == "SEMESTER_1"):
        yield Violation("year", "YEAR_OF_OTHER_STAGE", "Phần cả năm không khớp với giai đoạn của sổ.")
        return
    if year is None:
        return
    yield from _summary(data, year["summary"], "year.summary")
    if len(data["semesters"]) > 1:
        marks = data["semesters"][1]["marks"]
        sheets = {sheet["subject"]: [row["year_result"] for row in sheet["rows"]] for sheet in marks}
        yield from _same_results(year["summary"], sheets, "year.summary")
    yield from common.one_row_each(data["students"], year["evaluation"], "year.evaluation")
    for index, (row, summary) in enumerate(zip(year["evaluation"], year["summary"], strict=False)):
        for key in ("learning_result", "conduct_result"):
            if row[key] != summary[key]:
                message = "Mức đánh giá cả năm khác với bảng tổng hợp cả năm."
                yield Violation(f"year.evaluation[{index}].{key}", "SUMMARY_DIFFERS", message)
    totals = year["totals"]
    parts = totals["promoted"] + totals["not_promoted"] + totals["pending_summer"]
    if totals["students"] != len(data["students"]) or parts > totals["students"]:
        yield Violation("year.totals", "TOTALS", "Số liệu tổng hợp chung không khớp với danh sách lớp.")
    if totals["promoted_after_summer"] > totals["promoted"]:
        yield Violation(
            "year.totals.promoted_after_summer", "TOTALS", "Số được lên lớp sau hè lớn hơn tổng số lên lớp."
        )


def _corrections(data: dict[str, Any]) -> Iterator[Violation]:
    numbers = {student["number"] for student in data["students"]}
    codes = {subject["code"] for subject in data["subjects"]}
    for index, correction in enumerate(data["corrections"]):
        path = f"corrections[{index}]"
        if correction["student"] not in numbers:
            yield Violation(f"{path}.student", "UNKNOWN_STUDENT", "Học sinh không có trong danh sách lớp.")
        subject = correction["subject"]
        if correction["column"].startswith(common.WITHOUT_SUBJECT):
            if subject is not None:
                yield Violation(f"{path}.subject", "SUBJECT_OF_CONDUCT", "Nội dung sửa này không gắn với môn học.")
        elif subject not in codes:
            yield Violation(f"{path}.subject", "UNKNOWN_SUBJECT", "Môn học không có trong sổ.")


def _signatories(data: dict[str, Any]) -> Iterator[Violation]:
    fixed = {
        "HOMEROOM_TEACHER": data["class"]["homeroom_teacher"],
        "PRINCIPAL": data["principal"],
        "SCHOOL_SEAL": common.seal_of(data),
    }
    yield from common.signatories(data, fixed)
    unsigned = {subject["code"] for subject in data["subjects"]}
    teachers = {s["code"]: {(t["id"], t["name"]) for t in s["teachers"]} for s in data["subjects"]}
    for index, signatory in enumerate(data["signatories"]):
        if signatory["role"] != "SUBJECT_TEACHER":
            continue
        unsigned.discard(signatory["subject"])
        if (signatory["signatory"], signatory["name"]) not in teachers.get(signatory["subject"], set()):
            message = "Người ký không phải là giáo viên được phân công dạy môn học này."
            yield Violation(f"signatories[{index}].signatory", "NOT_THE_TEACHER", message)
    for code in sorted(unsigned):
        yield Violation("signatories", "SUBJECT_WITHOUT_SIGNATORY", f"Môn {code} chưa có giáo viên ký.")
