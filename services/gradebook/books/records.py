"""Reading the catalogue, books with their history and content, and a student's transcripts."""

from collections.abc import Sequence
from typing import NamedTuple

from services.common.db import Database
from services.common.errors import NotFound
from services.common.identity import Caller
from services.gradebook.books import book_store, transcript_store
from services.gradebook.books.book_store import BookKey, BookRow, TransitionRow
from services.gradebook.books.steps import find_book
from services.gradebook.model import catalogue, roster_rules
from services.gradebook.model.catalogue import RecordBook
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import RecordType, SchoolLevel
from services.gradebook.model.lifecycle import BookState
from services.gradebook.roster import access


class SchoolRecordBook(NamedTuple):
    """A record book of the catalogue, and whether the school signs and stamps it on paper too."""

    record: RecordBook
    paper_track_required: bool


def list_record_books(
    database: Database, caller: Caller, school: str, school_year: str, level: int
) -> list[SchoolRecordBook]:
    """The catalogue of a school in a year. Raises Invalid, NotFound SCHOOL_YEAR_UNKNOWN."""
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.one_of("level", level, {SchoolLevel.LOWER_SECONDARY, SchoolLevel.UPPER_SECONDARY})
    findings.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
    return [
        SchoolRecordBook(record, year.paper_track_required)
        for record in catalogue.record_books(school_year, SchoolLevel(level))
    ]


def list_books(
    database: Database,
    caller: Caller,
    *,
    school: str,
    school_year: str,
    record_type: int,
    class_name: str,
    student: str,
    states: Sequence[int],
    after: BookKey,
    limit: int,
) -> list[BookRow]:
    """A page of the books of one type, in the order of their keys.

    class_name, student (moet_student_id), states: only such books; empty for all.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.one_of("record_type", record_type, set(RecordType))
    findings.text("class_name", class_name, longest=20, shortest=0)
    if student:
        findings.code("student", student)
    if findings.count("states", len(states), 0, len(BookState)):
        for index, state in enumerate(states):
            findings.one_of(f"states[{index}]", state, set(BookState))
    findings.refuse()
    with database.transaction() as tx:
        return book_store.list_books(
            tx,
            access.year(tx, caller, school, school_year).id,
            record_type,
            class_name=class_name,
            student=student,
            states=states,
            after=after,
            limit=limit,
        )


def get_book(database: Database, caller: Caller, book_id: str) -> tuple[BookRow, Sequence[TransitionRow]]:
    """A book with its history. Raises NotFound BOOK_UNKNOWN."""
    with database.transaction() as tx:
        book = find_book(tx, caller, book_id)
        return book, book_store.transitions(tx, book.id)


def book_facts(database: Database, caller: Caller, book_id: str) -> BookRow:
    """A book as it is now, without its history. Raises NotFound BOOK_UNKNOWN."""
    with database.transaction() as tx:
        return find_book(tx, caller, book_id)


def book_content(database: Database, caller: Caller, book_id: str) -> bytes:
    """The frozen bytes of a book. Raises NotFound BOOK_UNKNOWN."""
    with database.transaction() as tx:
        return book_store.content(tx, find_book(tx, caller, book_id).id)


def list_student_transcripts(database: Database, caller: Caller, school: str, student: str) -> list[BookRow]:
    """Every transcript of a student, by school year, stage and version.

    The school where the student is enrolled sees the transcripts of every school, a former school
    only its own. Raises NotFound STUDENT_UNKNOWN if the student was never enrolled in the school.
    """
    findings = Findings()
    findings.code("school", school)
    findings.code("student", student)
    findings.refuse()
    with database.transaction() as tx:
        school_id = access.some_year(tx, caller, school).school_id
        schools = transcript_store.schools_of(tx, student)
        if school_id not in schools:
            raise NotFound("STUDENT_UNKNOWN", "Trường không có học sinh mang mã này.", student=student)
        return transcript_store.of_student(tx, student, None if schools[0] == school_id else school_id)
