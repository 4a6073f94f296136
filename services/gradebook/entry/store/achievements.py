"""Certificates and competition results of students in a school year: every version is kept, the
highest stands.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.entry.store.texts import TextRow, TextVersion


class NewAchievement(NamedTuple):
    """A line to be written."""

    school_year_id: int
    student_id: int
    kind: int
    version: int
    achieved: str


class _StudentAchievement(NamedTuple):
    student_id: int
    kind: int
    achieved: str


def newest(tx: Tx, year_id: int, kind: int, students: Sequence[int]) -> list[TextVersion]:
    """The newest version of each student's line of a kind."""
    return rows(
        tx,
        TextVersion,
        "SELECT DISTINCT ON (student_id) student_id, version, achieved AS text FROM achievement"
        " WHERE school_year_id = %s AND kind = %s AND student_id = ANY(%s) ORDER BY student_id, version DESC",
        (year_id, kind, list(students)),
    ).fetchall()


def add(tx: Tx, request_id: UUID, achievements: Sequence[NewAchievement]) -> None:
    """Write lines with the request id of their act."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO achievement (school_year_id, kind, student_id, version, achieved, request_id) VALUES"
            " (%(school_year_id)s, %(kind)s, %(student_id)s, %(version)s, %(achieved)s, %(request_id)s)",
            [{**achievement._asdict(), "request_id": request_id} for achievement in achievements],
        )


def of_class(tx: Tx, class_id: int, kind: int, student: str) -> list[TextRow]:
    """What the students of a class list have in its year: the newest of each by number, or all of
    one student's.
    """
    return rows(
        tx,
        TextRow,
        "SELECT p.moet_student_id AS student, a.achieved AS text, a.version, coalesce(o.person, n.person) AS person,"
        " coalesce(o.client, n.client) AS client, coalesce(o.recorded_time, n.recorded_time) AS time FROM enrolment e"
        " JOIN achievement a ON a.school_year_id = e.school_year_id AND a.student_id = e.student_id"
        " LEFT JOIN entry n ON n.request_id = a.request_id"
        # Of before migration 0020.
        " LEFT JOIN achievement_entry o ON o.request_id = a.request_id"
        " JOIN student p ON p.id = e.student_id"
        " WHERE e.class_id = %(class)s AND a.kind = %(kind)s"
        " AND CASE WHEN %(student)s = '' THEN NOT EXISTS (SELECT FROM achievement l"
        "  WHERE l.school_year_id = a.school_year_id AND l.student_id = a.student_id AND l.kind = a.kind"
        "  AND l.version > a.version) ELSE p.moet_student_id = %(student)s END"
        " ORDER BY e.number, a.version",
        {"class": class_id, "kind": kind, "student": student},
    ).fetchall()


def of_students(tx: Tx, year_id: int, students: Sequence[int]) -> dict[tuple[int, int], str]:
    """(student id, kind) → text in a school year, where it is not empty."""
    newest_rows = rows(
        tx,
        _StudentAchievement,
        "SELECT DISTINCT ON (student_id, kind) student_id, kind, achieved FROM achievement WHERE school_year_id = %s"
        " AND student_id = ANY(%s) ORDER BY student_id, kind, version DESC",
        (year_id, list(students)),
    )
    return {(row.student_id, row.kind): row.achieved for row in newest_rows if row.achieved}
