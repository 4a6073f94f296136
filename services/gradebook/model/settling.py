"""Whether entry windows let a datum be entered, or a closing has settled it. Pure.

Settled data can only be corrected. One rule for marks, conduct, absences and attendance. A new
window over settled data lets them be entered again: planning one is a recorded act of the
principal, and its closing takes another snapshot.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from services.gradebook.model import results
from services.gradebook.model.attendance_rules import month_end
from services.gradebook.model.correction_rules import CorrectionKind, Datum
from services.gradebook.model.domain import MarkKind, Semester, column_kind
from services.gradebook.model.windows import WindowRow

_NO_MARKS = frozenset(MarkKind) - {MarkKind.REASSESSMENT}
"""Windows for re-assessments only do not admit data of the ordinary year."""


class WindowVerdict(Enum):
    """Whether windows admit a datum.

    OPEN: a window admits it. CLOSING: a window's time is over and its closing is due. SETTLED: a
    closing has settled it. NOT_SETTLED: none of these.
    """

    OPEN = "OPEN"
    CLOSING = "CLOSING"
    SETTLED = "SETTLED"
    NOT_SETTLED = "NOT_SETTLED"


class Cover(NamedTuple):
    """The windows that admit a datum: those over any of the semesters with any of the mark kinds.

    ended: for attendance, which is taken daily and without a window, the end of its month. A window
        that closed earlier has not settled it.
    """

    semesters: tuple[Semester, ...]
    kinds: frozenset[MarkKind]
    ended: datetime | None = None


TOTALS_COVER = Cover(tuple(Semester), _NO_MARKS)
"""The year's absence totals are entered in any window except those of the summer."""


def cover(datum: Datum, school_year: str) -> Cover:
    """The windows that admit a datum. January, in which semester I ends, belongs to semester II."""
    if datum.kind is CorrectionKind.MARK:
        return Cover((Semester(datum.semester or 0),), frozenset({column_kind(datum.column)}))
    if datum.kind is CorrectionKind.CONDUCT:
        return Cover((Semester(datum.semester or 0),), _NO_MARKS)
    if datum.kind is CorrectionKind.SUMMER_CONDUCT:
        return Cover((Semester.SECOND,), frozenset({MarkKind.REASSESSMENT}))
    if datum.kind is CorrectionKind.ABSENCES:
        return TOTALS_COVER
    return attendance_cover(datum.month, school_year)


def attendance_cover(month: str, school_year: str) -> Cover:
    """The windows that admit a month's attendance once one has closed over the whole month."""
    return Cover(results.first_stage(school_year, month).semesters[-1:], _NO_MARKS, month_end(month))


def window_verdict(windows: Sequence[WindowRow], what: Cover, now: datetime) -> tuple[WindowVerdict, list[str]]:
    """The verdict of windows over the cover's semesters, with names of the open or closing ones."""
    covering = [window for window in windows if what.kinds & set(window.mark_kinds)]
    begun = [window for window in covering if window.closed_time is None and window.open_time <= now]
    if running := [window.name for window in begun if window.close_time > now]:
        return WindowVerdict.OPEN, running
    if closing := [window.name for window in begun if _settles(window.close_time, what)]:
        return WindowVerdict.CLOSING, closing
    settled = any(window.closed_time is not None and _settles(window.closed_time, what) for window in covering)
    return (WindowVerdict.SETTLED if settled else WindowVerdict.NOT_SETTLED), []


def _settles(closing: datetime, what: Cover) -> bool:
    return what.ended is None or closing >= what.ended
