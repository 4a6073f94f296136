"""A student's place in the class list during the year: left, taken, and what was entered before comes along."""

from dataclasses import replace

from services.common.db import Tx
from services.common.errors import Invalid, Rejected, Violation
from services.gradebook.entry import open_corrections
from services.gradebook.model import roster_rules
from services.gradebook.model.domain import Stage, Student
from services.gradebook.model.movement_rules import ends_place
from services.gradebook.register import carrying_store, place_store
from services.gradebook.register.carrying_store import Carried, Joining
from services.gradebook.register.place_store import Place
from services.gradebook.register.scene import Scene
from services.gradebook.roster import roster_store
from services.gradebook.roster.roster_store import ClassRow


def end_place(tx: Tx, scene: Scene) -> None:
    """Who leaves during the year leaves the class; who leaves after it, or after its freeze, has finished it."""
    place, checked = scene.present, scene.checked
    if place is None or not ends_place(checked.kind, checked.day, scene.year.name):
        return
    if not place_store.year_frozen(tx, place.class_id):
        leave(tx, scene, place)


def leave(tx: Tx, scene: Scene, place: Place) -> None:
    """End the student's place in a class; what is under correction there is decided first, so that nothing changes
    behind a student who has left. Raises Rejected CORRECTION_OPEN.
    """
    student = scene.checked.student
    open_corrections.refuse(tx, [place.class_id], Stage.AFTER_SUMMER, student=student)
    place_store.leave(tx, place.class_id, scene.student_id, scene.checked.kind, scene.checked.day)


def check_open(tx: Tx, class_id: int) -> None:
    """Raises Rejected BOOK_LOCKED when the class's year is frozen."""
    if place_store.year_frozen(tx, class_id):
        raise Rejected("BOOK_LOCKED", "Sổ cả năm của lớp đã chốt dữ liệu nên danh sách lớp không đổi được.")


def class_joined(tx: Tx, scene: Scene, left: Place | None, field: str = "to_class") -> ClassRow:
    """The class that the movement names: of the same grade as the class left in the same school year, not frozen.

    Raises Invalid CLASS_UNKNOWN, SAME_CLASS, GRADE_LEVEL; Rejected BOOK_LOCKED.
    """
    target = roster_store.school_class(tx, scene.year.id, scene.checked.to_class)
    if target is None:
        raise Invalid([Violation(field, "CLASS_UNKNOWN", "Không có lớp này trong năm học.")])
    if scene.present is not None and target.id == scene.present.class_id:
        raise Invalid([Violation(field, "SAME_CLASS", "Học sinh đang ở lớp này.")])
    if left is not None and left.grade_level != target.grade_level:
        raise Invalid([Violation(field, "GRADE_LEVEL", "Trong năm học chỉ chuyển sang lớp cùng khối.")])
    check_open(tx, target.id)
    return target


def join(tx: Tx, scene: Scene, target: ClassRow, personal: Student, number: int = 0) -> None:
    """Take the place after the last in the class list, or the own place back. number: as asked for, 0 for any.

    Raises Invalid NUMBERS_NOT_CONSECUTIVE; Rejected CLASS_TOO_LARGE.
    """
    if place_store.come_back(tx, target.id, scene.student_id):
        return
    place = len(roster_store.numbers(tx, target.id)) + 1
    if number not in (0, place):
        message = f"Số thứ tự tiếp theo của lớp là {place}."
        raise Invalid([Violation("number", "NUMBERS_NOT_CONSECUTIVE", message)])
    if place > roster_rules.MAX_CLASS_SIZE:
        raise Rejected("CLASS_TOO_LARGE", "Lớp đã đủ số học sinh tối đa.", students=place - 1)
    roster_store.put_students(tx, scene.year.id, target.id, [replace(personal, number=place)])
    place_store.mark_joined(tx, target.id, scene.student_id, scene.checked.kind, scene.checked.day)


def follow(tx: Tx, scene: Scene, source: Place, target: ClassRow, number: int = 0) -> Carried | None:
    """Join a class; what was entered for the class left comes along when both are of one school year."""
    join(tx, scene, target, source.personal, number)
    if source.school_year != scene.year.name or source.class_id == target.id:
        return None
    origin = f"Chuyển từ {source.school_name}, lớp {source.class_name}"
    data = carrying_store.read_carried(tx, scene.student_id, source.class_id, target.id, origin)
    joining = Joining(scene.student_id, target.id, origin, scene.who.person, scene.client)
    carrying_store.copy_exemptions(tx, joining, source.class_id)
    return carrying_store.write_carried(tx, joining, data)
