"""Data of the running year that a student brings on paper, from a school outside this deployment.

It is entered with the transfer, from the certified list of the old school: later, a frozen book of
semester I would refuse it, and without it the year of the class could never be complete (ADR-0037).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.common.db import Tx
from services.common.errors import Violation
from services.gradebook.model import attendance_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.domain import PROTO_LEVELS, REASSESSMENT_COLUMN, SUBJECT_KINDS, Semester
from services.gradebook.model.entry_kinds import CellSource
from services.gradebook.register import carrying_store
from services.gradebook.register.carrying_store import Carried, CarriedData, CarriedMark, Joining
from services.gradebook.register.student_context import StudentContext
from services.gradebook.roster import roster_store
from services.gradebook.roster.roster_store import ClassRow, SubjectRow

MAX_SHEETS = 60
"""Most sheets (subject and semester) of one student."""


@dataclass(frozen=True, slots=True)
class EarlierSheet:
    """Marks of one subject and semester: one value per column (kind, position)."""

    subject: str
    semester: int
    columns: Sequence[tuple[int, int]]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class EarlierData:
    """What a student brings on paper.

    conduct: (semester, level of the proto). absences: (excused, unexcused) in the year so far.
    """

    sheets: Sequence[EarlierSheet] = ()
    conduct: Sequence[tuple[int, int]] = ()
    absences: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.sheets or self.conduct or self.absences)


def check(findings: Findings, earlier: EarlierData) -> None:
    """Check what needs no query."""
    findings.count("earlier_marks", len(earlier.sheets), 0, MAX_SHEETS)
    for index, sheet in enumerate(earlier.sheets):
        findings.subject_code(f"earlier_marks[{index}].subject", sheet.subject)
        findings.one_of(f"earlier_marks[{index}].semester", sheet.semester, set(Semester))
    keys = [(sheet.subject, sheet.semester) for sheet in earlier.sheets]
    findings.unique("earlier_marks", keys, "Một môn học của một học kì có hai lần.")
    for index, (semester, level) in enumerate(earlier.conduct):
        findings.one_of(f"earlier_conduct[{index}].semester", semester, set(Semester))
        findings.one_of(f"earlier_conduct[{index}].level", level, PROTO_LEVELS)
    findings.unique("earlier_conduct", [semester for semester, _ in earlier.conduct], "Một học kì có hai lần.")
    if earlier.absences is not None:
        attendance_rules.check_totals(findings, "earlier_absences", *earlier.absences)


def write(tx: Tx, context: StudentContext, to_class: ClassRow, earlier: EarlierData, from_school: str) -> Carried:
    """Write what the student brings into the class joined.

    from_school: name of the old school, for the history. Raises Invalid.
    """
    decision = context.checked.decision
    origin = f"Chuyển từ {from_school}" + (f" theo {decision.number}" if decision else "")
    marks = _marks(earlier.sheets, roster_store.subjects(tx, context.year.id, to_class.grade_level), origin)
    conduct = [(semester, int(PROTO_LEVELS[level])) for semester, level in earlier.conduct]
    joining = Joining(context.student_id, to_class.id, origin, context.recorder.person, context.client)
    return carrying_store.write_carried(tx, joining, CarriedData(marks, conduct, earlier.absences))


def _marks(sheets: Sequence[EarlierSheet], subjects: Mapping[str, SubjectRow], origin: str) -> list[CarriedMark]:
    """The marks of sheets, for subjects (by code) of the class joined. Raises Invalid."""
    violations: list[Violation] = []
    marks: list[CarriedMark] = []
    for index, sheet in enumerate(sheets):
        subject = subjects.get(sheet.subject)
        if subject is None or not subject.active:
            message = "Khối lớp này không có môn học đã nêu."
            violations.append(Violation(f"earlier_marks[{index}].subject", "SUBJECT_UNKNOWN", message))
            continue
        cells, sheet_violations = _read(
            sheet, subject.regular_in(sheet.semester), subject.kind, f"earlier_marks[{index}]"
        )
        violations += sheet_violations
        marks += [
            CarriedMark(subject.id, sheet.semester, column, value, CellSource.RECORDED, origin)
            for column, value in zip(cells.columns, cells.values, strict=True)
        ]
    refuse(violations)
    return marks


def _read(sheet: EarlierSheet, regular_count: int, kind: int, where: str) -> tuple[sheet_rules.Cells, list[Violation]]:
    """The cells of a sheet by the rules of entry, without withdrawn marks and re-assessments."""
    columns, violations = sheet_rules.read_columns(sheet.columns, regular_count, f"{where}.columns[{{}}]")
    if REASSESSMENT_COLUMN in columns:
        message = "Kết quả đánh giá lại không đi theo học sinh trong năm học."
        violations = [*violations, Violation(f"{where}.columns", "MARK_KIND", message)]
    if violations:
        return sheet_rules.Cells(), [
            replace(violation, field=f"{where}.columns") if violation.field == "columns" else violation
            for violation in violations
        ]
    cells, violations = sheet_rules.read_rows([("", sheet.values)], columns, {"": 0}, SUBJECT_KINDS[kind])
    if sheet_rules.WITHDRAWN in cells.values:
        violations.append(Violation(f"{where}.values", "NOT_A_MARK", "Chỉ ghi điểm đã có, không rút điểm."))
    return cells, [replace(violation, field=violation.field.replace("rows[0]", where)) for violation in violations]
