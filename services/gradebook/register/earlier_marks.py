"""Marks of the running year that a student brings on paper, from a school outside this deployment.

They are keyed with the transfer, from the certified list of the old school: later, a frozen book of semester I would
keep them out, and without them the year of the class could never be complete (ADR-0037).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.common.db import Tx
from services.common.errors import Violation
from services.gradebook.model import attendance_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import PROTO_LEVELS, REASSESSMENT_COLUMN, SUBJECT_KINDS, Semester
from services.gradebook.model.entry_kinds import CellSource
from services.gradebook.register import carrying_store
from services.gradebook.register.carrying_store import Carried, CarriedData, CarriedMark, Joining
from services.gradebook.register.scene import Scene
from services.gradebook.roster import roster_store
from services.gradebook.roster.roster_store import ClassRow

MAX_SHEETS = 60


@dataclass(frozen=True, slots=True)
class EarlierMarks:
    """Marks of one subject and semester: one value a column (kind, position)."""

    subject: str
    semester: int
    columns: Sequence[tuple[int, int]]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a student brings on paper. conduct: (semester, level of the proto); absences: excused, unexcused."""

    marks: Sequence[EarlierMarks] = ()
    conduct: Sequence[tuple[int, int]] = ()
    absences: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.marks or self.conduct or self.absences)


def check(found: Findings, earlier: Earlier) -> None:
    """What can be said before anything is looked up."""
    found.count("earlier_marks", len(earlier.marks), 0, MAX_SHEETS)
    for index, one in enumerate(earlier.marks):
        found.subject_code(f"earlier_marks[{index}].subject", one.subject)
        found.one_of(f"earlier_marks[{index}].semester", one.semester, set(Semester))
    sheets = [(one.subject, one.semester) for one in earlier.marks]
    found.unique("earlier_marks", sheets, "Một môn học của một học kì có hai lần.")
    for index, (semester, level) in enumerate(earlier.conduct):
        found.one_of(f"earlier_conduct[{index}].semester", semester, set(Semester))
        found.one_of(f"earlier_conduct[{index}].level", level, PROTO_LEVELS)
    found.unique("earlier_conduct", [semester for semester, _ in earlier.conduct], "Một học kì có hai lần.")
    if earlier.absences is not None:
        attendance_rules.check_totals(found, "earlier_absences", *earlier.absences)


def enter(tx: Tx, scene: Scene, target: ClassRow, earlier: Earlier, school: str) -> Carried:
    """Write what the student brings, into the class joined. school: the old one's name. Raises Invalid."""
    decision = scene.checked.decision
    origin = f"Chuyển từ {school}" + (f" theo {decision.number}" if decision else "")
    subjects = roster_store.subjects(tx, scene.year.id, target.grade_level)
    found: list[Violation] = []
    brought: list[CarriedMark] = []
    for index, one in enumerate(earlier.marks):
        subject = subjects.get(one.subject)
        if subject is None or not subject.active:
            message = "Khối lớp này không có môn học đã nêu."
            found.append(Violation(f"earlier_marks[{index}].subject", "SUBJECT_UNKNOWN", message))
            continue
        cells, wrong = _read(one, subject.regular_in(one.semester), subject.kind, f"earlier_marks[{index}]")
        found += wrong
        brought += [
            CarriedMark(subject.id, one.semester, column, value, CellSource.RECORDED, origin)
            for column, value in zip(cells.columns, cells.values, strict=True)
        ]
    refuse(found)
    conduct = [(semester, int(PROTO_LEVELS[level])) for semester, level in earlier.conduct]
    joining = Joining(scene.student_id, target.id, origin, scene.who.person, scene.client)
    return carrying_store.write_carried(tx, joining, CarriedData(brought, conduct, earlier.absences))


def _read(one: EarlierMarks, regular_count: int, kind: int, where: str) -> tuple[sheet_rules.Cells, list[Violation]]:
    """The cells of a sheet by the rules of entry; a mark cannot be withdrawn, nor be a re-assessment."""
    columns, wrong = sheet_rules.read_columns(one.columns, regular_count, f"{where}.columns[{{}}]")
    if REASSESSMENT_COLUMN in columns:
        message = "Kết quả đánh giá lại không đi theo học sinh trong năm học."
        wrong = [*wrong, Violation(f"{where}.columns", "MARK_KIND", message)]
    if wrong:
        return sheet_rules.Cells(), [
            replace(fault, field=f"{where}.columns") if fault.field == "columns" else fault for fault in wrong
        ]
    cells, wrong = sheet_rules.read_rows([("", one.values)], columns, {"": 0}, SUBJECT_KINDS[kind])
    if sheet_rules.WITHDRAWN in cells.values:
        wrong.append(Violation(f"{where}.values", "NOT_A_MARK", "Chỉ ghi điểm đã có, không rút điểm."))
    return cells, [replace(fault, field=fault.field.replace("rows[0]", where)) for fault in wrong]
