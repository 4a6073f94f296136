"""Missing marks become zeros: an act of the teacher, never a default (TT 22/2021 Điều 7)."""

from collections.abc import Sequence

from services.common.db import Database
from services.common.errors import Violation
from services.common.identity import Caller
from services.gradebook.entry import acts, allowed, marks, targets
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.acts import Written
from services.gradebook.entry.store.sheets import PlannedSheet
from services.gradebook.model import sheet_rules
from services.gradebook.model.acts import EntryRequest
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import REASSESSMENT_COLUMN, ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission
from services.gradebook.rules import SubjectKind


def zero_missing_marks(
    database: Database,
    caller: Caller,
    request: EntryRequest,
    ref: ClassRef,
    *,
    subject: str,
    semester: int,
    columns: Sequence[tuple[int, int]],
    students: Sequence[str],
    reason: str,
) -> int:
    """Turn missing marks of students into 0 or CĐ (the subject's teacher). Returns how many.

    columns: (kind, position). Cells that have a mark stay as they are. Raises as
    `marks.enter_marks`.
    """
    marks.check_names(ref, subject, semester)
    findings = Findings()
    findings.text("reason", reason, shortest=10, longest=500)
    findings.count("students", len(students), 1, sheet_rules.MAX_ROWS)
    findings.refuse()
    with database.transaction() as tx:
        target = targets.subject_target(tx, caller, ref, subject, Permission.SETTLE_MISSING_MARKS)
        state = allowed.open_state(tx, target, semester, request.id)
        if state.earlier:
            return acts.repeat(state.earlier, {EntryKind.SETTLEMENT}, request, caller).cells.changed
        shape = sheets.shape(target, state, semester)
        zero = "CĐ" if shape.kind is SubjectKind.COMMENT_ONLY else "0"
        rows = [(student, [zero] * len(columns)) for student in students]
        numbers, cells = sheet_rules.read_sheet(shape, columns, rows, "students[{}]")
        if REASSESSMENT_COLUMN in numbers:
            message = "Điều 7 không áp dụng cho đánh giá lại; học sinh không dự thì ghi V."
            refuse([Violation("columns", "REASSESSMENT_NOT_SETTLED", message)])
        allowed.check_marks_open(state, numbers, semester)
        act = acts.new_act(
            request,
            EntryKind.SETTLEMENT,
            target.class_id,
            caller,
            subject_id=target.subject_id,
            semester=semester,
            reason=reason,
        )
        changes = sheet_rules.changes(cells, state.cells, settle=True)
        digest = sheets.write_marks(tx, PlannedSheet(act, changes, len(cells.values) - changes.count))
        written = Written(changes.count, digest)
        acts.record(tx, caller, ref, act, written, subject=subject, semester=semester)
        return written.changed
