"""Corrections and the steps of their life."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.gradebook.entry.store.windows import SnapshotRow
from services.gradebook.model.correction_rules import ApprovedCorrection, Change, Datum, Kind, Progress, State
from services.gradebook.model.domain import Stage


class StepRow(NamedTuple):
    """Who brought a correction into a state."""

    person: str
    client: str
    time: datetime
    note: str


class CorrectionRow(NamedTuple):
    """A correction with what names it.

    subject_id, subject: None and empty for all but marks. student: moet_student_id. old_version: of the datum when the
    correction was requested; 0 when nothing was ever entered.
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
        return Progress(State(self.state), self.requested.person, confirmer)

    @property
    def resource(self) -> str:
        """The correction as audit rows name it."""
        return f"corrections/{self.id}"


class NewCorrection(NamedTuple):
    """A correction to be written, in its first state."""

    id: UUID
    request_id: UUID
    request_sha256: bytes
    datum: Datum
    first_stage: Stage
    old_version: int
    changes: tuple[Change, ...]
    reason: str
    evidence: str
    evidence_sha256: bytes | None


_MONTH = "coalesce(to_char(k.month, 'YYYY-MM'), '')"
_DATUM = f"k.kind, k.class_id, k.student_id, k.subject_id, k.semester, k.column_no, {_MONTH}"
_CHANGES = "k.places, k.old_values, k.new_values"
_CORRECTION = (
    "SELECT k.id, k.number, k.request_sha256, s.code, y.name, c.name, coalesce(u.code, ''), p.moet_student_id,"  # noqa: S608
    f" {_DATUM}, k.old_version, {_CHANGES}, k.reason, k.evidence,"
    " k.evidence_sha256, k.state, k.voided_books, a.person, a.client, a.recorded_time, a.note,"
    " f.person, f.client, f.recorded_time, f.note, d.person, d.client, d.recorded_time, d.note,"
    " w.person, w.client, w.recorded_time, w.note,"
    " n.id, c.name, n.content_sha256, n.previous_sha256, coalesce(r.record, ''), n.sequence"
    " FROM correction k JOIN school_class c ON c.id = k.class_id JOIN school_year y ON y.id = c.school_year_id"
    " JOIN school s ON s.id = y.school_id JOIN student p ON p.id = k.student_id"
    " LEFT JOIN subject u ON u.id = k.subject_id"
    " LEFT JOIN correction_step a ON a.correction_id = k.id AND a.state = 1"
    " LEFT JOIN correction_step f ON f.correction_id = k.id AND f.state = 2"
    " LEFT JOIN correction_step d ON d.correction_id = k.id AND d.state IN (3, 4)"
    " LEFT JOIN correction_step w ON w.correction_id = k.id AND w.state = 5"
    " LEFT JOIN snapshot n ON n.correction_id = k.id LEFT JOIN snapshot_record r ON r.snapshot_id = n.id"
)
# Class by class, else the planner walks the corrections of the whole city by number.
_PAGE = (
    "SELECT n.id FROM school_class l CROSS JOIN LATERAL (SELECT id, number FROM correction WHERE class_id = l.id"
    " AND number > %(after)s AND (%(state)s::smallint IS NULL OR state = %(state)s) ORDER BY number LIMIT %(limit)s) n"
    " WHERE l.school_year_id = %(year)s AND (%(class)s::integer IS NULL OR l.id = %(class)s)"
    " ORDER BY n.number LIMIT %(limit)s"
)
_NAMES, _FIELDS = 8, 7  # columns before the datum, and of it
_PLAIN = 24  # columns before the steps


def correction(tx: Tx, correction_id: UUID, *, lock: bool = False) -> CorrectionRow | None:
    """One correction; `lock` holds it until commit, so that states are left one after the other."""
    tail = " FOR UPDATE OF k" if lock else ""
    row = tx.execute(f"{_CORRECTION} WHERE k.id = %s{tail}", (correction_id,)).fetchone()
    return None if row is None else _row(row)


def by_request(tx: Tx, request_id: UUID) -> CorrectionRow | None:
    """The correction that this request made."""
    row = tx.execute(f"{_CORRECTION} WHERE k.request_id = %s", (request_id,)).fetchone()
    return None if row is None else _row(row)


# Class by class, else the planner walks the corrections of the whole city by number.
_LIST = f"""
{_CORRECTION} WHERE k.id = ANY(ARRAY(
    SELECT n.id FROM school_class l CROSS JOIN LATERAL (
        SELECT id, number FROM correction WHERE class_id = l.id AND number > %(after)s
        AND (%(state)s::smallint IS NULL OR state = %(state)s) ORDER BY number LIMIT %(limit)s
    ) n WHERE l.school_year_id = %(year)s AND (%(class)s::integer IS NULL OR l.id = %(class)s)
    ORDER BY n.number LIMIT %(limit)s
)) ORDER BY k.number
"""  # noqa: S608 - a constant


def list_corrections(
    tx: Tx, year_id: int, class_id: int | None, state: int | None, after: int, limit: int
) -> list[CorrectionRow]:
    """A page of the corrections of a year, oldest first; class_id and state None: of any."""
    rows = tx.execute(
        f"{_CORRECTION} WHERE k.id = ANY(ARRAY({_PAGE})) ORDER BY k.number",
        {"year": year_id, "class": class_id, "state": state, "after": after, "limit": limit},
    )
    return [_row(row) for row in rows]


def open_ids(tx: Tx, classes: Sequence[int], stage: Stage, subject: str, student: str) -> list[UUID]:
    """The open corrections of what books of the stage hold, oldest first.

    subject: code; student: moet_student_id; empty for any.
    """
    rows = tx.execute(
        "SELECT k.id FROM correction k LEFT JOIN subject u ON u.id = k.subject_id JOIN student p ON p.id = k.student_id"
        " WHERE k.state IN (1, 2) AND k.class_id = ANY(%s) AND k.first_stage <= %s"
        " AND %s IN ('', u.code) AND %s IN ('', p.moet_student_id) ORDER BY k.number",
        (list(classes), stage, subject, student),
    )
    return [row[0] for row in rows]


def open_of_students(tx: Tx, class_id: int, stage: Stage, students: Sequence[str]) -> dict[str, list[UUID]]:
    """moet_student_id → the open corrections of a class that transcripts of the stage hold, oldest first."""
    found: dict[str, list[UUID]] = {}
    for student, correction_id in tx.execute(
        "SELECT p.moet_student_id, k.id FROM correction k JOIN student p ON p.id = k.student_id"
        " WHERE k.state IN (1, 2) AND k.class_id = %s AND k.first_stage <= %s AND p.moet_student_id = ANY(%s)"
        " ORDER BY k.number",
        (class_id, stage, list(students)),
    ):
        found.setdefault(student, []).append(correction_id)
    return found


def open_at(tx: Tx, datum: Datum) -> UUID | None:
    """The open correction of a datum."""
    row = tx.execute(
        "SELECT id FROM correction WHERE state IN (1, 2) AND class_id = %(class_id)s AND student_id = %(student_id)s"
        " AND kind = %(kind)s AND coalesce(semester, 0) = %(semester)s AND coalesce(subject_id, 0) = %(subject)s"
        " AND column_no = %(column)s AND month IS NOT DISTINCT FROM %(month)s::date",
        {
            **datum._asdict(),
            "semester": datum.semester or 0,
            "subject": datum.subject_id or 0,
            "month": _first_day(datum.month),
        },
    ).fetchone()
    return None if row is None else row[0]


def approved(tx: Tx, classes: Sequence[int], stage: Stage) -> dict[int, list[ApprovedCorrection]]:
    """Class id → the approved corrections of what its book of the stage holds, by time of approval."""
    listed: dict[int, list[ApprovedCorrection]] = {class_id: [] for class_id in classes}
    for class_id, *row in tx.execute(
        f"SELECT k.class_id, k.kind, u.code, k.semester, k.column_no, {_MONTH}, k.student_id, {_CHANGES}, k.reason,"  # noqa: S608
        " a.person, ta.name, f.person, tf.name, d.person, td.name, d.recorded_time"
        " FROM correction k JOIN school_class c ON c.id = k.class_id JOIN school_year y ON y.id = c.school_year_id"
        " LEFT JOIN subject u ON u.id = k.subject_id"
        " JOIN correction_step a ON a.correction_id = k.id AND a.state = 1"
        " JOIN correction_step f ON f.correction_id = k.id AND f.state = 2"
        " JOIN correction_step d ON d.correction_id = k.id AND d.state = 3"
        " JOIN staff ta ON ta.school_id = y.school_id AND ta.person = a.person"
        " JOIN staff tf ON tf.school_id = y.school_id AND tf.person = f.person"
        " JOIN staff td ON td.school_id = y.school_id AND td.person = d.person"
        " WHERE k.state = 3 AND k.class_id = ANY(%s) AND k.first_stage <= %s ORDER BY d.recorded_time, k.number",
        (list(classes), stage),
    ):
        listed[class_id].append(_approved(row))
    return listed


def add(tx: Tx, new: NewCorrection, person: str, client: str) -> None:
    """Write a request."""
    datum = new.datum
    row = {
        "id": new.id,
        "request_id": new.request_id,
        "request_sha256": new.request_sha256,
        "kind": datum.kind,
        "class_id": datum.class_id,
        "student_id": datum.student_id,
        "subject_id": datum.subject_id,
        "semester": datum.semester,
        "column_no": datum.column,
        "month": _first_day(datum.month),
        "first_stage": new.first_stage,
        "old_version": new.old_version,
        "places": [one.place for one in new.changes],
        "old_values": [one.old for one in new.changes],
        "new_values": [one.new for one in new.changes],
        "reason": new.reason,
        "evidence": new.evidence,
        "evidence_sha256": new.evidence_sha256,
        "state": State.REQUESTED,
    }
    places = ", ".join(f"%({name})s" for name in row)
    tx.execute(f"INSERT INTO correction ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608 - our own names
    add_step(tx, new.id, State.REQUESTED, person, client, "")


def move(
    tx: Tx, correction_id: UUID, state: State, person: str, client: str, note: str, voided: Sequence[UUID] = ()
) -> None:
    """Bring a correction into its next state. voided: the books that this ended."""
    tx.execute(
        "UPDATE correction SET state = %s, voided_books = %s WHERE id = %s", (state, list(voided), correction_id)
    )
    add_step(tx, correction_id, state, person, client, note)


def add_step(tx: Tx, correction_id: UUID, state: State, person: str, client: str, note: str) -> None:
    """Write a step into a correction's history."""
    tx.execute(
        "INSERT INTO correction_step (correction_id, state, person, client, note) VALUES (%s, %s, %s, %s, %s)",
        (correction_id, state, person, client, note),
    )


def _first_day(month: str) -> str | None:
    return f"{month}-01" if month else None


def _approved(row: Sequence[Any]) -> ApprovedCorrection:
    kind, *where, places, old, new, reason, asked, asked_name, confirmed, confirmed_name, by, by_name, time = row
    people = (asked, asked_name), (confirmed, confirmed_name), (by, by_name)
    return ApprovedCorrection._make([Kind(kind), *where, _changes(places, old, new), reason, *people, time])


def _row(row: Sequence[Any]) -> CorrectionRow:
    names, rest = row[:_NAMES], row[_NAMES + _FIELDS : _PLAIN]
    kind, *fields = row[_NAMES : _NAMES + _FIELDS]
    old_version, places, old, new, *plain, voided = rest
    steps = [_step(row[start : start + 4]) for start in range(_PLAIN, _PLAIN + 16, 4)]
    snapshot = row[_PLAIN + 16 :]
    taken = None if snapshot[0] is None else SnapshotRow._make(snapshot)
    datum, changes = Datum(Kind(kind), *fields), _changes(places, old, new)
    return CorrectionRow._make([*names, datum, old_version, changes, *plain, tuple(voided), *steps, taken])


def _changes(places: Sequence[int], old: Sequence[int | None], new: Sequence[int | None]) -> tuple[Change, ...]:
    return tuple(map(Change, places, old, new))


def _step(columns: Sequence[Any]) -> StepRow | None:
    return None if columns[0] is None else StepRow._make(columns)
