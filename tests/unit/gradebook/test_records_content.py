"""Frozen content of teachers' books and transcripts: accepted by print, copied rows, same bytes."""

import copy
import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import Rejected
from services.gradebook.books.content.teacher_book import TaughtClass, TeacherFacts, teacher_book
from services.gradebook.books.content.transcript import Identity, Source, TranscriptFacts, numbers, transcript
from services.gradebook.model.catalogue import record_book
from services.gradebook.model.domain import Guardian, RecordType, School, SchoolLevel, Stage
from services.gradebook.model.results import NamedPerson
from services.print.content import parse
from tests import content
from tests.class_book_2 import add_corrections, class_book_2
from tests.unit.gradebook.test_content import SCHOOL, class_data

LOCKED = dt.datetime(2026, 5, 29, 2, 30, tzinfo=dt.UTC)
TRANSCRIPT = record_book(RecordType.TRANSCRIPT, "2025-2026", SchoolLevel.LOWER_SECONDARY)
TEACHER_BOOK = record_book(RecordType.TEACHER_BOOK, "2025-2026", SchoolLevel.LOWER_SECONDARY)
HOMEROOM, PRINCIPAL = NamedPerson("gv-900", "Trần Thị Hạnh"), NamedPerson("ht-1", "Nguyễn Văn An")
GUARDIAN = Guardian("Trần Văn Bình", "nông dân", "", "")


def source(book: dict[str, Any], record: str = "") -> Source:
    return Source("00000000-0000-4000-8000-000000000001", book["version"], bytes(32), record, book, LOCKED)


def facts(book: dict[str, Any], stage: Stage, number: int = 1, **changes: Any) -> TranscriptFacts:
    total = book["year"]["evaluation"][number - 1]["absent_sessions"] or 0
    place = {
        "school_year": book["school_year"],
        "class": book["class"]["name"],
        "school_code": book["school"]["code"],
        "school_name": book["school"]["name"],
        "register_number": "17",
        "joined_on": None,
        "left_on": None,
    }
    plain = TranscriptFacts(
        homeroom_teacher=HOMEROOM,
        principal=PRINCIPAL,
        stage=stage,
        version=1,
        identity=Identity("17", "079214001234", "Việt Nam", GUARDIAN),
        absences=(total, 0),
        remarks={"TOAN": "Tiến bộ rõ."},
        homeroom_remark="Chăm ngoan.",
        certificates="Chứng chỉ Ứng dụng công nghệ thông tin cơ bản",
        competition="",
        places=[place],
        earlier=[],
    )
    return dataclasses.replace(plain, **changes)


def year_book(start: int, grade: int, *, seed: int = 1) -> dict[str, Any]:
    book = copy.deepcopy(content.class_book(4, seed=seed, class_name=f"{grade}A1"))
    book["school_year"] = f"{start}-{start + 1}"
    book["class"]["grade_level"] = grade
    return book


def made(book: dict[str, Any], number: int = 1, stage: Stage = Stage.WHOLE_YEAR, **changes: Any) -> dict[str, Any]:
    data = transcript(TRANSCRIPT, source(book), number, facts(book, stage, number, **changes))
    assert data == transcript(TRANSCRIPT, source(book), number, facts(book, stage, number, **changes))
    parse(data)
    parsed: dict[str, Any] = json.loads(data)
    return parsed


@settings(max_examples=15, deadline=None)
@given(
    first_grade=st.integers(6, 9),
    seeds=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    repeats=st.sets(st.integers(1, 4)),
    number=st.integers(1, 4),
)
def test_each_year_is_taken_over_unchanged(first_grade: int, seeds: list[int], repeats: set[int], number: int) -> None:
    """A chain of years, some repeated, each transcript built on earlier ones: no row changes."""
    earlier: list[dict[str, Any]] = []
    grade = first_grade
    for index, seed in enumerate(seeds):
        grade = min(grade + (index > 0 and index not in repeats), 9)
        earlier.append(made(year_book(2021 + index, grade, seed=seed), number, earlier=list(earlier)))
    last = earlier[-1]
    assert [row["school_year"] for row in last["grades"]] == [item["school_year"] for item in earlier]
    for row, own in zip(last["grades"], earlier, strict=True):
        assert row == own["grades"][-1]
    assert [line["school_year"] for line in last["study_history"]] == [item["school_year"] for item in earlier]


def test_corrections_of_totals_and_levels_are_taken_over_and_not_those_of_single_sessions() -> None:
    book = class_book_2(4, "AFTER_SUMMER")
    add_corrections(book)
    first, second = (made(book, number, Stage.AFTER_SUMMER) for number in (1, 2))
    assert [correction["column"] for correction in first["corrections"]] == [book["corrections"][0]["column"]]
    assert [(correction["column"], correction["new"]) for correction in second["corrections"]] == [
        ("CONDUCT_AFTER_SUMMER", "SATISFACTORY"),
        ("ABSENCES_EXCUSED", 12),
        ("ABSENCES_UNEXCUSED", 0),
    ]
    assert (second["grades"][-1]["corrections_count"], second["grades"][-1]["corrected_subjects"]) == (3, [])


def test_a_reissued_year_is_believed_before_what_later_years_repeat() -> None:
    old = made(year_book(2023, 6))
    between = made(year_book(2024, 7), earlier=[old])
    again = copy.deepcopy(old)
    again["version"] = 2
    again["grades"][-1]["homeroom_remark"] = "Viết lại."
    last = made(year_book(2025, 8), earlier=[again, between])
    assert [row["homeroom_remark"] for row in last["grades"]] == ["Viết lại.", "Chăm ngoan.", "Chăm ngoan."]


def test_a_year_without_its_own_transcript_comes_from_a_later_one_and_other_levels_stay_away() -> None:
    between = made(year_book(2024, 9), earlier=[made(year_book(2023, 8))])
    last = year_book(2025, 10)
    last["school"]["level"] = "UPPER_SECONDARY"
    assert [row["grade_level"] for row in made(last, earlier=[between])["grades"]] == [10]
    assert [row["grade_level"] for row in made(year_book(2025, 9), earlier=[between])["grades"]] == [8, 9, 9]


def test_after_the_summer_only_those_whom_it_concerned_and_columns_of_their_own() -> None:
    book = year_book(2025, 6)
    book["year"]["evaluation"][3]["promotion"] = None
    assert list(numbers(book, Stage.WHOLE_YEAR).values()) == [1, 2, 3]
    assert numbers(book, Stage.AFTER_SUMMER) == {}
    row = book["semesters"][1]["marks"][1]["rows"][1]
    row["reassessed"] = "ABSENT"
    book["year"]["evaluation"][2] |= {"learning_after_summer": "SATISFACTORY", "promotion": "PROMOTED"}
    book["semesters"][1]["marks"][1]["rows"][2]["reassessed"] = "5.6"
    assert list(numbers(book, Stage.AFTER_SUMMER).values()) == [2, 3]
    book["stage"] = "AFTER_SUMMER"
    after = made(book, 3, Stage.AFTER_SUMMER)["grades"][-1]
    assert (after["subjects"][1]["reassessed"], after["learning"]["after_summer"]) == ("5.6", "SATISFACTORY")
    assert after["subjects"][1]["year"] == book["year"]["summary"][2]["results"][after["subjects"][1]["code"]]
    assert after["promoted_after_summer"] is True
    absent = made(book, 2, Stage.AFTER_SUMMER)["grades"][-1]
    assert absent["subjects"][1]["reassessed"] is None


def test_absences_are_those_of_the_class_book() -> None:
    book = year_book(2025, 6)
    total = book["year"]["evaluation"][0]["absent_sessions"]
    with pytest.raises(Rejected) as caught:
        made(book, absences=(total, 1))
    assert caught.value.reason == "SOURCE_DIFFERS"
    months = [
        {"rows": [{"excused": 1, "unexcused": None}] * 4},
        {"rows": [{"excused": None, "unexcused": None}] * 4},
    ]
    book["attendance"] = months
    assert made(book, absences=None)["grades"][-1]["absent_sessions"] == {"excused": 1, "unexcused": total - 1}


def test_an_exemption_stands_before_the_teachers_words_in_its_semester() -> None:
    data = class_data(0)
    subject = next(s for s in data.subjects if s.code == "GDTC")
    toan = next(s for s in data.subjects if s.code == "TOAN")
    first, second, third = (student.id for student in data.students[:3])
    exempt = {(subject.id, 1, first), (subject.id, 1, second), (subject.id, 2, second), (toan.id, 1, third)}
    only = dataclasses.replace(data, subjects=[subject], exempt=frozenset(exempt))
    longest = "Nắm chắc lý thuyết. " * 24 + "x" * 20
    assert len(longest) == 500
    said = {(1, first): longest, (2, first): "Khá.", (1, third): "Khá."}
    book = json.loads(made_teacher_book([TaughtClass("6A1", only, {}, said)], Stage.WHOLE_YEAR))
    remarks = [[row["remark"] for row in part["rows"][:3]] for part in book["classes"][0]["semesters"]]
    assert remarks == [
        [f"Miễn phần thực hành. {longest}", "Miễn phần thực hành", "Khá."],
        ["Khá.", "Miễn phần thực hành", ""],
    ]


def made_teacher_book(classes: list[TaughtClass], stage: Stage) -> bytes:
    """A teacher's book that print accepts."""
    facts = TeacherFacts(
        School(SCHOOL.code, SCHOOL.name, 1, SCHOOL.commune, SCHOOL.province, SCHOOL.department),
        SCHOOL.school_year,
        HOMEROOM,
        PRINCIPAL,
        stage,
        1,
        LOCKED,
    )
    data = teacher_book(TEACHER_BOOK, classes, facts)
    assert data == teacher_book(TEACHER_BOOK, classes, facts)
    parse(data)
    return data


@pytest.mark.parametrize("stage", [Stage.SEMESTER_1, Stage.WHOLE_YEAR])
def test_a_teachers_book_holds_the_sheets_of_the_class_books(stage: Stage) -> None:
    classes = []
    for index in range(2):
        data = class_data(index)
        only = dataclasses.replace(data, subjects=[next(s for s in data.subjects if s.code == "TOAN")])
        left = {data.students[2].id: dt.date(2026, 1, 5)} if index else {}
        classes.append(TaughtClass(SCHOOL.classes[index].name, only, left, {(1, data.students[0].id): "Khá."}))
    book = json.loads(made_teacher_book(classes, stage))
    assert [c["name"] for c in book["classes"]] == [c.name for c in SCHOOL.classes[:2]]
    assert [s["left_on"] for s in book["classes"][1]["students"]][:3] == [None, None, "2026-01-05"]
    first = book["classes"][0]["semesters"][0]["rows"][0]
    assert (first["remark"], first["year_result"], first["result"] is not None) == ("Khá.", None, True)
    assert [len(c["semesters"]) for c in book["classes"]] == [len(stage.semesters)] * 2
