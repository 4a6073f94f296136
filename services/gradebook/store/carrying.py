"""Marks, conduct and absences that follow a student from one class of a school year into another (ADR-0037).

The caller holds the year of the class joined, so no sheet of it changes meanwhile; in the class left, nobody enters
anything for the student any more.
"""

import hashlib
import itertools
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.common.db import Tx
from services.gradebook.store import attendance
from services.gradebook.store.marks import ATTENDANCE, Act, Written

CARRIED_MARKS, CARRIED_CONDUCT, CARRIED_ABSENCES = 11, 12, 13
"""Kinds of entries, beside those of store/marks.py."""

_VIETNAM = timedelta(hours=7)


class Journey(NamedTuple):
    """From which class to which. origin: the class left in words, for the history."""

    student_id: int
    from_class_id: int
    to_class_id: int
    to_year_id: int
    origin: str
    person: str
    client: str


class Carried(NamedTuple):
    """What came along. cells: changed in the class joined; left_behind: marks without a column there.

    cells_sha256: binds the history rows into the audit chain; over the hex digests of the acts in their order.
    """

    cells: int
    left_behind: int
    cells_sha256: str


class _Source(NamedTuple):
    subject_id: int | None  # in the class joined; None when it has no such subject or column
    semester: int
    column: int
    value: int
    status: int
    act: int
    person: str
    time: datetime


class _Cell(NamedTuple):
    column: int
    version: int
    value: int


def carry(tx: Tx, journey: Journey) -> Carried:
    """Copy a student's marks of subjects with the same code and kind, conduct and absences, as acts of their own.

    One act for each act of the class left that is copied from: the reason names that class, who entered and when.
    """
    digests: list[str] = []
    cells = 0
    sources = [_Source(*row) for row in tx.execute(_SOURCES, _names(journey))]
    kept = [one for one in sources if one.subject_id is not None]
    written = _write_marks(tx, journey, kept)
    for (subject, semester, _), acts in itertools.groupby(
        kept, key=lambda one: (one.subject_id, one.semester, one.act)
    ):
        group = list(acts)
        changed = [written[key] for one in group if (key := (subject, semester, one.column)) in written]
        when = (group[0].time + _VIETNAM).strftime("%d/%m/%Y %H:%M")
        reason = f"{journey.origin}: {group[0].person} nhập lúc {when}"
        cells += len(changed)
        digests += _record(tx, journey, CARRIED_MARKS, subject, semester, reason, changed)
    for semester, version, level in tx.execute(_CONDUCT, _names(journey)).fetchall():
        cells += 1
        changed = [_Cell(0, version, level)]
        digests += _record(tx, journey, CARRIED_CONDUCT, None, semester, journey.origin, changed)
    counted = _absences(tx, journey)
    cells += sum(one.changed for one in counted)
    digests += [one.cells_sha256 for one in counted]
    return Carried(cells, len(sources) - len(kept), hashlib.sha256("".join(digests).encode()).hexdigest())


def _absences(tx: Tx, journey: Journey) -> list[Written]:
    """Months where both classes keep attendance by month; else the year's total so far."""
    kept = attendance.standing(tx, [journey.from_class_id]).get(journey.from_class_id, {})
    mine = {month: rows[journey.student_id] for month, rows in kept.items() if journey.student_id in rows}
    if mine and attendance.is_kept(tx, journey.to_class_id):
        return [
            attendance.write(tx, _attendance_act(journey, month), month, {journey.student_id: one})[0]
            for month, one in mine.items()
        ]
    total = {
        "excused": sum(len(one.excused) for one in mine.values()) if mine else None,
        "unexcused": sum(len(one.unexcused) for one in mine.values()),
    }
    written = []
    for version, excused, unexcused in tx.execute(_ABSENCES, {**_names(journey), **total}).fetchall():
        changed = [_Cell(1, version, excused), _Cell(2, version, unexcused)]
        (digest,) = _record(tx, journey, CARRIED_ABSENCES, None, None, journey.origin, changed)
        written.append(Written(2, digest))
    return written


def _attendance_act(journey: Journey, month: str) -> Act:
    digest = hashlib.sha256(f"{journey}{month}".encode()).digest()
    return Act(
        uuid.uuid4(),
        digest,
        ATTENDANCE,
        journey.to_class_id,
        None,
        None,
        journey.person,
        journey.client,
        journey.origin,
    )


_SOURCES = """
WITH acts AS (
    SELECT e.id, e.subject_id, e.semester, e.person, e.recorded_time, v.column_no, v.version
    FROM entry e, LATERAL unnest(e.students, e.columns, e.versions) AS v (student_id, column_no, version)
    WHERE e.class_id = %(from_class_id)s AND e.subject_id IS NOT NULL AND v.student_id = %(student_id)s
)
SELECT d.id, m.semester, m.column_no, m.value, m.status, a.id, a.person, a.recorded_time
FROM mark m JOIN subject s ON s.id = m.subject_id
JOIN acts a ON a.subject_id = m.subject_id AND a.semester = m.semester AND a.column_no = m.column_no
    AND a.version = m.version
LEFT JOIN subject d ON d.school_year_id = %(to_year_id)s AND d.grade_level = s.grade_level AND d.code = s.code
    AND d.kind = s.kind AND d.active AND (m.column_no >= 10 OR m.column_no <= d.regular_count)
WHERE m.class_id = %(from_class_id)s AND m.student_id = %(student_id)s AND m.value IS NOT NULL
ORDER BY d.position, m.semester, a.id, m.column_no
"""

_MARKS = """
INSERT INTO mark AS m (class_id, subject_id, student_id, version, semester, column_no, value, status)
SELECT %(to_class_id)s, t.subject_id, %(student_id)s, 1, t.semester, t.column_no, t.value, t.status
FROM unnest(%(subjects)s::int[], %(semesters)s::smallint[], %(columns)s::smallint[], %(vals)s::smallint[],
    %(statuses)s::smallint[]) AS t (subject_id, semester, column_no, value, status)
ON CONFLICT (class_id, subject_id, semester, student_id, column_no) DO UPDATE
SET value = excluded.value, status = excluded.status, version = m.version + 1
WHERE (m.value, m.status) IS DISTINCT FROM (excluded.value, excluded.status)
RETURNING subject_id, semester, column_no, version, value
"""

_CONDUCT = """
INSERT INTO conduct AS m (class_id, student_id, semester, level, version)
SELECT %(to_class_id)s, student_id, semester, level, 1 FROM conduct
WHERE class_id = %(from_class_id)s AND student_id = %(student_id)s
ON CONFLICT (class_id, semester, student_id) DO UPDATE SET level = excluded.level, version = m.version + 1
WHERE m.level <> excluded.level
RETURNING semester, version, level
"""

_ABSENCES = """
INSERT INTO absence AS m (class_id, student_id, excused, unexcused, version)
SELECT %(to_class_id)s, %(student_id)s, t.excused, t.unexcused, 1 FROM (
    SELECT %(excused)s::int AS excused, %(unexcused)s::int AS unexcused WHERE %(excused)s::int IS NOT NULL
    UNION ALL
    SELECT excused, unexcused FROM absence
    WHERE class_id = %(from_class_id)s AND student_id = %(student_id)s AND %(excused)s::int IS NULL
) t
ON CONFLICT (class_id, student_id) DO UPDATE
SET excused = excluded.excused, unexcused = excluded.unexcused, version = m.version + 1
WHERE (m.excused, m.unexcused) <> (excluded.excused, excluded.unexcused)
RETURNING version, excused, unexcused
"""

_ENTRY = """
INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals)
VALUES (%(request)s, %(digest)s, %(kind)s, %(to_class_id)s, %(subject)s, %(semester)s, %(person)s, %(client)s,
    %(reason)s, %(changed)s, 0, %(students)s, %(columns)s, %(versions)s, %(vals)s)
"""


def _names(journey: Journey) -> dict[str, object]:
    return journey._asdict()


def _write_marks(tx: Tx, journey: Journey, kept: Sequence[_Source]) -> dict[tuple[int | None, int, int], _Cell]:
    """(subject, semester, column) → what was written, for the cells that changed."""
    rows = tx.execute(
        _MARKS,
        {
            **_names(journey),
            "subjects": [one.subject_id for one in kept],
            "semesters": [one.semester for one in kept],
            "columns": [one.column for one in kept],
            "vals": [one.value for one in kept],
            "statuses": [one.status for one in kept],
        },
    )
    return {
        (subject, semester, column): _Cell(column, version, value) for subject, semester, column, version, value in rows
    }


def _record(
    tx: Tx,
    journey: Journey,
    kind: int,
    subject: int | None,
    semester: int | None,
    reason: str,
    cells: Sequence[_Cell],
) -> list[str]:
    """Write an act into the history; its digest as `sheets.write_marks` makes it, nothing for an act without cells."""
    if not cells:
        return []
    arrays = {
        "students": _array([journey.student_id] * len(cells)),
        "columns": _array([one.column for one in cells]),
        "versions": _array([one.version for one in cells]),
        "vals": _array([one.value for one in cells]),
    }
    digest = hashlib.sha256("|".join(arrays.values()).encode())
    tx.execute(
        _ENTRY,
        {
            **_names(journey),
            **arrays,
            "request": uuid.uuid4(),
            "digest": digest.digest(),
            "kind": kind,
            "subject": subject,
            "semester": semester,
            "reason": reason,
            "changed": len(cells),
        },
    )
    return [digest.hexdigest()]


def _array(values: Sequence[int]) -> str:
    return f"{{{','.join(map(str, values))}}}"
