"""Looking over marks before a window closes: completeness of a school year, anomalies of a class.

Reads only.
"""

from typing import NamedTuple

from services.common.db import Database
from services.common.errors import Invalid, Violation
from services.common.identity import Caller
from services.gradebook.entry.store import class_data
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.model import anomalies, roster_rules
from services.gradebook.model.anomalies import Anomaly
from services.gradebook.model.checks import Findings
from services.gradebook.model.completeness import Completeness, completeness
from services.gradebook.model.domain import ClassRef, Semester, Stage
from services.gradebook.roster import access

DEFAULT_CLASSES, MOST_CLASSES = 20, 50
MOST_ANOMALIES = 500


class ClassCompleteness(NamedTuple):
    """One class and how far its entry has come."""

    head: ClassHead
    counts: Completeness


def get_completeness(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    *,
    semester: int,
    stage: int,
    after: tuple[int, str],
    page_size: int,
) -> tuple[list[ClassCompleteness], bool]:
    """A page of classes by grade and name, and whether there may be more.

    Either semester or stage is 0.

    Raises Invalid ONE_OF, ENUM, PAGE_SIZE.
    """
    roster_rules.check_year_ref(school, school_year)
    if not 0 <= page_size <= MOST_CLASSES:
        message = f"Cỡ trang phải từ 1 đến {MOST_CLASSES} lớp (0 là {DEFAULT_CLASSES})."
        raise Invalid([Violation("page_size", "PAGE_SIZE", message)])
    size = page_size or DEFAULT_CLASSES
    whole, only = _scope(semester, stage)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        heads = class_data.heads_after(tx, year.id, after, size)
        data = class_data.read(tx, year.id, year.name, heads, whole.semesters)
        zeros = class_data.zeros(tx, [head.id for head in heads], whole.semesters)
    listed = [
        ClassCompleteness(head, completeness(data[head.id], whole, only, zeros.get(head.id, frozenset())))
        for head in heads
    ]
    return listed, len(listed) == size


def review_class(database: Database, caller: Caller, ref: ClassRef, semester: int) -> tuple[list[Anomaly], int]:
    """What looks wrong in a class and semester: the first five hundred, and how many there are."""
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.one_of("semester", semester, set(Semester))
    findings.refuse()
    checked = Semester(semester)
    semesters = [number for number in Semester if number <= checked]
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        head = ClassHead(school_class.id, school_class.name, school_class.grade_level)
        data = class_data.read(tx, year.id, year.name, [head], semesters)[head.id]
        zeros = class_data.zeros(tx, [head.id], semesters)
    everything = anomalies.find(data, checked, zeros.get(head.id, frozenset()))
    return everything[:MOST_ANOMALIES], len(everything)


def _scope(semester: int, stage: int) -> tuple[Stage, Semester | None]:
    """The stage to read, and the one semester to count. Raises Invalid."""
    findings = Findings()
    if bool(semester) == bool(stage):
        findings.add("semester", "ONE_OF", "Phải nêu đúng một trong hai: học kì hoặc giai đoạn.")
    elif semester:
        findings.one_of("semester", semester, set(Semester))
    else:
        findings.one_of("stage", stage, set(Stage))
    findings.refuse()
    if stage:
        return Stage(stage), None
    return (Stage.SEMESTER_1 if semester == Semester.FIRST else Stage.WHOLE_YEAR), Semester(semester)
