"""Approved corrections, as the content of books lists them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.entry.store.corrections import MONTH, changes, step_join
from services.gradebook.model.correction_rules import ApprovedCorrection, CorrectionKind, CorrectionState
from services.gradebook.model.domain import Stage


class _ApprovedRow(NamedTuple):
    class_id: int
    kind: int
    subject: str | None
    semester: int | None
    column_no: int
    month: str
    student_id: int
    places: list[int]
    old_values: list[int | None]
    new_values: list[int | None]
    reason: str
    requested_by: str
    requested_name: str
    confirmed_by: str
    confirmed_name: str
    approved_by: str
    approved_name: str
    time: datetime


def approved(tx: Tx, classes: Sequence[int], stage: Stage) -> dict[int, list[ApprovedCorrection]]:
    """Class id → approved corrections of what its book of the stage holds, by time of approval."""
    listed: dict[int, list[ApprovedCorrection]] = {class_id: [] for class_id in classes}
    for row in rows(
        tx,
        _ApprovedRow,
        f"SELECT k.class_id, k.kind, u.code AS subject, k.semester, k.column_no, {MONTH} AS month, k.student_id,"  # noqa: S608
        " k.places, k.old_values, k.new_values, k.reason, a.person AS requested_by, ta.name AS requested_name,"
        " f.person AS confirmed_by, tf.name AS confirmed_name, d.person AS approved_by, td.name AS approved_name,"
        " d.recorded_time AS time"
        " FROM correction k JOIN school_class c ON c.id = k.class_id JOIN school_year y ON y.id = c.school_year_id"
        " LEFT JOIN subject u ON u.id = k.subject_id"
        f"{step_join('a', (CorrectionState.REQUESTED,), 'JOIN')}"
        f"{step_join('f', (CorrectionState.CONFIRMED,), 'JOIN')}"
        f"{step_join('d', (CorrectionState.APPROVED,), 'JOIN')}"
        " JOIN staff ta ON ta.school_id = y.school_id AND ta.person = a.person"
        " JOIN staff tf ON tf.school_id = y.school_id AND tf.person = f.person"
        " JOIN staff td ON td.school_id = y.school_id AND td.person = d.person"
        f" WHERE k.state = {CorrectionState.APPROVED:d} AND k.class_id = ANY(%s) AND k.first_stage <= %s"
        " ORDER BY d.recorded_time, k.number",
        (list(classes), stage),
    ):
        listed[row.class_id].append(_approved(row))
    return listed


def _approved(row: _ApprovedRow) -> ApprovedCorrection:
    return ApprovedCorrection(
        kind=CorrectionKind(row.kind),
        subject=row.subject,
        semester=row.semester,
        column=row.column_no,
        month=row.month,
        student_id=row.student_id,
        changes=changes(row.places, row.old_values, row.new_values),
        reason=row.reason,
        requested_by=(row.requested_by, row.requested_name),
        confirmed_by=(row.confirmed_by, row.confirmed_name),
        approved_by=(row.approved_by, row.approved_name),
        time=row.time,
    )
