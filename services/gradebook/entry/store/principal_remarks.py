"""The principal's monthly remarks on the use of a class's book: versions, of which the highest of a month stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.gradebook.model.results import NamedPerson, PrincipalRemark


class RemarkRow(NamedTuple):
    """One version of a month's remark. month: such as "2025-10"."""

    month: str
    version: int
    remark: str
    person: str
    client: str
    time: datetime


def of_class(tx: Tx, class_id: int) -> list[RemarkRow]:
    """Every version, by month and version."""
    rows = tx.execute(
        "SELECT to_char(month, 'YYYY-MM'), version, remark, person, client, recorded_time FROM principal_remark"
        " WHERE class_id = %s ORDER BY month, version",
        (class_id,),
    )
    return [RemarkRow(*row) for row in rows]


def standing(tx: Tx, classes: Sequence[int]) -> dict[int, dict[str, PrincipalRemark]]:
    """Class id → month, in order → remark."""
    found: dict[int, dict[str, PrincipalRemark]] = {}
    for class_id, month, remark, person, name, time in tx.execute(
        "SELECT DISTINCT ON (r.class_id, r.month) r.class_id, to_char(r.month, 'YYYY-MM'), r.remark, r.person, t.name,"
        " r.recorded_time FROM principal_remark r JOIN school_class c ON c.id = r.class_id"
        " JOIN school_year y ON y.id = c.school_year_id"
        " JOIN staff t ON t.school_id = y.school_id AND t.person = r.person"
        " WHERE r.class_id = ANY(%s) ORDER BY r.class_id, r.month, r.version DESC",
        (list(classes),),
    ):
        found.setdefault(class_id, {})[month] = PrincipalRemark(remark, NamedPerson(person, name), time)
    return found


def newest(tx: Tx, class_id: int, month: str) -> tuple[int, str]:
    """Version and text of a month's remark; 0 and empty before the first."""
    row = tx.execute(
        "SELECT version, remark FROM principal_remark WHERE class_id = %s AND month = %s ORDER BY version DESC LIMIT 1",
        (class_id, f"{month}-01"),
    ).fetchone()
    return (0, "") if row is None else (row[0], row[1])


def add(tx: Tx, class_id: int, month: str, version: int, remark: str, person: str, client: str) -> None:
    """Write the next version of a month's remark."""
    tx.execute(
        "INSERT INTO principal_remark (class_id, month, version, remark, person, client)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (class_id, f"{month}-01", version, remark, person, client),
    )
