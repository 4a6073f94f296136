"""Score sheets as they are entered: several looked up, held and read at once, their cells and acts written at once.

Round trips are what a small entry costs, so the statements of a step are sent together (libpq's pipeline mode).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.common.db import Call, Tx, execute, trip
from services.gradebook.entry.store.marks import (
    NAMED,
    STANDING,
    STATE,
    TARGET,
    Act,
    EntryState,
    Target,
    array_literal,
    state_of,
)
from services.gradebook.model.entry_kinds import CellSource, EntryKind
from services.gradebook.model.sheet_rules import WITHDRAWN, Changes
from services.gradebook.roster.year_lock import YEAR_LOCK


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
    # Of an array PostgreSQL expects few elements, and then looks each up by its keys.
    "unnest(ARRAY(SELECT json_array_elements($1::json))) k, json_to_record(k) AS i (school text,"
    " school_year text, class_name text, subject text, person text, semester smallint, request_id uuid, place int)"
)
_HOLD = f"""
SELECT i.place, {{shared}}({YEAR_LOCK}, y.id){{also}}
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


def opening(keys: Sequence[SheetKey], *, wait: bool) -> tuple[Call, Call]:
    """The statements that hold sheets (as `share_year` does) and read them. No sheet and no request id may come twice.

    wait: for what someone else holds, which only a transaction of one sheet may do: whoever waits for one lock while
    holding another may wait for ever. Locks are a statement of their own, so that the next one sees what was committed
    while we waited.
    """
    assert not wait or len(keys) == 1
    listed = [{**key._asdict(), "request_id": str(key.request_id), "place": n} for n, key in enumerate(keys)]
    values = [json.dumps(listed)]
    return (_WAIT_FOR if wait else _TRY_FOR, values), (_OPEN, values)


def open_sheets(tx: Tx, keys: Sequence[SheetKey], *, wait: bool) -> list[Opened | None]:
    """Look up, hold and read sheets in one round trip, as `opening` says.

    None for a sheet that someone else holds, without `wait`, and for one whose school has no such year.
    """
    locked, read = trip(tx, *opening(keys, wait=wait))
    held = {row[0] for row in locked if wait or row[1]}
    found: list[Opened | None] = [None] * len(keys)
    width = len(Target._fields)
    for row in read:
        place = row[width + 2]
        if place in held or row[_CLASS] is None or row[_SUBJECT] is None:
            found[place] = Opened(Target(*row[:width]), state_of(row[width + 3 :]))
    return found


_CLASS, _SUBJECT = Target._fields.index("class_id"), Target._fields.index("subject_id")


_WRITE = """
WITH act AS MATERIALIZED (
    SELECT a.* FROM unnest(ARRAY(SELECT json_array_elements($1::json))) k, json_to_record(k) AS a (
        request_id uuid, request_sha256 text, kind smallint, class_id int, subject_id int, semester smallint,
        person text, client text, reason text, changed int, unchanged int, status smallint,
        students int[], columns smallint[], versions int[], vals smallint[])
), cell AS NOT MATERIALIZED (
    SELECT a.class_id, a.subject_id, a.semester, c.student_id, c.column_no, c.version, c.value,
        CASE WHEN c.value IS NULL THEN 3 ELSE a.status END AS status
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
INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals)
SELECT request_id, decode(request_sha256, 'hex'), kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals FROM act
"""
"""Writes acts with their cells: first versions are new rows, the others replace."""


def write_marks(tx: Tx, one: Planned) -> str:
    """Write the cells and the act of one sheet; returns the digest that binds the act into the audit chain."""
    written, (digest,) = writing([one])
    execute(tx, written)
    return digest


def writing(sheets: Sequence[Planned]) -> tuple[Call, list[str]]:
    """The statement that writes the acts with all of their cells, and the acts' digests for the audit chain.

    The caller holds the sheets, so what stood when the changes were planned still stands.
    """
    cells = [_cells(one.changes) for one in sheets]
    acts = [{**_act(one), **arrays} for one, arrays in zip(sheets, cells, strict=True)]
    # The same text as PostgreSQL's concat_ws('|', students, columns, versions, vals), for whoever checks the history.
    digests = [hashlib.sha256("|".join(arrays.values()).encode()).hexdigest() for arrays in cells]
    return (_WRITE, [json.dumps(acts)]), digests


def _act(one: Planned) -> dict[str, object]:
    act = one.act
    return {
        "request_id": str(act.request_id),
        "request_sha256": act.request_sha256.hex(),
        "kind": act.kind,
        "class_id": act.class_id,
        "subject_id": act.subject_id,
        "semester": act.semester,
        "person": act.person,
        "client": act.client,
        "reason": act.reason,
        "changed": one.changes.count,
        "unchanged": one.unchanged,
        "status": _status(act),
    }


def _cells(changes: Changes) -> dict[str, str]:
    """The changed cells as four array literals of equal length."""
    fresh, replaced = changes.fresh, changes.replaced
    return {
        "students": array_literal(fresh.students + replaced.students),
        "columns": array_literal(fresh.columns + replaced.columns),
        "versions": array_literal([1] * len(fresh.values) + changes.versions),
        "vals": array_literal(fresh.values + replaced.values).replace(str(WITHDRAWN), "NULL"),
    }


def _status(act: Act) -> int:
    return CellSource.ZERO_BY_RULE if act.kind == EntryKind.SETTLEMENT else CellSource.RECORDED
