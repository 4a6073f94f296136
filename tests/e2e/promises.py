"""What must hold after every run, however it was disturbed: nothing lost, nothing twice, everything
provable.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hoso.archive.v1 import archive_pb2
from hoso.gradebook.v1 import books_pb2, common_pb2, marks_pb2
from hoso.operations.v1 import dead_letters_pb2, operations_pb2
from hoso.signing.v1 import signing_pb2

from cli.archive import all_records
from cli.books import all_books
from cli.connection import SERVICES, Services, call, download
from demo import load as demo_load
from demo.books import TYPES
from demo.school import School
from services.common.errors import HosoError
from tests.e2e.conftest import Line

SIGN_ORDER = {
    "SUBJECT_TEACHER": 1,
    "DATA_OFFICER": 1,
    "HOMEROOM_TEACHER": 2,
    "PRINCIPAL": 3,
    "SCHOOL_SEAL": 4,
}
CLASS_BOOK, TRANSCRIPT = common_pb2.RECORD_TYPE_CLASS_BOOK, common_pb2.RECORD_TYPE_TRANSCRIPT


def check(line: Line, *schools: School) -> None:
    """Every promise of the line for schools whose demo has finished."""
    operator, vendor = line.operator(), line.vendor()
    for school in schools:
        every_acknowledged_mark_is_there(line, vendor, school)
        books = books_of(operator, school)
        last = [b for b in books if not b.replaced_by_version]
        year = {
            b.school_class.name for b in last if (b.record_type, b.stage) == (CLASS_BOOK, common_pb2.STAGE_WHOLE_YEAR)
        }
        assert year == {c.name for c in school.classes}
        assert {b.state for b in last} == {books_pb2.BOOK_STATE_RETURNED}
        for book in books:
            signed_once_by_each(operator, book)
        each_archived_once_and_verified(operator, school, books)
        every_closing_left_a_snapshot(line, vendor, school)
    nothing_is_stuck(operator)


def books_of(operator: Services, school: School) -> list[books_pb2.Book]:
    """The school's books of every type, replaced versions too."""
    return [b for kind in TYPES for b in all_books(operator, school.code, school.school_year, kind)]


def every_closing_left_a_snapshot(line: Line, vendor: Services, school: School) -> None:
    for window in demo_load.WINDOWS.values():
        snapshots = demo_load.archived_snapshots(vendor, line.persons(school.code), school, window)
        assert Counter(s.school_class.name for s in snapshots) == Counter(c.name for c in school.classes)


def marks_are_being_keyed(line: Line, school: School) -> bool:
    """Whether a first mark of the school is there."""
    where = demo_load.class_ref(school, school.classes[0])
    token = line.persons(school.code).token(school.classes[0].homeroom_teacher)
    try:
        for subject in school.subjects[school.classes[0].grade]:
            request = marks_pb2.GetMarkSheetRequest(
                school_class=where, subject=subject.code, semester=common_pb2.SEMESTER_FIRST
            )
            if any(row.midterm for row in call(line.vendor().marks.GetMarkSheet, request, token).rows):
                return True
    except HosoError:  # the school or its class is not there yet
        return False
    return False


def every_acknowledged_mark_is_there(line: Line, vendor: Services, school: School) -> None:
    persons = line.persons(school.code)
    for c in school.classes:
        for subject in school.subjects[c.grade]:
            for number, semester in ((1, common_pb2.SEMESTER_FIRST), (2, common_pb2.SEMESTER_SECOND)):
                request = marks_pb2.GetMarkSheetRequest(
                    school_class=demo_load.class_ref(school, c), subject=subject.code, semester=semester
                )
                rows = call(vendor.marks.GetMarkSheet, request, persons.token(c.homeroom_teacher), patient=True).rows
                stored = {row.student: [*row.regular[: subject.regular_count], row.midterm, row.final] for row in rows}
                for student, values in school.standing_sheet(c, subject, number).items():
                    assert list(map(_value, stored[student])) == list(map(_value, values))


def _value(text: str) -> str:
    """8 and 8.0 are one mark."""
    return text.replace(",", ".").removesuffix(".0")


def signed_once_by_each(operator: Services, book: books_pb2.Book) -> None:
    request = signing_pb2.GetDocumentRequest(document=book.signed_document)
    document = call(operator.signing.GetDocument, request, patient=True).document
    ended = signing_pb2.DOCUMENT_STATE_SEALED if book.sealed else signing_pb2.DOCUMENT_STATE_SIGNED
    revoked = book.state == books_pb2.BOOK_STATE_REVOKED
    assert document.state == (signing_pb2.DOCUMENT_STATE_VOID if revoked else ended)
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


def each_archived_once_and_verified(operator: Services, school: School, books: Sequence[books_pb2.Book]) -> None:
    every = all_records(operator, school.code, archive_pb2.RECORD_KIND_UNSPECIFIED)
    records = [r for r in every if r.kind != archive_pb2.RECORD_KIND_SNAPSHOT]
    assert Counter((r.source, r.version) for r in records) == Counter((b.id, b.version) for b in books)
    assert len({(r.bucket, r.key, r.version_id) for r in records}) == len(records)
    sealed = {b.id: b.sealed for b in books}
    for record in records:
        answer = call(operator.archive.VerifyRecord, archive_pb2.VerifyRecordRequest(record=record.id), patient=True)
        assert answer.valid, [check for check in answer.checks if not check.passed]
        last = ["PRINCIPAL", "SCHOOL_SEAL"] if sealed[record.source] else ["SUBJECT_TEACHER", "PRINCIPAL"]
        assert [s.role for s in answer.signatures][-2:] == last


def nothing_is_stuck(operator: Services) -> None:
    for service in SERVICES:
        status = call(operator.operations[service].GetStatus, operations_pb2.GetStatusRequest(), patient=True)
        dead = call(operator.operations[service].ListDeadJobs, operations_pb2.ListDeadJobsRequest(), patient=True)
        assert [(service, job.kind, job.last_error) for job in dead.jobs] == []
        assert (service, status.jobs_dead, status.outbox_pending) == (service, 0, 0)
        audit = call(operator.operations[service].VerifyAudit, operations_pb2.VerifyAuditRequest(), patient=True)
        assert not audit.breaks, service
        letters = call(
            operator.dead_letters[service].ListDeadLetters, dead_letters_pb2.ListDeadLettersRequest(), patient=True
        )
        assert not letters.letters, service


def the_story_was_told(line: Line, home: School, away: School) -> None:
    """The correction, the transfer, the summer and the revoked transcript are in the frozen
    contents.
    """
    operator, vendor, story = line.operator(), line.vendor(), home.story
    assert story is not None
    books = books_of(operator, home)
    by_stage = {
        b.stage: b for b in books if b.record_type == CLASS_BOOK and b.school_class.name == home.classes[0].name
    }
    whole = _content(vendor, by_stage[common_pb2.STAGE_WHOLE_YEAR])
    summer = _content(vendor, by_stage[common_pb2.STAGE_AFTER_SUMMER])
    numbers = {s["moet_student_id"]: s["number"] for s in whole["students"]}
    assert [c["student"] for c in whole["corrections"]] == [numbers[story.corrected]]
    promoted = {row["student"]: row["promotion"] for row in summer["year"]["evaluation"]}
    assert promoted[numbers[story.retested]] == "PROMOTED"
    assert promoted[numbers[story.retained]] == "RETAINED"
    assert summer["year"]["summary"] == whole["year"]["summary"], "the summer overwrote the year"
    assert promoted[numbers[story.leaver]] is None

    joined = next(b for b in books_of(operator, away) if b.record_type == TRANSCRIPT)
    assert joined.student == story.leaver
    subjects = _content(vendor, joined)["grades"][-1]["subjects"]
    left = next(s for s in whole["semesters"][0]["summary"] if s["student"] == numbers[story.leaver])
    assert {s["code"]: s["semester_1"] for s in subjects} == left["results"], "marks did not follow the student"

    revoked = [b for b in books if b.record_type == TRANSCRIPT and b.state == books_pb2.BOOK_STATE_REVOKED]
    (old,) = revoked
    new = next(b for b in books if (b.student, b.stage, b.version) == (old.student, old.stage, 2))
    assert (old.version, old.replaced_by_version, new.state) == (1, 2, books_pb2.BOOK_STATE_RETURNED)


def _content(vendor: Services, book: books_pb2.Book) -> Any:
    return json.loads(download(vendor.books.DownloadBookContent, books_pb2.DownloadBookContentRequest(book=book.id)))
