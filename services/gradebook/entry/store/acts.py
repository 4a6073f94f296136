"""Acts of entry: finding the act of a request, and writing the rows of acts (`entry`).

Acts of before migration 0020 stand in tables of their own: `remark_entry`, `achievement_entry`,
`practical_exemption`, `correction`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import one_row, rows
from services.gradebook.model.acts import NO_CELLS, NOTHING, CellArrays, Entered, EntryAct, Row, act_sha256
from services.gradebook.model.entry_kinds import EntryKind


class EarlierAct(NamedTuple):
    """An act that was entered under a request id, with what was answered."""

    kind: int
    request_sha256: bytes
    cells: Entered
    texts: Entered


class EarlierColumns(NamedTuple):
    """The columns that EARLIER reads: one element per act in each, None when there is no act."""

    kinds: list[int] | None
    digests: list[bytes] | None
    changed: list[int] | None
    unchanged: list[int] | None
    texts_changed: list[int] | None
    texts_unchanged: list[int] | None


class Written(NamedTuple):
    """What an act changed; sha256 (hexadecimal) binds it into the audit chain."""

    changed: int
    sha256: str


class NewAct(NamedTuple):
    """An act to be written.

    entered: its cells, counted; texts: its remarks or achievements, None when it is about none.
    rows: what the caller writes into other tables with the act's request id.
    """

    act: EntryAct
    cells: CellArrays = NO_CELLS
    entered: Entered = NOTHING
    texts: Entered | None = None
    rows: Mapping[str, Sequence[Row]] | None = None


EARLIER = f"""
 CROSS JOIN LATERAL (SELECT array_agg(kind) AS kinds, array_agg(request_sha256) AS digests,
    array_agg(changed) AS changed, array_agg(unchanged) AS unchanged, array_agg(texts_changed) AS texts_changed,
    array_agg(texts_unchanged) AS texts_unchanged FROM (
    SELECT kind, request_sha256, changed, unchanged, coalesce(texts_changed, 0) AS texts_changed,
        coalesce(texts_unchanged, 0) AS texts_unchanged FROM entry WHERE request_id = t.request_id
    UNION ALL SELECT {EntryKind.REMARKS:d}, request_sha256, 0, 0, changed, unchanged
        FROM remark_entry WHERE request_id = t.request_id
    UNION ALL SELECT {EntryKind.ACHIEVEMENTS:d}, request_sha256, 0, 0, changed, unchanged
        FROM achievement_entry WHERE request_id = t.request_id
    UNION ALL SELECT {EntryKind.EXEMPTION:d}, request_sha256, 0, 0, 0, 0
        FROM practical_exemption WHERE request_id = t.request_id
    UNION ALL SELECT {EntryKind.CORRECTION_REQUEST:d}, request_sha256, 0, 0, 0, 0
        FROM correction WHERE request_id = t.request_id
    UNION ALL SELECT {EntryKind.CORRECTION:d}, request_sha256, 0, 0, 0, 0
        FROM correction WHERE id = t.request_id) acts) earlier
"""  # noqa: S608 - constants
"""The acts with the request id of `t`, as the columns of EarlierColumns.

The id of a correction is taken from its request on: its approval is an act with that id.
"""

_EARLIER = f"SELECT earlier.* FROM (SELECT %s::uuid AS request_id) t {EARLIER}"  # noqa: S608 - constants


def hold_request(tx: Tx, request_id: UUID) -> None:
    """Hold a request id until commit; a call that sends it again waits, and then finds the act.

    A statement of its own, so that the next one sees what was committed while this one waited. The
    caller holds the year already.
    """
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"request/{request_id}",))


def earlier_acts(tx: Tx, request_id: UUID) -> tuple[EarlierAct, ...]:
    """The acts with a request id; several only from before migration 0020."""
    return read_earlier(one_row(rows(tx, EarlierColumns, _EARLIER, (request_id,))))


def read_earlier(columns: EarlierColumns) -> tuple[EarlierAct, ...]:
    """The acts in what EARLIER read."""
    if columns.kinds is None:
        return ()
    return tuple(
        EarlierAct(kind, bytes(digest), Entered(changed, unchanged), Entered(texts_changed, texts_unchanged))
        for kind, digest, changed, unchanged, texts_changed, texts_unchanged in zip(
            *(column or () for column in columns), strict=True
        )
    )


_WHOSE = ("request_id", "request_sha256", "kind", "class_id", "subject_id", "semester", "person", "client", "reason")
_COUNTS = ("changed", "unchanged", "texts_changed", "texts_unchanged")
ACT_COLUMNS = ", ".join((*_WHOSE, *_COUNTS, *CellArrays._fields))
"""The columns of `entry` that an act fills, in the order of every statement that writes one."""
ACT_VALUES = ", ".join(f"%({name})s" for name in _WHOSE)
"""The first of them, as parameters: what `act_columns` gives."""

_ADD = f"""
INSERT INTO entry ({ACT_COLUMNS})
VALUES ({ACT_VALUES}, {", ".join(f"%({name})s" for name in (*_COUNTS, *CellArrays._fields))})
"""  # noqa: S608 - constants


def add_act(
    tx: Tx,
    act: EntryAct,
    *,
    cells: CellArrays = NO_CELLS,
    entered: Entered = NOTHING,
    texts: Entered | None = None,
    rows: Mapping[str, Sequence[Row]] | None = None,
) -> str:
    """Write the row of an act, and return its digest. The parameters are the fields of NewAct."""
    (digest,) = add_acts(tx, [NewAct(act, cells, entered, texts, rows)])
    return digest


def add_acts(tx: Tx, acts: Sequence[NewAct]) -> list[str]:
    """Write the rows of acts in one batch, and return their digests."""
    with tx.cursor() as cursor:
        cursor.executemany(
            _ADD,
            [
                {
                    **act_columns(new.act),
                    **array_literals(new.cells),
                    "changed": new.entered.changed,
                    "unchanged": new.entered.unchanged,
                    "texts_changed": new.texts and new.texts.changed,
                    "texts_unchanged": new.texts and new.texts.unchanged,
                }
                for new in acts
            ],
        )
    return [act_sha256(new.act, new.cells, new.rows) for new in acts]


def act_columns(act: EntryAct) -> dict[str, object]:
    """The columns of `entry` that say what an act is."""
    return {name: getattr(act, name) for name in _WHOSE}


def array_literals(cells: CellArrays) -> dict[str, str]:
    """Cells as the array literals of their columns; PostgreSQL reads `null` in any case."""
    return {name: f"{{{array[1:-1]}}}" for name, array in cells._asdict().items()}
