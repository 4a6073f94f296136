"""Signing as others see it: events in and out over RabbitMQ, RPCs over mTLS, every role in its own
process.

Only print is played by the test: a gRPC server with print's certificate and contract that serves
one real signing copy.
"""

import contextlib
import datetime as dt
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hoso.print.v1 import print_pb2, print_pb2_grpc
from hoso.signing.v1 import signing_pb2

from deploy.local.layout import Stack
from services.common import audit, chunks, db, grpc_server, identity, relay, topology
from services.common.errors import Forbidden, HosoError, Invalid, NotFound, Rejected, Unauthenticated
from services.common.identity import Access
from services.common.settings import BrokerConfig, DatabaseConfig, ServerConfig
from services.signing.pades import Expected, check
from tests import known_books, servers
from tests.integration.signing.hsm import SCHOOL, Hsm, run_role
from tests.integration.signing.signing_line import CONTENT, Line, Printing, tls
from tests.integration.signing.signing_service import (
    HOMEROOM,
    PRINCIPAL,
    REQUIRED,
    TEACHERS,
    Signing,
    signing_toml,
    staff,
)
from tests.known_books import KnownBooks
from tests.standing import announced, keep
from tests.waiting import eventually


@pytest.fixture(scope="module")
def line(
    hsm: Hsm,
    signing_copy: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    stack: Stack,
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
    broker: Callable[[str], BrokerConfig],
) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    socket = folder / "run" / "tokens.sock"
    config = folder / "signing.toml"
    books = KnownBooks()
    stop_books = contextlib.ExitStack()
    address = stop_books.enter_context(known_books.serving(pki_files, books))
    config.write_text(
        signing_toml(socket, database("signing"), broker("signing"), stack, gradebook=address, roots=hsm.roots_file)
    )
    signing = Signing(folder, config, hsm.environment, socket)
    topology.declare(
        broker("gradebook"), "gradebook", ["hoso.signing.v1.DocumentSigned", "hoso.signing.v1.DocumentSealed"]
    )
    migrated = run_role("migrate", config, hsm.environment)
    assert migrated.returncode == 0, migrated.stderr
    db.migrate(database("print"), [])
    print_base = db.Database(database("print"))
    printing = Printing(signing_copy, books)
    stop = threading.Event()
    served = grpc_server.Served(
        lambda server: print_pb2_grpc.add_PrintServiceServicer_to_server(printing, server),
        "hoso.print.v1.PrintService",
        {"GetRendition": Access(("service/signing",)), "DownloadRendition": Access(("service/signing",))},
    )
    own = ServerConfig(f"127.0.0.1:{stack.port(21)}", tls(stack, "service/print"), stack.pki / "issuers.json")
    threads = [
        threading.Thread(target=grpc_server.serve, args=(own, [served], _ignore, {}, stop)),
        threading.Thread(target=relay.run, args=(database("print"), broker("print"), "print", stop)),
    ]
    for thread in threads:
        thread.start()
    with contextlib.ExitStack() as processes:
        for role in ("tokens", "serve", "work", "consume", "relay"):
            processes.enter_context(signing.running(role))
        line = Line(stack, signing, hsm, printing, print_base=print_base, gradebook=broker("gradebook"))
        eventually(lambda: serving(line), 60)
        with db.connect(database("signing")) as tx:
            keep(tx, announced(SCHOOL, staff(hsm)))
        yield line
    stop.set()
    for thread in threads:
        thread.join()
    stop_books.close()
    print_base.close()


def _ignore(caller: identity.Caller, rpc: str, error: HosoError) -> None:
    """Refusals by the test's own server need no audit."""


def serving(line: Line) -> bool:
    health = health_pb2_grpc.HealthStub(line.channels["operator/department"])
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=2)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture(scope="module")
def registered(line: Line) -> Line:
    for entry in line.hsm.record["signatories"]:
        chain = [bytes.fromhex(der) for der in entry["certificate_chain"]]
        signatory = signing_pb2.Signatory(**(entry | {"certificate_chain": chain}))
        line.call("PutSignatory", signing_pb2.PutSignatoryRequest(signatory=signatory))
    return line


def test_from_the_event_of_print_to_the_event_of_the_seal(
    registered: Line, database: Callable[[str], DatabaseConfig]
) -> None:
    line = registered
    event = line.printing.make()
    name = event.rendition
    line.announce(event)
    eventually(lambda: line.arrived(name))
    pending = line.call(
        "ListPending", signing_pb2.ListPendingRequest(signatory=PRINCIPAL), client="vendor/smas", person=PRINCIPAL
    )
    assert [(waiting.document, waiting.field, waiting.due) for waiting in pending.pending] == [
        (name, REQUIRED[-2].field, False)
    ]
    assert not pending.key_active
    for signatory in [*TEACHERS, HOMEROOM, PRINCIPAL, SCHOOL]:
        line.activate(signatory)
    sealed = eventually(lambda: (d := line.document(name)).state == signing_pb2.DOCUMENT_STATE_SEALED and d, 60)
    assert sealed.content_sha256 == CONTENT
    assert all(
        signature.level == "PAdES-B-B" and signature.name and signature.sign_time.seconds
        for signature in sealed.signatures
    )
    pieces = line.call("DownloadDocument", signing_pb2.DownloadDocumentRequest(document=name), client="service/archive")
    pdf = chunks.join((piece.chunk for piece in pieces), sha256=sealed.pdf_sha256)
    journal = line.call("GetJournal", signing_pb2.GetJournalRequest(document=name)).entries
    by_field = {required.field: Expected(required.field, required.signatory) for required in REQUIRED}
    expected = [by_field[entry.field] for entry in journal if entry.event == "STORED"]
    assert check(pdf, expected, [line.hsm.chain(SCHOOL)[-1]], dt.datetime.now(dt.UTC)).ok
    with contextlib.closing(db.Database(database("signing"), max_size=1)) as base:
        eventually(lambda: published(base) == ["hoso.signing.v1.DocumentSigned", "hoso.signing.v1.DocumentSealed"])
        with base.transaction() as tx:
            assert audit.verify(tx) == []
    documents = line.call("ListDocuments", signing_pb2.ListDocumentsRequest(school=SCHOOL, page_size=1))
    assert [document.id for document in documents.documents] == [name]
    held = line.call(
        "ListPending", signing_pb2.ListPendingRequest(signatory=TEACHERS[0]), client="vendor/smas", person=TEACHERS[0]
    )
    assert held.key_active
    assert held.signatures_left == 49
    for signatory in [*TEACHERS, HOMEROOM, PRINCIPAL, SCHOOL]:
        line.call("DeactivateKey", signing_pb2.DeactivateKeyRequest(signatory=signatory))


def published(base: db.Database) -> list[str]:
    with base.transaction() as tx:
        rows = tx.execute("SELECT type FROM outbox WHERE published_time IS NOT NULL ORDER BY id").fetchall()
    return [row[0] for row in rows]


def test_a_voided_book_arrives_void_or_becomes_it(registered: Line) -> None:
    line = registered
    event = line.printing.make()
    line.announce(event)
    eventually(lambda: line.arrived(event.rendition))
    line.printing.books.move(event.book, "REVOKED")
    line.void(event.book)
    eventually(lambda: line.document(event.rendition).state == signing_pb2.DOCUMENT_STATE_VOID)
    events = [e.event for e in line.call("GetJournal", signing_pb2.GetJournalRequest(document=event.rendition)).entries]
    assert events == ["CANCELLED"] * len(REQUIRED)


def test_a_print_copy_is_not_ours(registered: Line) -> None:
    line = registered
    unsigned = line.printing.make()
    unsigned.kind = print_pb2.RENDITION_KIND_UNSIGNED
    line.announce(unsigned)
    signing = line.printing.make()
    line.announce(signing)
    eventually(lambda: line.arrived(signing.rendition))
    assert not line.arrived(unsigned.rendition)


@pytest.mark.parametrize(
    ("state", "claim", "reason"),
    [
        ("RECONCILED", {}, "BOOK_STATE"),
        ("DIGITAL_SIGNING", {"school": "79000999"}, "BOOK_DIFFERS"),
        ("DIGITAL_SIGNING", {"version": 2}, "BOOK_DIFFERS"),
        ("DIGITAL_SIGNING", {"pdf_sha256": hashlib.sha256(b"other").digest()}, "BOOK_DIFFERS"),
    ],
)
def test_a_copy_that_gradebook_does_not_want_signed_is_not_taken_in(
    registered: Line, state: str, claim: dict[str, Any], reason: str
) -> None:
    line = registered
    event = line.printing.make()
    line.printing.books.move(event.book, state)
    for name, value in claim.items():
        setattr(event, name, value)
    alarms = line.signing.log.read_text().count('"alarm": true')
    line.announce(event)
    eventually(lambda: line.signing.log.read_text().count('"alarm": true') == alarms + 1)
    assert reason in line.signing.log.read_text().rpartition('"reason": "')[2].partition(" ")[0]
    assert not line.arrived(event.rendition)


def test_who_may_do_what(registered: Line, database: Callable[[str], DatabaseConfig]) -> None:
    """Wrong client, wrong person, no person: refused with a reason and an audit row."""
    line = registered
    put = signing_pb2.PutSignatoryRequest()
    activate = signing_pb2.ActivateKeyRequest(signatory=TEACHERS[0], pin="1", max_signatures=1, duration_seconds=1)
    documents = signing_pb2.ListDocumentsRequest(school=SCHOOL)
    cases: list[tuple[str, Any, str, str | None, type[HosoError], str]] = [
        ("PutSignatory", put, "vendor/smas", None, Forbidden, "CLIENT_NOT_ALLOWED"),
        ("PutSignatory", put, "service/print", None, Forbidden, "CLIENT_NOT_ALLOWED"),
        ("ActivateKey", activate, "service/archive", None, Forbidden, "CLIENT_NOT_ALLOWED"),
        ("ActivateKey", activate, "vendor/smas", None, Unauthenticated, "PERSON_REQUIRED"),
        ("ActivateKey", activate, "vendor/smas", PRINCIPAL, Forbidden, "NOT_THE_SIGNATORY"),
        ("ActivateKey", activate, "vendor/vietschool", TEACHERS[0], Forbidden, "VENDOR_NOT_AUTHORISED"),
        ("ListDocuments", documents, "vendor/vietschool", PRINCIPAL, Forbidden, "VENDOR_NOT_AUTHORISED"),
        ("ListDocuments", documents, "vendor/smas", "hs-1", Forbidden, "PERSON_UNKNOWN"),
        ("ListDocuments", documents, "vendor/smas", None, Unauthenticated, "PERSON_REQUIRED"),
        (
            "ListDocuments",
            signing_pb2.ListDocumentsRequest(school="79000999"),
            "vendor/smas",
            PRINCIPAL,
            Forbidden,
            "WRONG_SCHOOL",
        ),
        (
            "ListPending",
            signing_pb2.ListPendingRequest(signatory=TEACHERS[1]),
            "vendor/smas",
            PRINCIPAL,
            Forbidden,
            "NOT_THE_SIGNATORY",
        ),
        (
            "DeactivateKey",
            signing_pb2.DeactivateKeyRequest(signatory=TEACHERS[1]),
            "vendor/smas",
            PRINCIPAL,
            Forbidden,
            "NOT_THE_SIGNATORY",
        ),
    ]
    for rpc, request, client, person, error, reason in cases:
        with pytest.raises(error) as refused:
            line.call(rpc, request, client=client, person=person)
        assert refused.value.reason == reason, rpc
    with contextlib.closing(db.Database(database("signing"), max_size=1)) as base, base.transaction() as tx:
        rows = tx.execute("SELECT facts ->> 'reason' FROM audit_entry WHERE action = 'REFUSED'").fetchall()
    assert sorted(row[0] for row in rows) == sorted(reason for *_, reason in cases)


def test_bad_input_is_named(registered: Line) -> None:
    line = registered
    with pytest.raises(Invalid) as refused:
        line.call("GetDocument", signing_pb2.GetDocumentRequest(document="not a uuid"))
    assert [violation.field for violation in refused.value.violations] == ["document"]
    with pytest.raises(Invalid) as refused:
        request = signing_pb2.ActivateKeyRequest(signatory=TEACHERS[0], max_signatures=10_001)
        line.call("ActivateKey", request, client="vendor/smas", person=TEACHERS[0])
    assert [violation.field for violation in refused.value.violations] == ["pin", "max_signatures", "duration_seconds"]
    with pytest.raises(Invalid) as refused:
        line.call("PutSignatory", signing_pb2.PutSignatoryRequest())
    assert {"signatory.id", "signatory.custody", "signatory.key_uri", "signatory.certificate_chain"} <= {
        violation.field for violation in refused.value.violations
    }
    with pytest.raises(NotFound) as unknown:
        line.call("GetJournal", signing_pb2.GetJournalRequest(document=str(uuid.uuid4())))
    assert unknown.value.reason == "DOCUMENT_UNKNOWN"
    with pytest.raises(Rejected) as rejected:
        line.activate(TEACHERS[6], pin="99999999")
    assert rejected.value.reason == "PIN_INCORRECT"


def test_pages_of_signatories(registered: Line) -> None:
    line = registered
    ids: list[str] = []
    token = ""
    while True:
        request = signing_pb2.ListSignatoriesRequest(school=SCHOOL, page_size=4, page_token=token)
        page = line.call("ListSignatories", request, client="operator/department")
        ids += [signatory.id for signatory in page.signatories]
        token = page.next_page_token
        if not token:
            break
    assert ids == sorted(entry["id"] for entry in line.hsm.record["signatories"])


def test_the_configuration_is_checked(registered: Line) -> None:
    line = registered
    good = run_role("check-config", line.signing.config, line.hsm.environment)
    assert (good.returncode, good.stdout.strip()) == (0, "configuration is good"), good.stderr
    broken = line.signing.folder / "broken.toml"
    text = line.signing.config.read_text()
    broken.write_text(
        text.replace("tokens.sock", "nobody.sock").replace("modules = { softhsm", 'modules = { x = "/no", softhsm')
    )
    bad = run_role("check-config", broken, line.hsm.environment)
    assert bad.returncode == 1
    assert "TOKEN_AWAY" in bad.stdout
    assert "module x: /no is not there" in bad.stdout
