"""Transcripts over gRPC: from locked class books, over two years, re-issued, and refused."""

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2, remarks_pb2

from services.common.errors import Forbidden, Invalid, NotFound, Rejected
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.records.lines import TRANSCRIPT, RecordLine, remark, to_locked, transcript
from tests.integration.gradebook.world import OTHER_VENDOR, SEMESTER_1, WHOLE_YEAR, World

YEAR = remarks_pb2.REMARK_PERIOD_WHOLE_YEAR


@pytest.fixture(scope="module")
def class_book(world: World, announce: Announce) -> Line:
    """The locked class book of the whole year, with the teachers' remarks on the first student."""
    school_class = world.school.classes[0]
    first = school_class.students[0].id
    remark(world, school_class.homeroom_teacher, YEAR, {first: "Chăm ngoan."}, request=str(uuid.uuid4()))
    remarks = {first: "Tiến bộ rõ ở phần hình học."}
    remark(world, school_class.assignments["TOAN"][0], YEAR, remarks, subject="TOAN", request=str(uuid.uuid4()))
    world.close_window()
    with pytest.raises(Rejected) as early:
        transcript(world, announce, first)
    assert early.value.reason == "CLASS_BOOK_REQUIRED"
    line = Line(world, announce)
    with pytest.raises(Rejected) as unlocked:
        transcript(world, announce, first)
    assert (unlocked.value.reason, unlocked.value.facts["book_state"]) == ("CLASS_BOOK_REQUIRED", "DATA_COMPLETE")
    to_locked(line)
    return line


@pytest.fixture(scope="module")
def issued(world: World, announce: Announce, class_book: Line) -> list[RecordLine]:
    """The transcripts of the class: the first returned, the second locked, the third just
    frozen.
    """
    school_class = world.school.classes[0]
    books = freeze_class(world)
    lines = [RecordLine(world, announce, school_class.homeroom_teacher, book) for book in books]
    to_locked(lines[0])
    lines[0].archived()
    lines[0].act("ReturnBook", world.school.principal, recipient="Gia đình học sinh")
    to_locked(lines[1])
    return lines


def freeze_class(world: World) -> Any:
    school_class = world.school.classes[0]
    return world.ask(
        "FreezeClassTranscripts",
        person=school_class.homeroom_teacher,
        school_class=world.ref(school_class),
        stage=WHOLE_YEAR,
    ).books


def test_transcripts_say_what_the_class_book_says(world: World, class_book: Line, issued: list[RecordLine]) -> None:
    school_class = world.school.classes[0]
    assert [line.book.student for line in issued] == [student.id for student in school_class.students]
    assert [line.state for line in issued] == ["RETURNED", "LOCKED", "DATA_COMPLETE"]
    content = issued[0].content()
    (row,) = content["grades"]
    assert row["source"] == {
        "class_book": class_book.book.id,
        "version": 1,
        "content_sha256": class_book.book.content_sha256.hex(),
        "record": "",
    }
    assert row["homeroom_remark"] == "Chăm ngoan."
    assert [s["remark"] for s in row["subjects"] if s["remark"]] == ["Tiến bộ rõ ở phần hình học."]
    assert [s["role"] for s in content["signatories"]] == ["HOMEROOM_TEACHER", "PRINCIPAL", "SCHOOL_SEAL"]
    summary = world.ask("GetClassSummary", school_class=world.ref(school_class), stage=WHOLE_YEAR).students[0]
    assert {s["code"]: s["year"] for s in row["subjects"]} == {
        code: {"Đ": "PASS", "CĐ": "NOT_PASS"}.get(result, result) for code, result in summary.year.results.items()
    }
    assert sum(row["absent_sessions"].values()) == summary.absent_sessions
    locked = next(step for step in issued[0].now().history if step.to_state == 13)
    assert locked.person == world.school.principal


def test_freezing_again_returns_the_same_even_when_the_archive_took_the_class_book(
    world: World, class_book: Line, issued: list[RecordLine]
) -> None:
    assert class_book.archived().name == "DONE"
    again = freeze_class(world)
    assert [(book.id, book.version) for book in again] == [(line.book.id, 1) for line in issued]
    page = world.ask("ListBooks", **world.year, record_type=TRANSCRIPT, page_size=2)
    rest = world.ask("ListBooks", **world.year, record_type=TRANSCRIPT, page_token=page.next_page_token)
    assert {book.id for book in [*page.books, *rest.books]} == {book.id for book in again}
    only = world.ask("ListBooks", **world.year, record_type=TRANSCRIPT, student=issued[1].book.student)
    assert [book.id for book in only.books] == [issued[1].book.id]
    assert [book.id for book in world.ask("ListBooks", **world.year).books] == [class_book.book.id]


def test_who_may_freeze_and_what_is_refused(world: World, announce: Announce, issued: list[RecordLine]) -> None:
    school_class = world.school.classes[0]
    first = issued[0].book.student
    with pytest.raises(Forbidden):
        RecordLine(
            world,
            announce,
            world.school.principal,
            record_type=TRANSCRIPT,
            school_class=world.ref(school_class),
            student=first,
            stage=WHOLE_YEAR,
        )
    with pytest.raises(NotFound):
        transcript(world, announce, "79999999")
    with pytest.raises(Invalid) as stage:
        transcript(world, announce, first, SEMESTER_1)
    assert stage.value.violations[0].rule == "STAGE_NOT_KEPT"
    with pytest.raises(Invalid) as needless:
        world.ask(
            "FreezeBook",
            person=school_class.homeroom_teacher,
            school_class=world.ref(school_class),
            student=first,
            stage=2,
        )
    assert [(v.field, v.rule) for v in needless.value.violations] == [("student", "NOT_APPLICABLE")]


def test_a_remark_in_a_living_transcript_stays(world: World, issued: list[RecordLine]) -> None:
    school_class = world.school.classes[0]
    for period, refused in ((YEAR, True), (remarks_pb2.REMARK_PERIOD_SEMESTER_2, True), (1, False)):
        remarks = {issued[0].book.student: "Ý thức tốt."}
        if refused:
            with pytest.raises(Rejected) as caught:
                remark(world, school_class.homeroom_teacher, period, remarks, request=str(uuid.uuid4()))
            assert caught.value.reason == "BOOK_LOCKED"
        else:
            assert remark(world, school_class.homeroom_teacher, period, remarks, request=str(uuid.uuid4())).changed == 1


def test_a_class_book_is_revoked_after_its_signed_transcripts_and_all_are_issued_anew(
    world: World, announce: Announce, class_book: Line, issued: list[RecordLine]
) -> None:
    for left in (2, 1):
        with pytest.raises(Rejected) as alive:
            class_book.revoke()
        assert (alive.value.reason, alive.value.facts["transcripts"]) == ("TRANSCRIPTS_ALIVE", str(left))
        issued[left - 1].revoke()
    class_book.revoke()
    assert issued[2].state == "MISMATCH"
    assert len(world.outbox("BookVoided")) == 4
    with pytest.raises(Rejected) as refused:
        freeze_class(world)
    assert refused.value.reason == "CLASS_BOOK_REQUIRED"
    class_book.freeze()
    to_locked(class_book)
    for old, book in zip(issued, freeze_class(world), strict=True):
        assert (book.version, book.student) == (2, old.book.student)
        assert old.now().replaced_by_version == 2
        line = RecordLine(world, announce, old.preparer, book)
        assert line.content()["grades"][-1]["source"]["version"] == 2
        if old is not issued[2]:
            to_locked(line)


def test_the_next_years_transcript_takes_the_year_over_unchanged(world: World, announce: Announce) -> None:
    """Runs last: another school has the students in the next year."""
    before = world.ask("ListBooks", **world.year, record_type=TRANSCRIPT).books
    old = {b.student: RecordLine(world, announce, "", b).content() for b in before if b.version == 2}
    next_year = World(world.pki, world.database, world.address, _next_year(world))
    next_year.put_roster()
    next_year.plan_window()
    school_class = next_year.school.classes[0]
    next_year.complete(school_class)
    next_year.close_window()
    to_locked(Line(next_year, announce))
    with pytest.raises(Rejected) as still_open:
        freeze_class(next_year)
    assert still_open.value.reason == "EARLIER_TRANSCRIPT_OPEN"
    third = next(b for b in before if b.version == 2 and b.student == school_class.students[2].id)
    to_locked(RecordLine(world, announce, world.school.classes[0].homeroom_teacher, third))
    frozen = freeze_class(next_year)
    assert len(frozen) == len(school_class.students)
    for book in frozen:
        content = RecordLine(next_year, announce, school_class.homeroom_teacher, book).content()
        assert [row["school_year"] for row in content["grades"]] == ["2025-2026", "2026-2027"]
        assert content["grades"][0] == old[book.student]["grades"][0]
        assert [line["class"] for line in content["study_history"]] == ["6A1", "7A1"]
        assert content["school"]["code"] != content["grades"][0]["school"]["code"]
    student = school_class.students[0].id
    everything = next_year.ask("ListStudentTranscripts", school=next_year.school.code, student=student).books
    assert [(b.school_class.school_year, b.version) for b in everything] == [
        ("2025-2026", 1),
        ("2025-2026", 2),
        ("2026-2027", 1),
    ]
    own = world.ask("ListStudentTranscripts", school=world.school.code, student=student).books
    assert [b.school_class.school_year for b in own] == ["2025-2026", "2025-2026"]
    with pytest.raises(NotFound):
        world.ask("ListStudentTranscripts", school=world.school.code, student="79999999")
    with pytest.raises(Forbidden):
        world.ask("ListStudentTranscripts", client=OTHER_VENDOR, school=world.school.code, student=student)


def _next_year(world: World) -> Any:
    """Another school, whose first class are this school's students one grade up."""
    school = world.school
    next_class = dataclasses.replace(school.classes[0], name="7A1", grade=7)
    return dataclasses.replace(school, code="31000999", school_year="2026-2027", classes=(next_class,))


def test_the_catalogue_of_each_year(world: World, hoso: Callable[..., Any]) -> None:
    books = {
        year: world.ask(
            "ListRecordBooks",
            school=code,
            school_year=year,
            level=common_pb2.SCHOOL_LEVEL_LOWER_SECONDARY,
        ).record_books
        for code, year in ((world.school.code, "2025-2026"), ("31000999", "2026-2027"))
    }
    assert [book.record_type for book in books["2025-2026"]] == [1, 2, 3, 4]
    assert {book.paper_by_law for book in books["2025-2026"]} == {True}
    assert {book.paper_by_law for book in books["2026-2027"]} == {False}
    assert [book.sealed for book in books["2026-2027"]] == [True, False, True, True]
    assert [book.compulsory for book in books["2026-2027"]] == [True, False, True, True]
    with pytest.raises(Invalid):
        world.ask("ListRecordBooks", **world.year, level=common_pb2.SCHOOL_LEVEL_MULTI_LEVEL)

    assert "tùy trường" not in hoso("books", "catalogue", *world.year.values(), table=True).replace("\n", " ")
    listed = hoso("books", "catalogue", *world.year.values(), "--level", "LOWER_SECONDARY")
    assert [item["title"] for item in listed] == [book.title for book in books["2025-2026"]]


def test_the_command_line_lists_books_of_a_type_and_class(world: World, hoso: Callable[..., Any]) -> None:
    listed = hoso("books", "list", *world.year.values(), "--type", "TRANSCRIPT", "--class", "6A1")
    assert len(listed) == 6
    assert hoso("books", "list", *world.year.values(), "--type", "TRANSCRIPT", "--class", "6A9") == []
    table = hoso("books", "list", *world.year.values(), "--type", "TRANSCRIPT", table=True)
    assert "Học bạ của trường" in table
    assert "TRANSCRIPT" in hoso("books", "show", listed[0]["id"], table=True)
