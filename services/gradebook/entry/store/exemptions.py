"""Decisions about exemption from the practical part of a subject."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision to be written. withdrawn: it ends an exemption instead of granting one."""

    request_id: UUID
    request_sha256: bytes
    class_id: int
    subject_id: int
    student_id: int
    semesters: list[int]
    withdrawn: bool
    decision: str
    person: str
    client: str


class DecisionRow(NamedTuple):
    """A decision as recorded. student: moet_student_id; subject: its code."""

    student: str
    subject: str
    semesters: tuple[int, ...]
    decision: str
    withdrawn: bool
    person: str
    client: str
    time: datetime


def add(tx: Tx, decision: Decision) -> None:
    """Write a decision."""
    tx.execute(
        "INSERT INTO practical_exemption (request_id, request_sha256, class_id, subject_id, student_id, semesters,"
        " withdrawn, decision, person, client) VALUES (%(request_id)s, %(request_sha256)s, %(class_id)s,"
        " %(subject_id)s, %(student_id)s, %(semesters)s, %(withdrawn)s, %(decision)s, %(person)s, %(client)s)",
        asdict(decision),
    )


def request_sha256(tx: Tx, request_id: UUID) -> bytes | None:
    """The digest of the request that was recorded with this id."""
    row = tx.execute("SELECT request_sha256 FROM practical_exemption WHERE request_id = %s", (request_id,)).fetchone()
    return None if row is None else bytes(row[0])


def standing(tx: Tx, classes: Sequence[int]) -> dict[int, frozenset[tuple[int, int, int]]]:
    """Class id → (subject id, semester, student id) of the exemptions that stand."""
    found: dict[int, set[tuple[int, int, int]]] = {}
    for class_id, subject, semester, student, withdrawn in tx.execute(
        "SELECT DISTINCT ON (class_id, subject_id, semester, student_id)"
        " class_id, subject_id, semester, student_id, withdrawn"
        " FROM practical_exemption, unnest(semesters) AS semester WHERE class_id = ANY(%s)"
        " ORDER BY class_id, subject_id, semester, student_id, id DESC",
        (list(classes),),
    ):
        if not withdrawn:
            found.setdefault(class_id, set()).add((subject, semester, student))
    return {class_id: frozenset(cells) for class_id, cells in found.items()}


def of_class(tx: Tx, class_id: int) -> list[DecisionRow]:
    """Every decision about the students of a class, oldest first."""
    rows = tx.execute(
        "SELECT s.moet_student_id, j.code, x.semesters, x.decision, x.withdrawn, x.person, x.client, x.recorded_time"
        " FROM practical_exemption x JOIN student s ON s.id = x.student_id JOIN subject j ON j.id = x.subject_id"
        " WHERE x.class_id = %s ORDER BY x.id",
        (class_id,),
    )
    return [DecisionRow(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows]
