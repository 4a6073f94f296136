"""Freezing one book of the record type that a request names."""

from typing import NamedTuple

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.books.book_store import BookRow
from services.gradebook.books.freeze.class_book import freeze_class_book
from services.gradebook.books.freeze.register import freeze_student_register
from services.gradebook.books.freeze.teacher_book import freeze_teacher_book
from services.gradebook.books.freeze.transcript import freeze_transcript
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, RecordType

_USED: dict[RecordType, set[str]] = {
    RecordType.CLASS_BOOK: {"school_class.name"},
    RecordType.TEACHER_BOOK: {"teacher", "subject"},
    RecordType.TRANSCRIPT: {"school_class.name", "student"},
    RecordType.STUDENT_REGISTER: set(),
}
"""The fields that name a book of the type; others must be empty."""


class FreezeRequest(NamedTuple):
    """The book to freeze; fields that do not name a book of its type (`_USED`) are empty."""

    record_type: int
    school_class: ClassRef
    stage: int
    student: str
    teacher: str
    subject: str


def freeze_book(database: Database, caller: Caller, request: FreezeRequest) -> BookRow:
    """Freeze a book by its record type.

    Raises Invalid ENUM, NOT_APPLICABLE, and as the type's function.
    """
    findings = Findings()
    findings.one_of("record_type", request.record_type, set(RecordType))
    findings.refuse()
    record_type = RecordType(request.record_type)
    named = {
        "school_class.name": request.school_class.name,
        "student": request.student,
        "teacher": request.teacher,
        "subject": request.subject,
    }
    for field, value in named.items():
        if value and field not in _USED[record_type]:
            findings.add(field, "NOT_APPLICABLE", "Loại sổ này không có mục đã nêu; hãy để trống.")
    findings.refuse()
    match record_type:
        case RecordType.CLASS_BOOK:
            return freeze_class_book(database, caller, request.school_class, request.stage)
        case RecordType.TEACHER_BOOK:
            return freeze_teacher_book(
                database,
                caller,
                request.school_class,
                teacher=request.teacher,
                subject=request.subject,
                stage=request.stage,
            )
        case RecordType.TRANSCRIPT:
            return freeze_transcript(database, caller, request.school_class, request.student, request.stage)
        case RecordType.STUDENT_REGISTER:
            return freeze_student_register(database, caller, request.school_class, request.stage)
