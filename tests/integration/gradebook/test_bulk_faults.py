"""Streams that break: half of one, a client that is killed, a server that is killed; and many
writers at once.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc

from demo import school as demo_school
from demo.school import SchoolClass
from deploy.local.configs import dump
from services.common.db import Database, migrate
from services.common.errors import Forbidden, HosoError, Unavailable
from services.common.settings import BrokerConfig, DatabaseConfig, ServerConfig
from services.gradebook.config import Config
from services.gradebook.entry import bulk
from tests.integration.gradebook.streams import DEADLINE_S, demo_sheets, send, sheet
from tests.integration.gradebook.world import FINAL, FIRST, MIGRATIONS, OTHER_VENDOR, SECOND, VENDOR, World, tls
from tests.servers import Pki
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]


class Serving:
    """A gradebook in its own process, which can be killed and started again on the same port."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.gradebook", "serve", "--config", str(self._file)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def start(self) -> None:
        self.process = self._start()


@pytest.fixture(scope="module")
def serving(
    pki_files: Pki, database: Callable[[str], DatabaseConfig], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Serving]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    files = tls(pki_files, "service/gradebook")
    server = ServerConfig(address, files, pki_files.stack.pki / "issuers.json", grace_s=5)
    broker = BrokerConfig("127.0.0.1", 1, "gradebook", "none", files)  # serving needs none
    config = Config(database("gradebook"), broker, server)
    migrate(config.database, [MIGRATIONS])
    file = tmp_path_factory.mktemp("gradebook") / "gradebook.toml"
    file.write_text(dump(config))
    serving = Serving(file)
    base = Database(config.database)
    world = World(pki_files, base, address, demo_school.school(classes=2, students_per_class=5))
    try:
        grpc.channel_ready_future(world.channel(VENDOR)).result(timeout=30)
        world.put_roster()
        world.plan_window()
        yield world, serving
    finally:
        serving.kill()
        base.close()


@pytest.fixture
def world(serving: tuple[World, Serving]) -> World:
    return serving[0]


def entered(world: World) -> dict[str, tuple[int, int]]:
    """Request id → cells that its entry says it changed, and marks that are there for it."""
    return {
        str(request): (changed, present)
        for request, changed, present in world.rows(
            "SELECT e.request_id, e.changed, (SELECT count(*) FROM unnest(e.students, e.columns) AS t (student, col)"
            " JOIN mark m ON m.class_id = e.class_id AND m.subject_id = e.subject_id AND m.semester = e.semester"
            " AND m.student_id = t.student AND m.column_no = t.col) FROM entry e"
        )
    }


def whole(world: World) -> bool:
    """Every entry has all its marks and its audit row, and no mark is without an entry."""
    counts = entered(world)
    marks = world.rows("SELECT coalesce(sum(version), 0) FROM mark")[0][0]
    audited = world.rows("SELECT count(*) FROM audit_entry WHERE action = 'MARKS_ENTERED'")[0][0]
    return (
        all(changed == present for changed, present in counts.values())
        and marks == sum(changed for changed, _ in counts.values())
        and audited == len(counts)
    )


def imports_have_ended() -> bool:
    """Whether no thread of the server, which runs in this process, is within an import."""
    frames = [frame for top in sys._current_frames().values() for frame, _ in traceback.walk_stack(top)]
    return not any(frame.f_code is bulk.import_marks.__code__ for frame in frames)


def half_stream(world: World, sheets: list[marks_pb2.ImportMarksRequest], count: int) -> tuple[Any, threading.Event]:
    """A call that sends the first sheets and then waits with the stream open."""
    go_on = threading.Event()

    def stream() -> Iterator[marks_pb2.ImportMarksRequest]:
        yield from sheets[:count]
        go_on.wait(30)

    stub = marks_pb2_grpc.MarkServiceStub(world.channel(VENDOR))
    return stub.ImportMarks.future(stream(), timeout=DEADLINE_S), go_on


def test_half_a_stream_keeps_its_whole_sheets_and_the_whole_stream_may_follow(
    world: World, school_class: SchoolClass
) -> None:
    sheets = demo_sheets(world, school_class, 1)
    call, go_on = half_stream(world, sheets, 5)
    eventually(lambda: len(entered(world)) == 5)
    call.cancel()
    go_on.set()
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    eventually(imports_have_ended)
    assert set(entered(world)) == {sheet.sheet.request_id for sheet in sheets[:5]}
    assert whole(world)
    first = send(world, sheets)
    assert len(entered(world)) == len(sheets)
    assert whole(world)
    assert send(world, sheets) == first
    assert {answer.changed > 0 for answer in first} == {True}


def test_a_stream_that_stalls_ends_by_its_deadline(world: World, school_class: SchoolClass) -> None:
    before = len(entered(world))
    sheets = [sheet(world, school_class, "TIN", SECOND, [(FINAL, 0)], rows={school_class.students[4].id: ["3"]})]
    go_on = threading.Event()

    def stream() -> Iterator[marks_pb2.ImportMarksRequest]:
        yield from sheets
        go_on.wait(30)

    with pytest.raises(Unavailable):
        send(world, stream(), timeout_s=1.0)
    go_on.set()
    assert len(entered(world)) == before + 1
    assert whole(world)
    assert [answer.changed for answer in send(world, sheets)] == [1]


CLIENT = """
import sys, time
sys.path[:0] = {paths!r}
import grpc
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc
from pathlib import Path
from services.common.grpc_client import channel
from services.common.settings import PeerConfig, TlsConfig

def stream():
    data = Path({file!r}).read_bytes()
    found = marks_pb2.ImportMarksRequest()
    for size in {sizes!r}:
        found.ParseFromString(data[:size]); data = data[size:]
        yield found
        time.sleep(0.05)
tls = TlsConfig(Path({ca!r}), Path({cert!r}), Path({key!r}))
marks_pb2_grpc.MarkServiceStub(channel(PeerConfig({address!r}, tls), "gradebook")).ImportMarks(stream(), timeout=60)
"""


def test_a_client_killed_in_the_middle_leaves_whole_sheets(world: World, tmp_path: Path) -> None:
    sheets = demo_sheets(world, world.school.classes[1], 1)
    parts = [sheet.SerializeToString() for sheet in sheets]
    file = tmp_path / "sheets.bin"
    file.write_bytes(b"".join(parts))
    files = tls(world.pki, VENDOR)
    script = textwrap.dedent(CLIENT).format(
        paths=[str(ROOT), str(ROOT / "gen")],
        file=str(file),
        sizes=[len(part) for part in parts],
        ca=str(files.ca_file),
        cert=str(files.cert_file),
        key=str(files.key_file),
        address=world.address,
    )
    before = len(entered(world))
    client = subprocess.Popen([sys.executable, "-c", script])
    eventually(lambda: len(entered(world)) >= before + 3)
    client.send_signal(signal.SIGKILL)
    client.wait(10)
    eventually(imports_have_ended)
    settled = len(entered(world))
    assert settled < before + len(sheets)
    assert whole(world)
    send(world, sheets)
    assert len(entered(world)) == before + len(sheets)
    assert whole(world)


def test_a_server_killed_in_the_middle_leaves_whole_sheets(
    serving: tuple[World, Serving], school_class: SchoolClass
) -> None:
    world, process = serving
    sheets = demo_sheets(world, school_class, 2)
    before = set(entered(world))
    killed = threading.Event()

    def stream() -> Iterator[marks_pb2.ImportMarksRequest]:
        for number, one_sheet in enumerate(sheets):
            yield one_sheet
            if number == 6:
                eventually(lambda: len(entered(world)) >= len(before) + 2)
                process.kill()
                killed.set()

    with pytest.raises(Unavailable):
        send(world, stream())
    assert killed.is_set()
    assert whole(world)
    survived = set(entered(world)) - before
    assert 2 <= len(survived) < len(sheets)
    process.start()
    eventually(lambda: _answers(world))
    answers = send(world, sheets)
    assert all(answer.changed for answer in answers)
    assert set(entered(world)) - before == {one_sheet.sheet.request_id for one_sheet in sheets}
    assert whole(world)


def _answers(world: World) -> bool:
    with contextlib.suppress(Unavailable):
        world.ask("ListClasses", **world.year)
        return True
    return False


def test_two_clients_of_one_vendor_write_one_cell_at_once(world: World, school_class: SchoolClass) -> None:
    """Streams and single entries together: every version is there once, the last one stands."""
    student, rounds = school_class.students[0].id, 8
    before = world.rows("SELECT coalesce(max(version), 0) FROM mark m JOIN student s ON s.id = m.student_id"
                        " JOIN subject j ON j.id = m.subject_id WHERE s.moet_student_id = %s AND j.code = 'KHTN'"
                        " AND m.semester = 2 AND m.column_no = 11", student)[0][0]  # fmt: skip
    failures: list[HosoError] = []

    def by_stream() -> None:
        try:
            send(
                world,
                (
                    sheet(world, school_class, "KHTN", SECOND, [(FINAL, 0)], rows={student: [f"3.{n}"]})
                    for n in range(rounds)
                ),
            )
        except HosoError as e:
            failures.append(e)

    def singly() -> None:
        try:
            for n in range(rounds):
                world.enter(school_class, "KHTN", SECOND, [(FINAL, 0)], {student: [f"7.{n}"]})
        except HosoError as e:
            failures.append(e)

    threads = [threading.Thread(target=target) for target in (by_stream, singly)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    history = world.ask(
        "GetMarkHistory",
        school_class=world.ref(school_class),
        subject="KHTN",
        semester=SECOND,
        column=marks_pb2.MarkColumn(kind=FINAL),
        student=student,
    ).versions
    assert [v.version for v in history] == list(range(1, before + 2 * rounds + 1))
    assert Counter(v.value[:1] for v in history[before:]) == {"3": rounds, "7": rounds}
    assert whole(world)


def test_two_vendors_write_one_cell_at_once_and_only_the_schools_own_does(
    world: World, school_class: SchoolClass
) -> None:
    student = school_class.students[1].id
    outcomes: list[str] = []

    def write(client: str, value: str) -> None:
        token = world.token(school_class.assignments["GDCD"][0], client=client)
        sent = sheet(world, school_class, "GDCD", SECOND, [(FINAL, 0)], rows={student: [value]}, token=token)
        (answer,) = send(world, [sent], client=client)
        outcomes.append(f"{client} {answer.refusal.reason}")

    threads = [threading.Thread(target=write, args=pair) for pair in ((VENDOR, "8"), (OTHER_VENDOR, "2"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [f"{VENDOR} ", f"{OTHER_VENDOR} VENDOR_NOT_AUTHORISED"]
    value = world.rows(
        "SELECT m.value FROM mark m JOIN student s ON s.id = m.student_id JOIN subject j ON j.id = m.subject_id"
        " WHERE s.moet_student_id = %s AND j.code = 'GDCD' AND m.semester = 2 AND m.column_no = 11",
        student,
    )
    assert value == [(80,)]
    with pytest.raises(Forbidden):
        world.ask("ListClasses", client=OTHER_VENDOR, **world.year)


def test_the_same_stream_twice_at_once_is_entered_once(world: World, school_class: SchoolClass) -> None:
    sheets = [
        sheet(
            world,
            school_class,
            subject,
            FIRST,
            [(FINAL, 0)],
            rows={school_class.students[2].id: ["1.5"]},
            request_id=str(uuid.uuid4()),
        )
        for subject in ("VAN", "TOAN", "NN1", "LSDL", "KHTN")
    ]
    answers: list[list[marks_pb2.ImportedSheet]] = []
    threads = [threading.Thread(target=lambda: answers.append(send(world, sheets))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(answer == answers[0] for answer in answers)
    assert [answer.changed for answer in answers[0]] == [1] * 5
    assert whole(world)
