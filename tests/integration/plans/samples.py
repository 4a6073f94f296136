"""What the stores are called with, and which parts of plans may read more than one school's rows.

This is the only module here that names parts of the services: when they move, it moves with them.
"""

import datetime as dt
import importlib
import pkgutil
import re
import types
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hoso.archive.v1 import events_pb2

from services.common import audit, identity, jobs, outbox, relay, standing
from services.common.db import Database, Tx
from services.common.identity import Caller
from services.common.intake import Delivery, Intake, Subscription
from services.common.settings import DatabaseConfig
from services.gradebook.entry import marks
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.model.acts import EntryRequest
from services.gradebook.model.correction_rules import CorrectionKind
from services.gradebook.model.domain import ClassRef, MarkKind, RecordType
from services.gradebook.roster import standing as announcing
from tests.integration.plans.checking import FEW_VALUES, LATER_COLUMN, RANGE, WHOLE_INDEX, WHOLE_TABLE, Problem

SERVICES = ("gradebook", "print", "signing", "archive")
CALLER = Caller(client="vendor/v1", person="P5", school="S1")

ANY_TABLE = {
    "school": "S1",
    "school_year": "2025-2026",
    "student": "M10",
    "person": "P5",
    "client": "vendor/v1",
    "book": uuid.UUID(int=1),
    "version": 1,
    "limit": 10,
    "after": "",
    "caller": CALLER,
    "before": 10**9,
    "before_id": 10**9,
    "kind": "SNAPSHOT",
    "event": events_pb2.SnapshotArchived(),
}


def stores(service: str) -> list[types.ModuleType]:
    """The modules of a service whose functions take a transaction and execute SQL."""
    package = importlib.import_module(f"services.{service}")
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"services.{service}.")]
    modules = [importlib.import_module(name) for name in names if _STORE.search(name)]
    return [*modules, *((jobs, outbox, audit) if service == "gradebook" else ())]


_STORE = re.compile(r"\.store(\.|$)|_store$|\.roster\.(clock|year_lock)$")


def values(service: str, tx: Tx) -> dict[str, Any]:
    """What the parameters of the stores are called with: names of rows that are there, by
    parameter.
    """
    return ANY_TABLE | _ROWS[service](tx)


def _gradebook(tx: Tx) -> dict[str, Any]:
    row = tx.execute(
        "SELECT c.id, c.school_year_id, y.school_id, c.name, c.grade_level FROM school_class c"
        " JOIN school_year y ON y.id = c.school_year_id JOIN school s ON s.id = y.school_id"
        " WHERE s.code = 'S1' AND y.name = '2025-2026' ORDER BY c.id LIMIT 1"
    ).fetchone()
    assert row is not None
    class_id, year_id, school_id, class_name, grade = row
    return {
        "class_id": class_id,
        "from_class_id": class_id,
        "to_class_id": class_id + 1,
        "year_id": year_id,
        "school_id": school_id,
        "class_name": class_name,
        "grade_level": grade,
        "grade": grade,
        "student_id": 10,
        "year": "2025-2026",
        "name": "2025-2026",
        "vendor": "v1",
        "month": "2025-10",
        "birth_date": "2012-01-01",
        "national_id": "",
        "close_time": dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        "act": "FREEZE",
        "attendance": {},
        "job_id": 2,  # a dead one
        "kind": "a",  # of jobs
        "kinds": ["a"],
        "book_id": _id(tx, "SELECT id FROM book LIMIT 1"),
        "snapshot_id": _id(tx, "SELECT id FROM snapshot LIMIT 1"),
    }


def _signing(tx: Tx) -> dict[str, Any]:
    document = _id(tx, "SELECT id FROM document LIMIT 1")
    return {"document_id": document, "Document.id": document, "field": "field 1", "state": "SIGNED"}


def _archive(tx: Tx) -> dict[str, Any]:
    record_id = _id(tx, "SELECT id FROM record ORDER BY sequence DESC LIMIT 1")
    return {"record_id": record_id, "source": str(uuid.UUID(int=0)), "prefix": "records/sha256/00/", "place": 0}


_ROWS: dict[str, Callable[[Tx], dict[str, Any]]] = {
    "gradebook": _gradebook,
    "print": lambda tx: {},
    "signing": _signing,
    "archive": _archive,
}


def _id(tx: Tx, statement: str) -> uuid.UUID:
    row = tx.execute(statement).fetchone()
    assert row is not None
    return uuid.UUID(str(row[0]))


_BOOK = {"staff_id": None, "subject_code": None, "student_id": None, "source_id": None}
_BOOK_COLUMNS = (
    *("state", "officer_id", "officer_confirmed", "preparer_confirmed", "problem"),
    *("unsigned_rendition", "signed_document", "document_sha256", "archive_record"),
    *("signing_rendition", "signing_pdf_sha256", "signing_pdf_size_bytes"),
)
SPECIAL: dict[str, list[dict[str, Any]]] = {
    "book_store.add": [
        {"id": uuid.UUID(int=8), "record_type": RecordType.CLASS_BOOK, "version": 9, "stage": 3, **_BOOK}
    ],
    "book_store.update": [{"changes": {uuid.UUID(int=8): dict.fromkeys(_BOOK_COLUMNS)}}],
    "history.data_history": [{"kind": CorrectionKind.CONDUCT}, {"kind": CorrectionKind.ATTENDANCE}],
    "store.add_document": [
        {},
        {
            "Document.id": uuid.UUID(int=8),
            "book": uuid.UUID(int=0),
            "Document.state": "SIGNING",
            "Required.state": "PENDING",
        },
    ],
    "vendor_store.appraise": [{"name": "v1", "status": 2}],
}
"""Functions whose statements depend on a value, or that stop before the last one with the usual
values.
"""


def _sheet(tx: Tx) -> SheetEntry:
    """A sheet that the teacher of the first class may enter."""
    names = _gradebook(tx)
    row = tx.execute(
        "SELECT s.code, t.person FROM assignment a JOIN subject s ON s.id = a.subject_id"
        " JOIN staff t ON t.id = a.staff_id WHERE a.class_id = %s AND a.subject_id = (SELECT min(subject_id)"
        " FROM assignment WHERE class_id = %s)",
        (names["class_id"], names["class_id"]),
    ).fetchone()
    assert row is not None
    vendor = tx.execute("SELECT vendor FROM school_year WHERE id = %s", (names["year_id"],)).fetchone()
    assert vendor is not None
    student = tx.execute(
        "SELECT moet_student_id FROM enrolment WHERE class_id = %s LIMIT 1", (names["class_id"],)
    ).fetchone()
    assert student is not None
    return SheetEntry(
        Caller(client=f"vendor/{vendor[0]}", person=row[1], school="S1"),
        EntryRequest(uuid.uuid4(), bytes(32)),
        ClassRef("S1", "2025-2026", names["class_name"]),
        row[0],
        1,
        [(MarkKind.REGULAR, 3)],
        [(student[0], ["Đ"])],
    )


def further_calls(service: str, config: DatabaseConfig, tx: Tx) -> list[Callable[[], object]]:
    """Calls of what executes SQL outside the stores: entry, the relay, and the intake of events."""
    if service != "gradebook":
        return [*_standing(tx)]
    sheet = _sheet(tx)
    tx.rollback()
    session = SimpleNamespace(_database=tx, _confirmed=[1], _refused={"reason": [1]})
    waiting = SimpleNamespace(_database=tx, _exhausted=False, _in_flight={}, _mark=lambda: None, _ready=[])
    event = Delivery(str(uuid.uuid4()), events_pb2.SnapshotArchived.DESCRIPTOR.full_name, b"{}", "service/archive")
    intake = Intake(config, [Subscription(events_pb2.SnapshotArchived, lambda tx, event: None)])
    return [
        lambda: _entered(config, sheet),
        lambda: relay._leads(tx),
        lambda: relay._BrokerSession._mark(session),  # type: ignore[arg-type]
        lambda: relay._BrokerSession._fetch(waiting),  # type: ignore[arg-type]
        lambda: relay._BrokerSession._purge(SimpleNamespace(_database=tx)),  # type: ignore[arg-type]
        lambda: _taken(intake, event),
        lambda: _announced(config),
    ]


def _standing(tx: Tx) -> list[Callable[[], object]]:
    """What every service keeps of gradebook's announcements: each handled, then asked."""
    handled = [lambda s=s: s.handle(tx, s.event(standing_version=2)) for s in standing.SUBSCRIPTIONS]

    def asked() -> None:
        outside = identity.acting(CALLER)
        try:
            standing.years_served(tx, "S1", "v1")
            standing.person(tx, "S1")
        finally:
            identity._current.reset(outside)

    return [*handled, asked]


def _announced(config: DatabaseConfig) -> None:
    database = Database(config, max_size=1)
    try:
        announcing.announce_all(database)
    finally:
        database.close()


def _taken(intake: Intake, event: Delivery) -> None:
    try:
        intake.take(event)
    finally:
        intake.close()


def _entered(config: DatabaseConfig, sheet: SheetEntry) -> None:
    database = Database(config, max_size=1)
    try:
        marks.enter_marks(database, sheet)
    finally:
        database.close()


_PAGES = "the Department pages through the whole city in this order"
_ANNOUNCED = "the operator announces the whole city again, page by page"
_OPEN_JOBS = "reads the jobs that are open, which a partial index holds"
_DEAD_JOBS = "pages through the dead jobs, which a partial index holds"
_ALL_COLUMNS = "the columns are a literal of the function, always all of them"
_NEWEST_PROBE = "one row, from the end of the index: a deployment has one store"
_COMPARED = "the daily comparison goes through the whole register, page by page (ADR-0066)"
_FEW_ROWS = "a handful of rows, however large the city"
ALLOWED: dict[str, dict[Problem, str]] = {
    "gradebook.authority.policy_store.in_force": {
        Problem("assessment_policy_year", RANGE): "one row: the newest of a year or of one before"
    },
    "gradebook.authority.vendor_store.page": {Problem("vendor_pkey", RANGE): _PAGES},
    "gradebook.authority.dossier_store.page": {
        Problem("school_code_key", RANGE): _PAGES,
        Problem("dossier_open", WHOLE_INDEX): "the dossiers that are open, for such a page",
    },
    "gradebook.authority.dossier_store.missing": {
        Problem("school_code_key", RANGE): _PAGES,
        Problem("school_pkey", WHOLE_INDEX): _PAGES,
    },
    "gradebook.roster.standing._vendors": {Problem("vendor_pkey", RANGE): _ANNOUNCED},
    "gradebook.roster.standing._years": {Problem("school_year_pkey", RANGE): _ANNOUNCED},
    "gradebook.roster.standing._staff": {Problem("staff_pkey", RANGE): _ANNOUNCED},
    "common.jobs.aside": {Problem("job_due", WHOLE_INDEX): _OPEN_JOBS},
    "common.jobs.state": {
        Problem("job_due", WHOLE_INDEX): _OPEN_JOBS,
        Problem("job_dead", WHOLE_INDEX): "counts the dead jobs, which a partial index holds",
    },
    "common.jobs.claim": {Problem("job_due", LATER_COLUMN): "the first due job, in the order of the index"},
    "common.jobs.list_dead": {
        Problem("job_dead", RANGE): _DEAD_JOBS,
        Problem("job_dead", WHOLE_INDEX): _DEAD_JOBS,
    },
    "common.outbox.state": {
        Problem("outbox_pending", WHOLE_INDEX): "counts what waits for the broker, which a partial index holds"
    },
    "common.relay._BrokerSession._fetch": {
        Problem("outbox_pending", WHOLE_INDEX): "takes what waits for the broker, in the order of the index"
    },
    "common.relay._BrokerSession._purge": {
        Problem("outbox_published", RANGE): "takes the oldest published events, in the order of the index"
    },
    "common.audit.heads": {
        Problem("audit_head", WHOLE_TABLE): "the end of every chain, for the day's anchor (ADR-0051)"
    },
    "common.audit._chains": {
        Problem("audit_entry_pkey", WHOLE_INDEX): "one look per chain, to name all that are to be verified",
        Problem("audit_head_pkey", WHOLE_INDEX): "names all chains that are to be verified",
    },
    "archive.store.add_record": {Problem("register_head", WHOLE_TABLE): "the table has one row"},
    "archive.store.chain_around": {Problem("register_head", WHOLE_TABLE): "the table has one row"},
    "archive.store.policies": {Problem("retention_policy_pkey", WHOLE_INDEX): _FEW_ROWS},
    "archive.store.register_end": {Problem("record_sequence_key", WHOLE_INDEX): "one row, from the end of the index"},
    "archive.store.register_after": {Problem("record_sequence_key", RANGE): _COMPARED},
    "archive.store.held_below": {Problem("record_by_key", RANGE): _COMPARED},
    "archive.store.held_anchors": {Problem("audit_anchor", WHOLE_TABLE): "four rows per day"},
    "archive.store.newest_comparison": {Problem("comparison_pkey", WHOLE_INDEX): "one row, from the end of the index"},
    "archive.store.newest_probe": {
        Problem("store_probe_newest", FEW_VALUES): _NEWEST_PROBE,
        Problem("store_probe_pkey", WHOLE_INDEX): _NEWEST_PROBE,
    },
}
"""Function → what its plans may read beyond the rows of one school, and why."""

COMPOSED = {
    "gradebook.books.book_store.update": {
        "sql.SQL('UPDATE book SET {} WHERE id = %(book_id)s').format(assignments)": (
            "the columns that an act sets; the row is found by its id whichever they are"
        )
    },
    "gradebook.entry.store.corrections.add": {
        "', '.join(columns)": _ALL_COLUMNS,
        "', '.join((f'%({name})s' for name in columns))": _ALL_COLUMNS,
    },
}
"""Function → the parts of its statements that no constant holds, as they are written, and why their
plans are those of the samples.
"""

INSIDE = {
    "audit_append": "SELECT audit_append('school/S1', 'ACT', 'schools/S1', 'vendor/v1', 'P5', 'S1', '{\"a\": \"b\"}')",
}
"""The database's functions that read or write tables, each with a call."""

FUNCTION_RIGHTS = {
    "audit_entry": "SELECT audit_append('new', 'ACT', 'schools/S1', 'vendor/v1', 'P5', 'S1', '{\"a\": \"b\"}')",
    "audit_head": "SELECT audit_append('new', 'ACT', 'schools/S1', 'vendor/v1', 'P5', 'S1', '{\"a\": \"b\"}')",
    "standing_version": "SELECT nextval('standing_version')",
}
"""Table or sequence → a call that needs the rights to it, of which a plan says nothing."""

NOT_PLANNED = {"common.relay._work": "LISTEN"}
"""Functions whose statement is not planned."""

_GIVEN = "executes what it is given: the statement belongs to the caller"
_MIGRATING = "once per deployment"
PASSING_ON = {
    "common.rows.rows": _GIVEN,
    "common.rows.scalars": _GIVEN,
    "common.db.execute": _GIVEN,
    "common.db.trip": "COMMIT, after what it is given",
    "common.db.Database.ping": "reads no table",
    "common.db.assert_durable": "reads no table",
    "common.db._Listener.wait": "LISTEN",
    "common.db.migrate": _MIGRATING,
    "common.db._missing": _MIGRATING,
    "common.db._apply": _MIGRATING,
    "common.grants.problem_of_roles": _MIGRATING,
    "common.grants.give": _MIGRATING,
}
"""Functions that execute SQL in the modules that pass statements on: what theirs are, which nobody
explains.
"""
