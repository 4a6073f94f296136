"""Marks, conduct, absences and exemptions that come along into a class of the same school year.

The caller holds the year of the class joined, so no sheet of it changes meanwhile; in the class
left, nobody enters anything for the student any more (ADR-0037).
"""

import hashlib
import itertools
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import rows
from services.common.vietnam import VIETNAM
from services.gradebook.entry.store import attendance, exemptions
from services.gradebook.entry.store.acts import NewAct, add_acts
from services.gradebook.entry.store.attendance import NewMonth
from services.gradebook.entry.store.exemptions import Exemption
from services.gradebook.model.acts import CellArrays, Entered, EntryAct, acts_sha256, json_array
from services.gradebook.model.domain import MIDTERM_COLUMN
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.results import Absences


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
    exemptions: Sequence[Exemption] = ()
    left_behind: int = 0


class Carried(NamedTuple):
    """What came along. cells: changed in the class joined; left_behind: as in CarriedData.

    acts: request ids of the acts in their order. sha256: of their digests; binds them into the
    audit chain.
    """

    cells: int
    left_behind: int
    acts: tuple[UUID, ...]
    sha256: str


class _MarkRow(NamedTuple):
    """A mark of the class left.

    subject_id: of the class joined, None where it has no such subject or column.
    """

    subject_id: int | None
    semester: int
    column_no: int
    value: int
    status: int
    person: str
    recorded_time: datetime


class _ConductRow(NamedTuple):
    semester: int
    level: int


class _PutMark(NamedTuple):
    subject_id: int
    semester: int
    column_no: int
    version: int
    value: int


class _Cell(NamedTuple):
    column: int
    version: int
    value: int


class _PutConduct(NamedTuple):
    semester: int
    version: int
    level: int


def read_carried(tx: Tx, student_id: int, from_class_id: int, to_class_id: int, origin: str) -> CarriedData:
    """What a student brings from a class: marks, conduct, absences and exemptions.

    Marks and exemptions come along for subjects with the same code, marks only if the subject is of
    the same kind too. The reason of each mark names where it comes from, the person who entered it
    there, and when.
    """
    names = {"student": student_id, "from": from_class_id, "to": to_class_id}
    marks, left_behind = [], 0
    for mark in rows(tx, _MarkRow, _MARKS_OF, {**names, "midterm": MIDTERM_COLUMN}):
        if mark.subject_id is None:
            left_behind += 1
        else:
            reason = f"{origin}: {mark.person} nhập lúc {_local(mark.recorded_time)}"
            marks.append(CarriedMark(mark.subject_id, mark.semester, mark.column_no, mark.value, mark.status, reason))
    conduct = rows(
        tx,
        _ConductRow,
        "SELECT semester, level FROM conduct WHERE class_id = %(from)s AND student_id = %(student)s ORDER BY semester",
        names,
    ).fetchall()
    totals = attendance.totals(tx, from_class_id, student_id)
    absences = None if totals is None else (totals.excused, totals.unexcused)
    kept = attendance.newest_sheets(tx, [from_class_id]).get(from_class_id, {})
    months = {month: sheets[student_id] for month, sheets in kept.items() if student_id in sheets}
    if months and not attendance.is_kept(tx, to_class_id):
        absences = (
            sum(len(sheet.excused) for sheet in months.values()),
            sum(len(sheet.unexcused) for sheet in months.values()),
        )
        months = {}
    exempt = exemptions.of_student_for_class(tx, student_id, from_class_id, to_class_id)
    return CarriedData(marks, conduct, absences, months, exempt, left_behind)


def write_carried(tx: Tx, joining: Joining, data: CarriedData) -> Carried:
    """Write what a student brings, as acts of kinds of their own, in batches."""
    new = [
        *_marks(tx, joining, data.marks),
        *_conduct(tx, joining, data.conduct),
        *_absences(tx, joining, data.absences),
    ]
    months = [
        NewMonth(_act(joining, EntryKind.ATTENDANCE), month, {joining.student_id: sheet})
        for month, sheet in data.attendance.items()
    ]
    decisions = [(_act(joining, EntryKind.CARRIED_EXEMPTION), exemption) for exemption in data.exemptions]
    digests = add_acts(tx, new)
    written = [sheet for sheet, _ in attendance.write_months(tx, joining.to_class_id, months)]
    digests += [sheet.sha256 for sheet in written] + exemptions.write(tx, decisions)
    acts = [*(act.act for act in new), *(month.act for month in months), *(act for act, _ in decisions)]
    return Carried(
        sum(act.entered.changed for act in new) + sum(sheet.changed for sheet in written),
        data.left_behind,
        tuple(act.request_id for act in acts),
        acts_sha256(digests),
    )


_MARKS_OF = """
WITH acts AS (
    SELECT e.id, e.subject_id, e.semester, e.person, e.recorded_time, v.column_no, v.version
    FROM entry e, LATERAL unnest(e.students, e.columns, e.versions) AS v (student_id, column_no, version)
    WHERE e.class_id = %(from)s AND e.subject_id IS NOT NULL AND v.student_id = %(student)s
)
SELECT d.id AS subject_id, m.semester, m.column_no, m.value, m.status, a.person, a.recorded_time
FROM mark m JOIN subject s ON s.id = m.subject_id
JOIN acts a ON a.subject_id = m.subject_id AND a.semester = m.semester AND a.column_no = m.column_no
    AND a.version = m.version
JOIN school_class c ON c.id = %(to)s
LEFT JOIN subject d ON d.school_year_id = c.school_year_id AND d.grade_level = s.grade_level AND d.code = s.code
    AND d.kind = s.kind AND d.active AND (m.column_no >= %(midterm)s OR m.column_no <= d.regular_count
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
INSERT INTO conduct AS m (class_id, student_id, semester, level, version)
SELECT %(class)s, %(student)s, t.semester, t.level, 1
FROM unnest(%(semesters)s::smallint[], %(levels)s::smallint[]) AS t (semester, level)
ON CONFLICT (class_id, semester, student_id) DO UPDATE SET level = excluded.level, version = m.version + 1
WHERE m.level <> excluded.level
RETURNING semester, version, level
"""

_PUT_ABSENCES = """
WITH put AS (
INSERT INTO absence AS m (class_id, student_id, excused, unexcused, version) VALUES (%s, %s, %s, %s, 1)
ON CONFLICT (class_id, student_id) DO UPDATE
SET excused = excluded.excused, unexcused = excluded.unexcused, version = m.version + 1
WHERE (m.excused, m.unexcused) <> (excluded.excused, excluded.unexcused)
RETURNING version, excused, unexcused
)
SELECT v.column_no AS "column", put.version, v.value
FROM put, LATERAL (VALUES (1, excused), (2, unexcused)) AS v (column_no, value) ORDER BY 1
"""


def _marks(tx: Tx, joining: Joining, marks: Sequence[CarriedMark]) -> list[NewAct]:
    put = rows(
        tx,
        _PutMark,
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
    cells_put = {
        (mark.subject_id, mark.semester, mark.column_no): _Cell(mark.column_no, mark.version, mark.value)
        for mark in put
    }
    acts = []
    for (subject, semester, reason), group in itertools.groupby(
        marks, key=lambda mark: (mark.subject_id, mark.semester, mark.reason)
    ):
        cells = [cells_put[key] for mark in group if (key := (subject, semester, mark.column)) in cells_put]
        act = _act(joining, EntryKind.CARRIED_MARKS, subject_id=subject, semester=semester, reason=reason)
        acts += _with_cells(joining, act, cells)
    return acts


def _conduct(tx: Tx, joining: Joining, conduct: Sequence[tuple[int, int]]) -> list[NewAct]:
    put = rows(
        tx,
        _PutConduct,
        _PUT_CONDUCT,
        {
            "class": joining.to_class_id,
            "student": joining.student_id,
            "semesters": [semester for semester, _ in conduct],
            "levels": [level for _, level in conduct],
        },
    )
    return [
        act
        for row in sorted(put)
        for act in _with_cells(
            joining,
            _act(joining, EntryKind.CARRIED_CONDUCT, semester=row.semester),
            [_Cell(0, row.version, row.level)],
        )
    ]


def _absences(tx: Tx, joining: Joining, absences: tuple[int, int] | None) -> list[NewAct]:
    if absences is None:
        return []
    put = rows(tx, _Cell, _PUT_ABSENCES, (joining.to_class_id, joining.student_id, *absences)).fetchall()
    return _with_cells(joining, _act(joining, EntryKind.CARRIED_ABSENCES), put)


def _act(
    joining: Joining,
    kind: EntryKind,
    *,
    subject_id: int | None = None,
    semester: int | None = None,
    reason: str | None = None,
) -> EntryAct:
    """An act with an id of its own, since no client sent one.

    reason: None for where the student comes from.
    """
    request_id = uuid.uuid4()
    return EntryAct(
        request_id,
        hashlib.sha256(request_id.bytes).digest(),
        kind,
        joining.to_class_id,
        subject_id,
        semester,
        joining.person,
        joining.client,
        joining.origin if reason is None else reason,
    )


def _with_cells(joining: Joining, act: EntryAct, cells: Sequence[_Cell]) -> list[NewAct]:
    """The act with its cells; none without cells."""
    if not cells:
        return []
    arrays = CellArrays(
        json_array([joining.student_id] * len(cells)),
        json_array([cell.column for cell in cells]),
        json_array([cell.version for cell in cells]),
        json_array([cell.value for cell in cells]),
    )
    return [NewAct(act, arrays, Entered(len(cells), 0))]


def _local(time: datetime) -> str:
    return time.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")
