"""The stage after the summer and attendance by month, on class data without a database."""

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.gradebook.model.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    NOT_PASS_VALUE,
    NOT_SAT_VALUE,
    PASS_VALUE,
    REASSESSMENT_COLUMN,
    SUMMER,
    Semester,
    Stage,
    required_columns,
)
from services.gradebook.model.results import (
    Absences,
    ClassData,
    ClassStudent,
    ClassSubject,
    absent_sessions,
    class_results,
    first_stage,
    missing,
    months,
    retest_due,
    year_totals,
)
from services.gradebook.model.sheet_rules import check_reassessment, read_columns, read_rows
from services.gradebook.rules import Level, Promotion, SubjectKind

SCORE, COMMENT = SubjectKind.COMMENT_AND_SCORE, SubjectKind.COMMENT_ONLY
SUBJECTS = [
    *(ClassSubject(n, f"N{n}", f"N{n}", SCORE, 35, 2, ()) for n in range(1, 9)),
    ClassSubject(9, "C9", "C9", COMMENT, 35, 2, ()),
    ClassSubject(10, "C10", "C10", COMMENT, 35, 2, ()),
]
CODES = {subject.code: subject.id for subject in SUBJECTS}
GOOD, SATISFACTORY, UNSATISFACTORY = Level.LEVEL_GOOD, Level.LEVEL_SATISFACTORY, Level.LEVEL_UNSATISFACTORY
Retests = dict[str, int]


def student(number: int) -> ClassStudent:
    name = f"S {number}"
    return ClassStudent(f"s{number}", number, name, "2014-01-01", "", 1, "", "", "", None, None, "", id=number)


def class_of(
    results: dict[str, int], retests: Retests | None = None, conduct: Level = GOOD, summer: Level | None = None
) -> ClassData:
    """A class of one student with the same mark in all cells of a subject."""
    marks: dict[tuple[int, int], dict[int, dict[int, int]]] = {}
    for code, value in results.items():
        for semester in Semester:
            marks[CODES[code], semester] = {1: dict.fromkeys(required_columns(2), value)}
    for code, value in (retests or {}).items():
        marks[CODES[code], Semester.SECOND][1][REASSESSMENT_COLUMN] = value
    levels = {(1, 1): conduct, (2, 1): conduct}
    if summer is not None:
        levels[SUMMER, 1] = summer
    return ClassData("2025-2026", 6, SUBJECTS, [student(1)], marks, levels, {1: (3, 1)})


PASSING = {f"N{n}": 70 for n in range(1, 9)} | {"C9": PASS_VALUE, "C10": PASS_VALUE}
WEAK = PASSING | {"N1": 45, "N2": 32}


def summer(data: ClassData) -> Any:
    (result,) = class_results(data, Stage.AFTER_SUMMER)
    return result


def wanted(data: ClassData) -> list[tuple[str, str | None]]:
    return [(item.kind, item.subject) for item in missing(data, Stage.AFTER_SUMMER)]


def test_every_failed_subject_is_re_assessed_before_anything_is_decided() -> None:
    assert retest_due(class_of(PASSING)) == [()]
    assert retest_due(class_of(WEAK)) == [("N1", "N2")]
    assert wanted(class_of(WEAK)) == [("MARK", "N1"), ("MARK", "N2")]
    half = class_of(WEAK, {"N1": 50})
    assert wanted(half) == [("MARK", "N2")]
    assert (summer(half).promotion, summer(half).learning.after_summer) == (Promotion.RETEST, None)
    passed = class_of(WEAK, {"N1": 50, "N2": 36})
    assert wanted(passed) == []
    assert summer(passed).promotion is Promotion.PROMOTED
    assert summer(passed).learning.year.level is UNSATISFACTORY
    assert summer(passed).learning.after_summer.level is SATISFACTORY
    assert retest_due(passed) == [("N1", "N2")]
    failed = class_of(WEAK, {"N1": 48, "N2": 30})
    assert (summer(failed).promotion, wanted(failed)) == (Promotion.RETAINED, [])


def test_the_years_result_stands_where_the_student_did_not_sit() -> None:
    weak = PASSING | {"N1": 49, "N2": 49, "N3": 49}
    passed = summer(class_of(weak, {"N1": 60, "N2": 60, "N3": NOT_SAT_VALUE}))
    assert [subject.reassessed for subject in passed.subjects[:3]] == [60, 60, None]
    assert passed.promotion is Promotion.PROMOTED
    nothing = summer(class_of(weak, {"N1": NOT_SAT_VALUE, "N2": NOT_SAT_VALUE, "N3": NOT_SAT_VALUE}))
    assert nothing.promotion is Promotion.RETAINED
    assert nothing.learning.after_summer.level is UNSATISFACTORY


def test_training_comes_before_re_assessment() -> None:
    untrained = class_of(WEAK, conduct=UNSATISFACTORY)
    assert (wanted(untrained), retest_due(untrained)) == ([("SUMMER_CONDUCT", None)], [()])
    trained = class_of(WEAK, conduct=UNSATISFACTORY, summer=SATISFACTORY)
    assert retest_due(trained) == [("N1", "N2")]
    failed = class_of(WEAK, conduct=UNSATISFACTORY, summer=UNSATISFACTORY)
    assert (summer(failed).promotion, wanted(failed), retest_due(failed)) == (Promotion.RETAINED, [], [()])
    conduct = summer(class_of(PASSING, conduct=UNSATISFACTORY, summer=GOOD)).conduct
    assert (conduct.year, conduct.after_summer) == (UNSATISFACTORY, GOOD)


MARKS = st.integers(0, 100)
RESULTS = st.fixed_dictionaries(
    {f"N{n}": MARKS for n in range(1, 9)} | {c: st.sampled_from([PASS_VALUE, NOT_PASS_VALUE]) for c in ("C9", "C10")}
)
RETESTS = st.dictionaries(st.sampled_from([f"N{n}" for n in range(1, 9)]), MARKS | st.just(NOT_SAT_VALUE))
LEVELS = st.sampled_from(list(Level))


@settings(max_examples=100, deadline=None)
@given(RESULTS, RETESTS, LEVELS, st.none() | LEVELS)
def test_the_summer_never_touches_what_the_year_gave(
    results: dict[str, int], retests: Retests, conduct: Level, after: Level | None
) -> None:
    (plain,) = class_results(class_of(results, conduct=conduct), Stage.WHOLE_YEAR)
    data = class_of(results, retests, conduct, after)
    assert class_results(data, Stage.WHOLE_YEAR) == [plain]
    after_summer = summer(data)
    for subject, before_summer in zip(after_summer.subjects, plain.subjects, strict=True):
        assert subject._replace(reassessed=None) == before_summer
    for periods, before in ((after_summer.learning, plain.learning), (after_summer.conduct, plain.conduct)):
        assert periods._replace(after_summer=None) == before
    assert after_summer.award == plain.award
    pending = {Promotion.RETEST, Promotion.SUMMER_TRAINING}
    if plain.promotion not in pending:
        assert after_summer.promotion == plain.promotion
    assert (after_summer.promotion in pending) is bool(wanted(data))


def test_the_column_of_the_summer_stands_alone_in_semester_two() -> None:
    numbers, violations = read_columns([(4, 0)], 2)
    assert (numbers, violations) == ([REASSESSMENT_COLUMN], [])
    assert check_reassessment(numbers, Semester.SECOND) == []
    assert [v.rule for v in check_reassessment(numbers, Semester.FIRST)] == ["REASSESSMENT_SEMESTER"]
    assert [v.rule for v in check_reassessment([11, 12], Semester.SECOND)] == ["REASSESSMENT_ALONE"]
    assert [v.rule for v in read_columns([(4, 1)], 2)[1]] == ["POSITION_NOT_ALLOWED"]
    rows = [("s1", ["V"])]
    assert read_rows(rows, [REASSESSMENT_COLUMN], {"s1": 1}, SCORE)[0].values == [NOT_SAT_VALUE]
    for column in (1, MIDTERM_COLUMN, FINAL_COLUMN):
        assert [v.rule for v in read_rows(rows, [column], {"s1": 1}, SCORE)[1]] == ["MARK_FORMAT"]


SESSIONS = st.sets(st.sampled_from([10 * day + half for day in range(1, 29) for half in (1, 2)]), max_size=8)
SHEETS = st.dictionaries(
    st.sampled_from(["2025-08", *months("2025-2026", Stage.WHOLE_YEAR), "2026-06"]),
    st.dictionaries(st.integers(1, 3), st.tuples(SESSIONS, SESSIONS)),
    min_size=1,
)


@settings(max_examples=40, deadline=None)
@given(SHEETS)
def test_totals_are_the_sums_of_the_months_and_each_missing_month_is_named(
    sheets: dict[str, dict[int, tuple[set[int], set[int]]]],
) -> None:
    attendance = {
        month: {pupil: Absences(tuple(sorted(p)), tuple(sorted(k - p))) for pupil, (p, k) in rows.items()}
        for month, rows in sorted(sheets.items())
    }
    students = [student(n) for n in (1, 2, 3)]
    data = dataclasses.replace(
        class_of(PASSING), students=students, attendance=attendance, absences=year_totals(attendance)
    )
    for pupil in students:
        rows_of_pupil = [rows[pupil.id] for rows in sheets.values() if pupil.id in rows]
        expected = sum(len(p | k) for p, k in rows_of_pupil)
        entered = bool(rows_of_pupil)
        assert absent_sessions(data, pupil.id) == (expected if entered else None)
    for stage in (Stage.SEMESTER_1, Stage.WHOLE_YEAR):
        named = [(m.month, m.student.id) for m in missing(data, stage) if m.kind in ("ATTENDANCE", "ABSENCES")]
        kept = {month for month in sheets if first_stage("2025-2026", month) <= stage}
        assert sorted(named) == sorted(
            (month, pupil.id)
            for month in kept | set(months("2025-2026", stage))
            for pupil in students
            if pupil.id not in attendance.get(month, {})
        )


def test_a_student_who_joined_late_needs_no_earlier_sheets_and_brings_a_total() -> None:
    late = dataclasses.replace(student(2), joined="2026-02")
    kept = {"2026-01": {1: Absences((51,), ())}, "2026-02": {1: Absences((), (52,)), 2: Absences((31, 32), ())}}
    totals = year_totals(kept, {2: (4, 1)})
    assert totals == {1: (1, 1), 2: (6, 1)}
    data = dataclasses.replace(class_of(PASSING), students=[student(1), late], attendance=kept, absences=totals)
    named = [m.month for m in missing(data, Stage.WHOLE_YEAR) if m.kind == "ATTENDANCE" and m.student is late]
    assert named == ["2026-03", "2026-04", "2026-05"]
