"""Who may be re-assessed in the summer, and in which subjects (TT 22/2021 Điều 14); who must train
(Điều 13).
"""

from collections.abc import Mapping, Sequence

from services.common.db import Tx
from services.common.errors import Violation
from services.gradebook.entry.store import class_data
from services.gradebook.entry.store.sheets import Target
from services.gradebook.model import results
from services.gradebook.model.checks import refuse
from services.gradebook.model.domain import ClassRef, Stage
from services.gradebook.model.results import ClassData
from services.gradebook.roster import roster_store
from services.gradebook.rules import Promotion


def read_class(tx: Tx, target: Target, ref: ClassRef) -> ClassData:
    """Everything of the class that an act of entry names."""
    row = roster_store.school_class(tx, target.year_id, ref.name)
    assert row is not None
    head = class_data.ClassHead(row.id, row.name, row.grade_level)
    return class_data.read(tx, target.year_id, ref.school_year, [head], Stage.AFTER_SUMMER.semesters)[row.id]


def check(
    tx: Tx, target: Target, ref: ClassRef, students: Mapping[str, int], rows: Sequence[tuple[str, Sequence[str]]]
) -> None:
    """Check the rows of a re-assessment sheet, which were read without fault.

    students: moet_student_id → id.

    Raises Invalid NOT_FOR_RETEST for each student who is not to be re-assessed in the subject
    (`results.retest_due`). A mark that stands may be withdrawn whatever the results.
    """
    data = read_class(tx, target, ref)
    subject = next(subject.code for subject in data.subjects if subject.id == target.subject_id)
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


def check_training(tx: Tx, target: Target, ref: ClassRef, students: Mapping[str, int]) -> None:
    """Check whose conduct after the summer is told. students: field of the request → student id.

    Raises Invalid NOT_FOR_SUMMER_TRAINING for each student whose year does not call for training.
    """
    data = read_class(tx, target, ref)
    year = zip(data.students, results.class_results(data, Stage.WHOLE_YEAR), strict=True)
    training = {student.id for student, result in year if result.promotion is Promotion.SUMMER_TRAINING}
    message = "Học sinh không thuộc diện rèn luyện trong kì nghỉ hè (Điều 13)."
    refuse(
        [
            Violation(field, "NOT_FOR_SUMMER_TRAINING", message)
            for field, student in students.items()
            if student not in training
        ]
    )
