"""Entry windows: planned by the principal, closed by the principal or by time; each closing takes a
snapshot of every class in its scope.

Planning enqueues a job that is due at the closing time. Planning anew enqueues another; a job that
finds its window closed or planned for another time ends without effect (ADR-0041).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from services.common import jobs
from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected, Waiting
from services.common.identity import SYSTEM, Caller
from services.common.jobs import Job
from services.gradebook.entry import snapshots
from services.gradebook.entry.snapshots import Occasion
from services.gradebook.entry.store import class_data, windows
from services.gradebook.entry.store.windows import SnapshotOwner, SnapshotRow
from services.gradebook.model import roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import MarkKind, Semester
from services.gradebook.model.permissions import Permission
from services.gradebook.model.windows import WindowRow
from services.gradebook.roster import access, clock, year_lock
from services.gradebook.roster.roster_store import YearRow

CLOSE_JOB = "close-window"
GRADES = range(6, 13)


def plan_window(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    *,
    name: str,
    open_time: datetime,
    close_time: datetime,
    semesters: Sequence[int],
    mark_kinds: Sequence[int],
    grade_levels: Sequence[int] = (),
) -> None:
    """Plan an entry window, or plan it anew until it is closed (principal).

    grade_levels: empty for all grades.

    Raises Invalid; Rejected WINDOW_CLOSED when it was closed; Forbidden ROLE_REQUIRED.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.window_name("window.name", name)
    for field, values, known in (("semesters", semesters, set(Semester)), ("mark_kinds", mark_kinds, set(MarkKind))):
        findings.count(f"window.{field}", len(values), 1, len(known))
        findings.unique(f"window.{field}", values, "Một giá trị có hai lần.")
        for value in values:
            findings.one_of(f"window.{field}", value, known)
    findings.unique("window.grade_levels", grade_levels, "Một khối lớp có hai lần.")
    for grade in grade_levels:
        findings.number("window.grade_levels", grade, GRADES[0], GRADES[-1])
    if close_time <= open_time:
        findings.add("window.close_time", "TIME_ORDER", "Thời điểm kết thúc phải sau thời điểm bắt đầu.")
    findings.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.PLAN_WINDOW)
        year_lock.hold_year(tx, year.id)
        known_window = windows.window(tx, year.id, name)
        if known_window is not None and known_window.closed_time is not None:
            raise Rejected("WINDOW_CLOSED", "Đợt nhập này đã đóng; hãy lập đợt mới với tên khác.", window=name)
        windows.put_window(
            tx,
            year.id,
            name,
            open_time=open_time,
            close_time=close_time,
            semesters=semesters,
            mark_kinds=mark_kinds,
            grade_levels=grade_levels,
        )
        planned = _window(tx, year, name)
        delay_s = clock.seconds_until(tx, close_time)
        jobs.enqueue(tx, CLOSE_JOB, planned.job_key, {"window": str(planned.id)}, delay_s=delay_s)
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
            grade_levels=",".join(map(str, sorted(grade_levels))),
        )


def close_window(database: Database, caller: Caller, school: str, school_year: str, name: str) -> int:
    """Close a window and take a snapshot of every class in its scope (principal).

    Returns how many were taken.

    Closing it again changes nothing and returns the same number. Raises NotFound WINDOW_UNKNOWN;
    Rejected WINDOW_NOT_OPEN before its opening time; Forbidden ROLE_REQUIRED.
    """
    _check_ref(school, school_year, name)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        access.require(tx, caller, year, Permission.CLOSE_WINDOW)
        year_lock.hold_year(tx, year.id)
        window = _window(tx, year, name)
        if window.closed_time is not None:
            return len(windows.snapshots(tx, window.id))
        if clock.now(tx) < window.open_time:
            raise Rejected("WINDOW_NOT_OPEN", "Đợt nhập này chưa bắt đầu.", window=name)
        return _close(tx, caller, year, window)


def close_by_time(database: Database, job: Job) -> None:
    """The job that planning enqueued: close the window because its time has come.

    Ends without effect when the window is closed already or is planned for another time, for which
    there is another job. Raises Waiting when it runs early.
    """
    with database.transaction() as tx:
        school, school_year, name = windows.year_of(tx, int(job.payload["window"]))
        year = access.year(tx, SYSTEM, school, school_year)
        year_lock.hold_year(tx, year.id)
        window = _window(tx, year, name)
        if window.closed_time is None and window.job_key == job.key:
            if clock.now(tx) < window.close_time:
                raise Waiting("WINDOW_OPEN", "Đợt nhập này chưa hết hạn.")
            _close(tx, SYSTEM, year, window)
        jobs.finish(tx, job)


def list_windows(
    database: Database, caller: Caller, school: str, school_year: str, *, after: int, limit: int
) -> list[WindowRow]:
    """A page of the windows of a year."""
    roster_rules.check_year_ref(school, school_year)
    with database.transaction() as tx:
        return windows.list_windows(tx, access.year(tx, caller, school, school_year).id, after, limit)


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


def snapshot_facts(database: Database, snapshot_id: uuid.UUID) -> SnapshotOwner:
    """Whose a snapshot is, and its digest. Raises NotFound SNAPSHOT_UNKNOWN."""
    with database.transaction() as tx:
        facts = windows.snapshot_facts(tx, snapshot_id)
    if facts is None:
        raise NotFound("SNAPSHOT_UNKNOWN", "Không có bản chụp dữ liệu này.", snapshot=snapshot_id)
    return facts


def _close(tx: Tx, caller: Caller, year: YearRow, window: WindowRow) -> int:
    closed_time = windows.close_window(tx, window.id, caller.person)
    heads = [head for head in class_data.heads(tx, year.id) if window.covers(head.grade_level)]
    taken = snapshots.take(tx, year, heads, Occasion(closed_time, window.id, window.name))
    how = "PERSON" if caller.person else "TIME"
    access.record(tx, caller, year.school, "WINDOW_CLOSED", _resource(year, window.name), snapshots=len(taken), by=how)
    return len(taken)


def _check_ref(school: str, school_year: str, name: str) -> None:
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.window_name("window", name)
    findings.refuse()


def _window(tx: Tx, year: YearRow, name: str) -> WindowRow:
    window = windows.window(tx, year.id, name)
    if window is None:
        raise NotFound("WINDOW_UNKNOWN", "Không có đợt nhập này.", window=name)
    return window


def _resource(year: YearRow, window: str) -> str:
    return f"schools/{year.school}/years/{year.name}/windows/{window}"
