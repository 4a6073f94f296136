"""A small school with real tokens (SoftHSM), keys from the key ceremony, and signing's processes as
they really run.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local import pki, softhsm
from deploy.local.certificate_authority import CertificateAuthority
from deploy.local.layout import Stack
from services.common import db, identity
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig, DatabaseConfig
from services.print.kind import Kind
from services.signing import domain, store, usecases
from services.signing.domain import Document, Required, Signatory
from services.signing.token_client import TokenClient
from tests import printing, servers
from tests.content import canonical, class_book
from tests.records import student_register

SCHOOL = "79000123"
CUSTODIAN = "vt-001"
ALGORITHMS = {"gv-002": "RSA_PKCS1_SHA256", "gv-003": "RSA_PSS_SHA256", SCHOOL: "RSA_PKCS1_SHA256"}
"""Everybody else signs with ECDSA P-256."""


STOPPED = 75
"""Exit code of a ceremony that waits for certificates."""

MIGRATIONS = Path(store.__file__).parent / "migrations"


def required_by(content: dict[str, Any]) -> list[Required]:
    """Who must sign, by the content."""
    return [
        Required(entry["field"], entry["order"], entry["rank"], entry["role"], entry["signatory"])
        for entry in content["signatories"]
    ]


REQUIRED = required_by(class_book(5, "SEMESTER_1"))
TEACHERS = [required.signatory for required in REQUIRED if required.rank == 1]
HOMEROOM, PRINCIPAL = (next(required.signatory for required in REQUIRED if required.rank == rank) for rank in (2, 3))


@dataclass(frozen=True)
class Hsm:
    """Tokens of everybody who signs the class book of `tests.content`, and the record of their
    ceremony.
    """

    folder: Path
    environment: dict[str, str]

    @property
    def record(self) -> dict[str, Any]:
        """The ceremony's record."""
        record: dict[str, Any] = json.loads((self.folder / "record.json").read_text())
        return record

    def signatory(self, name: str) -> dict[str, Any]:
        """One entry of the record that PutSignatory takes."""
        return next(entry for entry in self.record["signatories"] if entry["id"] == name)

    def pin(self, name: str) -> str:
        """The PIN of a signatory's token."""
        return (self.folder / "pins" / f"{name}.pin").read_text()

    def chain(self, name: str) -> tuple[bytes, ...]:
        """Certificates in DER, own first, root last."""
        return tuple(bytes.fromhex(der) for der in self.signatory(name)["certificate_chain"])

    def ceremony(self) -> subprocess.CompletedProcess[str]:
        """Hold the ceremony to its end: when it stops, the authority answers its requests."""
        done = self.ceremony_step()
        if done.returncode != STOPPED:
            return done
        self.authority.answer(self.folder / "requests", self.folder / "certs")
        return self.ceremony_step()

    def ceremony_step(self) -> subprocess.CompletedProcess[str]:
        """Run the ceremony once, as an administrator does."""
        return run_role("ceremony", self.folder / "ceremony.toml", self.environment)

    @property
    def authority(self) -> CertificateAuthority:
        """The stack's own certificate authority, in a folder of this test."""
        return CertificateAuthority(self.folder / "ca")


def run_role(role: str, config: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A role that ends by itself."""
    command = [sys.executable, "-m", "services.signing", role, "--config", str(config)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | environment, timeout=120
    )


@contextlib.contextmanager
def running_role(role: str, config: Path, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A role that runs until it is stopped."""
    command = [sys.executable, "-m", "services.signing", role, "--config", str(config)]
    with log.open("ab") as out:
        process = subprocess.Popen(command, env=os.environ | environment, stderr=out, stdout=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Wait for a true value and return it."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextlib.contextmanager
def token_away(hsm: Hsm, who: str) -> Iterator[None]:
    """The token of `who` is unplugged: its files are moved out of SoftHSM's folder."""
    serial = next(key["token_serial"] for key in hsm.record["keys"] if key["signatory"] == who)
    folders = (hsm.folder / "tokens").iterdir()
    own = next(folder for folder in folders if folder.name.replace("-", "").endswith(serial))
    away = hsm.folder / "unplugged"
    own.rename(away)
    try:
        yield
    finally:
        away.rename(own)


def answers(tokens: TokenClient) -> bool:
    """Whether the supervisor is there."""
    try:
        tokens.status()
    except Unavailable:
        return False
    return True


def ceremony_toml(folder: Path, keys: list[dict[str, Any]]) -> str:
    """A ceremony's configuration file."""
    lines = [
        f'module = "{softhsm.module()}"',
        'module_name = "softhsm"',
        f'so_pin_file = "{folder}/pins/so.pin"',
        f'requests_dir = "{folder}/requests"',
        f'certificates_dir = "{folder}/certs"',
        f'authority_file = "{folder}/ca/certs/root.cert.pem"',
        f'record_file = "{folder}/record.json"',
        "create_pins = true",
    ]
    for key in keys:
        lines += ["[[keys]]", *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in key.items())]
    return "\n".join(lines) + "\n"


def key_plan(folder: Path, signatory: str, name: str, **more: Any) -> dict[str, Any]:
    """One entry of a ceremony's configuration."""
    plan = {
        "signatory": signatory,
        "name": name,
        "organisation": "Trường THCS Nguyễn Du",
        "school": SCHOOL,
        "token": f"hoso-{signatory}",
        "pin_file": f"{folder}/pins/{signatory}.pin",
        "algorithm": ALGORITHMS.get(signatory, "ECDSA_P256_SHA256"),
    }
    return plan | more


def make_hsm(folder: Path, keys: list[dict[str, Any]]) -> Hsm:
    """An empty SoftHSM and a ceremony ready to be performed."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    (folder / "ceremony.toml").write_text(ceremony_toml(folder, keys), encoding="utf-8")
    return Hsm(folder, {"SOFTHSM2_CONF": str(settings)})


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Hsm:
    """Everybody who signs the class book or the register, with keys made by the key ceremony."""
    folder = tmp_path_factory.mktemp("hsm")
    people: dict[str, str] = {}
    for entry in class_book()["signatories"] + student_register(1)["signatories"]:
        people.setdefault(entry["signatory"], entry["name"])
    keys = [
        key_plan(folder, person, name, **({"custodian": CUSTODIAN} if person == SCHOOL else {}))
        for person, name in people.items()
    ]
    hsm = make_hsm(folder, keys)
    done = hsm.ceremony()
    assert done.returncode == 0, done.stderr
    return hsm


@dataclass(frozen=True)
class Signing:
    """Configuration of one test module's signing service and ways to run its roles."""

    folder: Path
    config: Path
    environment: dict[str, str]
    socket: Path

    @property
    def log(self) -> Path:
        """Where all roles write."""
        return self.folder / "signing.log"

    def running(self, role: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        """The process of a role."""
        return running_role(role, self.config, self.environment, self.log)

    @contextlib.contextmanager
    def tokens(self) -> Iterator[TokenClient]:
        """The token supervisor, ready, and a client of it."""
        with self.running("tokens"):
            yield self.client()

    def client(self) -> TokenClient:
        """A client, once the supervisor answers."""
        client = TokenClient(self.socket)
        until(lambda: answers(client))
        return client


def signing_toml(
    socket: Path, database: DatabaseConfig | None, broker: BrokerConfig | None, stack: Stack, extra: str = ""
) -> str:
    """A configuration file of signing; parts that a test does not start get addresses where nobody
    listens.
    """
    own = pki.identity(stack, "service/signing")
    tls = f'{{ ca_file = "{own.ca_file}", cert_file = "{own.cert_file}", key_file = "{own.key_file}" }}'
    base, queue = database, broker
    return f"""
[database]
host = "{base.host if base else "127.0.0.1"}"
port = {base.port if base else 9}
name = "{base.name if base else "none"}"
user = "signing"
tls = {tls}
[broker]
host = "{queue.host if queue else "127.0.0.1"}"
port = {queue.port if queue else 9}
user = "service/signing"
virtual_host = "{queue.virtual_host if queue else "none"}"
tls = {tls}
[server]
listen = "127.0.0.1:{stack.port(22)}"
tls = {tls}
issuers_file = "{stack.pki / "issuers.json"}"
grace_s = 2.0
[print]
address = "127.0.0.1:{stack.port(21)}"
tls = {tls}
[work]
concurrency = 2
lease_s = 3.0
[tokens]
socket = "{socket}"
watchdog_s = 3.0
modules = {{ softhsm = "{softhsm.module()}" }}
{extra}
"""


@pytest.fixture
def token_service(hsm: Hsm, tmp_path: Path, stack: Stack, pki_files: servers.Pki) -> Signing:
    """The token supervisor alone: no database, no broker."""
    socket = tmp_path / "run" / "tokens.sock"
    config = tmp_path / "signing.toml"
    config.write_text(signing_toml(socket, None, None, stack))
    return Signing(tmp_path, config, hsm.environment, socket)


@pytest.fixture(scope="session")
def signing_copy() -> bytes:
    """A class book's signing copy as print makes it."""
    return printing.render(canonical(5, "SEMESTER_1"), Kind.SIGNING).pdf


@pytest.fixture(scope="module")
def service(
    hsm: Hsm,
    tmp_path_factory: pytest.TempPathFactory,
    stack: Stack,
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
) -> Iterator["Service"]:
    """Signing with a database of its own and everybody registered; its roles are started by the
    tests.
    """
    folder = tmp_path_factory.mktemp("signing")
    socket = folder / "run" / "tokens.sock"
    config = folder / "signing.toml"
    settings = database("signing")
    config.write_text(signing_toml(socket, settings, None, stack))
    db.migrate(settings, [MIGRATIONS])
    base = db.Database(settings)
    service = Service(folder, config, hsm.environment, socket, base, hsm)
    with acting("operator/department"):
        for entry in hsm.record["signatories"]:
            usecases.put_signatory(base, signatory_of(entry))
    yield service
    base.close()


def signatory_of(entry: dict[str, Any]) -> Signatory:
    """An entry of the ceremony's record as signing's own type."""
    chain = tuple(bytes.fromhex(der) for der in entry["certificate_chain"])
    custody = entry["custody"].removeprefix("KEY_CUSTODY_")
    return Signatory(**(entry | {"certificate_chain": chain, "custody": custody}))


@contextlib.contextmanager
def acting(client: str, person: str | None = None) -> Iterator[None]:
    """Use cases called here see this caller, as in a call over gRPC."""
    context = identity.acting(identity.Caller(client, person, SCHOOL if person else None))
    try:
        yield
    finally:
        identity._current.reset(context)


@dataclass(frozen=True)
class Service(Signing):
    """Signing with its database."""

    database: db.Database
    hsm: Hsm

    def take_in(
        self, pdf: bytes, required: list[Required] = REQUIRED, *, book: str | None = None, version: int = 1
    ) -> uuid.UUID:
        """A document as the job `fetch` stores it."""
        with self.database.transaction() as tx:
            return self.take_in_within(tx, pdf, required, book=book, version=version)

    def take_in_within(
        self, tx: db.Tx, pdf: bytes, required: list[Required], *, book: str | None = None, version: int = 1
    ) -> uuid.UUID:
        """The same in a transaction of the test."""
        name = uuid.uuid4()
        document = Document(
            id=name,
            number=0,
            book=book or str(uuid.uuid4()),
            version=version,
            school=SCHOOL,
            state=domain.SIGNING,
            content_sha256=hashlib.sha256(b"content").digest(),
            revision=0,
            pdf_sha256=hashlib.sha256(pdf).digest(),
            pdf_size_bytes=len(pdf),
        )
        usecases.take_in(tx, document, required, pdf)
        return name

    def register(self, person: str) -> None:
        """The operator registers a signatory of the ceremony's record."""
        with acting("operator/department"):
            usecases.put_signatory(self.database, signatory_of(self.hsm.signatory(person)))

    def activate(self, *people: str, most: int = 1_000) -> None:
        """Each of them enters the PIN."""
        for person in people:
            with acting("vendor/smas", CUSTODIAN if person == SCHOOL else person):
                usecases.activate_key(
                    self.database,
                    TokenClient(self.socket),
                    person,
                    self.hsm.pin(person),
                    max_signatures=most,
                    duration_s=600,
                )

    def deactivate_all(self) -> None:
        """Every key is locked again."""
        tokens = TokenClient(self.socket)
        for key in tokens.status():
            tokens.deactivate(key.signatory)

    def state(self, name: uuid.UUID) -> str:
        """State of a document."""
        with self.database.transaction() as tx:
            return store.document(tx, name).state

    def signed(self, name: uuid.UUID) -> list[str]:
        """Who has signed, in the order of the book."""
        with self.database.transaction() as tx:
            return [
                signature.signatory for signature in store.required(tx, [name])[name] if signature.state == "SIGNED"
            ]

    def journal(self, name: uuid.UUID) -> list[store.JournalEntry]:
        """The document's journal."""
        with self.database.transaction() as tx:
            return store.journal(tx, name)

    def pdf(self, name: uuid.UUID) -> bytes:
        """The newest revision."""
        with self.database.transaction() as tx:
            return store.pdf(tx, store.document(tx, name))

    def events(self, name: uuid.UUID) -> list[tuple[str, dict[str, Any]]]:
        """What was announced about a document."""
        with self.database.transaction() as tx:
            rows = tx.execute("SELECT type, body FROM outbox ORDER BY id").fetchall()
        events = [(kind.rpartition(".")[2], json.loads(body)) for kind, body in rows]
        return [(kind, body) for kind, body in events if body["document"] == str(name)]
