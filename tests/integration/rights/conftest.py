"""The city that the table of rights and the fuzzing ask, once per module."""

from collections.abc import Iterator

import pytest

from deploy.local import layout, objectstore
from tests import servers
from tests.integration.rights import city
from tests.integration.rights.city import City

_STORE_OFFSET = 30


@pytest.fixture(scope="module")
def town(
    stack: layout.Stack,
    pki_files: servers.Pki,
    postgres_server: servers.PostgresServer,
    rabbitmq_server: servers.RabbitServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[City]:
    store = objectstore.Store(stack, objectstore.SEAWEEDFS, _STORE_OFFSET)
    objectstore.prepare(store)
    folder = tmp_path_factory.mktemp("rights")
    with (
        servers.running(stack, objectstore.process(store)),
        city.running(folder, pki_files, postgres_server, rabbitmq_server, store) as town,
    ):
        yield town
