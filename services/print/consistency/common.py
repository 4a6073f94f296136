"""Rules that several record types share: dates, lists of students, cells of a score sheet,
signatories.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any, TypeVar

from services.common.errors import Violation

Row = dict[str, Any]
T = TypeVar("T", str, int)

RANKS = {"SUBJECT_TEACHER": 1, "DATA_OFFICER": 1, "HOMEROOM_TEACHER": 2, "PRINCIPAL": 3, "SCHOOL_SEAL": 4}
"""Rank of each role: the record's maker, then the homeroom teacher, the principal, the seal."""

_FIELD_ENDS = {
    "DATA_OFFICER": "data-officer",
    "HOMEROOM_TEACHER": "homeroom",
    "PRINCIPAL": "principal",
    "SCHOOL_SEAL": "seal",
}
_COMMENT_VALUES = ("PASS", "NOT_PASS")
_LOWER, _UPPER = range(6, 10), range(10, 13)
GRADES = {"LOWER_SECONDARY": frozenset(_LOWER), "UPPER_SECONDARY": frozenset(_UPPER)}
"""Grade levels of each school level."""


def signature_field(order: int, role: str, subject: str | None) -> str:
    """The name of a signatory's field in the PDF, such as ``sig-01-teacher-TOAN`` or
    ``sig-15-seal``.
    """
    return f"sig-{order:02d}-" + (f"teacher-{subject}" if role == "SUBJECT_TEACHER" else _FIELD_ENDS[role])


def header(data: Row) -> Iterator[Violation]:
    """The school year of the document and the moment of its freezing."""
    yield from years(data["school_year"], "school_year")
    try:
        datetime.fromisoformat(data["closing_time"])
    except ValueError:
        yield Violation("closing_time", "NO_SUCH_DATE", "Thời điểm chốt sổ không có thật.")


def years(text: str, path: str) -> Iterator[Violation]:
    """A school year names two consecutive years."""
    first, second = (int(year) for year in text.split("-"))
    if second != first + 1:
        yield Violation(path, "YEARS_NOT_CONSECUTIVE", "Năm học phải gồm hai năm liên tiếp.")


def day(text: str | None, path: str, what: str) -> Iterator[Violation]:
    """A date that is given exists. what: its name in a Vietnamese sentence, such as "Ngày sinh"."""
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError:
        yield Violation(path, "NO_SUCH_DATE", f"{what} không có thật.")


def ascending(values: Iterable[T], path: str, *, strictly: bool = False) -> Iterator[Violation]:
    """Values, such as dates, do not decrease from row to row; with `strictly` none repeats."""
    for index, (value, following) in enumerate(pairwise(values), 1):
        if value > following or (strictly and value == following):
            yield Violation(f"{path}[{index}]", "NOT_IN_ORDER", "Các dòng không theo thứ tự thời gian.")


def unique(items: Sequence[Row], key: str, path: str) -> Iterator[Violation]:
    """No two rows share a value of `key`; empty texts do not count."""
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item[key] and item[key] in seen:
            yield Violation(f"{path}[{index}].{key}", "DUPLICATE", "Mã bị trùng trong sổ.")
        seen.add(item[key])


def students(listed: Sequence[Row], path: str) -> Iterator[Violation]:
    """A class list: numbers without gaps, no student twice, birth dates that exist."""
    numbers = [student["number"] for student in listed]
    if numbers != list(range(1, len(numbers) + 1)):
        yield Violation(path, "NUMBERS_WITH_GAPS", "Số thứ tự học sinh phải là 1, 2, 3… không ngắt quãng.")
    yield from unique(listed, "moet_student_id", path)
    for index, student in enumerate(listed):
        yield from day(student["birth_date"], f"{path}[{index}].birth_date", "Ngày sinh")


def one_row_each(listed: Sequence[Row], rows: Sequence[Row], path: str) -> Iterator[Violation]:
    """`rows` has one row for every student, in list order."""
    if [row["student"] for row in rows] != [student["number"] for student in listed]:
        message = "Mỗi học sinh phải có đúng một dòng, theo thứ tự danh sách lớp."
        yield Violation(path, "ROWS_NOT_CLASS_LIST", message)


def semesters_of(data: Row, parts: Sequence[Row], path: str) -> list[Violation]:
    """The semesters of a part of a book are those of the book's stage."""
    expected = ["SEMESTER_1"] if data["stage"] == "SEMESTER_1" else ["SEMESTER_1", "SEMESTER_2"]
    if [part["semester"] for part in parts] == expected:
        return []
    return [Violation(path, "SEMESTERS_OF_OTHER_STAGE", "Các học kì trong sổ không khớp với giai đoạn của sổ.")]


def values_of_kind(kind: str, cells: Iterable[tuple[str, str | None]], path: str) -> Iterator[Violation]:
    """Marks and results fit the subject's kind: comments for COMMENT_ONLY, else numbers."""
    for key, value in cells:
        if value is not None and (value in _COMMENT_VALUES) is not (kind == "COMMENT_ONLY"):
            yield Violation(f"{path}.{key}", "VALUE_OF_OTHER_KIND", "Giá trị không hợp với cách đánh giá môn học.")


def sheet_rows(rows: Sequence[Row], kind: str, regular_count: int, semester: str, path: str) -> Iterator[Violation]:
    """Rows of a score sheet: number of regular marks, kinds of values, no year results in semester
    I.
    """
    for index, row in enumerate(rows):
        here = f"{path}[{index}]"
        if len(row["regular"]) != regular_count:
            message = "Số cột điểm đánh giá thường xuyên không khớp với quy định của môn học."
            yield Violation(f"{here}.regular", "REGULAR_COUNT", message)
        cells = [(f"regular[{i}]", value) for i, value in enumerate(row["regular"])]
        cells += [(key, row[key]) for key in ("midterm", "final", "result", "year_result", "reassessed")]
        yield from values_of_kind(kind, cells, here)
        for key in ("year_result", "reassessed"):
            if semester == "SEMESTER_1" and row[key] is not None:
                yield Violation(f"{here}.{key}", "YEAR_IN_SEMESTER_1", "Kết quả cả năm không thuộc học kì I.")


_OF_NO_SEMESTER = ("CONDUCT_AFTER_SUMMER", "ABSENCES_", "ATTENDANCE_")
WITHOUT_SUBJECT = ("CONDUCT", *_OF_NO_SEMESTER)
"""Prefixes of the columns of corrections that belong to no subject."""

_ATTENDANCE = frozenset({"PRESENT", "EXCUSED", "UNEXCUSED"})


def correction(row: Row, school_year: str, path: str) -> Iterator[Violation]:
    """A correction fits its column: semester, day of a session, kinds of old and new value."""
    column = row["column"]
    of_no_semester, of_attendance = column.startswith(_OF_NO_SEMESTER), column.startswith("ATTENDANCE_")
    if (row["semester"] is None) is not of_no_semester:
        yield Violation(f"{path}.semester", "SEMESTER_OF_COLUMN", "Học kì không phù hợp với nội dung sửa.")
    if of_attendance:
        _, on, _ = column.split("_")
        yield from day(on, f"{path}.column", "Ngày được sửa điểm danh")
        first = int(school_year[:4])
        if not f"{first}-08" <= on[:7] <= f"{first + 1}-08":
            yield Violation(f"{path}.column", "MONTH_OF_OTHER_YEAR", "Ngày không thuộc năm học của sổ.")
    for key in ("old", "new"):
        value = row[key]
        if value is None and (key == "old" or not of_no_semester):
            continue
        wrong = isinstance(value, int) is not column.startswith("ABSENCES_")
        if wrong or (value in _ATTENDANCE) is not of_attendance:
            message = "Giá trị không phù hợp với nội dung sửa."
            yield Violation(f"{path}.{key}", "VALUE_OF_OTHER_COLUMN", message)


def seal_of(data: Row) -> dict[str, str]:
    """The school as the signatory of its seal."""
    return {"id": data["school"]["code"], "name": data["school"]["name"]}


def signatories(data: Row, fixed: Mapping[str, Row]) -> Iterator[Violation]:
    """Order, ranks and field names of all signatories; each role of `fixed` is held by that person
    alone.
    """
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
    for role, person in fixed.items():
        holders = [(s["signatory"], s["name"]) for s in data["signatories"] if s["role"] == role]
        if holders != [(person["id"], person["name"])]:
            message = f"Phải có đúng một người ký vai trò {role}, trùng với thông tin của sổ."
            yield Violation("signatories", "SIGNATORY_OF_ROLE", message)
