"""A database with the common tables, emptied before each test."""

from collections.abc import Callable, Iterator

import pytest

from services.common import db
from services.common.settings import DatabaseConfig
from tests.owning import as_owner

EMPTY = "TRUNCATE outbox, inbox, job"


@pytest.fixture(scope="module")
def database_config(database: Callable[[str], DatabaseConfig]) -> DatabaseConfig:
    config = database("gradebook")
    db.migrate(config, [])
    return config


@pytest.fixture
def base(database_config: DatabaseConfig) -> Iterator[db.Database]:
    base = db.Database(database_config)
    with as_owner(base.config) as tx:
        tx.execute(EMPTY)
    yield base
    base.close()
