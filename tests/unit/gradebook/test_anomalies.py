"""Anomalies are found and named by their cells; an ordinary class has none."""

import random
import unicodedata
from dataclasses import replace

import pytest
from hoso.gradebook.v1 import review_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gradebook.model import anomalies
from services.gradebook.model.anomalies import Anomaly, AnomalyKind, find
from services.gradebook.model.completeness import completeness, percent
from services.gradebook.model.domain import FINAL_COLUMN, MIDTERM_COLUMN, Semester, Stage, required_columns
from services.gradebook.model.results import ClassData, ClassStudent, ClassSubject, missing
from services.gradebook.rules import SubjectKind

PUPILS = 24
SUBJECTS = [
    ClassSubject(index, code, name, kind, 140, 4, ())
    for index, (code, name, kind) in enumerate(
        [
            ("TOAN", "Toán", SubjectKind.COMMENT_AND_SCORE),
            ("VAN", "Ngữ văn", SubjectKind.COMMENT_AND_SCORE),
            ("TD", "Giáo dục thể chất", SubjectKind.COMMENT_ONLY),
        ],
        1,
    )
]
COLUMNS = required_columns(4)
cells = st.tuples(st.integers(1, 2), st.integers(1, PUPILS), st.sampled_from(COLUMNS))
seeds = st.integers(0, 2**32)


def student(number: int) -> ClassStudent:
    name = f"Tên {number}"
    return ClassStudent(f"hs{number}", number, name, "2014-01-01", "", 1, "", "", "", None, None, "", id=number)


def ordinary(seed: int) -> ClassData:
    """A class in which each student stays near one level in every subject and both semesters."""
    chance = random.Random(seed)
    marks = {}
    levels = {number: chance.randint(50, 85) for number in range(1, PUPILS + 1)}
    for subject in SUBJECTS:
        for semester in Semester:
            marks[subject.id, int(semester)] = {
                number: {
                    column: 201 if subject.kind is SubjectKind.COMMENT_ONLY else level + chance.randint(-10, 10)
                    for column in COLUMNS
                }
                for number, level in levels.items()
            }
    return ClassData("2025-2026", 6, SUBJECTS, [student(number) for number in levels], marks)


def sheet(data: ClassData, subject: int, semester: Semester = Semester.FIRST) -> dict[int, dict[int, int]]:
    return data.marks[subject, semester]  # type: ignore[return-value]  # as ordinary() made it


def kinds(listed: list[Anomaly]) -> set[AnomalyKind]:
    return {anomaly.kind for anomaly in listed}


def test_the_kinds_are_those_of_the_contract() -> None:
    named = {f"ANOMALY_KIND_{kind.name}": int(kind) for kind in AnomalyKind}
    assert named == {name: number for name, number in review_pb2.AnomalyKind.items() if number}


@given(seeds, st.sampled_from(Semester))
@settings(max_examples=25, deadline=None)
def test_an_ordinary_class_shows_nothing(seed: int, semester: Semester) -> None:
    assert find(ordinary(seed), semester) == []


@given(seeds, cells)
@settings(max_examples=25, deadline=None)
def test_a_mark_far_from_the_student_and_the_class_is_an_outlier_unless_zero_by_rule(
    seed: int, cell: tuple[int, int, int]
) -> None:
    data = ordinary(seed)
    subject, pupil, column = cell
    sheet(data, subject)[pupil][column] = 0
    outliers = [anomaly for anomaly in find(data, Semester.FIRST) if anomaly.kind is AnomalyKind.OUTLIER]
    assert [(c.subject.id, c.student.id, c.column, c.value) for outlier in outliers for c in outlier.cells] == [
        (*cell, "0")
    ]
    zero = {(subject, Semester.FIRST, pupil, column)}
    assert find(data, Semester.FIRST, zero) == []


@given(seeds, st.sets(st.sampled_from(COLUMNS), min_size=2, max_size=2), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_a_column_keyed_twice_is_found_though_a_few_marks_were_corrected(
    seed: int, columns: set[int], corrected: int
) -> None:
    data = ordinary(seed)
    first, second = sorted(columns)
    for pupil, row in sheet(data, 1).items():
        row[second] = row[first] + (1 if pupil <= corrected else 0)
    (anomaly,) = [a for a in find(data, Semester.FIRST) if a.kind is AnomalyKind.COLUMN_REPEATED]
    assert {c.column for c in anomaly.cells} == columns
    assert len(anomaly.cells) == 2 * (PUPILS - corrected)


@given(seeds, st.sampled_from(COLUMNS))
@settings(max_examples=25, deadline=None)
def test_a_column_keyed_for_two_subjects_is_found(seed: int, column: int) -> None:
    data = ordinary(seed)
    for pupil, row in sheet(data, 2).items():
        row[column] = sheet(data, 1)[pupil][column]
    (anomaly,) = find(data, Semester.FIRST)
    assert (anomaly.kind, {c.subject.code for c in anomaly.cells}) == (AnomalyKind.COLUMN_REPEATED, {"TOAN", "VAN"})


@given(seeds, st.integers(1, PUPILS))
@settings(max_examples=25, deadline=None)
def test_a_step_that_only_one_student_makes_is_a_jump(seed: int, pupil: int) -> None:
    data = ordinary(seed)
    row = sheet(data, 1)[pupil]
    row[MIDTERM_COLUMN], row[FINAL_COLUMN] = 30, 95
    jumps = [anomaly for anomaly in find(data, Semester.FIRST) if anomaly.kind is AnomalyKind.JUMP]
    assert [[(c.student.id, c.column) for c in jump.cells] for jump in jumps] == [
        [(pupil, MIDTERM_COLUMN), (pupil, FINAL_COLUMN)]
    ]
    for other in sheet(data, 1).values():
        other[MIDTERM_COLUMN], other[FINAL_COLUMN] = 30, 95
    assert AnomalyKind.JUMP not in kinds(find(data, Semester.FIRST))


@given(seeds, st.integers(1, PUPILS))
@settings(max_examples=25, deadline=None)
def test_an_average_that_falls_between_semesters_is_a_jump(seed: int, pupil: int) -> None:
    data = ordinary(seed)
    for column in COLUMNS:
        sheet(data, 1, Semester.FIRST)[pupil][column] = 90
        sheet(data, 1, Semester.SECOND)[pupil][column] = 50
    jumps = [anomaly for anomaly in find(data, Semester.SECOND) if anomaly.kind is AnomalyKind.JUMP]
    assert [[(c.student.id, c.column, c.value) for c in jump.cells] for jump in jumps] == [
        [(pupil, None, "9.0"), (pupil, None, "5.0")]
    ]


@pytest.mark.parametrize(("subject", "value", "wrong"), [(1, 80, True), (3, 200, True), (3, 201, False)])
def test_a_class_of_one_mark_is_found_but_not_one_that_passes(subject: int, value: int, *, wrong: bool) -> None:
    data = ordinary(1)
    for row in sheet(data, subject).values():
        row[2] = value
    assert (AnomalyKind.ALL_EQUAL in kinds(find(data, Semester.FIRST))) is wrong


@given(seeds, st.sets(cells, min_size=1, max_size=30), st.sets(st.integers(1, PUPILS), max_size=3))
@settings(max_examples=25, deadline=None)
def test_missing_marks_are_those_of_the_book_and_completeness_counts_them(
    seed: int, gone: set[tuple[int, int, int]], left: set[int]
) -> None:
    data = ordinary(seed)
    for subject, pupil, column in gone:
        del sheet(data, subject)[pupil][column]
    data = replace(data, students=[replace(pupil, left=pupil.id in left) for pupil in data.students])
    gaps = [anomaly for anomaly in find(data, Semester.FIRST) if anomaly.kind is AnomalyKind.MISSING]
    named = {(c.subject.code, c.student.id, c.column) for gap in gaps for c in gap.cells}
    needed = [item for item in missing(data, Stage.SEMESTER_1) if item.kind == "MARK"]
    assert named == {(item.subject, item.student.id, item.column) for item in needed}
    counts = completeness(data, Stage.SEMESTER_1, Semester.FIRST, set())
    assert sum(count.missing for count in counts.subjects) == len(needed)
    staying = PUPILS - len(left)
    assert [count.required for count in counts.subjects] == [staying * len(COLUMNS)] * len(SUBJECTS)
    assert (counts.percent == 100) is (not needed)
    assert counts.missing_conduct == staying


@given(seeds, st.randoms())
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_list_does_not_matter_and_every_sentence_is_vietnamese_prose(
    seed: int, chance: random.Random
) -> None:
    data = ordinary(seed)
    for subject in (1, 2):
        for pupil, row in sheet(data, subject).items():
            row[1] = chance.choice([0, 100, row[1]])
            if pupil % 5 == 0:
                del row[MIDTERM_COLUMN]
    listed = find(data, Semester.FIRST)
    turned = find(replace(data, students=list(reversed(data.students))), Semester.FIRST)
    assert listed
    assert {(a.kind, a.sentence) for a in listed} == {(a.kind, a.sentence) for a in turned}
    for anomaly in listed:
        assert unicodedata.is_normalized("NFC", anomaly.sentence)
        assert anomaly.sentence.endswith(".")
        assert anomaly.cells


def test_percent_is_hundred_only_when_nothing_is_missing() -> None:
    assert [percent(1000, 1), percent(1000, 0), percent(0, 0), percent(3, 2)] == [99, 100, 100, 33]
    assert anomalies.REPEATED_SHARE < 1
