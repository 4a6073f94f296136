"""The roles of gradebook as the real processes that an administrator and a supervisor start."""

import base64
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pika
import pytest
from google.protobuf import json_format
from hoso.archive.v1 import events_pb2 as archive_events

from demo import school as demo_school
from deploy.local.configs import dump
from services.common import amqp, topology
from services.common.db import Database
from services.common.settings import BrokerConfig, DatabaseConfig, ServerConfig
from services.gradebook.config import Config
from tests.integration.gradebook.world import MIGRATIONS, World, tls
from tests.servers import Pki
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def config(pki_files: Pki, database: Callable[[str], DatabaseConfig], broker: Callable[[str], BrokerConfig]) -> Config:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    server = ServerConfig(address, tls(pki_files, "service/gradebook"), pki_files.stack.pki / "issuers.json", grace_s=5)
    return Config(database("gradebook"), broker("gradebook"), server)


@pytest.fixture(scope="module")
def file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.toml"
    path.write_text(dump(config))
    return path


def start(role: str, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.gradebook", role, "--config", str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(role: str, file: Path) -> tuple[int, str]:
    process = start(role, file)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.fixture(scope="module")
def migrated(file: Path) -> str:
    code, output = run("migrate", file)
    assert code == 0, output
    return output


@pytest.fixture(scope="module")
def world(config: Config, file: Path, migrated: str, pki_files: Pki) -> Iterator[World]:
    """A school in a gradebook served, consuming and relaying in processes of their own."""
    processes = [start(role, file) for role in ("serve", "consume", "relay")]
    base = Database(config.database)
    world = World(pki_files, base, config.server.listen, demo_school.school(classes=1, students_per_class=5))
    grpc.channel_ready_future(world.channel("vendor/smas")).result(timeout=30)
    world.put_roster()
    world.plan_window()
    yield world
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0, log[-2000:]
        names = [student.name for school_class in world.school.classes for student in school_class.students]
        assert not any(name in log for name in names)
    base.close()


def test_migrate_twice_and_check(file: Path, migrated: str) -> None:
    assert [line for line in migrated.split() if line.startswith("gradebook/")] == [
        f"gradebook/{path.name}" for path in sorted(MIGRATIONS.glob("*.sql"))
    ]
    assert run("migrate", file) == (0, "")
    assert run("check-config", file) == (0, "configuration is good\n")


def test_check_config_names_what_is_away(config: Config, file: Path, migrated: str, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    wrong = dataclasses.replace(
        config,
        database=dataclasses.replace(config.database, port=free),
        broker=dataclasses.replace(config.broker, port=free),
    )
    path = tmp_path / "wrong.toml"
    path.write_text(dump(wrong))
    code, output = run("check-config", path)
    assert code == 1
    assert [line.split(":")[0] for line in output.splitlines()] == ["database", "broker"]


def test_an_event_goes_out_through_the_relay_and_an_answer_comes_in_through_the_consumer(
    broker: Callable[[str], BrokerConfig], world: World
) -> None:
    archive, record = broker("archive"), str(uuid.uuid4())
    topology.declare(archive, "archive", ["hoso.gradebook.v1.SnapshotTaken"])
    world.complete(world.school.classes[0])
    assert world.close_window() == 1
    with amqp.channel(archive) as channel:
        body = eventually(lambda: channel.basic_get(topology.queue("archive"), auto_ack=True)[2])
        taken = json.loads(body)
        answer = archive_events.SnapshotArchived(
            snapshot=taken["snapshot"], record=record, content_sha256=_bytes(taken["content_sha256"])
        )
        channel.basic_publish(
            topology.EXCHANGE,
            "archive.v1.SnapshotArchived",
            json_format.MessageToJson(answer, preserving_proto_field_name=True).encode(),
            pika.BasicProperties(
                message_id=str(uuid.uuid4()), type="hoso.archive.v1.SnapshotArchived", user_id=archive.user
            ),
        )
        eventually(lambda: world.ask("GetWindow", **world.year, window="CN").snapshots[0].archive_record == record)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
