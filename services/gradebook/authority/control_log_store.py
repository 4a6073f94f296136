"""The audit rows that make up a school's control log.

They are only read here; `services.common.audit` writes and verifies them.
"""

from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import rows


class LogRow(NamedTuple):
    """An audit row of the log."""

    chain: str
    sequence: int
    time: datetime
    action: str
    subject: str
    person: str
    client: str
    facts: dict[str, str]
    sha256: bytes


_ROW = (
    "SELECT chain, sequence, recorded_time AS time, action, subject, person, client, facts, hash AS sha256"
    " FROM audit_entry"
)
# The school year of a row, from its facts, its subject or its class. A row that names none, such as
# a change of people or most refusals, belongs to the year of its time, from August to July in
# Vietnam.
_YEAR = (
    "coalesce(facts->>'school_year', substring(subject FROM '^schools/[^/]+/years/([0-9]{4}-[0-9]{4})'),"
    " substring(facts->>'school_class' FROM '^schools/[^/]+/years/([0-9]{4}-[0-9]{4})'),"
    " (SELECT y || '-' || y + 1 FROM (SELECT extract(year FROM recorded_time AT TIME ZONE 'Asia/Ho_Chi_Minh'"
    " - interval '7 months')::int AS y) AS t))"
)
_PAGE = (
    f"{_YEAR} = %(year)s"
    " AND (%(time)s::timestamptz IS NULL OR (recorded_time, chain, sequence) > (%(time)s, %(chain)s, %(sequence)s))"
    " ORDER BY recorded_time, chain, sequence LIMIT %(limit)s"
)


def page(tx: Tx, school: str, school_year: str, after: tuple[datetime, str, int] | None, limit: int) -> list[LogRow]:
    """A page of the log, oldest first, after the row with that time, chain and sequence.

    It omits ordinary entry (``…_ENTERED``) and includes the refused attempts of the school.
    """
    time, chain, sequence = after or (None, "", 0)
    return rows(
        tx,
        LogRow,
        f"({_ROW} WHERE chain = %(school_chain)s AND action NOT LIKE '%%\\_ENTERED' AND {_PAGE})"
        f" UNION ALL ({_ROW} WHERE chain = 'access' AND school = %(school)s AND {_PAGE})"
        " ORDER BY time, chain, sequence LIMIT %(limit)s",
        {
            "school": school,
            "school_chain": f"school/{school}",
            "year": school_year,
            "time": time,
            "chain": chain,
            "sequence": sequence,
            "limit": limit,
        },
    ).fetchall()


def row(tx: Tx, school: str, sequence: int) -> LogRow | None:
    """One row of a school's chain."""
    return rows(tx, LogRow, f"{_ROW} WHERE chain = %s AND sequence = %s", (f"school/{school}", sequence)).fetchone()
