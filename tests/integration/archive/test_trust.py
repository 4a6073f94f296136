"""Nothing is locked because somebody inside says so: gradebook is asked, and what is locked begins
with the bytes that print made.
"""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hoso.gradebook.v1 import events_pb2

from services.archive import domain
from services.common.errors import Forged, NotFound, Waiting
from tests.integration.archive.archiving import Bench, Sealed
from tests.painting import painted_over
from tests.unit.archive.signed_books import Ca, sign, signatories


def assert_nothing_kept(bench: Bench, before: list[str]) -> None:
    assert bench.objects() == before
    assert bench.events() == []


@pytest.mark.parametrize("state", ["DATA_COMPLETE", "DIGITAL_SIGNING", "SIGNED", "SEALED"])
def test_a_book_that_gradebook_has_not_locked_is_not_locked(bench: Bench, sealed: Sealed, state: str) -> None:
    """Sealed as it may be."""
    before = bench.objects()
    bench.peers.books.move(bench.announce_book(sealed), state)
    with pytest.raises(Forged) as forged:
        bench.work()
    assert forged.value.reason == "BOOK_STATE"
    assert_nothing_kept(bench, before)


@pytest.mark.parametrize(
    "known",
    [
        {"version": 2},
        {"school": "79000999"},
        {"school_year": "2024-2025"},
        {"record_type": 3},
        {"content_sha256": hashlib.sha256(b"other").digest()},
        {"document": str(uuid.UUID(int=7))},
        {"document_sha256": hashlib.sha256(b"other").digest()},
    ],
    ids=lambda known: next(iter(known)),
)
def test_a_book_that_is_otherwise_at_gradebook_is_not_locked(
    bench: Bench, sealed: Sealed, known: dict[str, Any]
) -> None:
    before = bench.objects()
    book = bench.announce_book(sealed)
    for name, value in known.items():
        setattr(bench.peers.books.facts[book], name, value)
    with pytest.raises(Forged) as forged:
        bench.work()
    assert (forged.value.reason, forged.value.facts["fields"]) == ("BOOK_DIFFERS", *known)
    assert_nothing_kept(bench, before)


def test_a_book_that_gradebook_does_not_know_is_not_locked(bench: Bench, sealed: Sealed) -> None:
    before = bench.objects()
    bench.peers.books.facts.pop(bench.announce_book(sealed))
    with pytest.raises(NotFound):
        bench.work()
    assert_nothing_kept(bench, before)


def test_a_version_that_ended_meanwhile_is_not_locked(bench: Bench, sealed: Sealed) -> None:
    before = bench.objects()
    bench.peers.books.move(bench.announce_book(sealed), "REVOKED")
    bench.work()
    assert bench.query("SELECT state FROM job") == [("done",)]
    assert_nothing_kept(bench, before)


def test_a_book_whose_signing_copy_is_not_known_yet_waits_for_it(bench: Bench, sealed: Sealed) -> None:
    """As books of the release before, until print has announced its copies once more."""
    book = bench.announce_book(sealed)
    facts = bench.peers.books.facts[book]
    told, facts.signing_rendition = facts.signing_rendition, ""
    job = bench.claim()
    assert job is not None
    with pytest.raises(Waiting) as waiting:
        bench.run(job)
    assert waiting.value.reason == "SIGNING_COPY_UNKNOWN"
    facts.signing_rendition = told
    bench.run(job)
    assert bench.record(domain.Kind.CLASS_BOOK, book, 1).object_sha256 == hashlib.sha256(sealed.pdf).digest()


def test_pages_swapped_before_the_first_signature_are_refused(bench: Bench, sealed: Sealed) -> None:
    """Every revision is of the painted copy, every signature valid, and gradebook was told its
    digest.
    """
    before, ca = bench.objects(), Ca(at=datetime.now(UTC))
    painted = sign(painted_over(sealed.printed), signatories(sealed.content), ca)[-1]
    honest = sign(sealed.printed, signatories(sealed.content), ca)[-1]
    bench = bench.trusting(ca.pem)
    for pdf, failed in ((painted, {"PRINTED_BYTES", "SIGNATURES_ONLY"}), (honest, set[str]())):
        book = bench.announce_book(sealed, offered=pdf, document_sha256=hashlib.sha256(pdf).digest())
        bench.work()
        _, body = bench.events()[-1]
        assert (body["book"], set(body.get("failed_checks", ()))) == (book, failed)
    assert len(bench.objects()) == len(before) + 1


@pytest.mark.parametrize("known", [{"school": "79000999"}, {"school_year": "2024-2025"}, {"content_sha256": bytes(32)}])
def test_a_snapshot_that_is_otherwise_at_gradebook_is_not_locked(bench: Bench, known: dict[str, Any]) -> None:
    before = bench.objects()
    snapshot = bench.announce_snapshot(uuid.uuid4().bytes)
    for name, value in known.items():
        setattr(bench.peers.snapshot_facts[snapshot], name, value)
    with pytest.raises(Forged) as forged:
        bench.work()
    assert forged.value.reason == "SNAPSHOT_DIFFERS"
    assert_nothing_kept(bench, before)


def test_ids_in_another_spelling_are_the_same_book_and_snapshot(bench: Bench, sealed: Sealed) -> None:
    book, snapshot = bench.announce_book(sealed), bench.announce_snapshot(uuid.uuid4().bytes)
    facts = bench.peers.books.facts[book]
    for respelled in (str.upper, lambda name: "{" + name + "}", lambda name: name.replace("-", "")):
        bench.hear(
            events_pb2.BookLocked(
                book=respelled(book),
                version=1,
                content_sha256=facts.content_sha256,
                document=respelled(facts.document),
                document_sha256=facts.document_sha256,
            )
        )
        bench.hear(events_pb2.SnapshotTaken(snapshot=respelled(snapshot), content_sha256=facts.content_sha256))
    assert bench.query("SELECT count(*) FROM job") == [(2,)]
    bench.work()
    bench.work()
    assert {bench.record(domain.Kind.CLASS_BOOK, book, 1).source} == {book}
    with pytest.raises(ValueError, match="UUID"):
        bench.hear(events_pb2.SnapshotTaken(snapshot="x", content_sha256=bytes(32)))
    with pytest.raises(psycopg.errors.CheckViolation), bench.archive.database.transaction() as tx:
        tx.execute(
            "INSERT INTO record SELECT (r.x).*"
            " FROM (SELECT jsonb_populate_record(record, %s) AS x FROM record LIMIT 1) r",
            (f'{{"source": "{book.upper()}", "id": "{uuid.uuid4()}", "sequence": 999999}}',),
        )
