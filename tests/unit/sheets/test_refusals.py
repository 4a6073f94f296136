"""What the gradebook refuses goes back to the cell of the worksheet that it came from."""

import pytest
from hoso.gradebook.v1 import common_pb2

from cli.sheets import importing
from cli.sheets.check import Cells
from cli.sheets.findings import Findings

CELLS = Cells([["E9", ""], ["", "J11"], ["F12", "J12"]], ["L9", "L12"])


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ("rows[0].values[0]", "E9"),
        ("rows[1].values[1]", "J11"),
        ("rows[1].student", "J11"),
        ("rows[2].values", "F12"),
        ("remarks[1].text", "L12"),
        ("remarks[0].student", "L9"),
        ("remarks", ""),
        ("columns[0].position", ""),
        ("semester", ""),
    ],
)
def test_a_violation_is_reported_at_its_cell(field: str, cell: str) -> None:
    findings = Findings("6A1 - Toán - HK1")
    violation = common_pb2.RefusedField(field=field, rule="X", message="câu.")
    importing._refused(findings, common_pb2.Refusal(reason="INVALID_INPUT", violations=[violation]), CELLS)
    assert [(finding.cell, finding.rule, finding.message) for finding in findings.items] == [(cell, "X", "câu.")]


def test_a_refusal_of_the_whole_sheet_is_reported_with_its_reason() -> None:
    findings = Findings("6A1 - Toán - HK1")
    importing._refused(findings, common_pb2.Refusal(reason="BOOK_LOCKED", message="Dữ liệu đã khóa sổ."), CELLS)
    assert str(findings.items[0]) == "Sheet «6A1 - Toán - HK1»: Dữ liệu đã khóa sổ."
    assert findings.bad
