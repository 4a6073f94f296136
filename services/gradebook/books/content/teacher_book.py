"""Frozen content of a teacher's book (docs/formats/teacher-book-1.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from services.common.canonical import canonical_bytes
from services.gradebook.books.content.class_book import EXEMPTION_NOTE
from services.gradebook.books.content.signatures import Signs, signatories
from services.gradebook.model.catalogue import RecordBook, SignatoryRole, level_of, regime
from services.gradebook.model.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    School,
    SchoolLevel,
    Semester,
    Stage,
    keyed_code,
    result_code,
)
from services.gradebook.model.results import ClassData, ClassStudent, ClassSubject, NamedPerson, class_results
from services.gradebook.model.times import vietnam_time
from services.gradebook.rules import SubjectResult

MAX_CLASSES = 40
"""Limit of the teacher's book schema."""


@dataclass(frozen=True, slots=True)
class TaughtClass:
    """A class of the teacher.

    data: with the teacher's subject only. left_on: student id → day of leaving.
    remarks: (semester, student id) → the teacher's remark.
    corrections: as listed in content, without the class.
    """

    name: str
    data: ClassData
    left_on: Mapping[int, date]
    remarks: Mapping[tuple[int, int], str]
    corrections: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    """Everything a teacher's book states apart from its classes."""

    school: School
    school_year: str
    teacher: NamedPerson
    principal: NamedPerson
    stage: Stage
    version: int
    closing_time: datetime


def teacher_book(record: RecordBook, classes: Sequence[TaughtClass], facts: TeacherFacts) -> bytes:
    """The canonical bytes of a teacher's book.

    classes: at least one, in print order, with every required mark.
    """
    subject = classes[0].data.subjects[0]
    corrections = [{"class": taught.name, **correction} for taught in classes for correction in taught.corrections]
    return canonical_bytes(
        {
            "format": record.format,
            "record_type": record.record_type.name,
            "school_year": facts.school_year,
            "stage": facts.stage.name,
            "version": facts.version,
            "regime": regime(facts.school_year, classes[0].data.grade_level),
            "closing_time": vietnam_time(facts.closing_time),
            "school": {**asdict(facts.school), "level": _level(classes).name},
            "principal": asdict(facts.principal),
            "teacher": asdict(facts.teacher),
            "subject": {"code": subject.code, "name": subject.name, "kind": subject.kind.value},
            "classes": [_class(taught, facts.stage) for taught in classes],
            "corrections": sorted(corrections, key=lambda correction: str(correction["time"])),
            "signatories": signatories(
                record,
                [
                    Signs(SignatoryRole.SUBJECT_TEACHER, facts.teacher, subject.code),
                    Signs(SignatoryRole.PRINCIPAL, facts.principal),
                ],
            ),
        }
    )


def _level(classes: Sequence[TaughtClass]) -> SchoolLevel:
    levels = {level_of(taught.data.grade_level) for taught in classes}
    return levels.pop() if len(levels) == 1 else SchoolLevel.MULTI_LEVEL


def _class(taught: TaughtClass, stage: Stage) -> dict[str, Any]:
    data = taught.data
    subject = data.subjects[0]
    results = [result.subjects[0] for result in class_results(data, stage)]
    return {
        "name": taught.name,
        "grade_level": data.grade_level,
        "periods_per_year": subject.periods_per_year,
        "regular_count": {f"SEMESTER_{semester}": subject.regular_in(semester) for semester in Semester},
        "students": [_student(student, taught.left_on.get(student.id)) for student in data.students],
        "semesters": [
            {
                "semester": f"SEMESTER_{semester}",
                "rows": [
                    _row(taught, subject, student, semester, result)
                    for student, result in zip(data.students, results, strict=True)
                ],
            }
            for semester in stage.semesters
        ],
    }


def _student(student: ClassStudent, left_on: date | None) -> dict[str, Any]:
    return {
        "number": student.number,
        "moet_student_id": student.moet_student_id,
        "name": student.name,
        "birth_date": student.birth_date,
        "left_on": None if left_on is None else left_on.isoformat(),
    }


def _row(
    taught: TaughtClass, subject: ClassSubject, student: ClassStudent, semester: Semester, result: SubjectResult
) -> dict[str, Any]:
    cells = taught.data.cells(subject.id, semester, student.id)
    first = semester is Semester.FIRST
    return {
        "student": student.number,
        "regular": [keyed_code(cells.get(column)) for column in range(1, subject.regular_in(semester) + 1)],
        "midterm": keyed_code(cells.get(MIDTERM_COLUMN)),
        "final": keyed_code(cells.get(FINAL_COLUMN)),
        "result": result_code(result.semester_1 if first else result.semester_2),
        "year_result": None if first else result_code(result.year),
        "reassessed": None,
        "remark": _remark(taught, subject, student, semester),
    }


def _remark(taught: TaughtClass, subject: ClassSubject, student: ClassStudent, semester: Semester) -> str:
    """The form's only text column: the note of an exemption (Điều 10), then the remark."""
    exempt = (subject.id, semester, student.id) in taught.data.exempt
    return ". ".join(filter(None, (EXEMPTION_NOTE if exempt else "", taught.remarks.get((semester, student.id), ""))))
