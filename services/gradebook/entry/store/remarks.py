"""Remarks of teachers on students: every version is kept, the highest stands."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx


class RemarkEntry(NamedTuple):
    """An act of entry, as it is kept."""

    request_id: UUID
    request_sha256: bytes
    person: str
    client: str
    changed: int
    unchanged: int


class RemarkRow(NamedTuple):
    """One version of a remark. student: moet_student_id."""

    student: str
    text: str
    version: int
    person: str
    client: str
    time: datetime


def earlier(tx: Tx, request_id: UUID) -> tuple[bytes, int, int] | None:
    """Digest, changed and unchanged of an act with the request id."""
    row = tx.execute(
        "SELECT request_sha256, changed, unchanged FROM remark_entry WHERE request_id = %s", (request_id,)
    ).fetchone()
    return None if row is None else (bytes(row[0]), row[1], row[2])


def versions(tx: Tx, class_id: int, subject_id: int | None, period: int) -> dict[int, tuple[int, str]]:
    """Student id → newest version and its text."""
    rows = tx.execute(
        "SELECT DISTINCT ON (student_id) student_id, version, remark FROM remark WHERE class_id = %s"
        " AND subject_id IS NOT DISTINCT FROM %s AND period = %s ORDER BY student_id, version DESC",
        (class_id, subject_id, period),
    )
    return {student: (version, text) for student, version, text in rows}


def add(
    tx: Tx,
    entry: RemarkEntry,
    class_id: int,
    subject_id: int | None,
    period: int,
    rows: Sequence[tuple[int, int, str]],
) -> None:
    """Write an act and its rows of (student id, version, text)."""
    tx.execute(
        "INSERT INTO remark_entry (request_id, request_sha256, person, client, changed, unchanged)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        entry,
    )
    tx.execute(
        "INSERT INTO remark (class_id, subject_id, period, student_id, version, remark, request_id)"
        " SELECT %s, %s, %s, t.student_id, t.version, t.remark, %s"
        " FROM unnest(%s::integer[], %s::integer[], %s::text[]) AS t (student_id, version, remark)",
        (
            class_id,
            subject_id,
            period,
            entry.request_id,
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
        ),
    )


def of_class(tx: Tx, class_id: int, subject_id: int | None, period: int, student: str) -> list[RemarkRow]:
    """The newest remark of each student by number in the list, or with a student every version of theirs."""
    rows = tx.execute(
        "SELECT p.moet_student_id, r.remark, r.version, a.person, a.client, a.recorded_time FROM remark r"
        " JOIN remark_entry a ON a.request_id = r.request_id JOIN student p ON p.id = r.student_id"
        " JOIN enrolment e ON e.class_id = r.class_id AND e.student_id = r.student_id"
        " WHERE r.class_id = %(class)s AND r.subject_id IS NOT DISTINCT FROM %(subject)s AND r.period = %(period)s"
        " AND CASE WHEN %(student)s = '' THEN NOT EXISTS (SELECT FROM remark n WHERE n.class_id = r.class_id"
        "  AND n.subject_id IS NOT DISTINCT FROM r.subject_id AND n.period = r.period AND n.student_id = r.student_id"
        "  AND n.version > r.version) ELSE p.moet_student_id = %(student)s END"
        " ORDER BY e.number, r.version",
        {"class": class_id, "subject": subject_id, "period": period, "student": student},
    )
    return [RemarkRow(*row) for row in rows]


def standing(tx: Tx, classes: Sequence[int]) -> Mapping[tuple[int, str, int, int], str]:
    """(class id, subject code or "" for the homeroom teacher's, period, student id) → text, where it is not empty."""
    rows = tx.execute(
        "SELECT DISTINCT ON (r.class_id, r.subject_id, r.period, r.student_id)"
        " r.class_id, coalesce(s.code, ''), r.period, r.student_id, r.remark"
        " FROM remark r LEFT JOIN subject s ON s.id = r.subject_id WHERE r.class_id = ANY(%s)"
        " ORDER BY r.class_id, r.subject_id, r.period, r.student_id, r.version DESC",
        (list(classes),),
    )
    return {(class_id, code, period, student): text for class_id, code, period, student, text in rows if text}
