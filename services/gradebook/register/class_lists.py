"""Class lists: students put into a class."""

from collections.abc import Sequence

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.model import roster_rules
from services.gradebook.model.domain import (
    ClassRef,
    Student,
)
from services.gradebook.model.movement_rules import StudentState, status_after
from services.gradebook.register import place_store, register_store
from services.gradebook.roster import access, roster_store, year_lock
from services.gradebook.roster.roster_store import YearRow


def put_students(database: Database, caller: Caller, ref: ClassRef, students: Sequence[Student]) -> None:
    """Add students to a class list or update them; the list must then run 1, 2, 3 … without a gap.

    A new student must not be in another class or school that year, nor have left this school: such
    a student comes by a movement (ADR-0037).
    Raises Rejected STUDENT_IN_OTHER_CLASS, STUDENT_ELSEWHERE, MOVEMENT_REQUIRED.
    """
    roster_rules.check_class_ref(ref)
    roster_rules.check_students(students)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        year_lock.hold_year(tx, year.id)
        codes = [student.moet_student_id for student in students]
        register_store.add_students(tx, codes)
        _check_newcomers(tx, year, school_class.id, codes)
        roster_store.put_students(tx, year.id, school_class.id, students)
        roster_rules.check_numbers(roster_store.numbers(tx, school_class.id))
        access.record(tx, caller, ref.school, "STUDENTS_PUT", ref.resource, students=",".join(codes))


def _check_newcomers(tx: Tx, year: YearRow, class_id: int, codes: Sequence[str]) -> None:
    """Refuse new students of a class list who are in another class that year, or need a movement.

    codes: moet_student_id of all students put.
    """
    places = place_store.in_other_classes(tx, year.school_id, year.name, class_id, codes)
    in_other_class = {place.student for place in places if place.same_school and place.present}
    elsewhere = {place.student for place in places if not place.same_school and place.present}
    left_class = {place.student for place in places if not place.present}
    histories = register_store.histories(tx, year.school_id, class_id, codes)
    not_studying = {
        student for student, history in histories.items() if status_after(history).state is not StudentState.STUDYING
    }
    for refused, reason, message in (
        (in_other_class, "STUDENT_IN_OTHER_CLASS", "Có học sinh đang ở lớp khác trong năm học này."),
        (elsewhere, "STUDENT_ELSEWHERE", "Có học sinh đang học ở trường khác trong năm học này."),
        (
            not_studying | left_class,
            "MOVEMENT_REQUIRED",
            "Có học sinh đã rời lớp hoặc rời trường; phải ghi biến động để vào lớp.",
        ),
    ):
        if refused:
            raise Rejected(reason, message, students=",".join(sorted(refused)))
