"""The report: medians, worst pairs, targets, the JSON that programs read, and a table that fits a
terminal.
"""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.pairs import Rates
from bench.report import Row, compared, number, show, write

RATES = Rates((10.0, 20.0, 60.0), {"bare": (100.0, 100.0, 100.0)})


def test_a_row_holds_medians_and_the_worst_pair() -> None:
    row = compared("relay.events", "events/s", RATES, "bare", target=0.2)
    assert (row.value, row.reference, row.pairs) == (20.0, 100.0, 3)
    assert (row.ratio, row.ratio_min) == (0.2, 0.1)


def test_the_ratio_is_the_median_of_ratios_and_not_the_ratio_of_medians() -> None:
    rates = Rates((10.0, 20.0, 60.0), {"bare": (10.0, 400.0, 100.0)})
    assert compared("a.b", "x/s", rates, "bare").ratio == 0.6


@pytest.mark.parametrize(("target", "met"), [(0.2, True), (0.21, False), (None, None)])
def test_a_target_is_met_from_the_median_on(target: float | None, met: bool | None) -> None:
    assert compared("a.b", "x/s", RATES, "bare", target=target).met is met


def test_the_json_is_a_list_of_figures_with_the_environment_first(tmp_path: Path) -> None:
    file = tmp_path / "new" / "bench.json"
    rows = [compared("relay.events", "events/s", RATES, "bare", target=0.5, note="đo thử"), Row("stack.up", 3.5, "s")]
    write(file, rows, {"cpus": 2})
    environment, relay, up = json.loads(file.read_text(encoding="utf-8"))
    assert environment == {
        "name": "environment",
        "value": {"cpus": 2},
        "unit": "facts",
        "reference": None,
        "ratio": None,
    }
    assert {key: relay[key] for key in ("name", "value", "unit", "reference", "ratio", "target", "met", "note")} == {
        "name": "relay.events",
        "value": 20.0,
        "unit": "events/s",
        "reference": 100.0,
        "ratio": 0.2,
        "target": 0.5,
        "met": False,
        "note": "đo thử",
    }
    assert (up["reference"], up["ratio"], up["met"]) == (None, None, None)


def test_the_table_marks_a_missed_target_and_fits_eighty_columns() -> None:
    out = io.StringIO()
    rows = [
        compared("marks.batch_1000.upsert", "documents/s", RATES, "bare", target=0.12),
        compared("signing.rsa3072", "documents/s", RATES, "bare", target=0.5),
        Row("memory.gradebook-consume", 49.9, "MiB PSS", note="idle; RSS 80 MiB"),
    ]
    show(rows, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert any("signing.rsa3072" in line and "≥ 0.5 ✗ missed" in line for line in lines)
    assert any("marks.batch_1000.upsert" in line and "≥ 0.12 ✓" in line for line in lines)
    assert any("memory.gradebook-consume" in line and "RSS 80 MiB" in line for line in lines)
    assert "…" not in out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (123456.7, "123,457"),
        (99.96, "100.0"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.0123, "0.012"),
        (0, "0.000"),
    ],
)
def test_figures_have_about_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text
