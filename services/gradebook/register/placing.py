"""A student's place in class lists during the year: leaving a class, joining one with the data."""

from dataclasses import replace

from services.common.db import Tx
from services.common.errors import Invalid, Rejected, Violation
from services.gradebook.entry import open_corrections
from services.gradebook.model import roster_rules
from services.gradebook.model.domain import Stage, Student
from services.gradebook.model.movement_rules import ends_place
from services.gradebook.register import carrying_store, place_store
from services.gradebook.register.carrying_store import Carried, Joining
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.student_context import StudentContext
from services.gradebook.roster import roster_store
from services.gradebook.roster.roster_store import ClassRow


def leave_during_year(tx: Tx, context: StudentContext) -> None:
    """End the student's current place, if the movement leaves the class before the end of its year.

    A student who leaves after the year, or after its freeze, has finished it and keeps the place.
    Raises Rejected CORRECTION_OPEN.
    """
    place, checked = context.current_place, context.checked
    if place is None or not ends_place(checked.kind, checked.day, context.year.name):
        return
    if not place_store.year_frozen(tx, place.class_id):
        leave_class(tx, context, place)


def leave_class(tx: Tx, context: StudentContext, place: ClassPlace) -> None:
    """End the student's place in a class.

    Raises Rejected CORRECTION_OPEN: corrections in that class are decided first, so that nothing
    changes there for a student who has left.
    """
    student = context.checked.student
    open_corrections.refuse(tx, [place.class_id], Stage.AFTER_SUMMER, student=student)
    place_store.leave(tx, place.class_id, context.student_id, context.checked.kind, context.checked.day)


def check_open(tx: Tx, class_id: int) -> None:
    """Raises Rejected BOOK_LOCKED when the class's year is frozen."""
    if place_store.year_frozen(tx, class_id):
        raise Rejected("BOOK_LOCKED", "Sổ cả năm của lớp đã chốt dữ liệu nên danh sách lớp không đổi được.")


def class_joined(tx: Tx, context: StudentContext, left: ClassPlace | None, field: str = "to_class") -> ClassRow:
    """The class that the movement names; its year is not frozen.

    left: the class left in the same school year, which must be of the same grade; None for none.
    field: of the request, where the class is named.
    Raises Invalid CLASS_UNKNOWN, SAME_CLASS, GRADE_LEVEL; Rejected BOOK_LOCKED.
    """
    to_class = roster_store.school_class(tx, context.year.id, context.checked.to_class)
    if to_class is None:
        raise Invalid([Violation(field, "CLASS_UNKNOWN", "Không có lớp này trong năm học.")])
    if context.current_place is not None and to_class.id == context.current_place.class_id:
        raise Invalid([Violation(field, "SAME_CLASS", "Học sinh đang ở lớp này.")])
    if left is not None and left.grade_level != to_class.grade_level:
        raise Invalid([Violation(field, "GRADE_LEVEL", "Trong năm học chỉ chuyển sang lớp cùng khối.")])
    check_open(tx, to_class.id)
    return to_class


def join_class(tx: Tx, context: StudentContext, to_class: ClassRow, personal: Student, number: int = 0) -> None:
    """Reopen the student's former place in a class, or else append one to its list.

    number: requested number in the list, 0 for the next one.
    Raises Invalid NUMBERS_NOT_CONSECUTIVE; Rejected CLASS_TOO_LARGE.
    """
    if place_store.reopen(tx, to_class.id, context.student_id):
        return
    next_number = len(roster_store.numbers(tx, to_class.id)) + 1
    if number not in (0, next_number):
        message = f"Số thứ tự tiếp theo của lớp là {next_number}."
        raise Invalid([Violation("number", "NUMBERS_NOT_CONSECUTIVE", message)])
    if next_number > roster_rules.MAX_CLASS_SIZE:
        raise Rejected("CLASS_TOO_LARGE", "Lớp đã đủ số học sinh tối đa.", students=next_number - 1)
    roster_store.put_students(tx, context.year.id, to_class.id, [replace(personal, number=next_number)])
    place_store.mark_joined(tx, to_class.id, context.student_id, context.checked.kind, context.checked.day)


def join_with_data(
    tx: Tx, context: StudentContext, left: ClassPlace, to_class: ClassRow, number: int = 0
) -> Carried | None:
    """Join a class, and bring what was entered in the class left, if both are of one school year.

    number: as in `join_class`. None when nothing may come along.
    """
    join_class(tx, context, to_class, left.personal, number)
    if left.school_year != context.year.name or left.class_id == to_class.id:
        return None
    origin = f"Chuyển từ {left.school_name}, lớp {left.class_name}"
    data = carrying_store.read_carried(tx, context.student_id, left.class_id, to_class.id, origin)
    joining = Joining(context.student_id, to_class.id, origin, context.recorder.person, context.client)
    return carrying_store.write_carried(tx, joining, data)
