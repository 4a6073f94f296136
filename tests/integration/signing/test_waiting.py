"""Documents that wait for a person: rows that cost nothing until the key opens."""

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from psycopg.rows import namedtuple_row

from services.common import jobs
from services.common.db import Database, Tx
from services.signing import domain, signing_job, usecases
from services.signing.domain import Required
from services.signing.token_client import TokenClient
from tests.integration.signing.hsm import SCHOOL
from tests.integration.signing.signing_service import MIGRATIONS, PRINCIPAL, REQUIRED, TEACHERS, Service, running_role
from tests.owning import as_owner
from tests.waiting import eventually
from tests.working import working

CITY = 100_000
"""Documents of other schools that wait for other people."""

FIRST, SECOND = TEACHERS[0], TEACHERS[1]


def required_of(*people: str) -> list[Required]:
    return [next(signature for signature in REQUIRED if signature.signatory == person) for person in people]


def wait_for(tx: Tx, count: int, *signatories: str) -> None:
    """`count` documents without bytes; each of `signatories` signs all of them, in this order of
    rank.
    """
    tx.execute(
        "WITH made AS (INSERT INTO document (id, book, version, school, state, content_sha256, revision, pdf_sha256,"
        " pdf_size_bytes) SELECT gen_random_uuid(), gen_random_uuid(), 1, 'school ' || n / 40, 'SIGNING', '', 0,"
        " '', 1 FROM generate_series(1, %s) AS n RETURNING id, school)"
        " INSERT INTO required_signature (document, field, position, rank, role, signatory, state)"
        " SELECT made.id, 'f' || p, p, p, 'PRINCIPAL', replace(s, '<school>', made.school), 'PENDING'"
        " FROM made, unnest(%s::text[]) WITH ORDINALITY AS signer (s, p)",
        (count, list(signatories)),
    )


@contextlib.contextmanager
def emptied(service: Service) -> Iterator[None]:
    """Without the documents and jobs of this module's other tests, before and after."""

    def empty() -> None:
        with as_owner(service.database.config) as tx:
            for table in ("journal", "revision", "intent"):
                tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            tx.execute("TRUNCATE document, required_signature, revision, intent, journal, job")
            for table in ("journal", "revision", "intent"):
                tx.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    empty()
    try:
        yield
    finally:
        empty()


def pages_read(base: Database) -> dict[str, int]:
    """Pages of each table and its indexes that anybody has looked into."""
    with base.transaction() as tx:
        tables = tx.execute(
            "SELECT relname, heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit FROM pg_statio_user_tables"
        ).fetchall()
    return dict(tables)


def read_while_idle(service: Service, seconds: float) -> dict[str, int]:
    """Pages that a worker without work reads in `seconds`, by table."""
    with service.running("work"):
        eventually(lambda: listening(service.database))
        time.sleep(2)  # its first looks are over and counted
        before = pages_read(service.database)
        time.sleep(seconds)
        after = pages_read(service.database)
    return {name: after[name] - before[name] for name in after}


def listening(base: Database) -> bool:
    with base.transaction() as tx:
        return tx.execute("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'").fetchone() is not None


def open_jobs(base: Database) -> int:
    with base.transaction() as tx:
        return jobs.state(tx).open


def test_waiting_documents_cost_an_idle_worker_nothing(service: Service) -> None:
    with service.tokens(), emptied(service):
        with as_owner(service.database.config) as tx:
            for table in ("document", "required_signature", "job"):  # it would count
                tx.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        without = read_while_idle(service, 6)
        with service.database.transaction() as tx:
            wait_for(tx, CITY, "teacher of <school>", "principal of <school>")
        with service.database.transaction() as tx:
            tx.execute("ANALYZE document, required_signature, job")
        waiting = read_while_idle(service, 6)
    assert without["job"] >= 4  # it asks for due jobs every second
    assert (waiting["document"], waiting["required_signature"]) == (0, 0)
    assert waiting["job"] < 2 * without["job"]  # one look more or less


def own_counters(tx: Tx) -> Counter[tuple[str, str]]:
    """What this session has read and written, by table and kind; not only in this transaction."""
    with tx.cursor(row_factory=namedtuple_row) as cursor:
        tables = cursor.execute(
            "SELECT relname, coalesce(seq_scan, 0) AS scans, coalesce(idx_tup_fetch, 0) AS fetched,"
            " n_tup_ins + n_tup_upd AS written FROM pg_stat_xact_user_tables"
        ).fetchall()
    return Counter(
        {(table.relname, kind): getattr(table, kind) for table in tables for kind in ("scans", "fetched", "written")}
    )


def test_opening_a_key_touches_its_signatorys_documents_alone(service: Service) -> None:
    """40 documents in which it is the teacher's turn, 60 in which it is not yet, 100,000 others."""
    with emptied(service):
        with service.database.transaction() as tx:
            wait_for(tx, CITY, "teacher of <school>", "principal of <school>")
            wait_for(tx, 40, FIRST, PRINCIPAL)
            wait_for(tx, 60, SECOND, FIRST, PRINCIPAL)
        with service.database.transaction() as tx:
            tx.execute("ANALYZE document, required_signature, job")
        # From the sixth time on, PostgreSQL may use a plan that fits any signatory.
        for _ in range(8):
            with service.database.transaction() as tx:
                before = own_counters(tx)
                usecases.queue_due(tx, FIRST)
                touched = own_counters(tx) - before
            assert [table for table, kind in touched if kind == "scans"] == []
            assert touched["required_signature", "fetched"] == 100 + 40 * 2 + 60 * 3
            assert touched["document", "fetched"] == 40
            assert touched["job", "written"] <= 40
        assert open_jobs(service.database) == 40
        with service.tokens():
            service.activate(SECOND)
        assert open_jobs(service.database) == 100


def test_a_document_waits_without_a_job(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), service.running("work"):
        name = service.take_in(signing_copy)
        eventually(lambda: open_jobs(service.database) == 0)
        service.activate(FIRST)
        eventually(lambda: service.signed(name) == [FIRST])
        eventually(lambda: open_jobs(service.database) == 0)
    assert service.state(name) == "SIGNING"


class Meanwhile(TokenClient):
    """A real client: something happens, once, right after the supervisor's answer to `call`."""

    def __init__(self, service: Service, call: str, happens: Callable[[], object]) -> None:
        super().__init__(service.socket)
        self.call = call
        self.happens = happens

    def _ask(self, **request: Any) -> dict[str, Any]:
        answer = super()._ask(**request)
        if request["op"] == self.call:
            self.call = ""
            self.happens()
        return answer


def run_due_jobs(service: Service, tokens: TokenClient) -> None:
    """What a worker does with the jobs that are due, without its look at newly opened keys."""
    handle = signing_job.handler(service.database, tokens, service.books)
    while True:
        with service.database.transaction() as tx:
            job = jobs.claim(tx, [domain.SIGN_JOB], 30.0)
        if job is None:
            return
        handle(job)


def test_a_document_taken_in_while_its_key_opens(service: Service, signing_copy: bytes) -> None:
    """The activation cannot see the document yet; the document's first job finds the key open."""
    with service.tokens() as tokens:
        with service.database.transaction() as tx:
            name = service.take_in_within(tx, signing_copy, required_of(FIRST))
            service.activate(FIRST)
        run_due_jobs(service, tokens)
    assert service.signed(name) == [FIRST]


def test_a_key_that_opens_while_the_signature_before_it_is_stored(service: Service, signing_copy: bytes) -> None:
    """At the activation it is not yet this signatory's turn."""
    with service.tokens():
        name = service.take_in(signing_copy, required_of(FIRST, PRINCIPAL))
        service.activate(FIRST)
        run_due_jobs(service, Meanwhile(service, "sign", partial(service.activate, PRINCIPAL)))
    assert service.signed(name) == [FIRST, PRINCIPAL]


def test_a_key_that_opens_after_the_job_has_looked(service: Service, signing_copy: bytes) -> None:
    with service.tokens():
        name = service.take_in(signing_copy, required_of(FIRST))
        run_due_jobs(service, Meanwhile(service, "status", partial(service.activate, FIRST)))
    assert service.signed(name) == [FIRST]


def test_an_activation_that_ends_while_another_of_its_rank_is_open(service: Service, signing_copy: bytes) -> None:
    """The job has chosen the first key, which is then locked; the second is open all the while."""
    with service.tokens() as tokens, emptied(service):
        name = service.take_in(signing_copy, required_of(FIRST, SECOND))
        service.activate(FIRST, SECOND)
        lock = Meanwhile(service, "status", partial(tokens.deactivate, FIRST))
        handlers = {domain.SIGN_JOB: signing_job.handler(service.database, lock, service.books)}
        with working(service.database, handlers, concurrency=1):
            eventually(lambda: service.signed(name))
        assert service.signed(name) == [SECOND]


def test_an_activation_that_ends_before_its_documents_are_signed(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), service.running("work"):
        names = [service.take_in(signing_copy, required_of(FIRST)) for _ in range(3)]
        service.activate(FIRST, most=1)
        eventually(lambda: any(service.signed(name) for name in names))
        eventually(lambda: open_jobs(service.database) == 0)
        assert sum(bool(service.signed(name)) for name in names) == 1
        service.activate(FIRST)
        eventually(lambda: all(service.signed(name) for name in names))


def test_two_signatories_of_equal_rank_at_once(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), service.running("work"):
        names = [service.take_in(signing_copy, required_of(FIRST, SECOND)) for _ in range(3)]
        people = [threading.Thread(target=service.activate, args=(person,)) for person in (FIRST, SECOND)]
        for person in people:
            person.start()
        for person in people:
            person.join()
        eventually(lambda: all(service.state(name) == "SIGNED" for name in names))


def test_a_key_whose_activation_was_not_recorded(service: Service, signing_copy: bytes) -> None:
    """`serve` ended between the token's answer and its commit; the worker finds the key open."""
    entry = service.hsm.signatory(FIRST)
    with service.tokens() as tokens, service.running("work"):
        name = service.take_in(signing_copy, required_of(FIRST))
        eventually(lambda: open_jobs(service.database) == 0)
        tokens.activate(
            FIRST,
            entry["key_uri"],
            entry["algorithm"],
            service.hsm.pin(FIRST),
            max_signatures=5,
            until=time.time() + 60,
        )
        eventually(lambda: service.signed(name))


def test_a_standing_key_that_opens_later_than_its_documents_come(service: Service, signing_copy: bytes) -> None:
    """The supervisor opens it by itself when it starts; no person and no RPC say so."""
    entry = service.hsm.signatory(SCHOOL)
    lines = [
        "[[tokens.standing_keys]]",
        f'signatory = "{SCHOOL}"',
        f'key_uri = "{entry["key_uri"]}"',
        f'algorithm = "{entry["algorithm"]}"',
        f'pin_file = "{service.hsm.folder}/pins/{SCHOOL}.pin"',
    ]
    config = service.folder / "standing.toml"
    config.write_text(service.config.read_text() + "\n".join(lines) + "\n")
    with service.running("work"):
        with service.tokens():
            name = service.take_in(signing_copy, required_of(SCHOOL))
            eventually(lambda: open_jobs(service.database) == 0)
        with running_role("tokens", config, service.environment, service.log):
            eventually(lambda: service.state(name) == "SEALED", 40)


def test_a_worker_that_starts_finds_the_keys_that_are_open(service: Service, signing_copy: bytes) -> None:
    """As after an upgrade: jobs that waited for a key ended with the migration, and the key is
    open.
    """
    with service.tokens():
        name = service.take_in(signing_copy, required_of(FIRST))
        service.activate(FIRST)
        with service.database.transaction() as tx:
            aside = jobs.claim(tx, [domain.SIGN_JOB], 30.0)
            assert aside is not None
            jobs.stand_aside(tx, aside, "KEY_NOT_ACTIVE in _choose (signing_job.py:84)")
            away = jobs.enqueue(tx, domain.SIGN_JOB, "away", {"document": str(uuid.uuid4()), "revision": "0"})
            assert away
            away_job = jobs.claim(tx, [domain.SIGN_JOB], 30.0)
            assert away_job is not None
            jobs.stand_aside(tx, away_job, "TOKEN_AWAY in _ask (token_client.py:99)")
        assert open_jobs(service.database) == 2
        with as_owner(service.database.config) as tx:
            tx.execute((MIGRATIONS / "0002_waiting_is_a_row.sql").read_bytes())
        assert open_jobs(service.database) == 1
        with as_owner(service.database.config) as tx:
            tx.execute("DELETE FROM job WHERE key = 'away'")
        with service.running("work"):
            eventually(lambda: service.signed(name))


def test_registering_a_signatory_queues_only_its_documents(service: Service, signing_copy: bytes) -> None:
    with service.tokens(), service.running("work"):
        mine = service.take_in(signing_copy, required_of(FIRST))
        service.take_in(signing_copy, required_of(SECOND))
        eventually(lambda: open_jobs(service.database) == 0)
    service.register(FIRST)
    with service.database.transaction() as tx:
        job = jobs.claim(tx, [domain.SIGN_JOB], 0.0)
        assert job is not None and job.payload["document"] == str(mine)
        jobs.finish(tx, job)
        assert jobs.claim(tx, [domain.SIGN_JOB], 0.0) is None
