"""One served gradebook a test module; each module begins with an empty register."""

from collections.abc import Callable, Iterator

import pytest

from services.common.settings import DatabaseConfig
from tests.integration.gradebook.register.schools import another
from tests.integration.gradebook.world import OTHER_VENDOR, World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of two classes with its roster registered, and an open window over everything."""
    with served(pki_files, database("gradebook")) as world:
        world.put_roster()
        world.plan_window()
        yield world


@pytest.fixture(scope="module")
def second(world: World) -> World:
    """A second, smaller school with another vendor."""
    return another(world, "31000811", OTHER_VENDOR)
