"""Workbooks and gradebook sheets for tests."""

from pathlib import Path
from typing import Any

import openpyxl
from hoso.gradebook.v1 import common_pb2, marks_pb2
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from cli.sheets import files, read, write
from cli.sheets.check import Plan, check
from cli.sheets.findings import Finding
from cli.sheets.read import BookSheet

NAMES = ("Nguyễn Văn An", "H'Nhiêm Êban", "Đỗ Thị Hòa")
MARKS = (["8", "7.5", "8", "9", "7", "8.5"], ["", "", "", "", "", ""], ["6", "6", "", "5.5", "", "4"])


def target(
    marks: tuple[list[str], ...] = MARKS,
    *,
    semester: int = 1,
    comment_only: bool = False,
    exempt: tuple[int, ...] = (),
    name: str = "6A1",
) -> marks_pb2.ExportMarksResponse:
    """A sheet of three students with four regular columns (two for a comment subject) as the
    gradebook holds it.
    """
    count = 2 if comment_only else 4
    return marks_pb2.ExportMarksResponse(
        school_class=common_pb2.ClassRef(school="31000705", school_year="2025-2026", name=name),
        school_name="Trường THCS Lê Quý Đôn",
        grade_level=6,
        subject="GDTC" if comment_only else "TOAN",
        subject_name="Giáo dục thể chất" if comment_only else "Toán",
        subject_kind=common_pb2.SubjectKind.ValueType(1 if comment_only else 2),
        regular_count=count,
        semester=common_pb2.Semester.ValueType(semester),
        teachers=["gv-1"],
        rows=[
            marks_pb2.ExportedRow(
                number=index,
                name=name,
                birth_date=f"2014-03-{index:02d}",
                marks=marks_pb2.MarkSheetRow(
                    student=f"3170500{index}",
                    regular=(row[:count] + [""] * count)[:count],
                    midterm=row[count] if len(row) > count else "",
                    final=row[count + 1] if len(row) > count + 1 else "",
                    practical_exemption=index in exempt,
                ),
            )
            for index, (name, row) in enumerate(zip(NAMES, marks, strict=True), 1)
        ],
    )


def exported(known: marks_pb2.ExportMarksResponse) -> tuple[Workbook, Worksheet]:
    """The workbook of one sheet, and its worksheet."""
    book = write.workbook([known])
    return book, book.worksheets[1]


def through_file(book: Workbook, folder: Path) -> Workbook:
    """The workbook as it comes back from a file."""
    path = folder / "book.xlsx"
    book.save(path)
    return files.load(path)


def sheets(book: Workbook, computed: Workbook | None = None) -> list[BookSheet]:
    """The score sheets of a workbook. computed: with what Excel computed; by default nothing, as in
    a fresh export.
    """
    book_sheets, _ = read.read(book, lambda: computed or _never_computed(book))
    return book_sheets


def _never_computed(book: Workbook) -> Workbook:
    empty = openpyxl.Workbook()
    for title in book.sheetnames:
        empty.create_sheet(title)
    return empty


def checked(book: Workbook, known: marks_pb2.ExportMarksResponse, **elsewhere: str) -> tuple[Plan, list[Finding]]:
    """The only score sheet of a workbook against the gradebook's."""
    (sheet,) = sheets(book)
    plan = check(sheet, known, {code.removeprefix("s"): name for code, name in elsewhere.items()})
    return plan, sheet.findings.items


def table(rows: list[list[Any]], title: str = "6A1 - Toán - HK1") -> tuple[Workbook, Worksheet]:
    """A workbook typed by hand: one worksheet with these cells."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in rows:
        sheet.append(row)
    return book, sheet
