"""`hoso dossiers`, `hoso vendors`, `hoso control-log` against a served gradebook, as the Department
types them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.dossier_acts import HIGH, PRINCIPAL, YEAR, items, plan, put_school, save, submit
from tests.integration.gradebook.world import World, served, sha256
from tests.servers import Pki

runner = CliRunner()


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A THPT that has planned a window, and nothing else."""
    with served(pki_files, database("gradebook"), classes=1, students=5) as world:
        put_school(world, HIGH)
        plan(world, HIGH, YEAR)
        yield world


def test_from_an_appraised_vendor_to_an_approved_dossier(
    world: World, hoso: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "decision.pdf"
    file.write_bytes(b"%PDF-1.7 decision")
    document = ("--document", str(file), "--number", "30/SGDĐT", "--issued-on", "2025-08-25")
    assert hoso("vendors", "put", "smas", "SMAS", "Phần mềm SMAS", "4.0")["status"] == "VENDOR_STATUS_REGISTERED"
    hoso("vendors", "appraise", "smas", "APPRAISED", "--valid-from", "2025-08-25", *document)
    (vendor,) = hoso("vendors", "list")
    assert vendor["appraisal"]["decision"]["sha256"] == sha256(file.read_bytes()).hex()
    opened = hoso("dossiers", "round", YEAR, "2099-09-20T16:00", "--note", "3368/GDĐT-TrH")
    assert opened["deadline"] == "2099-09-20T09:00:00Z"
    assert [gap["school"] for gap in hoso("dossiers", "missing", YEAR)] == [HIGH]
    save(world, HIGH, YEAR, items([f"{HIGH}-{PRINCIPAL}"], ["HK1"]))
    submit(world, HIGH, YEAR)
    assert hoso("dossiers", "missing", YEAR) == []
    hoso("dossiers", "review", HIGH, YEAR)
    assert hoso("dossiers", "decide", HIGH, YEAR, *document)["state"] == "DOSSIER_STATE_APPROVED"
    (listed,) = hoso("dossiers", "list", YEAR, "--state", "APPROVED")
    assert (listed["school"], listed["software"]) == (HIGH, "smas")
    shown = hoso("dossiers", "show", HIGH, YEAR)
    assert shown["items"]["petition"]["sha256"] == items([], []).petition.sha256.hex()
    titles = [entry["title"] for entry in hoso("control-log", HIGH, YEAR)]
    assert titles[-1] == "Sở duyệt hồ sơ, cho phép dùng sổ điện tử"


def test_what_people_see(world: World, hoso: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for arguments, expected in (
        (("dossiers", "show", HIGH, YEAR), "Quá trình"),
        (("dossiers", "list", YEAR), "APPROVED"),
        (("control-log", HIGH, YEAR), "Lập hoặc sửa đợt nhập điểm"),
    ):
        result = runner.invoke(app, arguments, catch_exceptions=False)
        assert (result.exit_code, expected in result.output) == (0, True), result.output
    assert runner.invoke(app, ["dossiers", "list", YEAR, "--state", "LOST"]).exit_code == 2
