"""Entry windows: planned and closed by the principal; each closing takes a snapshot of every class."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime

from hoso.gradebook.v1 import events_pb2

from services.common import outbox
from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import Caller
from services.gradebook import content, roster_rules
from services.gradebook.checks import Findings
from services.gradebook.content import SnapshotFacts
from services.gradebook.domain import MarkKind, Role, Semester
from services.gradebook.store import class_data, marks, windows
from services.gradebook.store.roster import YearRow
from services.gradebook.store.windows import NewSnapshot, SnapshotRow, WindowRow
from services.gradebook.usecases import access

_PRINCIPAL = "Hiệu trưởng"


def plan_window(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    name: str,
    open_time: datetime,
    close_time: datetime,
    semesters: Sequence[int],
    mark_kinds: Sequence[int],
) -> None:
    """Plan an entry window, or plan it anew until it is closed (principal).

    Raises Invalid; Rejected WINDOW_CLOSED when it was closed; Forbidden ROLE_REQUIRED.
    """
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    found.window_name("window.name", name)
    for field, values, known in (("semesters", semesters, set(Semester)), ("mark_kinds", mark_kinds, set(MarkKind))):
        found.count(f"window.{field}", len(values), 1, len(known))
        found.unique(f"window.{field}", values, "Một giá trị có hai lần.")
        for value in values:
            found.one_of(f"window.{field}", value, known)
    if close_time <= open_time:
        found.add("window.close_time", "TIME_ORDER", "Thời điểm kết thúc phải sau thời điểm bắt đầu.")
    found.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        access.role(tx, caller, year, Role.PRINCIPAL, _PRINCIPAL)
        marks.hold_year(tx, year.id)
        known_window = windows.window(tx, year.id, name)
        if known_window is not None and known_window.closed_time is not None:
            raise Rejected("WINDOW_CLOSED", "Đợt nhập này đã đóng; hãy lập đợt mới với tên khác.", window=name)
        windows.put_window(tx, year.id, name, open_time, close_time, semesters, mark_kinds)
        access.record(
            tx,
            caller,
            school,
            "WINDOW_PLANNED",
            _resource(year, name),
            open_time=open_time.isoformat(),
            close_time=close_time.isoformat(),
            semesters=",".join(map(str, sorted(semesters))),
            mark_kinds=",".join(map(str, sorted(mark_kinds))),
        )


def close_window(database: Database, caller: Caller, school: str, school_year: str, name: str) -> int:
    """Close a window and take a snapshot of every class of the year (principal). Returns how many were taken.

    Closing it again changes nothing and returns the same number. Raises NotFound WINDOW_UNKNOWN; Rejected
    WINDOW_NOT_OPEN before its opening time; Forbidden ROLE_REQUIRED.
    """
    _check_ref(school, school_year, name)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        access.role(tx, caller, year, Role.PRINCIPAL, _PRINCIPAL)
        marks.hold_year(tx, year.id)
        window = _window(tx, year, name)
        if window.closed_time is not None:
            return len(windows.snapshots(tx, window.id))
        closed_time = windows.close_window(tx, window.id)
        if closed_time < window.open_time:
            raise Rejected("WINDOW_NOT_OPEN", "Đợt nhập này chưa bắt đầu.", window=name)
        taken = _take_snapshots(tx, year, window._replace(closed_time=closed_time), closed_time)
        access.record(tx, caller, school, "WINDOW_CLOSED", _resource(year, name), snapshots=taken)
        return taken


def get_window(
    database: Database, caller: Caller, school: str, school_year: str, name: str
) -> tuple[WindowRow, list[SnapshotRow]]:
    """A window, and its snapshots once it is closed. Raises NotFound WINDOW_UNKNOWN."""
    _check_ref(school, school_year, name)
    with database.transaction() as tx:
        window = _window(tx, access.year(tx, caller, school, school_year), name)
        return window, windows.snapshots(tx, window.id)


def snapshot_content(database: Database, snapshot_id: uuid.UUID) -> bytes:
    """The canonical bytes of a snapshot. Raises NotFound SNAPSHOT_UNKNOWN."""
    with database.transaction() as tx:
        data = windows.snapshot_content(tx, snapshot_id)
    if data is None:
        raise NotFound("SNAPSHOT_UNKNOWN", "Không có bản chụp dữ liệu này.", snapshot=snapshot_id)
    return data


def _take_snapshots(tx: Tx, year: YearRow, window: WindowRow, closed_time: datetime) -> int:
    heads = class_data.heads(tx, year.id)
    data = class_data.read(tx, year.id, year.name, heads, list(Semester))
    last = windows.last_snapshots(tx, year.id)
    snapshots = []
    for head in heads:
        sequence, previous = last.get(head.id, (0, None))
        facts = SnapshotFacts(year.school, head.name, window.name, closed_time, sequence + 1, previous)
        bytes_ = content.class_snapshot(data[head.id], facts)
        digest = hashlib.sha256(bytes_).digest()
        snapshots.append(NewSnapshot(uuid.uuid4(), window.id, head.id, sequence + 1, bytes_, digest, previous))
    windows.add_snapshots(tx, snapshots)
    for snapshot in snapshots:
        outbox.add(
            tx,
            events_pb2.SnapshotTaken(
                snapshot=str(snapshot.id),
                school=year.school,
                school_year=year.name,
                content_sha256=snapshot.content_sha256,
                size_bytes=len(snapshot.content),
            ),
        )
    return len(snapshots)


def _check_ref(school: str, school_year: str, name: str) -> None:
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    found.window_name("window", name)
    found.refuse()


def _window(tx: Tx, year: YearRow, name: str) -> WindowRow:
    window = windows.window(tx, year.id, name)
    if window is None:
        raise NotFound("WINDOW_UNKNOWN", "Không có đợt nhập này.", window=name)
    return window


def _resource(year: YearRow, window: str) -> str:
    return f"schools/{year.school}/years/{year.name}/windows/{window}"
