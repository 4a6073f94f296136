"""Corrections and the steps of their life."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.entry.store.acts import add_act
from services.gradebook.entry.store.windows import SnapshotRow
from services.gradebook.model.acts import EntryAct
from services.gradebook.model.correction_rules import (
    Change,
    CorrectionKind,
    CorrectionState,
    Datum,
    Progress,
)
from services.gradebook.model.domain import Stage


class StepRow(NamedTuple):
    """Who brought a correction into a state."""

    person: str
    client: str
    time: datetime
    note: str


class CorrectionRow(NamedTuple):
    """A correction with what names it.

    subject_id, subject: None and empty for all but marks. student: moet_student_id. old_version: of
    the datum when the correction was requested; 0 when nothing was ever entered.
    """

    id: UUID
    number: int
    request_sha256: bytes
    school: str
    school_year: str
    class_name: str
    subject: str
    student: str
    datum: Datum
    old_version: int
    changes: tuple[Change, ...]
    reason: str
    evidence: str
    evidence_sha256: bytes | None
    state: int
    voided_books: tuple[UUID, ...]
    requested: StepRow
    confirmed: StepRow | None
    decided: StepRow | None
    withdrawn: StepRow | None
    snapshot: SnapshotRow | None

    @property
    def progress(self) -> Progress:
        """What the rules look at."""
        confirmer = None if self.confirmed is None else self.confirmed.person
        return Progress(CorrectionState(self.state), self.requested.person, confirmer)

    @property
    def resource(self) -> str:
        """The correction as audit rows name it."""
        return f"corrections/{self.id}"


class _Columns(NamedTuple):
    """What `_CORRECTION` reads. The columns of a step that was not made, and of a snapshot that was
    not taken, are all NULL.
    """

    id: UUID
    number: int
    request_sha256: bytes
    school: str
    school_year: str
    class_name: str
    subject: str
    student: str
    kind: int
    class_id: int
    student_id: int
    subject_id: int | None
    semester: int | None
    column_no: int
    month: str
    old_version: int
    places: list[int]
    old_values: list[int | None]
    new_values: list[int | None]
    reason: str
    evidence: str
    evidence_sha256: bytes | None
    state: int
    voided_books: list[UUID]
    requested_person: str
    requested_client: str
    requested_time: datetime
    requested_note: str
    confirmed_person: str | None
    confirmed_client: str
    confirmed_time: datetime
    confirmed_note: str
    decided_person: str | None
    decided_client: str
    decided_time: datetime
    decided_note: str
    withdrawn_person: str | None
    withdrawn_client: str
    withdrawn_time: datetime
    withdrawn_note: str
    snapshot_id: UUID | None
    content_sha256: bytes
    previous_sha256: bytes | None
    archive_record: str
    sequence: int


class _OpenRow(NamedTuple):
    student: str
    id: UUID


class NewCorrection(NamedTuple):
    """A correction to be written, in its first state."""

    id: UUID
    datum: Datum
    first_stage: Stage
    old_version: int
    changes: tuple[Change, ...]
    evidence: str
    evidence_sha256: bytes | None


MONTH = "coalesce(to_char(k.month, 'YYYY-MM'), '')"
"""The month of a correction `k`, such as "2025-10"; empty for none."""
_STEPS = {
    "requested": ("a", (CorrectionState.REQUESTED,)),
    "confirmed": ("f", (CorrectionState.CONFIRMED,)),
    "decided": ("d", (CorrectionState.APPROVED, CorrectionState.REJECTED)),
    "withdrawn": ("w", (CorrectionState.WITHDRAWN,)),
}
"""Field of CorrectionRow → alias of the step, and the states of which it may be."""
_OPEN = f"k.state IN ({CorrectionState.REQUESTED:d}, {CorrectionState.CONFIRMED:d})"
"""Whether a correction `k` waits for a decision; the condition of the index `correction_open`."""


def _step_columns(field: str, alias: str) -> str:
    columns = {"person": "person", "client": "client", "recorded_time": "time", "note": "note"}
    return ", ".join(f"{alias}.{column} AS {field}_{name}" for column, name in columns.items())


def step_join(alias: str, states: tuple[CorrectionState, ...], kind: str = "LEFT JOIN") -> str:
    """Joins the step of a correction `k` that brought it into one of the states."""
    listed = ", ".join(f"{state:d}" for state in states)
    return f" {kind} correction_step {alias} ON {alias}.correction_id = k.id AND {alias}.state IN ({listed})"


_CORRECTION = (
    "SELECT k.id, k.number, k.request_sha256, s.code AS school, y.name AS school_year, c.name AS class_name,"  # noqa: S608
    f" coalesce(u.code, '') AS subject, p.moet_student_id AS student, k.kind, k.class_id, k.student_id, k.subject_id,"
    f" k.semester, k.column_no, {MONTH} AS month, k.old_version, k.places, k.old_values, k.new_values, k.reason,"
    " k.evidence, k.evidence_sha256, k.state, k.voided_books,"
    f" {', '.join(_step_columns(field, alias) for field, (alias, _) in _STEPS.items())},"
    " n.id AS snapshot_id, n.content_sha256, n.previous_sha256, coalesce(r.record, '') AS archive_record, n.sequence"
    " FROM correction k JOIN school_class c ON c.id = k.class_id JOIN school_year y ON y.id = c.school_year_id"
    " JOIN school s ON s.id = y.school_id JOIN student p ON p.id = k.student_id"
    " LEFT JOIN subject u ON u.id = k.subject_id"
    f"{''.join(step_join(alias, states) for alias, states in _STEPS.values())}"
    " LEFT JOIN snapshot n ON n.correction_id = k.id LEFT JOIN snapshot_record r ON r.snapshot_id = n.id"
)


def find_correction(tx: Tx, correction_id: UUID, *, lock: bool = False) -> CorrectionRow | None:
    """A correction; `lock` holds it until commit, so that states are left one after the other."""
    tail = " FOR UPDATE OF k" if lock else ""
    row = rows(tx, _Columns, f"{_CORRECTION} WHERE k.id = %s{tail}", (correction_id,)).fetchone()
    return None if row is None else _row(row)


def correction(tx: Tx, correction_id: UUID) -> CorrectionRow:
    """A correction that exists."""
    return _row(one_row(rows(tx, _Columns, f"{_CORRECTION} WHERE k.id = %s", (correction_id,))))


def by_request(tx: Tx, request_id: UUID) -> CorrectionRow:
    """The correction that this request made, which exists."""
    return _row(one_row(rows(tx, _Columns, f"{_CORRECTION} WHERE k.request_id = %s", (request_id,))))


# Class by class, else the planner walks the corrections of the whole city by number.
_PAGE = (
    "SELECT n.id FROM school_class l CROSS JOIN LATERAL (SELECT id, number FROM correction WHERE class_id = l.id"
    " AND number > %(after)s AND (%(state)s::smallint IS NULL OR state = %(state)s) ORDER BY number LIMIT %(limit)s) n"
    " WHERE l.school_year_id = %(year)s AND (%(class)s::integer IS NULL OR l.id = %(class)s)"
    " ORDER BY n.number LIMIT %(limit)s"
)


def list_corrections(
    tx: Tx, year_id: int, *, class_id: int | None, state: int | None, after: int, limit: int
) -> list[CorrectionRow]:
    """A page of the corrections of a year, oldest first; class_id and state None: of any."""
    page = rows(
        tx,
        _Columns,
        f"{_CORRECTION} WHERE k.id = ANY(ARRAY({_PAGE})) ORDER BY k.number",
        {"year": year_id, "class": class_id, "state": state, "after": after, "limit": limit},
    )
    return [_row(row) for row in page]


def open_ids(tx: Tx, classes: Sequence[int], stage: Stage, subject: str, student: str) -> list[UUID]:
    """The open corrections of what books of the stage hold, oldest first.

    subject: code; student: moet_student_id; empty for any.
    """
    return scalars(
        tx,
        UUID,
        "SELECT k.id FROM correction k LEFT JOIN subject u ON u.id = k.subject_id JOIN student p ON p.id = k.student_id"  # noqa: S608
        f" WHERE {_OPEN} AND k.class_id = ANY(%s) AND k.first_stage <= %s"
        " AND %s IN ('', u.code) AND %s IN ('', p.moet_student_id) ORDER BY k.number",
        (list(classes), stage, subject, student),
    ).fetchall()


def open_of_students(tx: Tx, class_id: int, stage: Stage, students: Sequence[str]) -> dict[str, list[UUID]]:
    """moet_student_id → the open corrections of a class that transcripts of the stage hold, oldest
    first.
    """
    listed: dict[str, list[UUID]] = {}
    for row in rows(
        tx,
        _OpenRow,
        "SELECT p.moet_student_id AS student, k.id FROM correction k JOIN student p ON p.id = k.student_id"  # noqa: S608
        f" WHERE {_OPEN} AND k.class_id = %s AND k.first_stage <= %s AND p.moet_student_id = ANY(%s)"
        " ORDER BY k.number",
        (class_id, stage, list(students)),
    ):
        listed.setdefault(row.student, []).append(row.id)
    return listed


def open_at(tx: Tx, datum: Datum) -> UUID | None:
    """The open correction of a datum."""
    return scalars(
        tx,
        UUID,
        f"SELECT k.id FROM correction k WHERE {_OPEN} AND k.class_id = %(class_id)s"  # noqa: S608 - a constant
        " AND k.student_id = %(student_id)s AND k.kind = %(kind)s AND coalesce(k.semester, 0) = %(semester)s"
        " AND coalesce(k.subject_id, 0) = %(subject)s AND k.column_no = %(column)s"
        " AND k.month IS NOT DISTINCT FROM %(month)s::date",
        {
            **datum._asdict(),
            "semester": datum.semester or 0,
            "subject": datum.subject_id or 0,
            "month": _first_day(datum.month),
        },
    ).fetchone()


def add(tx: Tx, act: EntryAct, new: NewCorrection) -> str:
    """Write a request with its act, and return the act's digest."""
    datum = new.datum
    row: dict[str, Any] = {
        "id": new.id,
        "kind": datum.kind,
        "class_id": datum.class_id,
        "student_id": datum.student_id,
        "subject_id": datum.subject_id,
        "semester": datum.semester,
        "column_no": datum.column,
        "month": _first_day(datum.month),
        "first_stage": new.first_stage,
        "old_version": new.old_version,
        "places": [change.place for change in new.changes],
        "old_values": [change.old for change in new.changes],
        "new_values": [change.new for change in new.changes],
        "reason": act.reason,
        "evidence": new.evidence,
        "evidence_sha256": new.evidence_sha256,
    }
    columns = {
        **row,
        "request_id": act.request_id,
        "request_sha256": act.request_sha256,
        "state": CorrectionState.REQUESTED,
    }
    places = ", ".join(f"%({name})s" for name in columns)
    tx.execute(f"INSERT INTO correction ({', '.join(columns)}) VALUES ({places})", columns)  # noqa: S608 - our own names
    _add_step(tx, new.id, CorrectionState.REQUESTED, act.person, client=act.client, note="")
    evidence_sha256 = new.evidence_sha256 and new.evidence_sha256.hex()
    written = row | {"id": str(new.id), "kind": int(datum.kind), "first_stage": int(new.first_stage)}
    return add_act(tx, act, rows={"correction": [written | {"evidence_sha256": evidence_sha256}]})


def move(
    tx: Tx,
    correction_id: UUID,
    state: CorrectionState,
    person: str,
    *,
    client: str,
    note: str,
    voided: Sequence[UUID] = (),
) -> None:
    """Bring a correction into its next state. voided: the books that this ended."""
    tx.execute(
        "UPDATE correction SET state = %s, voided_books = %s WHERE id = %s", (state, list(voided), correction_id)
    )
    _add_step(tx, correction_id, state, person, client=client, note=note)


def _add_step(tx: Tx, correction_id: UUID, state: CorrectionState, person: str, *, client: str, note: str) -> None:
    tx.execute(
        "INSERT INTO correction_step (correction_id, state, person, client, note) VALUES (%s, %s, %s, %s, %s)",
        (correction_id, state, person, client, note),
    )


def _first_day(month: str) -> str | None:
    return f"{month}-01" if month else None


def _row(read: _Columns) -> CorrectionRow:
    return CorrectionRow(
        id=read.id,
        number=read.number,
        request_sha256=read.request_sha256,
        school=read.school,
        school_year=read.school_year,
        class_name=read.class_name,
        subject=read.subject,
        student=read.student,
        datum=Datum(
            CorrectionKind(read.kind),
            read.class_id,
            read.student_id,
            read.subject_id,
            read.semester,
            read.column_no,
            read.month,
        ),
        old_version=read.old_version,
        changes=changes(read.places, read.old_values, read.new_values),
        reason=read.reason,
        evidence=read.evidence,
        evidence_sha256=read.evidence_sha256,
        state=read.state,
        voided_books=tuple(read.voided_books),
        requested=StepRow(read.requested_person, read.requested_client, read.requested_time, read.requested_note),
        confirmed=_step(read.confirmed_person, read.confirmed_client, read.confirmed_time, read.confirmed_note),
        decided=_step(read.decided_person, read.decided_client, read.decided_time, read.decided_note),
        withdrawn=_step(read.withdrawn_person, read.withdrawn_client, read.withdrawn_time, read.withdrawn_note),
        snapshot=_snapshot(read),
    )


def _snapshot(read: _Columns) -> SnapshotRow | None:
    if read.snapshot_id is None:
        return None
    return SnapshotRow(
        id=read.snapshot_id,
        class_name=read.class_name,
        content_sha256=read.content_sha256,
        previous_sha256=read.previous_sha256,
        archive_record=read.archive_record,
        sequence=read.sequence,
    )


def _step(person: str | None, client: str, time: datetime, note: str) -> StepRow | None:
    """A step; without a person it was not made, and the rest is missing too."""
    return None if person is None else StepRow(person, client, time, note)


def changes(places: Sequence[int], old: Sequence[int | None], new: Sequence[int | None]) -> tuple[Change, ...]:
    """Changes from the columns that hold their parts."""
    return tuple(map(Change, places, old, new))
