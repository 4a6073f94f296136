"""Movements of students inside a school: each appends one row and changes the class lists with it.

Order within the transaction (ADR-0037): permission → hold the year, then the student → was this
recorded before → does the student's state allow it → class list, data that come along, movement,
audit.
"""

from services.common.db import Database, Tx
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.model import register_rules, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.movement_rules import LEAVING, MovementKind, StudentState, move
from services.gradebook.model.register_rules import CheckedMovement, MovementRequest
from services.gradebook.register import place_store, placing, register_store, student_context
from services.gradebook.register.carrying_store import Carried
from services.gradebook.register.register_store import MovementRow
from services.gradebook.register.student_context import StudentContext
from services.gradebook.roster import access, year_lock

_LAST_GRADES = (9, 12)


def record_movement(
    database: Database, caller: Caller, school: str, school_year: str, request: MovementRequest
) -> MovementRow:
    """Record a movement inside the school.

    By the principal or the data officer; movements without a decision by the seal custodian or the
    data officer (`movement_rules.PERMISSIONS`). Raises Invalid; Forbidden ROLE_REQUIRED; Rejected
    NOT_REGISTERED, STUDENT_STATE, MOVEMENT_ORDER, PAPERS_RETURNED, STUDENT_ELSEWHERE,
    STUDENT_NOT_IN_CLASS, GRADE_LEVEL, BOOK_LOCKED, CORRECTION_OPEN.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    checked = register_rules.check_movement(findings, request, school, school_year)
    findings.refuse()
    with database.transaction() as tx:
        context = hold_student(tx, caller, school, school_year, checked)
        if context.repeated:
            return context.repeated
        status = student_context.status_of(context.movements_here)
        if status.state is StudentState.UNKNOWN:
            raise Rejected("NOT_REGISTERED", "Học sinh chưa có số đăng bộ.", student=checked.student)
        move(status, checked.kind, checked.day)
        return _perform(tx, caller, context)


def hold_student(tx: Tx, caller: Caller, school: str, school_year: str, checked: CheckedMovement) -> StudentContext:
    """Hold the year and a student of this school until commit, and read what a movement needs.

    Raises Invalid STUDENT_UNKNOWN, Forbidden ROLE_REQUIRED.
    """
    year = access.year(tx, caller, school, school_year)
    recorder = student_context.require_recorder(tx, caller, year, checked.kind)
    year_lock.hold_year(tx, year.id)
    ids = register_store.hold_students(tx, [checked.student])
    places = place_store.of_students(tx, list(ids.values()), year.school_id)
    if not places:
        raise Invalid([Violation("student", "STUDENT_UNKNOWN", "Trường không có học sinh mang mã này.")])
    student_id = ids[checked.student]
    return StudentContext(
        year=year,
        recorder=recorder,
        client=caller.client,
        student_id=student_id,
        checked=checked,
        movements=register_store.movements_of(tx, [student_id]),
        places=places,
    )


def _perform(tx: Tx, caller: Caller, context: StudentContext) -> MovementRow:
    """Change the class lists as the movement requires, and write it."""
    kind = context.checked.kind
    new, carried = student_context.new_movement(context), None
    if kind in LEAVING:
        placing.leave_during_year(tx, context)
    elif kind is MovementKind.GRADUATED:
        _check_last_grade(context)
    elif kind is MovementKind.CLASS_CHANGED:
        to_class_id, carried = _change_class(tx, context)
        new = new._replace(to_class_id=to_class_id)
    elif kind is MovementKind.RETURNED:
        back_class_id, carried = _return(tx, context)
        new = new._replace(from_class_id=None, to_class_id=back_class_id)
    elif kind is MovementKind.ENROLLED:
        _check_not_elsewhere(context)
    return student_context.write(tx, caller, context, new, carried)


def _change_class(tx: Tx, context: StudentContext) -> tuple[int, Carried | None]:
    """The class joined, and what came along."""
    place = context.current_place
    if place is None:
        raise Rejected("STUDENT_NOT_IN_CLASS", "Năm học này học sinh không ở lớp nào.")
    to_class = placing.class_joined(tx, context, place)
    placing.check_open(tx, place.class_id)
    placing.leave_class(tx, context, place)
    return to_class.id, placing.join_with_data(tx, context, place, to_class)


def _return(tx: Tx, context: StudentContext) -> tuple[int | None, Carried | None]:
    """The class joined again, and what came along from the class left in the same year."""
    _check_not_elsewhere(context)
    if not context.checked.to_class:
        if context.last_place is not None and context.current_place is None:
            message = "Phải nêu lớp mà học sinh trở lại trong năm học này."
            raise Invalid([Violation("to_class", "REQUIRED", message)])
        return None, None
    if context.current_place is not None:
        raise Invalid([Violation("to_class", "NOT_ALLOWED", "Học sinh vẫn ở lớp của năm học này.")])
    to_class = placing.class_joined(tx, context, context.last_place)
    left = context.last_place or context.places[-1]
    return to_class.id, placing.join_with_data(tx, context, left, to_class)


def _check_not_elsewhere(context: StudentContext) -> None:
    """A student who entered another school comes back by a transfer only."""
    answered = {movement.answers for movement in context.movements}
    last = student_context.last_deciding(context.movements_here)
    transfer_answered = last is not None and last.id in answered
    if transfer_answered or student_context.attending_elsewhere(context.movements, context.year.school_id):
        raise Rejected("STUDENT_ELSEWHERE", "Học sinh đã vào trường khác.", student=context.checked.student)


def _check_last_grade(context: StudentContext) -> None:
    if context.last_place is None or context.last_place.grade_level not in _LAST_GRADES:
        raise Rejected("GRADE_LEVEL", "Chỉ học sinh lớp 9 hoặc lớp 12 của năm học này hoàn thành chương trình.")
