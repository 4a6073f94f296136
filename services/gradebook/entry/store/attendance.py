"""Attendance by month: one row a student, month and version; the highest version stands (ADR-0038).

The year's totals of classes that keep none are keyed: written by `store.marks`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.common.db import Tx
from services.gradebook.entry.store.marks import Act, Written
from services.gradebook.model.results import Absences


class StandingRow(NamedTuple):
    """A student's sheet of one month as it stands."""

    version: int
    absences: Absences


def is_kept(tx: Tx, class_id: int) -> bool:
    """Whether the class keeps attendance by month."""
    return tx.execute("SELECT 1 FROM attendance WHERE class_id = %s LIMIT 1", (class_id,)).fetchone() is not None


def standing(tx: Tx, classes: Sequence[int]) -> dict[int, dict[str, dict[int, Absences]]]:
    """Class id → month, in order → student id → absences; only classes that keep attendance by month."""
    found: dict[int, dict[str, dict[int, Absences]]] = {}
    for class_id, month, student, excused, unexcused in tx.execute(
        "SELECT DISTINCT ON (class_id, month, student_id) class_id, to_char(month, 'YYYY-MM'), student_id, excused,"
        " unexcused FROM attendance WHERE class_id = ANY(%s) ORDER BY class_id, month, student_id, version DESC",
        (list(classes),),
    ):
        sheet = found.setdefault(class_id, {}).setdefault(month, {})
        sheet[student] = Absences(tuple(excused), tuple(unexcused))
    return found


def month(tx: Tx, class_id: int, name: str) -> dict[int, StandingRow]:
    """Student id → sheet of one month as it stands."""
    return _months(tx, class_id, [name])[name]


def _months(tx: Tx, class_id: int, names: Sequence[str]) -> dict[str, dict[int, StandingRow]]:
    sheets: dict[str, dict[int, StandingRow]] = {name: {} for name in names}
    for name, student, version, excused, unexcused in tx.execute(
        "SELECT DISTINCT ON (month, student_id) to_char(month, 'YYYY-MM'), student_id, version, excused, unexcused"
        " FROM attendance WHERE class_id = %s AND month = ANY(%s::date[]) ORDER BY month, student_id, version DESC",
        (class_id, [f"{name}-01" for name in names]),
    ):
        sheets[name][student] = StandingRow(version, Absences(tuple(excused), tuple(unexcused)))
    return sheets


def totals(tx: Tx, class_id: int, student_id: int) -> tuple[int, int, int] | None:
    """Version of a student's totals of the year as keyed, absent sessions excused and unexcused; None before any."""
    return tx.execute(
        "SELECT version, excused, unexcused FROM absence WHERE class_id = %s AND student_id = %s",
        (class_id, student_id),
    ).fetchone()


def totals_keyed(tx: Tx, class_id: int) -> bool:
    """Whether the year's totals of the class were keyed; what students brought along from elsewhere aside."""
    found = tx.execute(
        "SELECT 1 FROM absence a JOIN enrolment e ON e.class_id = a.class_id AND e.student_id = a.student_id"
        " WHERE a.class_id = %s AND e.joined_on IS NULL LIMIT 1",
        (class_id,),
    )
    return found.fetchone() is not None


class MonthSheet(NamedTuple):
    """Sheets of a month to be written, by student id, and the act that writes them."""

    act: Act
    month: str
    rows: Mapping[int, Absences]


def write(tx: Tx, act: Act, name: str, rows: Mapping[int, Absences]) -> tuple[Written, int]:
    """Write the sheets of a month that differ, and the act; also returns how many were the same.

    The caller holds the class's sheets (`share_year`). In the history the act has one element per
    student: the number of the month, the version, and how many sessions were absent.
    """
    return write_months(tx, act.class_id, [MonthSheet(act, name, rows)])[0]


def write_months(tx: Tx, class_id: int, sheets: Sequence[MonthSheet]) -> list[tuple[Written, int]]:
    """Write different months of a class as `write` does, in three batches."""
    before = _months(tx, class_id, [sheet.month for sheet in sheets])
    changes = [_changes(sheet, before[sheet.month]) for sheet in sheets]
    with tx.cursor() as cursor:
        cursor.executemany(_ADD_ENTRY, [_entry(sheet, new) for sheet, new in zip(sheets, changes, strict=True)])
        cursor.executemany(
            "INSERT INTO attendance (class_id, student_id, month, version, excused, unexcused, request_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    class_id,
                    student,
                    f"{sheet.month}-01",
                    row.version,
                    list(row.absences.excused),
                    list(row.absences.unexcused),
                    sheet.act.request_id,
                )
                for sheet, new in zip(sheets, changes, strict=True)
                for student, row in new.items()
            ],
        )
    return [
        (Written(len(new), _digest(sheet.month, new)), len(sheet.rows) - len(new))
        for sheet, new in zip(sheets, changes, strict=True)
    ]


_ADD_ENTRY = (
    "INSERT INTO entry (request_id, request_sha256, kind, class_id, person, client, reason, changed, unchanged,"
    " students, columns, versions, vals) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def _changes(sheet: MonthSheet, before: Mapping[int, StandingRow]) -> dict[int, StandingRow]:
    """The sheets that differ from what stands, with their new versions."""
    return {
        student: StandingRow(before[student].version + 1 if student in before else 1, absences)
        for student, absences in sheet.rows.items()
        if student not in before or before[student].absences != absences
    }


def _entry(sheet: MonthSheet, new: Mapping[int, StandingRow]) -> tuple[object, ...]:
    act = sheet.act
    return (
        act.request_id,
        act.request_sha256,
        act.kind,
        act.class_id,
        act.person,
        act.client,
        act.reason,
        len(new),
        len(sheet.rows) - len(new),
        list(new),
        [int(sheet.month[5:])] * len(new),
        [row.version for row in new.values()],
        [len(row.absences.excused) + len(row.absences.unexcused) for row in new.values()],
    )


def _digest(month: str, new: Mapping[int, StandingRow]) -> str:
    lines = (
        f"{student}|{month}|{row.version}|{row.absences.excused}|{row.absences.unexcused}"
        for student, row in sorted(new.items())
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
