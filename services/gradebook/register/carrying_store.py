"""Marks, conduct and absences that come along with a student into a class of the same school year.

The caller holds the year of the class joined, so no sheet of it changes meanwhile; in the class
left, nobody enters anything for the student any more (ADR-0037).
"""

import hashlib
import itertools
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.common.db import Tx
from services.gradebook.entry.store import attendance
from services.gradebook.entry.store.attendance import MonthSheet
from services.gradebook.entry.store.marks import Act, Written
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.results import Absences

_VIETNAM = timedelta(hours=7)


class Joining(NamedTuple):
    """A student who joins a class, and the person and client that record it.

    origin: where the student comes from, in words for the history.
    """

    student_id: int
    to_class_id: int
    origin: str
    person: str
    client: str


class CarriedMark(NamedTuple):
    """A mark of a subject of the class joined.

    reason: of its act; there is one act per sheet and reason.
    """

    subject_id: int
    semester: int
    column: int
    value: int
    status: int
    reason: str


class CarriedData(NamedTuple):
    """What a student brings.

    marks: sorted by subject, semester and reason. conduct: (semester, rank of the level). absences:
    (excused, unexcused) in the year so far. attendance: month → absences, where both classes keep
    months. left_behind: number of marks for which the class joined has no subject or column.
    """

    marks: Sequence[CarriedMark] = ()
    conduct: Sequence[tuple[int, int]] = ()
    absences: tuple[int, int] | None = None
    attendance: Mapping[str, Absences] = {}
    left_behind: int = 0


class Carried(NamedTuple):
    """What came along. cells: changed in the class joined; left_behind: as in CarriedData.

    cells_sha256: of the hex digests of the acts in their order; binds the history rows into the
    audit chain.
    """

    cells: int
    left_behind: int
    cells_sha256: str


class _Cell(NamedTuple):
    column: int
    version: int
    value: int


class _CarriedAct(NamedTuple):
    """An act for the history: the parameters of _ENTRY, and what the audit row binds."""

    fields: Mapping[str, object]
    written: Written


def read_carried(tx: Tx, student_id: int, from_class_id: int, to_class_id: int, origin: str) -> CarriedData:
    """What a student brings from a class: marks, conduct and absences.

    Marks come along for subjects with the same code and kind. The reason of each names where it
    comes from, the person who entered it there, and when.
    """
    names = {"student": student_id, "from": from_class_id, "to": to_class_id}
    marks, left_behind = [], 0
    for subject, semester, column, value, status, person, time in tx.execute(_MARKS_OF, names):
        if subject is None:
            left_behind += 1
        else:
            reason = f"{origin}: {person} nhập lúc {_local(time)}"
            marks.append(CarriedMark(subject, semester, column, value, status, reason))
    conduct = tx.execute(
        "SELECT semester, level FROM conduct WHERE class_id = %(from)s AND student_id = %(student)s ORDER BY semester",
        names,
    ).fetchall()
    total = tx.execute(
        "SELECT excused, unexcused FROM absence WHERE class_id = %(from)s AND student_id = %(student)s", names
    ).fetchone()
    absences = None if total is None else (total[0], total[1])
    kept = attendance.standing(tx, [from_class_id]).get(from_class_id, {})
    months = {month: sheets[student_id] for month, sheets in kept.items() if student_id in sheets}
    if months and not attendance.is_kept(tx, to_class_id):
        absences = (
            sum(len(sheet.excused) for sheet in months.values()),
            sum(len(sheet.unexcused) for sheet in months.values()),
        )
        months = {}
    return CarriedData(marks, [(row[0], row[1]) for row in conduct], absences, months, left_behind)


def write_carried(tx: Tx, joining: Joining, data: CarriedData) -> Carried:
    """Write what a student brings, as acts of kinds of their own."""
    entries = [
        *_write_marks(tx, joining, data.marks),
        *_write_conduct(tx, joining, data.conduct),
        *_write_absences(tx, joining, data.absences),
    ]
    months = [
        MonthSheet(_attendance_act(joining, month), month, {joining.student_id: absences})
        for month, absences in data.attendance.items()
    ]
    with tx.cursor() as cursor:
        cursor.executemany(_ENTRY, [entry.fields for entry in entries])
    acts = [
        *(entry.written for entry in entries),
        *(written for written, _ in attendance.write_months(tx, joining.to_class_id, months)),
    ]
    digest = hashlib.sha256("".join(act.cells_sha256 for act in acts).encode())
    return Carried(sum(act.changed for act in acts), data.left_behind, digest.hexdigest())


def copy_exemptions(tx: Tx, joining: Joining, from_class_id: int) -> None:
    """Copy decisions on exemption from the practical part, for subjects of the class joined."""
    tx.execute(
        "INSERT INTO practical_exemption (request_id, request_sha256, class_id, subject_id, student_id, semesters,"
        " withdrawn, decision, person, client) SELECT gen_random_uuid(), x.request_sha256, c.id, d.id, x.student_id,"
        " x.semesters, x.withdrawn, x.decision, %(person)s, %(client)s"
        " FROM practical_exemption x JOIN subject s ON s.id = x.subject_id JOIN school_class c ON c.id = %(to)s"
        " JOIN subject d ON d.school_year_id = c.school_year_id AND d.grade_level = s.grade_level AND d.code = s.code"
        " AND d.active WHERE x.class_id = %(from)s AND x.student_id = %(student)s ORDER BY x.id",
        {
            "person": joining.person,
            "client": joining.client,
            "to": joining.to_class_id,
            "from": from_class_id,
            "student": joining.student_id,
        },
    )


_MARKS_OF = """
WITH acts AS (
    SELECT e.id, e.subject_id, e.semester, e.person, e.recorded_time, v.column_no, v.version
    FROM entry e, LATERAL unnest(e.students, e.columns, e.versions) AS v (student_id, column_no, version)
    WHERE e.class_id = %(from)s AND e.subject_id IS NOT NULL AND v.student_id = %(student)s
)
SELECT d.id, m.semester, m.column_no, m.value, m.status, a.person, a.recorded_time
FROM mark m JOIN subject s ON s.id = m.subject_id
JOIN acts a ON a.subject_id = m.subject_id AND a.semester = m.semester AND a.column_no = m.column_no
    AND a.version = m.version
JOIN school_class c ON c.id = %(to)s
LEFT JOIN subject d ON d.school_year_id = c.school_year_id AND d.grade_level = s.grade_level AND d.code = s.code
    AND d.kind = s.kind AND d.active AND (m.column_no >= 10 OR m.column_no <= d.regular_count
    + (d.topic_cluster_semester = m.semester)::int)
WHERE m.class_id = %(from)s AND m.student_id = %(student)s AND m.value IS NOT NULL
ORDER BY d.position, m.semester, a.id, m.column_no
"""

_PUT_MARKS = """
INSERT INTO mark AS m (class_id, subject_id, student_id, version, semester, column_no, value, status)
SELECT %(class)s, t.subject_id, %(student)s, 1, t.semester, t.column_no, t.value, t.status
FROM unnest(%(subjects)s::int[], %(semesters)s::smallint[], %(columns)s::smallint[], %(vals)s::smallint[],
    %(statuses)s::smallint[]) AS t (subject_id, semester, column_no, value, status)
ON CONFLICT (class_id, subject_id, semester, student_id, column_no) DO UPDATE
SET value = excluded.value, status = excluded.status, version = m.version + 1
WHERE (m.value, m.status) IS DISTINCT FROM (excluded.value, excluded.status)
RETURNING subject_id, semester, column_no, version, value
"""

_PUT_CONDUCT = """
INSERT INTO conduct AS m (class_id, student_id, semester, level, version) VALUES (%s, %s, %s, %s, 1)
ON CONFLICT (class_id, semester, student_id) DO UPDATE SET level = excluded.level, version = m.version + 1
WHERE m.level <> excluded.level
RETURNING version, level
"""

_PUT_ABSENCES = """
INSERT INTO absence AS m (class_id, student_id, excused, unexcused, version) VALUES (%s, %s, %s, %s, 1)
ON CONFLICT (class_id, student_id) DO UPDATE
SET excused = excluded.excused, unexcused = excluded.unexcused, version = m.version + 1
WHERE (m.excused, m.unexcused) <> (excluded.excused, excluded.unexcused)
RETURNING version, excused, unexcused
"""

_ENTRY = """
INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason,
    changed, unchanged, students, columns, versions, vals)
VALUES (%(request)s, %(digest)s, %(kind)s, %(class)s, %(subject)s, %(semester)s, %(person)s, %(client)s,
    %(reason)s, %(changed)s, 0, %(students)s, %(columns)s, %(versions)s, %(vals)s)
"""


def _write_marks(tx: Tx, joining: Joining, marks: Sequence[CarriedMark]) -> list[_CarriedAct]:
    rows = tx.execute(
        _PUT_MARKS,
        {
            "class": joining.to_class_id,
            "student": joining.student_id,
            "subjects": [mark.subject_id for mark in marks],
            "semesters": [mark.semester for mark in marks],
            "columns": [mark.column for mark in marks],
            "vals": [mark.value for mark in marks],
            "statuses": [mark.status for mark in marks],
        },
    )
    written = {(row[0], row[1], row[2]): _Cell(row[2], row[3], row[4]) for row in rows}
    acts = []
    for (subject, semester, reason), group in itertools.groupby(
        marks, key=lambda mark: (mark.subject_id, mark.semester, mark.reason)
    ):
        cells = [written[key] for mark in group if (key := (subject, semester, mark.column)) in written]
        acts += _record(joining, EntryKind.CARRIED_MARKS, subject, semester, reason=reason, cells=cells)
    return acts


def _write_conduct(tx: Tx, joining: Joining, conduct: Sequence[tuple[int, int]]) -> list[_CarriedAct]:
    with tx.cursor() as cursor:
        cursor.executemany(
            _PUT_CONDUCT,
            [(joining.to_class_id, joining.student_id, semester, level) for semester, level in conduct],
            returning=True,
        )
        rows = [result.fetchone() for result in cursor.results()]
    acts = []
    for (semester, _), row in zip(conduct, rows, strict=True):
        cells = [] if row is None else [_Cell(0, row[0], row[1])]
        acts += _record(joining, EntryKind.CARRIED_CONDUCT, None, semester, reason=joining.origin, cells=cells)
    return acts


def _write_absences(tx: Tx, joining: Joining, absences: tuple[int, int] | None) -> list[_CarriedAct]:
    if absences is None:
        return []
    row = tx.execute(_PUT_ABSENCES, (joining.to_class_id, joining.student_id, *absences)).fetchone()
    cells = [] if row is None else [_Cell(1, row[0], row[1]), _Cell(2, row[0], row[2])]
    return _record(joining, EntryKind.CARRIED_ABSENCES, None, None, reason=joining.origin, cells=cells)


def _attendance_act(joining: Joining, month: str) -> Act:
    digest = hashlib.sha256(f"{joining}{month}".encode()).digest()
    recorded = (joining.person, joining.client, joining.origin)
    return Act(uuid.uuid4(), digest, EntryKind.ATTENDANCE, joining.to_class_id, None, None, *recorded)


def _record(
    joining: Joining,
    kind: int,
    subject: int | None,
    semester: int | None,
    *,
    reason: str,
    cells: Sequence[_Cell],
) -> list[_CarriedAct]:
    """An act for the history, with a digest as `sheets.writing` makes it; none without cells."""
    if not cells:
        return []
    arrays = {
        "students": _array([joining.student_id] * len(cells)),
        "columns": _array([cell.column for cell in cells]),
        "versions": _array([cell.version for cell in cells]),
        "vals": _array([cell.value for cell in cells]),
    }
    digest = hashlib.sha256("|".join(arrays.values()).encode())
    fields = {
        **arrays,
        "request": uuid.uuid4(),
        "digest": digest.digest(),
        "kind": kind,
        "class": joining.to_class_id,
        "subject": subject,
        "semester": semester,
        "person": joining.person,
        "client": joining.client,
        "reason": reason,
        "changed": len(cells),
    }
    return [_CarriedAct(fields, Written(len(cells), digest.hexdigest()))]


def _local(time: datetime) -> str:
    return (time + _VIETNAM).strftime("%d/%m/%Y %H:%M")


def _array(values: Sequence[int]) -> str:
    return f"{{{','.join(map(str, values))}}}"
