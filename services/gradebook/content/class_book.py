"""Frozen content: what a book and a snapshot hold, as canonical bytes (RFC 8785). Pure: the same facts, the same bytes.

Shapes: docs/formats/class-book-1.schema.json and docs/formats/class-snapshot-1.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from services.common.canonical import canonical_bytes
from services.gradebook.corrections import ApprovedCorrection
from services.gradebook.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    REASSESSMENT_COLUMN,
    School,
    Semester,
    Sex,
    Stage,
    column_name,
    keyed_code,
    level_code,
    result_code,
)
from services.gradebook.results import (
    ClassData,
    ClassStudent,
    ClassSubject,
    NamedPerson,
    absent_sessions,
    class_results,
)
from services.gradebook.rules import Award, Level, Mark, Promotion, PupilResult

BOOK_FORMAT = "hoso/class-book/1"
SNAPSHOT_FORMAT = "hoso/class-snapshot/1"
CORRECTION_SNAPSHOT_FORMAT = "hoso/class-snapshot/2"
VIETNAM = timezone(timedelta(hours=7))

MAX_STUDENTS = 70
MAX_SIGNATORIES = 60
"""Limits of the class book's shape."""

_PASSED = (Promotion.PROMOTED, Promotion.PROGRAMME_COMPLETED)
_PENDING = (Promotion.RETEST, Promotion.SUMMER_TRAINING)


@dataclass(frozen=True, slots=True)
class BookFacts:
    """What a book says beside the class's data."""

    school: School
    class_name: str
    homeroom_teacher: NamedPerson
    principal: NamedPerson
    stage: Stage
    version: int
    closing_time: datetime
    corrections: Sequence[ApprovedCorrection] = ()


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot says beside the class's data: window was closed at time, or correction was approved then.

    previous_sha256: of the class's previous snapshot.
    """

    school: str
    class_name: str
    window: str | None
    time: datetime
    sequence: int
    previous_sha256: bytes | None
    correction: str | None = None


def vietnam_time(moment: datetime) -> str:
    """ISO 8601 at +07:00 in whole seconds, as pages print it."""
    return moment.astimezone(VIETNAM).replace(microsecond=0).isoformat()


def class_book(data: ClassData, facts: BookFacts) -> bytes:
    """The canonical bytes of a class book.

    Every required mark must be there, every subject must have a teacher, and the limits above must hold.
    """
    results = class_results(data, facts.stage)
    whole_year = facts.stage is Stage.WHOLE_YEAR
    return canonical_bytes(
        {
            "format": BOOK_FORMAT,
            "record_type": "CLASS_BOOK",
            "school_year": data.school_year,
            "stage": facts.stage.name,
            "version": facts.version,
            "regime": "TT22",
            "closing_time": vietnam_time(facts.closing_time),
            "school": _school(facts.school, data.grade_level),
            "class": {
                "name": facts.class_name,
                "grade_level": data.grade_level,
                "homeroom_teacher": asdict(facts.homeroom_teacher),
            },
            "principal": asdict(facts.principal),
            "subjects": [_subject(subject) for subject in data.subjects],
            "students": [_student(student) for student in data.students],
            "semesters": [_semester(data, semester, results) for semester in facts.stage.semesters],
            "year": _year(data, results) if whole_year else None,
            "corrections": corrections_list(facts.corrections, data.students),
            "principal_remarks": [],
            "signatories": signatories(data.subjects, facts),
        }
    )


def corrections_list(approved: Sequence[ApprovedCorrection], students: Sequence[ClassStudent]) -> list[dict[str, Any]]:
    """Approved corrections as a book lists them, in the order given, of the students in the list."""
    numbers = {student.id: student.number for student in students}
    return [
        {
            "student": numbers[one.student_id],
            "subject": one.subject,
            "semester": f"SEMESTER_{one.semester}",
            "column": _corrected_column(one),
            "old": _corrected_value(one.subject, one.old_value),
            "new": _corrected_value(one.subject, one.new_value),
            "reason": one.reason,
            "requested_by": asdict(NamedPerson(*one.requested_by)),
            "confirmed_by": asdict(NamedPerson(*one.confirmed_by)),
            "approved_by": asdict(NamedPerson(*one.approved_by)),
            "time": vietnam_time(one.time),
        }
        for one in approved
        if one.student_id in numbers
    ]


def _corrected_column(one: ApprovedCorrection) -> str:
    if one.subject is None:
        return "CONDUCT"
    return "REASSESSED" if one.column == REASSESSMENT_COLUMN else column_name(one.column)


def _corrected_value(subject: str | None, value: int | None) -> str | None:
    if subject is not None or value is None:
        return keyed_code(value)
    return level_code(next(level for level in Level if int(level) == value))


def signatories(subjects: Sequence[ClassSubject], facts: BookFacts) -> list[dict[str, Any]]:
    """Who signs, in order: subject teachers (rank 1), homeroom teacher (2), principal (3), school seal (4)."""
    homeroom, principal = facts.homeroom_teacher, facts.principal
    rows: list[tuple[int, str, str, NamedPerson, str | None]] = [
        (1, "SUBJECT_TEACHER", f"teacher-{subject.code}", teacher, subject.code)
        for subject in subjects
        for teacher in subject.teachers
    ]
    rows.append((2, "HOMEROOM_TEACHER", "homeroom", homeroom, None))
    rows.append((3, "PRINCIPAL", "principal", principal, None))
    rows.append((4, "SCHOOL_SEAL", "seal", NamedPerson(facts.school.code, facts.school.name), None))
    return [
        {
            "order": order,
            "rank": rank,
            "field": f"sig-{order:02d}-{suffix}",
            "role": role,
            "signatory": who.id,
            "name": who.name,
            "subject": subject,
        }
        for order, (rank, role, suffix, who, subject) in enumerate(rows, 1)
    ]


def class_snapshot(data: ClassData, facts: SnapshotFacts) -> bytes:
    """The canonical bytes of a class's data as it stood: marks, conduct, absences; no results.

    After the closing of a window format 1, after a correction format 2.
    """
    previous = facts.previous_sha256
    occasion: dict[str, Any]
    if facts.correction is None:
        occasion = {"format": SNAPSHOT_FORMAT, "window": facts.window, "closed_time": vietnam_time(facts.time)}
    else:
        approved_time = vietnam_time(facts.time)
        occasion = {
            "format": CORRECTION_SNAPSHOT_FORMAT,
            "correction": facts.correction,
            "approved_time": approved_time,
        }
    return canonical_bytes(
        {
            **occasion,
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
                f"SEMESTER_{semester}": [level_code(data.conduct.get((semester, s.id))) for s in data.students]
                for semester in Semester
            },
            "absences": [_absence(data, student) for student in data.students],
        }
    )


def _snapshot_sheet(data: ClassData, subject: ClassSubject, semester: Semester) -> dict[str, Any]:
    columns = [*range(1, subject.regular_count + 1), MIDTERM_COLUMN, FINAL_COLUMN]
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


def _school(school: School, grade_level: int) -> dict[str, Any]:
    level = "LOWER_SECONDARY" if grade_level <= 9 else "UPPER_SECONDARY"
    return {**asdict(school), "level": level}


def _subject(subject: ClassSubject) -> dict[str, Any]:
    return {
        "code": subject.code,
        "name": subject.name,
        "kind": subject.kind.value,
        "periods_per_year": subject.periods_per_year,
        "regular_count": {"SEMESTER_1": subject.regular_count, "SEMESTER_2": subject.regular_count},
        "teachers": [asdict(teacher) for teacher in subject.teachers],
    }


def _student(student: ClassStudent) -> dict[str, Any]:
    fields = asdict(student)
    del fields["id"], fields["left"]
    return {**fields, "sex": Sex(student.sex).name}


def _semester(data: ClassData, semester: Semester, results: Sequence[PupilResult]) -> dict[str, Any]:
    first = semester is Semester.FIRST
    return {
        "semester": f"SEMESTER_{semester}",
        "marks": [
            {
                "subject": subject.code,
                "rows": [
                    _row(data, subject, student, semester, result.subjects[position])
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
    data: ClassData, subject: ClassSubject, student: ClassStudent, semester: Semester, result: Any
) -> dict[str, Any]:
    cells = data.cells(subject.id, semester, student.id)
    first = semester is Semester.FIRST
    return {
        "student": student.number,
        "regular": [keyed_code(cells.get(column)) for column in range(1, subject.regular_count + 1)],
        "midterm": keyed_code(cells.get(MIDTERM_COLUMN)),
        "final": keyed_code(cells.get(FINAL_COLUMN)),
        "result": result_code(result.semester_1 if first else result.semester_2),
        "year_result": None if first else result_code(result.year),
        "reassessed": None,
        "note": "",
    }


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
                "conduct_after_summer": None,
                "learning_after_summer": None,
                "absent_sessions": absent_sessions(data, student.id),
                "promotion": None if result.promotion is None else result.promotion.value,
                "award": _award(result.award),
            }
            for student, result in pairs
        ],
        "totals": {
            "students": len(pairs),
            "promoted": sum(promotion in _PASSED for promotion in promotions),
            "promoted_after_summer": 0,
            "not_promoted": promotions.count(Promotion.RETAINED),
            "pending_summer": sum(promotion in _PENDING for promotion in promotions),
        },
    }


def _award(award: Award | None) -> str | None:
    return None if award is None else award.value
