"""Bringing a stack up and down from outside: write its files, start a supervisor, follow it until
all is ready.
"""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

from . import configs, control, objectstore, pki, postgres, processes, rabbitmq, screen, softhsm
from .certificate_authority import CertificateAuthority
from .layout import HOST, REPOSITORY, LocalError, Stack
from .supervisor import Supervisor, end_leftovers, only_one

Status = dict[str, Any]

_POLL_S = 0.1
_SUPERVISOR_START_S = 60.0
_STOP_S = 120.0
_FAILURES_BEFORE_GIVING_UP = 3


def up(stack: Stack, *, servers_only: bool) -> int:
    """Start the stack unless it runs, and wait until every process is ready; 1 when one of them
    does not start.
    """
    stack.make_folders()
    supervisor = None
    log_size = _supervisor_log(stack).stat().st_size if _supervisor_log(stack).exists() else 0
    try:
        running = status(stack)
        screen.console.print(f"The stack [bold]{stack.name}[/] is running already.")
        for unit in running:
            if unit["state"] == "stopped":
                control.ask(stack, control.Request("start", unit["name"]))
    except control.NoSupervisorError:
        screen.console.print(f"Starting the stack [bold]{stack.name}[/] in {_short(stack)}")
        supervisor = _start_supervisor(stack, servers_only=servers_only)
    with screen.Progress() as progress:
        while True:
            units = _status_soon(stack, supervisor, log_size)
            progress.show(units)
            failed = next((u for u in units if u["failures"] >= _FAILURES_BEFORE_GIVING_UP), None)
            if failed or all(unit["state"] in {"ready", "done"} for unit in units):
                break
            time.sleep(_POLL_S)
    if failed is None:
        screen.console.print(f"Ready. Look with: {_command('status')}   Stop with: {_command('down')}")
        return 0
    screen.complain(f"{failed['name']} does not start ({failed['detail']}). The end of its log:")
    print(screen.tail(stack.log / f"{failed['name']}.log"))
    if supervisor is not None:
        down(stack)
    return 1


def down(stack: Stack) -> None:
    """Stop the stack and wait until its last process has ended. Does nothing when it does not
    run.
    """
    stack.make_folders()
    try:
        control.ask(stack, control.Request("down"))
    except control.NoSupervisorError:
        end_leftovers(stack)
        screen.console.print(f"The stack [bold]{stack.name}[/] is not running.")
        return
    deadline = time.monotonic() + _STOP_S
    while time.monotonic() < deadline:
        try:
            with only_one(stack):
                screen.console.print(f"The stack [bold]{stack.name}[/] is stopped. Its data stays in {_short(stack)}")
                return
        except LocalError:
            time.sleep(_POLL_S)
    raise LocalError(f"the stack {stack.name!r} did not stop within {_STOP_S:.0f} s; see {_supervisor_log(stack)}")


def clean(stack: Stack) -> None:
    """Stop the stack and delete its folder: databases, queues, tokens, archived objects."""
    down(stack)
    shutil.rmtree(stack.root)
    if stack.sockets.exists():
        shutil.rmtree(stack.sockets)
    screen.console.print(f"{_short(stack)} is deleted.")


def status(stack: Stack) -> list[Status]:
    """Every process of the running stack. Raises control.NoSupervisorError when it does not run."""
    return cast(list[Status], control.ask(stack, control.Request("status")))


async def supervise(stack: Stack, *, servers_only: bool) -> None:
    """Prepare the stack's files and be its supervisor. Raises LocalError when there is one
    already.
    """
    stack.make_folders()
    with only_one(stack):
        end_leftovers(stack)
        require_free_ports(stack)
        pki.issue_all(stack)
        postgres.prepare(stack)
        rabbitmq.prepare(stack)
        objectstore.prepare(objectstore.choose(stack))
        softhsm.prepare(stack)
        CertificateAuthority(configs.signing_ca(stack)).create()
        configs.write_all(stack)
        listed = processes.servers(stack)
        if not servers_only:
            listed += processes.services(stack)
        await Supervisor(stack, listed).run()


def require_free_ports(stack: Stack) -> None:
    """Raises LocalError when another program listens on a port that the stack needs."""
    taken = []
    for offset in (*range(1, 5), *range(10, 18), *processes.PORT_OFFSETS.values()):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, stack.port(offset)))
            except OSError:
                taken.append(str(stack.port(offset)))
    if taken:
        raise LocalError(
            f"another program listens on port {', '.join(taken)}; stop it, or choose a hundred other ports: "
            f"make up HOSO_STACK={stack.name} HOSO_PORT_BASE=28000"
        )


def _start_supervisor(stack: Stack, *, servers_only: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.local", "--stack", stack.name, "--port-base", str(stack.port_base)]
    command += ["supervise", "--servers"] if servers_only else ["supervise"]
    with _supervisor_log(stack).open("ab") as log:
        return subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _status_soon(stack: Stack, supervisor: subprocess.Popen[bytes] | None, log_size: int) -> list[Status]:
    """The status, waiting for a supervisor that is still preparing the stack's files."""
    deadline = time.monotonic() + _SUPERVISOR_START_S
    while True:
        try:
            return status(stack)
        except control.NoSupervisorError:
            dead = supervisor is None or supervisor.poll() is not None
            if dead or time.monotonic() > deadline:
                text = screen.tail(_supervisor_log(stack), 15, after=log_size).removeprefix("✗ ")
                raise LocalError(f"the stack {stack.name!r} cannot start: {text or 'no answer'}") from None
            time.sleep(_POLL_S)


def _supervisor_log(stack: Stack) -> Path:
    return stack.log / "supervisor.log"


def _short(stack: Stack) -> str:
    return f"{stack.root.relative_to(REPOSITORY)}/"


def _command(name: str) -> str:
    return f"[cyan]make {name}[/]"
