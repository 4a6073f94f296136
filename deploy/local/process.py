"""The description of a process of the stack, which the supervisor and the test fixtures both
run.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .layout import REPOSITORY


@dataclass(frozen=True)
class Process:
    """One program the stack runs.

    name: unique in the stack; also the name of its log and pid file. command: the program and its
    arguments; it must stay in the foreground. environment: variables on top of the caller's own
    environment. folder: working directory. after: names of the processes that must be ready first.
    check: returns when the process does its work, raises NotReadyError while it does not yet.
    Called in a thread. once: a task that is done when it exits with 0, such as a migration.
    stop_signal, stop_timeout_s: how to end it politely, and how long to wait before SIGKILL.
    start_timeout_s: how long it may take to become ready (or, for a task, to finish). group:
    ``server`` or ``service``; `up --servers` starts only the first.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY
    after: tuple[str, ...] = ()
    check: Callable[[], None] | None = None
    once: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 20.0
    start_timeout_s: float = 60.0
    group: str = "service"


class NotReadyError(Exception):
    """The process does not answer yet; the message says what is missing."""


def launch(process: Process, log: Path, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start `process` with its output appended to `log` and `extra` variables in its environment.

    The kernel sends it its stop signal when the caller dies (prctl(2), PR_SET_PDEATHSIG), so a
    killed supervisor or test run leaves nothing behind. Must be called from the main thread: the
    signal follows the calling thread.
    """
    guard = ("setpriv", "--pdeathsig", process.stop_signal.name.removeprefix("SIG"), "--")
    with log.open("ab") as output:
        return subprocess.Popen(
            guard + process.command,
            env={**os.environ, **process.environment, **(extra or {})},
            cwd=process.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot (proc(5), field 22); None when it is
    gone or a zombie.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])
