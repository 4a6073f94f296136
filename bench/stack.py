"""The bench's own stack: servers, empty databases and virtual hosts apart from the services' own,
and single roles.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deploy.local import configs, pki, postgres, rabbitmq
from deploy.local.layout import HOST, Stack, write_private
from deploy.local.process import Process, launch
from deploy.local.processes import PORT_OFFSETS
from services.common.settings import DatabaseConfig, PeerConfig, ServerConfig, TlsConfig

NAME = "bench"
"""The stack's name. It is emptied before every run, so it must be nobody's usual stack."""
PORT_BASE = 29000

_START_S = 60.0
_POLL_S = 0.05


def tls(stack: Stack, client: str) -> TlsConfig:
    """The certificate of ``service/gradebook``, ``vendor/smas`` and so on."""
    identity = pki.identity(stack, client)
    return TlsConfig(identity.ca_file, identity.cert_file, identity.key_file)


def server(stack: Stack, service: str) -> ServerConfig:
    """Where that service listens in this stack."""
    return ServerConfig(_address(stack, service), tls(stack, f"service/{service}"), stack.pki / "issuers.json")


def peer(stack: Stack, service: str, client: str) -> PeerConfig:
    """How `client` reaches that service."""
    return PeerConfig(_address(stack, service), tls(stack, client))


@contextlib.contextmanager
def empty_database(stack: Stack, service: str) -> Iterator[DatabaseConfig]:
    """A database that only that service may use, dropped afterwards."""
    name = f"bench_{service}_{time.monotonic_ns()}"
    with postgres.admin(stack) as connection:
        postgres.create_database(connection, name, service)
    try:
        yield postgres.config(stack, service, database=name)
    finally:
        with postgres.admin(stack) as connection:
            postgres.drop_database(connection, name)


@contextlib.contextmanager
def empty_virtual_host(stack: Stack) -> Iterator[str]:
    """A virtual host with every service's usual rights, removed afterwards."""
    name = f"bench-{time.monotonic_ns()}"
    rabbitmq.create_virtual_host(stack, name)
    try:
        yield name
    finally:
        rabbitmq.delete_virtual_host(stack, name)


@contextlib.contextmanager
def running(
    stack: Stack, service: str, role: str, config: object, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A role as the stack itself runs it, in a process of its own, with a configuration of its
    own.
    """
    file = stack.config / f"bench-{service}-{role}.toml"
    write_private(file, configs.dump(config))
    command = (sys.executable, "-m", f"services.{service}", role, "--config", str(file))
    process = Process(name=f"bench-{service}-{role}", command=command, environment=environment or {})
    child = launch(process, log_of(stack, service, role))
    try:
        yield
    finally:
        child.terminate()
        child.wait(process.stop_timeout_s)


def log_of(stack: Stack, service: str, role: str) -> Path:
    """Where a role started by `running` writes."""
    return stack.log / f"bench-{service}-{role}.log"


def until(condition: Callable[[], bool], what: str, timeout_s: float = _START_S) -> None:
    """Wait for `condition`. Raises TimeoutError naming `what` did not happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(_POLL_S)


def _address(stack: Stack, service: str) -> str:
    return f"{HOST}:{stack.port(PORT_OFFSETS[service])}"
