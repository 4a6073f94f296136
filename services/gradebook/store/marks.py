"""Marks, conduct, absences and the acts of entry. The hot path is four statements, none of them a row at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.gradebook.entry import WITHDRAWN, Cells

MARKS, SETTLEMENT, CONDUCT, ABSENCES = 1, 2, 3, 4
"""Kinds of entries."""

RECORDED, ZERO_BY_RULE, WITHDRAWN_STATUS = 1, 2, 3

_YEAR_LOCK = 0x4742  # "GB"; advisory locks of (this, school year id)


class Target(NamedTuple):
    """What an entry is about and who may make it; ids are None where the name is unknown.

    assigned: the person teaches the subject in the class. subject_kind and what follows are None without a subject.
    """

    school_id: int
    year_id: int
    vendor: str
    class_id: int | None
    homeroom_person: str | None
    subject_id: int | None
    subject_kind: int | None
    regular_count: int | None
    staff_id: int | None
    assigned: bool


@dataclass(frozen=True, slots=True)
class EntryState:
    """What decides whether an entry may be made now.

    open_kinds: mark kinds that the open windows of the semester cover.
    book_states: states of the live books that cover the semester. students: moet_student_id → id.
    earlier: digest, changed and unchanged of an entry with the same request id.
    """

    open_kinds: frozenset[int]
    book_states: tuple[int, ...]
    students: dict[str, int]
    earlier: tuple[bytes, int, int] | None


@dataclass(frozen=True, slots=True)
class Act:
    """An act of entry as the history keeps it."""

    request_id: UUID
    request_sha256: bytes
    kind: int
    class_id: int
    subject_id: int | None
    semester: int | None
    person: str
    client: str
    reason: str = ""


class Written(NamedTuple):
    """What an entry changed; cells_sha256 binds the history row into the audit chain."""

    changed: int
    cells_sha256: str


class VersionRow(NamedTuple):
    """One version of a cell."""

    version: int
    value: int | None
    kind: int
    person: str
    client: str
    time: datetime
    reason: str


def find_target(tx: Tx, school: str, year: str, name: str, subject: str | None, person: str | None) -> Target | None:
    """Look up everything that an entry names, in one statement; None when the school has no such year."""
    row = tx.execute(
        "SELECT y.school_id, y.id, y.vendor, c.id, h.person, s.id, s.kind, s.regular_count, t.id,"
        " a.staff_id IS NOT NULL"
        " FROM school sc JOIN school_year y ON y.school_id = sc.id AND y.name = %(year)s"
        " LEFT JOIN school_class c ON c.school_year_id = y.id AND c.name = %(name)s"
        " LEFT JOIN staff h ON h.id = c.homeroom_id"
        " LEFT JOIN subject s ON s.school_year_id = y.id AND s.grade_level = c.grade_level"
        " AND s.code = %(subject)s AND s.active"
        " LEFT JOIN staff t ON t.school_id = sc.id AND t.person = %(person)s"
        " LEFT JOIN assignment a ON a.class_id = c.id AND a.subject_id = s.id AND a.staff_id = t.id"
        " WHERE sc.code = %(school)s",
        {"school": school, "year": year, "name": name, "subject": subject, "person": person},
    ).fetchone()
    return None if row is None else Target(*row)


def share_year(tx: Tx, year_id: int, request_id: UUID) -> None:
    """Hold the year open until commit: no window closes and no book freezes meanwhile; one request id at a time.

    A lock of its own statement, so that the next statement sees what was committed while we waited.
    """
    tx.execute(
        "SELECT pg_advisory_xact_lock_shared(%s, %s), pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (_YEAR_LOCK, year_id, str(request_id)),
    )


def hold_year(tx: Tx, year_id: int) -> None:
    """Hold the year alone until commit: entries under way finish first, new ones wait."""
    tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_YEAR_LOCK, year_id))


def entry_state(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> EntryState:
    """What decides whether an entry may be made now, in one statement. semester None: any."""
    row = tx.execute(
        "SELECT ARRAY(SELECT DISTINCT unnest(w.mark_kinds) FROM entry_window w WHERE w.school_year_id = %(year)s"
        "  AND w.closed_time IS NULL AND clock_timestamp() >= w.open_time AND clock_timestamp() < w.close_time"
        "  AND (%(semester)s::smallint IS NULL OR %(semester)s::smallint = ANY(w.semesters))),"
        " ARRAY(SELECT b.state FROM book b WHERE b.class_id = %(class)s AND b.state NOT IN (5, 16)"
        "  AND b.stage >= coalesce(%(semester)s::smallint, 2)),"
        " ARRAY(SELECT s.moet_student_id FROM enrolment e JOIN student s ON s.id = e.student_id"
        "  WHERE e.class_id = %(class)s ORDER BY e.student_id),"
        " ARRAY(SELECT e.student_id FROM enrolment e WHERE e.class_id = %(class)s ORDER BY e.student_id),"
        " r.request_sha256, r.changed, r.unchanged"
        " FROM (VALUES (1)) AS one LEFT JOIN entry r ON r.request_id = %(request)s",
        {"year": target.year_id, "semester": semester, "class": target.class_id, "request": request_id},
    ).fetchone()
    assert row is not None
    earlier = None if row[4] is None else (bytes(row[4]), row[5], row[6])
    return EntryState(frozenset(row[0]), tuple(row[1]), dict(zip(row[2], row[3], strict=True)), earlier)


_WRITE = """
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(students)s::int[], %(columns)s::smallint[], %(vals)s::smallint[])
    AS t (student_id, column_no, value)
), written AS (
    INSERT INTO mark AS m (class_id, subject_id, semester, student_id, column_no, value, status, version)
    SELECT %(class)s, %(subject)s, %(semester)s, student_id, column_no, value, %(status)s, 1 FROM input
    WHERE value >= 0 ORDER BY student_id, column_no
    ON CONFLICT (class_id, subject_id, semester, student_id, column_no) DO UPDATE
    SET value = excluded.value, status = excluded.status, version = m.version + 1
    WHERE (m.value, m.status) IS DISTINCT FROM (excluded.value, excluded.status){only_open}
    RETURNING student_id, column_no, version, value
)"""

_WITHDRAW = """, withdrawn AS (
    UPDATE mark m SET value = NULL, status = 3, version = m.version + 1 FROM input
    WHERE input.value < 0 AND m.class_id = %(class)s AND m.subject_id = %(subject)s AND m.semester = %(semester)s
    AND m.student_id = input.student_id AND m.column_no = input.column_no AND m.value IS NOT NULL
    RETURNING m.student_id, m.column_no, m.version, m.value
), changes AS (SELECT * FROM written UNION ALL SELECT * FROM withdrawn)"""

_RECORD = """, gathered AS (
    SELECT count(*)::int AS changed, coalesce(array_agg(student_id), '{{}}') AS students,
    coalesce(array_agg(column_no), '{{}}') AS columns, coalesce(array_agg(version), '{{}}') AS versions,
    coalesce(array_agg(value), '{{}}') AS vals FROM {changes}
)
INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals)
SELECT %(request)s, %(request_sha256)s, %(kind)s, %(class)s, %(subject)s, %(semester)s, %(person)s, %(client)s,
    %(reason)s, changed, %(count)s - changed, students, columns, versions, vals FROM gathered
RETURNING changed, encode(sha256(convert_to(concat_ws('|', students, columns, versions, vals), 'UTF8')), 'hex')
"""

_ENTER = _WRITE.format(only_open="") + _RECORD.format(changes="written")
_ENTER_AND_WITHDRAW = _WRITE.format(only_open="") + _WITHDRAW + _RECORD.format(changes="changes")
_SETTLE = _WRITE.format(only_open=" AND m.value IS NULL") + _RECORD.format(changes="written")


def write_marks(tx: Tx, act: Act, cells: Cells) -> Written:
    """Write the cells that differ, each with its next version, and the act with all of them: one statement.

    A settlement only fills cells that have no mark.
    """
    if act.kind == SETTLEMENT:
        statement, status = _SETTLE, ZERO_BY_RULE
    else:
        statement, status = (_ENTER_AND_WITHDRAW if WITHDRAWN in cells.values else _ENTER), RECORDED
    return _write(
        tx,
        statement,
        act,
        count=len(cells.values),
        students=_array(cells.students),
        columns=_array(cells.columns),
        vals=_array(cells.values),
        status=status,
    )


_CONDUCT = """
WITH changes AS (
    INSERT INTO conduct AS m (class_id, student_id, semester, level, version)
    SELECT %(class)s, student_id, %(semester)s, value, 1
    FROM unnest(%(students)s::int[], %(vals)s::smallint[]) AS t (student_id, value) ORDER BY student_id
    ON CONFLICT (class_id, semester, student_id) DO UPDATE SET level = excluded.level, version = m.version + 1
    WHERE m.level <> excluded.level
    RETURNING student_id, 0::smallint AS column_no, version, level AS value
)""" + _RECORD.format(changes="changes")  # noqa: S608 - constants only


def write_conduct(tx: Tx, act: Act, students: Sequence[int], levels: Sequence[int]) -> Written:
    """Write conduct levels (ranks 1-4) that differ, and the act."""
    return _write(tx, _CONDUCT, act, count=len(students), students=_array(students), vals=_array(levels))


_ABSENCE = """
WITH written AS (
    INSERT INTO absence AS m (class_id, student_id, excused, unexcused, version)
    SELECT %(class)s, student_id, excused, unexcused, 1
    FROM unnest(%(students)s::int[], %(excused)s::smallint[], %(unexcused)s::smallint[])
    AS t (student_id, excused, unexcused) ORDER BY student_id
    ON CONFLICT (class_id, student_id) DO UPDATE
    SET excused = excluded.excused, unexcused = excluded.unexcused, version = m.version + 1
    WHERE (m.excused, m.unexcused) <> (excluded.excused, excluded.unexcused)
    RETURNING student_id, version, excused, unexcused
), changes AS (
    SELECT student_id, column_no, version, value FROM written,
    LATERAL (VALUES (1::smallint, excused), (2::smallint, unexcused)) AS v (column_no, value)
)""" + _RECORD.format(changes="changes")  # noqa: S608 - constants only


def write_absences(
    tx: Tx, act: Act, students: Sequence[int], excused: Sequence[int], unexcused: Sequence[int]
) -> Written:
    """Write absence totals that differ, and the act."""
    return _write(
        tx,
        _ABSENCE,
        act,
        count=2 * len(students),
        students=_array(students),
        excused=_array(excused),
        unexcused=_array(unexcused),
    )


def history(tx: Tx, target: Target, semester: int, column: int, student_id: int) -> list[VersionRow]:
    """Every version of one cell, oldest first."""
    rows = tx.execute(
        "SELECT v.version, v.value, e.kind, e.person, e.client, e.recorded_time, e.reason FROM entry e,"
        " LATERAL unnest(e.students, e.columns, e.versions, e.vals) AS v (student_id, column_no, version, value)"
        " WHERE e.class_id = %s AND e.subject_id = %s AND e.semester = %s AND e.kind IN (1, 2)"
        " AND v.student_id = %s AND v.column_no = %s ORDER BY v.version",
        (target.class_id, target.subject_id, semester, student_id, column),
    )
    return [VersionRow(*row) for row in rows]


def _write(tx: Tx, statement: str, act: Act, *, count: int, **values: object) -> Written:
    row = tx.execute(
        statement,
        {
            "request": act.request_id,
            "request_sha256": act.request_sha256,
            "kind": act.kind,
            "class": act.class_id,
            "subject": act.subject_id,
            "semester": act.semester,
            "person": act.person,
            "client": act.client,
            "reason": act.reason,
            "count": count,
            **values,
        },
    ).fetchone()
    assert row is not None
    return Written(*row)


def _array(values: Sequence[int]) -> str:
    """An array literal: ten times as fast to make as a list of adapted integers."""
    return f"{{{','.join(map(str, values))}}}"
