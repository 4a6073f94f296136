"""Keeps every process of a stack running: in order, watched, restarted after a crash, stopped in
reverse order.

One supervisor per stack, held by a lock file. It starts each process when those it depends on are
ready, asks instead of sleeping, and restarts what ends, as often as it takes, after a short growing
delay. When it is itself killed, the kernel stops its children (see `process.launch`); the next
supervisor waits for what is left of them before it starts anew.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import control
from .layout import LocalError, Stack, write_private
from .process import NotReadyError, Process, launch, start_time

_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_CALM_S = 30.0  # a process that ran this long begins again with the shortest delay
_POLL_S = 0.05
_LEFTOVER_S = 6.0


@dataclass
class _Unit:
    """A process and its present state."""

    process: Process
    state: str = "waiting"
    detail: str = ""
    child: subprocess.Popen[bytes] | None = None
    since: float = field(default_factory=time.monotonic)
    restarts: int = 0
    failures: int = 0
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.contextmanager
def only_one(stack: Stack) -> Iterator[None]:
    """Hold the stack's lock. Raises LocalError when another supervisor has it."""
    with (stack.run / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(f"the stack {stack.name!r} is already being run by a supervisor") from None
        yield


class Supervisor:
    """Runs the processes of one stack until it is told to stop. Lives in the main thread (see
    `process.launch`).
    """

    def __init__(self, stack: Stack, processes: Sequence[Process]) -> None:
        self._stack = stack
        self._units = {process.name: _Unit(process) for process in processes}
        for unit in self._units.values():
            unit.wanted.set()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start everything and keep it running; on SIGTERM, SIGINT or ``down`` stop it in reverse
        order and return.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with control.serve(self._stack, self._answer):
            await asyncio.to_thread(end_leftovers, self._stack)
            tasks = [asyncio.create_task(self._keep(unit)) for unit in self._units.values()]
            for task in tasks:
                task.add_done_callback(self._notice)
            await self._stopping.wait()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()
            for result in results:  # a mistake of ours, or a program that cannot be started, ends loudly
                if isinstance(result, Exception):
                    raise result

    def _notice(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._stopping.set()

    async def _keep(self, unit: _Unit) -> None:
        """Run one process for as long as it is wanted."""
        for name in unit.process.after:
            await self._units[name].was_ready.wait()
        while True:
            if not unit.wanted.is_set():
                _move(unit, "stopped")
                await unit.wanted.wait()
            started = time.monotonic()
            if await self._run_once(unit):
                return
            if not unit.wanted.is_set():
                continue
            unit.failures = 1 if time.monotonic() - started > _CALM_S else unit.failures + 1
            unit.restarts += 1
            await asyncio.sleep(_DELAYS_S[min(unit.failures, len(_DELAYS_S)) - 1])

    async def _run_once(self, unit: _Unit) -> bool:
        """Start the process and wait until it ends. True when it is a task and has done its
        work.
        """
        process = unit.process
        notices = _Notices(self._stack.sockets / f"{process.name}.notify")
        extra = notices.environment if process.check is None else {}
        unit.child = child = launch(process, self._stack.log / f"{process.name}.log", extra)
        self._remember(process.name, child.pid)
        _move(unit, "starting")
        ended = asyncio.create_task(_ended(child))
        ready = asyncio.create_task(_ready(unit, notices))
        try:
            first = {ended} if process.once else {ended, ready}
            await asyncio.wait(first, timeout=process.start_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and (process.once or not ready.done()):
                unit.detail = f"not ready within {process.start_timeout_s:.0f} s: {unit.detail}"
                child.kill()
            elif not ended.done():
                ready.result()
                _move(unit, "ready")
                unit.failures = 0
                unit.was_ready.set()
            code = await ended
        finally:
            ready.cancel()
            ended.cancel()
            notices.close()
        self._forget(process.name)
        if process.once and code == 0:
            _move(unit, "done")
            unit.was_ready.set()
            return True
        _move(unit, "restarting", f"ended with {_describe(code)}")
        return False

    async def _stop(self, unit: _Unit) -> None:
        """End the process: politely, then with SIGKILL."""
        child = unit.child
        if child is None or child.poll() is not None:
            return
        child.send_signal(unit.process.stop_signal)
        try:
            await asyncio.wait_for(_ended(child), unit.process.stop_timeout_s)
        except TimeoutError:
            child.kill()
            await _ended(child)
        self._forget(unit.process.name)

    async def _stop_all(self) -> None:
        """Stop what others depend on after those others."""
        depth = {name: self._depth(name) for name in self._units}
        for level in sorted(set(depth.values()), reverse=True):
            await asyncio.gather(*(self._stop(self._units[name]) for name in depth if depth[name] == level))

    def _depth(self, name: str) -> int:
        return 1 + max((self._depth(other) for other in self._units[name].process.after), default=0)

    async def _answer(self, request: control.Request) -> object:
        """One request from the command line; raises LocalError for a name that is not there."""
        if request.action == "status":
            return [self._status(unit) for unit in self._units.values()]
        if request.action == "down":
            self._stopping.set()
            return None
        unit = self._units.get(request.process)
        if unit is None:
            raise LocalError(f"no process {request.process!r}; there are: {', '.join(self._units)}")
        if request.action == "kill":
            if unit.child is None or unit.child.poll() is not None:
                raise LocalError(f"{request.process} is not running")
            unit.child.send_signal(request.signal)
        elif request.action == "stop":
            unit.wanted.clear()
            await self._stop(unit)
        else:
            unit.was_ready.clear()
            unit.failures = 0
            unit.wanted.set()
            await unit.was_ready.wait()
        return None

    def _status(self, unit: _Unit) -> dict[str, object]:
        alive = unit.child is not None and unit.child.poll() is None
        pid = unit.child.pid if unit.child is not None and alive else None
        return {
            "name": unit.process.name,
            "group": unit.process.group,
            "state": unit.state,
            "detail": unit.detail,
            "pid": pid,
            "seconds": round(time.monotonic() - unit.since, 1),
            "restarts": unit.restarts,
            "failures": unit.failures,
            "memory_bytes": _memory(pid) if pid else 0,
        }

    def _remember(self, name: str, pid: int) -> None:
        write_private(self._stack.run / f"{name}.pid", f"{pid} {start_time(pid)}\n")

    def _forget(self, name: str) -> None:
        (self._stack.run / f"{name}.pid").unlink(missing_ok=True)


def end_leftovers(stack: Stack) -> None:
    """Wait for processes of a killed supervisor, which are stopping already; kill those that take
    too long.
    """
    deadline = time.monotonic() + _LEFTOVER_S
    for path in stack.run.glob("*.pid"):
        words = path.read_text(encoding="ascii").split()
        pid, started = (int(words[0]), words[1]) if len(words) == 2 else (0, "")
        while pid and str(start_time(pid)) == started:
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)
        path.unlink(missing_ok=True)


def _move(unit: _Unit, state: str, detail: str = "") -> None:
    unit.state, unit.detail, unit.since = state, detail, time.monotonic()


class _Notices:
    """The socket on which a process reports that it is ready (sd_notify(3))."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path)}

    async def ready(self) -> None:
        while b"READY=1" not in (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).split(b"\n"):
            pass

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


async def _ready(unit: _Unit, notices: _Notices) -> None:
    check = unit.process.check
    if check is None:
        unit.detail = "has not said that it is ready"
        await notices.ready()
        return
    while True:
        try:
            await asyncio.to_thread(check)
            return
        except NotReadyError as e:
            unit.detail = str(e)
            await asyncio.sleep(_POLL_S)


async def _ended(child: subprocess.Popen[bytes]) -> int:
    """The exit code of `child`, once it has one (pidfd_open(2): no thread waits for it)."""
    if child.poll() is not None:
        return int(child.returncode)
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    descriptor = os.pidfd_open(child.pid)
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return child.wait()


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _memory(pid: int) -> int:
    """Bytes of memory of the process and all it started; shared pages are divided among their users
    (PSS, proc(5)).

    A process that forbids being looked into, as the owners of keys do, is counted with all its
    resident pages.
    """
    folder = Path(f"/proc/{pid}")
    try:
        children = [c for task in folder.glob("task/*/children") for c in task.read_text(encoding="ascii").split()]
        try:
            rollup = (folder / "smaps_rollup").read_text(encoding="ascii")
            own = next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
        except PermissionError:
            own = int((folder / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
    return own + sum(_memory(int(child)) for child in children)
