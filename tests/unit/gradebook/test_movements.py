"""Movements of a student in a school: random walks against a plain table of what may follow."""

import datetime as dt

import pytest
from hoso.gradebook.v1 import register_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.errors import Rejected
from services.gradebook.model.domain import Role
from services.gradebook.model.movement_rules import (
    MAX_NOTE,
    PERMISSIONS,
    EnrolmentStatus,
    MovementKind,
    StudentState,
    ends_place,
    in_year,
    list_note,
    move,
    status_after,
)
from services.gradebook.model.permissions import SCHOOL_ROLES

# State → movement → next state. Everything else is refused.
LIFE = {
    "UNKNOWN": {"ENROLLED": "STUDYING", "TRANSFERRED_IN": "STUDYING"},
    "STUDYING": {
        "CLASS_CHANGED": "STUDYING",
        "SUSPENDED": "SUSPENDED",
        "TRANSFERRED_OUT": "TRANSFERRED_OUT",
        "WITHDRAWN": "WITHDRAWN",
        "GRADUATED": "GRADUATED",
    },
    "SUSPENDED": {"RETURNED": "STUDYING", "TRANSFERRED_OUT": "TRANSFERRED_OUT", "WITHDRAWN": "WITHDRAWN"},
    "TRANSFERRED_OUT": {"RETURNED": "STUDYING", "TRANSFERRED_IN": "STUDYING"},
    "WITHDRAWN": {"RETURNED": "STUDYING", "TRANSFERRED_IN": "STUDYING"},
    "GRADUATED": {"ENROLLED": "STUDYING", "TRANSFERRED_IN": "STUDYING"},
}
START = dt.date(2025, 9, 5)


class StudentLife(RuleBasedStateMachine):
    """Any movement at any time; the table says what must happen."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.state, self.papers, self.day = EnrolmentStatus(), "UNKNOWN", False, START
        self.history: list[tuple[int, dt.date]] = []

    def try_move(self, kind: MovementKind, day: dt.date) -> bool:
        try:
            self.status = move(self.status, kind, day)
        except Rejected:
            return False
        self.history.append((kind, day))
        return True

    @rule(kind=st.sampled_from(MovementKind), days=st.integers(0, 60))
    def any_movement(self, kind: MovementKind, days: int) -> None:
        day = self.day + dt.timedelta(days=days)
        if kind is MovementKind.PAPERS_RETURNED:
            allowed = self.state in ("TRANSFERRED_OUT", "WITHDRAWN", "GRADUATED") and not self.papers
        else:
            allowed = kind.name in LIFE[self.state]
        assert self.try_move(kind, day) is allowed
        if allowed and kind is MovementKind.PAPERS_RETURNED:
            self.papers = True
        elif allowed:
            self.state, self.papers = LIFE[self.state][kind.name], False
        if allowed:
            self.day = day

    @precondition(lambda self: self.history)
    @rule(kind=st.sampled_from(MovementKind), days=st.integers(1, 400))
    def a_movement_before_the_last(self, kind: MovementKind, days: int) -> None:
        assert not self.try_move(kind, self.day - dt.timedelta(days=days))

    @invariant()
    def the_history_tells_the_state(self) -> None:
        assert status_after(self.history) == self.status
        assert (self.status.state.name, self.status.papers) == (self.state, self.papers)


TestStudentLife = StudentLife.TestCase
TestStudentLife.settings = settings(max_examples=60, stateful_step_count=30)


def test_kinds_and_states_are_those_of_the_contract() -> None:
    for enum, prefix, members in (
        (register_pb2.MovementKind, "MOVEMENT_KIND_", MovementKind),
        (register_pb2.StudentState, "STUDENT_STATE_", StudentState),
    ):
        contract = {name.removeprefix(prefix): number for name, number in enum.items() if number}
        assert contract == {member.name: member.value for member in members if member.value}


def test_who_records_what() -> None:
    def recorders(kind: MovementKind) -> set[Role]:
        return {SCHOOL_ROLES[actor] for actor in PERMISSIONS[kind].value.actors}

    assert recorders(MovementKind.TRANSFERRED_OUT) == {Role.PRINCIPAL, Role.DATA_OFFICER}
    assert recorders(MovementKind.PAPERS_RETURNED) == {Role.SEAL_CUSTODIAN, Role.DATA_OFFICER}
    assert not any(Role.TEACHER in recorders(kind) for kind in MovementKind)


@pytest.mark.parametrize(
    ("kind", "day", "ends"),
    [
        (MovementKind.TRANSFERRED_OUT, dt.date(2026, 5, 31), True),
        (MovementKind.TRANSFERRED_OUT, dt.date(2026, 6, 1), False),
        (MovementKind.WITHDRAWN, dt.date(2025, 9, 8), True),
        (MovementKind.GRADUATED, dt.date(2026, 5, 30), False),
        (MovementKind.PAPERS_RETURNED, dt.date(2026, 1, 30), False),
    ],
)
def test_who_leaves_in_the_summer_has_finished_the_year(kind: MovementKind, day: dt.date, ends: bool) -> None:
    assert ends_place(kind, day, "2025-2026") is ends


def test_the_days_of_a_school_year() -> None:
    inside = [dt.date(2025, 6, 1), dt.date(2026, 8, 31)]
    outside = [dt.date(2025, 5, 31), dt.date(2026, 9, 1)]
    assert [in_year(day, "2025-2026") for day in inside + outside] == [True, True, False, False]


@given(st.text(st.characters(categories=["L"]), max_size=200), st.booleans(), st.booleans())
def test_the_note_of_the_class_list_fits_the_book(own: str, joined: bool, left: bool) -> None:
    came = (MovementKind.TRANSFERRED_IN, dt.date(2025, 11, 3)) if joined else None
    went = (MovementKind.TRANSFERRED_OUT, dt.date(2026, 1, 19)) if left else None
    note = list_note(own, came, went)
    assert len(note) <= MAX_NOTE
    assert ("Chuyển đến ngày 03/11/2025" in note, "Chuyển trường ngày 19/01/2026" in note) == (joined, left)
    if not (joined or left):
        assert note == own
