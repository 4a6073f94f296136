"""``python -m deploy.local``: start, watch, disturb and stop a stack."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from . import bringup, control, layout, renewal, screen
from .layout import LocalError, Stack


def main() -> int:
    """Run one command. Returns 0, or 1 when it failed and said why."""
    arguments = _parser().parse_args()
    try:
        base = arguments.port_base or os.environ.get("HOSO_PORT_BASE")
        stack = layout.open_stack(arguments.stack, int(base) if base else None)
        return int(arguments.run(stack, arguments) or 0)
    except (LocalError, ValueError) as e:
        screen.complain(str(e))
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--stack", default=os.environ.get("HOSO_STACK", "main"), help="name of the stack [main]")
    parser.add_argument("--port-base", type=int, help="first of its hundred ports [main 26000, test 27000]")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, text in (
        ("up", _up, "start everything and wait until it is ready"),
        ("down", _down, "stop everything"),
        ("status", _status, "show every process"),
        ("kill", _act, "send a process a signal; the supervisor starts it again"),
        ("stop", _act, "stop one process and keep it stopped"),
        ("start", _act, "start a stopped process and wait until it is ready"),
        ("renew", _renew, "renew certificates and CRLs that end soon, and end old connections; run it daily"),
        ("revoke", _revoke, "take the certificate of a name back, end its connections, issue another"),
        ("clean", _clean, "stop the stack and delete everything it holds"),
        ("supervise", _supervise, "be the supervisor, in the foreground (`up` does this in the background)"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run, action=name)
        if name in {"up", "supervise"}:
            command.add_argument("--servers", action="store_true", help="only PostgreSQL, RabbitMQ and the store")
        if name == "clean":
            command.add_argument("--yes", action="store_true", help="do not ask")
        if name == "status":
            command.add_argument("--json", action="store_true", help="one JSON array for programs")
        if name in {"kill", "stop", "start"}:
            command.add_argument("process", help="name as in `status`")
        if name == "revoke":
            command.add_argument("name", help="such as service/print or vendor/smas")
            command.add_argument("--file", type=Path, help="another certificate of that name than the present one")
        if name == "kill":
            command.add_argument("--signal", default="KILL", help="such as TERM, STOP or CONT [KILL]")
    return parser


def _up(stack: Stack, arguments: argparse.Namespace) -> int:
    return bringup.up(stack, servers_only=arguments.servers)


def _down(stack: Stack, _: argparse.Namespace) -> None:
    bringup.down(stack)


def _status(stack: Stack, arguments: argparse.Namespace) -> int:
    units = bringup.status(stack)
    if arguments.json:
        print(json.dumps(units, indent=2))
    else:
        screen.console.print(screen.status_table(units))
    return 0 if all(unit["state"] in {"ready", "done"} for unit in units) else 1


def _act(stack: Stack, arguments: argparse.Namespace) -> None:
    number = getattr(signal.Signals, f"SIG{getattr(arguments, 'signal', 'KILL').upper().removeprefix('SIG')}", None)
    if number is None:
        raise LocalError(f"no such signal: {arguments.signal}")
    control.ask(stack, control.Request(arguments.action, arguments.process, int(number)))


def _renew(stack: Stack, _: argparse.Namespace) -> None:
    print("\n".join(renewal.renew(stack)))


def _revoke(stack: Stack, arguments: argparse.Namespace) -> None:
    print("\n".join(renewal.revoke(stack, arguments.name, arguments.file)))


def _clean(stack: Stack, arguments: argparse.Namespace) -> int:
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise LocalError("this deletes keys and documents; without a terminal say --yes")
        answer = input(f"Delete the stack {stack.name!r} with its marks, keys and archived documents? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            print("Nothing was deleted.")
            return 1
    bringup.clean(stack)
    return 0


def _supervise(stack: Stack, arguments: argparse.Namespace) -> None:
    asyncio.run(bringup.supervise(stack, servers_only=arguments.servers))


if __name__ == "__main__":
    sys.exit(main())
