"""The column «Nhận xét»: what an export writes there, what an import takes from it, and what it
refuses by its cell.
"""

import datetime as dt
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hoso.gradebook.v1 import marks_pb2

from cli.sheets import layout
from cli.sheets.check import Plan
from tests.unit.sheets.books import checked, exported, table, target, through_file

NO_MARKS = ([""], [""], [""])
SAID = ("Tích cực phát biểu.", "", "- Chăm học. = Tiến bộ.")
HEADS = ["STT", "Mã HS", "Họ và tên", "TX1", "Nhận xét sự tiến bộ, ưu điểm nổi bật, hạn chế chủ yếu", "Ghi chú"]


def remarked(*texts: str) -> marks_pb2.ExportMarksResponse:
    """The gradebook's sheet with these remarks standing."""
    known = target(NO_MARKS)
    for row, text in zip(known.rows, texts, strict=True):
        row.remark = text
    return known


def changes(plan: Plan) -> list[tuple[str, str, str]]:
    return [(change.cell, change.old, change.new) for change in plan.remarks]


def typed(*cells: Any) -> Any:
    """A sheet typed by hand with these remarks."""
    rows = [[n, f"3170500{n}", None, None, value, "xem lại"] for n, value in enumerate(cells, 1)]
    return table([["Lớp: 6A1 Môn: Toán"], HEADS, *rows])[0]


def test_remarks_are_exported_and_read_back_without_a_change(tmp_path: Path) -> None:
    known = remarked(*SAID)
    book, sheet = exported(known)
    assert (sheet["L7"].value, sheet["M7"].value) == ("Nhận xét", "Ghi chú")
    back = through_file(book, tmp_path)
    assert [back.worksheets[1][f"L{row}"].value for row in (9, 10, 11)] == [SAID[0], None, SAID[2]]
    plan, findings = checked(back, known)
    assert (plan.changes, plan.remarks, findings) == ([], [], [])


def test_only_edited_remarks_are_sent_with_the_cells_they_came_from(tmp_path: Path) -> None:
    known = remarked(*SAID)
    book, sheet = exported(known)
    sheet["L9"], sheet["L10"], sheet["L11"] = "-", unicodedata.normalize("NFD", " Đọc tốt,\nviết  đẹp. "), None
    plan, findings = checked(through_file(book, tmp_path), known)
    assert changes(plan) == [("L9", SAID[0], ""), ("L10", "", "Đọc tốt, viết đẹp.")]
    assert [(f.cell, f.rule, f.severity.value) for f in findings] == [("L11", "REMARK_KEPT", "NOTE")]
    request, cells = plan.request("id", "")
    assert [(row.student, row.text) for row in request.remarks] == [
        ("31705001", ""),
        ("31705002", "Đọc tốt, viết đẹp."),
    ]
    assert (list(request.sheet.columns), list(request.sheet.rows)) == ([], [])
    assert cells == ([], ["L9", "L10"])


def test_a_dash_where_nothing_stands_and_a_remark_that_is_a_dash_change_nothing() -> None:
    plan, findings = checked(typed("-", "–", "-"), remarked("", "", "-"))
    assert (plan.remarks, findings) == ([], [])


@pytest.mark.parametrize("note", [layout.EXEMPT, layout.LEFT, unicodedata.normalize("NFD", f" {layout.LEFT} ")])
def test_notes_of_older_workbooks_are_no_remarks(note: str) -> None:
    """Older workbooks have notes in «Nhận xét», before there was «Ghi chú»; the gradebook's remarks
    stay.
    """
    plan, findings = checked(typed(note, note, f"{note}."), remarked("", "Khá.", ""))
    assert [new for _, _, new in changes(plan)] == [layout.tidy(f"{note}.")]
    assert findings == []


def test_notes_have_a_column_of_their_own(tmp_path: Path) -> None:
    known = remarked(*SAID)
    known.rows[0].left = known.rows[0].marks.practical_exemption = known.rows[1].marks.practical_exemption = True
    book, sheet = exported(known)
    assert [sheet[f"M{row}"].value for row in (9, 10, 11)] == ["Đã rời lớp; Miễn phần thực hành", layout.EXEMPT, None]
    assert sheet["L9"].value == SAID[0]
    sheet["L9"] = "Đã tiến bộ trước khi chuyển trường."
    plan, findings = checked(through_file(book, tmp_path), known)
    assert [(cell, new) for cell, _, new in changes(plan)] == [("L9", "Đã tiến bộ trước khi chuyển trường.")]
    assert findings == []


def test_long_remarks_are_seen_whole_on_the_screen_and_on_paper(tmp_path: Path) -> None:
    """LibreOffice gives a row of wrapped text no height of its own, and a portrait page made the
    table illegible.
    """
    book, _ = exported(remarked("Cần cẩn thận hơn. " * 20, "", "Khá."))
    guide, sheet = through_file(book, tmp_path).worksheets
    heights = [sheet.row_dimensions[row].height for row in (9, 10, 11)]
    assert heights == [8 * 15, None, None]  # 359 characters, 50 a line; rows of one line may grow
    assert not sheet.protection.formatRows
    assert [page.page_setup.orientation for page in (guide, sheet)] == ["landscape"] * 2
    assert [page.page_setup.fitToWidth for page in (guide, sheet)] == [1, 1]
    long = [cell.row for cell in guide["A"] if len(cell.value) > 110]
    assert long
    assert all(guide.row_dimensions[row].height == 30 for row in long)


BAD = {
    "x" * 501: ("LENGTH", "nhận xét không hợp lệ: độ dài không được quá 500 ký tự."),
    "Tốt\u200b.": ("FORMAT_CHARACTER", "ký tự định dạng không nhìn thấy U+200B"),
    "Tốt \ue011": ("PRIVATE_USE_CHARACTER", "ký tự riêng của phông chữ cũ (TCVN3, VNI) U+E011"),
    "TiÕn bé râ rÖt, cÇn cè g¾ng h¬n.": ("LEGACY_ENCODING", "(có phải là «Tiến Bộ Rõ Rệt»?). Hãy chuyển sang Unicode"),
    8: ("REMARK_FORMAT", "nhận xét phải là chữ"),
    True: ("REMARK_FORMAT", "nhận xét phải là chữ"),
    dt.date(2026, 5, 7): ("REMARK_FORMAT", "nhận xét phải là chữ"),
    "=D3": ("FORMULA_REMARK", "ô nhận xét chứa công thức"),
}


@pytest.mark.parametrize(("value", "expected"), BAD.items(), ids=map(str, range(len(BAD))))
def test_a_bad_remark_is_named_by_its_cell(value: Any, expected: tuple[str, str]) -> None:
    _, (finding,) = checked(typed("Khá.", value, ""), target(NO_MARKS))
    assert (finding.cell, finding.rule, finding.severity.value) == ("E4", expected[0], "ERROR")
    assert expected[1] in str(finding)
    assert str(finding).startswith("Ô E4, sheet «6A1 - Toán - HK1»: ")


def test_a_remark_over_several_students_is_nobodys_and_a_wide_one_is_read(tmp_path: Path) -> None:
    book = typed("Khá.", "Tốt.", None)
    sheet = book.worksheets[0]
    for row in (3, 4, 5):
        sheet[f"F{row}"] = None
    sheet.merge_cells("E3:F3")
    sheet.merge_cells("E4:E5")
    plan, findings = checked(through_file(book, tmp_path), target(NO_MARKS))
    assert changes(plan) == [("E3", "", "Khá.")]
    assert [(f.cell, f.rule) for f in findings] == [("E4", "MERGED_REMARK"), ("E5", "MERGED_REMARK")]


def test_columns_under_a_common_head_are_no_remarks() -> None:
    """«Nhận xét» over 1, 2, 3 holds results of a subject assessed by comments."""
    rows = [["TT", "Mã HS", "Họ tên", "TX1", "Nhận xét", None], [None, None, None, None, 1, 2]]
    book, sheet = table([*rows, *([n, f"3170500{n}", None, None, "Đ", "Đ"] for n in (1, 2, 3))])
    sheet.merge_cells("E1:F1")
    plan, findings = checked(book, target(NO_MARKS))
    assert (plan.remarks, [(f.cell, f.rule) for f in findings]) == ([], [("E1", "UNKNOWN_COLUMN")])


@pytest.mark.parametrize(
    ("head", "read"),
    [
        ("Nhận xét", True),
        ("NHẬN XÉT SỰ TIẾN BỘ", True),
        ("Nhận xét của giáo viên", True),
        ("Nhận xét của GVBM", True),
        ("Nhận xét của GVCN", False),
        ("Nhận xét của giáo viên chủ nhiệm", False),
        ("Nhận xét của phụ huynh", False),
    ],
)
def test_only_the_subject_teachers_column_is_read(head: str, read: bool) -> None:
    book = typed("Khá.", None, None)
    book.worksheets[0]["E2"] = head
    plan, findings = checked(book, target(NO_MARKS))
    assert [change.cell for change in plan.remarks] == (["E3"] if read else [])
    assert [(f.cell, f.rule) for f in findings] == ([] if read else [("E2", "UNKNOWN_COLUMN")])
