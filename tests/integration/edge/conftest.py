"""The database of the edge's tests."""

from collections.abc import Callable, Iterator

import pytest

from services.common.db import Database, migrate
from services.common.settings import DatabaseConfig


@pytest.fixture(scope="module")
def db(database: Callable[[str], DatabaseConfig]) -> Iterator[Database]:
    config = database("archive")
    migrate(config, [])
    with_pool = Database(config)
    yield with_pool
    with_pool.close()
