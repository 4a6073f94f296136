"""The principal's monthly remarks on the use of a class's book: versions, of which the highest of a
month stands.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.model.results import NamedPerson, PrincipalRemark


class RemarkRow(NamedTuple):
    """One version of a month's remark. month: such as "2025-10"."""

    month: str
    version: int
    remark: str
    person: str
    client: str
    time: datetime


class NewestRemark(NamedTuple):
    """The remark of a month that stands."""

    version: int
    remark: str


class _ClassRemark(NamedTuple):
    class_id: int
    month: str
    remark: str
    person: str
    name: str
    time: datetime


def of_class(tx: Tx, class_id: int) -> list[RemarkRow]:
    """Every version, by month and version."""
    return rows(
        tx,
        RemarkRow,
        "SELECT to_char(r.month, 'YYYY-MM') AS month, r.version, r.remark, r.person, r.client,"
        " r.recorded_time AS time FROM principal_remark r WHERE r.class_id = %s ORDER BY r.month, r.version",
        (class_id,),
    ).fetchall()


def of_classes(tx: Tx, classes: Sequence[int]) -> dict[int, dict[str, PrincipalRemark]]:
    """Class id → month, in order → the remark that stands."""
    remarks: dict[int, dict[str, PrincipalRemark]] = {}
    for row in rows(
        tx,
        _ClassRemark,
        "SELECT DISTINCT ON (r.class_id, r.month) r.class_id, to_char(r.month, 'YYYY-MM') AS month, r.remark, r.person,"
        " t.name, r.recorded_time AS time FROM principal_remark r JOIN school_class c ON c.id = r.class_id"
        " JOIN school_year y ON y.id = c.school_year_id"
        " JOIN staff t ON t.school_id = y.school_id AND t.person = r.person"
        " WHERE r.class_id = ANY(%s) ORDER BY r.class_id, r.month, r.version DESC",
        (list(classes),),
    ):
        remark = PrincipalRemark(row.remark, NamedPerson(row.person, row.name), row.time)
        remarks.setdefault(row.class_id, {})[row.month] = remark
    return remarks


def newest(tx: Tx, class_id: int, month: str) -> NewestRemark | None:
    """A month's remark that stands; None before the first."""
    return rows(
        tx,
        NewestRemark,
        "SELECT version, remark FROM principal_remark WHERE class_id = %s AND month = %s ORDER BY version DESC LIMIT 1",
        (class_id, f"{month}-01"),
    ).fetchone()


def add(tx: Tx, class_id: int, month: str, version: int, *, remark: str, person: str, client: str) -> None:
    """Write the next version of a month's remark."""
    tx.execute(
        "INSERT INTO principal_remark (class_id, month, version, remark, person, client)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (class_id, f"{month}-01", version, remark, person, client),
    )
