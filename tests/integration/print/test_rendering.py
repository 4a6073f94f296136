"""The pages themselves: their content, that nothing overlaps, and that the file is valid PDF/A."""

import json
import re
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from services.common.canonical import canonical_bytes
from services.common.errors import Invalid
from services.print import render
from services.print.content import parse
from services.print.kind import Kind
from services.print.render import Rendition
from tests import printing
from tests.content import canonical, class_book
from tests.integration.print.paper import MARK, TRICKY, check_layout, pages_of

MM = 72 / 25.4


def tricky_book(students: int, stage: str) -> dict[str, Any]:
    data = class_book(students, stage)
    for student, name in zip(data["students"][2:], TRICKY, strict=False):
        student["name"] = name
    data["students"][7]["address"] = "Số 12/345/67 hẻm 89, đường Nguyễn Thị Minh Khai, khu phố 3, " * 3
    data["semesters"][0]["marks"][2]["rows"][8]["note"] = "Miễn phần thực hành; đánh giá bằng nội dung lý thuyết"
    return data


@cache
def rendered(students: int, stage: str, kind: Kind, *, tricky: bool = False) -> Rendition:
    data = tricky_book(students, stage) if tricky else class_book(students, stage)
    return printing.render(canonical_bytes(data), kind)


BOOKS = [(42, "WHOLE_YEAR", False), (50, "SEMESTER_1", True), (1, "SEMESTER_1", False), (70, "WHOLE_YEAR", False)]


@pytest.mark.parametrize(("students", "stage", "tricky"), BOOKS)
def test_no_text_leaves_the_page_or_covers_another(students: int, stage: str, tricky: bool, tmp_path: Path) -> None:
    pdf = rendered(students, stage, Kind.SIGNING, tricky=tricky).pdf
    check_layout(pages_of(pdf, tmp_path))


def _comma(value: str | None) -> str:
    return {"PASS": "Đ", "NOT_PASS": "CĐ", None: ""}.get(value, (value or "").replace(".", ","))


def test_every_mark_of_the_content_stands_in_its_row(tmp_path: Path) -> None:
    data = class_book(42)
    pages = [page.lines() for page in pages_of(rendered(42, "WHOLE_YEAR", Kind.SIGNING).pdf, tmp_path)]
    for part, name in zip(data["semesters"], ("Học kì I – Lớp 6A1", "Học kì II – Lớp 6A1"), strict=True):
        for subject, sheet in zip(data["subjects"], part["marks"], strict=True):
            title = f"MÔN HỌC: {subject['name'].upper()}"
            (page,) = [p for p in pages if title in p and name in p]
            for student, row in zip(data["students"], sheet["rows"], strict=True):
                cells = [*row["regular"], row["midterm"], row["final"], row["result"], row["year_result"]]
                shown = " ".join(_comma(cell) for cell in cells if cell is not None)
                line = f"{student['number']} {student['name']} {shown}"
                if (subject["code"], student["number"], part["semester"]) == ("TOAN", 1, "SEMESTER_1"):
                    continue  # the corrected cell, see the next test
                assert line in page


def test_sparse_columns_of_the_evaluation_stand_in_their_rows(tmp_path: Path) -> None:
    """Awards and crosses leave most lines of their column empty, the last ones too."""
    data = class_book(42)
    data["year"]["evaluation"][41] |= {"promotion": "RETAINED", "award": None}
    pages = [page.lines() for page in pages_of(printing.render(canonical_bytes(data), Kind.SIGNING).pdf, tmp_path)]
    (sheet,) = [p for p in pages if "ĐÁNH GIÁ CẢ NĂM HỌC" in p]
    levels = {"EXCELLENT": "Tốt", "GOOD": "Khá", "SATISFACTORY": "Đạt", "UNSATISFACTORY": "Chưa đạt"}
    awards = {"OUTSTANDING_STUDENT": " Học sinh Xuất sắc", "GOOD_STUDENT": " Học sinh Giỏi", None: ""}
    assert any(e["award"] for e in data["year"]["evaluation"])
    for student, e in zip(data["students"], data["year"]["evaluation"], strict=True):
        results = f"{levels[e['conduct_result']]} {levels[e['learning_result']]} {e['absent_sessions']}"
        assert f"{student['number']} {student['name']} {results} X{awards[e['award']]}" in sheet


def test_missing_marks_leave_their_cells_empty_and_the_others_in_their_rows(tmp_path: Path) -> None:
    data = class_book(42, "SEMESTER_1")
    part = data["semesters"][0]
    for sheet in part["marks"]:
        for row in sheet["rows"]:
            number = row["student"]
            if number % 2:
                row["midterm"] = None
            if number % 3 == 0 or number > 36:
                row["final"] = row["result"] = part["summary"][number - 1]["results"][sheet["subject"]] = None
            if number in (1, 25, 26, 42):
                row["regular"] = [None] * len(row["regular"])
    pages = [page.lines() for page in pages_of(printing.render(canonical_bytes(data), Kind.SIGNING).pdf, tmp_path)]
    for subject, sheet in zip(data["subjects"][2:], part["marks"][2:], strict=True):
        (page,) = [p for p in pages if f"MÔN HỌC: {subject['name'].upper()}" in p]
        for student, row in zip(data["students"], sheet["rows"], strict=True):
            cells = [*row["regular"], row["midterm"], row["final"], row["result"]]
            shown = [str(student["number"]), student["name"], *(_comma(c) for c in cells if c is not None)]
            assert " ".join(shown) in page


def test_a_correction_shows_old_and_new_value_and_is_listed(tmp_path: Path) -> None:
    data = class_book(42)
    pages = [page.lines() for page in pages_of(rendered(42, "WHOLE_YEAR", Kind.SIGNING).pdf, tmp_path)]
    (sheet,) = [p for p in pages if "MÔN HỌC: TOÁN" in p and "Học kì I – Lớp 6A1" in p]
    row = data["semesters"][0]["marks"][1]["rows"][0]
    line = next(text for text in sheet if text.startswith(f"1 {data['students'][0]['name']} "))
    assert f"3 {_comma(row['midterm'])}" in line
    assert any("sửa chữa ở 1 chỗ" in text for text in sheet)
    (log,) = [" ".join(p) for p in pages if "BẢNG KÊ SỬA CHỮA SAU THỜI HẠN NHẬP ĐIỂM" in p]
    for expected in ("ĐĐGgk", data["corrections"][0]["approved_by"]["name"], "12/01/2026"):
        assert expected in log


def test_a_correction_of_a_cell_that_was_empty(tmp_path: Path) -> None:
    data = class_book(3)
    data["corrections"][0]["old"] = None
    pages = [page.lines() for page in pages_of(printing.render(canonical_bytes(data), Kind.SIGNING).pdf, tmp_path)]
    (sheet,) = [p for p in pages if "MÔN HỌC: TOÁN" in p and "Học kì I – Lớp 6A1" in p]
    new = _comma(data["semesters"][0]["marks"][1]["rows"][0]["midterm"])
    assert any(line.startswith("1 ") and f"– {new}" in line for line in sheet)


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    pdf = rendered(50, "SEMESTER_1", Kind.UNSIGNED, tricky=True).pdf
    text = " ".join(word.text for page in pages_of(pdf, tmp_path) for word in page.words)
    for name in TRICKY:
        # At least: personal details, twelve lists, one summary. A wrapped name is still in reading
        # order.
        assert text.count(" ".join(name.split())) >= 2


def test_cover_and_parts_in_the_order_of_the_form(tmp_path: Path) -> None:
    pages = ["\n".join(page.lines()) for page in pages_of(rendered(42, "WHOLE_YEAR", Kind.SIGNING).pdf, tmp_path)]
    parts = [
        "SỔ THEO DÕI VÀ ĐÁNH GIÁ HỌC SINH\n(THEO LỚP HỌC)",
        "HƯỚNG DẪN SỬ DỤNG SỔ",
        "DANH SÁCH GIÁO VIÊN BỘ MÔN",
        "SƠ YẾU LÝ LỊCH HỌC SINH",
        "Học kì I – Lớp 6A1",
        "BẢNG TỔNG HỢP KẾT QUẢ ĐÁNH GIÁ HỌC SINH\nHọc kì I – Lớp 6A1",
        "Học kì II – Lớp 6A1",
        "BẢNG TỔNG HỢP KẾT QUẢ ĐÁNH GIÁ HỌC SINH\nHọc kì II – Lớp 6A1",
        "BẢNG TỔNG HỢP KẾT QUẢ ĐÁNH GIÁ HỌC SINH\nCả năm – Lớp 6A1",
        "ĐÁNH GIÁ CẢ NĂM HỌC",
        "TỔNG HỢP CHUNG",
        "BẢNG KÊ SỬA CHỮA",
        "NHẬN XÉT CỦA HIỆU TRƯỞNG",
    ]
    first = [next((i for i, page in enumerate(pages) if part in page), None) for part in parts]
    assert None not in first
    assert first == sorted(first, key=lambda i: i or 0)
    assert "CẤP TRUNG HỌC CƠ SỞ" in pages[0]
    assert "NĂM HỌC 2025 – 2026" in pages[0]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_digest_is_on_every_page_and_whole_on_the_cover(kind: Kind, tmp_path: Path) -> None:
    digest = sha256(canonical(42)).hexdigest()
    pages = pages_of(rendered(42, "WHOLE_YEAR", kind).pdf, tmp_path)
    short = " ".join(re.findall("....", digest)[:4])
    for number, page in enumerate(pages, 1):
        text = " ".join(page.lines())
        assert short in text, number
        assert f"Trang {number}/{len(pages)}" in text
        assert "Phiên bản 1" in text
    cover = " ".join(word.text for word in pages[0].words)
    assert " ".join(re.findall("." * 8, digest)) in cover


def test_the_unsigned_copy_is_marked_on_every_page_and_the_signing_copy_nowhere(tmp_path: Path) -> None:
    for page in pages_of(rendered(42, "WHOLE_YEAR", Kind.UNSIGNED).pdf, tmp_path):
        assert MARK in "\n".join(page.lines())
    signing = " ".join(
        w.text for p in pages_of(rendered(42, "WHOLE_YEAR", Kind.SIGNING).pdf, tmp_path) for w in p.words
    )
    assert "CHƯA CÓ CHỮ KÝ" not in signing


@pytest.mark.parametrize("kind", list(Kind))
def test_another_process_makes_the_same_bytes(kind: Kind, tmp_path: Path) -> None:
    code = (
        "import hashlib; from services.print.kind import Kind; from tests.content import canonical;"
        "from tests.printing import render;"
        f"print(hashlib.sha256(render(canonical(42), Kind.{kind.name}).pdf).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = rendered(42, "WHOLE_YEAR", kind).pdf
    assert done.stdout.strip() == sha256(here).hexdigest()
    for _ in range(render.COPIES_REMEMBERED):  # with the engine's memory, and once without it
        assert printing.render(canonical(42), kind).pdf == here


@pytest.mark.parametrize("kind", list(Kind))
def test_file_is_sound_and_every_font_is_inside(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / "book.pdf"
    file.write_bytes(rendered(42, "WHOLE_YEAR", kind).pdf)
    checked = subprocess.run(["qpdf", "--check", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    fonts = subprocess.run(["pdffonts", str(file)], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert len(fonts) >= 3
    for font in fonts:
        name, *_, embedded, subset, unicode_map, _object, _generation = font.split()
        assert name.split("+")[1].startswith("LiberationSerif")
        assert (embedded, subset, unicode_map) == ("yes", "yes", "yes")


@pytest.mark.parametrize("kind", list(Kind))
def test_pdf_a_3b_with_the_content_attached(kind: Kind, tmp_path: Path) -> None:
    pdf = rendered(42, "WHOLE_YEAR", kind).pdf
    assert pdf.endswith(b"%%EOF\n")
    assert pdf.count(b"%%EOF\n") == (2 if kind is Kind.SIGNING else 1)
    with pikepdf.open(_file(tmp_path, pdf)) as document:
        metadata = document.open_metadata()
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "B")
        assert document.docinfo["/CreationDate"] == "D:20260528100000Z"
        assert document.attachments["content.json"].get_file().read_bytes() == canonical(42)
        assert document.Root.AF[0].AFRelationship == "/Source"
        assert document.Root.AF[0].EF.F.Subtype == "/application/json"
        assert "/MarkInfo" not in document.Root


def _file(folder: Path, pdf: bytes) -> Path:
    file = folder / "book.pdf"
    file.write_bytes(pdf)
    return file


@pytest.mark.parametrize(("students", "stage", "tricky"), BOOKS)
def test_one_empty_field_for_each_signatory_at_its_place(
    students: int, stage: str, tricky: bool, tmp_path: Path
) -> None:
    rendition = rendered(students, stage, Kind.SIGNING, tricky=tricky)
    data = class_book(students, stage)
    names = [s["field"] for s in data["signatories"]]
    assert [f.name for f in rendition.fields] == names
    with pikepdf.open(_file(tmp_path, rendition.pdf)) as document:
        form = document.Root.AcroForm
        assert [str(f.T) for f in form.Fields] == names
        assert form.SigFlags & 1
        assert "/NeedAppearances" not in form
        for field, place in zip(form.Fields, rendition.fields, strict=True):
            assert field.FT == "/Sig"
            assert "/V" not in field
            assert field.F & 4  # printed, as PDF/A asks (ISO 19005-3, 6.3.2)
            assert not field.F & 0b100011
            assert "/N" in field.AP
            page = document.pages[place.page - 1]
            assert field.objgen in [a.objgen for a in page.Annots]
            rect = [float(v) for v in field.Rect]
            height = float(page.MediaBox[3])
            expected = [place.x, height - place.y - place.height, place.x + place.width, height - place.y]
            assert rect == pytest.approx(expected, abs=0.6)
    teachers = rendition.fields[:-3]
    homeroom, principal, seal = rendition.fields[-3:]
    assert {(round(f.width / MM), round(f.height / MM)) for f in teachers} == {(60, 24)}
    assert homeroom.page == principal.page == seal.page
    # The seal at its actual size over the left third of the principal's signature (NĐ 30/2020, Phụ
    # lục I).
    assert (round(seal.width / MM), round(seal.height / MM)) == (36, 36)
    assert seal.x + seal.width - principal.x == pytest.approx(principal.width / 3, abs=0.1)


def test_a_teacher_signs_under_the_last_list_of_the_subject(tmp_path: Path) -> None:
    rendition = rendered(42, "WHOLE_YEAR", Kind.SIGNING)
    pages = pages_of(rendition.pdf, tmp_path)
    for subject, place in zip(class_book(42)["subjects"], rendition.fields, strict=False):
        page = pages[place.page - 1]
        lines = page.lines()
        assert f"MÔN HỌC: {subject['name'].upper()}" in lines
        assert "Học kì II – Lớp 6A1" in lines
        inside = [
            word
            for word in page.words
            if place.x < (word.left + word.right) / 2 < place.x + place.width
            and place.y < (word.top + word.bottom) / 2 < place.y + place.height
        ]
        assert inside == []
        below = min(w.top for w in page.words if w.top > place.y + place.height - 2)
        assert [w.text for w in page.words if abs(w.top - below) < 1] == subject["teachers"][0]["name"].split()


def test_content_that_cannot_be_printed_names_the_student() -> None:
    data = class_book(5)
    data["students"][3]["name"] = "Lý 小 Minh"
    with pytest.raises(Invalid) as refused:
        printing.render(canonical_bytes(data), Kind.UNSIGNED)
    assert refused.value.violations[0].field == "students[3].name"
    assert "小" in refused.value.violations[0].message


def test_qr_code_names_record_and_digest() -> None:
    book = parse(canonical(3))
    assert "svg" in render.inputs(book, Kind.UNSIGNED)["qr"]
    assert json.loads(render.inputs(book, Kind.UNSIGNED)["content"]) == class_book(3)
