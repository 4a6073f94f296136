"""Rules 1 to 9 of ``docs/formats/class-book-1.md``: what JSON Schema cannot say about a class book.

Runs on data that already has the schema's shape. Each rule yields violations with the path of the faulty value.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from services.common.errors import Violation

RANKS = {"SUBJECT_TEACHER": 1, "HOMEROOM_TEACHER": 2, "PRINCIPAL": 3, "SCHOOL_SEAL": 4}
"""Rank that belongs to each role: teachers, then the homeroom teacher, the principal, the seal."""

_FIELD_ENDS = {"HOMEROOM_TEACHER": "homeroom", "PRINCIPAL": "principal", "SCHOOL_SEAL": "seal"}
_COMMENT_VALUES = ("PASS", "NOT_PASS")
_GRADES = {"LOWER_SECONDARY": range(6, 10), "UPPER_SECONDARY": range(10, 13)}


def violations(data: dict[str, Any]) -> Iterator[Violation]:
    """Every inconsistency of the class book `data`, with its path; nothing when it is consistent."""
    yield from _header(data)
    yield from _lists(data)
    yield from _semesters(data)
    yield from _year(data)
    yield from _corrections(data)
    yield from _signatories(data)


def signature_field(order: int, role: str, subject: str | None) -> str:
    """The name of a signatory's field in the PDF, such as ``sig-01-teacher-TOAN`` or ``sig-15-seal``."""
    return f"sig-{order:02d}-" + (f"teacher-{subject}" if role == "SUBJECT_TEACHER" else _FIELD_ENDS[role])


def _header(data: dict[str, Any]) -> Iterator[Violation]:
    first, second = (int(year) for year in data["school_year"].split("-"))
    if second != first + 1:
        yield Violation("school_year", "YEARS_NOT_CONSECUTIVE", "Năm học phải gồm hai năm liên tiếp.")
    if data["class"]["grade_level"] not in _GRADES[data["school"]["level"]]:
        yield Violation("class.grade_level", "GRADE_OF_OTHER_LEVEL", "Khối lớp không thuộc cấp học của trường.")
    try:
        datetime.fromisoformat(data["closing_time"])
    except ValueError:
        yield Violation("closing_time", "NO_SUCH_DATE", "Thời điểm chốt sổ không có thật.")


def _lists(data: dict[str, Any]) -> Iterator[Violation]:
    numbers = [student["number"] for student in data["students"]]
    if numbers != list(range(1, len(numbers) + 1)):
        yield Violation("students", "NUMBERS_WITH_GAPS", "Số thứ tự học sinh phải là 1, 2, 3… không ngắt quãng.")
    yield from _unique(data["students"], "moet_student_id", "students")
    yield from _unique(data["subjects"], "code", "subjects")
    for index, student in enumerate(data["students"]):
        try:
            date.fromisoformat(student["birth_date"])
        except ValueError:
            yield Violation(f"students[{index}].birth_date", "NO_SUCH_DATE", "Ngày sinh không có thật.")


def _unique(items: Sequence[dict[str, Any]], key: str, path: str) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item[key] in seen:
            yield Violation(f"{path}[{index}].{key}", "DUPLICATE", "Mã bị trùng trong sổ.")
        seen.add(item[key])


def _one_row_each(data: dict[str, Any], rows: Sequence[dict[str, Any]], path: str) -> Iterator[Violation]:
    if [row["student"] for row in rows] != [student["number"] for student in data["students"]]:
        message = "Mỗi học sinh phải có đúng một dòng, theo thứ tự danh sách lớp."
        yield Violation(path, "ROWS_NOT_CLASS_LIST", message)


def _semesters(data: dict[str, Any]) -> Iterator[Violation]:
    expected = ["SEMESTER_1"] if data["stage"] == "SEMESTER_1" else ["SEMESTER_1", "SEMESTER_2"]
    if [part["semester"] for part in data["semesters"]] != expected:
        yield Violation("semesters", "SEMESTERS_OF_OTHER_STAGE", "Các học kì trong sổ không khớp với giai đoạn của sổ.")
        return
    codes = [subject["code"] for subject in data["subjects"]]
    for index, part in enumerate(data["semesters"]):
        path = f"semesters[{index}]"
        if [sheet["subject"] for sheet in part["marks"]] != codes:
            message = "Mỗi môn học phải có đúng một bảng điểm, theo thứ tự môn học của sổ."
            yield Violation(f"{path}.marks", "SHEETS_NOT_SUBJECTS", message)
            continue
        for number, (subject, sheet) in enumerate(zip(data["subjects"], part["marks"], strict=True)):
            yield from _sheet(data, subject, part["semester"], sheet["rows"], f"{path}.marks[{number}].rows")
        yield from _summary(data, part["summary"], f"{path}.summary")
        sheets = {sheet["subject"]: [row["result"] for row in sheet["rows"]] for sheet in part["marks"]}
        yield from _same_results(part["summary"], sheets, f"{path}.summary")


def _sheet(
    data: dict[str, Any], subject: dict[str, Any], semester: str, rows: Sequence[dict[str, Any]], path: str
) -> Iterator[Violation]:
    yield from _one_row_each(data, rows, path)
    comment = subject["kind"] == "COMMENT_ONLY"
    for index, row in enumerate(rows):
        here = f"{path}[{index}]"
        if len(row["regular"]) != subject["regular_count"][semester]:
            message = "Số cột điểm đánh giá thường xuyên không khớp với quy định của môn học."
            yield Violation(f"{here}.regular", "REGULAR_COUNT", message)
        cells = [(f"regular[{i}]", value) for i, value in enumerate(row["regular"])]
        cells += [(key, row[key]) for key in ("midterm", "final", "result", "year_result", "reassessed")]
        for key, value in cells:
            if value is not None and (value in _COMMENT_VALUES) is not comment:
                yield Violation(f"{here}.{key}", "VALUE_OF_OTHER_KIND", "Giá trị không hợp với cách đánh giá môn học.")
        for key in ("year_result", "reassessed"):
            if semester == "SEMESTER_1" and row[key] is not None:
                yield Violation(f"{here}.{key}", "YEAR_IN_SEMESTER_1", "Kết quả cả năm không thuộc học kì I.")


def _summary(data: dict[str, Any], rows: Sequence[dict[str, Any]], path: str) -> Iterator[Violation]:
    yield from _one_row_each(data, rows, path)
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
    yield from _one_row_each(data, year["evaluation"], "year.evaluation")
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
        if correction["column"] == "CONDUCT":
            if subject is not None:
                yield Violation(f"{path}.subject", "SUBJECT_OF_CONDUCT", "Kết quả rèn luyện không gắn với môn học.")
        elif subject not in codes:
            yield Violation(f"{path}.subject", "UNKNOWN_SUBJECT", "Môn học không có trong sổ.")


def _signatories(data: dict[str, Any]) -> Iterator[Violation]:
    rank = 1
    for index, signatory in enumerate(data["signatories"]):
        path = f"signatories[{index}]"
        role = signatory["role"]
        if signatory["order"] != index + 1:
            yield Violation(f"{path}.order", "ORDER_WITH_GAPS", "Thứ tự người ký phải là 1, 2, 3… không ngắt quãng.")
        if signatory["rank"] != RANKS[role] or signatory["rank"] < rank:
            yield Violation(f"{path}.rank", "RANK", "Cấp ký không khớp với vai trò hoặc đi ngược thứ tự ký.")
        rank = max(rank, signatory["rank"])
        if (signatory["subject"] is None) is (role == "SUBJECT_TEACHER"):
            yield Violation(f"{path}.subject", "SUBJECT_OF_ROLE", "Chỉ giáo viên bộ môn ký cho môn học.")
        elif signatory["field"] != signature_field(signatory["order"], role, signatory["subject"]):
            yield Violation(f"{path}.field", "FIELD_NAME", "Tên ô chữ ký không khớp với thứ tự, vai trò và môn học.")
    yield from _who_signs(data)


def _who_signs(data: dict[str, Any]) -> Iterator[Violation]:
    fixed = {
        "HOMEROOM_TEACHER": {
            "id": data["class"]["homeroom_teacher"]["id"],
            "name": data["class"]["homeroom_teacher"]["name"],
        },
        "PRINCIPAL": data["principal"],
        "SCHOOL_SEAL": {"id": data["school"]["code"], "name": data["school"]["name"]},
    }
    for role, person in fixed.items():
        found = [(s["signatory"], s["name"]) for s in data["signatories"] if s["role"] == role]
        if found != [(person["id"], person["name"])]:
            message = f"Phải có đúng một người ký vai trò {role}, trùng với thông tin của sổ."
            yield Violation("signatories", "SIGNATORY_OF_ROLE", message)
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
