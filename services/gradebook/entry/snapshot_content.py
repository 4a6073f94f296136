"""Frozen content of a snapshot of a class (docs/formats/class-snapshot-2.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.common.canonical import canonical_bytes
from services.gradebook.entry.attendance_content import principal_remarks, sessions
from services.gradebook.model.domain import (
    REASSESSMENT_COLUMN,
    SUMMER,
    Semester,
    Stage,
    column_name,
    keyed_code,
    level_code,
    required_columns,
)
from services.gradebook.model.results import ClassData, ClassStudent, ClassSubject
from services.gradebook.model.times import vietnam_time

SNAPSHOT_FORMAT = "hoso/class-snapshot/2"

_CONDUCT = {"SEMESTER_1": 1, "SEMESTER_2": 2, "SUMMER": SUMMER}


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot says apart from the class's data: window was closed at time, or correction
    was approved then.

    previous_sha256: of the class's previous snapshot.
    """

    school: str
    class_name: str
    window: str | None
    time: datetime
    sequence: int
    previous_sha256: bytes | None
    correction: str | None = None


def class_snapshot(data: ClassData, facts: SnapshotFacts) -> bytes:
    """The canonical bytes of a class's data as it stood: marks, conduct, attendance, remarks; no
    results.
    """
    previous = facts.previous_sha256
    occasion: dict[str, Any]
    if facts.correction is None:
        occasion = {"window": facts.window, "closed_time": vietnam_time(facts.time)}
    else:
        occasion = {"correction": facts.correction, "approved_time": vietnam_time(facts.time)}
    return canonical_bytes(
        {
            **occasion,
            "format": SNAPSHOT_FORMAT,
            "school": facts.school,
            "school_year": data.school_year,
            "class": facts.class_name,
            "grade_level": data.grade_level,
            "sequence": facts.sequence,
            "previous_sha256": None if previous is None else previous.hex(),
            "students": [
                {
                    "number": student.number,
                    "moet_student_id": student.moet_student_id,
                    "name": student.name,
                    "birth_date": student.birth_date,
                }
                for student in data.students
            ],
            "marks": [
                _snapshot_sheet(data, subject, semester)
                for subject in data.subjects
                for semester in Semester
                if (subject.id, semester) in data.marks
            ],
            "conduct": {
                name: [level_code(data.conduct.get((number, student.id))) for student in data.students]
                for name, number in _CONDUCT.items()
            },
            "attendance": sessions(data, data.students),
            "absences": [_absence(data, student) for student in data.students],
            "principal_remarks": principal_remarks(data, Stage.AFTER_SUMMER),
        }
    )


def _snapshot_sheet(data: ClassData, subject: ClassSubject, semester: Semester) -> dict[str, Any]:
    columns = [*required_columns(subject.regular_in(semester))]
    if semester is Semester.SECOND:
        columns.append(REASSESSMENT_COLUMN)
    sheet = data.marks[(subject.id, semester)]
    empty: Mapping[int, int] = {}
    return {
        "subject": subject.code,
        "semester": f"SEMESTER_{semester}",
        "columns": [column_name(column) for column in columns],
        "rows": [
            [keyed_code(sheet.get(student.id, empty).get(column)) for column in columns] for student in data.students
        ],
    }


def _absence(data: ClassData, student: ClassStudent) -> dict[str, int] | None:
    counts = data.absences.get(student.id)
    return None if counts is None else {"excused": counts[0], "unexcused": counts[1]}
