"""One gradebook per test module with the complete data of a year, and its consumer."""

from collections.abc import Callable, Iterator

import pytest

from services.common.settings import DatabaseConfig
from tests.integration.gradebook.books.line import Announce, consumer
from tests.integration.gradebook.world import World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of one class whose data are complete, under one open window."""
    with served(pki_files, database("gradebook"), classes=1, students=3) as world:
        world.put_roster()
        world.plan_window()
        world.complete(world.school.classes[0])
        yield world


@pytest.fixture(scope="module")
def announce(world: World) -> Iterator[Announce]:
    """Hand an event to gradebook's consumer, as the broker would."""
    with consumer(world) as announce:
        yield announce
