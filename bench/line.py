"""The whole line for one class: seconds from keyed marks to ARCHIVED, where they go, and the memory
of every process.

A stack of its own, brought up as anyone does; the people's acts are those of ``hoso demo``, which
looks at the books every 0.3 s, so an act may be that late.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from hoso.gradebook.v1 import books_pb2

from bench import memory, school
from bench.memory import Memory
from bench.pairs import Tell
from bench.report import Row
from cli.books import all_books, state_name
from cli.connection import Services, call
from demo.school import CODE, SCHOOL_YEAR
from deploy.local import bringup, postgres
from deploy.local.layout import REPOSITORY, Stack
from services.common import db
from services.common.rows import one_row, rows

_SETTLE_S = 8.0
_MIB = 2**20
_WHO = {True: "a person", False: "the system"}
_JOBS = ("print", "signing", "archive")


def measure(stack: Stack, students: int, tell: Tell) -> list[Row]:
    """Rows of the line's time and of memory. Leaves the stack running. Raises RuntimeError when the
    demo fails.
    """
    began = time.perf_counter()
    if bringup.up(stack, servers_only=False):
        raise RuntimeError("the stack does not start")
    rows = [Row("stack.up", time.perf_counter() - began, "s", note="from nothing to ready, all servers and services")]
    tell(f"all ready; letting them settle for {_SETTLE_S:.0f} s")
    time.sleep(_SETTLE_S)
    idle = _memory(stack)
    tell(f"one class of {students}: from marks to the archive")
    began = time.perf_counter()
    _demo(stack, students)
    spent = time.perf_counter() - began
    rows += _line(stack, students)
    rows.append(Row("line.demo", spent, "s", note="hoso demo as a whole, with key ceremony and verification"))
    rows += _job_rows(stack)
    return rows + memory_rows(idle, _memory(stack))


def _demo(stack: Stack, students: int) -> None:
    log = stack.log / "bench-demo.log"
    hoso = Path(sys.executable).with_name("hoso")
    command = [str(hoso), "demo", "--no-story", "--classes", "1", "--students", str(students)]
    with log.open("wb") as output:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=os.environ | {"HOSO_PROFILE": str(stack.config / "cli.toml")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"hoso demo ended with {done.returncode}; the end of its output:\n{tail}")


def _line(stack: Stack, students: int) -> list[Row]:
    configured = school.profile(stack)
    operator = Services(configured, configured.tls)
    (book,) = all_books(operator, CODE, SCHOOL_YEAR)
    history = call(operator.books.GetBook, books_pb2.GetBookRequest(book=book.id)).book.history
    steps = [Step(state_name(step.to_state), step.time.ToNanoseconds() / 1e9, bool(step.person)) for step in history]
    return line_rows(*_keyed(stack), steps, students)


class Step(NamedTuple):
    """A step in a book's life: the state it led to, when (Unix time), and whether a person made
    it.
    """

    state: str
    time: float
    by_person: bool


def line_rows(first: float, last: float, steps: Sequence[Step], students: int) -> list[Row]:
    """The line's rows. first, last: when marks were keyed, Unix time. Raises RuntimeError when it
    ended too early.
    """
    rows = [Row("line.keyed", last - first, "s", note="first to last sheet, conduct and absences")]
    spent = {True: 0.0, False: 0.0}
    before, seen = last, Counter[str]()
    for step in steps:
        seen[step.state] += 1
        name = f"line.{step.state.lower()}" + (f".{seen[step.state]}" if seen[step.state] > 1 else "")
        rows.append(Row(name, step.time - before, "s", note=f"since the row before; by {_WHO[step.by_person]}"))
        spent[step.by_person] += step.time - before
        before = step.time
        if step.state == "ARCHIVED":
            break
    else:
        raise RuntimeError(f"the book is not archived: {', '.join(step.state for step in steps)}")
    whole = Row("line.total", before - first, "s", note=f"first mark to ARCHIVED, one class of {students}")
    split = [
        Row("line.by_system", spent[False], "s", note="until the states that the services reach by themselves"),
        Row("line.by_people", spent[True], "s", note="until the acts of the school's people, whom the demo plays"),
    ]
    return [whole, *split, *rows]


class _Keyed(NamedTuple):
    first: datetime
    last: datetime


def _keyed(stack: Stack) -> tuple[float, float]:
    """When the first and the last marks were keyed, Unix time."""
    with db.connect(postgres.config(stack, "gradebook")) as connection:
        statement = "SELECT min(recorded_time) AS first, max(recorded_time) AS last FROM entry"
        keyed = one_row(rows(connection, _Keyed, statement))
    return keyed.first.timestamp(), keyed.last.timestamp()


class _KindOfJobs(NamedTuple):
    kind: str
    jobs: int
    seconds: float


def _job_rows(stack: Stack) -> Iterator[Row]:
    """Total time of each kind's jobs, from creation to end."""
    for service in _JOBS:
        with db.connect(postgres.config(stack, service)) as connection:
            kinds = rows(
                connection,
                _KindOfJobs,
                "SELECT kind, count(*) AS jobs,"
                " extract(epoch FROM sum(finished_time - created_time))::float8 AS seconds FROM job"
                " WHERE state = 'done' GROUP BY kind ORDER BY kind",
            ).fetchall()
        for kind in kinds:
            note = f"{kind.jobs} jobs, from creation to end, added up"
            yield Row(f"line.jobs.{service}.{kind.kind}", kind.seconds, "s", note=note)


def _memory(stack: Stack) -> dict[str, Memory]:
    """Memory of every running process of the stack with its children."""
    return {unit["name"]: memory.of_tree(unit["pid"]) for unit in bringup.status(stack) if unit["pid"]}


def memory_rows(idle: dict[str, Memory], after: dict[str, Memory]) -> list[Row]:
    """One row per process, PSS when idle, and their sum."""
    rows = [_memory_row(f"memory.{name}", memory, after.get(name)) for name, memory in idle.items()]
    nothing = Memory(0, 0, 0)
    return [*rows, _memory_row("memory.all", sum(idle.values(), nothing), sum(after.values(), nothing))]


def _memory_row(name: str, idle: Memory, after: Memory | None) -> Row:
    note = f"idle; RSS {idle.rss / _MIB:,.0f} MiB"
    if idle.processes > 1:
        note += f" in {idle.processes} processes"
    if after is not None:
        note += f"; after the line PSS {after.pss / _MIB:,.0f} MiB"
        if after.processes != idle.processes:
            note += f" in {after.processes} processes"
    return Row(name, idle.pss / _MIB, "MiB PSS", note=note)
