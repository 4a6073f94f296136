"""Rounds, dossiers with their steps, lists of permitted schools, and what they make of a school year."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from services.common.db import Tx
from services.gradebook.model.domain import SchoolLevel, SchoolYear, VendorStatus
from services.gradebook.model.dossier_rules import (
    Act,
    Document,
    DossierState,
    Items,
    Round,
    Submission,
    YearStanding,
    document_of,
    items_json,
    items_of,
)


class DossierRow(NamedTuple):
    """One version of a dossier. assigned: {} in a draft."""

    id: int
    school: str
    school_year: str
    level: int
    version: int
    state: DossierState
    items: Items
    software: str
    assigned: Mapping[str, Sequence[int]]
    items_sha256: bytes
    submitted_time: datetime | None
    late: bool
    reason: int
    decision: Document | None


class StepRow(NamedTuple):
    """One step in the life of a dossier. from_state: 0 for the first."""

    from_state: int
    to_state: int
    person: str
    client: str
    time: datetime
    note: str


class MissingRow(NamedTuple):
    """A school that has handed in nothing. state: DRAFT, or 0."""

    school: str
    name: str
    level: int
    state: int


_DOSSIER = (
    "SELECT d.id, s.code, y.name, s.level, d.version, d.state, d.items, d.software, d.assigned, d.items_sha256,"
    " d.submitted_time, d.late, d.reason, d.decision"
    " FROM dossier d JOIN school_year y ON y.id = d.school_year_id JOIN school s ON s.id = y.school_id"
)


def year_standing(tx: Tx, school_id: int, school_year: str) -> YearStanding | None:
    """A school year with what decides about its authority; held until commit."""
    row = tx.execute(
        "SELECT y.name, y.vendor, y.paper_track_required, y.authorisation, y.authorisation_decision,"
        " y.authorised_time, y.vendor_suspended, coalesce((SELECT CASE WHEN d.state = 4 THEN d.software END"
        " FROM dossier d WHERE d.school_year_id = y.id ORDER BY d.version DESC LIMIT 1), '')"
        " FROM school_year y WHERE y.school_id = %s AND y.name = %s FOR NO KEY UPDATE",
        (school_id, school_year),
    ).fetchone()
    return None if row is None else YearStanding(SchoolYear(*row[:6]), row[6], row[7])


def authorise(tx: Tx, year_id: int, vendor: str) -> None:
    """Authorise a school year by its dossier, with the dossier's software."""
    tx.execute(
        "UPDATE school_year SET authorisation = 1, authorisation_decision = '', authorised_time = clock_timestamp(),"
        " vendor = %(vendor)s,"
        " vendor_suspended = EXISTS (SELECT FROM vendor v WHERE v.name = %(vendor)s AND v.status = %(suspended)s)"
        " WHERE id = %(year)s",
        {"vendor": vendor, "suspended": VendorStatus.SUSPENDED, "year": year_id},
    )


def hold_year(tx: Tx, year_id: int) -> None:
    """One act on the dossier of a school year at a time, until commit."""
    tx.execute("SELECT FROM school_year WHERE id = %s FOR NO KEY UPDATE", (year_id,))


def put_round(tx: Tx, one: Round) -> None:
    """Write the round of a school year."""
    tx.execute(
        "INSERT INTO dossier_round (school_year, deadline, direct_schools, offices, note) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (school_year) DO UPDATE SET deadline = excluded.deadline,"
        " direct_schools = excluded.direct_schools, offices = excluded.offices, note = excluded.note",
        (one.school_year, one.deadline, list(one.direct_schools), list(one.offices), one.note),
    )


def find_round(tx: Tx, school_year: str) -> Round | None:
    """The round of a school year."""
    row = tx.execute(
        "SELECT school_year, deadline, direct_schools, offices, note FROM dossier_round WHERE school_year = %s",
        (school_year,),
    ).fetchone()
    return None if row is None else Round(row[0], row[1], tuple(row[2]), tuple(row[3]), row[4])


def find(tx: Tx, year_id: int, version: int = 0) -> DossierRow | None:
    """A version of a school year's dossier; version 0: the newest."""
    row = tx.execute(
        f"{_DOSSIER} WHERE y.id = %(year)s AND (%(version)s = 0 OR d.version = %(version)s)"
        " ORDER BY d.version DESC LIMIT 1",
        {"year": year_id, "version": version},
    ).fetchone()
    return None if row is None else _row(row)


def save(tx: Tx, year_id: int, version: int, items: Items) -> int:
    """Write a draft as a whole; returns its id."""
    row = tx.execute(
        "INSERT INTO dossier (school_year_id, version, state, items) VALUES (%s, %s, 1, %s)"
        " ON CONFLICT (school_year_id, version) DO UPDATE SET items = excluded.items RETURNING id",
        (year_id, version, Jsonb(items_json(items))),
    ).fetchone()
    assert row is not None
    return int(row[0])


def hand_in(
    tx: Tx, dossier_id: int, submission: Submission, sha256: bytes, time: datetime, *, late: bool, reason: int
) -> None:
    """Fix a draft as handed in; late: rejected at once."""
    tx.execute(
        "UPDATE dossier SET state = %(state)s, software = %(software)s, assigned = %(assigned)s,"
        " items_sha256 = %(sha256)s, submitted_time = %(time)s, late = %(late)s, reason = %(reason)s WHERE id = %(id)s",
        {
            "id": dossier_id,
            "state": DossierState.REJECTED if late else DossierState.SUBMITTED,
            "software": submission.software,
            "assigned": Jsonb({person: list(roles) for person, roles in submission.assigned.items()}),
            "sha256": sha256,
            "time": time,
            "late": late,
            "reason": reason,
        },
    )


def set_state(tx: Tx, dossier_id: int, state: int, reason: int = 0, decision: Mapping[str, Any] | None = None) -> None:
    """Write what the Department did."""
    tx.execute(
        "UPDATE dossier SET state = %s, reason = %s, decision = %s WHERE id = %s",
        (state, reason, None if decision is None else Jsonb(decision), dossier_id),
    )


def add_step(
    tx: Tx, dossier_id: int, act: Act, from_state: int, to_state: int, person: str, client: str, note: str
) -> None:
    """Write a step into the dossier's history."""
    tx.execute(
        "INSERT INTO dossier_step (dossier_id, act, from_state, to_state, person, client, note)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (dossier_id, act.value, from_state, to_state, person, client, note),
    )


def steps(tx: Tx, dossier_id: int) -> list[StepRow]:
    """The history of a dossier, oldest first."""
    rows = tx.execute(
        "SELECT from_state, to_state, person, client, recorded_time, note FROM dossier_step WHERE dossier_id = %s"
        " ORDER BY id",
        (dossier_id,),
    )
    return [StepRow(*row) for row in rows]


def approved(tx: Tx, school_id: int, school_year: str) -> Submission | None:
    """What the newest dossier of a school in a year came to, if it is approved."""
    row = tx.execute(
        "SELECT d.state, d.software, d.assigned FROM dossier d JOIN school_year y ON y.id = d.school_year_id"
        " WHERE y.school_id = %s AND y.name = %s ORDER BY d.version DESC LIMIT 1",
        (school_id, school_year),
    ).fetchone()
    return Submission(row[1], row[2]) if row is not None and row[0] == DossierState.APPROVED else None


def window_names(tx: Tx, year_id: int) -> set[str]:
    """The names of the planned windows of a school year."""
    return {row[0] for row in tx.execute("SELECT name FROM entry_window WHERE school_year_id = %s", (year_id,))}


def add_list(
    tx: Tx, school_year: str, office: str, document: Mapping[str, Any], received: datetime, school_ids: Sequence[int]
) -> None:
    """Write a list of permitted schools."""
    row = tx.execute(
        "INSERT INTO dossier_list (school_year, office, document, received_time) VALUES (%s, %s, %s, %s) RETURNING id",
        (school_year, office, Jsonb(document), received),
    ).fetchone()
    assert row is not None
    tx.execute("INSERT INTO dossier_list_school SELECT %s, id FROM unnest(%s::int[]) AS t (id)", (row[0], school_ids))


def has_list(tx: Tx, school_year: str, office: str, sha256: str, school_ids: Sequence[int]) -> bool:
    """Whether this very list, of these schools, was recorded before."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM dossier_list l WHERE l.school_year = %s AND l.office = %s"
        " AND l.document->>'sha256' = %s AND (SELECT array_agg(school_id ORDER BY school_id)"
        " FROM dossier_list_school WHERE list_id = l.id) = %s::int[])",
        (school_year, office, sha256, sorted(school_ids)),
    ).fetchone()
    return row is not None and bool(row[0])


def listed_time(tx: Tx, school: str, school_year: str) -> datetime | None:
    """When the Department received the first list with this school; None when it is on none."""
    row = tx.execute(
        "SELECT min(l.received_time) FROM dossier_list l JOIN dossier_list_school p ON p.list_id = l.id"
        " JOIN school s ON s.id = p.school_id WHERE l.school_year = %s AND s.code = %s",
        (school_year, school),
    ).fetchone()
    return None if row is None else row[0]


def school_ids(tx: Tx, codes: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Id and level of the schools with these codes; unknown ones are absent."""
    rows = tx.execute("SELECT code, id, level FROM school WHERE code = ANY(%s)", (list(codes),))
    return {row[0]: (row[1], row[2]) for row in rows}


def page(tx: Tx, school_year: str, state: int, after: str, limit: int) -> list[DossierRow]:
    """A page of the newest dossier of each school, by school code. state 0: any."""
    rows = tx.execute(
        f"{_DOSSIER} WHERE y.name = %(year)s AND s.code > %(after)s AND (%(state)s = 0 OR d.state = %(state)s)"
        " AND NOT EXISTS (SELECT FROM dossier n WHERE n.school_year_id = y.id AND n.version > d.version)"
        " ORDER BY s.code LIMIT %(limit)s",
        {"year": school_year, "state": state, "after": after, "limit": limit},
    )
    return [_row(row) for row in rows]


def missing(tx: Tx, school_year: str, after: str, limit: int) -> list[MissingRow]:
    """A page of schools that handed in nothing and are not authorised otherwise, by code."""
    rows = tx.execute(
        "SELECT s.code, s.name, s.level, coalesce(d.state, 0) FROM school s"
        " LEFT JOIN school_year y ON y.school_id = s.id AND y.name = %(year)s"
        " LEFT JOIN LATERAL (SELECT * FROM dossier d WHERE d.school_year_id = y.id ORDER BY d.version DESC LIMIT 1) d"
        " ON true WHERE s.code > %(after)s AND coalesce(d.state, 1) = 1 AND coalesce(y.authorisation, 1) = 1"
        " ORDER BY s.code LIMIT %(limit)s",
        {"year": school_year, "after": after, "limit": limit},
    )
    return [MissingRow(*row) for row in rows]


def _row(row: Sequence[Any]) -> DossierRow:
    plain = DossierRow(*row)
    return plain._replace(
        level=SchoolLevel(plain.level),
        state=DossierState(plain.state),
        items=items_of(row[6]),
        assigned=row[8] or {},
        items_sha256=bytes(row[9] or b""),
        decision=document_of(row[13]),
    )
