"""What must hold after every run, however it was disturbed: nothing lost, nothing twice, everything provable."""

from collections import Counter

from hoso.archive.v1 import archive_pb2
from hoso.gradebook.v1 import books_pb2, common_pb2, marks_pb2
from hoso.operations.v1 import operations_pb2
from hoso.signing.v1 import signing_pb2

from cli import demo_load
from cli.archive import all_records
from cli.books import all_books
from cli.connection import SERVICES, Services, call
from cli.demo_school import School
from services.common import dead_letters
from services.common.settings import BrokerConfig
from tests.e2e.conftest import Line

SIGN_ORDER = {"SUBJECT_TEACHER": 1, "HOMEROOM_TEACHER": 2, "PRINCIPAL": 3, "SCHOOL_SEAL": 4}


def check(line: Line, school: School) -> None:
    """Every promise of the line for one school whose demo has finished."""
    operator, vendor = line.operator(), line.vendor()
    every_acknowledged_mark_is_there(line, vendor, school)
    books = [b for b in all_books(operator, school.code, school.school_year) if not b.replaced_by_version]
    assert {b.school_class.name for b in books} == {c.name for c in school.classes}
    assert {b.state for b in books} == {books_pb2.BOOK_STATE_RETURNED}
    for book in books:
        signed_once_by_each(operator, book)
    each_archived_once_and_verified(operator, school, {(b.id, b.version) for b in books})
    snapshots = demo_load.archived_snapshots(vendor, line.persons(school.code), school)
    assert Counter(s.school_class.name for s in snapshots) == Counter(c.name for c in school.classes)
    assert line.profile.broker is not None
    nothing_is_stuck(operator, line.profile.broker)


def every_acknowledged_mark_is_there(line: Line, vendor: Services, school: School) -> None:
    persons = line.persons(school.code)
    for c in school.classes:
        for subject in school.subjects[c.grade]:
            for number, semester in ((1, common_pb2.SEMESTER_FIRST), (2, common_pb2.SEMESTER_SECOND)):
                request = marks_pb2.GetMarkSheetRequest(
                    school_class=demo_load.class_ref(school, c), subject=subject.code, semester=semester
                )
                rows = call(vendor.marks.GetMarkSheet, request, persons.token(c.homeroom_teacher), patient=True).rows
                found = {row.student: [*row.regular[: subject.regular_count], row.midterm, row.final] for row in rows}
                expected = school.sheet(c, subject, number)
                assert {s: list(map(_value, values)) for s, values in found.items()} == {
                    s: list(map(_value, values)) for s, values in expected.items()
                }


def _value(text: str) -> str:
    """8 and 8.0 are one mark."""
    return text.replace(",", ".").removesuffix(".0")


def signed_once_by_each(operator: Services, book: books_pb2.Book) -> None:
    request = signing_pb2.GetDocumentRequest(document=book.signed_document)
    document = call(operator.signing.GetDocument, request, patient=True).document
    assert document.state == signing_pb2.DOCUMENT_STATE_SEALED
    assert document.content_sha256 == book.content_sha256
    ranks = [s.rank for s in document.signatures]
    assert ranks == sorted(ranks)
    assert all(s.level == "PAdES-B-B" and s.rank == SIGN_ORDER[s.role] for s in document.signatures)
    journal = call(
        operator.signing.GetJournal, signing_pb2.GetJournalRequest(document=book.signed_document), patient=True
    ).entries
    stored = Counter(e.field for e in journal if e.event == "STORED")
    assert stored == Counter(s.field for s in document.signatures), "a field was signed twice, or not at all"
    for field in stored:
        events = [e.event for e in journal if e.field == field]
        assert events[0] == "INTENDED", "a key was used before its intent was recorded"
        assert events.index("ATTEMPTED") < events.index("STORED")


def each_archived_once_and_verified(operator: Services, school: School, books: set[tuple[str, int]]) -> None:
    records = all_records(operator, school.code, archive_pb2.RECORD_KIND_CLASS_BOOK)
    assert Counter((r.source, r.version) for r in records) == Counter(books)
    assert len({(r.bucket, r.key, r.version_id) for r in records}) == len(records)
    for record in records:
        answer = call(operator.archive.VerifyRecord, archive_pb2.VerifyRecordRequest(record=record.id), patient=True)
        assert answer.valid, [check for check in answer.checks if not check.passed]
        assert [s.role for s in answer.signatures][-2:] == ["PRINCIPAL", "SCHOOL_SEAL"]


def nothing_is_stuck(operator: Services, broker: BrokerConfig) -> None:
    for service in SERVICES:
        status = call(operator.operations[service].GetStatus, operations_pb2.GetStatusRequest(), patient=True)
        assert (status.jobs_dead, status.outbox_pending) == (0, 0), service
        audit = call(operator.operations[service].VerifyAudit, operations_pb2.VerifyAuditRequest(), patient=True)
        assert not audit.breaks, service
        assert dead_letters.list_letters(broker, service) == [], service
