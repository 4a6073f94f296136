"""One served gradebook per test module.

The tests of a module share its `world`, its classes and its windows, and what they enter stays: so
each test names a subject, a month or a student of its own, and none counts on what another has
entered. A test that needs an empty gradebook, or changes what all share (a window, the roster, a
book), serves one of its own.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.output import Output
from demo.school import SchoolClass
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.command_line import write_profile
from tests.integration.gradebook.world import World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school with its roster registered, and an open window over everything.

    It has two classes of six, or what a module says: `SCHOOL = {"classes": 1, "students": 5}`.
    """
    with served(pki_files, database("gradebook"), **getattr(request.module, "SCHOOL", {})) as world:
        world.put_roster()
        world.plan_window()
        yield world


@pytest.fixture
def school_class(world: World) -> SchoolClass:
    """The first class of the world."""
    return world.school.classes[0]


@pytest.fixture
def hoso(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Run `hoso` as the Department's operator: its JSON, or with table=True what people see."""
    monkeypatch.setenv("HOSO_PROFILE", str(write_profile(world, tmp_path)))

    def run(*arguments: str, table: bool = False) -> Any:
        options = [] if table else ["--json"]
        result = CliRunner().invoke(app, [*options, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout if table else json.loads(result.stdout)

    yield run
    Output.as_json = False
