"""Workbooks of score sheets, one worksheet per sheet: marks open for typing, the rest protected."""

import textwrap
from collections.abc import Iterable
from copy import deepcopy
from datetime import date

from hoso.gradebook.v1 import common_pb2, marks_pb2
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Border, Font, NamedStyle, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from cli.sheets import layout
from cli.sheets.layout import SEMESTERS, Column
from services.gradebook.model.remark_rules import MAX_REMARK

_TOP = 7
"""The first of the table's two heading rows."""
_FIRST_MARK = 5
_REMARK_WIDTH, _GUIDE_WIDTH = 50, 110
"""Widths of columns in characters."""
_LINE_PT = 15.0
_LINE = Side(style="thin", color="808080")
_BOX = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_HEAD_FILL = PatternFill("solid", fgColor="DDE7F0")
_OPEN_FILL = PatternFill("solid", fgColor="FFFDE7")
_CENTRE = Alignment(horizontal="center", vertical="center", wrap_text=True)
_CENTRED = Alignment(horizontal="center", vertical="center")
_MIDDLE = Alignment(vertical="center")
_WRAPPED = Alignment(vertical="center", wrap_text=True)
# Named, because building a style for each cell would take most of the time.
_STYLES = (
    NamedStyle("hoso-head", font=Font(bold=True), fill=_HEAD_FILL, border=_BOX, alignment=_CENTRE),
    NamedStyle("hoso-text", border=_BOX, alignment=_MIDDLE, number_format="@"),
    NamedStyle("hoso-date", border=_BOX, alignment=_MIDDLE, number_format="dd/mm/yyyy"),
    NamedStyle("hoso-result", border=_BOX, alignment=_CENTRED, number_format="0.0"),
    NamedStyle(
        "hoso-mark",
        border=_BOX,
        fill=_OPEN_FILL,
        alignment=_CENTRED,
        number_format="0.0",
        protection=Protection(locked=False),
    ),
    NamedStyle(
        "hoso-remark",
        border=_BOX,
        fill=_OPEN_FILL,
        alignment=_WRAPPED,
        number_format="@",
        protection=Protection(locked=False),
    ),
)
_SCORE_RULE = 'OR({c}="-",AND(ISNUMBER({c}),{c}>=0,{c}<=10,ABS({c}*10-ROUND({c}*10,0))<0.00001))'
_GUIDE = (
    "BẢNG ĐIỂM MÔN HỌC: CÁCH GHI",
    "Mỗi sheet là bảng điểm của một lớp, một môn học, một học kì. Không đổi phần đầu sheet và cột Mã học sinh.",
    "Ô nền vàng nhạt là ô được ghi. Các ô khác đã khóa (không có mật khẩu).",
    "Môn đánh giá bằng nhận xét kết hợp điểm số: ghi từ 0 đến 10, một chữ số thập phân, ví dụ 8; 7,5; 10.",
    "Môn đánh giá bằng nhận xét: ghi Đ (đạt) hoặc CĐ (chưa đạt).",
    "Ô để trống: giữ nguyên điểm đang có trên hệ thống. Muốn rút một điểm: ghi dấu - (gạch nối).",
    "Không ghi công thức và không trộn ô trong cột điểm. Kết quả học kì tự tính để đối chiếu, không được nhập.",
    "Nhận xét: sự tiến bộ, ưu điểm nổi bật, hạn chế chủ yếu trong học kì; không bắt buộc, không quá"
    f" {MAX_REMARK} ký tự. Ô để trống: giữ nguyên nhận xét đang có. Muốn bỏ nhận xét: ghi dấu - (gạch nối).",
    "Cột Ghi chú chỉ để xem, không được nhập.",
    "Học sinh được miễn phần thực hành vẫn phải có đủ số lần đánh giá bằng nội dung lí thuyết thay thế (Điều 10).",
    "Kiểm tra tệp: hoso import <tệp> --check. Nhập: hoso import <tệp>. Chỉ các ô đã sửa được gửi đi.",
)


def workbook(sheets: Iterable[marks_pb2.ExportMarksResponse]) -> Workbook:
    """A workbook with a sheet of instructions and one worksheet per score sheet."""
    made = Workbook()
    for style in _STYLES:
        made.add_named_style(deepcopy(style))  # a style is bound to the workbook that it is added to
    guide = made.worksheets[0]
    guide.title = layout.INSTRUCTIONS
    _write_guide(guide)
    for exported in sheets:
        _write_sheet(made.create_sheet(_free_title(made, exported)), exported)
    return made


def columns(exported: marks_pb2.ExportMarksResponse) -> list[Column]:
    """The columns of marks of a sheet, in order."""
    listed = [Column(layout.REGULAR, position) for position in range(1, exported.regular_count + 1)]
    listed += [Column(layout.MIDTERM), Column(layout.FINAL)]
    if exported.semester == common_pb2.SEMESTER_SECOND:
        listed.append(Column(layout.REASSESSMENT))
    return listed


def _free_title(made: Workbook, exported: marks_pb2.ExportMarksResponse) -> str:
    title = layout.title(exported.school_class.name, exported.subject_name, exported.semester)
    if title in made.sheetnames:
        title = layout.title(exported.school_class.name, exported.subject, exported.semester)
    return title


def _write_guide(sheet: Worksheet) -> None:
    sheet.column_dimensions["A"].width = _GUIDE_WIDTH
    for number, line in enumerate(_GUIDE, 1):
        cell = sheet.cell(number, 1, line)
        cell.font = Font(bold=number == 1, size=14 if number == 1 else 11)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        _fit_height(sheet, number, line, _GUIDE_WIDTH)
    _fit_page(sheet)


def _write_sheet(sheet: Worksheet, exported: marks_pb2.ExportMarksResponse) -> None:
    marks = columns(exported)
    result = _FIRST_MARK + len(marks)
    remark, note = result + 1, result + 2
    _write_head(sheet, exported, note)
    _write_heads(sheet, exported, marks, result)
    first = _TOP + 2
    for offset, row in enumerate(exported.rows):
        _write_row(sheet, first + offset, exported, row, marks)
    last = first + max(len(exported.rows), 1) - 1
    _validate(sheet, exported, f"{_letter(_FIRST_MARK)}{first}:{_letter(result - 1)}{last}")
    _limit(sheet, f"{_letter(remark)}{first}:{_letter(remark)}{last}")
    sheet.freeze_panes = f"{_letter(_FIRST_MARK)}{first}"
    sheet.protection.sheet = True
    # Not locked, so that a row can be made higher for a long remark.
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    _fit_page(sheet)
    sheet.print_title_rows = f"{_TOP}:{_TOP + 1}"
    for index, width in enumerate((6, 17, 27, 12, *[8] * len(marks), 10, _REMARK_WIDTH, 20), 1):
        sheet.column_dimensions[_letter(index)].width = width


def _write_head(sheet: Worksheet, exported: marks_pb2.ExportMarksResponse, width: int) -> None:
    ref = exported.school_class
    title = _text(sheet, 1, 1, "BẢNG ĐIỂM MÔN HỌC")
    title.font, title.alignment = Font(bold=True, size=14), _CENTRE
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=width)
    pairs = (
        (2, "Trường:", exported.school_name, "Mã trường:", ref.school),
        (3, "Lớp:", ref.name, "Năm học:", ref.school_year),
        (4, "Môn học:", exported.subject_name, "Học kì:", SEMESTERS[exported.semester]),
        (5, "Mã môn học:", exported.subject, "", ""),
    )
    for row, *texts in pairs:
        for column, text in zip((1, 3, 6, 8), texts, strict=True):
            if text:
                _text(sheet, row, column, text).font = Font(bold=column in {3, 8})


def _write_heads(sheet: Worksheet, exported: marks_pb2.ExportMarksResponse, marks: list[Column], result: int) -> None:
    single = {1: "Số TT", 2: "Mã học sinh", 3: "Họ và tên", 4: "Ngày sinh"}
    for index, column in enumerate(marks, _FIRST_MARK):
        if column.kind == layout.REGULAR:
            sheet.cell(_TOP + 1, index, column.position)
        else:
            single[index] = column.title
    comment_only = exported.subject_kind == common_pb2.SUBJECT_KIND_COMMENT_ONLY
    single[result] = "Học kì" if comment_only else "ĐTBmhk"
    single[result + 1], single[result + 2] = "Nhận xét", "Ghi chú"
    for index, text in single.items():
        _text(sheet, _TOP, index, text)
        sheet.merge_cells(start_row=_TOP, start_column=index, end_row=_TOP + 1, end_column=index)
    _text(sheet, _TOP, _FIRST_MARK, "ĐĐGtx")
    if exported.regular_count > 1:
        end = _FIRST_MARK + exported.regular_count - 1
        sheet.merge_cells(start_row=_TOP, start_column=_FIRST_MARK, end_row=_TOP, end_column=end)
    for row in (_TOP, _TOP + 1):
        for index in range(1, result + 3):
            sheet.cell(row, index).style = "hoso-head"


def _write_row(
    sheet: Worksheet,
    number: int,
    exported: marks_pb2.ExportMarksResponse,
    row: marks_pb2.ExportedRow,
    marks: list[Column],
) -> None:
    sheet.cell(number, 1, row.number).style = "hoso-text"
    _text(sheet, number, 2, row.marks.student).style = "hoso-text"
    _text(sheet, number, 3, row.name).style = "hoso-text"
    sheet.cell(number, 4, date.fromisoformat(row.birth_date)).style = "hoso-date"
    texts = [*row.marks.regular, row.marks.midterm, row.marks.final, row.marks.reassessed][: len(marks)]
    for index, text in enumerate(texts, _FIRST_MARK):
        cell = sheet.cell(number, index)
        if text[:1].isdigit():
            cell.value = float(text)
        elif text:
            _text(sheet, number, index, text)
        cell.style = "hoso-result" if row.left else "hoso-mark"
    result = _FIRST_MARK + len(marks)
    sheet.cell(number, result, _formula(exported, number)).style = "hoso-result"
    if row.remark:
        _text(sheet, number, result + 1, row.remark)
        _fit_height(sheet, number, row.remark, _REMARK_WIDTH)
    sheet.cell(number, result + 1).style = "hoso-remark"
    notes = [(row.left, layout.LEFT), (row.marks.practical_exemption, layout.EXEMPT)]
    sheet.cell(number, result + 2, "; ".join(text for holds, text in notes if holds) or None).style = "hoso-text"


def _formula(exported: marks_pb2.ExportMarksResponse, row: int) -> str:
    """The semester's result by TT 22/2021 Điều 9, empty until every required mark is there."""
    regular = f"{_letter(_FIRST_MARK)}{row}:{_letter(_FIRST_MARK + exported.regular_count - 1)}{row}"
    midterm, final = (f"{_letter(_FIRST_MARK + exported.regular_count + i)}{row}" for i in (0, 1))
    needed = exported.regular_count + 2
    every = f"{_letter(_FIRST_MARK)}{row}:{final}"
    if exported.subject_kind == common_pb2.SUBJECT_KIND_COMMENT_ONLY:
        passed, failed = f'COUNTIF({every},"Đ")', f'COUNTIF({every},"CĐ")'
        return f'=IF({passed}+{failed}<{needed},"",IF({failed}=0,"Đ","CĐ"))'
    # Tenths are whole numbers before the division, so that Excel rounds halves like the rules.
    total = f"ROUND(10*(SUM({regular})+2*{midterm}+3*{final}),0)"
    return f'=IF(COUNT({every})<{needed},"",ROUND({total}/{exported.regular_count + 5},0)/10)'


def _validate(sheet: Worksheet, exported: marks_pb2.ExportMarksResponse, cells: str) -> None:
    if exported.subject_kind == common_pb2.SUBJECT_KIND_COMMENT_ONLY:
        rule = DataValidation(type="list", formula1='"Đ,CĐ,-"', allow_blank=True)
        rule.error = "Chỉ ghi Đ, CĐ, hoặc dấu - để rút kết quả."
    else:
        first, _, _ = cells.partition(":")
        rule = DataValidation(type="custom", formula1=_SCORE_RULE.format(c=first), allow_blank=True)
        rule.error = "Điểm từ 0 đến 10, một chữ số thập phân; dấu - để rút điểm."
    rule.errorTitle = "Không phải điểm"
    rule.showErrorMessage = True
    sheet.add_data_validation(rule)
    rule.add(cells)


def _limit(sheet: Worksheet, cells: str) -> None:
    """Refuse a remark that is too long while it is typed."""
    rule = DataValidation(type="textLength", operator="lessThanOrEqual", formula1=str(MAX_REMARK), allow_blank=True)
    rule.errorTitle, rule.error = "Nhận xét quá dài", f"Nhận xét không được quá {MAX_REMARK} ký tự."
    rule.showErrorMessage = True
    sheet.add_data_validation(rule)
    rule.add(cells)


def _fit_page(sheet: Worksheet) -> None:
    """Print on A4, as wide as one page."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _fit_height(sheet: Worksheet, row: int, text: str, width: int) -> None:
    """Give a row the height of its text of several lines; not every program does so by itself.

    A row of one line gets no fixed height, so that it can grow while someone types.
    """
    lines = len(textwrap.wrap(text, width))
    if lines > 1:
        sheet.row_dimensions[row].height = lines * _LINE_PT


def _text(sheet: Worksheet, row: int, column: int, text: str) -> Cell:
    """Put a text into a cell as text, so that a leading «=» makes no formula."""
    cell = sheet.cell(row, column)
    assert isinstance(cell, Cell)
    cell.value = text
    cell.data_type = "s"
    return cell


def _letter(index: int) -> str:
    return get_column_letter(index)
