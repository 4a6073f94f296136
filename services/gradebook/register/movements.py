"""Movements of students inside a school; each is one appended row and what follows from it.

Order within the transaction: who may act → hold the year, then the student → was this recorded before → does the
student's state allow it → class list, marks that follow, movement, audit (ADR-0037).
"""

from services.common.db import Database, Tx
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.model import register_rules, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.movement_rules import LEAVING, MovementKind, StudentState, move
from services.gradebook.model.register_rules import Asked, Checked
from services.gradebook.register import place_store, placing, register_store, scene
from services.gradebook.register.carrying_store import Carried
from services.gradebook.register.register_store import MovementRow
from services.gradebook.register.scene import Scene
from services.gradebook.roster import access, year_lock

_LAST_GRADES = (9, 12)


def record_movement(database: Database, caller: Caller, school: str, school_year: str, asked: Asked) -> MovementRow:
    """Record a movement inside the school (principal or data officer; who keeps the register, where none decides).

    Raises Invalid; Forbidden ROLE_REQUIRED; Rejected NOT_REGISTERED, STUDENT_STATE, MOVEMENT_ORDER, PAPERS_RETURNED,
    STUDENT_ELSEWHERE, STUDENT_NOT_IN_CLASS, GRADE_LEVEL, BOOK_LOCKED, CORRECTION_OPEN.
    """
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    checked = register_rules.check_movement(found, asked, school, school_year)
    found.refuse()
    with database.transaction() as tx:
        one = held(tx, caller, school, school_year, checked)
        if one.repeated:
            return one.repeated
        now = scene.standing_of(one.here)
        if now.state is StudentState.UNKNOWN:
            raise Rejected("NOT_REGISTERED", "Học sinh chưa có số đăng bộ.", student=checked.student)
        move(now, checked.kind, checked.day)
        return _perform(tx, caller, one)


def held(tx: Tx, caller: Caller, school: str, school_year: str, checked: Checked) -> Scene:
    """A movement of a student of this school, with year and student held. Raises Invalid STUDENT_UNKNOWN, Forbidden."""
    year = access.year(tx, caller, school, school_year)
    who = scene.recorder(tx, caller, year, checked.kind)
    year_lock.hold_year(tx, year.id)
    ids = register_store.hold_students(tx, [checked.student])
    listed = place_store.of_students(tx, list(ids.values()), year.school_id)
    if not listed:
        raise Invalid([Violation("student", "STUDENT_UNKNOWN", "Trường không có học sinh mang mã này.")])
    student = ids[checked.student]
    return Scene(year, who, caller.client, student, checked, register_store.movements_of(tx, [student]), listed)


def _perform(tx: Tx, caller: Caller, one: Scene) -> MovementRow:
    """What a movement inside the school does to class lists, and the movement itself."""
    kind = one.checked.kind
    new, carried = scene.new_movement(one), None
    if kind in LEAVING:
        placing.end_place(tx, one)
    elif kind is MovementKind.GRADUATED:
        _check_last_grade(one)
    elif kind is MovementKind.CLASS_CHANGED:
        target, carried = _change_class(tx, one)
        new = new._replace(to_class_id=target)
    elif kind is MovementKind.RETURNED:
        back, carried = _return(tx, one)
        new = new._replace(from_class_id=None, to_class_id=back)
    elif kind is MovementKind.ENROLLED:
        _check_not_elsewhere(one)
    return scene.write(tx, caller, one, new, carried)


def _change_class(tx: Tx, one: Scene) -> tuple[int, Carried | None]:
    if one.present is None:
        raise Rejected("STUDENT_NOT_IN_CLASS", "Năm học này học sinh không ở lớp nào.")
    target = placing.class_joined(tx, one, one.present)
    placing.check_open(tx, one.present.class_id)
    placing.leave(tx, one, one.present)
    return target.id, placing.follow(tx, one, one.present, target)


def _return(tx: Tx, one: Scene) -> tuple[int | None, Carried | None]:
    """The class joined again, and what comes along from the class left in the same year."""
    _check_not_elsewhere(one)
    if not one.checked.to_class:
        if one.this_year is not None and one.present is None:
            message = "Phải nêu lớp mà học sinh trở lại trong năm học này."
            raise Invalid([Violation("to_class", "REQUIRED", message)])
        return None, None
    if one.present is not None:
        raise Invalid([Violation("to_class", "NOT_ALLOWED", "Học sinh vẫn ở lớp của năm học này.")])
    target = placing.class_joined(tx, one, one.this_year)
    return target.id, placing.follow(tx, one, one.this_year or one.places[-1], target)


def _check_not_elsewhere(one: Scene) -> None:
    """Whoever came into another school comes back by a transfer."""
    answered = {move.answers for move in one.moves}
    last = scene.deciding(one.here)
    gone_on = last is not None and last.id in answered
    if gone_on or scene.attending_elsewhere(one.moves, one.year.school_id):
        raise Rejected("STUDENT_ELSEWHERE", "Học sinh đã vào trường khác.", student=one.checked.student)


def _check_last_grade(one: Scene) -> None:
    if one.this_year is None or one.this_year.grade_level not in _LAST_GRADES:
        raise Rejected("GRADE_LEVEL", "Chỉ học sinh lớp 9 hoặc lớp 12 của năm học này hoàn thành chương trình.")
