"""Digests in audit rows that bind the rows of an act into the chain, recomputed as release 0.1 made
them.

The chain itself is verified by `services.common.audit`. This is one step further: that the rows of
an act in remark, achievement, entry and attendance are those that were written with it.

Release 0.1 made these digests of Python's `repr` and of PostgreSQL's text of arrays. Audit rows of
that version stay in the chains, so nothing here may change; what a later version writes belongs
into another file.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row, dict_row, scalar_row

from services.common.db import Tx

_CARRIED = [11, 12, 13]
"""Kinds of entries that brought marks, conduct and absences along from another class."""
_ATTENDANCE = 6


class Bound(NamedTuple):
    """An audit row with a digest of rows elsewhere; sha256: hex."""

    chain: str
    sequence: int
    action: str
    subject: str
    facts: dict[str, str]
    sha256: str


def bound_rows(tx: Tx, last: dict[str, int] | None = None) -> list[Bound]:
    """Every audit row of gradebook that binds rows of an act, in the order of its chain.

    last: chain → sequence of the last row that release 0.1 wrote, for a database in which later
    ones have been written.
    """
    with tx.cursor(row_factory=class_row(Bound)) as cursor:
        cursor.execute(
            "SELECT chain, sequence, action, subject, facts, coalesce(facts->>'remarks_sha256',"
            " facts->>'achievements_sha256', facts->>'cells_sha256') AS sha256 FROM audit_entry"
            " WHERE facts ?| '{remarks_sha256,achievements_sha256,cells_sha256}' ORDER BY chain, sequence"
        )
        return [row for row in cursor if last is None or row.sequence <= last.get(row.chain, 0)]


def recomputed(tx: Tx, row: Bound) -> str:
    """The digest that the act's rows have, in hex."""
    if row.action == "STUDENT_MOVED":
        return _carried(tx, int(row.facts["movement"]))
    # An approved correction is an entry under its own id.
    request = UUID(row.facts["request"] if "request" in row.facts else row.subject.removeprefix("corrections/"))
    if row.action == "REMARKS_ENTERED":
        return _texts(tx, "SELECT student_id, version, remark FROM remark WHERE request_id = %s ORDER BY ctid", request)
    if row.action == "ACHIEVEMENTS_ENTERED":
        query = "SELECT student_id, version, achieved FROM achievement WHERE request_id = %s ORDER BY ctid"
        return _texts(tx, query, request)
    return _entry(tx, request, is_attendance=row.action == "ATTENDANCE_ENTERED")


def _texts(tx: Tx, query: str, request: UUID) -> str:
    """Of `repr([(student id, version, text), …])` in the order of the request.

    That order is kept nowhere but in the order in which the rows were inserted, which an
    append-only table keeps.
    """
    rows = tx.execute(query.encode(), (request,)).fetchall()
    return _sha256(repr([tuple(row) for row in rows]))


def _entry(tx: Tx, request: UUID, *, is_attendance: bool) -> str:
    """Of an act in `entry`: its four arrays, or the lines of attendance that it wrote."""
    with tx.cursor(row_factory=dict_row) as cursor:
        lines = cursor.execute(
            "SELECT student_id, to_char(month, 'YYYY-MM') AS month, version, excused, unexcused FROM attendance"
            " WHERE request_id = %s ORDER BY student_id",
            (request,),
        ).fetchall()
    if lines or is_attendance:
        return _sha256(
            "\n".join(
                "{student_id}|{month}|{version}|".format(**line)
                + f"{tuple(line['excused'])}|{tuple(line['unexcused'])}"
                for line in lines
            )
        )
    with tx.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            "SELECT concat_ws('|', students, columns, versions, vals) FROM entry WHERE request_id = %s", (request,)
        )
        (text,) = cursor.fetchall()
    return _sha256(text)


def _carried(tx: Tx, movement: int) -> str:
    """Of what came along with a student: over the hex digests of its acts, one after another."""
    with tx.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            "SELECT e.request_id FROM entry e JOIN student_movement m ON m.to_class_id = e.class_id"
            " WHERE m.id = %(movement)s AND (e.kind = ANY(%(carried)s) OR e.kind = %(attendance)s AND e.reason <> '')"
            " AND e.students <@ ARRAY[m.student_id] ORDER BY e.id",
            {"movement": movement, "carried": _CARRIED, "attendance": _ATTENDANCE},
        )
        acts: Iterable[UUID] = cursor.fetchall()
    return _sha256("".join(_entry(tx, act, is_attendance=False) for act in acts))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
