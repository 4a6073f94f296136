"""Movements of students (biến động): states in a school, and what each movement needs. Pure.

A student's state in a school follows from the movements recorded there, which are append-only
(ADR-0037).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import NamedTuple

from services.common.errors import Rejected
from services.gradebook.model.domain import Guardian, year_start
from services.gradebook.model.permissions import Permission

MAX_NOTE = 200
"""Longest note of a student in a class book (docs/formats/class-book-2.schema.json)."""


class MovementKind(IntEnum):
    """Kind of movement; the numbers of the proto and the database."""

    ENROLLED = 1
    TRANSFERRED_IN = 2
    TRANSFERRED_OUT = 3
    CLASS_CHANGED = 4
    SUSPENDED = 5
    WITHDRAWN = 6
    RETURNED = 7
    GRADUATED = 8
    PAPERS_RETURNED = 9


class StudentState(IntEnum):
    """A student's state in a school; the numbers of the proto."""

    UNKNOWN = 0
    STUDYING = 1
    SUSPENDED = 2
    TRANSFERRED_OUT = 3
    WITHDRAWN = 4
    GRADUATED = 5


@dataclass(frozen=True, slots=True)
class Details:
    """What the student register holds apart from the personal details.

    national_id: twelve digits or empty.
    """

    national_id: str
    nationality: str
    guardian: Guardian | None
    from_school: str
    note: str


class Decision(NamedTuple):
    """The decision or letter on which a movement rests."""

    number: str
    date: date


_ARRIVALS = {
    MovementKind.ENROLLED: {StudentState.UNKNOWN, StudentState.GRADUATED},
    MovementKind.TRANSFERRED_IN: {
        StudentState.UNKNOWN,
        StudentState.TRANSFERRED_OUT,
        StudentState.WITHDRAWN,
        StudentState.GRADUATED,
    },
    MovementKind.CLASS_CHANGED: {StudentState.STUDYING},
    MovementKind.RETURNED: {StudentState.SUSPENDED, StudentState.WITHDRAWN, StudentState.TRANSFERRED_OUT},
}
"""Movements that end in STUDYING, with the states they may start from."""

_DEPARTURES = {
    MovementKind.TRANSFERRED_OUT: (
        {StudentState.STUDYING, StudentState.SUSPENDED},
        StudentState.TRANSFERRED_OUT,
    ),
    MovementKind.SUSPENDED: ({StudentState.STUDYING}, StudentState.SUSPENDED),
    MovementKind.WITHDRAWN: ({StudentState.STUDYING, StudentState.SUSPENDED}, StudentState.WITHDRAWN),
    MovementKind.GRADUATED: ({StudentState.STUDYING}, StudentState.GRADUATED),
}
"""Movements that end in another state, with the states they may start from and that state."""

GONE = frozenset({StudentState.TRANSFERRED_OUT, StudentState.WITHDRAWN, StudentState.GRADUATED})
"""States in which the school gives the papers back."""

WITHOUT_DECISION = frozenset({MovementKind.ENROLLED, MovementKind.PAPERS_RETURNED})
"""Movements that need no decision of the principal."""

LEAVING = frozenset({MovementKind.TRANSFERRED_OUT, MovementKind.SUSPENDED, MovementKind.WITHDRAWN})
"""Movements that end a student's place in the class if they happen during the year."""

PERMISSIONS = {
    MovementKind.ENROLLED: Permission.REGISTER_STUDENTS,
    MovementKind.TRANSFERRED_IN: Permission.TRANSFER_IN,
    MovementKind.TRANSFERRED_OUT: Permission.TRANSFER_OUT,
    MovementKind.CLASS_CHANGED: Permission.RECORD_MOVEMENT,
    MovementKind.SUSPENDED: Permission.RECORD_MOVEMENT,
    MovementKind.WITHDRAWN: Permission.RECORD_MOVEMENT,
    MovementKind.RETURNED: Permission.RECORD_MOVEMENT,
    MovementKind.GRADUATED: Permission.RECORD_MOVEMENT,
    MovementKind.PAPERS_RETURNED: Permission.RETURN_PAPERS,
}
"""What a person needs to record a movement.

Movements without a decision are recorded by the keepers of the register. The others are decided by
the principal and recorded by the principal or the data officer; the movement names the decision's
number and date.
"""

_STATE_WORDS = {
    StudentState.UNKNOWN: "chưa vào sổ đăng bộ",
    StudentState.STUDYING: "đang học",
    StudentState.SUSPENDED: "đang bảo lưu",
    StudentState.TRANSFERRED_OUT: "đã chuyển đi",
    StudentState.WITHDRAWN: "đã thôi học",
    StudentState.GRADUATED: "đã tốt nghiệp, hoàn thành chương trình",
}

_LIST_WORDS = {
    MovementKind.TRANSFERRED_IN: "Chuyển đến ngày",
    MovementKind.TRANSFERRED_OUT: "Chuyển trường ngày",
    MovementKind.CLASS_CHANGED: "Chuyển lớp ngày",
    MovementKind.SUSPENDED: "Bảo lưu từ ngày",
    MovementKind.WITHDRAWN: "Thôi học từ ngày",
    MovementKind.RETURNED: "Trở lại học từ ngày",
}


@dataclass(frozen=True, slots=True)
class EnrolmentStatus:
    """A student's status in a school after some movements.

    moved_on: day of the last movement. papers: whether they were returned after the student left.
    """

    state: StudentState = StudentState.UNKNOWN
    moved_on: date | None = None
    papers: bool = False


def status_after(history: Iterable[tuple[int, date]]) -> EnrolmentStatus:
    """A student's status after movements (kind, day), oldest first."""
    status = EnrolmentStatus()
    for kind, day in history:
        status = _moved(status, MovementKind(kind), day)
    return status


def move(status: EnrolmentStatus, kind: MovementKind, day: date) -> EnrolmentStatus:
    """A student's status after one more movement.

    Raises Rejected STUDENT_STATE when the state does not allow it, PAPERS_RETURNED when the papers
    were returned before, MOVEMENT_ORDER when the day is before that of the last movement.
    """
    if not _allowed(status.state, kind):
        raise Rejected(
            "STUDENT_STATE",
            f"Học sinh {_STATE_WORDS[status.state]} nên không ghi được biến động này.",
            state=status.state.name,
            movement=kind.name,
        )
    if kind is MovementKind.PAPERS_RETURNED and status.papers:
        raise Rejected("PAPERS_RETURNED", "Giấy tờ của học sinh đã được trả.", state=status.state.name)
    if status.moved_on is not None and day < status.moved_on:
        raise Rejected(
            "MOVEMENT_ORDER",
            "Ngày biến động không được trước ngày của biến động gần nhất.",
            date=day,
            last=status.moved_on,
        )
    return _moved(status, kind, day)


def ends_place(kind: MovementKind, day: date, school_year: str) -> bool:
    """Whether a movement ends the student's place in the class of the year.

    Leaving after 31 May does not: by then the year has ended (the Ministry's calendar) and its
    results stand.
    """
    return kind in LEAVING and day <= date(year_start(school_year) + 1, 5, 31)


def in_year(day: date, school_year: str) -> bool:
    """Whether a day belongs to a school year: from 1 June before it to 31 August at its end."""
    start = year_start(school_year)
    return date(start, 6, 1) <= day <= date(start + 1, 8, 31)


def list_note(own: str, joined: tuple[int, date] | None, left: tuple[int, date] | None) -> str:
    """The note of a student in the class list, cut with an ellipsis to MAX_NOTE characters.

    First when and how the student joined and left (kind, day), then the school's own note.
    """
    parts = [f"{_LIST_WORDS[MovementKind(kind)]} {day:%d/%m/%Y}" for kind, day in filter(None, (joined, left))]
    text = "; ".join([*parts, own] if own else parts)
    return text if len(text) <= MAX_NOTE else f"{text[: MAX_NOTE - 1].rstrip()}…"


def _allowed(state: StudentState, kind: MovementKind) -> bool:
    if kind is MovementKind.PAPERS_RETURNED:
        return state in GONE
    if kind in _ARRIVALS:
        return state in _ARRIVALS[kind]
    return state in _DEPARTURES[kind][0]


def _moved(status: EnrolmentStatus, kind: MovementKind, day: date) -> EnrolmentStatus:
    if kind is MovementKind.PAPERS_RETURNED:
        return EnrolmentStatus(status.state, day, papers=True)
    return EnrolmentStatus(StudentState.STUDYING if kind in _ARRIVALS else _DEPARTURES[kind][1], day)
