"""From an event to a stored, announced rendition over a real database, with what may go wrong on
the way.
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from google.protobuf import json_format
from hoso.gradebook.v1 import books_pb2, books_pb2_grpc, events_pb2
from hoso.print.v1 import events_pb2 as print_events

from deploy.local import layout
from services.common import audit, book_facts, db, jobs, voids
from services.common.canonical import canonical_bytes
from services.common.errors import Forged, NotFound, Rejected, Unavailable
from services.common.grpc_client import channel
from services.common.jobs import Job, LeaseLost
from services.common.settings import DatabaseConfig
from services.print import events, rendering, store, usecases
from tests import records, servers
from tests.content import canonical, class_book
from tests.integration.print import peers
from tests.owning import as_owner

SCHOOL = "79000123"


@dataclass(frozen=True)
class Bench:
    """Print's use cases and job over a real database; gradebook is a stand-in."""

    database: db.Database
    gradebook: peers.Gradebook
    handler: Callable[[Job], None]
    void_handler: Callable[[Job], None]

    def announce(self, kind: type[Any], content: bytes, *, digest: bytes | None = None) -> str:
        book = str(uuid.uuid4())
        self.gradebook.contents[book] = content
        event = kind(book=book, version=1, school=SCHOOL, content_sha256=digest or sha256(content).digest())
        self.gradebook.assigned(event)
        self.hear(event)
        return book

    def hear(self, event: Any) -> None:
        handle = {s.event: s.handle for s in events.SUBSCRIPTIONS}[type(event)]
        with self.database.transaction() as tx:
            handle(tx, event)

    def void(self, book: str) -> None:
        """Gradebook ends the version, and print hears of it."""
        self.gradebook.facts[book].state = books_pb2.BOOK_STATE_REVOKED
        self.hear(events_pb2.BookVoided(book=book, version=1))
        with self.database.transaction() as tx:
            job = jobs.claim(tx, [voids.JOB], 60)
        if job is not None:
            self.void_handler(job)

    def claim(self) -> Job:
        with self.database.transaction() as tx:
            job = jobs.claim(tx, [usecases.RENDER_JOB], 60)
        assert job is not None
        return job

    def work(self) -> None:
        self.handler(self.claim())

    def renditions(self, book: str) -> list[store.StoredRendition]:
        with self.database.transaction() as tx:
            return store.list_of_book(tx, uuid.UUID(book))

    def query(self, statement: str, *values: Any) -> list[Any]:
        with as_owner(self.database.config) as tx:
            return tx.execute(statement.encode(), values).fetchall()

    def events(self, book: str) -> list[tuple[str, dict[str, Any]]]:
        rows = self.query("SELECT type, body FROM outbox ORDER BY id")
        events = [(t.rpartition(".")[2], json.loads(bytes(body))) for t, body in rows]
        return [(t, body) for t, body in events if body["book"] == book]

    def open_jobs(self) -> int:
        return int(self.query("SELECT count(*) FROM job WHERE state <> 'done'")[0][0])


@pytest.fixture(scope="module")
def bench(database: Callable[[str], DatabaseConfig], pki_files: servers.Pki) -> Iterator[Bench]:
    config = database("print")
    db.migrate(config, [layout.REPOSITORY / "services" / "print" / "migrations"])
    open_database = db.Database(config)
    with peers.serving(pki_files) as gradebook, channel(gradebook.config, "gradebook") as to_gradebook:
        stub = books_pb2_grpc.BookServiceStub(to_gradebook)
        handler = rendering.handler(open_database, stub)
        yield Bench(open_database, gradebook, handler, book_facts.void_handler(open_database, stub, store.void))
    open_database.close()


@pytest.fixture(autouse=True)
def _nothing_left(bench: Bench) -> Iterator[None]:
    yield
    with as_owner(bench.database.config) as tx:
        tx.execute("DELETE FROM job WHERE state <> 'done'")


def test_a_print_is_made_stored_and_announced(bench: Bench) -> None:
    content = canonical(5, "SEMESTER_1")
    book = bench.announce(events_pb2.BookPrintAssigned, content)
    bench.work()
    (stored,) = bench.renditions(book)
    with bench.database.transaction() as tx:
        pdf = store.pdf(tx, stored.id)
    assert pdf.startswith(b"%PDF-1.7")
    assert (stored.kind, stored.version, stored.school) == ("UNSIGNED", 1, SCHOOL)
    assert (stored.void, stored.fields) == (False, ())
    assert (stored.content_sha256, stored.pdf_sha256) == (sha256(content).digest(), sha256(pdf).digest())
    assert (stored.pdf_size_bytes, stored.pages) == (len(pdf), 20)
    ((kind, body),) = bench.events(book)
    assert kind == "RenditionReady"
    assert (body["rendition"], body["kind"], body["school"]) == (str(stored.id), "RENDITION_KIND_UNSIGNED", SCHOOL)
    assert base64.b64decode(body["pdf_sha256"]) == stored.pdf_sha256
    assert bench.open_jobs() == 0
    with bench.database.transaction() as tx:
        assert audit.verify(tx) == []


def test_a_signing_copy_names_who_signs_where(bench: Bench) -> None:
    data = class_book(4, "SEMESTER_1")
    book = bench.announce(events_pb2.BookSigningStarted, canonical_bytes(data))
    bench.work()
    (stored,) = bench.renditions(book)
    assert stored.kind == "SIGNING"
    expected = [(s["field"], s["order"], s["rank"], s["role"], s["signatory"]) for s in data["signatories"]]
    assert [(f.name, f.order, f.rank, f.role, f.signatory) for f in stored.fields] == expected


@pytest.mark.parametrize(
    "data",
    [records.teacher_book(1, 3, "SEMESTER_1"), records.transcript(1), records.student_register(3)],
    ids=["teacher book", "transcript", "register"],
)
def test_every_record_type_becomes_a_signing_copy(bench: Bench, data: dict[str, Any]) -> None:
    book = bench.announce(events_pb2.BookSigningStarted, canonical_bytes(data))
    bench.work()
    (stored,) = bench.renditions(book)
    expected = [(s["field"], s["order"], s["rank"], s["role"], s["signatory"]) for s in data["signatories"]]
    assert [(f.name, f.order, f.rank, f.role, f.signatory) for f in stored.fields] == expected
    assert [kind for kind, _ in bench.events(book)] == ["RenditionReady"]


def test_content_of_an_unknown_format_is_announced_as_a_fault(bench: Bench) -> None:
    data = records.transcript(1) | {"format": "hoso/transcript/99"}
    book = bench.announce(events_pb2.BookPrintAssigned, canonical_bytes(data))
    bench.work()
    ((kind, body),) = bench.events(book)
    assert (kind, body["reason"], body["field"]) == ("RenditionFailed", "FORMAT_UNKNOWN", "format")


def test_the_same_event_twice_makes_one_rendition(bench: Bench) -> None:
    content = canonical(2, "SEMESTER_1")
    book = bench.announce(events_pb2.BookPrintAssigned, content)
    event = events_pb2.BookPrintAssigned(book=book, version=1, school=SCHOOL, content_sha256=sha256(content).digest())
    with bench.database.transaction() as tx:
        events.print_assigned(tx, event)
    bench.work()
    with bench.database.transaction() as tx:
        events.print_assigned(tx, event)
        assert jobs.claim(tx, [usecases.RENDER_JOB], 60) is None
    assert len(bench.renditions(book)) == 1
    assert len(bench.events(book)) == 1


def test_a_worker_that_lost_its_lease_writes_nothing(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    slow = bench.claim()
    with bench.database.transaction() as tx:
        tx.execute("UPDATE job SET due_time = now() - interval '1 second' WHERE id = %s", (slow.id,))
    bench.work()
    made = bench.renditions(book)
    with pytest.raises(LeaseLost):
        bench.handler(slow)
    assert bench.renditions(book) == made
    assert len(bench.events(book)) == 1


def test_a_crash_before_the_end_leaves_nothing_and_is_repeated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    job = bench.claim()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "finish", killed)
        with pytest.raises(Killed):
            bench.handler(job)
    assert bench.renditions(book) == []
    assert bench.events(book) == []
    bench.handler(job)
    assert len(bench.renditions(book)) == 1


def test_content_that_cannot_be_printed_is_announced_with_its_fault(bench: Bench) -> None:
    data = class_book(4, "SEMESTER_1")
    data["students"][3]["name"] = "Lý 小 Minh"
    book = bench.announce(events_pb2.BookPrintAssigned, canonical_bytes(data))
    bench.work()
    ((kind, body),) = bench.events(book)
    assert kind == "RenditionFailed"
    assert (body["reason"], body["field"]) == ("NO_GLYPH", "students[3].name")
    assert bench.renditions(book) == []
    assert bench.open_jobs() == 0
    refused = "SELECT facts->>'reason' FROM audit_entry WHERE action = 'REFUSED' AND facts->>'book' = %s"
    (row,) = bench.query(refused, book)
    assert row[0] == "NO_GLYPH"


def test_content_other_than_announced_is_refused(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"), digest=bytes(32))
    with pytest.raises(Rejected) as refused:
        bench.work()
    assert refused.value.reason == "DIGEST_MISMATCH"
    assert bench.renditions(book) == []


def test_a_book_that_gradebook_does_not_know(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    del bench.gradebook.contents[book]
    with pytest.raises(NotFound):
        bench.work()


def test_gradebook_away_is_waited_for(bench: Bench) -> None:
    content = canonical(2, "SEMESTER_1")
    book = bench.announce(events_pb2.BookPrintAssigned, content)
    bench.gradebook.contents[book] = None
    job = bench.claim()
    with pytest.raises(Unavailable):
        bench.handler(job)
    bench.gradebook.contents[book] = content
    bench.handler(job)
    assert len(bench.renditions(book)) == 1


def test_a_voided_version_has_void_renditions(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    bench.work()
    bench.void(book)
    bench.void(book)
    (stored,) = bench.renditions(book)
    assert stored.void


def test_a_version_that_ended_before_its_job_ran_is_not_rendered(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    bench.void(book)
    bench.work()
    assert bench.renditions(book) == []
    assert bench.events(book) == []
    assert book not in bench.gradebook.asked
    assert bench.open_jobs() == 0


def test_a_version_that_ends_while_it_is_rendered_is_kept_and_not_announced(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    job = bench.claim()
    bench.void(book)
    with bench.database.transaction() as tx:
        usecases.keep(tx, job, b"%PDF", 1, ())
    (stored,) = bench.renditions(book)
    assert stored.void
    assert bench.events(book) == []


def test_a_rendition_is_never_changed_or_removed(bench: Bench) -> None:
    bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    bench.work()
    for statement in ("UPDATE rendition SET pages = pages", "DELETE FROM rendition"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), as_owner(bench.database.config) as tx:
            tx.execute(statement.encode())


def test_an_event_without_digest_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"), digest=b"short")


def test_prints_that_people_wait_for_go_first(bench: Bench) -> None:
    bench.announce(events_pb2.BookSigningStarted, canonical(2, "SEMESTER_1"))
    bench.announce(events_pb2.BookPrintAssigned, canonical(3, "SEMESTER_1"))
    assert bench.claim().payload["kind"] == "UNSIGNED"
    assert bench.claim().payload["kind"] == "SIGNING"


@pytest.mark.parametrize(
    "claim", [{"school": "79000999"}, {"version": 2}, {"content_sha256": sha256(b"other").digest()}]
)
@pytest.mark.parametrize("kind", [events_pb2.BookPrintAssigned, events_pb2.BookSigningStarted])
def test_a_book_that_is_otherwise_at_gradebook_is_not_rendered(
    bench: Bench, kind: type[Any], claim: dict[str, Any]
) -> None:
    """Another school would get the pages of this one."""
    event = kind(book=str(uuid.uuid4()), version=1, school=SCHOOL, content_sha256=sha256(b"content").digest())
    bench.gradebook.assigned(event)
    for name, value in claim.items():
        setattr(event, name, value)
    bench.hear(event)
    with pytest.raises(Forged) as forged:
        bench.work()
    assert (forged.value.reason, forged.value.facts["fields"]) == ("BOOK_DIFFERS", *claim)
    assert bench.renditions(event.book) == []


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (events_pb2.BookPrintAssigned, "DATA_COMPLETE"),
        (events_pb2.BookSigningStarted, "DATA_COMPLETE"),
        (events_pb2.BookSigningStarted, "RECONCILED"),
    ],
)
def test_a_book_that_nobody_has_assigned_is_not_rendered(bench: Bench, kind: type[Any], state: str) -> None:
    book = bench.announce(kind, canonical(2, "SEMESTER_1"))
    bench.gradebook.facts[book].state = books_pb2.BookState.Value(f"BOOK_STATE_{state}")
    with pytest.raises(Forged) as forged:
        bench.work()
    assert forged.value.reason == "BOOK_STATE"
    assert bench.renditions(book) == []


def test_a_version_that_gradebook_has_ended_is_not_rendered_before_its_end_is_heard(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    bench.gradebook.facts[book].state = books_pb2.BOOK_STATE_MISMATCH
    bench.work()
    assert (bench.renditions(book), bench.open_jobs()) == ([], 0)


def test_a_version_that_gradebook_has_not_ended_stays_valid(bench: Bench) -> None:
    book = bench.announce(events_pb2.BookPrintAssigned, canonical(2, "SEMESTER_1"))
    bench.work()
    for claimed in (1, 2):
        bench.hear(events_pb2.BookVoided(book=book, version=claimed))
        with bench.database.transaction() as tx:
            job = jobs.claim(tx, [voids.JOB], 60)
        assert job is not None
        with pytest.raises(Forged):
            bench.void_handler(job)
    (stored,) = bench.renditions(book)
    assert not stored.void


def test_a_book_id_in_another_spelling_is_the_same_book(bench: Bench) -> None:
    content = canonical(2, "SEMESTER_1")
    book = bench.announce(events_pb2.BookPrintAssigned, content)
    for spelling in (book.upper(), "{" + book + "}", f"urn:uuid:{book}", book.replace("-", "")):
        bench.hear(
            events_pb2.BookPrintAssigned(
                book=spelling, version=1, school=SCHOOL, content_sha256=sha256(content).digest()
            )
        )
    assert bench.claim().payload["book"] == book
    with bench.database.transaction() as tx:
        assert jobs.claim(tx, [usecases.RENDER_JOB], 60) is None
    with pytest.raises(psycopg.errors.CheckViolation), bench.database.transaction() as tx:
        tx.execute("INSERT INTO voided_version (book, version) VALUES (%s, 1)", (book.upper(),))


def test_signing_copies_of_the_release_before_are_announced_again_with_their_size(bench: Bench) -> None:
    books = [bench.announce(kind, canonical(2, "SEMESTER_1")) for kind in (
        events_pb2.BookSigningStarted, events_pb2.BookSigningStarted, events_pb2.BookPrintAssigned
    )]  # fmt: skip
    for _ in books:
        bench.work()
    bench.void(books[1])
    (stored,) = bench.renditions(books[0])
    migration = layout.REPOSITORY / "services" / "print" / "migrations" / "0002_signing_copies_again.sql"
    with bench.database.transaction() as tx:
        tx.execute(migration.read_bytes().partition(b"-- Gradebook notes")[2].partition(b"\n")[2])
    first, again = (json_format.ParseDict(body, print_events.RenditionReady()) for _, body in bench.events(books[0]))
    assert first == again
    assert (again.rendition, again.pdf_sha256) == (str(stored.id), stored.pdf_sha256)
    assert again.pdf_size_bytes == stored.pdf_size_bytes
    assert [len(bench.events(book)) for book in books[1:]] == [1, 1]
