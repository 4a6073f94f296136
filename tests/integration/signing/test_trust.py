"""Nothing is signed, taken in or voided because somebody inside says so: gradebook is asked, and
the document begins with the bytes that print made.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.common import audit, book_facts, jobs, voids
from services.signing import domain, events, signing_job, store
from tests.integration.signing.hsm import SCHOOL
from tests.integration.signing.signing_service import HOMEROOM, PRINCIPAL, REQUIRED, TEACHERS, Service
from tests.integration.signing.test_waiting import emptied, required_of
from tests.owning import as_owner
from tests.painting import painted_over
from tests.waiting import eventually
from tests.working import working

FIRST = TEACHERS[0]


@contextmanager
def worker(service: Service) -> Iterator[None]:
    """The role `work`, without what fetches."""
    handlers = {
        domain.SIGN_JOB: signing_job.handler(service.database, service.client(), service.books),
        voids.JOB: book_facts.void_handler(service.database, service.books, store.void_book),
    }
    with emptied(service), working(service.database, handlers, concurrency=2):
        yield


def dead(service: Service) -> list[str]:
    """Why jobs are dead, by code."""
    with service.database.transaction() as tx:
        return [job.last_error.partition(" ")[0] for job in jobs.list_dead(tx)]


def alarms(service: Service) -> list[str]:
    """The reasons in the audit chain of alarms, oldest first; the chain is whole."""
    with service.database.transaction() as tx:
        assert audit.verify(tx) == []
        rows = tx.execute("SELECT action FROM audit_entry WHERE chain = 'alarms' ORDER BY sequence").fetchall()
    return [action for (action,) in rows]


def assert_refused(service: Service, name: uuid.UUID, reason: str, alarms_before: int) -> None:
    """The next signature is not made, and an alarm is raised."""
    eventually(lambda: dead(service) == [reason])
    assert (alarms(service)[alarms_before:], service.signed(name)) == ([reason], [])
    assert service.journal(name) == []


@pytest.mark.parametrize(
    "state", ["DATA_COMPLETE", "PRINT_ASSIGNED", "RECONCILED", "PAPER_ARCHIVED", "SEALED", "LOCKED", "ARCHIVED"]
)
def test_a_book_that_is_not_being_signed_is_not_signed(service: Service, signing_copy: bytes, state: str) -> None:
    """The keys are open for other work."""
    with service.tokens(), worker(service):
        before = len(alarms(service))
        service.activate(*TEACHERS, HOMEROOM, PRINCIPAL, SCHOOL)
        with service.database.transaction() as tx:
            name = service.take_in_within(tx, signing_copy, REQUIRED)
            service.gradebook.move(str(store.document(tx, name).book), state)
        assert_refused(service, name, "BOOK_STATE", before)


@pytest.mark.parametrize(
    "known",
    [
        {"version": 2},
        {"school": "79000999"},
        {"content_sha256": hashlib.sha256(b"other").digest()},
        {"signing_rendition": str(uuid.UUID(int=7))},
        {"signing_pdf_sha256": hashlib.sha256(b"other").digest()},
        {"signing_pdf_size_bytes": 1000},
        {"signing_pdf_size_bytes": 10**9},
    ],
    ids=str,
)
def test_another_document_than_gradebooks_is_not_signed(
    service: Service, signing_copy: bytes, known: dict[str, Any]
) -> None:
    with service.tokens(), worker(service):
        before = len(alarms(service))
        service.activate(FIRST)
        with service.database.transaction() as tx:
            name = service.take_in_within(tx, signing_copy, required_of(FIRST))
            facts = service.gradebook.facts[str(store.document(tx, name).book)]
            for field, value in known.items():
                setattr(facts, field, value)
        reason = "PRINTED_BYTES_DIFFER" if "pdf" in next(iter(known)) else "BOOK_DIFFERS"
        assert_refused(service, name, reason, before)


def rewrite(service: Service, name: uuid.UUID, first: bytes, *, honest: bool) -> None:
    """As the owner of the tables, put other bytes in place of revision 0; with all digests and
    sizes made to fit, or as they were.
    """
    with as_owner(service.database.config) as tx:
        tx.execute("ALTER TABLE revision DISABLE TRIGGER USER")
        tx.execute("UPDATE revision SET part = %s WHERE document = %s AND number = 0", (first, name))
        rows = tx.execute("SELECT number, part FROM revision WHERE document = %s ORDER BY number", (name,)).fetchall()
        whole = b""
        for number, part in rows if honest else ():
            whole += part
            fitting = (hashlib.sha256(whole).digest(), len(whole), name)
            tx.execute(
                "UPDATE revision SET sha256 = %s, size_bytes = %s WHERE document = %s AND number = %s",
                (*fitting, number),
            )
            tx.execute("UPDATE document SET pdf_sha256 = %s, pdf_size_bytes = %s WHERE id = %s", fitting)
        tx.execute("ALTER TABLE revision ENABLE TRIGGER USER")


@pytest.mark.parametrize(("honest", "reason"), [(True, "PRINTED_BYTES_DIFFER"), (False, "DOCUMENT_CHANGED")])
def test_pages_painted_over_in_the_database_are_not_signed(
    service: Service, signing_copy: bytes, honest: bool, reason: str
) -> None:
    with service.tokens(), worker(service):
        before = len(alarms(service))
        name = service.take_in(signing_copy)
        eventually(lambda: not jobs_open(service))
        rewrite(service, name, painted_over(signing_copy), honest=honest)
        service.activate(FIRST)
        assert_refused(service, name, reason, before)


@pytest.mark.parametrize(("honest", "reason"), [(True, "PRINTED_BYTES_DIFFER"), (False, "DOCUMENT_CHANGED")])
def test_pages_painted_over_below_signatures_get_no_further_one(
    service: Service, signing_copy: bytes, honest: bool, reason: str
) -> None:
    with service.tokens(), worker(service):
        before = len(alarms(service))
        name = service.take_in(signing_copy, required_of(FIRST, PRINCIPAL))
        service.activate(FIRST)
        eventually(lambda: service.signed(name) == [FIRST] and not jobs_open(service))
        rewrite(service, name, painted_over(signing_copy), honest=honest)
        service.activate(PRINCIPAL)
        eventually(lambda: dead(service) == [reason])
        assert (alarms(service)[before:], service.signed(name)) == ([reason], [FIRST])


def jobs_open(service: Service) -> int:
    with service.database.transaction() as tx:
        return jobs.state(tx).open


def test_a_copy_that_gradebook_has_not_heard_of_waits_for_it(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), worker(service):
        service.activate(FIRST)
        with service.database.transaction() as tx:
            name = service.take_in_within(tx, signing_copy, required_of(FIRST))
            facts = service.gradebook.facts[str(store.document(tx, name).book)]
            told, facts.signing_rendition = facts.signing_rendition, ""
        eventually(lambda: waiting_for(service) == "SIGNING_COPY_UNKNOWN")
        assert (service.signed(name), service.journal(name)) == ([], [])
        facts.signing_rendition = told
        eventually(lambda: service.signed(name) == [FIRST])
        service.gradebook.away = True
        service.activate(FIRST)
        other = service.take_in(signing_copy, required_of(FIRST))
        eventually(lambda: waiting_for(service) == "away")
        service.gradebook.away = False
        eventually(lambda: service.signed(other) == [FIRST])
        assert dead(service) == []


def waiting_for(service: Service) -> str:
    with service.database.transaction() as tx:
        row = tx.execute("SELECT last_error FROM job WHERE waits > 0 AND state = 'waiting'").fetchone()
    reason = str(row[0]).partition(" ")[0] if row else ""
    return "away" if "UNAVAILABLE" in reason else reason


def test_a_version_ends_when_gradebook_says_so(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), worker(service):
        before = len(alarms(service))
        name = service.take_in(signing_copy, required_of(FIRST, PRINCIPAL))
        book = service.book(name)
        for version in (1, 2):
            hear_void(service, book.upper(), version)
        eventually(lambda: sorted(dead(service)) == ["BOOK_DIFFERS", "BOOK_STATE"])
        assert sorted(alarms(service)[before:]) == ["BOOK_DIFFERS", "BOOK_STATE"]
        assert service.state(name) == "SIGNING"
        service.activate(FIRST)
        eventually(lambda: service.signed(name) == [FIRST])

        service.gradebook.move(book, "REVOKED")
        service.activate(PRINCIPAL)
        eventually(lambda: waiting_for(service) == "BOOK_ENDED")
        with service.database.transaction() as tx:
            (job_id,) = tx.execute("SELECT id FROM job WHERE key = %s", (f"{book}/1",)).fetchone() or (None,)
            jobs.replay(tx, job_id)  # the event is heard only now
        eventually(lambda: service.state(name) == "VOID" and not jobs_open(service))
        assert service.signed(name) == [FIRST]


def hear_void(service: Service, book: str, version: int) -> None:
    (handle,) = (s.handle for s in events.SUBSCRIPTIONS if s.event.DESCRIPTOR.name == "BookVoided")
    with service.database.transaction() as tx:
        handle(tx, events.gradebook_events.BookVoided(book=book, version=version))


def test_asking_costs_one_call_for_each_signature(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), worker(service):
        service.activate(*TEACHERS, HOMEROOM, PRINCIPAL, SCHOOL)
        asked = service.gradebook.asked
        name = service.take_in(signing_copy)
        eventually(lambda: service.state(name) == "SEALED", 60)
        assert service.gradebook.asked - asked == len(REQUIRED)
