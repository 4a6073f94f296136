"""Entering marks: through gRPC, mTLS and a person's token into PostgreSQL, against what the
database itself can take.

The system checks every mark and writes it with its history and an audit row, all in one transaction
per call. The first reference is a bare binary COPY of the same rows into a copy of the same table
(same primary key, same checks), as many rows per transaction; the second is a bare upsert of the
same rows (unnest … ON CONFLICT), the usual way of writing marks that may stand already; the third
is the system's own transaction run directly, with history and audit row, by the statements that the
service sends, made beforehand: what is left of the system then is gRPC, TLS, tokens, reading and
checking. All have the same number of connections at work on the same server.
"""

import itertools
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from hoso.gradebook.v1 import marks_pb2

from bench import mark_school, school
from bench import stack as stacks
from bench.mark_school import Shape, Sheet
from bench.pairs import Settings, Slice, Tell, amount_for, take_turns
from bench.report import Row, compared
from cli.connection import Services, call
from deploy.local.layout import Stack
from services.common import audit, db
from services.common.db import Call
from services.common.grpc_client import channel
from services.common.identity import Caller
from services.common.settings import DatabaseConfig
from services.gradebook.entry.acts import cells_record
from services.gradebook.entry.store import sheets as store
from services.gradebook.entry.store.acts import Written
from services.gradebook.entry.store.sheets import PlannedSheet, SheetKey
from services.gradebook.model.acts import EntryAct, EntryRequest
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.sheet_rules import Cells, Changes
from services.gradebook.rules import SCORES

COPY_TARGET, UPSERT_TARGET, DIRECT_TARGET = 0.25, 0.8, 0.5
COPY = "bare binary COPY of the same rows"
UPSERT = "upsert of the marks alone by unnest … ON CONFLICT"
DIRECT = "the same transaction run directly, with history and audit row"

BATCH = Shape(students=200, columns=5)
"""The largest class that gradebook takes; five of its six columns make 1,000 marks."""
REAL = Shape(students=42, columns=6)
"""A class of usual size with all its columns: 252 marks."""

COLUMN = Shape(students=45, columns=1)
"""One column of a class: what a teacher keys after a test."""

_MOST_CALLS_A_SECOND = {BATCH: 120, REAL: 240, COLUMN: 1200}
_TRIAL_CALLS = {BATCH: 8, REAL: 8, COLUMN: 40}
_COPY = (
    "COPY mark_copy (class_id, subject_id, student_id, version, semester, column_no, value, status)"
    " FROM STDIN (FORMAT binary)"
)
_UPSERT = """
INSERT INTO mark_upsert AS m (class_id, subject_id, semester, student_id, column_no, value, status, version)
SELECT %(class)s, %(subject)s, %(semester)s, student_id, column_no, value, 1, 1
FROM unnest(%(students)s::int[], %(columns)s::smallint[], %(vals)s::smallint[]) AS t (student_id, column_no, value)
ON CONFLICT (class_id, subject_id, semester, student_id, column_no) DO UPDATE
SET value = excluded.value, status = excluded.status, version = m.version + 1
WHERE (m.value, m.status) IS DISTINCT FROM (excluded.value, excluded.status)
"""
_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_COPY_END = struct.pack(">h", -1)
_COPY_ROW = struct.Struct(">h" + "ii" * 4 + "ih" * 4)


def measure(stack: Stack, settings: Settings, clients: int, tell: Tell) -> list[Row]:
    """Rows against COPY and against the upsert: 1,000 marks per call, a class's sheet, and one
    column of a class.
    """
    rows = []
    for name, shape, stream, copy_target, upsert_target, direct_target in (
        ("import_1000", BATCH, True, COPY_TARGET, UPSERT_TARGET, None),
        ("class_42", REAL, False, None, None, None),
        ("column_45", COLUMN, False, None, None, DIRECT_TARGET),
    ):
        with school.serving(stack) as database:
            load = _Load(stack, database, shape, settings, clients=clients, tell=tell, stream=stream)
            calls = load.calls_for(settings.seconds)
            rates = take_turns(
                settings.pairs,
                lambda _, load=load, calls=calls: load.system(calls),  # type: ignore[misc]
                {
                    COPY: lambda _, load=load: load.copy(),  # type: ignore[misc]
                    UPSERT: lambda _, load=load: load.upsert(),  # type: ignore[misc]
                    DIRECT: lambda _, load=load: load.direct(),  # type: ignore[misc]
                },
                tell,
            )
            load.close()
        unit = "message of a stream" if stream else "call"
        note = (
            f"{shape.students} students × {shape.columns} columns a {unit}, {clients} clients, {clients * calls} sheets"
        )
        rows.append(compared(f"marks.{name}", "marks/s", rates, COPY, target=copy_target, note=note))
        rows.append(compared(f"marks.{name}.direct", "marks/s", rates, DIRECT, target=direct_target))
        rows.append(compared(f"marks.{name}.upsert", "marks/s", rates, UPSERT, target=upsert_target))
    return rows


class _Client:
    """A vendor's connection for a school of its own, sheets that are entered once each, and a
    database connection.

    A school of its own, because calls for one school wait for each other at its audit chain, and
    because in the last days of an entry window it is many schools that come at once.
    """

    def __init__(self, stack: Stack, database: DatabaseConfig, code: str, classes: int, shape: Shape) -> None:
        configured = school.profile(stack)
        tls = stacks.tls(stack, f"vendor/{mark_school.VENDOR}")
        operator, vendor = Services(configured, configured.tls), Services(configured, tls)
        self.token = mark_school.register(configured, operator, vendor, code, classes=classes, shape=shape)
        self._peer = channel(stacks.peer(stack, "gradebook", f"vendor/{mark_school.VENDOR}"), "gradebook")
        # Requests are packed beforehand, as the references' rows are.
        self.enter: Callable[..., marks_pb2.EnterMarksResponse] = self._peer.unary_unary(
            "/hoso.gradebook.v1.MarkService/EnterMarks",
            response_deserializer=marks_pb2.EnterMarksResponse.FromString,
        )
        self.import_: Callable[..., marks_pb2.ImportMarksResponse] = self._peer.stream_unary(
            "/hoso.gradebook.v1.MarkService/ImportMarks",
            response_deserializer=marks_pb2.ImportMarksResponse.FromString,
        )
        self.sheets = mark_school.sheets(code, mark_school.class_names(classes))
        self.database = db.connect(database, autocommit=True)
        self.pool = db.Database(database, max_size=1)
        self.keys = _keys(self.database, code)
        self.entered: list[Sheet] = []

    def take(self, calls: int) -> list[Sheet]:
        """Sheets that nobody has entered yet. Raises RuntimeError when too few are left."""
        taken = list(itertools.islice(self.sheets, calls))
        if len(taken) < calls:
            raise RuntimeError("the bench has no sheets left; the machine is faster than it was prepared for")
        return taken

    def close(self) -> None:
        """End both connections."""
        self._peer.close()
        self.database.close()
        self.pool.close()


class _Load:
    """All clients, and one slice of work in four ways. The amounts are marks.

    stream: the system enters by ImportMarks, a stream for each client and slice; else by a call for
    each sheet.
    """

    def __init__(
        self,
        stack: Stack,
        database: DatabaseConfig,
        shape: Shape,
        settings: Settings,
        *,
        clients: int,
        tell: Tell,
        stream: bool,
    ) -> None:
        self._shape, self._stream = shape, stream
        self._most = int(settings.seconds * _MOST_CALLS_A_SECOND[shape]) // clients + 1
        calls = 2 * (settings.pairs * self._most + _TRIAL_CALLS[shape])  # by the system and directly
        classes = calls // mark_school.SHEETS_A_CLASS + 1
        tell(f"{shape.marks} marks per call: registering {clients} schools of {classes * shape.students} students")
        codes = [f"7900{number:04d}" for number in range(1, clients + 1)]
        with ThreadPoolExecutor(clients) as pool:
            self._clients = list(pool.map(lambda code: _Client(stack, database, code, classes, shape), codes))
        with db.connect(db.as_owner(database)) as connection:
            for table in ("mark_copy", "mark_upsert"):
                connection.execute(f"CREATE TABLE {table} (LIKE mark INCLUDING ALL) WITH (fillfactor = 90)")
                connection.execute(f"GRANT ALL ON {table} TO {database.user}")
            # As autovacuum would have done in a system that has had its roster for more than a
            # minute.
            connection.execute("ANALYZE")

    def calls_for(self, seconds: float) -> int:
        """Calls of each client that fill `seconds`; also warms up every way."""
        trial = self.system(_TRIAL_CALLS[self._shape])
        self.copy()
        self.upsert()
        self.direct()
        calls = Slice(trial.amount / self._shape.marks / len(self._clients), trial.seconds)
        return amount_for(seconds, calls, least=_TRIAL_CALLS[self._shape], most=self._most)

    def system(self, calls: int) -> Slice:
        """Each client enters `calls` sheets through gRPC."""
        work = []
        for client in self._clients:
            client.entered = client.take(calls)
            requests = [mark_school.request(sheet, self._shape) for sheet in client.entered]
            if self._stream:
                messages = [marks_pb2.ImportMarksRequest(sheet=request).SerializeToString() for request in requests]
                work.append(partial(self._import, client, messages))
            else:
                work.append(partial(self._enter, client, [request.SerializeToString() for request in requests]))
        return self._together(work, calls)

    def copy(self) -> Slice:
        """Each client copies the rows of the sheets that it has just entered."""
        work = []
        for client in self._clients:
            buffers = [self._rows(client, sheet) for sheet in client.entered]
            work.append(partial(_copy, client.database, buffers))
        return self._together(work, len(self._clients[0].entered))

    def upsert(self) -> Slice:
        """Each client upserts the rows of the sheets that it has just entered."""
        work = []
        for client in self._clients:
            values = [self._arrays(client, sheet) for sheet in client.entered]
            work.append(partial(_upsert, client.database, values))
        return self._together(work, len(self._clients[0].entered))

    def direct(self) -> Slice:
        """Each client runs the transactions of as many further sheets without the service."""
        work = []
        for client in self._clients:
            sheets = client.take(len(client.entered))
            work.append(partial(_direct, client.pool, [self._transaction(client, sheet) for sheet in sheets]))
        return self._together(work, len(self._clients[0].entered))

    def close(self) -> None:
        """End all connections."""
        for client in self._clients:
            client.close()

    def _together(self, work: Sequence[Callable[[], None]], calls: int) -> Slice:
        with ThreadPoolExecutor(len(work)) as pool:
            began = time.perf_counter()
            for done in [pool.submit(task) for task in work]:
                done.result()
            spent = time.perf_counter() - began
        return Slice(calls * len(work) * self._shape.marks, spent)

    def _enter(self, client: _Client, requests: list[bytes]) -> None:
        for request in requests:
            answer = call(client.enter, request, client.token)
            if answer.changed != self._shape.marks:
                raise RuntimeError(f"{answer.changed} marks were entered instead of {self._shape.marks}")

    def _import(self, client: _Client, messages: list[bytes]) -> None:
        answer = call(client.import_, iter(messages), client.token)
        changed = {sheet.changed for sheet in answer.sheets}
        if len(answer.sheets) != len(messages) or changed != {self._shape.marks}:
            raise RuntimeError(f"{len(answer.sheets)} sheets of {changed} marks were entered")

    def _cells(self, students: list[int]) -> Iterator[tuple[int, int, int]]:
        for student, values in zip(students, self._shape.values, strict=True):
            for column, value in zip(self._shape.column_numbers, values, strict=True):
                yield student, column, SCORES[value]

    def _rows(self, client: _Client, sheet: Sheet) -> bytes:
        class_id, subject_id, students = client.keys.of(sheet)
        rows = [
            _COPY_ROW.pack(
                8, 4, class_id, 4, subject_id, 4, student, 4, 1, 2, sheet.semester, 2, column, 2, value, 2, 1
            )
            for student, column, value in self._cells(students)
        ]
        return b"".join((_COPY_HEADER, *rows, _COPY_END))

    def _arrays(self, client: _Client, sheet: Sheet) -> dict[str, object]:
        class_id, subject_id, students = client.keys.of(sheet)
        columns = zip(*self._cells(students), strict=True)
        arrays = {
            name: f"{{{','.join(map(str, values))}}}"
            for name, values in zip(("students", "columns", "vals"), columns, strict=True)
        }
        return {"class": class_id, "subject": subject_id, "semester": sheet.semester, **arrays}

    def _transaction(self, client: _Client, sheet: Sheet) -> tuple[Sequence[Call], Sequence[Call]]:
        """The statements of an entry's two round trips, as the service makes them."""
        class_id, subject_id, students = client.keys.of(sheet)
        teacher, vendor = mark_school.TEACHER, f"vendor/{mark_school.VENDOR}"
        request = EntryRequest(uuid.uuid4(), bytes(32))
        ref = ClassRef(sheet.school, mark_school.YEAR, sheet.school_class)
        key = SheetKey(ref.school, ref.school_year, ref.name, sheet.subject, teacher, sheet.semester, request.id)
        cells = Cells(*map(list, zip(*self._cells(students), strict=True)))
        act = EntryAct(
            request.id, request.sha256, EntryKind.MARKS, class_id, subject_id, sheet.semester, teacher, vendor
        )
        writing, (digest,) = store.writing([PlannedSheet(act, Changes(cells, Cells(), []), 0)])
        caller = Caller(vendor, teacher, sheet.school)
        written = Written(len(cells.values), digest)
        record = cells_record(caller, ref, act, written, subject=sheet.subject, semester=sheet.semester)
        return store.opening([key], wait=True), [writing, audit.appending([record])]


@dataclass(frozen=True)
class _Keys:
    """Integer keys of one school: class name → class id and its students in order; subject code →
    subject id.
    """

    classes: dict[str, tuple[int, list[int]]]
    subjects: dict[str, int]

    def of(self, sheet: Sheet) -> tuple[int, int, list[int]]:
        class_id, students = self.classes[sheet.school_class]
        return class_id, self.subjects[sheet.subject], students


def _keys(connection: db.Tx, code: str) -> _Keys:
    classes = connection.execute(
        "SELECT c.name, c.id, array_agg(e.student_id ORDER BY e.number) FROM school s"
        " JOIN school_year y ON y.school_id = s.id JOIN school_class c ON c.school_year_id = y.id"
        " JOIN enrolment e ON e.class_id = c.id WHERE s.code = %s GROUP BY c.name, c.id",
        (code,),
    )
    subjects = connection.execute(
        "SELECT u.code, u.id FROM school s JOIN school_year y ON y.school_id = s.id"
        " JOIN subject u ON u.school_year_id = y.id WHERE s.code = %s",
        (code,),
    )
    return _Keys({name: (number, students) for name, number, students in classes}, dict(subjects.fetchall()))


def _copy(connection: db.Tx, buffers: list[bytes]) -> None:
    for buffer in buffers:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(buffer)


def _upsert(connection: db.Tx, sheets: list[dict[str, object]]) -> None:
    for values in sheets:
        connection.execute(_UPSERT, values)


def _direct(pool: db.Database, transactions: list[tuple[Sequence[Call], Sequence[Call]]]) -> None:
    for opening, ending in transactions:
        with pool.transaction(keep_plans=True) as tx:
            db.trip(tx, *opening)
            db.trip(tx, *ending, commit=True)
