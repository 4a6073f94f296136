"""Transfers between schools: out of one, into the other; the marks of the running year come along.

A departure that names the receiving school authorises that school to take over what was entered
(ADR-0037).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from services.common.db import Database, Tx
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.model import register_rules, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, Student
from services.gradebook.model.movement_rules import Details, MovementKind, move
from services.gradebook.model.register_rules import CheckedMovement, MovementRequest
from services.gradebook.register import earlier_marks, place_store, placing, register_store, student_context
from services.gradebook.register.carrying_store import Carried
from services.gradebook.register.earlier_marks import EarlierData
from services.gradebook.register.movements import hold_student
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.register_store import MovementRow, NewRegistration
from services.gradebook.register.student_context import StudentContext
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import ClassRow


class Arrival(NamedTuple):
    """A transfer into a school as recorded, and the student's number in its register."""

    movement: MovementRow
    register_number: int


def transfer_out(
    database: Database, caller: Caller, school: str, school_year: str, request: MovementRequest
) -> MovementRow:
    """Record that a student leaves for another school (principal or data officer).

    Raises Invalid, also SCHOOL_UNKNOWN when this deployment has no school of the code; Forbidden
    ROLE_REQUIRED; Rejected STUDENT_STATE, MOVEMENT_ORDER, CORRECTION_OPEN.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    checked = register_rules.check_movement(findings, request, school, school_year, "to_school")
    findings.refuse()
    with database.transaction() as tx:
        context = hold_student(tx, caller, school, school_year, checked)
        if context.repeated:
            return context.repeated
        other_id, other_name = student_context.other_school(tx, checked, "to_school")
        move(student_context.status_of(context.movements_here), checked.kind, checked.day)
        placing.leave_during_year(tx, context)
        new = student_context.new_movement(context)._replace(
            other_school_id=other_id,
            other_school=other_name,
            from_class_id=context.last_place.class_id if context.last_place else None,
        )
        return student_context.write(tx, caller, context, new)


def transfer_in(
    database: Database,
    caller: Caller,
    ref: ClassRef,
    request: MovementRequest,
    *,
    number: int,
    personal: Student | None,
    details: Details | None,
    earlier: EarlierData,
) -> Arrival:
    """Take a student in from another school (principal or data officer).

    number: place in the class list, 0 for the next. personal: required of a student unknown to this
    deployment, else None. details: None to keep those of the latest registration. earlier: data of
    the year on paper, only from a school outside.
    Raises Invalid; Forbidden ROLE_REQUIRED; Rejected TRANSFER_NOT_RECORDED, TRANSFER_OTHER_SCHOOL,
    STUDENT_ELSEWHERE, STUDENT_STATE, MOVEMENT_ORDER, BOOK_LOCKED, SCHOOL_NOT_AUTHORISED.
    """
    roster_rules.check_class_ref(ref)
    checked = _check(ref, request, personal, details, earlier)
    with database.transaction() as tx:
        context, places = _hold_arriving(tx, caller, ref, checked)
        if context.repeated:
            known = register_store.registrations(tx, context.year.school_id, [context.student_id])
            return Arrival(context.repeated, known[context.student_id].number)
        if (personal is None) != bool(places):
            raise Invalid([_personal_violation(known=bool(places))])
        other_id, other_name = student_context.other_school(tx, checked, "from_school")
        departure = _departure(context, other_id)
        _check_may_arrive(tx, context)
        left = _class_left(places, departure)
        to_class, carried = _join(
            tx,
            context,
            left,
            personal or places[-1].personal,
            number=number,
            earlier=earlier,
            from_school=other_name,
        )
        register_number = _register(tx, context, details, other_name)
        new = student_context.new_movement(context)._replace(
            other_school_id=other_id,
            other_school=other_name,
            from_class_id=left.class_id if left else None,
            to_class_id=to_class.id,
            answers=departure.id if departure else None,
        )
        return Arrival(student_context.write(tx, caller, context, new, carried), register_number)


def _check(
    ref: ClassRef,
    request: MovementRequest,
    personal: Student | None,
    details: Details | None,
    earlier: EarlierData,
) -> CheckedMovement:
    findings = Findings()
    earlier_marks.check(findings, earlier)
    if earlier and request.other_school:
        findings.add("earlier_marks", "NOT_ALLOWED", "Điểm của năm học đi theo học sinh từ trường cũ trong hệ thống.")
    checked = register_rules.check_movement(findings, request, ref.school, ref.school_year, "from_school")
    if personal is not None:
        roster_rules.check_student(findings, "personal", personal)
        if personal.moet_student_id != request.student:
            findings.add("personal.moet_student_id", "STUDENT_OTHER", "Thông tin cá nhân phải là của học sinh này.")
    if details is not None:
        register_rules.check_details(findings, "details", details)
    findings.refuse()
    return checked


def _hold_arriving(
    tx: Tx, caller: Caller, ref: ClassRef, checked: CheckedMovement
) -> tuple[StudentContext, list[ClassPlace]]:
    """Hold the year and the student, who may be new here.

    Also returns the classes in all schools, oldest first.
    """
    year, _ = access.school_class(tx, caller, ref)
    recorder = student_context.require_recorder(tx, caller, year, checked.kind)
    year_lock.hold_year(tx, year.id)
    student_id = register_store.add_students(tx, [checked.student])[checked.student]
    places = place_store.of_students(tx, [student_id])
    context = StudentContext(
        year=year,
        recorder=recorder,
        client=caller.client,
        student_id=student_id,
        checked=checked,
        movements=register_store.movements_of(tx, [student_id]),
        places=[place for place in places if place.school_id == year.school_id],
    )
    return context, places


def _personal_violation(*, known: bool) -> Violation:
    if known:
        return Violation("personal", "NOT_ALLOWED", "Hệ thống đã có thông tin cá nhân của học sinh này.")
    return Violation("personal", "REQUIRED", "Hệ thống chưa có học sinh này nên cần thông tin cá nhân.")


def _departure(context: StudentContext, other_id: int | None) -> MovementRow | None:
    """The departure that this arrival answers; None from a school outside."""
    last_movements = [
        student_context.last_deciding(movements) for movements in student_context.by_school(context.movements).values()
    ]
    departures = [movement for movement in last_movements if movement is not None and _is_open(movement, context)]
    departure = next((movement for movement in departures if movement.school_id == other_id), None)
    if other_id is not None and departure is None:
        raise Rejected(
            "TRANSFER_NOT_RECORDED",
            "Trường cũ chưa ghi chuyển đi cho học sinh này.",
            student=context.checked.student,
            from_school=context.checked.other_school,
        )
    to_known_school = departure or next((movement for movement in departures if movement.other_school), None)
    if to_known_school is not None and (departure is None or to_known_school.other_school != context.year.school):
        raise Rejected(
            "TRANSFER_OTHER_SCHOOL",
            "Trường cũ đã ghi học sinh này chuyển đi từ trường khác hoặc đến trường khác.",
            student=context.checked.student,
            from_school=to_known_school.school,
        )
    return departure


def _is_open(movement: MovementRow, context: StudentContext) -> bool:
    """Whether the last movement in its school is a departure that no arrival has answered."""
    answered = {other.answers for other in context.movements}
    return (
        movement.kind == MovementKind.TRANSFERRED_OUT
        and movement.id not in answered
        and movement.school_id != context.year.school_id
    )


def _check_may_arrive(tx: Tx, context: StudentContext) -> None:
    """The student is in no other school or class, and the status here allows the arrival."""
    student, year = context.checked.student, context.year
    # No class has the id 0: the places in all classes of the year.
    places = place_store.in_other_classes(tx, year.school_id, year.name, 0, [student])
    in_other_school = any(place.present and not place.same_school for place in places)
    if in_other_school or student_context.attending_elsewhere(context.movements, year.school_id):
        raise Rejected("STUDENT_ELSEWHERE", "Học sinh đang thuộc trường khác.", student=student)
    if context.current_place is not None and context.current_place.class_name != context.checked.to_class:
        raise Rejected("STUDENT_IN_OTHER_CLASS", "Học sinh đang ở một lớp của trường.", student=student)
    move(student_context.status_of(context.movements_here), context.checked.kind, context.checked.day)


def _class_left(places: Sequence[ClassPlace], departure: MovementRow | None) -> ClassPlace | None:
    """The class out of which the student departed."""
    if departure is None:
        return None
    return next((place for place in places if place.class_id == departure.from_class_id), None)


def _join(
    tx: Tx,
    context: StudentContext,
    left: ClassPlace | None,
    personal: Student,
    *,
    number: int,
    earlier: EarlierData,
    from_school: str,
) -> tuple[ClassRow, Carried | None]:
    """Join the class that the movement names, with data from a class of this year or on paper."""
    year = context.year
    left_this_year = left if left and left.school_year == year.name else None
    # Without the places: the class list may name the student already.
    to_class = placing.class_joined(tx, context._replace(places=[]), left_this_year, "school_class.name")
    if left_this_year is not None:
        return to_class, placing.join_with_data(tx, context, left_this_year, to_class, number)
    placing.join_class(tx, context, to_class, personal, number)
    if not earlier:
        return to_class, None
    access.check_authorised(year.school, year.name, year.authority)
    return to_class, earlier_marks.write(tx, context, to_class, earlier, from_school)


def _register(tx: Tx, context: StudentContext, details: Details | None, from_school: str) -> int:
    """The student's number in the register of this school; a new one when there is none."""
    school_id, student_id = context.year.school_id, context.student_id
    register_store.hold_register(tx, school_id)
    known = register_store.registrations(tx, school_id, [student_id]).get(student_id)
    if known is not None and details is None:
        return known.number
    number = known.number if known else register_store.last_number(tx, school_id) + 1
    entered_on = known.entered_on if known else context.checked.day
    details = details or register_store.newest_details(tx, student_id) or Details("", "Việt Nam", None, "", "")
    _check_identity(tx, context, details)
    line = NewRegistration(student_id, number, entered_on, replace(details, from_school=from_school))
    register_store.put_registrations(tx, school_id, [line])
    return number


def _check_identity(tx: Tx, context: StudentContext, details: Details) -> None:
    owners = register_store.identity_owners(tx, context.year.school_id, [details.national_id])
    if owners.get(details.national_id) not in (None, context.checked.student):
        message = "Số định danh cá nhân này đã có trong sổ đăng bộ cho học sinh khác."
        raise Invalid([Violation("details.national_id", "DUPLICATE", message)])
