"""Signing's processes as they really run, and its use cases called directly."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub

from deploy.local import pki, softhsm
from deploy.local.layout import Stack
from services.common import db, identity
from services.common.errors import Unavailable
from services.common.grpc_client import channel
from services.common.settings import BrokerConfig, DatabaseConfig, PeerConfig
from services.signing import domain, store, usecases
from services.signing.domain import Document, Required, Signatory
from services.signing.token_client import TokenClient
from tests import known_books, servers
from tests.content import class_book
from tests.integration.signing.hsm import CUSTODIAN, SCHOOL, Hsm
from tests.known_books import KnownBooks
from tests.stand_ins import tls
from tests.standing import announced, keep
from tests.waiting import eventually

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


def answers(tokens: TokenClient) -> bool:
    """Whether the supervisor is there."""
    try:
        tokens.status()
    except Unavailable:
        return False
    return True


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
        eventually(lambda: answers(client))
        return client


def signing_toml(
    socket: Path,
    database: DatabaseConfig | None,
    broker: BrokerConfig | None,
    stack: Stack,
    extra: str = "",
    *,
    gradebook: str = "127.0.0.1:9",
    roots: Path = Path("/nonexistent"),
) -> str:
    """A configuration file of signing; parts that a test does not start get addresses where nobody
    listens.
    """
    own = pki.identity(stack, "service/signing")
    pair = f'cert_file = "{own.cert_file}", key_file = "{own.key_file}"'
    tls = f'{{ ca_file = "{own.ca_file}", {pair} }}'
    servers_tls = f'{{ ca_file = "{pki.bundle(stack, "servers")}", {pair} }}'
    base, queue = database, broker
    owner = pki.identity(stack, "owner/signing")
    return f"""
trust_roots_file = "{roots}"
[database]
host = "{base.host if base else "127.0.0.1"}"
port = {base.port if base else 9}
name = "{base.name if base else "none"}"
user = "signing"
tls = {servers_tls}
owner = {{ user = "signing_owner", cert_file = "{owner.cert_file}", key_file = "{owner.key_file}" }}
[broker]
host = "{queue.host if queue else "127.0.0.1"}"
port = {queue.port if queue else 9}
user = "service/signing"
virtual_host = "{queue.virtual_host if queue else "none"}"
tls = {servers_tls}
[server]
listen = "127.0.0.1:{stack.port(22)}"
tls = {tls}
issuers_file = "{stack.pki / "issuers.json"}"
grace_s = 2.0
[print]
address = "127.0.0.1:{stack.port(21)}"
tls = {tls}
[gradebook]
address = "{gradebook}"
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


def signatory_of(entry: dict[str, Any]) -> Signatory:
    """An entry of the ceremony's record as signing's own type."""
    chain = tuple(bytes.fromhex(der) for der in entry["certificate_chain"])
    custody = entry["custody"].removeprefix("KEY_CUSTODY_")
    return Signatory(**(entry | {"certificate_chain": chain, "custody": custody}))


def staff(hsm: Hsm) -> set[str]:
    """The people whom gradebook announces: those who sign, and the keeper of the seal."""
    return {entry["id"] for entry in hsm.record["signatories"] if entry["id"] != SCHOOL} | {CUSTODIAN}


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
    gradebook: KnownBooks
    books: BookServiceStub

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
            book=uuid.UUID(book) if book else uuid.uuid4(),
            version=version,
            school=SCHOOL,
            state=domain.SIGNING,
            content_sha256=hashlib.sha256(b"content").digest(),
            revision=0,
            pdf_sha256=hashlib.sha256(pdf).digest(),
            pdf_size_bytes=len(pdf),
        )
        usecases.take_in(tx, document, required, pdf)
        self.gradebook.put(
            "DIGITAL_SIGNING",
            book=str(document.book),
            version=version,
            school=SCHOOL,
            content_sha256=document.content_sha256,
            signing_rendition=str(name),
            signing_pdf_sha256=document.pdf_sha256,
            signing_pdf_size_bytes=len(pdf),
        )
        return name

    def book(self, name: uuid.UUID) -> str:
        """The book of a document."""
        with self.database.transaction() as tx:
            return str(store.document(tx, name).book)

    def register(self, person: str) -> None:
        """The operator registers a signatory of the ceremony's record."""
        with acting("operator/department"):
            usecases.put_signatory(self.database, signatory_of(self.hsm.signatory(person)), self.hsm.roots)

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


@contextlib.contextmanager
def service_of(hsm: Hsm, folder: Path, settings: DatabaseConfig, pki_files: servers.Pki) -> Iterator[Service]:
    """Signing with this database and its own gradebook; its roles are started by the tests."""
    db.migrate(settings, [MIGRATIONS])
    socket, config, gradebook = folder / "run" / "tokens.sock", folder / "signing.toml", KnownBooks()
    own = tls(pki_files, "service/signing")
    with (
        known_books.serving(pki_files, gradebook) as address,
        channel(PeerConfig(address, own), "gradebook") as peer,
        contextlib.closing(db.Database(settings)) as base,
    ):
        config.write_text(
            signing_toml(socket, settings, None, pki_files.stack, gradebook=address, roots=hsm.roots_file)
        )
        with base.transaction() as tx:
            keep(tx, announced(SCHOOL, staff(hsm)))
        yield Service(folder, config, hsm.environment, socket, base, hsm, gradebook, BookServiceStub(peer))
