"""Checks of attendance sheets and absence totals: months, sessions, limits.

For both entry and corrections. Pure but for today's date.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import date, datetime

from services.common.vietnam import VIETNAM, today
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import year_start
from services.gradebook.model.results import Absences

SESSIONS = (1, 2)
"""Morning and afternoon: numbers of the proto's Session."""

PRESENT, EXCUSED, UNEXCUSED = 1, 2, 3
"""Values of a session in a sheet: numbers of the proto's Attendance."""

SAID = frozenset({PRESENT, EXCUSED, UNEXCUSED})

MAX_ABSENCES = 400
"""Most absent sessions in a year, excused and unexcused together."""

MAX_SESSIONS = 62
"""Most sessions in a month."""

LAST_MONTH = 6
"""June: the last month of a school year with attendance."""

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_FIRST_MONTH = 8


def check_month(
    findings: Findings, field: str, month: str, school_year: str, last: int, *, future: bool = False
) -> None:
    """A month from August of the school year to month `last` of the next calendar year.

    It must have begun unless `future` is set.
    """
    first = year_start(school_year)
    if not _MONTH.fullmatch(month) or not f"{first}-{_FIRST_MONTH:02d}" <= month <= f"{first + 1}-{last:02d}":
        message = f"Tháng phải có dạng {first}-09, từ {first}-{_FIRST_MONTH:02d} đến {first + 1}-{last:02d}."
        findings.add(field, "MONTH", message)
    elif not future and month > today().isoformat()[:7]:
        findings.add(field, "IN_THE_FUTURE", "Tháng này chưa đến.")


def check_totals(findings: Findings, field: str, excused: int, unexcused: int) -> None:
    """A student's absent sessions in the year: each total and their sum are 0-400."""
    findings.number(f"{field}.excused", excused, 0, MAX_ABSENCES)
    findings.number(f"{field}.unexcused", unexcused, 0, MAX_ABSENCES)
    if excused + unexcused > MAX_ABSENCES:
        findings.add(field, "OUT_OF_RANGE", f"Tổng số buổi nghỉ không quá {MAX_ABSENCES}.")


def add_session(
    findings: Findings, field: str, month: str, *, day: int, session: int, value: int, sessions: dict[int, int]
) -> None:
    """Add a session of a month to `sessions`, or a violation to `findings`.

    The key is ten times the day plus the number of the session.
    month: such as "2025-10", valid by `check_month`. value: PRESENT, EXCUSED or UNEXCUSED.
    """
    days = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
    if session not in SESSIONS:
        findings.add(f"{field}.session", "ENUM", "Buổi phải là sáng hoặc chiều.")
    elif not 1 <= day <= days:
        findings.add(f"{field}.day", "NO_SUCH_DATE", f"Tháng {month} có {days} ngày.")
    elif date(int(month[:4]), int(month[5:]), day) > today():
        findings.add(f"{field}.day", "IN_THE_FUTURE", "Ngày này chưa đến.")
    elif 10 * day + session in sessions:
        findings.add(field, "DUPLICATE", "Một buổi có hai lần.")
    else:
        sessions[10 * day + session] = value


def sheet(sessions: Mapping[int, int]) -> Absences:
    """A student's month from session → value; sessions that are not listed are present."""
    return Absences(*(tuple(sorted(s for s, v in sessions.items() if v == kind)) for kind in (EXCUSED, UNEXCUSED)))


def said(absences: Absences) -> dict[int, int]:
    """Session → value of a student's month; sessions that are left out are present."""
    return dict.fromkeys(absences.excused, EXCUSED) | dict.fromkeys(absences.unexcused, UNEXCUSED)


def month_end(month: str) -> datetime:
    """The moment at which a month ends in Vietnam."""
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=VIETNAM)
