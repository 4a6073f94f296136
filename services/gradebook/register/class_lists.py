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
from services.gradebook.model.movement_rules import StudentState, standing
from services.gradebook.register import place_store, register_store
from services.gradebook.roster import access, roster_store, year_lock
from services.gradebook.roster.roster_store import YearRow


def put_students(database: Database, caller: Caller, ref: ClassRef, students: Sequence[Student]) -> None:
    """Register or update students of a class; the list must then run 1, 2, 3 … without a gap.

    A new student must not be in another class or school that year, nor have left this school: moving is a movement
    (ADR-0037). Raises Rejected STUDENT_IN_OTHER_CLASS, STUDENT_ELSEWHERE, MOVEMENT_REQUIRED.
    """
    roster_rules.check_class_ref(ref)
    roster_rules.check_students(students)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        year_lock.hold_year(tx, year.id)
        names = [student.moet_student_id for student in students]
        register_store.add_students(tx, names)
        _check_newcomers(tx, year, school_class.id, names)
        roster_store.put_students(tx, year.id, school_class.id, students)
        roster_rules.check_numbers(roster_store.numbers(tx, school_class.id))
        access.record(tx, caller, ref.school, "STUDENTS_PUT", ref.resource, students=",".join(names))


def _check_newcomers(tx: Tx, year: YearRow, class_id: int, names: Sequence[str]) -> None:
    """Who is new in a class list is nowhere else that year, and in no state that only a movement ends."""
    taken = place_store.taken_elsewhere(tx, year.school_id, year.name, class_id, names)
    here = {name for name, same_school, present in taken if same_school and present}
    there = {name for name, same_school, present in taken if not same_school and present}
    histories = register_store.histories(tx, year.school_id, class_id, names)
    gone = {name for name, moves in histories.items() if standing(moves).state is not StudentState.STUDYING}
    gone |= {name for name, _, present in taken if not present}
    for found, reason, message in (
        (here, "STUDENT_IN_OTHER_CLASS", "Có học sinh đang ở lớp khác trong năm học này."),
        (there, "STUDENT_ELSEWHERE", "Có học sinh đang học ở trường khác trong năm học này."),
        (gone, "MOVEMENT_REQUIRED", "Có học sinh đã rời lớp hoặc rời trường; phải ghi biến động để vào lớp."),
    ):
        if found:
            raise Rejected(reason, message, students=",".join(sorted(found)))
