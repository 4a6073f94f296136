"""Servers and processes that die in the middle: everything that was committed is handled once, and
nobody is asked.

These tests run servers of their own, because they kill them.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deploy.local import layout, pki, postgres, rabbitmq
from deploy.local.process import NotReadyError, Process, launch
from services.common import db, jobs, outbox, topology
from services.common.db import Database
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig, DatabaseConfig
from tests.owning import as_owner
from tests.waiting import eventually
from tests.working import working

from . import messages
from .children import CONSUMER, RELAY, family
from .happened import Happened, hear_itself

SERVICE = "gradebook"
QUEUE = topology.queue(SERVICE)


@dataclass
class Server:
    """A server that can be killed and started again."""

    stack: layout.Stack
    process: Process
    child: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        self.child = launch(self.process, self.stack.log / f"{self.process.name}.log")
        eventually(self._answers, self.process.start_timeout_s)

    def stop(self, number: signal.Signals | None = None) -> None:
        if self.child is not None:
            self.child.send_signal(number or self.process.stop_signal)
            self.child.wait(60)

    def _answers(self) -> bool:
        assert self.process.check is not None
        try:
            self.process.check()
        except NotReadyError:
            return False
        return True


@dataclass(frozen=True)
class Servers:
    postgres: Server
    rabbitmq: Server
    database: DatabaseConfig
    broker: BrokerConfig


@pytest.fixture(scope="module")
def servers(stack: layout.Stack) -> Iterator[Servers]:
    """A PostgreSQL and a RabbitMQ apart from those of the other tests, with everything in place for
    one service.
    """
    own = replace(
        stack, name=f"{stack.name}-x", port_base=stack.port_base + 80, root=stack.root.with_name(f"{stack.name}-x")
    )
    own.make_folders()
    pki.issue_all(own)
    postgres.prepare(own)
    rabbitmq.prepare(own)
    started = [Server(own, process) for process in (postgres.process(own), *rabbitmq.processes(own))]
    try:
        for server in started:
            server.start()
        database, broker = postgres.config(own, SERVICE), rabbitmq.config(own, f"service/{SERVICE}")
        db.migrate(database, [])
        hear_itself(own, rabbitmq.VIRTUAL_HOST)
        topology.declare(broker, SERVICE, [Happened.DESCRIPTOR.full_name])
        yield Servers(started[0], started[-1], database, broker)
    finally:
        for server in reversed(started):
            server.stop()


@pytest.fixture
def own_base(servers: Servers) -> Iterator[Database]:
    base = Database(servers.database)
    with as_owner(base.config) as tx:
        tx.execute("TRUNCATE outbox, inbox, job")
        tx.execute("DROP TABLE IF EXISTS handled")
        tx.execute("CREATE TABLE handled (value text)")
        tx.execute(f"GRANT SELECT, INSERT ON handled TO {SERVICE}")
    with messages.channel(servers.broker) as channel:
        channel.queue_purge(QUEUE)  # with an empty inbox, a late repetition of another test would be new
    yield base
    base.close()


class Writer(threading.Thread):
    """Announces event after event; knows which are committed for certain and which may be."""

    def __init__(self, base: Database) -> None:
        super().__init__()
        self._base = base
        self._ended = threading.Event()
        self.sent: set[str] = set()
        self.certain: set[str] = set()

    def run(self) -> None:
        number = 0
        while not self._ended.wait(0.03):
            value = str(number)
            number += 1
            self.sent.add(value)
            try:
                with self._base.transaction() as tx:
                    outbox.add(tx, Happened(value=value))
            except Unavailable:
                continue
            self.certain.add(value)

    def end(self) -> None:
        self._ended.set()
        self.join(20)


def handled(base: Database) -> list[str]:
    with base.transaction() as tx:
        return [value for (value,) in tx.execute("SELECT value FROM handled")]


def check_all_arrived(base: Database, servers: Servers, writer: Writer) -> None:
    eventually(lambda: writer.certain <= set(handled(base)), 60)
    eventually(lambda: messages.depth(servers.broker, QUEUE) == 0)
    values = handled(base)
    assert len(values) == len(set(values)), "an event was handled twice"
    assert set(values) <= writer.sent
    assert messages.depth(servers.broker, topology.dead_queue(SERVICE)) == 0
    with base.transaction() as tx:
        assert outbox.state(tx).pending == 0


def test_a_broker_crash_in_the_middle(servers: Servers, own_base: Database, tmp_path: Path) -> None:
    writer = Writer(own_base)
    with family(tmp_path, servers.broker, servers.database) as children:
        processes = [children.start(RELAY), children.start(CONSUMER)]
        writer.start()
        eventually(lambda: len(handled(own_base)) > 50, 30)
        servers.rabbitmq.stop(signal.SIGKILL)
        before = len(writer.certain)
        eventually(lambda: len(writer.certain) > before + 50)  # business goes on without the broker
        before = len(writer.certain)
        servers.rabbitmq.start()
        eventually(lambda: len(handled(own_base)) > before, 60)
        writer.end()
        check_all_arrived(own_base, servers, writer)
        assert all(child.process.poll() is None for child in processes), "a process had to be started again"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_database_restart_in_the_middle(
    servers: Servers, own_base: Database, tmp_path: Path, how: signal.Signals
) -> None:
    writer = Writer(own_base)
    with family(tmp_path, servers.broker, servers.database) as children:
        processes = [children.start(RELAY), children.start(CONSUMER)]
        writer.start()
        eventually(lambda: len(handled(own_base)) > 50, 30)
        failed = len(writer.sent - writer.certain)
        servers.postgres.stop(how)
        eventually(lambda: len(writer.sent - writer.certain) > failed + 1)
        before = len(writer.certain)
        servers.postgres.start()
        eventually(lambda: len(writer.certain) > before + 50, 30)
        writer.end()
        check_all_arrived(own_base, servers, writer)
        assert all(child.process.poll() is None for child in processes), "a process had to be started again"


def test_relay_and_consumer_killed_again_and_again(servers: Servers, own_base: Database, tmp_path: Path) -> None:
    writer = Writer(own_base)
    writer.start()
    with family(tmp_path, servers.broker, servers.database) as children:
        for more in (1, 10, 20, 40):
            processes = [children.start(RELAY), children.start(CONSUMER)]
            wanted = len(handled(own_base)) + more
            eventually(lambda wanted=wanted: len(handled(own_base)) >= wanted, 30)  # type: ignore[misc]
            for child in processes:
                child.end(signal.SIGKILL)
        for module in (RELAY, CONSUMER):
            children.start(module)
        writer.end()
        check_all_arrived(own_base, servers, writer)


def test_processes_wait_for_servers_that_start_later(servers: Servers, own_base: Database, tmp_path: Path) -> None:
    with own_base.transaction() as tx:
        outbox.add(tx, Happened(value="1"))
    servers.rabbitmq.stop()
    with family(tmp_path, servers.broker, servers.database) as children:
        processes = [children.start(RELAY), children.start(CONSUMER)]
        for child, away in zip(processes, ("relay interrupted; connecting again", "broker away"), strict=True):
            eventually(lambda child=child, away=away: child.logged(away) >= 2, 30)  # type: ignore[misc]
        servers.rabbitmq.start()
        eventually(lambda: handled(own_base) == ["1"], 30)
        assert [child.end(signal.SIGTERM) for child in processes] == [0, 0]


def test_a_worker_survives_a_database_restart(servers: Servers, own_base: Database) -> None:
    done: list[str] = []
    running = threading.Event()
    go_on = threading.Event()

    def handle(job: jobs.Job) -> None:
        running.set()
        go_on.wait(30)
        with own_base.transaction() as tx:
            jobs.finish(tx, job)
        done.append(job.key)

    with working(own_base, {"render": handle}, lease_s=5.0):
        enqueue(own_base, "before")
        assert running.wait(10)
        servers.postgres.stop(signal.SIGQUIT)
        with pytest.raises(Unavailable), own_base.transaction():
            pass
        with pytest.raises(Unavailable):
            own_base.ping()
        servers.postgres.start()
        go_on.set()
        eventually(lambda: done == ["before"], 30)
        retry(lambda: enqueue(own_base, "after"))
        eventually(lambda: done == ["before", "after"], 30)


def enqueue(base: Database, key: str) -> None:
    with base.transaction() as tx:
        jobs.enqueue(tx, "render", key, {})


def retry(call: Callable[[], None]) -> None:
    for _ in range(20):
        try:
            return call()
        except Unavailable:
            time.sleep(0.2)
    raise AssertionError("still unavailable")
