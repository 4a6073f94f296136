"""An export reads back unchanged and without findings; and an edited cell is the one that
changes.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from cli.sheets import layout, write
from cli.sheets.layout import Column
from cli.sheets.values import canonical
from services.gradebook.rules import SCORES, SubjectKind
from tests.unit.sheets.books import MARKS, checked, exported, sheets, target, through_file

COMMENTS = (["Đ", "CĐ", "Đ", "Đ"], ["", "", "", ""], ["Đ", "", "", "CĐ"])


@pytest.mark.parametrize("semester", [1, 2])
@pytest.mark.parametrize("comment_only", [False, True])
def test_an_export_imports_without_a_change(tmp_path: Path, semester: int, comment_only: bool) -> None:
    known = target(COMMENTS if comment_only else MARKS, semester=semester, comment_only=comment_only, exempt=(2,))
    book, _ = exported(known)
    back = through_file(book, tmp_path)
    (sheet,) = sheets(back)
    head = sheet.head
    assert (head.school, head.school_year, head.class_name, head.subject, head.subject_name, head.semester) == (
        known.school_class.school,
        known.school_class.school_year,
        known.school_class.name,
        known.subject,
        known.subject_name,
        semester,
    )
    assert list(sheet.columns) == write.columns(known)
    plan, findings = checked(back, known)
    assert plan.changes == []
    assert findings == []


def test_only_edited_cells_change_and_each_knows_where_it_came_from(tmp_path: Path) -> None:
    known = target()
    book, sheet = exported(known)
    sheet["E9"], sheet["J11"], sheet["G10"] = 9, "5,5", "-"
    sheet["F9"], sheet["H9"] = None, 9.0
    plan, findings = checked(through_file(book, tmp_path), known)
    assert [(c.cell, c.old, c.new) for c in plan.changes] == [("E9", "8", "9"), ("J11", "4", "5.5")]
    assert [(f.cell, f.rule) for f in findings] == [("F9", "MARK_KEPT")]
    request, cells = plan.request("id", "token")
    assert (request.sheet.request_id, request.person_token, list(request.remarks)) == ("id", "token", [])
    assert [(c.kind, c.position) for c in request.sheet.columns] == [(1, 1), (3, 0)]
    assert [(row.student, list(row.values)) for row in request.sheet.rows] == [
        ("31705001", ["9", ""]),
        ("31705003", ["", "5.5"]),
    ]
    assert cells == ([["E9", ""], ["", "J11"]], [])


def test_a_mark_is_taken_away_by_a_dash(tmp_path: Path) -> None:
    known = target()
    book, sheet = exported(known)
    sheet["E9"] = "-"
    plan, findings = checked(through_file(book, tmp_path), known)
    assert [(c.cell, c.old, c.new) for c in plan.changes] == [("E9", "8", "-")]
    assert findings == []


def test_a_student_who_left_keeps_their_marks_and_gets_no_new_ones(tmp_path: Path) -> None:
    known = target()
    known.rows[0].left = True
    book, sheet = exported(known)
    assert (sheet["E9"].protection.locked, sheet["L9"].value, sheet["M9"].value) == (True, None, layout.LEFT)
    sheet["E9"], sheet["E10"] = 1, 2
    plan, findings = checked(through_file(book, tmp_path), known)
    assert [(f.cell, f.rule) for f in findings] == [("E9", "STUDENT_LEFT")]
    assert [c.cell for c in plan.changes] == ["E10"]


SCORE = st.sampled_from(["", *sorted({canonical(text, SubjectKind.COMMENT_AND_SCORE) for text in SCORES})])


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.lists(st.lists(SCORE, min_size=6, max_size=6), min_size=3, max_size=3),
    after=st.lists(st.lists(SCORE, min_size=6, max_size=6), min_size=3, max_size=3),
)
def test_any_marks_go_round(tmp_path: Path, before: list[list[str]], after: list[list[str]]) -> None:
    """A workbook exported from one state and imported into another changes exactly the cells that
    hold another mark.
    """
    source, standing = target((after[0], after[1], after[2])), target((before[0], before[1], before[2]))
    book, _ = exported(source)
    plan, _ = checked(through_file(book, tmp_path), standing)
    expected = {
        (f"3170500{row + 1}", column): SCORES[after[row][index]]
        for row in range(3)
        for index, column in enumerate(write.columns(source))
        if after[row][index] and SCORES[after[row][index]] != SCORES.get(before[row][index])
    }
    assert {(c.student, c.column): SCORES[c.new] for c in plan.changes} == expected


def test_the_workbook_helps_and_protects(tmp_path: Path) -> None:
    known = target(exempt=(1,))
    back = through_file(exported(known)[0], tmp_path)
    guide, sheet = back.worksheets
    assert isinstance(sheet, Worksheet)
    assert guide.title == layout.INSTRUCTIONS
    assert sheet.title == "6A1 - Toán - HK1"
    assert sheet.freeze_panes == "E9"
    assert sheet.protection.sheet
    locked = {cell: sheet[cell].protection.locked for cell in ("B9", "C9", "E9", "J9", "K9", "L9", "M9")}
    assert locked == {"B9": True, "C9": True, "E9": False, "J9": False, "K9": True, "L9": False, "M9": True}
    marks, remarks = sheet.data_validations.dataValidation
    assert (str(marks.sqref), str(remarks.sqref), remarks.formula1) == ("E9:J11", "L9:L11", "500")
    assert (sheet["L9"].value, sheet["M9"].value) == (None, layout.EXEMPT)
    assert sheet["K9"].value == '=IF(COUNT(E9:J9)<6,"",ROUND(ROUND(10*(SUM(E9:H9)+2*I9+3*J9),0)/9,0)/10)'


def test_names_are_never_formulas_and_titles_never_break_excel(tmp_path: Path) -> None:
    known = target()
    known.rows[0].name = "=1+1"
    known.school_class.name = "6/1"
    known.subject_name = "Hoạt động trải nghiệm, hướng nghiệp"
    other = target(name="6/1")
    other.subject, other.subject_name = "HDTN2", "Hoạt động trải nghiệm, hướng khác"
    back = through_file(write.workbook([known, other]), tmp_path)
    sheet = back.worksheets[1]
    assert (sheet["C9"].value, sheet["C9"].data_type) == ("=1+1", "s")
    assert all(len(name) <= 31 and "/" not in name for name in back.sheetnames)
    assert len(set(back.sheetnames)) == 3


def test_columns_of_semester_two_have_the_reassessment() -> None:
    assert write.columns(target(semester=2))[-1] == Column(layout.REASSESSMENT)
    assert Column(layout.REASSESSMENT) not in write.columns(target())
