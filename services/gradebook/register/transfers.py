"""Transfers between schools: out of one, into the other, which answers it; marks of the running year come along.

A departure that names the receiving school is that school's authority to take over what was entered (ADR-0037).
"""

from dataclasses import replace

from services.common.db import Database, Tx
from services.common.errors import Invalid, Rejected, Violation
from services.common.identity import Caller
from services.gradebook.model import register_rules, roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, Student
from services.gradebook.model.movement_rules import Details, MovementKind, move
from services.gradebook.model.register_rules import Asked, Checked
from services.gradebook.register import earlier_marks, place_store, placing, register_store, scene
from services.gradebook.register.earlier_marks import Earlier
from services.gradebook.register.movements import held
from services.gradebook.register.place_store import Place
from services.gradebook.register.register_store import MovementRow, NewRegistration
from services.gradebook.register.scene import Scene
from services.gradebook.roster import access, year_lock


def transfer_out(database: Database, caller: Caller, school: str, school_year: str, asked: Asked) -> MovementRow:
    """Record that a student leaves for another school (principal or data officer).

    Raises Invalid, also SCHOOL_UNKNOWN when this deployment has no school of the code; Forbidden ROLE_REQUIRED;
    Rejected STUDENT_STATE, MOVEMENT_ORDER, CORRECTION_OPEN.
    """
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    checked = register_rules.check_movement(found, asked, school, school_year, "to_school")
    found.refuse()
    with database.transaction() as tx:
        one = held(tx, caller, school, school_year, checked)
        if one.repeated:
            return one.repeated
        other_id, other_name = scene.other_school(tx, checked, "to_school")
        move(scene.standing_of(one.here), checked.kind, checked.day)
        placing.end_place(tx, one)
        new = scene.new_movement(one)._replace(
            other_school_id=other_id,
            other_school=other_name,
            from_class_id=one.this_year.class_id if one.this_year else None,
        )
        return scene.write(tx, caller, one, new)


def transfer_in(
    database: Database,
    caller: Caller,
    ref: ClassRef,
    asked: Asked,
    number: int,
    personal: Student | None,
    details: Details | None,
    brought: Earlier,
) -> tuple[MovementRow, int]:
    """Take a student in from another school; the movement and the register number (principal or data officer).

    number: place in the class list, 0 for the next. personal: only of a student of whom this deployment knows none.
    brought: marks of the year on paper, only from a school outside.
    Raises Invalid; Forbidden ROLE_REQUIRED; Rejected TRANSFER_NOT_RECORDED, TRANSFER_OTHER_SCHOOL, STUDENT_ELSEWHERE,
    STUDENT_STATE, MOVEMENT_ORDER, BOOK_LOCKED, SCHOOL_NOT_AUTHORISED.
    """
    roster_rules.check_class_ref(ref)
    checked = _check(ref, asked, personal, details, brought)
    with database.transaction() as tx:
        year, _ = access.school_class(tx, caller, ref)
        who = scene.recorder(tx, caller, year, checked.kind)
        year_lock.hold_year(tx, year.id)
        student = register_store.add_students(tx, [checked.student])[checked.student]
        everywhere = place_store.of_students(tx, [student])
        here = [place for place in everywhere if place.school_id == year.school_id]
        one = Scene(year, who, caller.client, student, checked, register_store.movements_of(tx, [student]), here)
        if one.repeated:
            return one.repeated, register_store.registrations(tx, year.school_id, [student])[student].number
        if (personal is None) != bool(everywhere):
            raise Invalid([_personal(known=bool(everywhere))])
        other_id, other_name = scene.other_school(tx, checked, "from_school")
        departure = _departure(one, other_id)
        _check_nowhere_else(tx, one)
        move(scene.standing_of(one.here), checked.kind, checked.day)
        source = _class_left(everywhere, departure)
        left = source if source and source.school_year == year.name else None
        target = placing.class_joined(tx, one._replace(places=[]), left, "school_class.name")
        carried = None
        if left is not None:
            carried = placing.follow(tx, one, left, target, number)
        else:
            placing.join(tx, one, target, personal or everywhere[-1].personal, number)
            if brought:
                access.check_authorised(year.school, year.name, year.authority)
                carried = earlier_marks.enter(tx, one, target, brought, other_name)
        given = _register(tx, one, details, other_name)
        new = scene.new_movement(one)._replace(
            other_school_id=other_id,
            other_school=other_name,
            from_class_id=source.class_id if source else None,
            to_class_id=target.id,
            answers=departure.id if departure else None,
        )
        return scene.write(tx, caller, one, new, carried), given


def _check(ref: ClassRef, asked: Asked, personal: Student | None, details: Details | None, brought: Earlier) -> Checked:
    found = Findings()
    earlier_marks.check(found, brought)
    if brought and asked.other_school:
        found.add("earlier_marks", "NOT_ALLOWED", "Điểm của năm học đi theo học sinh từ trường cũ trong hệ thống.")
    checked = register_rules.check_movement(found, asked, ref.school, ref.school_year, "from_school")
    if personal is not None:
        roster_rules.check_student(found, "personal", personal)
        if personal.moet_student_id != asked.student:
            found.add("personal.moet_student_id", "STUDENT_OTHER", "Thông tin cá nhân phải là của học sinh này.")
    if details is not None:
        register_rules.check_details(found, "details", details)
    found.refuse()
    return checked


def _personal(*, known: bool) -> Violation:
    if known:
        return Violation("personal", "NOT_ALLOWED", "Hệ thống đã có thông tin cá nhân của học sinh này.")
    return Violation("personal", "REQUIRED", "Hệ thống chưa có học sinh này nên cần thông tin cá nhân.")


def _departure(one: Scene, other_id: int | None) -> MovementRow | None:
    """The departure that this arrival answers; None from a school outside."""
    last_ones = [scene.deciding(rows) for rows in scene.by_school(one.moves).values()]
    open_ones = [row for row in last_ones if row is not None and _is_open(row, one)]
    departure = next((row for row in open_ones if row.school_id == other_id), None)
    if other_id is not None and departure is None:
        raise Rejected(
            "TRANSFER_NOT_RECORDED",
            "Trường cũ chưa ghi chuyển đi cho học sinh này.",
            student=one.checked.student,
            from_school=one.checked.other_school,
        )
    named = departure or next((row for row in open_ones if row.other_school), None)
    if named is not None and (departure is None or named.other_school != one.year.school):
        raise Rejected(
            "TRANSFER_OTHER_SCHOOL",
            "Trường cũ đã ghi học sinh này chuyển đi từ trường khác hoặc đến trường khác.",
            student=one.checked.student,
            from_school=named.school,
        )
    return departure


def _is_open(row: MovementRow, one: Scene) -> bool:
    """Whether a departure has not been answered, as the last movement in its school."""
    answered = {move.answers for move in one.moves}
    return row.kind == MovementKind.TRANSFERRED_OUT and row.id not in answered and row.school_id != one.year.school_id


def _check_nowhere_else(tx: Tx, one: Scene) -> None:
    taken = place_store.taken_elsewhere(tx, one.year.school_id, one.year.name, 0, [one.checked.student])
    if scene.attending_elsewhere(one.moves, one.year.school_id) or any(
        present for _, same_school, present in taken if not same_school
    ):
        raise Rejected("STUDENT_ELSEWHERE", "Học sinh đang thuộc trường khác.", student=one.checked.student)
    if one.present is not None and one.present.class_name != one.checked.to_class:
        raise Rejected("STUDENT_IN_OTHER_CLASS", "Học sinh đang ở một lớp của trường.", student=one.checked.student)


def _class_left(everywhere: list[Place], departure: MovementRow | None) -> Place | None:
    """The class out of which the student departed."""
    if departure is None:
        return None
    return next((place for place in everywhere if place.class_id == departure.from_class_id), None)


def _register(tx: Tx, one: Scene, details: Details | None, from_school: str) -> int:
    """The student's register number in this school; a new one when there is none."""
    register_store.hold_register(tx, one.year.school_id)
    known = register_store.registrations(tx, one.year.school_id, [one.student_id]).get(one.student_id)
    if known is not None and details is None:
        return known.number
    number = known.number if known else register_store.last_number(tx, one.year.school_id) + 1
    entered_on = known.entered_on if known else one.checked.day
    used = details or register_store.newest_details(tx, one.student_id) or Details("", "Việt Nam", None, "", "")
    _check_identity(tx, one, used)
    line = NewRegistration(one.student_id, number, entered_on, replace(used, from_school=from_school))
    register_store.put_registrations(tx, one.year.school_id, [line])
    return number


def _check_identity(tx: Tx, one: Scene, details: Details) -> None:
    owner = register_store.identity_owners(tx, one.year.school_id, [details.national_id]).get(details.national_id)
    if owner not in (None, one.checked.student):
        message = "Số định danh cá nhân này đã có trong sổ đăng bộ cho học sinh khác."
        raise Invalid([Violation("details.national_id", "DUPLICATE", message)])
