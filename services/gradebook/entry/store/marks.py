"""Marks, conduct, absences and the acts of entry. No statement here is executed a row at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any, NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.gradebook.model.entry_kinds import CellSource
from services.gradebook.model.sheet_rules import Standing
from services.gradebook.roster.year_lock import YEAR_LOCK


class Target(NamedTuple):
    """What an entry is about and who may make it; ids are None where the name is unknown.

    assigned: the person teaches the subject in the class. subject_kind and what follows are None without a subject.
    authority: Authority of the school in the year.
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
        """How many regular marks the subject has in a semester; of a subject that was found."""
        assert self.regular_count is not None
        return self.regular_count + (self.topic_cluster_semester == semester)


@dataclass(frozen=True, slots=True)
class EntryState:
    """What decides whether an entry may be made now.

    open_kinds: mark kinds that the open windows of the semester cover.
    books: record type, stage and state of each live class book of the class and teacher's book of the subject.
    students: moet_student_id → id of those in the class; left: moet_student_id of those who left it.
    earlier: digest, changed and unchanged of an entry with the same request id. standing: what the sheet's cells hold.
    """

    open_kinds: frozenset[int]
    books: tuple[tuple[int, int, int], ...]
    students: dict[str, int]
    earlier: tuple[bytes, int, int] | None
    standing: dict[tuple[int, int], Standing]
    left: frozenset[str] = frozenset()


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
    correction: UUID | None
    requested_by: str | None
    confirmed_by: str | None


TARGET = (
    "y.school_id, y.id AS year_id, y.vendor, c.id AS class_id, h.person AS homeroom_person, s.id AS subject_id,"
    " s.kind AS subject_kind, s.regular_count, s.topic_cluster_semester, t.id AS staff_id,"
    " a.staff_id IS NOT NULL AS assigned, y.authority"
)
"""The fields of Target in their order, out of NAMED."""

NAMED = (
    " JOIN school sc ON sc.code = i.school JOIN school_year y ON y.school_id = sc.id AND y.name = i.school_year"
    " LEFT JOIN school_class c ON c.school_year_id = y.id AND c.name = i.class_name"
    " LEFT JOIN staff h ON h.id = c.homeroom_id"
    " LEFT JOIN subject s ON s.school_year_id = y.id AND s.grade_level = c.grade_level"
    " AND s.code = i.subject AND s.active"
    " LEFT JOIN staff t ON t.school_id = sc.id AND t.person = i.person"
    " LEFT JOIN assignment a ON a.class_id = c.id AND a.subject_id = s.id AND a.staff_id = t.id"
)
"""Everything that the names in `i` (a SheetKey, or its first five fields) stand for."""

_FIND_TARGET = f"""
SELECT {TARGET} FROM (SELECT %(school)s::text AS school, %(year)s::text AS school_year, %(name)s::text AS class_name,
    %(subject)s::text AS subject, %(person)s::text AS person) i {NAMED}
"""  # noqa: S608 - constants


def find_target(tx: Tx, school: str, year: str, name: str, subject: str | None, person: str | None) -> Target | None:
    """Look up everything that an entry names, in one statement; None when the school has no such year."""
    row = tx.execute(
        _FIND_TARGET, {"school": school, "year": year, "name": name, "subject": subject, "person": person}
    ).fetchone()
    return None if row is None else Target(*row)


def share_year(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> None:
    """Until commit: no window of the year closes and no book freezes, no one else writes this sheet or this request id.

    A lock of its own statement, so that the next statement sees what was committed while we waited.
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


STATE = (
    "ARRAY(SELECT DISTINCT unnest(w.mark_kinds) FROM entry_window w WHERE w.school_year_id = t.year_id"
    "  AND w.closed_time IS NULL AND clock_timestamp() >= w.open_time AND clock_timestamp() < w.close_time"
    "  AND (t.semester IS NULL OR t.semester = ANY(w.semesters))"
    "  AND (w.grade_levels = '{}' OR (SELECT c.grade_level FROM school_class c WHERE c.id = t.class_id)"
    "   = ANY(w.grade_levels))),"
    " ARRAY(SELECT ARRAY[b.record_type, b.stage, b.state] FROM book b WHERE b.class_id = t.class_id"
    "  AND b.record_type = 1 AND b.state NOT IN (5, 16)"
    "  UNION ALL SELECT ARRAY[b.record_type, b.stage, b.state] FROM book_class k JOIN book b ON b.id = k.book_id"
    "  JOIN subject u ON u.id = t.subject_id AND u.code = b.subject_code"
    "  WHERE k.class_id = t.class_id AND b.state NOT IN (5, 16)),"
    " l.names, l.ids, l.gone,"
    " r.request_sha256, r.changed, r.unchanged, m.students, m.columns, m.vals, m.statuses, m.versions"
)
"""What state_of reads, about sheets `t` (year_id, class_id, subject_id, semester, request_id)."""

STANDING = (
    # The limit keeps the look-up one by its key, whatever the planner believes of the table's size.
    " LEFT JOIN LATERAL (SELECT * FROM entry WHERE request_id = t.request_id LIMIT 1) r ON true"
    " LEFT JOIN LATERAL (SELECT array_agg(moet_student_id) AS names, array_agg(student_id) AS ids,"
    "  array_agg(left_on IS NOT NULL) AS gone FROM enrolment WHERE class_id = t.class_id) l ON true"
    " LEFT JOIN LATERAL (SELECT array_agg(student_id) AS students, array_agg(column_no) AS columns,"
    "  array_agg(value) AS vals, array_agg(status) AS statuses, array_agg(version) AS versions FROM mark"
    "  WHERE class_id = t.class_id AND subject_id = t.subject_id AND semester = t.semester) m ON true"
)

_ENTRY_STATE = f"""
SELECT {STATE} FROM (SELECT %(year)s::int AS year_id, %(class)s::int AS class_id, %(subject)s::int AS subject_id,
    %(semester)s::smallint AS semester, %(request)s::uuid AS request_id) t {STANDING}
"""  # noqa: S608 - constants


def entry_state(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> EntryState:
    """What decides whether an entry may be made now, in one statement. semester None: any."""
    row = tx.execute(
        _ENTRY_STATE,
        {
            "year": target.year_id,
            "semester": semester,
            "class": target.class_id,
            "subject": target.subject_id,
            "request": request_id,
        },
    ).fetchone()
    assert row is not None
    return state_of(row)


def state_of(row: Sequence[Any]) -> EntryState:
    """What STATE read."""
    kinds, books, names, ids, gone, digest, changed, unchanged, *standing = row
    earlier = None if digest is None else (bytes(digest), changed, unchanged)
    students: dict[str, int] = dict(zip(names or (), ids or (), strict=True))
    left = frozenset(compress(names, gone)) if gone and True in gone else frozenset()
    for name in left:
        del students[name]
    live = tuple((record_type, stage, book_state) for record_type, stage, book_state in books)
    return EntryState(frozenset(kinds), live, students, earlier, _standing(standing), left)


def _standing(columns: Sequence[Sequence[int] | None]) -> dict[tuple[int, int], Standing]:
    if columns[0] is None:
        return {}
    return {
        (student, column): Standing(value, status == CellSource.ZERO_BY_RULE, version)
        for student, column, value, status, version in zip(*columns, strict=True)
    }


_RECORD = """, gathered AS (
    SELECT count(*)::int AS changed, coalesce(array_agg(student_id), '{}') AS students,
    coalesce(array_agg(column_no), '{}') AS columns, coalesce(array_agg(version), '{}') AS versions,
    coalesce(array_agg(value), '{}') AS vals FROM changes
)
INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals)
SELECT %(request)s, %(request_sha256)s, %(kind)s, %(class)s, %(subject)s, %(semester)s, %(person)s, %(client)s,
    %(reason)s, changed, %(count)s - changed, students, columns, versions, vals FROM gathered
RETURNING changed, encode(sha256(convert_to(concat_ws('|', students, columns, versions, vals), 'UTF8')), 'hex')
"""


def _recorded(changes: str) -> str:
    """A statement whose CTE `changes` writes cells, completed by the act that records them."""
    return changes + _RECORD


_CONDUCT = _recorded("""
WITH changes AS (
    INSERT INTO conduct AS m (class_id, student_id, semester, level, version)
    SELECT %(class)s, student_id, %(semester)s, value, 1
    FROM unnest(%(students)s::int[], %(vals)s::smallint[]) AS t (student_id, value) ORDER BY student_id
    ON CONFLICT (class_id, semester, student_id) DO UPDATE SET level = excluded.level, version = m.version + 1
    WHERE m.level <> excluded.level
    RETURNING student_id, 0::smallint AS column_no, version, level AS value
)""")


def write_conduct(tx: Tx, act: Act, students: Sequence[int], levels: Sequence[int]) -> Written:
    """Write conduct levels (ranks 1-4) that differ, and the act."""
    return _write(tx, _CONDUCT, act, count=len(students), students=array_literal(students), vals=array_literal(levels))


_ABSENCE = _recorded("""
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
)""")


def write_absences(
    tx: Tx, act: Act, students: Sequence[int], excused: Sequence[int], unexcused: Sequence[int]
) -> Written:
    """Write absence totals that differ, and the act."""
    return _write(
        tx,
        _ABSENCE,
        act,
        count=2 * len(students),
        students=array_literal(students),
        excused=array_literal(excused),
        unexcused=array_literal(unexcused),
    )


def history(tx: Tx, target: Target, semester: int, column: int, student_id: int) -> list[VersionRow]:
    """Every version of one cell, oldest first."""
    rows = tx.execute(
        "SELECT v.version, v.value, e.kind, e.person, e.client, e.recorded_time, e.reason, k.id, a.person, f.person"
        " FROM entry e CROSS JOIN LATERAL unnest(e.students, e.columns, e.versions, e.vals)"
        "  AS v (student_id, column_no, version, value)"
        " LEFT JOIN correction k ON e.kind = 5 AND k.id = e.request_id"
        " LEFT JOIN correction_step a ON a.correction_id = k.id AND a.state = 1"
        " LEFT JOIN correction_step f ON f.correction_id = k.id AND f.state = 2"
        " WHERE e.class_id = %s AND e.subject_id = %s AND e.semester = %s"
        " AND v.student_id = %s AND v.column_no = %s ORDER BY v.version",
        (target.class_id, target.subject_id, semester, student_id, column),
    )
    return [VersionRow(*row) for row in rows]


def standing(
    tx: Tx, class_id: int, subject_id: int | None, semester: int, column: int, student_id: int
) -> Standing | None:
    """What one cell holds; subject_id None: the conduct level. None when nothing was ever entered."""
    if subject_id is None:
        found = tx.execute(
            "SELECT level, false, version FROM conduct WHERE class_id = %s AND semester = %s AND student_id = %s",
            (class_id, semester, student_id),
        ).fetchone()
    else:
        found = tx.execute(
            "SELECT value, status = 2, version FROM mark WHERE class_id = %s AND subject_id = %s AND semester = %s"
            " AND student_id = %s AND column_no = %s",
            (class_id, subject_id, semester, student_id, column),
        ).fetchone()
    return None if found is None else Standing(*found)


def _write(tx: Tx, statement: str, act: Act, *, count: int, **values: object) -> Written:
    row = tx.execute(statement, {**_act_fields(act), "count": count, **values}).fetchone()
    assert row is not None
    return Written(*row)


def _act_fields(act: Act) -> dict[str, object]:
    return {
        "request": act.request_id,
        "request_sha256": act.request_sha256,
        "kind": act.kind,
        "class": act.class_id,
        "subject": act.subject_id,
        "semester": act.semester,
        "person": act.person,
        "client": act.client,
        "reason": act.reason,
    }


def array_literal(values: Sequence[int]) -> str:
    """An array literal: twenty times as fast to make as a list of adapted integers."""
    return f"{{{('%d,' * len(values) % tuple(values))[:-1]}}}"
