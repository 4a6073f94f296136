"""The catalogue of record books: complete, in the order of signatures, as the year's law says."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.model.catalogue import SEAL_RANK, Preparer, SignatoryRole, level_of, record_book, record_books
from services.gradebook.model.domain import RecordType, SchoolLevel, Stage
from services.print.formats import FORMATS, SCHEMA_FOLDER

YEARS = st.integers(2021, 2045).map(lambda year: f"{year}-{year + 1}")
LEVELS = st.sampled_from([SchoolLevel.LOWER_SECONDARY, SchoolLevel.UPPER_SECONDARY])


@given(YEARS, LEVELS)
def test_every_record_type_is_kept_once_with_signatures_in_order(year: str, level: SchoolLevel) -> None:
    books = record_books(year, level)
    assert [book.record_type for book in books] == list(RecordType)
    for book in books:
        assert record_book(book.record_type, year, level) == book
        ranks = [signatory.rank for signatory in book.signatories]
        assert ranks == sorted(ranks)
        assert SignatoryRole.PRINCIPAL in {signatory.role for signatory in book.signatories}
        assert book.sealed == (ranks[-1] == SEAL_RANK) == (book.signatories[-1].role is SignatoryRole.SCHOOL_SEAL)
        assert book.legal_reference.startswith("TT ")


@given(YEARS, LEVELS)
def test_the_law_of_the_year_decides_paper_and_the_teachers_book(year: str, level: SchoolLevel) -> None:
    new_charter = year >= "2026-2027"
    for book in record_books(year, level):
        assert book.paper_by_law is not new_charter
        assert ("TT 15/2026" in book.legal_reference) is new_charter
        assert book.compulsory is (book.record_type is not RecordType.TEACHER_BOOK or not new_charter)


def test_stages_and_preparers() -> None:
    books = {book.record_type: book for book in record_books("2025-2026", SchoolLevel.LOWER_SECONDARY)}
    assert books[RecordType.TRANSCRIPT].stages == (Stage.WHOLE_YEAR, Stage.AFTER_SUMMER)
    assert books[RecordType.TEACHER_BOOK].preparer is Preparer.SUBJECT_TEACHER
    assert not books[RecordType.TEACHER_BOOK].sealed
    assert books[RecordType.STUDENT_REGISTER].preparer is Preparer.SEAL_CUSTODIAN


def test_formats_and_their_signatories_are_those_that_print_knows() -> None:
    for book in record_books("2025-2026", SchoolLevel.UPPER_SECONDARY):
        schema = json.loads((Path(SCHEMA_FOLDER) / FORMATS[book.format].schema).read_text(encoding="utf-8"))
        assert schema["properties"]["record_type"]["const"] == book.record_type.name
        stage = schema["properties"]["stage"]
        assert {kept.name for kept in book.stages} <= set(stage.get("enum", [stage.get("const")]))
        roles = set(schema["$defs"]["signatory"]["properties"]["role"]["enum"])
        assert {signatory.role.name for signatory in book.signatories} == roles


def test_a_grade_belongs_to_its_level() -> None:
    assert {level_of(grade) for grade in range(6, 10)} == {SchoolLevel.LOWER_SECONDARY}
    assert {level_of(grade) for grade in range(10, 13)} == {SchoolLevel.UPPER_SECONDARY}
