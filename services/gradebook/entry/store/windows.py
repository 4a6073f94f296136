"""Entry windows and the snapshots taken when they close."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.gradebook.model.windows import WindowRow


class SnapshotRow(NamedTuple):
    """A snapshot without its bytes. archive_record: empty until the archive holds it."""

    id: UUID
    class_name: str
    content_sha256: bytes
    previous_sha256: bytes | None
    archive_record: str
    sequence: int


class NewSnapshot(NamedTuple):
    """A snapshot to be written, of a window's closing or of a correction."""

    id: UUID
    window_id: int | None
    correction_id: UUID | None
    class_id: int
    sequence: int
    content: bytes
    content_sha256: bytes
    previous_sha256: bytes | None


_WINDOW = (
    "SELECT id, name, open_time, close_time, semesters, mark_kinds, closed_time,"
    " closed_time IS NULL AND clock_timestamp() >= open_time AND clock_timestamp() < close_time, grade_levels,"
    " closed_by, closed_by_time, id || '/' || (extract(epoch FROM close_time) * 1000000)::bigint FROM entry_window"
)


def window(tx: Tx, year_id: int, name: str) -> WindowRow | None:
    """One window."""
    row = tx.execute(f"{_WINDOW} WHERE school_year_id = %s AND name = %s", (year_id, name)).fetchone()
    return None if row is None else _window(row)


def list_windows(tx: Tx, year_id: int, after: int, limit: int) -> list[WindowRow]:
    """A page of the windows of a year, in the order in which they were first planned."""
    rows = tx.execute(f"{_WINDOW} WHERE school_year_id = %s AND id > %s ORDER BY id LIMIT %s", (year_id, after, limit))
    return [_window(row) for row in rows]


def covering(tx: Tx, year_id: int, semesters: Sequence[int], grade_level: int) -> list[WindowRow]:
    """The windows that cover any of the semesters for classes of the grade."""
    rows = tx.execute(
        f"{_WINDOW} WHERE school_year_id = %s AND semesters && %s::smallint[]", (year_id, list(semesters))
    )
    return [window for window in map(_window, rows) if window.covers(grade_level)]


def year_of(tx: Tx, window_id: int) -> tuple[str, str, str]:
    """School code, school year and name of a window that exists."""
    row = tx.execute(
        "SELECT s.code, y.name, w.name FROM entry_window w JOIN school_year y ON y.id = w.school_year_id"
        " JOIN school s ON s.id = y.school_id WHERE w.id = %s",
        (window_id,),
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def put_window(
    tx: Tx,
    year_id: int,
    name: str,
    open_time: datetime,
    close_time: datetime,
    semesters: Sequence[int],
    mark_kinds: Sequence[int],
    grade_levels: Sequence[int],
) -> None:
    """Plan a window or plan it anew."""
    tx.execute(
        "INSERT INTO entry_window (school_year_id, name, open_time, close_time, semesters, mark_kinds, grade_levels)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (school_year_id, name) DO UPDATE SET"
        " open_time = excluded.open_time, close_time = excluded.close_time, semesters = excluded.semesters,"
        " mark_kinds = excluded.mark_kinds, grade_levels = excluded.grade_levels",
        (year_id, name, open_time, close_time, sorted(semesters), sorted(mark_kinds), sorted(grade_levels)),
    )


def close_window(tx: Tx, window_id: int, person: str | None) -> datetime:
    """Close a window now; returns the time. person: None when its time closes it."""
    row = tx.execute(
        "UPDATE entry_window SET closed_time = clock_timestamp(), closed_by = %s, closed_by_time = %s WHERE id = %s"
        " RETURNING closed_time",
        (person or "", person is None, window_id),
    ).fetchone()
    assert row is not None
    closed: datetime = row[0]
    return closed


def last_snapshots(tx: Tx, classes: Sequence[int]) -> dict[int, tuple[int, bytes]]:
    """Class id → sequence and digest of its newest snapshot."""
    rows = tx.execute(
        "SELECT DISTINCT ON (class_id) class_id, sequence, content_sha256 FROM snapshot"
        " WHERE class_id = ANY(%s) ORDER BY class_id, sequence DESC",
        (list(classes),),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def add_snapshots(tx: Tx, snapshots: Sequence[NewSnapshot]) -> None:
    """Write snapshots."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO snapshot"
            " (id, window_id, correction_id, class_id, sequence, content, content_sha256, previous_sha256)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            snapshots,
        )


def snapshots(tx: Tx, window_id: int) -> list[SnapshotRow]:
    """The snapshots of a window, by class."""
    rows = tx.execute(
        "SELECT s.id, c.name, s.content_sha256, s.previous_sha256, coalesce(r.record, ''), s.sequence FROM snapshot s"
        " JOIN school_class c ON c.id = s.class_id LEFT JOIN snapshot_record r ON r.snapshot_id = s.id"
        " WHERE s.window_id = %s ORDER BY c.grade_level, c.name",
        (window_id,),
    )
    return [SnapshotRow(*row) for row in rows]


def snapshot_content(tx: Tx, snapshot_id: UUID) -> bytes | None:
    """The bytes of a snapshot."""
    row = tx.execute("SELECT content FROM snapshot WHERE id = %s", (snapshot_id,)).fetchone()
    return None if row is None else bytes(row[0])


def snapshot_digest(tx: Tx, snapshot_id: UUID) -> bytes | None:
    """The digest of a snapshot."""
    row = tx.execute("SELECT content_sha256 FROM snapshot WHERE id = %s", (snapshot_id,)).fetchone()
    return None if row is None else bytes(row[0])


def add_snapshot_record(tx: Tx, snapshot_id: UUID, record: str) -> str:
    """Note where the archive keeps a snapshot, once; returns the record that is noted."""
    tx.execute("INSERT INTO snapshot_record VALUES (%s, %s) ON CONFLICT DO NOTHING", (snapshot_id, record))
    row = tx.execute("SELECT record FROM snapshot_record WHERE snapshot_id = %s", (snapshot_id,)).fetchone()
    assert row is not None
    return str(row[0])


def _window(row: Sequence[object]) -> WindowRow:
    plain = WindowRow(*row)  # type: ignore[arg-type]  # as selected
    return plain._replace(
        semesters=tuple(plain.semesters), mark_kinds=tuple(plain.mark_kinds), grade_levels=tuple(plain.grade_levels)
    )
