"""One served gradebook a test module."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.output import Output
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.world import DEPARTMENT, World, served, tls
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of two classes with its roster registered, and an open window over everything."""
    with served(pki_files, database("gradebook")) as world:
        world.put_roster()
        world.plan_window()
        yield world


@pytest.fixture
def hoso(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Run `hoso` as the Department's operator: its JSON, or with table=True what people see."""
    profile = tmp_path / "cli.toml"
    nowhere = "127.0.0.1:1"
    settings = {"gradebook": world.address, "print": nowhere, "signing": nowhere, "archive": nowhere}
    files = tls(world.pki, DEPARTMENT)
    paths = {name: str(getattr(files, name)) for name in ("ca_file", "cert_file", "key_file")}
    profile.write_text(
        "".join(f'{name} = "{value}"\n' for name, value in settings.items())
        + "[tls]\n"
        + "".join(f'{name} = "{value}"\n' for name, value in paths.items())
    )
    monkeypatch.setenv("HOSO_PROFILE", str(profile))

    def run(*arguments: str, table: bool = False) -> Any:
        options = [] if table else ["--json"]
        result = CliRunner().invoke(app, [*options, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout if table else json.loads(result.stdout)

    yield run
    Output.as_json = False
