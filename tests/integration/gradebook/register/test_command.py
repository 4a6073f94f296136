"""`hoso register`: what the Department sees of a school's register."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.output import Output
from tests.integration.gradebook.command_line import write_profile
from tests.integration.gradebook.register.schools import register_all, transfer_out
from tests.integration.gradebook.world import World


def hoso(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "220"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_register_and_its_movements(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSO_PROFILE", str(write_profile(world, tmp_path)))
    monkeypatch.setattr(Output, "as_json", False)
    register_all(world)
    student = world.school.classes[0].students[0]
    transfer_out(world, student.id, to_school_name="Trường THCS Trần Phú")
    where = ("--school", world.school.code, "--year", world.school.school_year)

    entries = json.loads(hoso("--json", "register", "show", *where))
    assert [entry["register_number"] for entry in entries] == list(range(1, 13))
    assert (entries[0]["state"], entries[0]["left_on"]) == ("STUDENT_STATE_TRANSFERRED_OUT", "2026-01-19")
    monkeypatch.setattr(Output, "as_json", False)
    table = hoso("register", "show", *where)
    assert student.name in table
    assert "chuyển đi" in table
    moves = json.loads(hoso("--json", "register", "movements", *where, "--student", student.id))
    assert [movement["kind"] for movement in moves] == ["MOVEMENT_KIND_ENROLLED", "MOVEMENT_KIND_TRANSFERRED_OUT"]
    monkeypatch.setattr(Output, "as_json", False)
    assert "Trường THCS Trần Phú" in hoso("register", "movements", *where)
