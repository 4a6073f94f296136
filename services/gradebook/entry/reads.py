"""Reading marks and results of a class: few statements, everything computed from the marks as they
stand.
"""

from typing import NamedTuple

from services.common.db import Database
from services.common.errors import NotFound
from services.common.identity import Caller
from services.gradebook.entry import targets
from services.gradebook.entry.store import class_data, history
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.entry.store.history import DataVersionRow, VersionRow
from services.gradebook.model import attendance_rules, results, roster_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.correction_rules import CorrectionKind, Datum
from services.gradebook.model.domain import SUMMER, ClassRef, Semester, Stage
from services.gradebook.model.results import ClassData, Missing
from services.gradebook.roster import access
from services.gradebook.rules import PupilResult

MAX_MISSING = 1000


class SheetView(NamedTuple):
    """A class's data with only the one subject, and everyone's results in it."""

    data: ClassData
    results: list[PupilResult]


def mark_sheet(database: Database, caller: Caller, ref: ClassRef, subject: str, semester: int) -> SheetView:
    """The score sheet of one subject. Raises NotFound SUBJECT_UNKNOWN."""
    findings = Findings()
    findings.subject_code("subject", subject)
    findings.one_of("semester", semester, set(Semester))
    findings.refuse()
    stage = Stage.SEMESTER_1 if semester == Semester.FIRST else Stage.WHOLE_YEAR
    data = _read(database, caller, ref, stage, subject)
    if not data.subjects:
        raise access.subject_unknown(subject)
    return SheetView(data, results.class_results(data, stage))


def class_summary(database: Database, caller: Caller, ref: ClassRef, stage: int) -> tuple[ClassData, list[PupilResult]]:
    """All results of a class up to a stage, as far as they are known."""
    checked = _stage(stage)
    data = _read(database, caller, ref, checked)
    return data, results.class_results(data, checked)


def list_missing(database: Database, caller: Caller, ref: ClassRef, stage: int) -> tuple[list[Missing], int]:
    """What a book of the stage still needs: the first thousand, and how many there are."""
    checked = _stage(stage)
    everything = list(results.missing(_read(database, caller, ref, checked), checked))
    return everything[:MAX_MISSING], len(everything)


def mark_history(
    database: Database,
    caller: Caller,
    ref: ClassRef,
    *,
    subject: str,
    semester: int,
    column: tuple[int, int],
    student: str,
) -> list[VersionRow]:
    """Every version of one cell, oldest first. Raises NotFound STUDENT_UNKNOWN."""
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.subject_code("subject", subject)
    findings.one_of("semester", semester, set(Semester))
    findings.refuse()
    with database.transaction() as tx:
        target = targets.find_target(tx, caller, ref, subject)
        assert target.class_id is not None
        numbers, wrong = sheet_rules.read_columns([column], target.regular_in(semester), "column")
        refuse(wrong)
        students = class_data.student_ids(tx, target.class_id)
        if student not in students:
            raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=student)
        return history.mark_history(tx, target, semester, numbers[0], students[student])


def data_history(
    database: Database, caller: Caller, ref: ClassRef, *, kind: int, semester: int, month: str, student: str
) -> list[DataVersionRow]:
    """Every version of a student's conduct, absence totals or attendance of a month, oldest first.

    kind: a CorrectionKind, but no mark; semester: of CONDUCT, else 0; month: of ATTENDANCE,
    else empty. Raises Invalid; NotFound STUDENT_UNKNOWN.
    """
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.one_of("kind", kind, set(CorrectionKind) - {CorrectionKind.MARK})
    findings.one_of("semester", semester, set(Semester) if kind == CorrectionKind.CONDUCT else {0})
    if kind == CorrectionKind.ATTENDANCE:
        attendance_rules.check_month(
            findings, "month", month, ref.school_year, attendance_rules.LAST_MONTH, future=True
        )
    elif month:
        findings.add("month", "NOT_ALLOWED", "Tháng chỉ đi cùng bảng điểm danh.")
    findings.refuse()
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        students = class_data.student_ids(tx, school_class.id)
        if student not in students:
            raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=student)
        at = SUMMER if kind == CorrectionKind.SUMMER_CONDUCT else semester or None
        datum = Datum(CorrectionKind(kind), school_class.id, students[student], semester=at, month=month)
        return history.data_history(tx, datum)


def _stage(stage: int) -> Stage:
    findings = Findings()
    findings.one_of("stage", stage, set(Stage))
    findings.refuse()
    return Stage(stage)


def _read(database: Database, caller: Caller, ref: ClassRef, stage: Stage, subject: str | None = None) -> ClassData:
    roster_rules.check_class_ref(ref)
    with database.transaction(keep_plans=True) as tx:
        year, school_class = access.school_class(tx, caller, ref)
        head = ClassHead(school_class.id, school_class.name, school_class.grade_level)
        return class_data.read(tx, year.id, year.name, [head], stage.semesters, only_subject=subject)[school_class.id]
