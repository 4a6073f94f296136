"""Requests that no honest client sends, to every RPC, by callers who may make it: the services
answer with the statuses that docs/vendors.md lists, and their memory stays where it was.

Each run has another seed. A failure names it, and the round, which can be made again:

    make fuzz FUZZ_SEED=… FUZZ_FIRST=… FUZZ_ROUNDS=1
"""

import itertools
import os
import pathlib
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc
import pytest
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.local.layout import REPOSITORY, SERVICES
from tests.integration.rights.city import A, B, City
from tests.integration.rights.kinds import CLIENTS, OWN, Client, Person, persons
from tests.integration.rights.mutation import mutated, texts
from tests.integration.rights.outcomes import ALLOWED, Outcome, send
from tests.integration.rights.requests import Requests, Row, rows

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "10000"))
SEED = os.environ.get("FUZZ_SEED") or f"{random.SystemRandom().getrandbits(48):x}"
FIRST = int(os.environ.get("FUZZ_FIRST", "0"))
WARM_UP = 4_000
"""Rounds after which a process has all that it keeps: pools, plans, arenas."""
MEMORY_MB = 24
"""Megabytes by which a process may have grown since then, however many the rounds."""
_AT_ONCE = 8
_PERSONS = ("teacher", "homeroom", "seal", "data officer", "principal")
_SHOWN = 10


class Caller(NamedTuple):
    client: Client
    person: Person


@dataclass
class Seen:
    """What came of the rounds. failed: an example of each kind, ready to be read."""

    statuses: Counter[str] = field(default_factory=Counter)
    failed: dict[tuple[str, str, grpc.StatusCode], str] = field(default_factory=dict)


def documented() -> set[grpc.StatusCode]:
    """The statuses that a caller must expect, from the table in docs/vendors.md."""
    text = (REPOSITORY / "docs" / "vendors.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| status \| you must \|\n(.*?)\n\n", text, re.S)
    names = {name for line in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])}
    return {grpc.StatusCode[name] for name in names - {"INTERNAL"}} | {grpc.StatusCode.OK}


def resident_mb(pid: int) -> float:
    """Megabytes of memory that a process occupies."""
    with pathlib.Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


class Fuzzing:
    """Makes the rounds. Each is drawn from the seed and its number alone."""

    def __init__(self, city: City) -> None:
        self._city, self._requests = city, Requests(city)
        candidates = [Caller(client, person) for client, person in _candidates()]
        every = [row for service in SERVICES for row in rows(service)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda pair: self._may(*pair), itertools.product(every, candidates))
        self.callers: dict[Row, list[Caller]] = {row: [] for row in every}
        for (row, caller), may in zip(itertools.product(every, candidates), found, strict=True):
            if may:
                self.callers[row].append(caller)
        self._rows = every
        self._words = sorted({text for row in every for text in texts(self._requests.make(row))})

    def round(self, number: int) -> tuple[Row, Caller, list[bytes], Outcome]:
        """One call, with what was sent."""
        rng = random.Random(f"{SEED}/{number}")
        row = rng.choice(self._rows)
        caller = rng.choice(self.callers[row])
        token = self._city.token(caller.person, caller.client.certificate)
        count = rng.choice((1, 1, 2, 5)) if row.rpc.client_streaming else 1
        sent = [mutated(self._requests.make(row, token), rng, self._words) for _ in range(count)]
        return row, caller, sent, self._send(row, caller, token, sent)

    def _may(self, row: Row, caller: Caller) -> bool:
        token = self._city.token(caller.person, caller.client.certificate)
        return self._send(row, caller, token, [self._requests.make(row, token).SerializeToString()]).letter == ALLOWED

    def _send(self, row: Row, caller: Caller, token: str, sent: Sequence[bytes]) -> Outcome:
        channel = self._city.channel(row.service, caller.client.certificate)
        return send(channel, row, "" if row.carries_token else token, *sent)


def _candidates() -> Iterator[tuple[Client, Person]]:
    everybody = persons(A, B)
    yield from ((OWN, person) for person in everybody if person.key in _PERSONS)
    for client in CLIENTS:
        if client.certificate.startswith(("service/", "operator/department")):
            yield client, everybody[0]


def shown(row: Row, sent: Sequence[bytes]) -> str:
    """A request as one can read it."""
    try:
        parsed = [GetMessageClass(row.rpc.input_type).FromString(data) for data in sent]
    except DecodeError:
        return ", ".join(data.hex()[:600] for data in sent)
    return " | ".join(text_format.MessageToString(each, as_one_line=True, as_utf8=True)[:600] for each in parsed)


def run(fuzzing: Fuzzing, numbers: range, seen: Seen) -> None:
    """Make rounds, with a bar where somebody watches."""
    expected = documented()
    console = Console(stderr=True)
    columns = (TextColumn("fuzzing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        task = progress.add_task("", total=len(numbers))
        for some in (numbers[at : at + 500] for at in range(0, len(numbers), 500)):
            for number, (row, caller, sent, outcome) in zip(some, pool.map(fuzzing.round, some), strict=True):
                seen.statuses[outcome.code.name] += 1
                if outcome.code not in expected:
                    words = f"round {number}: {row.service} {row.name} as {caller.client.key}, {caller.person.key}"
                    kind = (row.service, row.name, outcome.code)
                    seen.failed.setdefault(kind, f"{words}: {outcome.code.name} for {shown(row, sent)}")
            progress.advance(task, len(some))


@pytest.fixture(scope="module")
def fuzzing(town: City) -> Fuzzing:
    return Fuzzing(town)


def test_every_call_has_a_caller(fuzzing: Fuzzing) -> None:
    assert {row.name for row, callers in fuzzing.callers.items() if not callers} == set()


def test_only_documented_statuses_and_flat_memory(town: City, fuzzing: Fuzzing) -> None:
    print(f"\nseed {SEED}, {ROUNDS:,} rounds from {FIRST:,}")
    seen, end = Seen(), FIRST + ROUNDS
    warm = min(FIRST + WARM_UP, end)
    run(fuzzing, range(FIRST, warm), seen)
    before = {service: resident_mb(child.pid) for service, child in town.children.items()}
    run(fuzzing, range(warm, end), seen)
    after = {service: resident_mb(child.pid) for service, child in town.children.items()}
    print(dict(seen.statuses), {service: f"{before[service]:.0f} → {after[service]:.0f} MB" for service in SERVICES})
    failed = list(seen.failed.values())
    assert not failed, f"FUZZ_SEED={SEED}, {len(failed)} kinds:\n" + "\n".join(failed[:_SHOWN])
    grown = {service: f"{after[service] - before[service]:.0f} MB" for service in SERVICES}
    assert all(after[service] - before[service] < MEMORY_MB for service in SERVICES), (SEED, grown)
