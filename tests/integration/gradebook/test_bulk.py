"""Streams of score sheets: each all or nothing, one bad sheet stops no other, sending again is
harmless.
"""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.school import SchoolClass
from services.common.errors import Forbidden, HosoError, Invalid, NotFound, Unavailable
from services.common.settings import ServerConfig
from services.gradebook.entry import bulk
from tests.integration.gradebook.streams import demo_sheets, export, send, sheet
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FINAL,
    FIRST,
    MIDTERM,
    OTHER_VENDOR,
    REGULAR,
    SECOND,
    VENDOR,
    World,
    tls,
)
from tests.waiting import eventually

SCHOOL = {"classes": 2, "students": 5}


def stored(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT * FROM mark ORDER BY class_id, subject_id, semester, student_id, column_no")


def refusals(answers: list[marks_pb2.ImportedSheet]) -> list[str]:
    return [answer.refusal.reason for answer in answers]


def test_a_class_is_imported_each_sheet_by_its_teacher_and_exported_as_it_stands(
    world: World, school_class: SchoolClass
) -> None:
    sheets = demo_sheets(world, school_class, 1)
    answers = send(world, sheets)
    assert [answer.request_id for answer in answers] == [sent.sheet.request_id for sent in sheets]
    assert [answer.changed for answer in answers] == [len(sent.sheet.rows) * len(sent.sheet.columns) for sent in sheets]
    teachers = world.rows("SELECT DISTINCT person FROM entry ORDER BY 1")
    assert teachers == sorted({(school_class.assignments[sent.sheet.subject][0],) for sent in sheets})

    exported = export(world, classes=[school_class.name], semester=FIRST)
    assert [answer.subject for answer in exported] == [subject.code for subject in world.school.subjects[6]]
    for answer, sent, subject in zip(exported, sheets, world.school.subjects[6], strict=True):
        keyed = {row.student: list(row.values) for row in sent.sheet.rows}
        assert {
            row.marks.student: [*row.marks.regular, row.marks.midterm, row.marks.final] for row in answer.rows
        } == keyed
        assert [(row.number, row.name, row.birth_date) for row in answer.rows] == [
            (student.number, student.name, student.birth_date) for student in school_class.students
        ]
        sheet_rows = world.ask(
            "GetMarkSheet", school_class=world.ref(school_class), subject=subject.code, semester=FIRST
        ).rows
        assert [row.marks for row in answer.rows] == list(sheet_rows)
        assert (answer.regular_count, list(answer.teachers)) == (
            subject.regular_count,
            list(school_class.assignments[subject.code]),
        )
        assert all(row.marks.result for row in answer.rows)

    before = stored(world)
    assert send(world, sheets) == answers
    assert stored(world) == before


def test_a_bad_sheet_is_refused_by_row_and_the_others_are_entered(world: World, school_class: SchoolClass) -> None:
    first, second = (student.id for student in school_class.students[:2])
    stranger = next(
        p.id for p in world.school.people if p.id not in school_class.assignments["VAN"] and "TEACHER" in p.roles
    )
    column = [(FINAL, 0)]
    foreign = world.token(school_class.assignments["VAN"][0], school="79000009")
    expired = world.token(school_class.assignments["VAN"][0], lifetime_s=-60)
    unknown_class = sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]})
    unknown_class.sheet.school_class.name = "9Z9"
    sheets = [
        sheet(world, school_class, "TOAN", SECOND, column, rows={first: ["9"], second: ["8,25"]}),
        sheet(world, school_class, "TOAN", SECOND, [(MIDTERM, 0)], rows={first: ["9"]}),
        sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]}, person=stranger),
        sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]}, token=foreign),
        sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]}, token=expired),
        sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]}, token="forged"),
        sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]}, token=""),
        unknown_class,
        sheet(world, school_class, "VAN", SECOND, column, rows={first: ["8"]}, request_id="x"),
        marks_pb2.ImportMarksRequest(person_token=world.token(stranger)),
        sheet(world, school_class, "TOAN", SECOND, column, rows={second: ["7"]}),
    ]
    refused_before = world.rows("SELECT count(*) FROM audit_entry WHERE chain = 'access'")[0][0]
    answers = send(world, sheets)
    assert refusals(answers) == [
        "INVALID_INPUT",
        "",
        "NOT_ASSIGNED",
        "WRONG_SCHOOL",
        "TOKEN_EXPIRED",
        "TOKEN_INVALID",
        "PERSON_REQUIRED",
        "CLASS_UNKNOWN",
        "INVALID_INPUT",
        "INVALID_INPUT",
        "",
    ]
    assert [answer.changed for answer in answers] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    refusal = answers[0].refusal
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [(v.field, v.rule) for v in refusal.violations] == [("rows[1].values[0]", "MARK_PRECISION")]
    assert refusal.violations[0].message.endswith(".")
    assert answers[7].refusal.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert world.rows("SELECT count(*) FROM audit_entry WHERE chain = 'access'")[0][0] == refused_before + 5
    values = world.rows(
        "SELECT j.code, m.column_no, m.value FROM mark m JOIN subject j ON j.id = m.subject_id"
        " WHERE m.semester = 2 ORDER BY 1, 2"
    )
    assert values == [("TOAN", 10, 90), ("TOAN", 11, 70)]


def test_the_calls_own_person_stands_for_sheets_without_a_token(world: World, school_class: SchoolClass) -> None:
    bare = sheet(world, school_class, "TIN", SECOND, [(FINAL, 0)], rows={school_class.students[0].id: ["8"]}, token="")
    (answer,) = send(world, [bare], token=world.token(school_class.assignments["TIN"][0]))
    assert answer.changed == 1
    (again,) = send(world, [bare], token=world.token(world.school.principal))
    assert again.refusal.reason == "NOT_ASSIGNED"


def test_the_same_id_twice_in_a_stream(world: World, school_class: SchoolClass) -> None:
    request_id = str(uuid.uuid4())
    student = school_class.students[0].id
    same = sheet(world, school_class, "CN", SECOND, [(FINAL, 0)], rows={student: ["8"]}, request_id=request_id)
    other = sheet(world, school_class, "CN", SECOND, [(FINAL, 0)], rows={student: ["9"]}, request_id=request_id)
    answers = send(world, [same, other, same])
    assert refusals(answers) == ["", "REQUEST_ID_REUSED", ""]
    assert answers[0] == answers[2]


def test_who_may_stream_and_for_how_long(world: World, school_class: SchoolClass) -> None:
    good = sheet(world, school_class, "CN", SECOND, [(FINAL, 0)], rows={school_class.students[0].id: ["1"]})
    before = stored(world)
    with pytest.raises(Forbidden):
        send(world, [good], client=DEPARTMENT)
    assert refusals(send(world, [good], client=OTHER_VENDOR)) == ["TOKEN_OF_ANOTHER_CLIENT"]
    good.person_token = world.token(school_class.assignments["CN"][0], client=OTHER_VENDOR)
    assert refusals(send(world, [good], client=OTHER_VENDOR)) == ["VENDOR_NOT_AUTHORISED"]
    assert refusals(send(world, [good])) == ["TOKEN_OF_ANOTHER_CLIENT"]
    for timeout_s in (None, bulk.MAX_TIME_S + 60):
        with pytest.raises(Invalid) as caught:
            send(world, [good], timeout_s=timeout_s)
        assert caught.value.violations[0].rule == "DEADLINE"
        with pytest.raises(Invalid):
            export(world, timeout_s=timeout_s)
    assert send(world, []) == []
    assert stored(world) == before


def test_a_stream_too_long_is_cut_and_an_oversized_sheet_breaks_it(world: World, school_class: SchoolClass) -> None:
    bad = marks_pb2.ImportMarksRequest()
    with pytest.raises(Invalid) as caught:
        send(world, [bad] * (bulk.MAX_SHEETS + 1), token=world.token(world.school.principal))
    assert caught.value.violations[0].rule == "SHEET_COUNT"
    huge = sheet(world, school_class, "CN", SECOND, [(FINAL, 0)], rows={"x" * (5 * 1024 * 1024): ["8"]})
    with pytest.raises(HosoError):
        send(world, [huge])


def test_imports_leave_threads_for_single_entries(world: World, school_class: SchoolClass) -> None:
    """As many imports as one vendor may hold send nothing: others are refused, an entry goes on."""
    end = threading.Event()

    def silent() -> Iterator[marks_pb2.ImportMarksRequest]:
        end.wait(30)
        yield from ()

    stub = marks_pb2_grpc.MarkServiceStub(world.channel(VENDOR))
    most = ServerConfig("", tls(world.pki, "service/gradebook"), Path()).uploads_per_client
    held = [stub.ImportMarks.future(silent(), timeout=30) for _ in range(most)]
    try:
        one_more = [sheet(world, school_class, "CN", SECOND, [(FINAL, 0)], rows={school_class.students[0].id: ["1"]})]

        def refused() -> str:
            try:
                send(world, one_more)
            except Unavailable as e:
                return e.reason
            return ""

        assert eventually(refused) == "SHARE_USED"
        world.enter(school_class, "CN", SECOND, [(FINAL, 0)], {school_class.students[0].id: ["6"]})
    finally:
        end.set()
        for call in held:
            call.cancel()


def test_exports_are_chosen_by_class_subject_and_semester(world: World, school_class: SchoolClass) -> None:
    names = [c.name for c in world.school.classes]
    everything = export(world)
    assert len(everything) == 2 * len(names) * len(world.school.subjects[6])
    assert [s.school_class.name for s in everything] == sorted(s.school_class.name for s in everything)
    some = export(world, subjects=["VAN", "TOAN"], classes=[names[1]])
    assert [(s.subject, s.semester) for s in some] == [
        ("VAN", FIRST),
        ("VAN", SECOND),
        ("TOAN", FIRST),
        ("TOAN", SECOND),
    ]
    assert export(world, subjects=["XYZ"]) == []
    with pytest.raises(NotFound):
        export(world, classes=["9Z9"])
    with pytest.raises(Invalid) as caught:
        export(world, school_year="2025", subjects=["toán"], classes=[""], semester=7)
    assert {v.field for v in caught.value.violations} == {"school_year"}
    with pytest.raises(Invalid) as caught:
        export(world, subjects=["toán"], classes=[""], semester=7)
    assert {v.field for v in caught.value.violations} == {"subjects[0]", "classes[0]", "semester"}
    with pytest.raises(Forbidden):
        export(world, client=OTHER_VENDOR)


VALUES = st.sampled_from(["", "-", "0", "10", "7.5", "7,5", "8.0", "Đ", "CĐ", "11", "8,25", "NaN", "Đạt"])
STUDENTS = st.sampled_from([0, 1, 2, "unknown"])
COLUMNS = st.sampled_from([(REGULAR, 1), (REGULAR, 2), (MIDTERM, 0), (FINAL, 0), (REGULAR, 9), (0, 0)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subject=st.sampled_from(["GDCD", "GDTC"]),
    sheet_columns=st.lists(COLUMNS, min_size=1, max_size=3),
    rows=st.dictionaries(STUDENTS, st.lists(VALUES, min_size=1, max_size=3), max_size=4),
)
def test_import_and_single_entry_agree(
    world: World,
    subject: str,
    sheet_columns: list[tuple[int, int]],
    rows: dict[int | str, list[str]],
) -> None:
    """The same sheets go to one class by EnterMarks and to another by ImportMarks: same answers,
    same marks.
    """
    single, bulk_class = world.school.classes

    def named(school_class: SchoolClass) -> dict[str, list[str]]:
        return {school_class.students[key].id if isinstance(key, int) else key: values for key, values in rows.items()}

    try:
        answer = world.enter(single, subject, SECOND, sheet_columns, named(single))
        expected: object = (answer.changed, answer.unchanged)
    except Invalid as e:
        expected = [(v.field, v.rule, v.message) for v in e.violations]
    (imported,) = send(world, [sheet(world, bulk_class, subject, SECOND, sheet_columns, rows=named(bulk_class))])
    if imported.HasField("refusal"):
        assert imported.refusal.reason == "INVALID_INPUT"
        assert [(v.field, v.rule, v.message) for v in imported.refusal.violations] == expected
    else:
        assert (imported.changed, imported.unchanged) == expected
    cells = [
        world.rows(
            "SELECT e.number, m.column_no, m.value, m.status, m.version FROM mark m JOIN school_class c"
            " ON c.id = m.class_id JOIN subject j ON j.id = m.subject_id JOIN enrolment e ON e.class_id = c.id"
            " AND e.student_id = m.student_id WHERE c.name = %s AND j.code = %s AND m.semester = 2 ORDER BY 1, 2",
            taught_class.name,
            subject,
        )
        for taught_class in (single, bulk_class)
    ]
    assert cells[0] == cells[1]


def test_a_closed_window_and_a_reused_id_are_answers_of_the_sheet(world: World, school_class: SchoolClass) -> None:
    request_id = str(uuid.uuid4())
    world.enter(school_class, "CN", SECOND, [(MIDTERM, 0)], {school_class.students[0].id: ["6"]}, request_id=request_id)
    world.rows("UPDATE entry_window SET semesters = '{2}' RETURNING 1")
    answers = send(
        world,
        [
            sheet(world, school_class, "CN", FIRST, [(MIDTERM, 0)], rows={school_class.students[0].id: ["6"]}),
            sheet(
                world,
                school_class,
                "CN",
                SECOND,
                [(MIDTERM, 0)],
                rows={school_class.students[0].id: ["7"]},
                request_id=request_id,
            ),
            sheet(world, school_class, "CN", SECOND, [(MIDTERM, 0)], rows={school_class.students[0].id: ["7"]}),
        ],
    )
    world.rows("UPDATE entry_window SET semesters = '{1,2}' RETURNING 1")
    assert refusals(answers) == ["WINDOW_CLOSED", "REQUEST_ID_REUSED", ""]
    assert [answer.refusal.code for answer in answers] == [
        grpc.StatusCode.FAILED_PRECONDITION.value[0],
        grpc.StatusCode.ALREADY_EXISTS.value[0],
        0,
    ]


def test_a_class_summary_needs_one_call(world: World, school_class: SchoolClass) -> None:
    """Every subject, both semesters, levels, absences, promotion and award of every student come
    together.
    """
    world.complete(school_class)
    students = world.ask("GetClassSummary", school_class=world.ref(school_class), stage=2).students
    codes = {subject.code for subject in world.school.subjects[6]}
    assert [student.student for student in students] == [student.id for student in school_class.students]
    for student in students:
        for period in (student.semester_1, student.semester_2, student.year):
            assert set(period.results) == codes
            assert period.learning_result
            assert period.conduct_result
        assert student.promotion
