"""Score sheets as they are entered: several looked up, held and read at once, their cells and acts written at once.

Round trips are what a small entry costs, so the statements of a step are sent together (libpq's pipeline mode).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.gradebook.entry import WITHDRAWN, Cells, Changes
from services.gradebook.store.marks import (
    NAMED,
    RECORDED,
    SETTLEMENT,
    STANDING,
    STATE,
    TARGET,
    YEAR_LOCK,
    ZERO_BY_RULE,
    Act,
    EntryState,
    Target,
    act_fields,
    array_literal,
    state_of,
)


class SheetKey(NamedTuple):
    """What names one sheet and who enters it under which request id."""

    school: str
    school_year: str
    class_name: str
    subject: str
    person: str | None
    semester: int
    request_id: UUID


class Planned(NamedTuple):
    """An act of entry with the cells that it changes, decided and not yet written."""

    act: Act
    changes: Changes
    unchanged: int


_KEYS = (
    # An array of records, not one list of them: of an array PostgreSQL expects few, and then looks each up by its keys.
    "unnest(%(keys)s::jsonb[]) k, jsonb_to_record(k) AS i (school text, school_year text, class_name text,"
    " subject text, person text, semester smallint, request_id uuid, place int)"
)
_HOLD = f"""
SELECT i.place, {{shared}}(%(year_lock)s, y.id){{also}}
    {{alone}}(hashtextextended('request/' || i.request_id, 0)){{also}}
    {{alone}}(hashtextextended('sheet/' || c.id || '/' || s.id || '/' || i.semester, 0))
FROM {_KEYS} {NAMED}
"""  # noqa: S608 - constants
_WAIT_FOR = _HOLD.format(shared="pg_advisory_xact_lock_shared", alone="pg_advisory_xact_lock", also=",")
_TRY_FOR = _HOLD.format(shared="pg_try_advisory_xact_lock_shared", alone="pg_try_advisory_xact_lock", also=" AND")

_OPEN = f"""
WITH t AS (SELECT {TARGET}, i.semester, i.request_id, i.place FROM {_KEYS} {NAMED})
SELECT t.*, {STATE} FROM t {STANDING}
"""  # noqa: S608 - constants


class Opened(NamedTuple):
    """A sheet that this transaction holds, with all that decides about an entry."""

    target: Target
    state: EntryState


def open_sheets(tx: Tx, keys: Sequence[SheetKey]) -> list[Opened | None]:
    """Look up, hold (as `share_year` does) and read several sheets in one round trip.

    One sheet is waited for, and is None only when the school has no such year. Of several, those that someone else
    holds are None too: whoever waits for one lock while holding another may wait for ever. No sheet and no request id
    may come twice.
    """
    alone = len(keys) == 1
    listed = [{**key._asdict(), "request_id": str(key.request_id), "place": n} for n, key in enumerate(keys)]
    values = {"keys": [json.dumps(one) for one in listed], "year_lock": YEAR_LOCK}
    with tx.pipeline():
        # A statement of its own, so that the next one sees what was committed while we waited.
        locked = tx.execute(_WAIT_FOR if alone else _TRY_FOR, values)
        read = tx.execute(_OPEN, values)
    held = {row[0] for row in locked if alone or row[1]}
    found: list[Opened | None] = [None] * len(keys)
    width = len(Target._fields)
    for row in read:
        place = row[width + 2]
        if place in held or row[_CLASS] is None or row[_SUBJECT] is None:
            found[place] = Opened(Target(*row[:width]), state_of(row[width + 3 :]))
    return found


_CLASS, _SUBJECT = Target._fields.index("class_id"), Target._fields.index("subject_id")


_INSERT = """
INSERT INTO mark (class_id, subject_id, student_id, version, semester, column_no, value, status)
SELECT class_id, subject_id, student_id, 1, semester, column_no, value, status
FROM unnest(%(classes)s::int[], %(subjects)s::int[], %(semesters)s::smallint[], %(statuses)s::smallint[],
    %(students)s::int[], %(columns)s::smallint[], %(vals)s::smallint[])
    AS t (class_id, subject_id, semester, status, student_id, column_no, value)
"""

_REPLACE = """
UPDATE mark m SET value = nullif(t.value, %(withdrawn)s::smallint), version = t.version,
    status = CASE WHEN t.value = %(withdrawn)s::smallint THEN 3 ELSE t.status END
FROM unnest(%(classes)s::int[], %(subjects)s::int[], %(semesters)s::smallint[], %(statuses)s::smallint[],
    %(students)s::int[], %(columns)s::smallint[], %(vals)s::smallint[], %(versions)s::int[])
    AS t (class_id, subject_id, semester, status, student_id, column_no, value, version)
WHERE m.class_id = t.class_id AND m.subject_id = t.subject_id AND m.semester = t.semester
    AND m.student_id = t.student_id AND m.column_no = t.column_no
"""

_COPY = "COPY mark (class_id, subject_id, student_id, version, semester, column_no, value, status) FROM STDIN"
_COPY_FROM = 300
"""Fewer new cells are quicker sent with the other statements than by a COPY, which needs round trips of its own."""

_ENTRY = """
INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals)
VALUES (%(request)s, %(request_sha256)s, %(kind)s, %(class)s, %(subject)s, %(semester)s, %(person)s, %(client)s,
    %(reason)s, %(changed)s, %(unchanged)s, %(students)s, %(columns)s, %(versions)s, %(vals)s)
"""


def write_marks(tx: Tx, one: Planned) -> str:
    """Write the cells and the act of one sheet; returns the digest that binds the act into the audit chain."""
    if not copy_fresh(tx, [one]):
        insert_fresh(tx, [one])
    (digest,) = write_sheets(tx, [one])
    return digest


def copy_fresh(tx: Tx, sheets: Sequence[Planned]) -> bool:
    """Write the new cells by COPY when they are many; False when they are few, and `insert_fresh` is to be called.

    COPY takes twice as many rows a second as the quickest INSERT, but no pipeline may be open.
    """
    if sum(len(one.changes.fresh.values) for one in sheets) < _COPY_FROM:
        return False
    with tx.cursor() as cursor, cursor.copy(_COPY) as copy:
        for act, changes, _ in sheets:
            head, tail = f"{act.class_id}\t{act.subject_id}\t", f"\t1\t{act.semester}\t"
            end = f"\t{_status(act)}\n"
            fresh = changes.fresh
            copy.write(
                "".join(
                    f"{head}{student}{tail}{column}\t{value}{end}"
                    for student, column, value in zip(fresh.students, fresh.columns, fresh.values, strict=True)
                )
            )
    return True


def insert_fresh(tx: Tx, sheets: Sequence[Planned]) -> None:
    """Write the new cells by INSERT."""
    if any(one.changes.fresh.values for one in sheets):
        tx.execute(_INSERT, _cells([(one.act, one.changes.fresh) for one in sheets]))


def write_sheets(tx: Tx, sheets: Sequence[Planned]) -> list[str]:
    """Write replaced cells and the acts with all of their cells; returns the acts' digests for the audit chain.

    The new cells are written before. The caller holds the sheets, so what stood when the changes were planned still
    stands.
    """
    if any(one.changes.versions for one in sheets):
        versions = [version for one in sheets for version in one.changes.versions]
        values = _cells([(one.act, one.changes.replaced) for one in sheets])
        tx.execute(_REPLACE, {**values, "versions": array_literal(versions), "withdrawn": WITHDRAWN})
    return [_write_act(tx, one) for one in sheets]


def _write_act(tx: Tx, one: Planned) -> str:
    fresh, replaced = one.changes.fresh, one.changes.replaced
    cells = {
        "students": array_literal(fresh.students + replaced.students),
        "columns": array_literal(fresh.columns + replaced.columns),
        "versions": array_literal([1] * len(fresh.values) + one.changes.versions),
        "vals": array_literal(fresh.values + replaced.values).replace(str(WITHDRAWN), "NULL"),
    }
    tx.execute(_ENTRY, {**act_fields(one.act), **cells, "changed": one.changes.count, "unchanged": one.unchanged})
    # The same text as PostgreSQL's concat_ws('|', students, columns, versions, vals), for whoever checks the history.
    return hashlib.sha256("|".join(cells.values()).encode()).hexdigest()


def _cells(sheets: Sequence[tuple[Act, Cells]]) -> dict[str, object]:
    """The cells of several sheets as columns of one statement."""
    if len(sheets) == 1:
        ((act, cells),) = sheets
        students, columns, values = cells.students, cells.columns, cells.values
        counts = [(act, len(values))]
    else:
        students = [student for _, cells in sheets for student in cells.students]
        columns = [column for _, cells in sheets for column in cells.columns]
        values = [value for _, cells in sheets for value in cells.values]
        counts = [(act, len(cells.values)) for act, cells in sheets]
    return {
        "classes": _repeated([(act.class_id, count) for act, count in counts]),
        "subjects": _repeated([(act.subject_id, count) for act, count in counts]),
        "semesters": _repeated([(act.semester, count) for act, count in counts]),
        "statuses": _repeated([(_status(act), count) for act, count in counts]),
        "students": array_literal(students),
        "columns": array_literal(columns),
        "vals": array_literal(values),
    }


def _repeated(runs: Sequence[tuple[int | None, int]]) -> str:
    return f"{{{','.join([','.join([str(value)] * count) for value, count in runs if count])}}}"


def _status(act: Act) -> int:
    return ZERO_BY_RULE if act.kind == SETTLEMENT else RECORDED
