"""Entry windows and the snapshots taken when they close."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.gradebook.model.windows import WindowRow


class SnapshotRow(NamedTuple):
    """A snapshot without its bytes. archive_record: empty until the archive holds it."""

    id: UUID
    class_name: str
    content_sha256: bytes
    previous_sha256: bytes | None
    archive_record: str
    sequence: int


class SnapshotOwner(NamedTuple):
    """Whose a snapshot is, and its digest."""

    school: str
    school_year: str
    content_sha256: bytes


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


class _YearOfWindow(NamedTuple):
    school: str
    school_year: str
    window: str


class _LastSnapshot(NamedTuple):
    class_id: int
    sequence: int
    content_sha256: bytes


_WINDOW = (
    "SELECT id, name, open_time, close_time, semesters, mark_kinds, closed_time,"
    " closed_time IS NULL AND clock_timestamp() >= open_time AND clock_timestamp() < close_time AS is_open,"
    " grade_levels, closed_by, closed_by_time, id || '/' || (extract(epoch FROM close_time) * 1000000)::bigint AS"
    " job_key FROM entry_window"
)


def window(tx: Tx, year_id: int, name: str) -> WindowRow | None:
    """One window."""
    row = rows(tx, WindowRow, f"{_WINDOW} WHERE school_year_id = %s AND name = %s", (year_id, name)).fetchone()
    return None if row is None else _window(row)


def list_windows(tx: Tx, year_id: int, after: int, limit: int) -> list[WindowRow]:
    """A page of the windows of a year, in the order in which they were first planned."""
    page = rows(
        tx, WindowRow, f"{_WINDOW} WHERE school_year_id = %s AND id > %s ORDER BY id LIMIT %s", (year_id, after, limit)
    )
    return [_window(row) for row in page]


def covering(tx: Tx, year_id: int, semesters: Sequence[int], grade_level: int) -> list[WindowRow]:
    """The windows that cover any of the semesters for classes of the grade."""
    of_semesters = rows(
        tx,
        WindowRow,
        f"{_WINDOW} WHERE school_year_id = %s AND semesters && %s::smallint[]",
        (year_id, list(semesters)),
    )
    return [window for window in map(_window, of_semesters) if window.covers(grade_level)]


def year_of(tx: Tx, window_id: int) -> tuple[str, str, str]:
    """School code, school year and name of a window that exists."""
    return one_row(
        rows(
            tx,
            _YearOfWindow,
            "SELECT s.code AS school, y.name AS school_year, w.name AS window FROM entry_window w"
            " JOIN school_year y ON y.id = w.school_year_id JOIN school s ON s.id = y.school_id WHERE w.id = %s",
            (window_id,),
        )
    )


def put_window(
    tx: Tx,
    year_id: int,
    name: str,
    *,
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
    return one_row(
        scalars(
            tx,
            datetime,
            "UPDATE entry_window SET closed_time = clock_timestamp(), closed_by = %s, closed_by_time = %s WHERE id = %s"
            " RETURNING closed_time",
            (person or "", person is None, window_id),
        )
    )


def last_snapshots(tx: Tx, classes: Sequence[int]) -> dict[int, tuple[int, bytes]]:
    """Class id → sequence and digest of its newest snapshot."""
    last = rows(
        tx,
        _LastSnapshot,
        "SELECT DISTINCT ON (class_id) class_id, sequence, content_sha256 FROM snapshot"
        " WHERE class_id = ANY(%s) ORDER BY class_id, sequence DESC",
        (list(classes),),
    )
    return {row.class_id: (row.sequence, row.content_sha256) for row in last}


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
    return rows(
        tx,
        SnapshotRow,
        "SELECT s.id, c.name AS class_name, s.content_sha256, s.previous_sha256,"
        " coalesce(r.record, '') AS archive_record, s.sequence FROM snapshot s"
        " JOIN school_class c ON c.id = s.class_id LEFT JOIN snapshot_record r ON r.snapshot_id = s.id"
        " WHERE s.window_id = %s ORDER BY c.grade_level, c.name",
        (window_id,),
    ).fetchall()


def snapshot_content(tx: Tx, snapshot_id: UUID) -> bytes | None:
    """The bytes of a snapshot."""
    return scalars(tx, bytes, "SELECT content FROM snapshot WHERE id = %s", (snapshot_id,)).fetchone()


def snapshot_facts(tx: Tx, snapshot_id: UUID) -> SnapshotOwner | None:
    """Whose a snapshot is, and its digest."""
    return rows(
        tx,
        SnapshotOwner,
        "SELECT s.code AS school, y.name AS school_year, t.content_sha256 FROM snapshot t"
        " JOIN school_class c ON c.id = t.class_id JOIN school_year y ON y.id = c.school_year_id"
        " JOIN school s ON s.id = y.school_id WHERE t.id = %s",
        (snapshot_id,),
    ).fetchone()


def add_snapshot_record(tx: Tx, snapshot_id: UUID, record: str) -> str:
    """Note where the archive keeps a snapshot, once; returns the record that is noted."""
    tx.execute("INSERT INTO snapshot_record VALUES (%s, %s) ON CONFLICT DO NOTHING", (snapshot_id, record))
    noted = scalars(tx, str, "SELECT record FROM snapshot_record WHERE snapshot_id = %s", (snapshot_id,))
    return one_row(noted)


def _window(row: WindowRow) -> WindowRow:
    """A window with tuples, as its field types say; the driver reads arrays as lists."""
    return row._replace(
        semesters=tuple(row.semesters), mark_kinds=tuple(row.mark_kinds), grade_levels=tuple(row.grade_levels)
    )
