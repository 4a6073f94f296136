"""Score sheets and results as messages: sheets that come in, rows with averages, histories, what is
missing.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from hoso.gradebook.v1 import common_pb2, marks_pb2

from services.common.message_fields import timestamp
from services.gradebook.api import window_messages
from services.gradebook.api.messages import class_ref, version_correction
from services.gradebook.api.refusals import refusal
from services.gradebook.api.request_identity import content
from services.gradebook.entry.bulk import ExportedClass, Imported, Sheet
from services.gradebook.entry.store.history import VersionRow
from services.gradebook.model.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    PROTO_LEVEL_NUMBERS,
    REASSESSMENT_COLUMN,
    SUBJECT_KIND_NUMBERS,
    Semester,
    Stage,
    keyed_text,
)
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.results import ClassData, ClassSubject, Missing, absent_sessions
from services.gradebook.rules import Level, Mark, PupilResult, format_mark

_ENTRY_KINDS: dict[int, str] = {
    EntryKind.MARKS: "ENTRY",
    EntryKind.SETTLEMENT: "SETTLEMENT",
    EntryKind.CORRECTION: "CORRECTION",
    EntryKind.CARRIED_MARKS: "CARRIED_OVER",
}


def columns(request: marks_pb2.EnterMarksRequest | marks_pb2.SettleMissingMarksRequest) -> list[tuple[int, int]]:
    """The columns of a sheet, each as (kind, position)."""
    return [(column.kind, column.position) for column in request.columns]


def values(request: marks_pb2.EnterMarksRequest) -> list[tuple[str, Sequence[str]]]:
    """The rows of a sheet: moet_student_id and one value per column."""
    return [(row.student, row.values) for row in request.rows]


def sheet(message: marks_pb2.ImportMarksRequest) -> Sheet:
    """One sheet of a stream. Without remarks it is the same request as by EnterMarks."""
    entry = message.sheet
    said = marks_pb2.ImportMarksRequest(sheet=entry, remarks=message.remarks) if message.remarks else entry
    return Sheet(
        message.person_token,
        entry.request_id,
        content(said),
        class_ref(entry.school_class),
        entry.subject,
        entry.semester,
        columns(entry),
        values(entry),
        [(row.student, row.text) for row in message.remarks],
    )


def rows(
    data: ClassData, results: Sequence[PupilResult], subject: ClassSubject, semester: Semester
) -> list[marks_pb2.MarkSheetRow]:
    """The lines of one sheet, by number in the class list.

    results: of the same students in the same order.
    """
    place = data.subjects.index(subject)
    return [
        _row(data, result, subject, semester, student=student.id, moet_student_id=student.moet_student_id, place=place)
        for student, result in zip(data.students, results, strict=True)
    ]


def exported(
    exported_class: ExportedClass, request: marks_pb2.ExportMarksRequest
) -> Iterator[marks_pb2.ExportMarksResponse]:
    """The sheets of a class that an export asked for."""
    semesters = [Semester(request.semester)] if request.semester else list(Semester)
    for subject in exported_class.data.subjects:
        if request.subjects and subject.code not in request.subjects:
            continue
        for semester in semesters:
            lines = rows(exported_class.data, exported_class.results, subject, semester)
            yield marks_pb2.ExportMarksResponse(
                school_class=common_pb2.ClassRef(
                    school=request.school, school_year=request.school_year, name=exported_class.head.name
                ),
                school_name=exported_class.school_name,
                grade_level=exported_class.head.grade_level,
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
                        remark=exported_class.remarks.get(
                            (exported_class.head.id, subject.code, int(semester), student.id), ""
                        ),
                    )
                    for student, line in zip(exported_class.data.students, lines, strict=True)
                ],
            )


def imported(sheet: Imported) -> marks_pb2.ImportedSheet:
    """What became of a sheet."""
    return marks_pb2.ImportedSheet(
        request_id=sheet.request_id,
        changed=sheet.entered.cells.changed,
        unchanged=sheet.entered.cells.unchanged,
        remarks_changed=sheet.entered.texts.changed,
        remarks_unchanged=sheet.entered.texts.unchanged,
        refusal=None if sheet.refusal is None else refusal(sheet.refusal),
    )


def summary(data: ClassData, index: int, result: PupilResult, stage: Stage) -> marks_pb2.StudentSummary:
    """Results of one student of a class up to a stage. index: of the student in the data."""
    student = data.students[index]
    return marks_pb2.StudentSummary(
        student=student.moet_student_id,
        semester_1=_period(result, "semester_1"),
        semester_2=_period(result, "semester_2") if stage.ends_year else None,
        year=_period(result, "year") if stage.ends_year else None,
        absent_sessions=absent_sessions(data, student.id) or 0,
        promotion=result.promotion.value if stage.ends_year and result.promotion else "",
        award=result.award.value if stage.ends_year and result.award else "",
        after_summer=_after_summer(result) if stage is Stage.AFTER_SUMMER else None,
        retest_subjects=result.retest_subjects,
    )


def missing(item: Missing) -> marks_pb2.Missing:
    """Something that a book still needs."""
    return marks_pb2.Missing(
        student=item.student.moet_student_id,
        subject=item.subject or "",
        semester=cast("common_pb2.Semester.ValueType", int(item.semester or 0)),
        column=None if item.column is None else window_messages.mark_column(item.column),
        kind=item.kind,
        month=item.month or "",
    )


def version(row: VersionRow) -> marks_pb2.MarkVersion:
    """One version of a cell, with the correction that made it."""
    recorded = "ZERO_BY_RULE" if row.kind == EntryKind.SETTLEMENT else "RECORDED"
    return marks_pb2.MarkVersion(
        version=row.version,
        value=keyed_text(row.value),
        status="WITHDRAWN" if row.value is None else recorded,
        person=row.person,
        client=row.client,
        time=timestamp(row.time),
        reason=row.reason,
        kind=_ENTRY_KINDS[row.kind],
        correction=version_correction(row),
    )


def _level(level: object) -> "common_pb2.Level.ValueType":
    number = PROTO_LEVEL_NUMBERS[level] if isinstance(level, Level) else 0
    return cast("common_pb2.Level.ValueType", number)


def _period(result: PupilResult, name: str) -> marks_pb2.PeriodResult:
    learning = getattr(result.learning, name)
    marks_by_subject = {subject.name: getattr(subject, name) for subject in result.subjects}
    return marks_pb2.PeriodResult(
        results={code: format_mark(mark) for code, mark in marks_by_subject.items() if mark is not None},
        learning_result=_level(None if learning is None else learning.level),
        conduct_result=_level(getattr(result.conduct, name)),
    )


def _after_summer(result: PupilResult) -> marks_pb2.PeriodResult:
    learning = result.learning.after_summer
    return marks_pb2.PeriodResult(
        results={
            subject.name: format_mark(subject.reassessed)
            for subject in result.subjects
            if subject.reassessed is not None
        },
        learning_result=_level(None if learning is None else learning.level),
        conduct_result=_level(result.conduct.after_summer),
    )


def _row(
    data: ClassData,
    result: PupilResult,
    subject: ClassSubject,
    semester: Semester,
    *,
    student: int,
    moet_student_id: str,
    place: int,
) -> marks_pb2.MarkSheetRow:
    cells = data.cells(subject.id, semester, student)
    subject_result = result.subjects[place]
    return marks_pb2.MarkSheetRow(
        student=moet_student_id,
        regular=[keyed_text(cells.get(column)) for column in range(1, subject.regular_in(semester) + 1)],
        midterm=keyed_text(cells.get(MIDTERM_COLUMN)),
        final=keyed_text(cells.get(FINAL_COLUMN)),
        result=_text(subject_result.semester_1 if semester is Semester.FIRST else subject_result.semester_2),
        year_result="" if semester is Semester.FIRST else _text(subject_result.year),
        reassessed=keyed_text(cells.get(REASSESSMENT_COLUMN)),
        practical_exemption=(subject.id, semester, student) in data.exempt,
    )


def _text(mark: Mark | None) -> str:
    return "" if mark is None else format_mark(mark)
