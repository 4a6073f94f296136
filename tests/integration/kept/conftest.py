"""Databases that an earlier release made, restored into a real PostgreSQL."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.common.settings import DatabaseConfig
from tests.kept import kept
from tests.owning import as_owner

Restored = Callable[[str], DatabaseConfig]


@pytest.fixture(scope="module", params=kept.releases())
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def restored(release: str, postgres_server: Any) -> Iterator[Restored]:
    """``restored("print")``: that service's database as the release left it, the same for the whole
    test module.
    """
    made: dict[str, DatabaseConfig] = {}

    def get(service: str) -> DatabaseConfig:
        if service not in made:
            made[service] = postgres_server.create(service)
            with as_owner(made[service]) as connection:
                connection.execute(kept.read(kept.database_file(release, service)).encode())
        return made[service]

    yield get
    for config in made.values():
        postgres_server.drop(config)
