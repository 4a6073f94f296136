"""Workbooks as people keep them, and every fault by its address."""

import datetime as dt
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cli.sheets import files, layout, read
from cli.sheets.check import name_key
from cli.sheets.files import BadFile
from cli.sheets.layout import Column
from tests.unit.sheets.books import checked, exported, sheets, table, target, through_file

TX1, TX2, TX3, TX4 = (Column(layout.REGULAR, position) for position in range(1, 5))
GK, CK = Column(layout.MIDTERM), Column(layout.FINAL)
HEADS = ["STT", "Mã HS", "Họ và tên", "Ngày sinh", "TX1", "TX2", "TX3", "TX4", "GK", "CK", "ĐTBmhk", "Nhận xét"]
ABOVE: list[list[Any]] = [
    ["TRƯỜNG THCS LÊ QUÝ ĐÔN"],
    ["BẢNG ĐIỂM MÔN TOÁN - HỌC KÌ I - NĂM HỌC 2025 - 2026"],
    ["Mã trường: 31000705", None, "Lớp: 6A1   Môn: Toán"],
    [],
]


def line(number: int, *marks: Any, code: Any = None, name: str | None = None) -> list[Any]:
    names = ("Nguyễn Văn An", "H'Nhiêm Êban", "Đỗ Thị Hòa")
    return [
        number,
        code if code is not None else f"3170500{number}",
        name or names[number - 1],
        dt.date(2014, 3, number),
        *marks,
    ]


def faults(book: Any, **elsewhere: str) -> list[tuple[str, str]]:
    return [(f.cell, f.rule) for f in checked(book, target(([""], [""], [""])), **elsewhere)[1]]


def test_a_sheet_typed_by_hand_is_understood() -> None:
    """Ids as numbers, marks as texts, blank lines, a signature below, two spellings of names."""
    book, _ = table(
        [
            *ABOVE,
            HEADS,
            line(1, 8, "7,5", " 8 ", 9, 7, 8.5, 8, code=31705001),
            [],
            line(2, "8", "8", "8", "8", "8", 8, code=31705002.0, name="H'NHIÊM ÊBAN "),
            line(3, 6, 6, 6, 6, 6, 6, name=unicodedata.normalize("NFD", "Đỗ Thị Hoà")),
            [],
            [None, None, "Tổng số: 3 học sinh"],
            [None, None, None, None, None, None, None, "Giáo viên bộ môn"],
        ],
        "Sheet1",
    )
    known = target()
    (sheet,) = sheets(book)
    head = sheet.head
    assert (head.school, head.school_year, head.class_name, head.subject_name, head.semester) == (
        "31000705", "2025-2026", "6A1", "Toán", 1,
    )  # fmt: skip
    assert list(sheet.columns) == [TX1, TX2, TX3, TX4, GK, CK]
    plan, findings = checked(book, known)
    assert findings == []
    assert [(c.cell, c.new) for c in plan.changes if c.student == "31705002"] == [
        (f"{letter}8", "8") for letter in "EFGHIJ"
    ]


HEAD_ROWS: list[list[list[Any]]] = [
    [["TT", "Mã học sinh", "Họ tên", "ĐĐGtx", None, None, "ĐĐGgk", "ĐĐGck"], [None, None, None, 1, 2, 3]],
    [["TT", "Mã HS", "Họ tên", "ĐĐG tx", None, None, "ĐĐG gk", "ĐĐG ck"], [None] * 3 + ["Lần 1", "Lần 2", "Lần 3"]],
    [[None] * 3 + ["Thường xuyên"], ["TT", "Mã học sinh", "Họ tên", "1", "2", "3", "Giữa kì", "Cuối kỳ"]],
    [["TT", "Mã định danh", "Họ tên", "ĐĐGtx 1", "ĐĐGtx2", "TX 3", "Giữa kỳ", "Cuối kì"]],
]  # fmt: skip


@pytest.mark.parametrize("rows", HEAD_ROWS)
@pytest.mark.parametrize("merge", [False, True])
def test_heads_in_one_or_two_rows_merged_or_not(rows: list[list[Any]], merge: bool) -> None:
    book, sheet = table([["Lớp:", "6A1"], *rows, [1, "31705001", "Nguyễn Văn An", 5, 6, 7, 8, 9]])
    if merge and len(rows) == 2:
        top = 2
        sheet.merge_cells(start_row=top, start_column=4, end_row=top, end_column=6)
        if rows[0][1]:
            for column in (1, 2, 3, 7, 8):
                sheet.merge_cells(start_row=top, start_column=column, end_row=top + 1, end_column=column)
    (book_sheet,) = sheets(book)
    assert list(book_sheet.columns) == [TX1, TX2, TX3, GK, CK]
    (row,) = book_sheet.rows
    assert {column: value for column, (_, value) in row.cells.items()} == {TX1: 5, TX2: 6, TX3: 7, GK: 8, CK: 9}


def test_one_regular_column_and_a_first_mark_that_looks_like_a_position() -> None:
    book, _ = table([["TT", "Mã HS", "Họ tên", "TX", "GK", "CK"], [1, "31705001", "A", 8, 7, 6]])
    (book_sheet,) = sheets(book)
    assert [row.code for row in book_sheet.rows] == ["31705001"]
    assert book_sheet.rows[0].cells[TX1][1] == 8


def test_family_and_given_names_in_two_columns() -> None:
    for merge in (False, True):
        book, sheet = table(
            [["TT", "Mã HS", "Họ và tên" if merge else "Họ đệm", None if merge else "Tên", "TX1"],
             [1, "31705001", "Nguyễn Văn", "An", 8]]
        )  # fmt: skip
        if merge:
            sheet.merge_cells("C1:D1")
        assert sheets(book)[0].rows[0].name == "Nguyễn Văn An"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["Lớp: 6A1 - Môn học: Ngữ văn", "Học kỳ: 2"], ("6A1", "Ngữ văn", 2)),
        (["LỚP 6A1", "Môn", "Ngữ văn", "HỌC KỲ II"], ("6A1", "Ngữ văn", 2)),
        (["Tên lớp :", "6A1", "Môn học：Ngữ văn", "HK: I"], ("6A1", "Ngữ văn", 1)),
        ([unicodedata.normalize("NFD", "Lớp: 6A1; Môn: Ngữ văn; Học kì: I")], ("6A1", "Ngữ văn", 1)),
    ],
)
def test_heads_above_the_table(cells: list[str], expected: tuple[str, str, int]) -> None:
    book, _ = table([cells, ["TT", "Mã HS", "Họ tên", "TX1"]], "Sheet1")
    head = sheets(book)[0].head
    assert (head.class_name, head.subject_name, head.semester) == expected


def test_the_title_says_what_the_head_does_not() -> None:
    book, _ = table([["TT", "Mã HS", "Họ tên", "TX1"]], "6A1 - Ngữ văn - HK2")
    head = sheets(book)[0].head
    assert (head.class_name, head.subject_name, head.semester) == ("6A1", "Ngữ văn", 2)


def test_every_bad_mark_is_named_by_its_address() -> None:
    book, _ = table([*ABOVE, HEADS, line(1, 8.25, "8,25", "NaN", 11, dt.date(2026, 5, 7), "abc"), line(2), line(3, -1)])
    _, findings = checked(book, target(([""], [""], [""])))
    assert [(f.cell, f.rule) for f in findings] == [
        ("E6", "MARK_PRECISION"),
        ("F6", "MARK_PRECISION"),
        ("G6", "MARK_FORMAT"),
        ("H6", "MARK_OUT_OF_RANGE"),
        ("I6", "MARK_IS_DATE"),
        ("J6", "MARK_FORMAT"),
        ("E8", "MARK_OUT_OF_RANGE"),
    ]
    assert str(findings[0]) == ("Ô E6, sheet «6A1 - Toán - HK1»: điểm 8,25 phải làm tròn đến một chữ số thập phân.")


def test_the_students_of_the_rows_are_checked() -> None:
    book, _ = table(
        [
            *ABOVE,
            HEADS,
            line(1, name="Nguyễn Văn Anh"),
            line(1, 8),
            line(2, 8, code="99999"),
            line(3, 8, code="31700000"),
            [4, None, "Lê Thị Không Mã", None, 8],
        ]
    )
    assert faults(book, s31700000="6A2") == [
        ("B10", "NO_STUDENT_ID"),
        ("C6", "NAME_DIFFERS"),
        ("B7", "DUPLICATE_STUDENT"),
        ("B8", "STUDENT_UNKNOWN"),
        ("B9", "WRONG_CLASS"),
        ("", "STUDENTS_MISSING"),
    ]
    leading_zeros = target()
    for row in leading_zeros.rows:
        row.marks.student = "00" + row.marks.student
    typed, _ = table([*ABOVE, HEADS, line(1, 10, code=31705001), line(2), line(3)])
    plan, _ = checked(typed, leading_zeros)
    assert [change.student for change in plan.changes] == ["0031705001"]


def test_formulas_errors_and_merged_cells_hold_no_mark(tmp_path: Path) -> None:
    book, sheet = table([*ABOVE, HEADS, line(1, "=5+3", "#N/A", 8), line(2), line(3)])
    sheet["F6"].data_type = "e"
    sheet.merge_cells("G6:G7")
    assert faults(through_file(book, tmp_path)) == [
        ("E6", "FORMULA_MARK"),
        ("F6", "ERROR_MARK"),
        ("G6", "MERGED_MARK"),
        ("G7", "MERGED_MARK"),
    ]


def test_an_average_is_compared_and_never_imported(tmp_path: Path) -> None:
    marks = [8, 7, 8, 9, 7, 9]  # (32 + 14 + 27) / 9 = 8.11
    book, _ = table([*ABOVE, HEADS, line(1, *marks, 8.2), line(2, *marks, 8.111), line(3, *marks, "8,1")])
    _, findings = checked(book, target())
    assert [(f.cell, f.rule, f.severity.value) for f in findings] == [("K6", "AVERAGE_DIFFERS", "WARNING")]
    assert "ghi 8,2, theo Điều 9 Thông tư 22/2021 là 8,1" in findings[0].message
    formula, sheet = table([*ABOVE, HEADS, line(1, *marks, "=AVERAGE(E6:J6)"), line(2), line(3)])
    computed, values = table([*ABOVE, HEADS, line(1, *marks, 8.0), line(2), line(3)])
    (book_sheet,) = sheets(formula, computed)
    assert book_sheet.rows[0].average == ("K6", 8.0)
    assert sheet["K6"].data_type == "f"
    assert values["K6"].value == 8.0


def test_columns_that_the_subject_does_not_have() -> None:
    heads = [*HEADS[:8], "TX5", "Ghi lạ", *HEADS[8:]]
    empty, _ = table([*ABOVE, heads, line(1, 8), line(2), line(3)])
    assert faults(empty) == [("J5", "UNKNOWN_COLUMN")]
    used, _ = table([*ABOVE, heads, line(1, 8, None, None, None, 9), line(2), line(3)])
    assert faults(used) == [("J5", "UNKNOWN_COLUMN"), ("I6", "COLUMN_NOT_ALLOWED")]
    twice, _ = table([*ABOVE, [*HEADS[:5], "TX1"], line(1, 8, 9), line(2), line(3)])
    assert faults(twice)[0] == ("F5", "DUPLICATE_COLUMN")


def test_a_workbook_without_score_sheets_says_so() -> None:
    book, _ = table([["Kế hoạch", "năm học"]], "Kế hoạch")
    book_sheets, whole = read.read(book, lambda: book)
    assert book_sheets == []
    assert [f.rule for f in whole.items] == ["NOT_A_SHEET", "NO_SHEETS"]
    none, _ = table([["TT", "Mã HS", "Họ tên"]])
    assert [f.rule for f in sheets(none)[0].findings.items] == ["NO_MARK_COLUMNS"]


def test_names_are_compared_as_people_read_them() -> None:
    assert name_key("Hoà Thuý") == name_key("HÒA  Thúy") == name_key(unicodedata.normalize("NFD", "Hòa Thúy"))
    for name, other in (("Hòa", "Hóa"), ("Lan", "Lân"), ("An Bình", "Bình An"), ("Dũng", "Đũng")):
        assert name_key(name) != name_key(other)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (50 * 1024 * 1024))


def entities(path: Path) -> None:
    book, _ = exported(target())
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["xl/worksheets/sheet2.xml"].decode()
    text = text.replace("<worksheet", '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet', 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, text if name == "xl/worksheets/sheet2.xml" else data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (bomb, "lớn bất thường"),
        (entities, "hỏng"),
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600)), ".xls kiểu cũ"),
        (lambda path: path.write_text("Mã HS;Họ tên"), "Không phải tệp Excel"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "Không phải tệp Excel"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "hỏng"),
        (lambda path: path.write_bytes(bytes(files.MAX_FILE_BYTES + 1)), "lớn hơn"),
        (lambda path: None, "Không đọc được"),
    ],
)
def test_files_that_are_refused_before_they_do_harm(tmp_path: Path, make: Any, words: str) -> None:
    path = tmp_path / "x.xlsx"
    make(path)
    with pytest.raises(BadFile, match=words):
        files.load(path)


def test_a_worksheet_that_claims_a_million_rows_is_read_in_part(tmp_path: Path) -> None:
    book, sheet = table([*ABOVE, HEADS, line(1, 8), line(2), line(3)])
    sheet.cell(1_000_000, 300).number_format = "0.0"
    (book_sheet,) = sheets(through_file(book, tmp_path))
    assert len(book_sheet.rows) == 3
    assert [f.rule for f in book_sheet.findings.items] == ["TOO_LONG"]
