"""The history of conduct, absence totals and attendance of a month. That of marks: `store.marks.history`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.gradebook.model.correction_rules import Datum, Kind
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.results import Absences

_KINDS = {
    Kind.CONDUCT: (EntryKind.CONDUCT, EntryKind.CARRIED_CONDUCT),
    Kind.SUMMER_CONDUCT: (EntryKind.CONDUCT, EntryKind.CARRIED_CONDUCT),
    Kind.ABSENCES: (EntryKind.ABSENCES, EntryKind.CARRIED_ABSENCES),
}
"""Kinds of entries that wrote a datum beside corrections."""


class DataVersionRow(NamedTuple):
    """One version of a datum. values: the level, or sessions absent with leave and without.

    absences: a month's sheet, else None.
    """

    version: int
    values: tuple[int, ...]
    absences: Absences | None
    kind: int
    person: str
    client: str
    time: datetime
    reason: str
    correction: UUID | None
    requested_by: str | None
    confirmed_by: str | None


_ACT = "e.kind, e.person, e.client, e.recorded_time, e.reason, k.id, a.person, f.person"
_CORRECTED = (
    " LEFT JOIN correction k ON e.kind = 5 AND k.id = e.request_id"
    " LEFT JOIN correction_step a ON a.correction_id = k.id AND a.state = 1"
    " LEFT JOIN correction_step f ON f.correction_id = k.id AND f.state = 2"
)


def history(tx: Tx, datum: Datum) -> list[DataVersionRow]:
    """Every version of a datum that is no mark, oldest first."""
    return _sheets(tx, datum) if datum.kind is Kind.ATTENDANCE else _values(tx, datum)


def _values(tx: Tx, datum: Datum) -> list[DataVersionRow]:
    rows = tx.execute(
        f"SELECT v.version, array_agg(v.value ORDER BY v.column_no), {_ACT} FROM entry e"  # noqa: S608 - constants
        " CROSS JOIN LATERAL unnest(e.students, e.columns, e.versions, e.vals)"
        f"  AS v (student_id, column_no, version, value){_CORRECTED}"
        " WHERE e.class_id = %(class_id)s AND e.subject_id IS NULL AND e.semester IS NOT DISTINCT FROM %(semester)s"
        f" AND v.student_id = %(student_id)s AND (e.kind = ANY(%(kinds)s) OR k.kind = %(kind)s)"
        f" GROUP BY v.version, {_ACT} ORDER BY v.version",
        {**datum._asdict(), "kinds": list(_KINDS[datum.kind])},
    )
    return [DataVersionRow(row[0], tuple(row[1]), None, *row[2:]) for row in rows]


def _sheets(tx: Tx, datum: Datum) -> list[DataVersionRow]:
    rows: Sequence[Sequence[Any]] = tx.execute(
        f"SELECT t.version, t.excused, t.unexcused, {_ACT} FROM attendance t"  # noqa: S608 - constants
        f" JOIN entry e ON e.request_id = t.request_id{_CORRECTED}"
        " WHERE t.class_id = %s AND t.month = %s AND t.student_id = %s ORDER BY t.version",
        (datum.class_id, f"{datum.month}-01", datum.student_id),
    ).fetchall()
    return [DataVersionRow(row[0], (), Absences(tuple(row[1]), tuple(row[2])), *row[3:]) for row in rows]
