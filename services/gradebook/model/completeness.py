"""How complete the entries of a class are: required, recorded and missing data. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from services.gradebook.model.anomalies import Zeros
from services.gradebook.model.domain import REASSESSMENT_COLUMN, Semester, Stage, required_columns
from services.gradebook.model.results import ClassData, ClassSubject, missing


class SubjectCount(NamedTuple):
    """Cells of one subject in a class."""

    subject: ClassSubject
    recorded: int
    zero_by_rule: int
    missing: int

    @property
    def required(self) -> int:
        """All required cells."""
        return self.recorded + self.zero_by_rule + self.missing


class Completeness(NamedTuple):
    """Counts of one class.

    missing_conduct: conduct results missing. missing_absences: totals missing, or sheets of months.
    """

    subjects: Sequence[SubjectCount]
    missing_conduct: int
    missing_absences: int

    @property
    def percent(self) -> int:
        """Percentage of the class's required marks that are there; see `percent`."""
        required = sum(subject.required for subject in self.subjects)
        return percent(required, sum(subject.missing for subject in self.subjects))


def percent(required: int, absent: int) -> int:
    """Percentage that is not absent, rounded down so that 100 means all; 100 of nothing."""
    return 100 * (required - absent) // required if required else 100


def completeness(data: ClassData, stage: Stage, semester: Semester | None, zeros: Zeros) -> Completeness:
    """Count what a book of the stage needs.

    semester: count marks and conduct of this semester only; None for all semesters of the stage.
    """
    absent = Counter(
        item.subject if item.kind == "MARK" else item.kind
        for item in missing(data, stage)
        if semester is None or item.semester in {None, semester}
    )
    semesters = stage.semesters if semester is None else (semester,)
    return Completeness(
        [
            _subject(data, subject, stage, semesters, absent=absent[subject.code], zeros=zeros)
            for subject in data.subjects
        ],
        absent["CONDUCT"] + absent["SUMMER_CONDUCT"],
        absent["ABSENCES"] + absent["ATTENDANCE"],
    )


def _subject(
    data: ClassData,
    subject: ClassSubject,
    stage: Stage,
    semesters: Sequence[Semester],
    *,
    absent: int,
    zeros: Zeros,
) -> SubjectCount:
    summer = {REASSESSMENT_COLUMN} if stage is Stage.AFTER_SUMMER else set()
    needed = {semester: summer | {*required_columns(subject.regular_in(semester))} for semester in semesters}
    present = [
        (subject.id, semester, student.id, column)
        for semester in semesters
        for student in data.students
        if not student.left
        for column in needed[semester] & data.cells(subject.id, semester, student.id).keys()
    ]
    zero = sum(cell in zeros for cell in present)
    return SubjectCount(subject, len(present) - zero, zero, absent)
