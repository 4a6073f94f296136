"""How far entry has come in a class: what a book needs, what is there, what is missing. Pure."""

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
        """All of them."""
        return self.recorded + self.zero_by_rule + self.missing


class Completeness(NamedTuple):
    """One class; conduct and absences: how many students lack theirs (months of attendance count each)."""

    subjects: Sequence[SubjectCount]
    missing_conduct: int
    missing_absences: int

    @property
    def percent(self) -> int:
        """Of all marks of the class."""
        return percent(sum(one.required for one in self.subjects), sum(one.missing for one in self.subjects))


def percent(required: int, absent: int) -> int:
    """Share that is not missing, rounded down, so that 100 means all; 100 of nothing."""
    return 100 * (required - absent) // required if required else 100


def completeness(data: ClassData, stage: Stage, semester: Semester | None, zeros: Zeros) -> Completeness:
    """Count what a book of the stage needs; semester: only that one's marks and conduct."""
    absent = Counter(
        one.subject if one.kind == "MARK" else one.kind
        for one in missing(data, stage)
        if semester is None or one.semester in {None, semester}
    )
    semesters = stage.semesters if semester is None else (semester,)
    return Completeness(
        [_subject(data, subject, stage, semesters, absent[subject.code], zeros) for subject in data.subjects],
        absent["CONDUCT"] + absent["SUMMER_CONDUCT"],
        absent["ABSENCES"] + absent["ATTENDANCE"],
    )


def _subject(
    data: ClassData,
    subject: ClassSubject,
    stage: Stage,
    semesters: Sequence[Semester],
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
