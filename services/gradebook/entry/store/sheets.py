"""Score sheets: what a call names and what decides about its entry, looked up; marks and their
acts, written.

Round trips are what a small entry costs, so the statements of a step are sent together (libpq's
pipeline mode), and no statement is executed once per row. The fragments of SQL here share their
aliases: `i` holds the names of a sheet, `t` its ids.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, starmap
from typing import NamedTuple
from uuid import UUID

from services.common.db import Call, Tx, execute, trip
from services.common.rows import one_row, rows
from services.gradebook.entry.store.acts import (
    ACT_COLUMNS,
    EARLIER,
    EarlierAct,
    EarlierColumns,
    act_columns,
    array_literals,
    read_earlier,
)
from services.gradebook.entry.store.holding import ALIVE, BookStage
from services.gradebook.model.acts import CellArrays, Entered, EntryAct, Row, act_sha256, json_array
from services.gradebook.model.domain import SUBJECT_KINDS, RecordType
from services.gradebook.model.entry_kinds import CellSource, EntryKind
from services.gradebook.model.sheet_rules import WITHDRAWN, CellState, Changes, SheetShape
from services.gradebook.roster.year_lock import YEAR_LOCK


class Target(NamedTuple):
    """What an entry is about and who may make it; ids are None where the name is unknown.

    assigned: the person teaches the subject in the class. subject_kind and what follows are None
    without a subject. authority: Authority of the school in the year.
    """

    school_id: int
    year_id: int
    vendor: str
    class_id: int | None
    homeroom_person: str | None
    subject_id: int | None
    subject_kind: int | None
    regular_count: int | None
    topic_cluster_semester: int | None
    staff_id: int | None
    assigned: bool
    authority: int

    def regular_in(self, semester: int) -> int:
        """How many regular marks the subject has in a semester; of a known subject."""
        assert self.regular_count is not None
        return self.regular_count + (self.topic_cluster_semester == semester)


@dataclass(frozen=True, slots=True)
class EntryState:
    """What decides whether an entry may be made now.

    open_kinds: mark kinds that the open windows of the semester cover. books: the
    class books of the class and teachers' books of the subject that are alive.
    students: moet_student_id → id of those in the class; left: moet_student_id of those who left
    it. earlier: acts with the same request id. cells: (student id, column) → what the sheet holds.
    """

    open_kinds: frozenset[int]
    books: tuple[BookStage, ...]
    students: dict[str, int]
    earlier: tuple[EarlierAct, ...]
    cells: dict[tuple[int, int], CellState]
    left: frozenset[str] = frozenset()


def shape(target: Target, state: EntryState, semester: int) -> SheetShape:
    """What the sheet of a known class and subject may hold."""
    assert target.subject_kind is not None
    return SheetShape(SUBJECT_KINDS[target.subject_kind], target.regular_in(semester), state.students, state.left)


class SheetKey(NamedTuple):
    """What names one sheet and who enters it under which request id."""

    school: str
    school_year: str
    class_name: str
    subject: str
    person: str | None
    semester: int
    request_id: UUID


class OpenedSheet(NamedTuple):
    """A sheet that this transaction holds, with all that decides about an entry."""

    target: Target
    state: EntryState


class PlannedSheet(NamedTuple):
    """An act of entry with the cells that it changes, decided and not yet written.

    texts, remarks: what the act also enters, of a sheet with remarks: their counts and their rows.
    """

    act: EntryAct
    changes: Changes
    unchanged: int
    texts: Entered | None = None
    remarks: Sequence[Row] = ()

    @property
    def entered(self) -> Entered:
        """Its cells, counted."""
        return Entered(self.changes.count, self.unchanged)


_TARGET = (
    "y.school_id, y.id AS year_id, y.vendor, c.id AS class_id, h.person AS homeroom_person, s.id AS subject_id,"
    " s.kind AS subject_kind, s.regular_count, s.topic_cluster_semester, t.id AS staff_id,"
    " a.staff_id IS NOT NULL AS assigned, y.authority"
)
"""The columns of Target, out of _NAMED."""

_NAMED = (
    " JOIN school sc ON sc.code = i.school JOIN school_year y ON y.school_id = sc.id AND y.name = i.school_year"
    " LEFT JOIN school_class c ON c.school_year_id = y.id AND c.name = i.class_name"
    " LEFT JOIN staff h ON h.id = c.homeroom_id"
    " LEFT JOIN subject s ON s.school_year_id = y.id AND s.grade_level = c.grade_level"
    " AND s.code = i.subject AND s.active"
    " LEFT JOIN staff t ON t.school_id = sc.id AND t.person = i.person"
    " LEFT JOIN assignment a ON a.class_id = c.id AND a.subject_id = s.id AND a.staff_id = t.id"
)
"""Everything that the names in `i` (the first five of SheetKey) stand for."""

_FIND_TARGET = f"""
SELECT {_TARGET} FROM (SELECT %(school)s::text AS school, %(year)s::text AS school_year, %(name)s::text AS class_name,
    %(subject)s::text AS subject, %(person)s::text AS person) i {_NAMED}
"""  # noqa: S608 - constants


def find_target(tx: Tx, school: str, year: str, name: str, *, subject: str | None, person: str | None) -> Target | None:
    """Look up everything that an entry names, in one statement;

    None when the school has no such year.
    """
    names = {"school": school, "year": year, "name": name, "subject": subject, "person": person}
    return rows(tx, Target, _FIND_TARGET, names).fetchone()


def share_year(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> None:
    """Until commit: no window of the year closes and no book freezes, and nobody else writes this
    sheet or request id.

    A statement of its own, so that the next one sees what was committed while this one waited.
    """
    tx.execute(
        "SELECT pg_advisory_xact_lock_shared(%s, %s), pg_advisory_xact_lock(hashtextextended(%s, 0)),"
        " pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (
            YEAR_LOCK,
            target.year_id,
            f"request/{request_id}",
            f"sheet/{target.class_id}/{target.subject_id}/{semester}",
        ),
    )


class _StateColumns(NamedTuple):
    """What _STATE reads: names, ids, gone of the class list; cells as five arrays."""

    open_kinds: list[int]
    books: list[list[int]]
    names: list[str] | None
    ids: list[int] | None
    gone: list[bool] | None
    kinds: list[int] | None
    digests: list[bytes] | None
    changed: list[int] | None
    unchanged: list[int] | None
    texts_changed: list[int] | None
    texts_unchanged: list[int] | None
    cell_students: list[int] | None
    cell_columns: list[int] | None
    cell_values: list[int | None] | None
    cell_sources: list[int] | None
    cell_versions: list[int] | None


_STATE = (
    "ARRAY(SELECT DISTINCT unnest(w.mark_kinds) FROM entry_window w WHERE w.school_year_id = t.year_id"  # noqa: S608
    "  AND w.closed_time IS NULL AND clock_timestamp() >= w.open_time AND clock_timestamp() < w.close_time"
    "  AND (t.semester IS NULL OR t.semester = ANY(w.semesters))"
    "  AND (w.grade_levels = '{}' OR (SELECT c.grade_level FROM school_class c WHERE c.id = t.class_id)"
    "   = ANY(w.grade_levels))) AS open_kinds,"
    " ARRAY(SELECT ARRAY[b.record_type, b.stage, b.state] FROM book b WHERE b.class_id = t.class_id"
    f"  AND b.record_type = {RecordType.CLASS_BOOK:d} AND {ALIVE}"
    "  UNION ALL SELECT ARRAY[b.record_type, b.stage, b.state] FROM book_class k JOIN book b ON b.id = k.book_id"
    "  JOIN subject u ON u.id = t.subject_id AND u.code = b.subject_code"
    f"  WHERE k.class_id = t.class_id AND {ALIVE}) AS books,"
    " l.names, l.ids, l.gone, earlier.*, m.*"
)
"""The columns of _StateColumns about sheets `t` (year_id, class_id, subject_id, semester,
request_id).
"""

_STATE_FROM = (
    f"{EARLIER}"  # noqa: S608 - constants
    " LEFT JOIN LATERAL (SELECT array_agg(moet_student_id) AS names, array_agg(student_id) AS ids,"
    "  array_agg(left_on IS NOT NULL) AS gone FROM enrolment WHERE class_id = t.class_id) l ON true"
    " LEFT JOIN LATERAL (SELECT array_agg(student_id) AS cell_students, array_agg(column_no) AS cell_columns,"
    "  array_agg(value) AS cell_values, array_agg(status) AS cell_sources, array_agg(version) AS cell_versions"
    "  FROM mark WHERE class_id = t.class_id AND subject_id = t.subject_id AND semester = t.semester) m ON true"
)

_ENTRY_STATE = f"""
SELECT {_STATE} FROM (SELECT %(year)s::int AS year_id, %(class)s::int AS class_id, %(subject)s::int AS subject_id,
    %(semester)s::smallint AS semester, %(request)s::uuid AS request_id) t {_STATE_FROM}
"""  # noqa: S608 - constants


def entry_state(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> EntryState:
    """What decides whether an entry may be made now, in one statement. semester None: any."""
    names = {
        "year": target.year_id,
        "semester": semester,
        "class": target.class_id,
        "subject": target.subject_id,
        "request": request_id,
    }
    return _state(one_row(rows(tx, _StateColumns, _ENTRY_STATE, names)))


def _state(read: _StateColumns) -> EntryState:
    students = dict(zip(read.names or (), read.ids or (), strict=True))
    left = frozenset(compress(read.names or (), read.gone)) if read.gone and True in read.gone else frozenset()
    for name in left:
        del students[name]
    books = tuple(starmap(BookStage, read.books))
    earlier = read_earlier(EarlierColumns(*read[5:11])) if read.kinds else ()
    return EntryState(frozenset(read.open_kinds), books, students, earlier, _cells(read), left)


def _cells(read: _StateColumns) -> dict[tuple[int, int], CellState]:
    if read.cell_students is None:
        return {}
    return {
        (student, column): CellState(value, source == CellSource.ZERO_BY_RULE, version)
        for student, column, value, source, version in zip(
            read.cell_students,
            read.cell_columns or (),
            read.cell_values or (),
            read.cell_sources or (),
            read.cell_versions or (),
            strict=True,
        )
    }


_KEYS = (
    # Of an array PostgreSQL expects few elements, and then looks each up by its keys.
    "unnest(ARRAY(SELECT json_array_elements($1::json))) k, json_to_record(k) AS i (school text,"
    " school_year text, class_name text, subject text, person text, semester smallint, request_id uuid, place int)"
)
_HOLD = f"""
SELECT i.place, {{shared}}({YEAR_LOCK}, y.id){{also}}
    {{alone}}(hashtextextended('request/' || i.request_id, 0)){{also}}
    {{alone}}(hashtextextended('sheet/' || c.id || '/' || s.id || '/' || i.semester, 0))
FROM {_KEYS} {_NAMED}
"""  # noqa: S608 - constants
_WAIT_FOR = _HOLD.format(shared="pg_advisory_xact_lock_shared", alone="pg_advisory_xact_lock", also=",")
_TRY_FOR = _HOLD.format(shared="pg_try_advisory_xact_lock_shared", alone="pg_try_advisory_xact_lock", also=" AND")
_OPEN = f"""
WITH t AS (SELECT i.place, {_TARGET}, i.semester, i.request_id FROM {_KEYS} {_NAMED})
SELECT t.place, {", ".join(f"t.{name}" for name in Target._fields)}, {_STATE} FROM t {_STATE_FROM}
"""  # noqa: S608 - constants


def opening(keys: Sequence[SheetKey], *, wait: bool) -> tuple[Call, Call]:
    """The statements that hold sheets (as `share_year` does) and read them.

    No sheet or request id may come twice.

    wait: for what someone else holds, which only a transaction of one sheet may do: whoever waits
    for one lock while holding another may wait without end. Locks are a statement of their own, so
    that the next one sees what was committed meanwhile.
    """
    assert not wait or len(keys) == 1
    listed = [{**key._asdict(), "request_id": str(key.request_id), "place": n} for n, key in enumerate(keys)]
    values = [json.dumps(listed)]
    return Call(_WAIT_FOR if wait else _TRY_FOR, values), Call(_OPEN, values)


def open_sheets(tx: Tx, keys: Sequence[SheetKey], *, wait: bool) -> list[OpenedSheet | None]:
    """Look up, hold and read sheets in one round trip, as `opening` says.

    None for a sheet that someone else holds, without `wait`, and for one whose school has no such
    year.
    """
    locked, read = trip(tx, *opening(keys, wait=wait))
    held = {place for place, *locks in locked if wait or locks[0]}
    opened: list[OpenedSheet | None] = [None] * len(keys)
    width = len(Target._fields) + 1
    for place, *columns in read:
        target = Target._make(columns[: width - 1])
        if place in held or target.class_id is None or target.subject_id is None:
            opened[place] = OpenedSheet(target, _state(_StateColumns._make(columns[width - 1 :])))
    return opened


_WRITE = f"""
WITH act AS MATERIALIZED (
    SELECT a.* FROM unnest(ARRAY(SELECT json_array_elements($1::json))) k, json_to_record(k) AS a (
        request_id uuid, request_sha256 bytea, kind smallint, class_id int, subject_id int, semester smallint,
        person text, client text, reason text, changed int, unchanged int, texts_changed int, texts_unchanged int,
        status smallint, students int[], columns smallint[], versions int[], vals smallint[])
), cell AS NOT MATERIALIZED (
    SELECT a.class_id, a.subject_id, a.semester, c.student_id, c.column_no, c.version, c.value,
        CASE WHEN c.value IS NULL THEN {CellSource.WITHDRAWN:d} ELSE a.status END AS status
    FROM act a, unnest(a.students, a.columns, a.versions, a.vals) AS c (student_id, column_no, version, value)
), fresh AS (
    INSERT INTO mark (class_id, subject_id, student_id, version, semester, column_no, value, status)
    SELECT class_id, subject_id, student_id, version, semester, column_no, value, status
    FROM cell WHERE version = 1
), replaced AS (
    UPDATE mark m SET value = c.value, version = c.version, status = c.status FROM cell c
    WHERE c.version > 1 AND m.class_id = c.class_id AND m.subject_id = c.subject_id AND m.semester = c.semester
        AND m.student_id = c.student_id AND m.column_no = c.column_no
)
INSERT INTO entry ({ACT_COLUMNS}) SELECT {ACT_COLUMNS} FROM act
"""  # noqa: S608 - constants
"""Writes acts with their cells: first versions are new rows, the others replace."""


def write_marks(tx: Tx, planned: PlannedSheet) -> str:
    """Write the cells and the act of one sheet; returns the digest that binds the act into the
    audit chain.
    """
    written, (digest,) = writing([planned])
    execute(tx, written)
    return digest


def writing(sheets: Sequence[PlannedSheet]) -> tuple[Call, list[str]]:
    """The statement that writes the acts with all of their cells, and the acts' digests for the
    audit chain.

    The caller holds the sheets, so that what the changes were planned on still stands.
    """
    cells = [_cell_arrays(sheet.changes) for sheet in sheets]
    acts = [{**_columns(sheet), **array_literals(arrays)} for sheet, arrays in zip(sheets, cells, strict=True)]
    digests = [
        act_sha256(sheet.act, arrays, {"remark": sheet.remarks} if sheet.remarks else None)
        for sheet, arrays in zip(sheets, cells, strict=True)
    ]
    return Call(_WRITE, [json.dumps(acts)]), digests


def _columns(sheet: PlannedSheet) -> dict[str, object]:
    act = sheet.act
    return {
        **act_columns(act),
        "request_id": str(act.request_id),
        "request_sha256": f"\\x{act.request_sha256.hex()}",
        "changed": sheet.changes.count,
        "unchanged": sheet.unchanged,
        "texts_changed": sheet.texts and sheet.texts.changed,
        "texts_unchanged": sheet.texts and sheet.texts.unchanged,
        "status": CellSource.ZERO_BY_RULE if act.kind == EntryKind.SETTLEMENT else CellSource.RECORDED,
    }


def _cell_arrays(changes: Changes) -> CellArrays:
    fresh, replaced = changes.fresh, changes.replaced
    return CellArrays(
        json_array(fresh.students + replaced.students),
        json_array(fresh.columns + replaced.columns),
        json_array([1] * len(fresh.values) + changes.versions),
        json_array(fresh.values + replaced.values).replace(str(WITHDRAWN), "null"),
    )


def mark_state(
    tx: Tx, class_id: int, subject_id: int, *, semester: int, column: int, student_id: int
) -> CellState | None:
    """What one cell holds; None when nothing was ever entered."""
    return rows(
        tx,
        CellState,
        "SELECT value, status = %s AS zero_by_rule, version FROM mark WHERE class_id = %s AND subject_id = %s"
        " AND semester = %s AND student_id = %s AND column_no = %s",
        (CellSource.ZERO_BY_RULE, class_id, subject_id, semester, student_id, column),
    ).fetchone()
