"""Reading marks and results of a class: few statements, everything computed from the marks as they stand."""

from typing import NamedTuple

from services.common.db import Database
from services.common.errors import NotFound
from services.common.identity import Caller
from services.gradebook.entry.acts import find_target
from services.gradebook.entry.store import class_data, marks
from services.gradebook.entry.store import data_history as store_history
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.entry.store.data_history import DataVersionRow
from services.gradebook.entry.store.marks import VersionRow
from services.gradebook.model import attendance_rules, results, roster_rules, sheet_rules
from services.gradebook.model.checks import Findings, refuse
from services.gradebook.model.correction_rules import Datum, Kind
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
    found = Findings()
    found.subject_code("subject", subject)
    found.one_of("semester", semester, set(Semester))
    found.refuse()
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
    subject: str,
    semester: int,
    column: tuple[int, int],
    student: str,
) -> list[VersionRow]:
    """Every version of one cell, oldest first. Raises NotFound STUDENT_UNKNOWN."""
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.subject_code("subject", subject)
    found.one_of("semester", semester, set(Semester))
    found.refuse()
    with database.transaction() as tx:
        target = find_target(tx, caller, ref, subject)
        assert target.class_id is not None
        numbers, wrong = sheet_rules.read_columns([column], target.regular_in(semester), "column")
        refuse(wrong)
        data = class_data.student_ids(tx, target.class_id)
        if student not in data:
            raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=student)
        return marks.history(tx, target, semester, numbers[0], data[student])


def data_history(
    database: Database, caller: Caller, ref: ClassRef, kind: int, semester: int, month: str, student: str
) -> list[DataVersionRow]:
    """Every version of a student's conduct, absence totals or attendance of a month, oldest first.

    kind: of `corrections.Kind`, but no mark; semester: of CONDUCT, else 0; month: of ATTENDANCE, else empty. Raises
    Invalid; NotFound STUDENT_UNKNOWN.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.one_of("kind", kind, set(Kind) - {Kind.MARK})
    found.one_of("semester", semester, set(Semester) if kind == Kind.CONDUCT else {0})
    if kind == Kind.ATTENDANCE:
        attendance_rules.check_month(found, "month", month, ref.school_year, attendance_rules.LAST_MONTH, future=True)
    elif month:
        found.add("month", "NOT_ALLOWED", "Tháng chỉ đi cùng bảng điểm danh.")
    found.refuse()
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        students = class_data.student_ids(tx, school_class.id)
        if student not in students:
            raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=student)
        at = SUMMER if kind == Kind.SUMMER_CONDUCT else semester or None
        datum = Datum(Kind(kind), school_class.id, students[student], semester=at, month=month)
        return store_history.history(tx, datum)


def _stage(stage: int) -> Stage:
    found = Findings()
    found.one_of("stage", stage, set(Stage))
    found.refuse()
    return Stage(stage)


def _read(database: Database, caller: Caller, ref: ClassRef, stage: Stage, subject: str | None = None) -> ClassData:
    roster_rules.check_class_ref(ref)
    with database.transaction() as tx:
        year, found = access.school_class(tx, caller, ref)
        head = ClassHead(found.id, found.name, found.grade_level)
        return class_data.read(tx, year.id, year.name, [head], stage.semesters, subject)[found.id]
