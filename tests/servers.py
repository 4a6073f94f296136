"""Real servers for tests: started on first use, stopped at the end of the run, or borrowed from a
running stack.
"""

import contextlib
import fcntl
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.local import pki, postgres, rabbitmq
from deploy.local.layout import Stack
from deploy.local.process import NotReadyError, Process, launch
from services.common import grpc_server
from services.common.grpc_call import Refusal
from services.common.grpc_server import Served
from services.common.settings import BrokerConfig, DatabaseConfig, ServerConfig
from tests.waiting import eventually


@dataclass(frozen=True)
class PostgresServer:
    """A running PostgreSQL with the four services' databases, to which tests add empty ones."""

    stack: Stack

    def create(self, service: str) -> DatabaseConfig:
        """A new empty database of `service`; remove it with `drop`."""
        name = f"test_{service}_{uuid.uuid4().hex[:12]}"
        with postgres.admin(self.stack) as connection:
            postgres.create_database(connection, name, service)
        return postgres.config(self.stack, service, database=name)

    def drop(self, database: DatabaseConfig) -> None:
        """Drop a database made by `create`, ending its sessions."""
        with postgres.admin(self.stack) as connection:
            postgres.drop_database(connection, database.name)


@dataclass(frozen=True)
class RabbitServer:
    """A running RabbitMQ, for making empty virtual hosts in it."""

    stack: Stack

    def create(self) -> str:
        """A new empty virtual host with every service's usual rights; remove it with `drop`."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        rabbitmq.create_virtual_host(self.stack, name)
        return name

    def drop(self, virtual_host: str) -> None:
        """Remove a virtual host made by `create`."""
        rabbitmq.delete_virtual_host(self.stack, virtual_host)

    def config(self, service: str, virtual_host: str = rabbitmq.VIRTUAL_HOST) -> BrokerConfig:
        """How `service` reaches that virtual host."""
        return rabbitmq.config(self.stack, f"service/{service}", virtual_host=virtual_host)


@dataclass(frozen=True)
class Pki:
    """The stack's certificates, by name."""

    stack: Stack

    def identity(self, name: str) -> pki.Identity:
        """The certificate of ``service/print``, ``vendor/smas`` and so on."""
        return pki.identity(self.stack, name)


@contextlib.contextmanager
def serving(config: ServerConfig, served: Sequence[Served], refused: Refusal) -> Iterator[None]:
    """A gRPC server in a thread of this process, while the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=grpc_server.serve, args=(config, served, refused, {}, stop))
    thread.start()
    host, port = config.listen.rsplit(":", 1)
    eventually(lambda: _accepts(host, int(port)))
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def exclusive(stack: Stack) -> Iterator[None]:
    """Hold the stack for one test run. Raises RuntimeError when another test run has it."""
    stack.make_folders()
    with (stack.run / "tests.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"another test run uses the stack {stack.name!r}; wait for it, or choose your own stack: "
                "HOSO_STACK=mine HOSO_PORT_BASE=30000"
            ) from None
        yield


@contextlib.contextmanager
def running(stack: Stack, *processes: Process) -> Iterator[None]:
    """Run `processes` in order while the block runs; those that already answer are used and left
    alone.
    """
    with contextlib.ExitStack() as stop:
        for process in processes:
            if not _answers(process):
                stop.enter_context(_started(stack, process))
        yield


@contextlib.contextmanager
def _started(stack: Stack, process: Process) -> Iterator[None]:
    log = stack.log / f"{process.name}.log"
    child = launch(process, log)
    try:
        deadline = time.monotonic() + process.start_timeout_s
        while True:
            try:
                _check(process)
                break
            except NotReadyError as e:
                if child.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{process.name} did not start ({e}); end of its log:\n{tail}") from e
                time.sleep(0.05)
        yield
    finally:
        child.send_signal(process.stop_signal)
        try:
            child.wait(process.stop_timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _answers(process: Process) -> bool:
    try:
        _check(process)
    except NotReadyError:
        return False
    return True


def _check(process: Process) -> None:
    if process.check is None:
        raise TypeError(f"{process.name} has no readiness check")
    process.check()
