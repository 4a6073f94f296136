"""What every movement of a student needs: its recorder, what is known of the student, writing it.

The caller holds the school year and the student (ADR-0031), so nothing read here changes meanwhile.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from services.common.db import Tx
from services.common.errors import Invalid, Violation
from services.common.identity import Caller
from services.gradebook.model.acts import DIGEST_VERSION
from services.gradebook.model.movement_rules import (
    PERMISSIONS,
    EnrolmentStatus,
    MovementKind,
    StudentState,
    status_after,
)
from services.gradebook.model.register_rules import CheckedMovement
from services.gradebook.register import register_store
from services.gradebook.register.carrying_store import Carried
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.register_store import MovementRow, NewMovement
from services.gradebook.roster import access, roster_store
from services.gradebook.roster.roster_store import StaffRow, YearRow

_STAYING = frozenset({MovementKind.ENROLLED, MovementKind.PAPERS_RETURNED})
"""Movements after which the student is in the same class as before."""


class StudentContext(NamedTuple):
    """A movement to be recorded, by whom, and what is known of the student.

    movements: recorded in all schools; places: the classes in this school; both oldest first.
    """

    year: YearRow
    recorder: StaffRow
    client: str
    student_id: int
    checked: CheckedMovement
    movements: Sequence[MovementRow]
    places: Sequence[ClassPlace]

    @property
    def movements_here(self) -> Sequence[MovementRow]:
        """The movements in this school."""
        return by_school(self.movements).get(self.year.school_id, [])

    @property
    def last_place(self) -> ClassPlace | None:
        """The last class of this school year, left or not."""
        places = [place for place in self.places if place.year_id == self.year.id]
        return max(places, key=lambda place: place.left_on or date.max, default=None)

    @property
    def current_place(self) -> ClassPlace | None:
        """The class of this school year in which the student is."""
        return next((place for place in self.places if place.year_id == self.year.id and place.left_on is None), None)

    @property
    def repeated(self) -> MovementRow | None:
        """The movement as recorded by an earlier, identical call."""
        return next(
            (movement for movement in self.movements_here if _same(movement, self.checked, self.year.name)), None
        )


def by_school(movements: Sequence[MovementRow]) -> dict[int, list[MovementRow]]:
    """A student's movements by school id, in their order."""
    schools: dict[int, list[MovementRow]] = {}
    for movement in movements:
        schools.setdefault(movement.school_id, []).append(movement)
    return schools


def last_deciding(movements: Sequence[MovementRow]) -> MovementRow | None:
    """The last movement that decides the state; returning papers does not change it."""
    return next((movement for movement in reversed(movements) if movement.kind != MovementKind.PAPERS_RETURNED), None)


def status_of(movements: Sequence[MovementRow]) -> EnrolmentStatus:
    """A student's status after these movements in one school."""
    return status_after((movement.kind, movement.day) for movement in movements)


def attending_elsewhere(movements: Sequence[MovementRow], school_id: int) -> bool:
    """Whether a student attends another school of this deployment, suspended studies included."""
    return any(
        status_of(movements_there).state in (StudentState.STUDYING, StudentState.SUSPENDED)
        for other_id, movements_there in by_school(movements).items()
        if other_id != school_id
    )


def require_recorder(tx: Tx, caller: Caller, year: YearRow, kind: MovementKind) -> StaffRow:
    """The acting person, who may record movements of that kind. Raises Forbidden ROLE_REQUIRED."""
    return access.require(tx, caller, year, PERMISSIONS[kind])


def other_school(tx: Tx, checked: CheckedMovement, field: str) -> tuple[int | None, str]:
    """Id and name of the other school of a transfer; no id when it is outside this deployment.

    Raises Invalid SCHOOL_UNKNOWN.
    """
    if not checked.other_school:
        return None, checked.other_name
    known = roster_store.school(tx, checked.other_school)
    if known is None:
        message = "Hệ thống chưa có trường mang mã này; trường ngoài hệ thống thì ghi bằng tên."
        raise Invalid([Violation(field, "SCHOOL_UNKNOWN", message)])
    school_id, school = known
    return school_id, school.name


def new_movement(context: StudentContext) -> NewMovement:
    """The movement as requested, out of the class in which the student is."""
    checked, place = context.checked, context.current_place
    leaves = place is not None and checked.kind not in _STAYING
    return NewMovement(
        school_id=context.year.school_id,
        year_id=context.year.id,
        student_id=context.student_id,
        kind=checked.kind,
        day=checked.day,
        decision=checked.decision,
        reason=checked.reason,
        person=context.recorder.person,
        client=context.client,
        from_class_id=place.class_id if place and leaves else None,
    )


def write(
    tx: Tx, caller: Caller, context: StudentContext, new: NewMovement, carried: Carried | None = None
) -> MovementRow:
    """Append the movement and its audit row."""
    written = register_store.add_movement(tx, new._replace(carried=carried.cells if carried else 0))
    facts: dict[str, object] = {"movement": written.id, "kind": context.checked.kind.name, "date": context.checked.day}
    if carried:
        facts |= {
            "carried": carried.cells,
            "left_behind": carried.left_behind,
            "acts": ",".join(map(str, carried.acts)),
            "cells_sha256": carried.sha256,
            "digest_version": DIGEST_VERSION,
        }
    resource = f"schools/{written.school}/years/{written.school_year}/students/{written.student}"
    access.record(tx, caller, written.school, "STUDENT_MOVED", resource, **facts)
    return written


def _same(movement: MovementRow, checked: CheckedMovement, school_year: str) -> bool:
    return (
        movement.school_year,
        movement.kind,
        movement.day,
        movement.decision,
        movement.reason,
        movement.other_school or movement.other_school_name,
        movement.to_class,
    ) == (
        school_year,
        checked.kind,
        checked.day,
        checked.decision,
        checked.reason,
        checked.other_school or checked.other_name,
        checked.to_class,
    )
