"""Remarks of teachers on students: every version is kept, the highest stands."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.entry.store.texts import TextRow, TextVersion


class NewRemark(NamedTuple):
    """A remark to be written. subject_id: None for the homeroom teacher's."""

    class_id: int
    subject_id: int | None
    period: int
    student_id: int
    version: int
    remark: str


class _ClassRemark(NamedTuple):
    class_id: int
    subject: str
    period: int
    student_id: int
    remark: str


def newest(tx: Tx, class_id: int, subject_id: int | None, period: int) -> list[TextVersion]:
    """The newest version of each student's remark."""
    return rows(
        tx,
        TextVersion,
        "SELECT DISTINCT ON (student_id) student_id, version, remark AS text FROM remark WHERE class_id = %s"
        " AND subject_id IS NOT DISTINCT FROM %s AND period = %s ORDER BY student_id, version DESC",
        (class_id, subject_id, period),
    ).fetchall()


def add(tx: Tx, request_id: UUID, remarks: Sequence[NewRemark]) -> None:
    """Write remarks with the request id of their act."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO remark (class_id, subject_id, period, student_id, version, remark, request_id) VALUES"
            " (%(class_id)s, %(subject_id)s, %(period)s, %(student_id)s, %(version)s, %(remark)s, %(request_id)s)",
            [{**remark._asdict(), "request_id": request_id} for remark in remarks],
        )


def of_class(tx: Tx, class_id: int, subject_id: int | None, period: int, student: str) -> list[TextRow]:
    """The newest remark of each student by number in the list, or with a student every version of
    theirs.
    """
    return rows(
        tx,
        TextRow,
        "SELECT p.moet_student_id AS student, r.remark AS text, r.version, coalesce(o.person, a.person) AS person,"
        " coalesce(o.client, a.client) AS client, coalesce(o.recorded_time, a.recorded_time) AS time FROM remark r"
        " LEFT JOIN entry a ON a.request_id = r.request_id"
        # Of before migration 0020; the request id of a sheet of marks with remarks has a row in
        # both.
        " LEFT JOIN remark_entry o ON o.request_id = r.request_id"
        " JOIN student p ON p.id = r.student_id"
        " JOIN enrolment e ON e.class_id = r.class_id AND e.student_id = r.student_id"
        " WHERE r.class_id = %(class)s AND r.subject_id IS NOT DISTINCT FROM %(subject)s AND r.period = %(period)s"
        " AND CASE WHEN %(student)s = '' THEN NOT EXISTS (SELECT FROM remark n WHERE n.class_id = r.class_id"
        "  AND n.subject_id IS NOT DISTINCT FROM r.subject_id AND n.period = r.period AND n.student_id = r.student_id"
        "  AND n.version > r.version) ELSE p.moet_student_id = %(student)s END"
        " ORDER BY e.number, r.version",
        {"class": class_id, "subject": subject_id, "period": period, "student": student},
    ).fetchall()


def of_classes(tx: Tx, classes: Sequence[int]) -> Mapping[tuple[int, str, int, int], str]:
    """(class id, subject code or "" for the homeroom teacher's, period, student id) → text, where
    it is not empty.
    """
    newest_rows = rows(
        tx,
        _ClassRemark,
        "SELECT DISTINCT ON (r.class_id, r.subject_id, r.period, r.student_id)"
        " r.class_id, coalesce(s.code, '') AS subject, r.period, r.student_id, r.remark"
        " FROM remark r LEFT JOIN subject s ON s.id = r.subject_id WHERE r.class_id = ANY(%s)"
        " ORDER BY r.class_id, r.subject_id, r.period, r.student_id, r.version DESC",
        (list(classes),),
    )
    return {(row.class_id, row.subject, row.period, row.student_id): row.remark for row in newest_rows if row.remark}
