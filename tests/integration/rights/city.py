"""A city to ask: the databases of an earlier release in all four services, two schools with two
vendors, and every service serving them in a process of its own.

School A is the third school of `tests/kept`, in the middle of its year; school B is its first.
"""

import contextlib
import importlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from hoso.gradebook.v1 import common_pb2, corrections_pb2, dossiers_pb2
from hoso.operations.v1 import anchors_pb2
from hoso.operations.v1.anchors_pb2_grpc import AnchorServiceStub

from deploy.local import certificates, configs, layout, objectstore, pki, rabbitmq, softhsm
from deploy.local.layout import REPOSITORY, SERVICES, Stack
from services.common import anchor, config, db, grpc_credentials, tokens, topology
from services.common import standing as kept_standing
from services.common.db import Database
from services.common.peer import host_of
from services.common.settings import AnchorConfig, DatabaseConfig, PeerConfig, ServerConfig
from services.gradebook.roster import standing as announcing
from tests import standing
from tests.integration.archive.stores import with_buckets
from tests.integration.gradebook.dossier_acts import appraise, items
from tests.integration.gradebook.world import World, served
from tests.integration.rights.kinds import CLIENTS, Person
from tests.integration.rights.people import People
from tests.kept import kept
from tests.owning import as_owner
from tests.servers import Pki, PostgresServer, RabbitServer
from tests.service_processes import free_port
from tests.stand_ins import tls

YEAR, CLASS, SUBJECT = "2025-2026", "6A1", "TOAN"
A = People(
    "31000899",
    student="3189901001",
    teacher="31000899-gv-06",
    class_teacher="31000899-gv-11",
    other_teacher="31000899-gv-03",
    homeroom="31000899-gv-01",
)
B = People("31000705")
_CONFIGS = {"gradebook": "Config", "print": "PrintConfig", "signing": "SigningConfig", "archive": "ArchiveConfig"}


@dataclass
class City:
    """What runs, and how to call it as anyone. statement: the first audit heads of print, signed by
    it and locked.
    """

    pki: Pki
    databases: Mapping[str, Database]
    children: dict[str, subprocess.Popen[bytes]]
    addresses: Mapping[str, str]
    channels: dict[tuple[str, str], grpc.Channel]
    tokens: dict[tuple[str, str, str], str]
    statement: bytes

    def channel(self, service: str, client: str) -> grpc.Channel:
        """A client's channel, which repeats nothing by itself."""
        if (service, client) not in self.channels:
            self.channels[service, client] = grpc.secure_channel(
                self.addresses[service],
                grpc_credentials.of_client(tls(self.pki, client)),
                options=[
                    ("grpc.ssl_target_name_override", host_of(f"service/{service}")),
                    ("grpc.enable_retries", 0),
                    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
                ],
            )
        return self.channels[service, client]

    def token(self, who: Person, client: str) -> str:
        """The token by which a client calls for a person; "" for none."""
        if who.person is None:
            return ""
        if who.of_another_client:
            client = "vendor/vietschool" if client == "vendor/smas" else "vendor/smas"
        wanted = (who.person, who.school, client)
        if wanted not in self.tokens:
            key = (self.pki.stack.pki / "issuer.key").read_text()
            self.tokens[wanted] = tokens.issue(
                pki.ISSUER, key, client=client, person=who.person, school=who.school, lifetime_s=12 * 3600
            )
        return self.tokens[wanted]

    def one(self, service: str, statement: str, *values: object) -> Any:
        """A value of a service's database."""
        with self.databases[service].transaction() as tx:
            return tx.execute(statement.encode(), values).fetchall()[0][0]

    def suspend(self, status: int = dossiers_pb2.VENDOR_STATUS_SUSPENDED) -> None:
        """Have the Department suspend school A's vendor (or allow it again), in all services."""
        with served_for_good(self.pki, self.databases["gradebook"].config) as world:
            appraise(world, "smas", status)
        deliver(self.databases)


@contextlib.contextmanager
def running(
    folder: Path, servers: Pki, postgres: PostgresServer, rabbit: RabbitServer, store: objectstore.Store
) -> Iterator[City]:
    """The city, until the block ends."""
    stack = servers.stack
    with contextlib.ExitStack() as stop:
        databases = {service: stop.enter_context(restored(postgres, service)) for service in SERVICES}
        virtual_host = rabbit.create()
        stop.callback(rabbit.drop, virtual_host)
        for client in CLIENTS:
            certify(stack, client.certificate)
        with served_for_good(servers, databases["gradebook"].config) as world:
            settle(world, databases)
        deliver(databases)
        files = configure(folder, stack, databases, virtual_host, store)
        addresses = {name: address for name, (address, _) in files.items()}
        city = City(servers, databases, {}, addresses, {}, {}, statement(servers))
        stop.callback(lambda: [channel.close() for channel in city.channels.values()])
        for service, (_, file) in files.items():
            city.children[service] = stop.enter_context(serving(service, file))
        stop.enter_context(owning_tokens(files["signing"][1], stack))
        for service in SERVICES:
            grpc.channel_ready_future(city.channel(service, "operator/department")).result(timeout=60)
        lock = AnchorServiceStub(city.channel("archive", "service/print")).AnchorAuditHeads
        lock(anchors_pb2.AnchorAuditHeadsRequest(statement=city.statement))
        yield city


@contextlib.contextmanager
def restored(postgres: PostgresServer, service: str) -> Iterator[Database]:
    """A service's database as the newest kept release left it, migrated."""
    made = postgres.create(service)
    try:
        with as_owner(made) as tx:
            tx.execute(kept.read(kept.database_file(kept.releases()[-1], service)).encode())
        db.migrate(made, [REPOSITORY / "services" / service / "migrations"])
        database = Database(made, max_size=4)
        yield database
        database.close()
    finally:
        postgres.drop(made)


@contextlib.contextmanager
def served_for_good(servers: Pki, database: DatabaseConfig) -> Iterator[World]:
    """Gradebook of school A, where changes stay."""
    with served(servers, database) as world:
        world.school = replace(world.school, code=A.school, school_year=YEAR, principal=A.principal)
        yield world


def settle(world: World, databases: Mapping[str, Database]) -> None:
    """Give school B a vendor of its own, the class a correction that waits, and every service a
    job that gave up.
    """
    appraise(world, "vietschool", dossiers_pb2.VENDOR_STATUS_APPRAISED)
    with databases["gradebook"].transaction() as tx:
        tx.execute(
            "UPDATE school_year SET vendor = 'vietschool' WHERE school_id = (SELECT id FROM school WHERE code = %s)",
            (B.school,),
        )
    open_matters(world)
    announcing.announce_all(databases["gradebook"])
    for database in databases.values():
        with database.transaction() as tx:
            tx.execute(
                "INSERT INTO job (kind, key, payload, state, attempt, finished_time)"
                " VALUES ('given-up', 'given-up', '{}', 'dead', 8, now())"
            )


def open_matters(world: World) -> None:
    """Complete the class, freeze its book, name its officer; begin a dossier, a correction."""
    school_class = common_pb2.ClassRef(school=A.school, school_year=YEAR, name=CLASS)
    year = {"school": A.school, "school_year": YEAR}
    for waiting in world.ask("ListCorrections", **year, class_name=CLASS).corrections:
        if waiting.state == corrections_pb2.CORRECTION_STATE_REQUESTED:
            world.ask("WithdrawCorrection", person=A.teacher, correction=waiting.id)
        elif waiting.state == corrections_pb2.CORRECTION_STATE_CONFIRMED:
            world.ask("DecideCorrection", person=A.principal, correction=waiting.id, note="Không đủ căn cứ")
    world.plan_window("BU", semesters=(common_pb2.SEMESTER_FIRST,))
    students = world.ask("ListStudents", school_class=school_class).students
    rows = [{"student": student.moet_student_id} for student in students]
    for month in ("2025-09", "2025-12"):
        fields = {"request_id": str(uuid.uuid4()), "school_class": school_class, "month": month}
        world.ask("EnterAttendance", person=A.homeroom, **fields, rows=rows)
    world.close_window("BU")
    stage = common_pb2.STAGE_SEMESTER_1
    book = world.ask("FreezeBook", person=A.homeroom, school_class=school_class, stage=stage).book
    world.ask("AssignPrint", person=A.principal, book=book.id, officer=A.data_officer)
    world.ask("SaveDossier", person=A.principal, **year, items=items([A.principal], ["HK2"]))
    world.ask(
        "RequestCorrection",
        person=A.teacher,
        request_id=str(uuid.uuid4()),
        school_class=school_class,
        subject=SUBJECT,
        semester=common_pb2.SEMESTER_FIRST,
        column={"kind": common_pb2.MARK_KIND_MIDTERM},
        student=A.student,
        new_value="1",
        reason="Nhập nhầm so với bản giấy.",
        evidence={"description": "Bài kiểm tra"},
    )


def deliver(databases: Mapping[str, Database]) -> None:
    """Hand what gradebook announced of vendors and staff to the other services."""
    handled = {handler.event.DESCRIPTOR.full_name: handler.event for handler in kept_standing.SUBSCRIPTIONS}
    with databases["gradebook"].transaction() as tx:
        announced = tx.execute("SELECT type, body FROM outbox WHERE published_time IS NULL ORDER BY id").fetchall()
    events = [json_format.Parse(body, handled[kind]()) for kind, body in announced if kind in handled]
    for service in SERVICES[1:]:
        with databases[service].transaction() as tx:
            standing.keep(tx, events)


def statement(servers: Pki) -> bytes:
    """The first audit heads of print, as it signs them itself."""
    own, unused = servers.identity("anchor/print"), PeerConfig("", tls(servers, "service/print"))
    signer = anchor.load_signer(AnchorConfig(own.key_file, own.cert_file, unused), "print")
    return anchor.sign(anchor.Statement("print", 1, b"", datetime.now(UTC), ()), signer)


def certify(stack: Stack, name: str) -> None:
    """A certificate of that name, for those that the stack makes none for."""
    where = pki.identity(stack, name)
    if not where.cert_file.exists():
        where.cert_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        issued = certificates.issue(pki.authority(stack, name.partition("/")[0]), name)
        certificates.write(issued, where.cert_file, where.key_file)


def configure(
    folder: Path, stack: Stack, databases: Mapping[str, Database], virtual_host: str, store: objectstore.Store
) -> dict[str, tuple[str, Path]]:
    """Write each service's configuration; its address and file."""
    softhsm.prepare(stack)
    configs.write_all(stack)
    ready = with_buckets(store)
    ready.prove(databases["archive"])
    files = {}
    for service in SERVICES:
        kind: Any = getattr(importlib.import_module(f"services.{service}.config"), _CONFIGS[service])
        whole = config.load(kind, stack.config / f"{service}.toml")
        address = f"{layout.HOST}:{free_port()}"
        server: ServerConfig = replace(whole.server, listen=address)
        broker = rabbitmq.config(stack, f"service/{service}", virtual_host=virtual_host)
        changed: dict[str, Any] = {"database": databases[service].config, "broker": broker, "server": server}
        if service == "archive":
            changed["store"] = ready.config
        if hasattr(whole, "trust_roots_file"):
            changed["trust_roots_file"] = kept.FOLDER / kept.releases()[-1] / kept.ROOTS
        topology.declare(broker, service, [])
        files[service] = (address, folder / f"{service}.toml")
        files[service][1].write_text(configs.dump(replace(whole, **changed)))
    return files


@contextlib.contextmanager
def serving(service: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a service; see `serving.py`."""
    with _child(file.with_suffix(".log"), "tests.integration.rights.serving", service, str(file)) as child:
        yield child


@contextlib.contextmanager
def owning_tokens(file: Path, stack: Stack) -> Iterator[None]:
    """The process of signing that owns the tokens, of which there are none."""
    options = ("services.signing", "tokens", "--config", str(file))
    with _child(file.with_name("tokens.log"), *options, **softhsm.environment(stack)):
        yield


@contextlib.contextmanager
def _child(log_file: Path, module: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    with log_file.open("wb") as log:
        child = subprocess.Popen(command, stderr=log, cwd=REPOSITORY, env={**os.environ, **environment})
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)
