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
    rows = tx.execute(
        "SELECT DISTINCT ON (student_id) student_id, version, excused, unexcused FROM attendance"
        " WHERE class_id = %s AND month = %s ORDER BY student_id, version DESC",
        (class_id, f"{name}-01"),
    )
    return {row[0]: StandingRow(row[1], Absences(tuple(row[2]), tuple(row[3]))) for row in rows}


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


def write(tx: Tx, act: Act, name: str, rows: Mapping[int, Absences]) -> tuple[Written, int]:
    """Write the sheets of a month that differ, and the act; also returns how many were the same.

    The caller holds the class's sheets (`share_year`). In the history the act has one element a student: the number of
    the month, the version, and how many sessions were absent.
    """
    before = month(tx, act.class_id, name)
    new = {
        student: (before[student].version + 1 if student in before else 1, absences)
        for student, absences in rows.items()
        if student not in before or before[student].absences != absences
    }
    unchanged = len(rows) - len(new)
    tx.execute(
        "INSERT INTO entry (request_id, request_sha256, kind, class_id, person, client, reason, changed, unchanged,"
        " students, columns, versions, vals) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            act.request_id,
            act.request_sha256,
            act.kind,
            act.class_id,
            act.person,
            act.client,
            act.reason,
            len(new),
            unchanged,
            list(new),
            [int(name[5:])] * len(new),
            [version for version, _ in new.values()],
            [len(absences.excused) + len(absences.unexcused) for _, absences in new.values()],
        ),
    )
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO attendance (class_id, student_id, month, version, excused, unexcused, request_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (act.class_id, student, f"{name}-01", version, list(one.excused), list(one.unexcused), act.request_id)
                for student, (version, one) in new.items()
            ],
        )
    lines = (
        f"{student}|{name}|{version}|{one.excused}|{one.unexcused}" for student, (version, one) in sorted(new.items())
    )
    return Written(len(new), hashlib.sha256("\n".join(lines).encode()).hexdigest()), unchanged
