"""What a sheet of attendance and the year's absence totals can say: months, sessions, limits. Pure but for the date.

For entry and for corrections alike.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import date, datetime

from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import year_start
from services.gradebook.model.results import Absences
from services.gradebook.model.times import VIETNAM

SESSIONS = (1, 2)
"""Morning, afternoon: numbers of the proto's Session."""

PRESENT, EXCUSED, UNEXCUSED = 1, 2, 3
"""What a sheet says of a session: numbers of the proto's Attendance."""

SAID = frozenset({PRESENT, EXCUSED, UNEXCUSED})

MAX_ABSENCES = 400
"""Sessions absent in a year, with leave and without together."""

MAX_SESSIONS = 62
"""Sessions of a month."""

LAST_MONTH = 6
"""June: the last month of a school year with attendance."""

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_FIRST_MONTH = 8


def check_month(found: Findings, field: str, month: str, school_year: str, last: int, *, future: bool = False) -> None:
    """A month of the school year, August to `last` of the next year, that has begun unless `future` is allowed."""
    first = year_start(school_year)
    if not _MONTH.fullmatch(month) or not f"{first}-{_FIRST_MONTH:02d}" <= month <= f"{first + 1}-{last:02d}":
        message = f"Tháng phải có dạng {first}-09, từ {first}-{_FIRST_MONTH:02d} đến {first + 1}-{last:02d}."
        found.add(field, "MONTH", message)
    elif not future and month > _today().isoformat()[:7]:
        found.add(field, "IN_THE_FUTURE", "Tháng này chưa đến.")


def check_totals(found: Findings, field: str, excused: int, unexcused: int) -> None:
    """The year's absent sessions of a student: each total and both together 0-400."""
    found.number(f"{field}.excused", excused, 0, MAX_ABSENCES)
    found.number(f"{field}.unexcused", unexcused, 0, MAX_ABSENCES)
    if excused + unexcused > MAX_ABSENCES:
        found.add(field, "OUT_OF_RANGE", f"Tổng số buổi nghỉ không quá {MAX_ABSENCES}.")


def add_session(
    found: Findings, field: str, month: str, day: int, session: int, value: int, sessions: dict[int, int]
) -> None:
    """Add a session (ten times the day plus its half) with its value to those of a month, or what is wrong with it.

    month: such as "2025-10", one that `check_month` lets pass. value: PRESENT, EXCUSED or UNEXCUSED.
    """
    days = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
    if session not in SESSIONS:
        found.add(f"{field}.session", "ENUM", "Buổi phải là sáng hoặc chiều.")
    elif not 1 <= day <= days:
        found.add(f"{field}.day", "NO_SUCH_DATE", f"Tháng {month} có {days} ngày.")
    elif date(int(month[:4]), int(month[5:]), day) > _today():
        found.add(f"{field}.day", "IN_THE_FUTURE", "Ngày này chưa đến.")
    elif 10 * day + session in sessions:
        found.add(field, "DUPLICATE", "Một buổi có hai lần.")
    else:
        sessions[10 * day + session] = value


def sheet(sessions: Mapping[int, int]) -> Absences:
    """The sheet of a month from what it says of its sessions; those that are not named are present."""
    return Absences(*(tuple(sorted(s for s, v in sessions.items() if v == kind)) for kind in (EXCUSED, UNEXCUSED)))


def said(absences: Absences) -> dict[int, int]:
    """What a sheet says of its sessions; those that are left out are present."""
    return dict.fromkeys(absences.excused, EXCUSED) | dict.fromkeys(absences.unexcused, UNEXCUSED)


def month_end(month: str) -> datetime:
    """The moment in Vietnam at which a month is over."""
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=VIETNAM)


def _today() -> date:
    return datetime.now(VIETNAM).date()
