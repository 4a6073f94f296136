"""Attendance by month: one row per student, month and version; the highest version stands
(ADR-0038).

The year's totals of classes that keep none are keyed; `store.conduct` writes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.common.db import Tx
from services.common.rows import rows, scalars
from services.gradebook.entry.store.acts import NewAct, Written, add_acts
from services.gradebook.model.acts import CellArrays, Entered, EntryAct, json_array
from services.gradebook.model.results import Absences


class MonthSheet(NamedTuple):
    """A student's sheet of one month."""

    version: int
    absences: Absences


class NewMonth(NamedTuple):
    """Sheets of a month to be written, by student id, and the act that writes them.

    month: such as "2025-10".
    """

    act: EntryAct
    month: str
    sheets: Mapping[int, Absences]


class Totals(NamedTuple):
    """A student's absent sessions of the year as keyed."""

    version: int
    excused: int
    unexcused: int


class _SheetRow(NamedTuple):
    class_id: int
    month: str
    student_id: int
    version: int
    excused: list[int]
    unexcused: list[int]

    @property
    def absences(self) -> Absences:
        return Absences(tuple(self.excused), tuple(self.unexcused))


def is_kept(tx: Tx, class_id: int) -> bool:
    """Whether the class keeps attendance by month."""
    return tx.execute("SELECT 1 FROM attendance WHERE class_id = %s LIMIT 1", (class_id,)).fetchone() is not None


_NEWEST = (
    "SELECT DISTINCT ON (a.class_id, a.month, a.student_id) a.class_id, to_char(a.month, 'YYYY-MM') AS month,"
    " a.student_id, a.version, a.excused, a.unexcused FROM attendance a WHERE a.class_id = ANY(%s){}"
    " ORDER BY a.class_id, a.month, a.student_id, a.version DESC"
)


def newest_sheets(tx: Tx, classes: Sequence[int]) -> dict[int, dict[str, dict[int, Absences]]]:
    """Class id → month, in order → student id → absences; only classes that keep attendance by
    month.
    """
    sheets: dict[int, dict[str, dict[int, Absences]]] = {}
    for row in rows(tx, _SheetRow, _NEWEST.format(""), (list(classes),)):
        sheets.setdefault(row.class_id, {}).setdefault(row.month, {})[row.student_id] = row.absences
    return sheets


def month_sheets(tx: Tx, class_id: int, month: str) -> dict[int, MonthSheet]:
    """Student id → newest sheet of one month, such as "2025-10"."""
    return _months(tx, class_id, [month])[month]


def _months(tx: Tx, class_id: int, months: Sequence[str]) -> dict[str, dict[int, MonthSheet]]:
    sheets: dict[str, dict[int, MonthSheet]] = {month: {} for month in months}
    days = [f"{month}-01" for month in months]
    for row in rows(tx, _SheetRow, _NEWEST.format(" AND a.month = ANY(%s::date[])"), ([class_id], days)):
        sheets[row.month][row.student_id] = MonthSheet(row.version, row.absences)
    return sheets


def totals(tx: Tx, class_id: int, student_id: int) -> Totals | None:
    """A student's totals of the year as keyed; None before any."""
    return rows(
        tx,
        Totals,
        "SELECT version, excused, unexcused FROM absence WHERE class_id = %s AND student_id = %s",
        (class_id, student_id),
    ).fetchone()


def totals_keyed(tx: Tx, class_id: int) -> bool:
    """Whether the year's totals of the class were keyed, apart from what students brought along
    from elsewhere.
    """
    keyed = scalars(
        tx,
        int,
        "SELECT 1 FROM absence a JOIN enrolment e ON e.class_id = a.class_id AND e.student_id = a.student_id"
        " WHERE a.class_id = %s AND e.joined_on IS NULL LIMIT 1",
        (class_id,),
    )
    return keyed.fetchone() is not None


def write(tx: Tx, act: EntryAct, month: str, sheets: Mapping[int, Absences]) -> tuple[Written, int]:
    """Write the sheets (student id → absences) of a month that differ, and the act.

    Also returns how many did not.

    The caller holds the class's sheets (`share_year`). In the history the act has one element per
    student: the number of the month, the version, and how many sessions were absent.
    """
    return write_months(tx, act.class_id, [NewMonth(act, month, sheets)])[0]


def write_months(tx: Tx, class_id: int, months: Sequence[NewMonth]) -> list[tuple[Written, int]]:
    """Write different months of a class as `write` does, in three batches."""
    before = _months(tx, class_id, [new.month for new in months])
    changes = [_changes(new, before[new.month]) for new in months]
    digests = add_acts(tx, [_new_act(new, changed) for new, changed in zip(months, changes, strict=True)])
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO attendance (class_id, student_id, month, version, excused, unexcused, request_id) VALUES"
            " (%(class_id)s, %(student_id)s, %(month)s, %(version)s, %(excused)s, %(unexcused)s, %(request_id)s)",
            [
                {**row, "request_id": new.act.request_id}
                for new, changed in zip(months, changes, strict=True)
                for row in changed
            ],
        )
    return [
        (Written(len(changed), digest), len(new.sheets) - len(changed))
        for new, changed, digest in zip(months, changes, digests, strict=True)
    ]


def _changes(new: NewMonth, before: Mapping[int, MonthSheet]) -> list[dict[str, Any]]:
    """The rows of the sheets that differ, with their next versions, by student id."""
    return [
        {
            "class_id": new.act.class_id,
            "excused": list(absences.excused),
            "month": f"{new.month}-01",
            "student_id": student,
            "unexcused": list(absences.unexcused),
            "version": before[student].version + 1 if student in before else 1,
        }
        for student, absences in sorted(new.sheets.items())
        if student not in before or before[student].absences != absences
    ]


def _new_act(new: NewMonth, changed: Sequence[dict[str, Any]]) -> NewAct:
    return NewAct(
        new.act,
        CellArrays(
            json_array([row["student_id"] for row in changed]),
            json_array([int(new.month[5:])] * len(changed)),
            json_array([row["version"] for row in changed]),
            json_array([len(row["excused"]) + len(row["unexcused"]) for row in changed]),
        ),
        Entered(len(changed), len(new.sheets) - len(changed)),
        rows={"attendance": changed},
    )
