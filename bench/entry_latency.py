"""How long entering one mark takes while fifty people do so: one call per cell, through gRPC, mTLS
and tokens.

Open loop: each client has its own timetable (the planned rate shared out, at random moments), and a
call's time counts from the moment it was planned, so that a slow server cannot hide by slowing its
clients down. The rate comes from a city's worst hour: 1.1 million students get 58 marks per
semester; if a fifth of a semester's marks are entered within the last five working days of ten
hours, that is 71 cells per second; a tenth of them entered singly would be 7, and the burst at the
end of a day is taken as fourteen times as much: 100 calls per second. The rest comes as sheets.

Closed loop: the same clients without any pause, which shows where the machine ends, clients
included.
"""

import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import grpc
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc

from bench import mark_school, school
from bench import stack as stacks
from bench.mark_school import Shape, Sheet
from bench.pairs import Settings, Tell
from bench.report import Row
from cli.connection import Services, call
from deploy.local.layout import Stack
from services.common import db
from services.common.grpc_client import channel

CLIENTS = 50
RATE = 100.0
"""Planned calls per second of all clients together."""
P99_MS = 20.0
_SCHOOLS = 8
_SHAPE = Shape(students=45, columns=6)
_TEXTS = ("8", "8.5", "7.3", "9")


def measure(stack: Stack, settings: Settings, tell: Tell) -> list[Row]:
    """Rows of an entry's time under the planned rate, and of the greatest rate."""
    seconds = settings.pairs * settings.seconds
    with school.serving(stack) as database:
        clients = _clients(stack)
        with db.connect(db.as_owner(database)) as connection:
            connection.execute("ANALYZE")
        _together([client.warm for client in clients])
        tell(f"{CLIENTS} clients, {RATE:g} cells per second planned, {seconds:g} s")
        planned = _together([partial(client.planned, seconds) for client in clients])
        tell(f"{CLIENTS} clients without pause, {settings.seconds:g} s")
        began = time.perf_counter()
        greedy = _together([partial(client.greedy, settings.seconds) for client in clients])
        rate = len(greedy) / (time.perf_counter() - began)
        for client in clients:
            client.close()
    return rows(planned, greedy, rate)


def rows(planned: Sequence[float], greedy: Sequence[float], greedy_rate: float) -> list[Row]:
    """The report's rows. planned, greedy: times of calls in seconds."""
    note = f"{CLIENTS} clients, open loop, {RATE:g} cells/s planned, {len(planned)} calls, from the planned moment"
    met = "reached" if percentile(planned, 99) * 1000 <= P99_MS else "MISSED"
    return [
        Row("entry.cell.p50", percentile(planned, 50) * 1000, "ms", note=note),
        Row("entry.cell.p99", percentile(planned, 99) * 1000, "ms", note=f"target ≤ {P99_MS:g} ms {met}"),
        Row("entry.cell.greedy", greedy_rate, "cells/s", note=f"{CLIENTS} clients without pause, {len(greedy)} calls"),
        Row("entry.cell.greedy.p99", percentile(greedy, 99) * 1000, "ms", note="closed loop"),
    ]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed. Raises StatisticsError for fewer
    than two.
    """
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


class _Client:
    """One person's connection, who enters cells of one class."""

    def __init__(self, stack: Stack, token: str, sheet: Sheet, number: int) -> None:
        self._peer = channel(stacks.peer(stack, "gradebook", f"vendor/{mark_school.VENDOR}"), "gradebook")
        self._stub = marks_pb2_grpc.MarkServiceStub(self._peer)
        self._token, self._sheet = token, sheet
        self._random = random.Random(number)  # noqa: S311 - a timetable, not a secret

    def warm(self) -> list[float]:
        grpc.channel_ready_future(self._peer).result(timeout=60)
        return [self._enter(time.perf_counter()) for _ in range(5)]

    def planned(self, seconds: float) -> list[float]:
        times = []
        began = time.perf_counter()
        due = began + self._random.uniform(0, CLIENTS / RATE)
        while due < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            times.append(self._enter(due))
            due += self._random.expovariate(RATE / CLIENTS)
        return times

    def greedy(self, seconds: float) -> list[float]:
        times = []
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            times.append(self._enter(now))
        return times

    def close(self) -> None:
        self._peer.close()

    def _enter(self, since: float) -> float:
        request = mark_school.request(self._sheet, _SHAPE)
        row = marks_pb2.MarkRow(student=self._random.choice(request.rows).student, values=[self._random.choice(_TEXTS)])
        column = self._random.choice(request.columns)
        single = marks_pb2.EnterMarksRequest(
            request_id=str(uuid.uuid4()),
            school_class=request.school_class,
            subject=request.subject,
            semester=request.semester,
            columns=[column],
            rows=[row],
        )
        call(self._stub.EnterMarks, single, self._token)
        return time.perf_counter() - since


def _clients(stack: Stack) -> list[_Client]:
    configured = school.profile(stack)
    operator = Services(configured, configured.tls)
    vendor = Services(configured, stacks.tls(stack, f"vendor/{mark_school.VENDOR}"))
    clients = []
    for school_number in range(_SCHOOLS):
        code = f"7901{school_number:04d}"
        token = mark_school.register(configured, operator, vendor, code, classes=1, shape=_SHAPE)
        sheets = mark_school.sheets(code, mark_school.class_names(1))
        for number in range(school_number, CLIENTS, _SCHOOLS):
            clients.append(_Client(stack, token, next(sheets), number))
    return clients


def _together(work: Sequence[Callable[[], list[float]]]) -> list[float]:
    start = threading.Barrier(len(work))

    def run(measure: Callable[[], list[float]]) -> list[float]:
        start.wait()
        return measure()

    with ThreadPoolExecutor(len(work)) as pool:
        return [time for times in pool.map(run, work) for time in times]
