"""Frozen content of a class book (docs/formats/class-book-2.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.common.canonical import canonical_bytes
from services.gradebook.books.content.attendance import attendance
from services.gradebook.books.content.corrections import corrections_list
from services.gradebook.books.content.signatures import Signs, seal_of, signatories
from services.gradebook.entry.attendance_content import principal_remarks
from services.gradebook.model.catalogue import RecordBook, SignatoryRole, level_of, record_book, regime
from services.gradebook.model.correction_rules import ApprovedCorrection
from services.gradebook.model.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    NOT_SAT_VALUE,
    REASSESSMENT_COLUMN,
    RecordType,
    School,
    Semester,
    Sex,
    Stage,
    keyed_code,
    level_code,
    mark_of,
    result_code,
)
from services.gradebook.model.results import (
    ClassData,
    ClassStudent,
    ClassSubject,
    NamedPerson,
    absent_sessions,
    class_results,
)
from services.gradebook.model.times import vietnam_time
from services.gradebook.rules import Award, Level, Mark, Promotion, PupilResult, SubjectResult

EXEMPTION_NOTE = "Miễn phần thực hành"
"""Ghi chú of a student exempt by TT 22/2021 Điều 10, whose marks are of theory instead."""

MAX_STUDENTS = 70
MAX_SIGNATORIES = 60
"""Limits of the class book's schema."""

_PASSED = (Promotion.PROMOTED, Promotion.PROGRAMME_COMPLETED)
PENDING = (Promotion.RETEST, Promotion.SUMMER_TRAINING)
"""Outcomes that the summer decides (TT 22/2021 Điều 13, Điều 14)."""


@dataclass(frozen=True, slots=True)
class BookFacts:
    """Everything the book states apart from the class's data."""

    school: School
    class_name: str
    homeroom_teacher: NamedPerson
    principal: NamedPerson
    stage: Stage
    version: int
    closing_time: datetime
    corrections: Sequence[ApprovedCorrection] = ()


def class_book(data: ClassData, facts: BookFacts) -> bytes:
    """The canonical bytes of a class book.

    The data must have every required mark and a teacher for every subject, within the limits above.
    """
    results = class_results(data, facts.stage)
    record = record_book(RecordType.CLASS_BOOK, data.school_year, level_of(data.grade_level))
    return canonical_bytes(
        {
            "format": record.format,
            "record_type": record.record_type.name,
            "school_year": data.school_year,
            "stage": facts.stage.name,
            "version": facts.version,
            "regime": regime(data.school_year, data.grade_level),
            "closing_time": vietnam_time(facts.closing_time),
            "school": {**asdict(facts.school), "level": level_of(data.grade_level).name},
            "class": {
                "name": facts.class_name,
                "grade_level": data.grade_level,
                "homeroom_teacher": asdict(facts.homeroom_teacher),
            },
            "principal": asdict(facts.principal),
            "subjects": [_subject(subject) for subject in data.subjects],
            "students": [_student(student) for student in data.students],
            "attendance": attendance(data, facts.stage),
            "semesters": [_semester(data, semester, facts.stage, results) for semester in facts.stage.semesters],
            "year": _year(data, results) if facts.stage.ends_year else None,
            "corrections": corrections_list(facts.corrections, data.students),
            "principal_remarks": principal_remarks(data, facts.stage),
            "signatories": _signatories(record, data, facts),
        }
    )


def _signatories(record: RecordBook, data: ClassData, facts: BookFacts) -> list[dict[str, Any]]:
    listed = [
        Signs(SignatoryRole.SUBJECT_TEACHER, teacher, subject.code)
        for subject in data.subjects
        for teacher in subject.teachers
    ]
    listed.append(Signs(SignatoryRole.HOMEROOM_TEACHER, facts.homeroom_teacher))
    listed.append(Signs(SignatoryRole.PRINCIPAL, facts.principal))
    listed.append(seal_of(facts.school))
    return signatories(record, listed)


def _subject(subject: ClassSubject) -> dict[str, Any]:
    return {
        "code": subject.code,
        "name": subject.name,
        "kind": subject.kind.value,
        "periods_per_year": subject.periods_per_year,
        "regular_count": {f"SEMESTER_{semester}": subject.regular_in(semester) for semester in Semester},
        "teachers": [asdict(teacher) for teacher in subject.teachers],
    }


def _student(student: ClassStudent) -> dict[str, Any]:
    fields = asdict(student)
    del fields["id"], fields["left"], fields["joined"]
    return {**fields, "sex": Sex(student.sex).name}


def _semester(data: ClassData, semester: Semester, stage: Stage, results: Sequence[PupilResult]) -> dict[str, Any]:
    first = semester is Semester.FIRST
    return {
        "semester": f"SEMESTER_{semester}",
        "marks": [
            {
                "subject": subject.code,
                "rows": [
                    _row(data, subject, student, semester, stage=stage, result=result.subjects[position])
                    for student, result in zip(data.students, results, strict=True)
                ],
            }
            for position, subject in enumerate(data.subjects)
        ],
        "summary": [
            _summary(
                student,
                {s.name: s.semester_1 if first else s.semester_2 for s in result.subjects},
                _learning(result, "semester_1" if first else "semester_2"),
                result.conduct.semester_1 if first else result.conduct.semester_2,
            )
            for student, result in zip(data.students, results, strict=True)
        ],
    }


def _row(
    data: ClassData,
    subject: ClassSubject,
    student: ClassStudent,
    semester: Semester,
    *,
    stage: Stage,
    result: SubjectResult,
) -> dict[str, Any]:
    cells = data.cells(subject.id, semester, student.id)
    first = semester is Semester.FIRST
    return {
        "student": student.number,
        "regular": [keyed_code(cells.get(column)) for column in range(1, subject.regular_in(semester) + 1)],
        "midterm": keyed_code(cells.get(MIDTERM_COLUMN)),
        "final": keyed_code(cells.get(FINAL_COLUMN)),
        "result": result_code(result.semester_1 if first else result.semester_2),
        "year_result": None if first else result_code(result.year),
        "reassessed": None if first or stage is not Stage.AFTER_SUMMER else _reassessed(cells),
        "note": EXEMPTION_NOTE if (subject.id, semester, student.id) in data.exempt else "",
    }


def _reassessed(cells: Mapping[int, int]) -> str | None:
    """The summer mark as a result; ABSENT if the student did not sit the re-assessment."""
    value = cells.get(REASSESSMENT_COLUMN)
    return keyed_code(value) if value == NOT_SAT_VALUE else result_code(mark_of(value))


def _summary(
    student: ClassStudent, marks: Mapping[str, Mark | None], learning: Level | None, conduct: Any
) -> dict[str, Any]:
    return {
        "student": student.number,
        "results": {code: result_code(mark) for code, mark in marks.items()},
        "learning_result": level_code(learning),
        "conduct_result": level_code(conduct),
    }


def _learning(result: PupilResult, period: str) -> Level | None:
    learning = getattr(result.learning, period)
    return None if learning is None else learning.level


def _year(data: ClassData, results: Sequence[PupilResult]) -> dict[str, Any]:
    pairs = list(zip(data.students, results, strict=True))
    promotions = [result.promotion for result in results]
    return {
        "summary": [
            _summary(
                student,
                {s.name: s.year for s in result.subjects},
                _learning(result, "year"),
                result.conduct.year,
            )
            for student, result in pairs
        ],
        "evaluation": [
            {
                "student": student.number,
                "conduct_result": level_code(result.conduct.year),  # type: ignore[arg-type]  # TT22 only
                "learning_result": level_code(_learning(result, "year")),
                "conduct_after_summer": level_code(result.conduct.after_summer),  # type: ignore[arg-type]
                "learning_after_summer": level_code(_learning(result, "after_summer")),
                "absent_sessions": absent_sessions(data, student.id),
                "promotion": None if result.promotion is None else result.promotion.value,
                "award": _award(result.award),
            }
            for student, result in pairs
        ],
        "totals": {
            "students": len(pairs),
            "promoted": sum(promotion in _PASSED for promotion in promotions),
            "promoted_after_summer": sum(
                result.promotion in _PASSED and _worked_in_summer(result) for result in results
            ),
            "not_promoted": promotions.count(Promotion.RETAINED),
            "pending_summer": sum(promotion in PENDING for promotion in promotions),
        },
    }


def _worked_in_summer(result: PupilResult) -> bool:
    """Whether a student had summer training or a re-assessment."""
    return result.conduct.after_summer is not None or result.learning.after_summer is not None


def _award(award: Award | None) -> str | None:
    return None if award is None else award.value
