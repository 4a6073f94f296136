"""Who may be re-assessed in the summer, and in which subjects (TT 22/2021 Điều 14)."""

from collections.abc import Mapping, Sequence

from services.common.db import Tx
from services.common.errors import Violation
from services.gradebook import results
from services.gradebook.checks import refuse
from services.gradebook.domain import ClassRef, Stage
from services.gradebook.results import ClassData
from services.gradebook.store import class_data, roster
from services.gradebook.store.marks import Target


def read_class(tx: Tx, target: Target, ref: ClassRef) -> ClassData:
    """Everything of the class that an act of entry names."""
    row = roster.school_class(tx, target.year_id, ref.name)
    assert row is not None
    head = class_data.ClassHead(row.id, row.name, row.grade_level)
    return class_data.read(tx, target.year_id, ref.school_year, [head], Stage.AFTER_SUMMER.semesters)[row.id]


def check(
    tx: Tx, target: Target, ref: ClassRef, students: Mapping[str, int], rows: Sequence[tuple[str, Sequence[str]]]
) -> None:
    """Check the rows of a re-assessment sheet, which were read without fault. students: moet_student_id → id.

    Raises Invalid NOT_FOR_RETEST for each student who is not to be re-assessed in the subject (`results.retest_due`).
    A mark that stands may be withdrawn whatever the results.
    """
    data = read_class(tx, target, ref)
    subject = next(one.code for one in data.subjects if one.id == target.subject_id)
    due = {
        student.id
        for student, subjects in zip(data.students, results.retest_due(data), strict=True)
        if subject in subjects
    }
    refuse(
        [
            Violation(
                f"rows[{index}].student",
                "NOT_FOR_RETEST",
                "Học sinh không thuộc diện kiểm tra, đánh giá lại môn này (Điều 14).",
            )
            for index, (name, values) in enumerate(rows)
            if values[0] not in {"", "-"} and students[name] not in due
        ]
    )
