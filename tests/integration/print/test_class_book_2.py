"""Pages of class books of format 2: attendance, the summer's columns, corrections in the margin,
remarks.
"""

import calendar
import io
import json
from functools import cache
from pathlib import Path

import pikepdf
import pytest

from services.common.canonical import canonical_bytes
from services.print.kind import Kind
from services.print.render import Rendition
from tests import printing
from tests.class_book_2 import ABSENT, FAILED, RETESTED, TRAINED, add_corrections, canonical_2, class_book_2
from tests.integration.print.paper import TRICKY, check_layout, pages_of

SIZES = [(42, "AFTER_SUMMER"), (50, "SEMESTER_1"), (1, "WHOLE_YEAR")]


@cache
def rendered(students: int, stage: str) -> Rendition:
    data = class_book_2(students, stage)
    for student, name in zip(data["students"][2:], TRICKY if students == 50 else [], strict=False):
        student["name"] = name
    return printing.render(canonical_bytes(data), Kind.SIGNING)


@pytest.mark.parametrize(("students", "stage"), SIZES)
def test_layout_and_fields(students: int, stage: str, tmp_path: Path) -> None:
    rendition = rendered(students, stage)
    check_layout(pages_of(rendition.pdf, tmp_path))
    names = [signatory["field"] for signatory in class_book_2(students, stage)["signatories"]]
    assert [field.name for field in rendition.fields] == names


def test_one_sheet_per_month_says_who_was_absent_when(tmp_path: Path) -> None:
    data = class_book_2(42, "AFTER_SUMMER")
    pages = [page.lines() for page in pages_of(rendered(42, "AFTER_SUMMER").pdf, tmp_path)]
    sheets = [page for page in pages if any(line.startswith("ĐIỂM DANH THÁNG") for line in page)]
    assert len(sheets) == len(data["attendance"]) == 9
    weekdays = ("T2", "T3", "T4", "T5", "T6", "T7", "CN")
    for month, page in zip(data["attendance"], sheets, strict=True):
        year, number = (int(part) for part in month["month"].split("-"))
        assert f"ĐIỂM DANH THÁNG {number}/{year}" in page
        days = [weekdays[calendar.weekday(year, number, day)] for day in range(1, month["days"] + 1)]
        assert any(" ".join(days) in line for line in page)
        for student, row in zip(data["students"], month["rows"], strict=True):
            marks: dict[int, list[str]] = {}
            for absence in row["absences"]:
                half = 0 if absence["session"] == "MORNING" else 1
                marks.setdefault(absence["day"], ["–", "–"])[half] = "P" if absence["excused"] else "K"
            shown = "".join(f" {''.join(halves)}" for _, halves in sorted(marks.items()))
            total = row["excused"] + row["unexcused"]
            line = f"{student['number']} {student['name']}{shown} {total} {row['excused']} {row['unexcused']}"
            assert line in page


def test_the_summer_stands_in_columns_of_its_own(tmp_path: Path) -> None:
    data = class_book_2(42, "AFTER_SUMMER")
    pages = [page.lines() for page in pages_of(rendered(42, "AFTER_SUMMER").pdf, tmp_path)]
    assert "SAU KÌ NGHỈ HÈ" in pages[0]
    (sheet,) = [p for p in pages if "MÔN HỌC: TOÁN" in p and "Học kì II – Lớp 6A1" in p]
    for number, end in ((RETESTED, "3,2 6,0"), (ABSENT, "3,2 Vắng"), (FAILED, "3,2 4,0")):
        (line,) = [line for line in sheet if line.startswith(f"{number} {data['students'][number - 1]['name']} ")]
        assert line.endswith(end)
    (evaluation,) = [p for p in pages if "ĐÁNH GIÁ CẢ NĂM HỌC" in p]
    rows = {number: data["year"]["evaluation"][number - 1] for number in (RETESTED, TRAINED, FAILED)}
    levels = {RETESTED: "Chưa đạt Đạt", FAILED: "Chưa đạt Chưa đạt"}
    for number, shown in levels.items():
        name = data["students"][number - 1]["name"]
        assert any(
            line.startswith(f"{number} {name} ") and f"{shown} {rows[number]['absent_sessions']} X" in line
            for line in evaluation
        )
    trained = data["students"][TRAINED - 1]["name"]
    assert any(line.startswith(f"{TRAINED} {trained} Chưa đạt ") and " Đạt " in line for line in evaluation)
    totals = data["year"]["totals"]
    text = " ".join(line for page in pages for line in page)
    assert f"trong đó sau kì nghỉ hè: {totals['promoted_after_summer']}" in text
    assert totals["promoted_after_summer"] == 2


def test_a_correction_names_in_the_margin_who_and_when(tmp_path: Path) -> None:
    data = class_book_2(42, "AFTER_SUMMER")
    (correction,) = data["corrections"]
    initials = ".".join(word[0] for word in correction["requested_by"]["name"].split())
    pages = [page.lines() for page in pages_of(rendered(42, "AFTER_SUMMER").pdf, tmp_path)]
    (sheet,) = [p for p in pages if "MÔN HỌC: TOÁN" in p and "Học kì I – Lớp 6A1" in p]
    (line,) = [line for line in sheet if line.startswith(f"1 {data['students'][0]['name']} ")]
    assert line.endswith(f"{initials} 12/01/26")


@pytest.mark.parametrize("students", [42, 12, 50])
def test_corrections_other_than_of_marks_stand_under_their_list_and_in_the_log(students: int, tmp_path: Path) -> None:
    data = class_book_2(students, "AFTER_SUMMER")
    add_corrections(data)
    data["corrections"] += [{**data["corrections"][1], "student": number} for number in range(3, 11)]
    printed = pages_of(printing.render(canonical_bytes(data), Kind.SIGNING).pdf, tmp_path)
    check_layout(printed)
    pages = [" ".join(page.lines()) for page in printed]
    first, second = (f"{number}. {data['students'][number - 1]['name']}" for number in (1, 2))
    by = ".".join(word[0] for word in data["class"]["homeroom_teacher"]["name"].split()) + " 12/01/26"
    (note,) = [page for page in pages if "Đã sửa 10 chỗ:" in page]
    # The lines of a sheet shrink for the corrections told under it.
    last = f"10. {data['students'][9]['name']}: điểm danh sáng 08/10/25"
    assert students > 43 or ("ĐIỂM DANH THÁNG 10/2025" in note and last in note)
    assert f"{first}: điểm danh sáng 08/10/25 K → có mặt ({by})" in note
    assert f"{first}: điểm danh chiều 08/10/25 – → P ({by})" in note
    (evaluation,) = [page for page in pages if "Đã sửa 3 chỗ:" in page]
    assert f"{second}: rèn luyện sau hè Chưa đạt → Đạt ({by})" in evaluation
    assert f"{second}: buổi nghỉ có phép – → 12 ({by})" in evaluation
    assert f"{second}: buổi nghỉ không phép 46 → 0 ({by})" in evaluation
    (log,) = [page for page in pages if "BẢNG KÊ SỬA CHỮA SAU THỜI HẠN NHẬP ĐIỂM" in page]
    for words in ("sau hè", "Cả năm", "có mặt", "46", "Lê Thị Phó"):
        assert words in log
    (october,) = [page for page in pages if "ĐIỂM DANH THÁNG 10/2025" in page and "TT Họ và tên" in page][:1]
    assert f"1 {data['students'][0]['name']} –P 1 1 0" in october


def test_every_remark_with_its_month_principal_and_day(tmp_path: Path) -> None:
    data = class_book_2(42, "AFTER_SUMMER")
    pages = pages_of(rendered(42, "AFTER_SUMMER").pdf, tmp_path)
    last = " ".join(pages[-1].lines())
    for remark in data["principal_remarks"]:
        year, month = remark["month"].split("-")
        assert f"{month}/{year}" in last
        assert f"28/{month}/{year}" in last
    assert last.count(data["principal"]["name"]) == len(data["principal_remarks"])


def test_the_content_is_attached_and_the_bytes_are_the_same_again() -> None:
    raw = canonical_2(42, "AFTER_SUMMER")
    pdf = rendered(42, "AFTER_SUMMER").pdf
    assert printing.render(raw, Kind.SIGNING).pdf == pdf
    with pikepdf.open(io.BytesIO(pdf)) as document:
        (name,) = document.attachments
        assert json.loads(document.attachments[name].get_file().read_bytes()) == json.loads(raw)
