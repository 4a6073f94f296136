"""Rounds, dossiers with their steps, lists of permitted schools, and what they make of a school
year.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.model.domain import Authorisation, SchoolLevel, SchoolYear, VendorStatus
from services.gradebook.model.dossier_items import document_of, items_json, items_of
from services.gradebook.model.dossier_rules import (
    Document,
    DossierAct,
    DossierState,
    Items,
    Round,
    Submission,
    YearSettings,
)


class DossierRow(NamedTuple):
    """One version of a dossier. In a draft `software`, `assigned` and `items_sha256` are empty.

    level: SchoolLevel. assigned: person → roles. reason: Reason, or 0 unless rejected.
    """

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
    """One step in the life of a dossier.

    The states are DossierState; from_state is 0 in the first step.
    """

    from_state: int
    to_state: int
    person: str
    client: str
    time: datetime
    note: str


class MissingRow(NamedTuple):
    """A school that has handed in nothing. state: DRAFT, or 0 without a draft."""

    school: str
    name: str
    level: int
    state: int


class SchoolRow(NamedTuple):
    """A school as far as lists of permitted schools need it. level: SchoolLevel."""

    id: int
    code: str
    level: int


_DOSSIER = (
    "SELECT d.id, s.code AS school, y.name AS school_year, s.level, d.version, d.state, d.items, d.software,"
    " d.assigned, d.items_sha256, d.submitted_time, d.late, d.reason, d.decision"
    " FROM dossier d JOIN school_year y ON y.id = d.school_year_id JOIN school s ON s.id = y.school_id"
)


def year_settings(tx: Tx, school_id: int, school_year: str) -> YearSettings | None:
    """A school year with what decides about its authority; its row is locked until commit."""
    row = rows(
        tx,
        dict[str, Any],
        "SELECT y.name, y.vendor, y.paper_track_required, y.authorisation, y.authorisation_decision,"
        " y.authorised_time, y.vendor_suspended, coalesce((SELECT CASE WHEN d.state = %(approved)s THEN d.software END"
        " FROM dossier d WHERE d.school_year_id = y.id ORDER BY d.version DESC LIMIT 1), '') AS approved_software"
        " FROM school_year y WHERE y.school_id = %(school)s AND y.name = %(year)s FOR NO KEY UPDATE",
        {"approved": DossierState.APPROVED, "school": school_id, "year": school_year},
    ).fetchone()
    if row is None:
        return None
    suspended, software = row.pop("vendor_suspended"), row.pop("approved_software")
    return YearSettings(SchoolYear(**row), suspended, software)


def authorise(tx: Tx, year_id: int, vendor: str) -> None:
    """Authorise a school year by its dossier, with the dossier's software."""
    tx.execute(
        "UPDATE school_year SET authorisation = %(authorisation)s, authorisation_decision = '',"
        " authorised_time = clock_timestamp(), vendor = %(vendor)s,"
        " vendor_suspended = EXISTS (SELECT FROM vendor v WHERE v.name = %(vendor)s AND v.status = %(suspended)s)"
        " WHERE id = %(year)s",
        {
            "authorisation": Authorisation.DOSSIER,
            "vendor": vendor,
            "suspended": VendorStatus.SUSPENDED,
            "year": year_id,
        },
    )


def hold_year(tx: Tx, year_id: int) -> None:
    """Lock the row of a school year until commit, so that acts on its dossier do not overlap."""
    tx.execute("SELECT FROM school_year WHERE id = %s FOR NO KEY UPDATE", (year_id,))


def put_round(tx: Tx, dossier_round: Round) -> None:
    """Write the round of a school year."""
    tx.execute(
        "INSERT INTO dossier_round (school_year, deadline, direct_schools, offices, note) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (school_year) DO UPDATE SET deadline = excluded.deadline,"
        " direct_schools = excluded.direct_schools, offices = excluded.offices, note = excluded.note",
        (
            dossier_round.school_year,
            dossier_round.deadline,
            list(dossier_round.direct_schools),
            list(dossier_round.offices),
            dossier_round.note,
        ),
    )


def find_round(tx: Tx, school_year: str) -> Round | None:
    """The round of a school year."""
    return rows(
        tx,
        Round,
        "SELECT school_year, deadline, direct_schools, offices, note FROM dossier_round WHERE school_year = %s",
        (school_year,),
    ).fetchone()


def find(tx: Tx, year_id: int, version: int = 0) -> DossierRow | None:
    """A version of a school year's dossier; version 0: the newest."""
    row = rows(
        tx,
        dict[str, Any],
        f"{_DOSSIER} WHERE y.id = %(year)s AND (%(version)s = 0 OR d.version = %(version)s)"
        " ORDER BY d.version DESC LIMIT 1",
        {"year": year_id, "version": version},
    ).fetchone()
    return None if row is None else _dossier(row)


def save(tx: Tx, year_id: int, version: int, items: Items) -> int:
    """Write a whole draft; returns its id."""
    return one_row(
        scalars(
            tx,
            int,
            "INSERT INTO dossier (school_year_id, version, state, items) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (school_year_id, version) DO UPDATE SET items = excluded.items RETURNING id",
            (year_id, version, DossierState.DRAFT, Jsonb(items_json(items))),
        )
    )


def hand_in(
    tx: Tx, dossier_id: int, submission: Submission, sha256: bytes, time: datetime, *, late: bool, reason: int
) -> None:
    """Make a draft final as handed in; a late one is rejected at once."""
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
    """Write the Department's review or decision."""
    tx.execute(
        "UPDATE dossier SET state = %s, reason = %s, decision = %s WHERE id = %s",
        (state, reason, None if decision is None else Jsonb(decision), dossier_id),
    )


def add_step(
    tx: Tx, dossier_id: int, act: DossierAct, *, from_state: int, to_state: int, person: str, client: str, note: str
) -> None:
    """Add a step to the dossier's history. from_state: 0 in the first."""
    tx.execute(
        "INSERT INTO dossier_step (dossier_id, act, from_state, to_state, person, client, note)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (dossier_id, act.value, from_state, to_state, person, client, note),
    )


def steps(tx: Tx, dossier_id: int) -> list[StepRow]:
    """The history of a dossier, oldest first."""
    return rows(
        tx,
        StepRow,
        "SELECT from_state, to_state, person, client, recorded_time AS time, note FROM dossier_step"
        " WHERE dossier_id = %s ORDER BY id",
        (dossier_id,),
    ).fetchall()


def approved(tx: Tx, school_id: int, school_year: str) -> Submission | None:
    """The submission of a school's newest dossier in a year, if that is approved."""
    row = rows(
        tx,
        dict[str, Any],
        "SELECT d.state, d.software, d.assigned FROM dossier d JOIN school_year y ON y.id = d.school_year_id"
        " WHERE y.school_id = %s AND y.name = %s ORDER BY d.version DESC LIMIT 1",
        (school_id, school_year),
    ).fetchone()
    if row is None or row["state"] != DossierState.APPROVED:
        return None
    return Submission(row["software"], row["assigned"])


def window_names(tx: Tx, year_id: int) -> set[str]:
    """The names of the planned windows of a school year."""
    return set(scalars(tx, str, "SELECT name FROM entry_window WHERE school_year_id = %s", (year_id,)))


def add_list(
    tx: Tx, school_year: str, office: str, *, document: Mapping[str, Any], received: datetime, school_ids: Sequence[int]
) -> None:
    """Write a list of permitted schools."""
    list_id = one_row(
        scalars(
            tx,
            int,
            "INSERT INTO dossier_list (school_year, office, document, received_time) VALUES (%s, %s, %s, %s)"
            " RETURNING id",
            (school_year, office, Jsonb(document), received),
        )
    )
    tx.execute("INSERT INTO dossier_list_school SELECT %s, id FROM unnest(%s::int[]) AS t (id)", (list_id, school_ids))


def has_list(tx: Tx, school_year: str, office: str, sha256: str, school_ids: Sequence[int]) -> bool:
    """Whether the same document with the same schools was recorded before."""
    return one_row(
        scalars(
            tx,
            bool,
            "SELECT EXISTS (SELECT FROM dossier_list l WHERE l.school_year = %s AND l.office = %s"
            " AND l.document->>'sha256' = %s AND (SELECT array_agg(school_id ORDER BY school_id)"
            " FROM dossier_list_school WHERE list_id = l.id) = %s::int[])",
            (school_year, office, sha256, sorted(school_ids)),
        )
    )


def listed_time(tx: Tx, school: str, school_year: str) -> datetime | None:
    """When the Department received the first list with this school; None if it is on none."""
    return scalars(
        tx,
        datetime,
        "SELECT min(l.received_time) FROM dossier_list l JOIN dossier_list_school p ON p.list_id = l.id"
        " JOIN school s ON s.id = p.school_id WHERE l.school_year = %s AND s.code = %s",
        (school_year, school),
    ).fetchone()


def schools(tx: Tx, codes: Sequence[str]) -> dict[str, SchoolRow]:
    """The schools with these codes, by code; unknown ones are omitted."""
    known = rows(tx, SchoolRow, "SELECT id, code, level FROM school WHERE code = ANY(%s)", (list(codes),))
    return {row.code: row for row in known}


def page(tx: Tx, school_year: str, state: int, after: str, limit: int) -> list[DossierRow]:
    """A page of the newest dossier of each school, by school code.

    state: DossierState, 0 for any.
    """
    dossiers = rows(
        tx,
        dict[str, Any],
        f"{_DOSSIER} WHERE y.name = %(year)s AND s.code > %(after)s AND (%(state)s = 0 OR d.state = %(state)s)"
        " AND NOT EXISTS (SELECT FROM dossier n WHERE n.school_year_id = y.id AND n.version > d.version)"
        " ORDER BY s.code LIMIT %(limit)s",
        {"year": school_year, "state": state, "after": after, "limit": limit},
    )
    return [_dossier(row) for row in dossiers]


def missing(tx: Tx, school_year: str, after: str, limit: int) -> list[MissingRow]:
    """A page of schools that handed in nothing and are not authorised otherwise, by code."""
    return rows(
        tx,
        MissingRow,
        "SELECT s.code AS school, s.name, s.level, coalesce(d.state, 0) AS state FROM school s"
        " LEFT JOIN school_year y ON y.school_id = s.id AND y.name = %(year)s"
        " LEFT JOIN LATERAL (SELECT * FROM dossier d WHERE d.school_year_id = y.id ORDER BY d.version DESC LIMIT 1) d"
        " ON true WHERE s.code > %(after)s AND coalesce(d.state, %(draft)s) = %(draft)s"
        " AND coalesce(y.authorisation, %(dossier)s) = %(dossier)s ORDER BY s.code LIMIT %(limit)s",
        {
            "year": school_year,
            "after": after,
            "draft": DossierState.DRAFT,
            "dossier": Authorisation.DOSSIER,
            "limit": limit,
        },
    ).fetchall()


def _dossier(row: Mapping[str, Any]) -> DossierRow:
    converted = {
        "level": SchoolLevel(row["level"]),
        "state": DossierState(row["state"]),
        "items": items_of(row["items"]),
        "assigned": row["assigned"] or {},
        "items_sha256": bytes(row["items_sha256"] or b""),
        "decision": document_of(row["decision"]),
    }
    return DossierRow(**{**row, **converted})
