"""What every act on a student's movements needs: who acts, the student held, what was recorded, and how to append."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from services.common.db import Tx
from services.common.errors import Invalid, Violation
from services.common.identity import Caller
from services.gradebook.model.acts import DIGEST_VERSION
from services.gradebook.model.movement_rules import PERMISSIONS, MovementKind, Standing, StudentState, standing
from services.gradebook.model.register_rules import Checked
from services.gradebook.register import register_store
from services.gradebook.register.carrying_store import Carried
from services.gradebook.register.place_store import Place
from services.gradebook.register.register_store import MovementRow, NewMovement
from services.gradebook.roster import access, roster_store
from services.gradebook.roster.roster_store import StaffRow, YearRow

_STAYING = frozenset({MovementKind.ENROLLED, MovementKind.PAPERS_RETURNED})


class Scene(NamedTuple):
    """A movement about to be made: where, by whom, of whom, and what is known of the student.

    moves: recorded in all schools; places: the classes in this school; both oldest first.
    """

    year: YearRow
    who: StaffRow
    client: str
    student_id: int
    checked: Checked
    moves: Sequence[MovementRow]
    places: Sequence[Place]

    @property
    def here(self) -> Sequence[MovementRow]:
        """The movements in this school."""
        return by_school(self.moves).get(self.year.school_id, [])

    @property
    def this_year(self) -> Place | None:
        """The last class of this year, left or not."""
        listed = [one for one in self.places if one.year_id == self.year.id]
        return max(listed, key=lambda one: one.left_on or date.max, default=None)

    @property
    def present(self) -> Place | None:
        """The class of this year in which the student is."""
        return next((one for one in self.places if one.year_id == self.year.id and one.left_on is None), None)

    @property
    def repeated(self) -> MovementRow | None:
        """The movement, when this same call has recorded it before."""
        return next((one for one in self.here if _same(one, self.checked, self.year.name)), None)


def by_school(moves: Sequence[MovementRow]) -> dict[int, list[MovementRow]]:
    """A student's movements by school id, in their order."""
    found: dict[int, list[MovementRow]] = {}
    for move in moves:
        found.setdefault(move.school_id, []).append(move)
    return found


def deciding(moves: Sequence[MovementRow]) -> MovementRow | None:
    """The last movement that decides the state; returning papers changes nothing."""
    return next((move for move in reversed(moves) if move.kind != MovementKind.PAPERS_RETURNED), None)


def standing_of(moves: Sequence[MovementRow]) -> Standing:
    """Where a student stands after these movements of one school."""
    return standing((move.kind, move.day) for move in moves)


def attending_elsewhere(moves: Sequence[MovementRow], school_id: int) -> bool:
    """Whether a student is at another school of this deployment, studying or with studies suspended."""
    return any(
        standing_of(rows).state in (StudentState.STUDYING, StudentState.SUSPENDED)
        for school, rows in by_school(moves).items()
        if school != school_id
    )


def recorder(tx: Tx, caller: Caller, year: YearRow, kind: MovementKind) -> StaffRow:
    """The acting person, who may record movements of that kind. Raises Forbidden ROLE_REQUIRED."""
    return access.require(tx, caller, year, PERMISSIONS[kind])


def other_school(tx: Tx, checked: Checked, field: str) -> tuple[int | None, str]:
    """Id and name of the other school of a transfer; no id when it is outside. Raises Invalid SCHOOL_UNKNOWN."""
    if not checked.other_school:
        return None, checked.other_name
    found = roster_store.school(tx, checked.other_school)
    if found is None:
        message = "Hệ thống chưa có trường mang mã này; trường ngoài hệ thống thì ghi bằng tên."
        raise Invalid([Violation(field, "SCHOOL_UNKNOWN", message)])
    return found[0], found[1].name


def new_movement(scene: Scene) -> NewMovement:
    """The movement as asked for, out of the class in which the student is."""
    checked = scene.checked
    leaves = scene.present is not None and checked.kind not in _STAYING
    return NewMovement(
        scene.year.school_id,
        scene.year.id,
        scene.student_id,
        checked.kind,
        checked.day,
        checked.decision,
        checked.reason,
        scene.who.person,
        scene.client,
        from_class_id=scene.present.class_id if scene.present and leaves else None,
    )


def write(tx: Tx, caller: Caller, scene: Scene, new: NewMovement, carried: Carried | None = None) -> MovementRow:
    """Append the movement and its audit row."""
    written = register_store.add_movement(tx, new._replace(carried=carried.cells if carried else 0))
    facts: dict[str, object] = {"movement": written.id, "kind": scene.checked.kind.name, "date": scene.checked.day}
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


def _same(row: MovementRow, checked: Checked, school_year: str) -> bool:
    other = row.other_school or row.other_school_name
    return (row.school_year, row.kind, row.day, row.decision, row.reason, other, row.to_class) == (
        school_year,
        checked.kind,
        checked.day,
        checked.decision,
        checked.reason,
        checked.other_school or checked.other_name,
        checked.to_class,
    )
