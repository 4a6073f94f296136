"""Frozen content from a class's data: the documented schema, further rules, and the same bytes."""

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from demo import people as demo_people
from demo import school as demo_school
from services.common.canonical import canonical_bytes
from services.gradebook.books.content.class_book import BookFacts, class_book
from services.gradebook.entry.snapshot_content import SnapshotFacts, class_snapshot
from services.gradebook.model.domain import Guardian, School, Semester, Stage, required_columns
from services.gradebook.model.results import ClassData, ClassStudent, ClassSubject, NamedPerson, class_results, missing
from services.gradebook.model.sheet_rules import read_rows
from services.gradebook.model.times import vietnam_time
from services.gradebook.rules import Level, SubjectKind

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/formats/class-book-2.schema.json").read_text())
SCHOOL = demo_school.school(classes=4, students_per_class=12)
CLOSED = dt.datetime(2026, 5, 28, 9, 59, 59, 999999, tzinfo=dt.UTC)


def class_data(index: int) -> ClassData:
    """A class of the demo school as read from the database."""
    school_class = SCHOOL.classes[index]
    names = {person.id: person.name for person in SCHOOL.people}
    subjects = [
        ClassSubject(
            number,
            subject.code,
            subject.name,
            SubjectKind.COMMENT_ONLY if subject.comment_only else SubjectKind.COMMENT_AND_SCORE,
            subject.periods,
            subject.regular_count,
            tuple(NamedPerson(person, names[person]) for person in school_class.assignments[subject.code]),
        )
        for number, subject in enumerate(SCHOOL.subjects[school_class.grade], 1)
    ]
    students = [
        ClassStudent(
            s.id,
            s.number,
            s.name,
            s.birth_date,
            s.birth_place,
            1 if s.sex == "MALE" else 2,
            s.ethnicity,
            s.priority,
            s.address,
            _guardian(s.father),
            _guardian(s.mother),
            "",
            id=s.number,
        )
        for s in school_class.students
    ]
    ids = {s.moet_student_id: s.id for s in students}
    marks: dict[tuple[int, int], dict[int, dict[int, int]]] = {}
    for subject, row in zip(subjects, SCHOOL.subjects[school_class.grade], strict=True):
        for semester in Semester:
            sheet = SCHOOL.sheet(school_class, row, semester)
            cells, wrong = read_rows(list(sheet.items()), required_columns(subject.regular_count), ids, subject.kind)
            assert wrong == []
            for student, column, value in zip(cells.students, cells.columns, cells.values, strict=True):
                marks.setdefault((subject.id, semester), {}).setdefault(student, {})[column] = value
    conduct = {
        (int(semester), ids[student]): Level[f"LEVEL_{level}"]
        for semester in Semester
        for student, level in SCHOOL.conduct(school_class, semester).items()
    }
    absences = {ids[student]: counts for student, counts in SCHOOL.absences(school_class).items()}
    return ClassData(SCHOOL.school_year, school_class.grade, subjects, students, marks, conduct, absences)


def _guardian(person: demo_people.Guardian | None) -> Guardian | None:
    return None if person is None else Guardian(person.name, person.job, person.phone, "")


def facts(index: int, stage: Stage) -> BookFacts:
    school_class = SCHOOL.classes[index]
    names = {person.id: person.name for person in SCHOOL.people}
    return BookFacts(
        school=School(SCHOOL.code, SCHOOL.name, 1, SCHOOL.commune, SCHOOL.province, SCHOOL.department),
        class_name=school_class.name,
        homeroom_teacher=NamedPerson(school_class.homeroom_teacher, names[school_class.homeroom_teacher]),
        principal=NamedPerson(SCHOOL.principal, names[SCHOOL.principal]),
        stage=stage,
        version=1,
        closing_time=CLOSED,
    )


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("stage", list(Stage))
def test_a_book_has_the_documented_shape_and_keeps_its_rules(index: int, stage: Stage) -> None:
    data = class_data(index)
    frozen = class_book(data, facts(index, stage))
    assert frozen == class_book(class_data(index), facts(index, stage))
    book = json.loads(frozen)
    jsonschema.validate(book, SCHEMA)
    assert canonical_bytes(book) == frozen
    assert [part["semester"] for part in book["semesters"]] == [f"SEMESTER_{s}" for s in stage.semesters]
    assert (book["year"] is None) is (stage is Stage.SEMESTER_1)
    _check_sheets_and_summaries(book)
    _check_signatories(book)


def _check_sheets_and_summaries(book: dict[str, Any]) -> None:
    codes = [subject["code"] for subject in book["subjects"]]
    numbers = [student["number"] for student in book["students"]]
    assert numbers == list(range(1, len(numbers) + 1))
    for part in book["semesters"]:
        assert [sheet["subject"] for sheet in part["marks"]] == codes
        for subject, sheet in zip(book["subjects"], part["marks"], strict=True):
            assert [row["student"] for row in sheet["rows"]] == numbers
            for row, summary in zip(sheet["rows"], part["summary"], strict=True):
                assert len(row["regular"]) == subject["regular_count"][part["semester"]]
                assert row["result"] == summary["results"][subject["code"]] is not None
                if part["semester"] == "SEMESTER_2":
                    year = book["year"]["summary"][row["student"] - 1]
                    assert row["year_result"] == year["results"][subject["code"]] is not None
                else:
                    assert row["year_result"] is None
    if book["year"]:
        totals = book["year"]["totals"]
        for summary, evaluation in zip(book["year"]["summary"], book["year"]["evaluation"], strict=True):
            assert summary["learning_result"] == evaluation["learning_result"] is not None
            assert summary["conduct_result"] == evaluation["conduct_result"] is not None
            assert evaluation["promotion"] is not None
        settled = totals["promoted"] + totals["not_promoted"] + totals["pending_summer"]
        assert settled == totals["students"] == len(numbers)


def _check_signatories(book: dict[str, Any]) -> None:
    listed = book["signatories"]
    assert [s["order"] for s in listed] == list(range(1, len(listed) + 1))
    assert [s["rank"] for s in listed] == sorted(s["rank"] for s in listed)
    taught = [(subject["code"], teacher["id"]) for subject in book["subjects"] for teacher in subject["teachers"]]
    assert [(s["subject"], s["signatory"]) for s in listed if s["rank"] == 1] == taught
    homeroom, principal, seal = listed[-3:]
    assert (homeroom["role"], homeroom["signatory"]) == ("HOMEROOM_TEACHER", book["class"]["homeroom_teacher"]["id"])
    assert (principal["role"], principal["signatory"]) == ("PRINCIPAL", book["principal"]["id"])
    assert (seal["role"], seal["signatory"], seal["name"]) == ("SCHOOL_SEAL", SCHOOL.code, SCHOOL.name)
    assert seal["field"] == f"sig-{len(listed):02d}-seal"


def test_the_closing_time_is_vietnamese_and_in_whole_seconds() -> None:
    assert vietnam_time(CLOSED) == "2026-05-28T16:59:59+07:00"
    assert vietnam_time(dt.datetime(2026, 5, 28, 17, tzinfo=dt.UTC)) == "2026-05-29T00:00:00+07:00"


def test_what_is_missing_is_named_and_an_empty_cell_never_counts_as_zero() -> None:
    data = class_data(0)
    assert list(missing(data, Stage.WHOLE_YEAR)) == []
    sheet = {student: dict(cells) for student, cells in data.marks[1, 1].items()}
    del sheet[3][11]
    conduct = {key: level for key, level in data.conduct.items() if key != (2, 5)}
    absences = {student: counts for student, counts in data.absences.items() if student != 4}
    holes = dataclasses.replace(data, marks={**data.marks, (1, 1): sheet}, conduct=conduct, absences=absences)
    gaps = [(m.kind, m.student.number, m.subject, m.semester, m.column) for m in missing(holes, Stage.WHOLE_YEAR)]
    code = data.subjects[0].code
    assert gaps == [
        ("MARK", 3, code, Semester.FIRST, 11),
        ("CONDUCT", 5, None, Semester.SECOND, None),
        ("ABSENCES", 4, None, None, None),
    ]
    assert [m.kind for m in missing(holes, Stage.SEMESTER_1)] == ["MARK"]
    results = class_results(holes, Stage.WHOLE_YEAR)
    assert results[2].subjects[0].semester_1 is None
    assert results[2].subjects[0].year is None
    assert (results[2].promotion, results[3].promotion, results[4].promotion) == (None, None, None)


def test_a_snapshot_names_the_one_before_and_holds_every_mark() -> None:
    data = class_data(1)
    first = class_snapshot(data, SnapshotFacts("31000001", "6A2", "HK1", CLOSED, 1, None))
    second = class_snapshot(data, SnapshotFacts("31000001", "6A2", "CN", CLOSED, 2, bytes(32)))
    assert json.loads(first)["previous_sha256"] is None
    content = json.loads(second)
    assert content["previous_sha256"] == "0" * 64
    assert canonical_bytes(content) == second
    held = sum(mark is not None for sheet in content["marks"] for row in sheet["rows"] for mark in row)
    assert held == sum(len(cells) for sheet in data.marks.values() for cells in sheet.values())
    assert len(content["conduct"]["SEMESTER_1"]) == len(content["absences"]) == len(data.students)


def test_a_student_who_left_needs_nothing_and_is_counted_as_left() -> None:
    data = class_data(1)
    gone = dataclasses.replace(data.students[2], left=True, note="Chuyển trường ngày 19/01/2026")
    students = [gone if s.id == gone.id else s for s in data.students]
    marks = {
        (subject, semester): {
            student: cells for student, cells in sheet.items() if student != gone.id or semester == Semester.FIRST
        }
        for (subject, semester), sheet in data.marks.items()
    }
    conduct = {key: level for key, level in data.conduct.items() if key != (2, gone.id)}
    absences = {student: counts for student, counts in data.absences.items() if student != gone.id}
    half = dataclasses.replace(data, students=students, marks=marks, conduct=conduct, absences=absences)
    assert list(missing(half, Stage.WHOLE_YEAR)) == []
    assert {
        item.student.id for item in missing(dataclasses.replace(half, students=data.students), Stage.WHOLE_YEAR)
    } == {gone.id}
    content = json.loads(class_book(half, facts(1, Stage.WHOLE_YEAR)))
    jsonschema.validate(content, SCHEMA)
    first, second = (semester["summary"][2] for semester in content["semesters"])
    assert (first["learning_result"] is None, second["learning_result"]) == (False, None)
    row = content["year"]["evaluation"][2]
    assert (row["learning_result"], row["conduct_result"], row["promotion"], row["award"]) == (None,) * 4
    assert content["students"][2]["note"] == gone.note
    totals = content["year"]["totals"]
    assert totals["students"] - totals["promoted"] - totals["not_promoted"] - totals["pending_summer"] == 1
    # A student who left has no result of the year even if all marks were entered before.
    full = dataclasses.replace(data, students=students)
    assert class_results(full, Stage.WHOLE_YEAR)[2].promotion is None


def test_an_exemption_stands_in_the_notes_of_its_semester() -> None:
    data = class_data(0)
    subject = next(s for s in data.subjects if s.code == "GDTC")
    exempt = dataclasses.replace(data, exempt=frozenset({(subject.id, 1, data.students[2].id)}))
    book = json.loads(class_book(exempt, facts(0, Stage.WHOLE_YEAR)))
    noted = {
        (part["semester"], sheet["subject"], row["student"]): row["note"]
        for part in book["semesters"]
        for sheet in part["marks"]
        for row in sheet["rows"]
        if row["note"]
    }
    assert noted == {("SEMESTER_1", "GDTC", 3): "Miễn phần thực hành"}
