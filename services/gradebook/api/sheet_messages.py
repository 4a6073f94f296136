"""Score sheets as messages: rows with averages, exported sheets, what became of imported ones."""

from collections.abc import Iterator, Sequence
from typing import cast

from hoso.gradebook.v1 import common_pb2, marks_pb2

from services.gradebook.api.refusals import refusal
from services.gradebook.entry.bulk import ExportedClass, Imported
from services.gradebook.model.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    REASSESSMENT_COLUMN,
    SUBJECT_KIND_NUMBERS,
    Semester,
    keyed_text,
)
from services.gradebook.model.results import ClassData, ClassSubject
from services.gradebook.rules import Mark, PupilResult, format_mark


def rows(
    data: ClassData, results: Sequence[PupilResult], subject: ClassSubject, semester: Semester
) -> list[marks_pb2.MarkSheetRow]:
    """The lines of one sheet, by number in the class list. results: of the same students in the same order."""
    place = data.subjects.index(subject)
    return [
        _row(data, result, subject, semester, student.id, student.moet_student_id, place)
        for student, result in zip(data.students, results, strict=True)
    ]


def exported(one: ExportedClass, request: marks_pb2.ExportMarksRequest) -> Iterator[marks_pb2.ExportMarksResponse]:
    """The sheets of a class that an export asked for."""
    semesters = [Semester(request.semester)] if request.semester else list(Semester)
    for subject in one.data.subjects:
        if request.subjects and subject.code not in request.subjects:
            continue
        for semester in semesters:
            lines = rows(one.data, one.results, subject, semester)
            yield marks_pb2.ExportMarksResponse(
                school_class=common_pb2.ClassRef(
                    school=request.school, school_year=request.school_year, name=one.head.name
                ),
                school_name=one.school_name,
                grade_level=one.head.grade_level,
                subject=subject.code,
                subject_name=subject.name,
                subject_kind=cast("common_pb2.SubjectKind.ValueType", SUBJECT_KIND_NUMBERS[subject.kind]),
                regular_count=subject.regular_in(semester),
                semester=cast("common_pb2.Semester.ValueType", int(semester)),
                teachers=[teacher.id for teacher in subject.teachers],
                rows=[
                    marks_pb2.ExportedRow(
                        number=student.number,
                        name=student.name,
                        birth_date=student.birth_date,
                        marks=line,
                        left=student.left,
                        remark=one.remarks.get((one.head.id, subject.code, int(semester), student.id), ""),
                    )
                    for student, line in zip(one.data.students, lines, strict=True)
                ],
            )


def imported(one: Imported) -> marks_pb2.ImportedSheet:
    """What became of a sheet."""
    return marks_pb2.ImportedSheet(
        request_id=one.request_id,
        changed=one.entered.marks.changed,
        unchanged=one.entered.marks.unchanged,
        remarks_changed=one.entered.remarks.changed,
        remarks_unchanged=one.entered.remarks.unchanged,
        refusal=None if one.refusal is None else refusal(one.refusal),
    )


def _row(
    data: ClassData,
    result: PupilResult,
    subject: ClassSubject,
    semester: Semester,
    student: int,
    moet_student_id: str,
    place: int,
) -> marks_pb2.MarkSheetRow:
    cells = data.cells(subject.id, semester, student)
    found = result.subjects[place]
    return marks_pb2.MarkSheetRow(
        student=moet_student_id,
        regular=[keyed_text(cells.get(column)) for column in range(1, subject.regular_in(semester) + 1)],
        midterm=keyed_text(cells.get(MIDTERM_COLUMN)),
        final=keyed_text(cells.get(FINAL_COLUMN)),
        result=_text(found.semester_1 if semester is Semester.FIRST else found.semester_2),
        year_result="" if semester is Semester.FIRST else _text(found.year),
        reassessed=keyed_text(cells.get(REASSESSMENT_COLUMN)),
        practical_exemption=(subject.id, semester, student) in data.exempt,
    )


def _text(mark: Mark | None) -> str:
    return "" if mark is None else format_mark(mark)
