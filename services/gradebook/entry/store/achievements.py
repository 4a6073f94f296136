"""Certificates and competition results of students in a school year: every version is kept, the highest stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx


class AchievementEntry(NamedTuple):
    """An act of entry, as it is kept."""

    request_id: UUID
    request_sha256: bytes
    person: str
    client: str
    changed: int
    unchanged: int


class AchievementRow(NamedTuple):
    """One version of a text. student: moet_student_id."""

    student: str
    text: str
    version: int
    person: str
    client: str
    time: datetime


def earlier(tx: Tx, request_id: UUID) -> tuple[bytes, int, int] | None:
    """Digest, changed and unchanged of an act with the request id."""
    row = tx.execute(
        "SELECT request_sha256, changed, unchanged FROM achievement_entry WHERE request_id = %s", (request_id,)
    ).fetchone()
    return None if row is None else (bytes(row[0]), row[1], row[2])


def versions(tx: Tx, year_id: int, kind: int, students: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Student id → newest version and its text, for those of the students who have one."""
    rows = tx.execute(
        "SELECT DISTINCT ON (student_id) student_id, version, achieved FROM achievement WHERE school_year_id = %s"
        " AND kind = %s AND student_id = ANY(%s) ORDER BY student_id, version DESC",
        (year_id, kind, list(students)),
    )
    return {student: (version, text) for student, version, text in rows}


def add(tx: Tx, entry: AchievementEntry, year_id: int, kind: int, rows: Sequence[tuple[int, int, str]]) -> None:
    """Write an act and its rows of (student id, version, text)."""
    tx.execute(
        "INSERT INTO achievement_entry (request_id, request_sha256, person, client, changed, unchanged)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        entry,
    )
    tx.execute(
        "INSERT INTO achievement (school_year_id, kind, student_id, version, achieved, request_id)"
        " SELECT %s, %s, t.student_id, t.version, t.achieved, %s"
        " FROM unnest(%s::integer[], %s::integer[], %s::text[]) AS t (student_id, version, achieved)",
        (
            year_id,
            kind,
            entry.request_id,
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
        ),
    )


def of_class(tx: Tx, class_id: int, kind: int, student: str) -> list[AchievementRow]:
    """What the students of a class list have in its year: the newest of each by number, or all of one student's."""
    rows = tx.execute(
        "SELECT p.moet_student_id, a.achieved, a.version, n.person, n.client, n.recorded_time FROM enrolment e"
        " JOIN achievement a ON a.school_year_id = e.school_year_id AND a.student_id = e.student_id"
        " JOIN achievement_entry n ON n.request_id = a.request_id JOIN student p ON p.id = e.student_id"
        " WHERE e.class_id = %(class)s AND a.kind = %(kind)s"
        " AND CASE WHEN %(student)s = '' THEN NOT EXISTS (SELECT FROM achievement l"
        "  WHERE l.school_year_id = a.school_year_id AND l.student_id = a.student_id AND l.kind = a.kind"
        "  AND l.version > a.version) ELSE p.moet_student_id = %(student)s END"
        " ORDER BY e.number, a.version",
        {"class": class_id, "kind": kind, "student": student},
    )
    return [AchievementRow(*row) for row in rows]


def standing(tx: Tx, year_id: int, students: Sequence[int]) -> dict[tuple[int, int], str]:
    """(student id, kind) → text in a school year, where it is not empty."""
    rows = tx.execute(
        "SELECT DISTINCT ON (student_id, kind) student_id, kind, achieved FROM achievement WHERE school_year_id = %s"
        " AND student_id = ANY(%s) ORDER BY student_id, kind, version DESC",
        (year_id, list(students)),
    )
    return {(student, kind): text for student, kind, text in rows if text}
