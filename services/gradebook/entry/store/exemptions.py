"""Decisions about exemption from the practical part of a subject."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.entry.store.acts import NewAct, add_acts
from services.gradebook.model.acts import EntryAct


class Exemption(NamedTuple):
    """A decision to be written. withdrawn: it ends an exemption instead of granting one."""

    subject_id: int
    student_id: int
    semesters: list[int]
    withdrawn: bool
    decision: str


class DecisionRow(NamedTuple):
    """A decision as recorded. student: moet_student_id; subject: its code."""

    student: str
    subject: str
    semesters: list[int]
    decision: str
    withdrawn: bool
    person: str
    client: str
    time: datetime


class _ExemptionState(NamedTuple):
    class_id: int
    subject_id: int
    semester: int
    student_id: int
    withdrawn: bool


def write(tx: Tx, decisions: Sequence[tuple[EntryAct, Exemption]]) -> list[str]:
    """Write decisions, each for its act's class and with its act, in two batches; returns the acts'
    digests.
    """
    written = [(act, {"class_id": act.class_id, **exemption._asdict()}) for act, exemption in decisions]
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO practical_exemption (request_id, request_sha256, class_id, subject_id, student_id, semesters,"
            " withdrawn, decision, person, client) VALUES (%(request_id)s, %(request_sha256)s, %(class_id)s,"
            " %(subject_id)s, %(student_id)s, %(semesters)s, %(withdrawn)s, %(decision)s, %(person)s, %(client)s)",
            [
                {
                    **row,
                    "request_id": act.request_id,
                    "request_sha256": act.request_sha256,
                    "person": act.person,
                    "client": act.client,
                }
                for act, row in written
            ],
        )
    return add_acts(tx, [NewAct(act, rows={"practical_exemption": [row]}) for act, row in written])


def in_force(tx: Tx, classes: Sequence[int]) -> dict[int, frozenset[tuple[int, int, int]]]:
    """Class id → (subject id, semester, student id) of the exemptions in force."""
    cells_of: dict[int, set[tuple[int, int, int]]] = {}
    for row in rows(
        tx,
        _ExemptionState,
        "SELECT DISTINCT ON (class_id, subject_id, semester, student_id)"
        " class_id, subject_id, semester, student_id, withdrawn"
        " FROM practical_exemption, unnest(semesters) AS semester WHERE class_id = ANY(%s)"
        " ORDER BY class_id, subject_id, semester, student_id, id DESC",
        (list(classes),),
    ):
        if not row.withdrawn:
            cells_of.setdefault(row.class_id, set()).add((row.subject_id, row.semester, row.student_id))
    return {class_id: frozenset(cells) for class_id, cells in cells_of.items()}


def of_class(tx: Tx, class_id: int) -> list[DecisionRow]:
    """Every decision about the students of a class, oldest first."""
    return rows(
        tx,
        DecisionRow,
        "SELECT s.moet_student_id AS student, j.code AS subject, x.semesters, x.decision, x.withdrawn, x.person,"
        " x.client, x.recorded_time AS time FROM practical_exemption x JOIN student s ON s.id = x.student_id"
        " JOIN subject j ON j.id = x.subject_id WHERE x.class_id = %s ORDER BY x.id",
        (class_id,),
    ).fetchall()


def of_student_for_class(tx: Tx, student_id: int, from_class_id: int, to_class_id: int) -> list[Exemption]:
    """A student's decisions in one class, oldest first, for the subjects with the same code of
    another class.
    """
    return rows(
        tx,
        Exemption,
        "SELECT d.id AS subject_id, x.student_id, x.semesters, x.withdrawn, x.decision FROM practical_exemption x"
        " JOIN subject s ON s.id = x.subject_id JOIN school_class c ON c.id = %s"
        " JOIN subject d ON d.school_year_id = c.school_year_id AND d.grade_level = s.grade_level AND d.code = s.code"
        " AND d.active WHERE x.class_id = %s AND x.student_id = %s ORDER BY x.id",
        (to_class_id, from_class_id, student_id),
    ).fetchall()
