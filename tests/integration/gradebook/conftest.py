"""One served gradebook a test module."""

from collections.abc import Callable, Iterator

import pytest

from services.common.settings import DatabaseConfig
from tests.integration.gradebook.world import World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of two classes with its roster registered, and an open window over everything."""
    with served(pki_files, database("gradebook")) as world:
        world.put_roster()
        world.plan_window()
        yield world
