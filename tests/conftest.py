"""Shared fixtures: real servers on demand. A unit test may use none of them; a skipped test is a
failed test.

The servers live in the stack named by HOSO_STACK (default ``test``) with ports from HOSO_PORT_BASE.
When that stack is already up (``python -m deploy.local --stack test up --servers``) its servers are
used and left running.
"""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from deploy.local import layout, pki, postgres, rabbitmq
from services.common.settings import BrokerConfig, DatabaseConfig
from tests import servers

_SERVER_FIXTURES = {"stack", "pki_files", "postgres_server", "rabbitmq_server", "line"}
_UNIT = Path(__file__).parent / "unit"


@pytest.fixture(scope="session")
def stack() -> Iterator[layout.Stack]:
    """The stack of this test run, held against other test runs. Starts nothing."""
    name = os.environ.get("HOSO_STACK", "test")
    if name == "main":
        pytest.fail("tests must not run in the stack 'main'; unset HOSO_STACK")
    base = os.environ.get("HOSO_PORT_BASE")
    stack = layout.open_stack(name, int(base) if base else None)
    with servers.exclusive(stack):
        yield stack


@pytest.fixture(scope="session")
def pki_files(stack: layout.Stack) -> servers.Pki:
    """Certificates of every service, operator and vendor:
    ``pki_files.identity("service/print")``.
    """
    pki.issue_all(stack)
    return servers.Pki(stack)


@pytest.fixture(scope="session")
def postgres_server(stack: layout.Stack, pki_files: servers.Pki) -> Iterator[servers.PostgresServer]:
    """A running PostgreSQL."""
    postgres.prepare(stack)
    with servers.running(stack, postgres.process(stack)):
        yield servers.PostgresServer(stack)


@pytest.fixture(scope="session")
def rabbitmq_server(stack: layout.Stack, pki_files: servers.Pki) -> Iterator[servers.RabbitServer]:
    """A running RabbitMQ."""
    rabbitmq.prepare(stack)
    with servers.running(stack, *rabbitmq.processes(stack)):
        yield servers.RabbitServer(stack)


@pytest.fixture(scope="module")
def database(postgres_server: servers.PostgresServer) -> Iterator[Callable[[str], DatabaseConfig]]:
    """``database("print")``: an empty database owned by that service, the same for the whole test
    module.
    """
    made: dict[str, DatabaseConfig] = {}

    def get(service: str) -> DatabaseConfig:
        if service not in made:
            made[service] = postgres_server.create(service)
        return made[service]

    yield get
    for config in made.values():
        postgres_server.drop(config)


@pytest.fixture(scope="module")
def broker(rabbitmq_server: servers.RabbitServer) -> Iterator[Callable[[str], BrokerConfig]]:
    """``broker("print")``: that service's way into a virtual host that is empty when the test
    module starts.
    """
    virtual_host = rabbitmq_server.create()
    yield lambda service: rabbitmq_server.config(service, virtual_host)
    rabbitmq_server.drop(virtual_host)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse unit tests that ask for a server: they must finish in seconds on a machine with
    none.
    """
    for item in items:
        used = _SERVER_FIXTURES & set(getattr(item, "fixturenames", ()))
        if used and item.path.is_relative_to(_UNIT):
            raise pytest.UsageError(f"{item.nodeid} is a unit test and uses {', '.join(sorted(used))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself, or is expected to fail, proves nothing: count it as failed."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is imported."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome == "skipped":
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)  # pytest does not count failures that carry it
        report.longrepr = f"skipped, and a skipped test is a failed test here: {report.longrepr}"
