"""What entry windows make of a datum: entered directly, or settled by a closing and then only corrected. Pure.

One rule for marks, conduct, absences and attendance. A new window over settled data lets them be entered again:
planning one is the principal's act, on record, and its closing takes another snapshot.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from services.gradebook.model import results
from services.gradebook.model.attendance_rules import month_end
from services.gradebook.model.correction_rules import Datum, Kind
from services.gradebook.model.domain import MarkKind, Semester, column_kind
from services.gradebook.model.windows import WindowRow

_NO_MARKS = frozenset(MarkKind) - {MarkKind.REASSESSMENT}
"""Windows for re-assessments alone let nothing in that is of the ordinary year."""


class Entry(Enum):
    """Whether windows let a datum in. CLOSING: its time has passed, the closing is under way."""

    OPEN = "OPEN"
    CLOSING = "CLOSING"
    SETTLED = "SETTLED"
    NOT_SETTLED = "NOT_SETTLED"


class Cover(NamedTuple):
    """The windows that a datum is entered in: those over any of the semesters with any of the mark kinds.

    ended: of attendance, which is taken daily and without a window: the end of its month. What closed before has
    settled nothing of it.
    """

    semesters: tuple[Semester, ...]
    kinds: frozenset[MarkKind]
    ended: datetime | None = None


TOTALS_COVER = Cover(tuple(Semester), _NO_MARKS)
"""The year's absences as totals are entered in any window but the summer's."""


def cover(datum: Datum, school_year: str) -> Cover:
    """Which windows a datum is entered in. January, in which semester I ends, belongs to semester II."""
    if datum.kind is Kind.MARK:
        return Cover((Semester(datum.semester or 0),), frozenset({column_kind(datum.column)}))
    if datum.kind is Kind.CONDUCT:
        return Cover((Semester(datum.semester or 0),), _NO_MARKS)
    if datum.kind is Kind.SUMMER_CONDUCT:
        return Cover((Semester.SECOND,), frozenset({MarkKind.REASSESSMENT}))
    if datum.kind is Kind.ABSENCES:
        return TOTALS_COVER
    return attendance_cover(datum.month, school_year)


def attendance_cover(month: str, school_year: str) -> Cover:
    """Which windows a month's attendance is entered in once one of them has closed over the whole month."""
    return Cover(results.first_stage(school_year, month).semesters[-1:], _NO_MARKS, month_end(month))


def standing(windows: Sequence[WindowRow], what: Cover, now: datetime) -> tuple[Entry, list[str]]:
    """What the windows over the cover's semesters make of it, and the names of those that have it open or closing."""
    covering = [one for one in windows if what.kinds & set(one.mark_kinds)]
    begun = [one for one in covering if one.closed_time is None and one.open_time <= now]
    if running := [one.name for one in begun if one.close_time > now]:
        return Entry.OPEN, running
    if closing := [one.name for one in begun if _settles(one.close_time, what)]:
        return Entry.CLOSING, closing
    closed = any(one.closed_time is not None and _settles(one.closed_time, what) for one in covering)
    return (Entry.SETTLED if closed else Entry.NOT_SETTLED), []


def _settles(moment: datetime, what: Cover) -> bool:
    return what.ended is None or moment >= what.ended
