"""Pages of teacher's books, transcripts and student registers: complete, sound, with a field for
everyone who signs.
"""

import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from services.common.canonical import canonical_bytes
from services.common.errors import Invalid
from services.print import formats
from services.print.kind import Kind
from services.print.render import Rendition
from tests import printing, records
from tests.integration.print.paper import MARK, TRICKY, check_layout, pages_of

ACHIEVED = (
    "Chứng chỉ Ứng dụng công nghệ thông tin cơ bản; Chứng chỉ tiếng Anh Cambridge A2 Key; Chứng chỉ bơi an toàn; " * 3,
    "Giải Nhì môn Toán, kì thi học sinh giỏi cấp thành phố; Huy chương Đồng, Hội khỏe Phù Đổng cấp trường; " * 3,
)
"""More than a transcript's lines have room for; cut to that by who uses them."""


def long_transcript() -> dict[str, Any]:
    data = records.transcript(4)
    data["student"] |= {
        "name": TRICKY[2],
        "address": "Số 12/345/67 hẻm 89, đường Nguyễn Thị Minh Khai, khu phố 3, " * 4,
    }
    data["student"]["guardian"] = {"name": TRICKY[1], "job": "", "phone": "", "email": ""}
    data["grades"][0]["homeroom_remark"] = "Có ý thức vươn lên trong học tập và rèn luyện. " * 20
    for number, grade in enumerate(data["grades"]):
        grade |= {"certificates": f"{number} {ACHIEVED[0]}"[:300], "competition": f"{number} {ACHIEVED[1]}"[:300]}
    for subject in data["grades"][1]["subjects"]:
        subject["remark"] = "Cần cố gắng hơn ở phần vận dụng; đã tiến bộ so với học kì I. " * 2
    data["grades"][3] |= {"promotion": "PROGRAMME_COMPLETED", "award": "OUTSTANDING_STUDENT"}
    data["grades"][2]["source"] = None
    return data


def long_register() -> dict[str, Any]:
    data = records.student_register(45)
    for row, name in zip(data["rows"], TRICKY, strict=False):
        row["name"] = name
    row = data["rows"][5]
    row["address"] = "Số 12/345/67 hẻm 89, đường Nguyễn Thị Minh Khai, khu phố 3, " * 4
    row["guardian"] = {
        "name": TRICKY[2],
        "job": "Cán bộ hưu trí, thương binh hạng 2/4",
        "phone": "0901234567",
        "email": "",
    }
    row["classes"] = [
        {"school_year": f"{year}-{year + 1}", "class": f"{min(12, year - 2008)}CHUYÊN ANH 1", "result": "RETAINED"}
        for year in range(2014, 2026)
    ]
    kinds = ["ENTERED", "CLASS_CHANGED", "SUSPENDED", "RETURNED", "TRANSFERRED_OUT", "TRANSFERRED_IN"] * 4
    row["movements"] = [
        {"date": f"2015-01-{day:02d}", "kind": kind, "detail": "Theo đơn của gia đình", "document": f"QĐ {day}"}
        for day, kind in enumerate(kinds, 1)
    ]
    return data


def tricky_teacher_book() -> dict[str, Any]:
    data = records.teacher_book(2, 50)
    for student, name in zip(data["classes"][0]["students"], TRICKY, strict=False):
        student["name"] = name
    data["classes"][1]["semesters"][1]["rows"][7]["remark"] = "Đã tiến bộ rõ rệt so với học kì I. " * 15
    return data


def _codes(schema: str, *path: str) -> list[Any]:
    """The codes that a schema permits at a path."""
    node = json.loads((formats.SCHEMA_FOLDER / schema).read_text(encoding="utf-8"))
    for step in path:
        node = node[step]
    return list(node["enum"])


def every_code_of_a_transcript() -> dict[str, Any]:
    data = records.transcript(4)
    row = ("transcript-1.schema.json", "$defs", "grade", "properties")
    (log,) = data["corrections"]
    columns = _codes("transcript-1.schema.json", "$defs", "correction", "properties", "column")
    of_conduct: dict[str, Any] = {"subject": None, "old": "GOOD", "new": "SATISFACTORY"}
    of_absences: dict[str, Any] = {"subject": None, "semester": None, "old": None, "new": 12}
    changes = {
        "CONDUCT": of_conduct,
        "CONDUCT_AFTER_SUMMER": {**of_conduct, "semester": None},
        "ABSENCES_EXCUSED": of_absences,
        "ABSENCES_UNEXCUSED": of_absences,
    }
    data["corrections"] = [log | {"column": c, "subject": "TOAN", "old": None, **changes.get(c, {})} for c in columns]
    data["grades"][3]["corrections_count"] = len(columns)
    awards, promotions = _codes(*row, "award"), _codes(*row, "promotion")
    levels = _codes("transcript-1.schema.json", "$defs", "level")
    for number, promotion in enumerate(promotions[:4]):
        grade = data["grades"][number]
        grade |= {"promotion": promotion, "award": awards[number % len(awards)]}
        grade["learning"] |= {"semester_1": levels[number], "year": levels[4]}
    data["grades"][0]["subjects"][0]["teachers"] *= 3
    return data


def every_code_of_a_register() -> dict[str, Any]:
    data = records.student_register(12)
    row = ("student-register-1.schema.json", "$defs")
    results = _codes(*row, "class", "properties", "result")
    data["rows"][0]["classes"] = [
        {"school_year": f"{2012 + n}-{2013 + n}", "class": "6A", "result": code} for n, code in enumerate(results)
    ]
    kinds = _codes(*row, "movement", "properties", "kind")
    data["rows"][1]["movements"] = [
        {"date": "2025-01-01", "kind": kind, "detail": "", "document": ""} for kind in kinds
    ]
    reasons = _codes(*row, "row", "properties", "left_reason")
    for student, reason in zip(data["rows"], reasons, strict=False):
        student |= {"left_on": "2026-05-01" if reason else None, "left_reason": reason}
    (log,) = data["corrections"]
    data["corrections"] = [log | {"column": c} for c in _codes(*row, "correction", "properties", "column")]
    data["school"]["level"] = "MULTI_LEVEL"
    return data


def every_code_of_a_teacher_book() -> dict[str, Any]:
    """Also the five regular marks that a subject with a topic cluster has."""
    data = records.teacher_book(2, 8)
    for taught in data["classes"]:
        taught["regular_count"] = {"SEMESTER_1": 5, "SEMESTER_2": 5}
        for part in taught["semesters"]:
            for row in part["rows"]:
                row["regular"].append("10")
    data["classes"][1]["grade_level"] = 10
    data["school"]["level"] = "MULTI_LEVEL"
    data["classes"][0]["semesters"][1]["rows"][2]["reassessed"] = "5.0"
    (log,) = data["corrections"]
    columns = _codes("teacher-book-1.schema.json", "$defs", "correction", "properties", "column")
    data["corrections"] = [
        log | {"column": c, "semester": "SEMESTER_2", "student": 3, "old": "9.5", "new": None} for c in columns
    ]
    return data


MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "teacher book": lambda: records.teacher_book(2),
    "teacher book, semester I, by comments": lambda: records.teacher_book(1, 70, "SEMESTER_1", subject="GDTC"),
    "teacher book with long texts": tricky_teacher_book,
    "transcript": lambda: records.transcript(3),
    "transcript after the summer": lambda: records.transcript(1, "AFTER_SUMMER"),
    "transcript with long texts": long_transcript,
    "register": lambda: records.student_register(21),
    "register with long texts": long_register,
    "teacher book with every code": every_code_of_a_teacher_book,
    "transcript with every code": every_code_of_a_transcript,
    "register with every code": every_code_of_a_register,
}
every_record = pytest.mark.parametrize("name", list(MAKERS))


@cache
def rendered(name: str, kind: Kind) -> Rendition:
    return printing.render(canonical_bytes(MAKERS[name]()), kind)


def texts(name: str, folder: Path, kind: Kind = Kind.SIGNING) -> list[str]:
    return [" ".join(page.lines()) for page in pages_of(rendered(name, kind).pdf, folder)]


@every_record
def test_no_text_leaves_the_page_or_covers_another(name: str, tmp_path: Path) -> None:
    check_layout(pages_of(rendered(name, Kind.SIGNING).pdf, tmp_path))


@every_record
def test_the_file_is_sound_and_carries_its_content(name: str, tmp_path: Path) -> None:
    data = MAKERS[name]()
    rendition = rendered(name, Kind.SIGNING)
    file = tmp_path / "record.pdf"
    file.write_bytes(rendition.pdf)
    checked = subprocess.run(["qpdf", "--check", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with pikepdf.open(file) as document:
        metadata = document.open_metadata()
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "B")
        assert document.attachments["content.json"].get_file().read_bytes() == canonical_bytes(data)
        assert document.Root.AF[0].AFRelationship == "/Source"
        names = [s["field"] for s in data["signatories"]]
        assert [str(f.T) for f in document.Root.AcroForm.Fields] == names
    assert len({f.page for f in rendition.fields}) == 1


@every_record
def test_digest_on_every_page_and_the_mark_on_the_print_copy_only(name: str, tmp_path: Path) -> None:
    digest = sha256(canonical_bytes(MAKERS[name]())).hexdigest()
    short = " ".join(re.findall("....", digest)[:4])
    pages = texts(name, tmp_path)
    for number, page in enumerate(pages, 1):
        assert short in page
        assert f"Trang {number}/{len(pages)}" in page
        assert MARK not in page
    assert " ".join(re.findall("." * 8, digest)) in " ".join(pages[0].split())
    assert all(MARK in page for page in texts(name, tmp_path, Kind.UNSIGNED))


def test_the_same_record_gives_the_same_bytes() -> None:
    for name in ("teacher book", "transcript", "register"):
        again = printing.render(canonical_bytes(MAKERS[name]()), Kind.SIGNING)
        assert again.pdf == rendered(name, Kind.SIGNING).pdf


def _comma(value: str | None) -> str:
    return {"PASS": "Đ", "NOT_PASS": "CĐ", None: ""}.get(value, (value or "").replace(".", ","))


def test_a_teacher_book_shows_every_mark_who_left_and_what_was_corrected(tmp_path: Path) -> None:
    data = MAKERS["teacher book"]()
    pages = texts("teacher book", tmp_path)
    for taught in data["classes"]:
        for part, name in zip(taught["semesters"], ("Học kì I –", "Học kì II –"), strict=True):
            sheet = " ".join(p for p in pages if f"LỚP {taught['name']} – MÔN HỌC: TOÁN" in p and name in p)
            for student, row in zip(taught["students"], part["rows"], strict=True):
                if student["left_on"] or (taught["name"], student["number"]) == ("6A1", 1):
                    continue
                cells = [*row["regular"], row["midterm"], row["final"], row["result"], row["year_result"]]
                shown = " ".join(_comma(cell) for cell in cells if cell is not None)
                assert shown in sheet
            assert "Rời lớp ngày 05/12/2025" in sheet
    (first,) = [p for p in pages if "LỚP 6A1" in p and "Học kì I –" in p]
    row = data["classes"][0]["semesters"][0]["rows"][0]
    assert f"3 {_comma(row['midterm'])}" in first
    (log,) = [p for p in pages if "BẢNG KÊ SỬA CHỮA SAU THỜI HẠN" in p]
    assert data["corrections"][0]["approved_by"]["name"] in log
    assert not any("đóng dấu" in p for p in pages[3:])


def test_a_transcript_shows_each_year_its_source_and_the_summer_apart(tmp_path: Path) -> None:
    data = MAKERS["transcript"]()
    pages = texts("transcript", tmp_path)
    for grade in data["grades"]:
        (results,) = [p for p in pages if f"KẾT QUẢ HỌC TẬP LỚP {grade['grade_level']}" in p]
        for subject in grade["subjects"]:
            shown = " ".join(_comma(subject[key]) for key in ("semester_1", "semester_2", "year"))
            assert shown in results
            assert subject["teachers"][0]["name"] in results
        assert grade["source"]["class_book"] in results
    assert "Trường THCS Lê Lợi" in next(p for p in pages if "KẾT QUẢ HỌC TẬP LỚP 6" in p)
    assert "sửa chữa ở 1 chỗ, thuộc các môn: Toán" in " ".join(pages)
    after = texts("transcript after the summer", tmp_path)
    assert any("4,2 5,6" in page for page in after)
    assert any("Chưa đạt Đạt" in page for page in after)


def test_a_transcript_shows_certificates_and_competitions_of_every_year(tmp_path: Path) -> None:
    data = MAKERS["transcript with long texts"]()
    pages = texts("transcript with long texts", tmp_path)
    for grade in data["grades"]:
        (page,) = [p for p in pages if f"ĐÁNH GIÁ CẢ NĂM LỚP {grade['grade_level']}" in p]
        for title, name in (("– Chứng chỉ:", "certificates"), ("– Kết quả tham gia các cuộc thi:", "competition")):
            assert len(grade[name]) == 300
            assert f"{title} {grade[name].strip()}" in page
    plain = texts("transcript", tmp_path)
    assert "– Kết quả tham gia các cuộc thi: Giải Ba cấp trường môn Toán" in " ".join(plain)
    assert "– Chứng chỉ: Không" in " ".join(plain)


def test_a_register_shows_number_family_and_movements_of_everyone(tmp_path: Path) -> None:
    data = MAKERS["register"]()
    pages = [pages_of(rendered("register", Kind.SIGNING).pdf, tmp_path)[i] for i in range(2, 8)]
    words = " ".join(w.text for page in pages for w in page.words)
    for row in data["rows"]:
        begin = f"{row['register_number']} {row['name']}"
        assert sum(line.startswith(begin) for page in pages for line in page.lines()) == 3
        assert row["national_id"] in words
        assert row["mother"]["phone"] in words
    assert "Chuyển đi: Trường THCS Lê Lợi" in words
    assert all(page.width > page.height for page in pages)


def test_a_register_of_a_large_school_is_rendered() -> None:
    rendition = printing.render(canonical_bytes(records.student_register(300)), Kind.SIGNING)
    assert rendition.pages == 3 * 15 + 4


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("teacher book", lambda d: d["classes"][1]["students"][3].update(name="王"), "classes[1].students[3].name"),
        ("transcript", lambda d: d["grades"][0].update(homeroom_remark="☃"), "grades[0].homeroom_remark"),
        ("register", lambda d: d["rows"][17].update(address="☃"), "rows[17].address"),
    ],
)
def test_content_that_cannot_be_printed_names_its_row(name: str, change: Callable[[Any], None], field: str) -> None:
    data = MAKERS[name]()
    change(data)
    with pytest.raises(Invalid) as refused:
        printing.render(canonical_bytes(data), Kind.UNSIGNED)
    assert [(v.field, v.rule) for v in refused.value.violations] == [(field, "NO_GLYPH")]
