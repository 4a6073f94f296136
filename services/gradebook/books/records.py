"""Reading what record books there are: the catalogue of a school year, the transcripts of a student."""

from typing import NamedTuple

from services.common.db import Database
from services.common.errors import NotFound
from services.common.identity import Caller
from services.gradebook.books import transcript_store
from services.gradebook.books.book_store import BookRow
from services.gradebook.model import catalogue, roster_rules
from services.gradebook.model.catalogue import RecordBook
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import SchoolLevel
from services.gradebook.roster import access


class Kept(NamedTuple):
    """A record book of the catalogue and whether the school walks the paper track."""

    record: RecordBook
    paper_track_required: bool


def list_record_books(database: Database, caller: Caller, school: str, school_year: str, level: int) -> list[Kept]:
    """The catalogue of a school in a year. Raises Invalid, NotFound SCHOOL_YEAR_UNKNOWN."""
    roster_rules.check_year_ref(school, school_year)
    found = Findings()
    found.one_of("level", level, {SchoolLevel.LOWER_SECONDARY, SchoolLevel.UPPER_SECONDARY})
    found.refuse()
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
    return [
        Kept(record, year.paper_track_required) for record in catalogue.record_books(school_year, SchoolLevel(level))
    ]


def list_student_transcripts(database: Database, caller: Caller, school: str, student: str) -> list[BookRow]:
    """Every transcript of a student, by school year, stage and version.

    The school where the student is enrolled now sees those of every school; one that the student left sees its own.
    Raises NotFound STUDENT_UNKNOWN when the student was never enrolled in the school.
    """
    found = Findings()
    found.code("school", school)
    found.code("student", student)
    found.refuse()
    with database.transaction() as tx:
        school_id = access.some_year(tx, caller, school).school_id
        schools = transcript_store.schools_of(tx, student)
        if school_id not in schools:
            raise NotFound("STUDENT_UNKNOWN", "Trường không có học sinh mang mã này.", student=student)
        return transcript_store.of_student(tx, student, None if schools[0] == school_id else school_id)
