"""A gradebook and its consumer per test, because books are never erased."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.common.settings import DatabaseConfig
from tests.integration.gradebook.books.line import Announce, consumer
from tests.integration.gradebook.world import World, served
from tests.servers import Pki


@pytest.fixture
def world(pki_files: Pki, postgres_server: Any) -> Iterator[World]:
    """A school of two classes whose data are complete, under one open window."""
    config: DatabaseConfig = postgres_server.create("gradebook")
    try:
        with served(pki_files, config, students=5) as world:
            world.put_roster()
            world.plan_window()
            for school_class in world.school.classes:
                world.complete(school_class)
            yield world
    finally:
        postgres_server.drop(config)


@pytest.fixture
def announce(world: World) -> Iterator[Announce]:
    """Hand an event to gradebook's consumer, as the broker would."""
    with consumer(world) as announce:
        yield announce
