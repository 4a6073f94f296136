"""Entering marks through real gRPC into real PostgreSQL: what is written, what is refused, nothing half-written."""

import threading
import unicodedata
import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import marks_pb2

from demo.school import SchoolClass
from services.common.db import StatementError
from services.common.errors import Conflict, Forbidden, HosoError, Invalid, NotFound, Rejected, Unauthenticated
from services.common.identity import issue_token
from tests.integration.gradebook import act_digests
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FINAL,
    FIRST,
    ISSUER,
    MIDTERM,
    OTHER_VENDOR,
    REGULAR,
    SECOND,
    World,
    columns,
)


@pytest.fixture(scope="module")
def one(world: World) -> SchoolClass:
    return world.school.classes[0]


def stored(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT class_id, subject_id, semester, student_id, column_no, value, status, version FROM mark"
        " ORDER BY 1, 2, 3, 4, 5"
    )


def cell(world: World, one: SchoolClass, subject: str, column: tuple[int, int], student: str) -> list[Any]:
    return list(
        world.ask(
            "GetMarkHistory",
            school_class=world.ref(one),
            subject=subject,
            semester=FIRST,
            column=marks_pb2.MarkColumn(kind=column[0], position=column[1]),
            student=student,
        ).versions
    )


def test_a_sheet_is_written_and_read_back_with_averages(world: World, one: SchoolClass) -> None:
    subject = world.school.subjects[6][1]
    sheet = world.school.sheet(one, subject, 1)
    answer = world.enter(one, subject.code, FIRST, columns(subject), sheet)
    assert (answer.changed, answer.unchanged) == (len(sheet) * len(columns(subject)), 0)

    rows = world.ask("GetMarkSheet", school_class=world.ref(one), subject=subject.code, semester=FIRST).rows
    assert {row.student: [*row.regular, row.midterm, row.final] for row in rows} == sheet
    first = rows[0]
    tenths = [round(float(text) * 10) for text in (*first.regular, first.midterm, first.final)]
    total = sum(tenths[:-2]) + 2 * tenths[-2] + 3 * tenths[-1]
    expected = (2 * total + len(tenths) + 3) // (2 * (len(tenths) + 3))
    assert first.result == f"{expected // 10}.{expected % 10}"
    assert first.year_result == ""


def test_only_changed_cells_get_a_version_and_history_keeps_all(world: World, one: SchoolClass) -> None:
    first, second = (student.id for student in one.students[:2])
    teacher = one.assignments["VAN"][0]
    column = [(REGULAR, 1)]
    world.enter(one, "VAN", FIRST, column, {first: ["8"], second: ["7,5"]})
    again = world.enter(one, "VAN", FIRST, column, {first: ["8.0"], second: ["9"]})
    assert (again.changed, again.unchanged) == (1, 1)
    gone = world.enter(one, "VAN", FIRST, [(REGULAR, 1), (REGULAR, 2)], {first: ["-", ""], second: ["", "-"]})
    assert (gone.changed, gone.unchanged) == (1, 1)
    world.enter(one, "VAN", FIRST, column, {first: ["6.5"]})

    history = cell(world, one, "VAN", (REGULAR, 1), first)
    assert [(v.version, v.value, v.status, v.person, v.client) for v in history] == [
        (1, "8", "RECORDED", teacher, "vendor/smas"),
        (2, "", "WITHDRAWN", teacher, "vendor/smas"),
        (3, "6.5", "RECORDED", teacher, "vendor/smas"),
    ]
    assert [v.value for v in cell(world, one, "VAN", (REGULAR, 1), second)] == ["7.5", "9"]
    assert cell(world, one, "VAN", (REGULAR, 2), second) == []


def test_history_can_neither_be_changed_nor_removed(world: World, one: SchoolClass) -> None:
    world.enter(one, "VAN", FIRST, [(MIDTERM, 0)], {one.students[0].id: ["5"]})
    for statement in (
        "UPDATE entry SET vals = '{10}' RETURNING 1",
        "DELETE FROM entry RETURNING 1",
        "DELETE FROM mark RETURNING 1",
        "TRUNCATE entry",
    ):
        with pytest.raises(StatementError, match="refused"):
            world.rows(statement)


def test_a_settled_cell_is_zero_by_rule_with_its_reason(world: World, one: SchoolClass) -> None:
    absent, present = one.students[0].id, one.students[1].id
    world.enter(one, "TIN", FIRST, [(FINAL, 0)], {present: ["7"]})
    reason = "Học sinh không dự kiểm tra bù, không có lí do bất khả kháng."

    def settle(students: list[str], **more: Any) -> Any:
        return world.ask(
            "SettleMissingMarks",
            person=one.assignments["TIN"][0],
            school_class=world.ref(one),
            subject="TIN",
            semester=FIRST,
            columns=[marks_pb2.MarkColumn(kind=FINAL)],
            students=students,
            **{"request_id": str(uuid.uuid4()), "reason": reason, **more},
        )

    with pytest.raises(Invalid) as short:
        settle([absent], reason="ngắn")
    assert short.value.violations[0].field == "reason"
    with pytest.raises(Invalid) as unknown:
        settle([absent, "31-none"])
    assert [v.field for v in unknown.value.violations] == ["students[1]"]
    assert settle([absent, present]).settled == 1
    (version,) = cell(world, one, "TIN", (FINAL, 0), absent)
    assert (version.value, version.status, version.reason) == ("0", "ZERO_BY_RULE", reason)
    assert [v.value for v in cell(world, one, "TIN", (FINAL, 0), present)] == ["7"]


BAD = [
    ("8,25", "MARK_PRECISION"),
    ("8.25", "MARK_PRECISION"),
    ("NaN", "MARK_FORMAT"),
    ("11", "MARK_OUT_OF_RANGE"),
    ("10.5", "MARK_OUT_OF_RANGE"),
    ("-1", "MARK_OUT_OF_RANGE"),
    ("８", "MARK_FORMAT"),  # full-width digit
    (" 8", "MARK_FORMAT"),
    ("8..5", "MARK_FORMAT"),
    ("1e1", "MARK_FORMAT"),
    ("Đ", "MARK_FORMAT"),
    ("8\x00", "MARK_FORMAT"),
]


def test_every_bad_mark_is_named_by_row_column_and_rule_and_nothing_is_written(world: World, one: SchoolClass) -> None:
    good = [student.id for student in one.students]
    before = stored(world), world.rows("SELECT count(*) FROM entry"), world.rows("SELECT count(*) FROM audit_entry")
    found: list[tuple[str, str]] = []
    expected = []
    for start in range(0, len(BAD), len(good) - 1):
        part = BAD[start : start + len(good) - 1]
        rows = {good[0]: ["9", "9"]} | {s: ["9", text] for s, (text, _) in zip(good[1:], part, strict=False)}
        with pytest.raises(Invalid) as caught:
            world.enter(one, "GDCD", FIRST, [(REGULAR, 1), (REGULAR, 2)], rows)
        found += [(v.field, v.rule) for v in caught.value.violations]
        expected += [(f"rows[{index}].values[1]", rule) for index, (_, rule) in enumerate(part, 1)]
        assert all(v.message.endswith(".") for v in caught.value.violations)
    assert found == expected
    assert before == (
        stored(world),
        world.rows("SELECT count(*) FROM entry"),
        world.rows("SELECT count(*) FROM audit_entry"),
    )


@pytest.mark.parametrize(
    ("columns", "values", "rule", "field"),
    [
        ([(REGULAR, 3)], ["8"], "REGULAR_POSITION", "columns[0].position"),  # 35 periods: two columns
        ([(REGULAR, 0)], ["8"], "REGULAR_POSITION", "columns[0].position"),
        ([(MIDTERM, 1)], ["8"], "POSITION_NOT_ALLOWED", "columns[0].position"),
        ([(0, 1)], ["8"], "MARK_KIND", "columns[0].kind"),
        ([(9, 1)], ["8"], "MARK_KIND", "columns[0].kind"),
        ([(FINAL, 0), (FINAL, 0)], ["8", "8"], "DUPLICATE_COLUMN", "columns[1]"),
        ([], [], "COLUMN_COUNT", "columns"),
        ([(REGULAR, 1)] * 13, ["8"] * 13, "COLUMN_COUNT", "columns"),
        ([(REGULAR, 1)], ["8", "9"], "VALUE_COUNT", "rows[0].values"),
        ([(REGULAR, 1)], [], "VALUE_COUNT", "rows[0].values"),
    ],
)
def test_bad_columns(
    world: World, one: SchoolClass, columns: list[tuple[int, int]], values: list[str], rule: str, field: str
) -> None:
    before = stored(world)
    with pytest.raises(Invalid) as caught:
        world.enter(one, "GDCD", FIRST, columns, {one.students[0].id: values})
    assert [(v.field, v.rule) for v in caught.value.violations] == [(field, rule)]
    assert stored(world) == before


def test_comment_only_subjects_take_comments_only(world: World, one: SchoolClass) -> None:
    student = one.students[0].id
    with pytest.raises(Invalid) as caught:
        world.enter(one, "GDTC", FIRST, [(REGULAR, 1), (FINAL, 0)], {student: ["8", "Đạt rồi"]})
    assert [v.rule for v in caught.value.violations] == ["MARK_FORMAT", "MARK_FORMAT"]
    decomposed = unicodedata.normalize("NFD", "Chưa đạt")
    world.enter(one, "GDTC", FIRST, [(REGULAR, 1), (FINAL, 0)], {student: ["Đ", decomposed]})
    assert [v.value for v in cell(world, one, "GDTC", (FINAL, 0), student)] == ["CĐ"]


def test_unknown_and_repeated_students_are_named_by_row(world: World, one: SchoolClass) -> None:
    other_class = world.school.classes[1].students[0].id
    first = one.students[0].id
    with pytest.raises(Invalid) as caught:
        world.ask(
            "EnterMarks",
            person=one.assignments["GDCD"][0],
            request_id=str(uuid.uuid4()),
            school_class=world.ref(one),
            subject="GDCD",
            semester=FIRST,
            columns=[marks_pb2.MarkColumn(kind=FINAL)],
            rows=[marks_pb2.MarkRow(student=s, values=["8"]) for s in (first, "9999", other_class, first, "\x00")],
        )
    assert [(v.field, v.rule) for v in caught.value.violations] == [
        ("rows[1].student", "STUDENT_UNKNOWN"),
        ("rows[2].student", "STUDENT_UNKNOWN"),
        ("rows[3].student", "DUPLICATE_STUDENT"),
        ("rows[4].student", "STUDENT_UNKNOWN"),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"request_id": ""}, "request_id"),
        ({"semester": 0}, "semester"),
        ({"semester": 7}, "semester"),
        ({"subject": "toán"}, "subject"),
        ({"subject": "T\x00"}, "subject"),
        ({"rows": []}, "rows"),
        ({"rows": [marks_pb2.MarkRow(student=str(n), values=["8"]) for n in range(1001)]}, "rows"),
    ],
)
def test_bad_heads(world: World, one: SchoolClass, change: dict[str, Any], field: str) -> None:
    fields = {
        "request_id": str(uuid.uuid4()),
        "school_class": world.ref(one),
        "subject": "GDCD",
        "semester": FIRST,
        "columns": [marks_pb2.MarkColumn(kind=FINAL)],
        "rows": [marks_pb2.MarkRow(student=one.students[0].id, values=["8"])],
    }
    with pytest.raises(Invalid) as caught:
        world.ask("EnterMarks", person=one.assignments["GDCD"][0], **{**fields, **change})
    assert [v.field for v in caught.value.violations] == [field]


def test_many_violations_arrive_as_the_first_and_their_number(world: World, one: SchoolClass) -> None:
    with pytest.raises(Invalid, match="1000 lỗi") as caught:
        world.enter(one, "GDCD", FIRST, [(FINAL, 0)], {f"unknown-{n}": ["8"] for n in range(1000)})
    assert len(caught.value.violations) == 25


def refused(world: World, kind: type[HosoError], reason: str, one: SchoolClass, **more: Any) -> None:
    """The call is refused with this reason, leaves an audit row, and writes nothing."""
    fields = {
        "person": one.assignments["GDCD"][0],
        "request_id": str(uuid.uuid4()),
        "school_class": world.ref(one),
        "subject": "GDCD",
        "semester": FIRST,
        "columns": [marks_pb2.MarkColumn(kind=FINAL)],
        "rows": [marks_pb2.MarkRow(student=one.students[0].id, values=["8"])],
    }
    before = stored(world)
    with pytest.raises(kind) as caught:
        world.ask("EnterMarks", **{**fields, **more})
    assert caught.value.reason == reason
    assert stored(world) == before
    if kind in (Forbidden, Unauthenticated):
        last = world.rows(
            "SELECT facts->>'reason' FROM audit_entry WHERE chain = 'access' ORDER BY sequence DESC LIMIT 1"
        )
        assert last == [(reason,)]


def test_others_than_the_assigned_teacher_through_the_schools_vendor_are_refused(
    world: World, one: SchoolClass
) -> None:
    stranger = next(p.id for p in world.school.people if p.id not in one.assignments["GDCD"] and "TEACHER" in p.roles)
    teacher = one.assignments["GDCD"][0]
    refused(world, Forbidden, "VENDOR_NOT_AUTHORISED", one, client=OTHER_VENDOR)
    refused(world, Forbidden, "CLIENT_NOT_ALLOWED", one, client=DEPARTMENT)
    refused(world, Forbidden, "NOT_ASSIGNED", one, person=stranger)
    refused(world, Forbidden, "NOT_ASSIGNED", one, person=world.school.principal)
    refused(world, Forbidden, "NOT_ASSIGNED", one, person="nobody")
    refused(world, Forbidden, "WRONG_SCHOOL", one, person=None, token=world.token(teacher, school="79000009"))
    refused(world, Unauthenticated, "PERSON_REQUIRED", one, person=None)
    refused(world, Unauthenticated, "TOKEN_EXPIRED", one, person=None, token=world.token(teacher, lifetime_s=-5))
    key = (world.pki.stack.pki / "issuer.key").read_text()
    foreign = issue_token("https://elsewhere", key, person_id=teacher, school=world.school.code)
    refused(world, Unauthenticated, "TOKEN_INVALID", one, person=None, token=foreign)
    # Nothing but the issuer was wrong with it.
    own = issue_token(ISSUER, key, person_id=teacher, school=world.school.code)
    rows = [marks_pb2.MarkRow(student=one.students[0].id, values=["8"])]
    sheet = {"subject": "GDCD", "semester": FIRST, "columns": [marks_pb2.MarkColumn(kind=FINAL)], "rows": rows}
    answer = world.ask("EnterMarks", token=own, request_id=str(uuid.uuid4()), school_class=world.ref(one), **sheet)
    assert answer.changed + answer.unchanged == 1


def test_unknown_class_subject_and_year(world: World, one: SchoolClass) -> None:
    ref = world.ref(one)
    for field, value, reason in (
        ("name", "9Z9", "CLASS_UNKNOWN"),
        ("school_year", "2031-2032", "SCHOOL_YEAR_UNKNOWN"),
    ):
        changed = type(ref)()
        changed.CopyFrom(ref)
        setattr(changed, field, value)
        refused(world, NotFound, reason, one, school_class=changed)
    refused(world, NotFound, "SUBJECT_UNKNOWN", one, subject="XYZ")


def test_the_same_request_again_gets_the_first_answer_and_another_is_refused(world: World, one: SchoolClass) -> None:
    request_id = str(uuid.uuid4())
    student = one.students[2].id
    first = world.enter(one, "CN", FIRST, [(FINAL, 0)], {student: ["7"]}, request_id=request_id)
    world.enter(one, "CN", FIRST, [(FINAL, 0)], {student: ["8"]})
    again = world.enter(one, "CN", FIRST, [(FINAL, 0)], {student: ["7"]}, request_id=request_id)
    assert first == again
    assert [v.value for v in cell(world, one, "CN", (FINAL, 0), student)] == ["7", "8"]
    with pytest.raises(Conflict) as caught:
        world.enter(one, "CN", FIRST, [(FINAL, 0)], {student: ["9"]}, request_id=request_id)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert [v.value for v in cell(world, one, "CN", (FINAL, 0), student)] == ["7", "8"]


def test_two_teachers_write_one_cell_at_once_and_both_versions_stay(world: World, one: SchoolClass) -> None:
    student = one.students[3].id
    rounds, failures = 20, []

    def write(value: int) -> None:
        try:
            for n in range(rounds):
                world.enter(one, "KHTN", FIRST, [(FINAL, 0)], {student: [f"{value}.{n % 10}"]})
        except HosoError as e:
            failures.append(e)

    threads = [threading.Thread(target=write, args=(value,)) for value in (3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    history = cell(world, one, "KHTN", (FINAL, 0), student)
    assert [v.version for v in history] == list(range(1, 2 * rounds + 1))
    ((value,),) = world.rows(
        "SELECT value FROM mark m JOIN student s ON s.id = m.student_id JOIN subject j ON j.id = m.subject_id"
        " WHERE s.moet_student_id = %s AND j.code = 'KHTN' AND m.column_no = 11",
        student,
    )
    assert f"{value // 10}.{value % 10}".removesuffix(".0") == history[-1].value


def test_the_same_request_twice_at_once_is_written_once(world: World, one: SchoolClass) -> None:
    request_id = str(uuid.uuid4())
    answers = []

    def write() -> None:
        answers.append(
            world.enter(one, "LSDL", FIRST, [(FINAL, 0)], {one.students[0].id: ["7"]}, request_id=request_id)
        )

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert {answer.changed for answer in answers} == {1}
    assert world.rows("SELECT count(*) FROM entry WHERE request_id = %s", request_id) == [(1,)]


def test_one_request_id_for_two_sheets_at_once_is_one_entry_and_one_conflict(world: World, one: SchoolClass) -> None:
    for _ in range(5):
        request_id, outcomes = str(uuid.uuid4()), []
        ready = threading.Barrier(2)

        def write(
            subject: str, request_id: str = request_id, outcomes: list[str] = outcomes, ready: Any = ready
        ) -> None:
            ready.wait()
            try:
                world.enter(one, subject, FIRST, [(FINAL, 0)], {one.students[1].id: ["7"]}, request_id=request_id)
                outcomes.append("entered")
            except Conflict as e:
                outcomes.append(e.reason)

        threads = [threading.Thread(target=write, args=(subject,)) for subject in ("LSDL", "NN1")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["REQUEST_ID_REUSED", "entered"]


def test_no_window_no_entry(world: World, one: SchoolClass) -> None:
    world.rows("UPDATE entry_window SET semesters = '{2}' WHERE name = 'CN' RETURNING 1")
    refused(world, Rejected, "WINDOW_CLOSED", one)
    world.rows("UPDATE entry_window SET semesters = '{1,2}', mark_kinds = '{1}' WHERE name = 'CN' RETURNING 1")
    refused(world, Rejected, "WINDOW_CLOSED", one)
    world.rows("UPDATE entry_window SET mark_kinds = '{1,2,3}', close_time = now() WHERE name = 'CN' RETURNING 1")
    refused(world, Rejected, "WINDOW_CLOSED", one)
    world.rows("UPDATE entry_window SET close_time = now() + interval '1h' WHERE name = 'CN' RETURNING 1")
    world.enter(one, "GDCD", SECOND, [(FINAL, 0)], {one.students[0].id: ["8"]})


def test_conduct_and_absences_are_the_homeroom_teachers(world: World, one: SchoolClass) -> None:
    student = one.students[0].id
    fields = {"school_class": world.ref(one), "request_id": str(uuid.uuid4())}
    conduct = {**fields, "semester": FIRST, "rows": [marks_pb2.ConductRow(student=student, level=1)]}
    absences = {**fields, "rows": [marks_pb2.AbsenceRow(student=student, excused=3, unexcused=1)]}
    for rpc, request in (("EnterConduct", conduct), ("EnterAbsences", absences)):
        with pytest.raises(Forbidden) as caught:
            world.ask(rpc, person=world.school.principal, **request)
        assert caught.value.reason == "ROLE_REQUIRED"
    world.ask("EnterConduct", person=one.homeroom_teacher, **conduct)
    world.ask("EnterConduct", person=one.homeroom_teacher, **conduct)
    with pytest.raises(Conflict):
        world.ask("EnterAbsences", person=one.homeroom_teacher, **absences)
    world.ask("EnterAbsences", person=one.homeroom_teacher, **{**absences, "request_id": str(uuid.uuid4())})
    bad = [
        marks_pb2.AbsenceRow(student=student, excused=401),
        marks_pb2.AbsenceRow(student=student, excused=300, unexcused=300),
    ]
    with pytest.raises(Invalid) as caught_bad:
        world.ask("EnterAbsences", person=one.homeroom_teacher, **{**absences, "rows": bad})
    assert {v.field for v in caught_bad.value.violations} == {"rows[0].excused", "rows[0]", "rows[1]"}
    summary = world.ask("GetClassSummary", school_class=world.ref(one), stage=2).students[0]
    assert summary.absent_sessions == 4
    assert summary.semester_1.conduct_result == 1
    assert summary.promotion == ""


def test_the_history_is_bound_into_the_audit_chain(world: World, one: SchoolClass) -> None:
    with world.database.transaction() as tx:
        checked = act_digests.check_audit(tx)
    assert {"MARKS_ENTERED", "MARKS_SETTLED", "CONDUCT_ENTERED", "ABSENCES_ENTERED"} <= checked.keys()
    assert world.rows("SELECT count(*) FROM entry") == [(sum(checked.values()),)]
