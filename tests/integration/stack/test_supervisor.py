"""The supervisor keeps its promises with small real processes: order, readiness, restart, stopping,
its own death.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import control
from deploy.local.layout import LocalError, Stack
from deploy.local.process import NotReadyError, Process, start_time
from deploy.local.supervisor import Supervisor, end_leftovers, only_one

FOR_EVER = "import time\nwhile True: time.sleep(1)\n"
NOTIFY = "from services.common.ready import ready\nready()\n"
DEADLINE_S = 20


@pytest.fixture
def own_stack(tmp_path: Path) -> Stack:
    stack = Stack("own", 29000, tmp_path / "own")
    stack.make_folders()
    return stack


def python(name: str, code: str, **changes: Any) -> Process:
    return Process(name=name, command=(sys.executable, "-c", code), **{"check": lambda: None, **changes})


def supervised(stack: Stack, processes: list[Process], script: Callable[["Client"], Coroutine[Any, Any, None]]) -> None:
    """Run a supervisor together with the test's script; then stop it."""

    async def both() -> None:
        running = asyncio.create_task(Supervisor(stack, processes).run())
        client = Client(stack)
        try:
            await asyncio.wait_for(script(client), 60)
        finally:
            with contextlib.suppress(LocalError):
                await client.ask("down")
            await running

    asyncio.run(both())


class Client:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    async def ask(self, action: str, process: str = "", number: int = signal.SIGKILL) -> Any:
        return await asyncio.to_thread(control.ask, self.stack, control.Request(action, process, int(number)))

    async def units(self) -> dict[str, dict[str, Any]]:
        return {unit["name"]: unit for unit in await self.ask("status")}

    async def until(self, condition: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        deadline = time.monotonic() + DEADLINE_S
        units: dict[str, dict[str, Any]] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(control.NoSupervisorError):
                units = await self.units()
                if condition(units):
                    return units
            await asyncio.sleep(0.02)
        pytest.fail(f"not within {DEADLINE_S} s: {units}")


def all_ready(units: dict[str, dict[str, Any]]) -> bool:
    return bool(units) and all(unit["state"] in {"ready", "done"} for unit in units.values())


def test_a_process_starts_when_those_it_needs_are_ready(own_stack: Stack, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write = f"open({str(journal)!r}, 'a').write"
    opened = tmp_path / "open"

    def server_is_open() -> None:
        if not opened.exists():
            raise NotReadyError("closed")

    task = python("task", f"{write}('task ')", once=True, after=("server",))
    user = python("user", f"{write}('user ')\n{NOTIFY}{FOR_EVER}", after=("task",), check=None)
    server = python("server", f"{write}('server ')\n{FOR_EVER}", check=server_is_open)

    async def script(client: Client) -> None:
        units = await client.until(lambda units: bool(units) and units["server"]["detail"] == "closed")
        assert (units["task"]["state"], units["user"]["state"]) == ("waiting", "waiting")
        opened.touch()
        units = await client.until(all_ready)
        assert units["task"]["state"] == "done"
        assert journal.read_text() == "server task user "

    supervised(own_stack, [user, task, server], script)


def test_a_killed_process_is_started_again(own_stack: Stack) -> None:
    async def script(client: Client) -> None:
        first = (await client.until(all_ready))["one"]["pid"]
        await client.ask("kill", "one")
        units = await client.until(lambda units: units["one"]["restarts"] == 1 and all_ready(units))
        assert units["one"]["pid"] != first

    supervised(own_stack, [python("one", FOR_EVER)], script)


def test_delays_grow_while_a_process_does_not_start(own_stack: Stack, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    code = f"import time; open({str(starts)!r}, 'a').write(f'{{time.monotonic()}} '); raise SystemExit(3)"

    async def script(client: Client) -> None:
        units = await client.until(lambda units: bool(units) and units["one"]["failures"] >= 4)
        assert units["one"]["detail"] == "ended with exit code 3"

    supervised(own_stack, [python("one", code, check=None)], script)
    times = [float(word) for word in starts.read_text().split()]
    assert times[1] - times[0] >= 0.2
    assert times[2] - times[1] >= 0.5
    assert times[3] - times[2] >= 1.0


def test_a_process_that_never_becomes_ready_is_killed_and_counted(own_stack: Stack) -> None:
    async def script(client: Client) -> None:
        units = await client.until(lambda units: bool(units) and units["one"]["failures"] >= 1)
        assert units["one"]["detail"] == "ended with signal SIGKILL"

    supervised(own_stack, [python("one", FOR_EVER, check=None, start_timeout_s=0.5)], script)


def test_a_stopped_process_stays_stopped_until_it_is_started(own_stack: Stack) -> None:
    async def script(client: Client) -> None:
        await client.until(all_ready)
        await client.ask("stop", "one")
        units = await client.until(lambda units: units["one"]["state"] == "stopped")
        await asyncio.sleep(0.5)  # longer than the first delay of a restart
        assert (await client.units())["one"] | {"seconds": 0} == units["one"] | {"seconds": 0}
        await client.ask("start", "one")
        assert (await client.units())["one"]["state"] == "ready"

    supervised(own_stack, [python("one", FOR_EVER)], script)


def test_processes_stop_before_what_they_need(own_stack: Stack, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    code = (
        "import signal, sys, time\n"
        f"def end(*_): time.sleep(0.2); open({str(journal)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        f"signal.signal(signal.SIGTERM, end)\n{NOTIFY}{FOR_EVER}"
    )

    def unit(name: str, *after: str) -> Process:
        return Process(name=name, command=(sys.executable, "-c", code, name), after=after)

    async def script(client: Client) -> None:
        await client.until(all_ready)

    supervised(own_stack, [unit("database"), unit("service", "database"), unit("edge", "service")], script)
    assert journal.read_text() == "edge service database "


def test_a_deaf_process_is_killed(own_stack: Stack) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{NOTIFY}{FOR_EVER}"

    async def script(client: Client) -> None:
        await client.until(all_ready)

    began = time.monotonic()
    supervised(own_stack, [python("one", deaf, check=None, stop_timeout_s=0.5)], script)
    assert time.monotonic() - began < DEADLINE_S
    assert not list(own_stack.run.glob("*.pid"))


def test_an_unknown_name_is_refused_with_the_known_ones(own_stack: Stack) -> None:
    async def script(client: Client) -> None:
        await client.until(all_ready)
        with pytest.raises(LocalError, match="no process 'two'; there are: one"):
            await client.ask("kill", "two")

    supervised(own_stack, [python("one", FOR_EVER)], script)


def test_a_stack_has_one_supervisor(own_stack: Stack) -> None:
    with only_one(own_stack), pytest.raises(LocalError, match="already being run"), only_one(own_stack):
        pass


@pytest.fixture
def killed_supervisor(own_stack: Stack) -> Iterator[list[int]]:
    """Pids of two children, one polite and one deaf, whose supervisor was killed with SIGKILL."""
    code = f"""
import asyncio, sys
from pathlib import Path
from deploy.local.layout import Stack
from deploy.local.process import Process
from deploy.local.supervisor import Supervisor
stack = Stack("own", 29000, Path({str(own_stack.root)!r}))
deaf = {f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN){chr(10)}{NOTIFY}{FOR_EVER}"!r}
polite = {f"{NOTIFY}{FOR_EVER}"!r}
processes = [Process(name=n, command=(sys.executable, "-c", c)) for n, c in (("deaf", deaf), ("polite", polite))]
asyncio.run(Supervisor(stack, processes).run())
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    units = asyncio.run(Client(own_stack).until(all_ready))
    supervisor.kill()
    supervisor.wait()
    pids = [units["polite"]["pid"], units["deaf"]["pid"]]
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_children_of_a_killed_supervisor_end(own_stack: Stack, killed_supervisor: list[int]) -> None:
    polite, deaf = killed_supervisor
    deadline = time.monotonic() + DEADLINE_S
    while start_time(polite) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert start_time(polite) is None, "the kernel tells children when their supervisor dies"
    assert start_time(deaf) is not None
    end_leftovers(own_stack)
    assert start_time(deaf) is None
    assert not list(own_stack.run.glob("*.pid"))


def test_a_reused_pid_is_left_alone(own_stack: Stack) -> None:
    (own_stack.run / "one.pid").write_text(f"{os.getpid()} 12345\n")
    end_leftovers(own_stack)
    assert start_time(os.getpid()) is not None
