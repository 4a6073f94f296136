"""Entering conduct of a semester and after the summer's training."""

from collections.abc import Sequence

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.entry import acts, allowed, summer, targets
from services.gradebook.entry.store import conduct
from services.gradebook.model import roster_rules
from services.gradebook.model.acts import EntryRequest
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import PROTO_LEVELS, SUMMER, ClassRef, MarkKind, Semester, Stage
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission


def enter_conduct(
    database: Database,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    *,
    semester: int,
    rows: Sequence[tuple[str, int]],
) -> None:
    """Enter conduct levels of a semester (homeroom teacher).

    rows: moet_student_id and level of the proto.

    Raises as `marks.enter_marks`, with Forbidden ROLE_REQUIRED for others than the homeroom
    teacher.
    """
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.one_of("semester", semester, set(Semester))
    _check_rows(findings, rows)
    findings.refuse()
    with database.transaction() as tx:
        target = targets.homeroom_target(tx, caller, ref, Permission.ENTER_CONDUCT)
        state = allowed.open_state(tx, target, semester, request.id)
        if state.earlier:
            acts.repeat(state.earlier, {EntryKind.CONDUCT}, request, caller)
            return
        students = allowed.students_of(state, [student for student, _ in rows])
        allowed.check_open(state, set(), semester)
        act = acts.new_act(request, EntryKind.CONDUCT, target.class_id, caller, semester=semester)
        written = conduct.write_conduct(tx, act, students, [PROTO_LEVELS[level] for _, level in rows])
        acts.record(tx, caller, ref, act, written, semester=semester)


def enter_summer_conduct(
    database: Database, caller: Caller, request: EntryRequest, ref: ClassRef, rows: Sequence[tuple[str, int]]
) -> None:
    """Enter conduct after the training in the summer (homeroom teacher; TT 22/2021 Điều 13).

    rows: moet_student_id and level of the proto. Raises Invalid, with NOT_FOR_SUMMER_TRAINING for a
    student whose year does not call for training; Forbidden ROLE_REQUIRED; Rejected WINDOW_CLOSED,
    BOOK_LOCKED, YEAR_NOT_LOCKED; Conflict REQUEST_ID_REUSED.
    """
    roster_rules.check_class_ref(ref)
    findings = Findings()
    _check_rows(findings, rows)
    findings.refuse()
    with database.transaction() as tx:
        target = targets.homeroom_target(tx, caller, ref, Permission.ENTER_SUMMER_CONDUCT)
        state = allowed.open_state(tx, target, Semester.SECOND, request.id)
        if state.earlier:
            acts.repeat(state.earlier, {EntryKind.CONDUCT}, request, caller)
            return
        students = allowed.students_of(state, [student for student, _ in rows])
        allowed.check_open(state, {MarkKind.REASSESSMENT}, Stage.AFTER_SUMMER)
        summer.check_training(
            tx, target, ref, {f"rows[{index}].student": student for index, student in enumerate(students)}
        )
        act = acts.new_act(request, EntryKind.CONDUCT, target.class_id, caller, semester=SUMMER)
        written = conduct.write_conduct(tx, act, students, [PROTO_LEVELS[level] for _, level in rows])
        acts.record(tx, caller, ref, act, written, semester=SUMMER)


def _check_rows(findings: Findings, rows: Sequence[tuple[str, int]]) -> None:
    findings.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    for index, (_, level) in enumerate(rows):
        findings.one_of(f"rows[{index}].level", level, PROTO_LEVELS)
