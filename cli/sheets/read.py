"""Reading the score sheets of a workbook in the forms that people use: heads, columns, students,
cells.

Nothing is checked against the gradebook here. What a cell may never hold (a formula, an error, part
of a merged range) is reported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet.cell_range import CellRange
from openpyxl.worksheet.worksheet import Worksheet

from cli.sheets import head as heads
from cli.sheets import layout
from cli.sheets.findings import Findings
from cli.sheets.head import Head
from cli.sheets.layout import Column
from cli.sheets.values import BadCell, birth_date, identifier

MAX_ROWS, MAX_COLUMNS = 1000, 60
_HEAD_ROWS = 40
_Cell = Cell | MergedCell


@dataclass(slots=True)
class Row:
    """A student's row. cells: column → address and raw value; average and remark likewise."""

    number: int
    code: str
    code_cell: str
    name: str
    name_cell: str
    birth: str
    birth_cell: str
    cells: dict[Column, tuple[str, object]] = field(default_factory=dict)
    average: tuple[str, object] | None = None
    remark: tuple[str, object] | None = None


@dataclass(slots=True)
class BookSheet:
    """One worksheet that holds a score sheet. columns: column of marks → letter."""

    title: str
    head: Head
    columns: dict[Column, str]
    rows: list[Row]
    findings: Findings


def read(workbook: Workbook, computed: Callable[[], Workbook]) -> tuple[list[BookSheet], Findings]:
    """The score sheets of a workbook, and the findings about the whole file.

    computed: loads the workbook with the values that Excel last computed; called only when an
    average is a formula.
    """
    whole = Findings()
    sheets: list[BookSheet] = []
    for sheet in workbook.worksheets:
        if layout.plain(sheet.title) == layout.plain(layout.INSTRUCTIONS):
            continue
        book_sheet = _read_sheet(sheet, computed)
        if book_sheet is None:
            whole.note("", "NOT_A_SHEET", f"bỏ qua sheet «{sheet.title}» vì không có cột «Mã học sinh».")
        else:
            sheets.append(book_sheet)
    if not sheets:
        whole.error("", "NO_SHEETS", "không tìm thấy bảng điểm nào (không sheet nào có cột «Mã học sinh»).")
    return sheets, whole


def _read_sheet(sheet: Worksheet, computed: Callable[[], Workbook]) -> BookSheet | None:
    grid = [
        list(row)
        for row in sheet.iter_rows(max_row=min(sheet.max_row, MAX_ROWS), max_col=min(sheet.max_column, MAX_COLUMNS))
    ]
    first = _head_row(grid)
    if first is None:
        return None
    findings = Findings(sheet.title)
    spread = _spread(sheet)
    columns, last = _columns(grid, first, spread)
    above = [[text for text in map(_text, row) if text] for row in grid[:first]]
    book_sheet = BookSheet(sheet.title, heads.read(above, sheet.title), {}, [], findings)
    if sheet.max_row > MAX_ROWS:
        findings.warn("", "TOO_LONG", f"chỉ đọc {MAX_ROWS} dòng đầu của sheet.")
    keys = _unique(columns, grid, last, book_sheet)
    merged = _merged(sheet, last)
    for row in grid[last + 1 :]:
        _read_row(book_sheet, keys, row, merged)
    _averages(book_sheet, computed)
    return book_sheet


def _head_row(grid: list[list[_Cell]]) -> int | None:
    for index, row in enumerate(grid[:_HEAD_ROWS]):
        if any(layout.recognise(_text(cell)) == layout.CODE for cell in row):
            return index
    return None


def _spread(sheet: Worksheet) -> dict[tuple[int, int], str]:
    """(row, column), both from 1 → text of the merged range over it, for heads that span cells."""
    texts: dict[tuple[int, int], str] = {}
    for area in sheet.merged_cells.ranges:
        if area.min_row > _HEAD_ROWS + 1 or area.max_col > MAX_COLUMNS or area.max_row > area.min_row + 5:
            continue
        text = _text(sheet.cell(area.min_row, area.min_col))
        for row in range(area.min_row, area.max_row + 1):
            for column in range(area.min_col, area.max_col + 1):
                texts[row, column] = text
    return texts


def _columns(
    grid: list[list[_Cell]], first: int, spread: Mapping[tuple[int, int], str]
) -> tuple[dict[int, str | Column], int]:
    """Column index → its content, and the last row of the table's head (of one or two rows)."""

    def head(row: int, column: int) -> str:
        if not 0 <= row < len(grid) or column >= len(grid[row]):
            return ""
        return _text(grid[row][column]) or spread.get((row + 1, column + 1), "")

    keys: dict[int, str | Column] = {}
    last = first
    code = next(i for i, cell in enumerate(grid[first]) if layout.recognise(_text(cell)) == layout.CODE)
    # Under «Mã học sinh» a second heading row is empty; a student's row has the id there.
    rows = (first - 1, first, first + 1 if first + 1 < len(grid) and not _text(grid[first + 1][code]) else -1)
    group = above_group = False
    for column in range(len(grid[first])):
        above, top, below = (head(row, column) for row in rows)
        key = layout.recognise(top)
        group = key == layout.REGULAR_GROUP or (group and not top)
        above_group = layout.recognise(above) == layout.REGULAR_GROUP or (above_group and not above)
        if group and _position(below) is not None:
            keys[column], last = Column(layout.REGULAR, _position(below) or 1), first + 1
        elif above_group and _position(top) is not None:
            keys[column] = Column(layout.REGULAR, _position(top) or 1)
        elif key == layout.REGULAR_GROUP:
            keys[column] = Column(layout.REGULAR, 1)
        elif key == layout.REMARK and _is_group(head, first, rows[2], column):
            continue
        elif key is not None:
            _put(keys, column, key, own=bool(_text(grid[first][column])))
        elif not group and layout.recognise(below) is not None:
            keys[column], last = layout.recognise(below) or "", first + 1
    return keys, last


def _is_group(head: Callable[[int, int], str], row: int, second: int, column: int) -> bool:
    """Whether a head spans several columns that have heads of their own: «Nhận xét» over 1, 2, 3.

    row, second: of the head's first and second row, the second -1 when there is none.
    """
    top, below, right = head(row, column), head(second, column), head(second, column + 1)
    return head(row, column + 1) in {"", top} and {below, right}.isdisjoint({"", top})


def _put(keys: dict[int, str | Column], column: int, key: str | Column, *, own: bool) -> None:
    """Record a column's content. own: the head is the column's own, not one that spans it.

    A head «Họ và tên» over two columns has the family name in the first and the given name in the
    second.
    """
    if own:
        keys[column] = key
    elif key == layout.NAME and keys.get(column - 1) == layout.NAME:
        keys[column - 1], keys[column] = layout.FAMILY, layout.GIVEN


def _position(word: str) -> int | None:
    """The number in a head under «ĐĐGtx»: «1», «Lần 1», «TX1»."""
    word = layout.plain(word)
    key = layout.recognise(word)
    if isinstance(key, Column) and key.kind == layout.REGULAR:
        return key.position
    digits = word.removeprefix("lan").removeprefix("cot")
    return int(digits) if digits.isdigit() and 1 <= int(digits[:3]) <= layout.MAX_REGULAR else None


def _unique(
    columns: Mapping[int, str | Column], grid: list[list[_Cell]], last: int, sheet: BookSheet
) -> dict[int, str | Column]:
    """The columns without duplicates; unknown columns with a head are reported."""
    keys: dict[int, str | Column] = {}
    for index, key in columns.items():
        letter = get_column_letter(index + 1)
        if key in keys.values():
            sheet.findings.error(f"{letter}{last + 1}", "DUPLICATE_COLUMN", "cột này có hai lần trong bảng.")
            continue
        keys[index] = key
        if isinstance(key, Column):
            sheet.columns[key] = letter
    for index, cell in enumerate(grid[last]):
        title = _text(cell)
        if index not in columns and title and not layout.plain(title).isdigit():
            sheet.findings.note(cell.coordinate, "UNKNOWN_COLUMN", f"không đọc cột «{title[:40]}».")
    if not sheet.columns:
        sheet.findings.error("", "NO_MARK_COLUMNS", "không tìm thấy cột điểm nào (ĐĐGtx, ĐĐGgk, ĐĐGck).")
    return keys


def _merged(sheet: Worksheet, last: int) -> dict[str, CellRange]:
    """Address → merged range over it, within the table."""
    areas: dict[str, CellRange] = {}
    for area in sheet.merged_cells.ranges:
        if area.max_row <= last + 1 or area.min_row > MAX_ROWS:
            continue
        for row in range(area.min_row, min(area.max_row, MAX_ROWS) + 1):
            for column in range(area.min_col, min(area.max_col, MAX_COLUMNS) + 1):
                areas[sheet.cell(row, column).coordinate] = area
    return areas


def _read_row(
    sheet: BookSheet, keys: Mapping[int, str | Column], cells: list[_Cell], merged: Mapping[str, CellRange]
) -> None:
    by_key = {key: cells[index] for index, key in keys.items() if index < len(cells)}
    code_cell = by_key[layout.CODE]
    code = ""
    try:
        code = identifier(None if code_cell.coordinate in merged and not code_cell.value else code_cell.value)
    except BadCell as e:
        sheet.findings.error(code_cell.coordinate, e.rule, str(e))
        return
    marks = {key: cell for key, cell in by_key.items() if isinstance(key, Column)}
    name_cell = by_key.get(layout.NAME) or by_key.get(layout.FAMILY) or code_cell
    if not code:
        _without_code(sheet, by_key, marks, code_cell.coordinate)
        return
    row = Row(
        code_cell.row or 0,
        code,
        code_cell.coordinate,
        _name(by_key),
        name_cell.coordinate,
        birth_date(by_key[layout.BIRTH].value) if layout.BIRTH in by_key else "",
        by_key[layout.BIRTH].coordinate if layout.BIRTH in by_key else "",
    )
    for key, cell in marks.items():
        if _usable(sheet.findings, cell, merged.get(cell.coordinate), "MARK", "điểm"):
            row.cells[key] = (cell.coordinate, cell.value)
    average = by_key.get(layout.AVERAGE)
    if average is not None and average.value is not None:
        row.average = (average.coordinate, average.value)
    remark = by_key.get(layout.REMARK)
    if remark is not None:
        area = merged.get(remark.coordinate)
        # A remark may span columns, but not several students.
        if _usable(sheet.findings, remark, area if area and area.size["rows"] > 1 else None, "REMARK", "nhận xét"):
            row.remark = (remark.coordinate, remark.value)
    sheet.rows.append(row)


def _without_code(sheet: BookSheet, by_key: Mapping[Any, _Cell], marks: Mapping[Column, _Cell], where: str) -> None:
    """A row without a student's id: blank, below the list, or of a student whose id is missing."""
    numbered = layout.NUMBER in by_key and layout.plain(_text(by_key[layout.NUMBER])).isdigit()
    valued = any(isinstance(cell.value, int | float) for cell in marks.values())
    if numbered and (valued or _name(by_key)):
        sheet.findings.error(where, "NO_STUDENT_ID", "thiếu mã học sinh.")
    elif valued and not any(cell.data_type == "f" for cell in marks.values()):
        sheet.findings.warn(where, "LINE_IGNORED", "dòng có số nhưng không có mã học sinh nên không đọc.")


def _usable(findings: Findings, cell: _Cell, merged: CellRange | None, kind: str, word: str) -> bool:
    """Whether a cell's value may be used. kind: ends the rule codes; word: used in sentences."""
    if merged:
        message = f"ô {word} bị trộn ({merged.coord}); hãy bỏ trộn ô và ghi {word} từng học sinh."
        findings.error(cell.coordinate, f"MERGED_{kind}", message)
    elif cell.data_type == "f":
        message = f"ô {word} chứa công thức; hãy dán giá trị (Paste Special → Values), vì {word} do giáo viên cho."
        findings.error(cell.coordinate, f"FORMULA_{kind}", message)
    elif cell.data_type == "e":
        findings.error(cell.coordinate, f"ERROR_{kind}", f"ô báo lỗi {cell.value}.")
    else:
        return True
    return False


def _averages(book_sheet: BookSheet, computed: Callable[[], Workbook]) -> None:
    """Replace formulas among the averages by the values that Excel computed, where it did."""
    formulas = [
        row for row in book_sheet.rows if row.average and isinstance(row.average[1], str) and row.average[1][:1] == "="
    ]
    if not formulas:
        return
    sheet = computed()[book_sheet.title]
    for row in formulas:
        assert row.average is not None
        value = sheet[row.average[0]].value
        row.average = None if value in {None, ""} else (row.average[0], value)


def _name(by_key: Mapping[Any, _Cell]) -> str:
    if layout.NAME in by_key:
        return layout.tidy(_text(by_key[layout.NAME]))
    parts = (_text(by_key[key]) for key in (layout.FAMILY, layout.GIVEN) if key in by_key)
    return layout.tidy(" ".join(parts))


def _text(cell: _Cell) -> str:
    value = cell.value
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
