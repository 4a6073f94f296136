"""The versions of a mark, of conduct, of absence totals and of the attendance of a month, with
their acts.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.entry.store.sheets import Target
from services.gradebook.model.correction_rules import CorrectionKind, CorrectionState, Datum
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.results import Absences

_KINDS = {
    CorrectionKind.CONDUCT: (EntryKind.CONDUCT, EntryKind.CARRIED_CONDUCT),
    CorrectionKind.SUMMER_CONDUCT: (EntryKind.CONDUCT, EntryKind.CARRIED_CONDUCT),
    CorrectionKind.ABSENCES: (EntryKind.ABSENCES, EntryKind.CARRIED_ABSENCES),
}
"""Kinds of acts that write a datum, apart from corrections."""


class VersionRow(NamedTuple):
    """One version of a cell. correction and the people behind it: of a version that a correction
    made.
    """

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


class DataVersionRow(NamedTuple):
    """One version of a datum that is no mark.

    values: the level, or sessions absent with leave and without.

    excused, unexcused: the sessions of a month's sheet, else None.
    """

    version: int
    values: list[int]
    excused: list[int] | None
    unexcused: list[int] | None
    kind: int
    person: str
    client: str
    time: datetime
    reason: str
    correction: UUID | None
    requested_by: str | None
    confirmed_by: str | None

    @property
    def absences(self) -> Absences | None:
        """A month's sheet; None of conduct and totals."""
        if self.excused is None or self.unexcused is None:
            return None
        return Absences(tuple(self.excused), tuple(self.unexcused))


_ACT = (
    "e.kind, e.person, e.client, e.recorded_time AS time, e.reason, k.id AS correction, a.person AS requested_by,"
    " f.person AS confirmed_by"
)
_ACT_GROUP = "e.kind, e.person, e.client, e.recorded_time, e.reason, k.id, a.person, f.person"
_CORRECTED = (
    f" LEFT JOIN correction k ON e.kind = {EntryKind.CORRECTION:d} AND k.id = e.request_id"
    f" LEFT JOIN correction_step a ON a.correction_id = k.id AND a.state = {CorrectionState.REQUESTED:d}"
    f" LEFT JOIN correction_step f ON f.correction_id = k.id AND f.state = {CorrectionState.CONFIRMED:d}"
)

_MARK = (
    f"SELECT v.version, v.value, {_ACT} FROM entry e"  # noqa: S608 - constants
    " CROSS JOIN LATERAL unnest(e.students, e.columns, e.versions, e.vals)"
    f"  AS v (student_id, column_no, version, value){_CORRECTED}"
    " WHERE e.class_id = %s AND e.subject_id = %s AND e.semester = %s"
    " AND v.student_id = %s AND v.column_no = %s ORDER BY v.version"
)
_VALUES = (
    'SELECT v.version, array_agg(v.value ORDER BY v.column_no) AS "values", NULL AS excused, NULL AS unexcused,'  # noqa: S608
    f" {_ACT} FROM entry e CROSS JOIN LATERAL unnest(e.students, e.columns, e.versions, e.vals)"
    f"  AS v (student_id, column_no, version, value){_CORRECTED}"
    " WHERE e.class_id = %(class_id)s AND e.subject_id IS NULL AND e.semester IS NOT DISTINCT FROM %(semester)s"
    " AND v.student_id = %(student_id)s AND (e.kind = ANY(%(kinds)s) OR k.kind = %(kind)s)"
    f" GROUP BY v.version, {_ACT_GROUP} ORDER BY v.version"
)
_SHEETS = (
    f"SELECT t.version, '{{}}'::smallint[] AS \"values\", t.excused, t.unexcused, {_ACT} FROM attendance t"  # noqa: S608
    f" JOIN entry e ON e.request_id = t.request_id{_CORRECTED}"
    " WHERE t.class_id = %s AND t.month = %s AND t.student_id = %s ORDER BY t.version"
)


def mark_history(tx: Tx, target: Target, semester: int, column: int, student_id: int) -> list[VersionRow]:
    """Every version of one cell, oldest first."""
    names = (target.class_id, target.subject_id, semester, student_id, column)
    return rows(tx, VersionRow, _MARK, names).fetchall()


def data_history(tx: Tx, datum: Datum) -> list[DataVersionRow]:
    """Every version of a datum that is no mark, oldest first."""
    if datum.kind is CorrectionKind.ATTENDANCE:
        names = (datum.class_id, f"{datum.month}-01", datum.student_id)
        return rows(tx, DataVersionRow, _SHEETS, names).fetchall()
    return rows(tx, DataVersionRow, _VALUES, {**datum._asdict(), "kinds": list(_KINDS[datum.kind])}).fetchall()
