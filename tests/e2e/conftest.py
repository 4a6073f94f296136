"""A whole stack of its own for the end-to-end tests: servers and every service, started as an
operator would.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hoso.operations.v1 import operations_pb2

from cli import profile
from cli.connection import Persons, Services, call
from deploy.local import layout
from services.common.errors import HosoError

PORT_OFFSET = 200


@dataclass(frozen=True)
class Line:
    """The running stack, and what a person at its terminal can do."""

    stack: layout.Stack
    profile: profile.Profile

    def local(self, *arguments: str) -> str:
        """Run ``python -m deploy.local`` on this stack; its output. Fails the test when the command
        fails.
        """
        base = [sys.executable, "-m", "deploy.local", "--stack", self.stack.name]
        base += ["--port-base", str(self.stack.port_base)]
        done = subprocess.run(
            [*base, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-1000:]}"
        return done.stdout

    def processes(self) -> list[str]:
        """Names of everything that keeps running: servers and roles."""
        units: list[dict[str, Any]] = json.loads(self.local("status", "--json"))
        return [unit["name"] for unit in units if unit["state"] == "ready"]

    def demo(self, code: str, *, classes: int, students: int = 10, story: bool = True) -> "subprocess.Popen[str]":
        """Start the demo of the school `code`."""
        command = ["hoso", "demo", "--school", code, "--classes", str(classes), "--students", str(students)]
        command.append("--story" if story else "--no-story")
        return subprocess.Popen(
            [sys.executable, "-c", "from cli.main import main; main()", *command[1:]],
            env=os.environ | {"HOSO_PROFILE": str(self.stack.config / "cli.toml")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def report(self) -> list[dict[str, Any]]:
        """The rows that the last demo left."""
        assert self.profile.demo is not None
        rows: list[dict[str, Any]] = json.loads((self.profile.demo.folder / "report.json").read_text(encoding="utf-8"))
        return rows

    def status(self, service: str) -> operations_pb2.GetStatusResponse:
        """What a service says of its events and jobs; waits out an outage."""
        request = operations_pb2.GetStatusRequest()
        return call(self.operator().operations[service].GetStatus, request, patient=True)

    def answers(self, service: str) -> bool:
        """Whether a service can be asked now."""
        try:
            call(self.operator().operations[service].GetStatus, operations_pb2.GetStatusRequest(), deadline_s=5)
        except HosoError:
            return False
        return True

    def logged(self, process: str, words: str) -> int:
        """How many lines with these words a process has logged."""
        return (self.stack.log / f"{process}.log").read_text(encoding="utf-8", errors="replace").count(words)

    def operator(self) -> Services:
        return Services(self.profile, self.profile.tls)

    def vendor(self) -> Services:
        assert self.profile.vendor_tls is not None
        return Services(self.profile, self.profile.vendor_tls)

    def persons(self, code: str) -> Persons:
        return Persons(self.profile, code)


@pytest.fixture(scope="session")
def line(stack: layout.Stack) -> Iterator[Line]:
    """The stack ``<test stack>-line``: up for all end-to-end tests, stopped and removed
    afterwards.
    """
    own = layout.open_stack(f"{stack.name}-line", stack.port_base + PORT_OFFSET)
    os.environ["HOSO_PROFILE"] = str(own.config / "cli.toml")
    line = Line(own, profile.Profile("", "", "", "", None))  # type: ignore[arg-type]  # until the stack has written it
    line.local("up")
    try:
        yield Line(own, profile.load())
    finally:
        line.local("clean", "--yes")
        del os.environ["HOSO_PROFILE"]


def finished(demo: "subprocess.Popen[str]", timeout_s: float) -> str:
    """Wait for a demo to succeed; its output."""
    output, _ = demo.communicate(timeout=timeout_s)
    assert demo.returncode == 0, output[-4000:]
    return output


ROOT = Path(__file__).resolve().parents[2]
