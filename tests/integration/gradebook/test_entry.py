"""Entering marks through real gRPC into real PostgreSQL: what is written, what is refused, nothing
half-written.
"""

import unicodedata
import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import marks_pb2

from demo.school import SchoolClass
from services.common import tokens
from services.common.db import StatementError
from services.common.errors import Conflict, Forbidden, HosoError, Invalid, NotFound, Rejected, Unauthenticated
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
    VENDOR,
    World,
    columns,
)


def stored(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT class_id, subject_id, semester, student_id, column_no, value, status, version FROM mark"
        " ORDER BY 1, 2, 3, 4, 5"
    )


def cell(world: World, school_class: SchoolClass, subject: str, column: tuple[int, int], student: str) -> list[Any]:
    return list(
        world.ask(
            "GetMarkHistory",
            school_class=world.ref(school_class),
            subject=subject,
            semester=FIRST,
            column=marks_pb2.MarkColumn(kind=column[0], position=column[1]),
            student=student,
        ).versions
    )


def test_a_sheet_is_written_and_read_back_with_averages(world: World, school_class: SchoolClass) -> None:
    subject = world.school.subjects[6][1]
    sheet = world.school.sheet(school_class, subject, 1)
    answer = world.enter(school_class, subject.code, FIRST, columns(subject), sheet)
    assert (answer.changed, answer.unchanged) == (len(sheet) * len(columns(subject)), 0)

    rows = world.ask("GetMarkSheet", school_class=world.ref(school_class), subject=subject.code, semester=FIRST).rows
    assert {row.student: [*row.regular, row.midterm, row.final] for row in rows} == sheet
    first = rows[0]
    tenths = [round(float(text) * 10) for text in (*first.regular, first.midterm, first.final)]
    total = sum(tenths[:-2]) + 2 * tenths[-2] + 3 * tenths[-1]
    expected = (2 * total + len(tenths) + 3) // (2 * (len(tenths) + 3))
    assert first.result == f"{expected // 10}.{expected % 10}"
    assert first.year_result == ""


def test_only_changed_cells_get_a_version_and_history_keeps_all(world: World, school_class: SchoolClass) -> None:
    first, second = (student.id for student in school_class.students[:2])
    teacher = school_class.assignments["VAN"][0]
    column = [(REGULAR, 1)]
    world.enter(school_class, "VAN", FIRST, column, {first: ["8"], second: ["7,5"]})
    again = world.enter(school_class, "VAN", FIRST, column, {first: ["8.0"], second: ["9"]})
    assert (again.changed, again.unchanged) == (1, 1)
    gone = world.enter(school_class, "VAN", FIRST, [(REGULAR, 1), (REGULAR, 2)], {first: ["-", ""], second: ["", "-"]})
    assert (gone.changed, gone.unchanged) == (1, 1)
    world.enter(school_class, "VAN", FIRST, column, {first: ["6.5"]})

    history = cell(world, school_class, "VAN", (REGULAR, 1), first)
    assert [(v.version, v.value, v.status, v.person, v.client) for v in history] == [
        (1, "8", "RECORDED", teacher, "vendor/smas"),
        (2, "", "WITHDRAWN", teacher, "vendor/smas"),
        (3, "6.5", "RECORDED", teacher, "vendor/smas"),
    ]
    assert [v.value for v in cell(world, school_class, "VAN", (REGULAR, 1), second)] == ["7.5", "9"]
    assert cell(world, school_class, "VAN", (REGULAR, 2), second) == []


def test_history_can_neither_be_changed_nor_removed(world: World, school_class: SchoolClass) -> None:
    world.enter(school_class, "VAN", FIRST, [(MIDTERM, 0)], {school_class.students[0].id: ["5"]})
    for statement in (
        "UPDATE entry SET vals = '{10}' RETURNING 1",
        "DELETE FROM entry RETURNING 1",
        "DELETE FROM mark RETURNING 1",
        "TRUNCATE entry",
    ):
        with pytest.raises(StatementError, match="refused"):
            world.rows(statement)


def test_a_settled_cell_is_zero_by_rule_with_its_reason(world: World, school_class: SchoolClass) -> None:
    absent, present = school_class.students[0].id, school_class.students[1].id
    world.enter(school_class, "TIN", FIRST, [(FINAL, 0)], {present: ["7"]})
    reason = "Học sinh không dự kiểm tra bù, không có lí do bất khả kháng."

    def settle(students: list[str], **more: Any) -> Any:
        return world.settle(school_class, "TIN", FIRST, (FINAL, 0), students, **{"reason": reason, **more})

    with pytest.raises(Invalid) as short:
        settle([absent], reason="ngắn")
    assert short.value.violations[0].field == "reason"
    with pytest.raises(Invalid) as unknown:
        settle([absent, "31-none"])
    assert [v.field for v in unknown.value.violations] == ["students[1]"]
    assert settle([absent, present]).settled == 1
    (version,) = cell(world, school_class, "TIN", (FINAL, 0), absent)
    assert (version.value, version.status, version.reason) == ("0", "ZERO_BY_RULE", reason)
    assert [v.value for v in cell(world, school_class, "TIN", (FINAL, 0), present)] == ["7"]


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


def test_every_bad_mark_is_named_by_row_column_and_rule_and_nothing_is_written(
    world: World, school_class: SchoolClass
) -> None:
    good = [student.id for student in school_class.students]
    before = stored(world), world.rows("SELECT count(*) FROM entry"), world.rows("SELECT count(*) FROM audit_entry")
    violations: list[tuple[str, str]] = []
    expected = []
    for start in range(0, len(BAD), len(good) - 1):
        part = BAD[start : start + len(good) - 1]
        rows = {good[0]: ["9", "9"]} | {s: ["9", text] for s, (text, _) in zip(good[1:], part, strict=False)}
        with pytest.raises(Invalid) as caught:
            world.enter(school_class, "GDCD", FIRST, [(REGULAR, 1), (REGULAR, 2)], rows)
        violations += [(v.field, v.rule) for v in caught.value.violations]
        expected += [(f"rows[{index}].values[1]", rule) for index, (_, rule) in enumerate(part, 1)]
        assert all(v.message.endswith(".") for v in caught.value.violations)
    assert violations == expected
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
    world: World, school_class: SchoolClass, columns: list[tuple[int, int]], values: list[str], rule: str, field: str
) -> None:
    before = stored(world)
    with pytest.raises(Invalid) as caught:
        world.enter(school_class, "GDCD", FIRST, columns, {school_class.students[0].id: values})
    assert [(v.field, v.rule) for v in caught.value.violations] == [(field, rule)]
    assert stored(world) == before


def test_comment_only_subjects_take_comments_only(world: World, school_class: SchoolClass) -> None:
    student = school_class.students[0].id
    with pytest.raises(Invalid) as caught:
        world.enter(school_class, "GDTC", FIRST, [(REGULAR, 1), (FINAL, 0)], {student: ["8", "Đạt rồi"]})
    assert [v.rule for v in caught.value.violations] == ["MARK_FORMAT", "MARK_FORMAT"]
    decomposed = unicodedata.normalize("NFD", "Chưa đạt")
    world.enter(school_class, "GDTC", FIRST, [(REGULAR, 1), (FINAL, 0)], {student: ["Đ", decomposed]})
    assert [v.value for v in cell(world, school_class, "GDTC", (FINAL, 0), student)] == ["CĐ"]


def test_unknown_and_repeated_students_are_named_by_row(world: World, school_class: SchoolClass) -> None:
    other_class = world.school.classes[1].students[0].id
    first = school_class.students[0].id
    with pytest.raises(Invalid) as caught:
        world.ask(
            "EnterMarks",
            person=school_class.assignments["GDCD"][0],
            request_id=str(uuid.uuid4()),
            school_class=world.ref(school_class),
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
def test_bad_heads(world: World, school_class: SchoolClass, change: dict[str, Any], field: str) -> None:
    fields = world.sheet(school_class, "GDCD", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["8"]})
    with pytest.raises(Invalid) as caught:
        world.ask("EnterMarks", person=school_class.assignments["GDCD"][0], **{**fields, **change})
    assert [v.field for v in caught.value.violations] == [field]


def test_many_violations_arrive_as_the_first_and_their_number(world: World, school_class: SchoolClass) -> None:
    with pytest.raises(Invalid, match="1000 lỗi") as caught:
        world.enter(school_class, "GDCD", FIRST, [(FINAL, 0)], {f"unknown-{n}": ["8"] for n in range(1000)})
    assert len(caught.value.violations) == 25


def refused(world: World, kind: type[HosoError], reason: str, its_class: SchoolClass, **more: Any) -> None:
    """The call is refused with this reason, leaves an audit row, and writes nothing."""
    fields = world.sheet(its_class, "GDCD", FIRST, [(FINAL, 0)], {its_class.students[0].id: ["8"]})
    fields["person"] = its_class.assignments["GDCD"][0]
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
    world: World, school_class: SchoolClass
) -> None:
    stranger = next(
        p.id for p in world.school.people if p.id not in school_class.assignments["GDCD"] and "TEACHER" in p.roles
    )
    teacher = school_class.assignments["GDCD"][0]
    refused(world, Forbidden, "VENDOR_NOT_AUTHORISED", school_class, client=OTHER_VENDOR)
    refused(world, Forbidden, "CLIENT_NOT_ALLOWED", school_class, client=DEPARTMENT)
    refused(world, Forbidden, "NOT_ASSIGNED", school_class, person=stranger)
    refused(world, Forbidden, "NOT_ASSIGNED", school_class, person=world.school.principal)
    refused(world, Forbidden, "NOT_ASSIGNED", school_class, person="nobody")
    refused(world, Forbidden, "WRONG_SCHOOL", school_class, person=None, token=world.token(teacher, school="79000009"))
    refused(world, Unauthenticated, "PERSON_REQUIRED", school_class, person=None)
    refused(
        world, Unauthenticated, "TOKEN_EXPIRED", school_class, person=None, token=world.token(teacher, lifetime_s=-60)
    )
    key = (world.pki.stack.pki / "issuer.key").read_text()
    foreign = tokens.issue("https://elsewhere", key, client=VENDOR, person=teacher, school=world.school.code)
    refused(world, Unauthenticated, "TOKEN_INVALID", school_class, person=None, token=foreign)
    # Nothing but the issuer was wrong with it.
    own = tokens.issue(ISSUER, key, client=VENDOR, person=teacher, school=world.school.code)
    sheet = world.sheet(school_class, "GDCD", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["8"]})
    answer = world.ask("EnterMarks", token=own, **sheet)
    assert answer.changed + answer.unchanged == 1


def test_unknown_class_subject_and_year(world: World, school_class: SchoolClass) -> None:
    ref = world.ref(school_class)
    for field, value, reason in (
        ("name", "9Z9", "CLASS_UNKNOWN"),
        ("school_year", "2031-2032", "SCHOOL_YEAR_UNKNOWN"),
    ):
        changed = type(ref)()
        changed.CopyFrom(ref)
        setattr(changed, field, value)
        refused(world, NotFound, reason, school_class, school_class=changed)
    refused(world, NotFound, "SUBJECT_UNKNOWN", school_class, subject="XYZ")


def test_the_same_request_again_gets_the_first_answer_and_another_is_refused(
    world: World, school_class: SchoolClass
) -> None:
    request_id = str(uuid.uuid4())
    student = school_class.students[2].id
    first = world.enter(school_class, "CN", FIRST, [(FINAL, 0)], {student: ["7"]}, request_id=request_id)
    world.enter(school_class, "CN", FIRST, [(FINAL, 0)], {student: ["8"]})
    again = world.enter(school_class, "CN", FIRST, [(FINAL, 0)], {student: ["7"]}, request_id=request_id)
    assert first == again
    assert [v.value for v in cell(world, school_class, "CN", (FINAL, 0), student)] == ["7", "8"]
    with pytest.raises(Conflict) as caught:
        world.enter(school_class, "CN", FIRST, [(FINAL, 0)], {student: ["9"]}, request_id=request_id)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert [v.value for v in cell(world, school_class, "CN", (FINAL, 0), student)] == ["7", "8"]


def test_no_window_no_entry(world: World, school_class: SchoolClass) -> None:
    world.rows("UPDATE entry_window SET semesters = '{2}' WHERE name = 'CN' RETURNING 1")
    refused(world, Rejected, "WINDOW_CLOSED", school_class)
    world.rows("UPDATE entry_window SET semesters = '{1,2}', mark_kinds = '{1}' WHERE name = 'CN' RETURNING 1")
    refused(world, Rejected, "WINDOW_CLOSED", school_class)
    world.rows("UPDATE entry_window SET mark_kinds = '{1,2,3}', close_time = now() WHERE name = 'CN' RETURNING 1")
    refused(world, Rejected, "WINDOW_CLOSED", school_class)
    world.rows("UPDATE entry_window SET close_time = now() + interval '1h' WHERE name = 'CN' RETURNING 1")
    world.enter(school_class, "GDCD", SECOND, [(FINAL, 0)], {school_class.students[0].id: ["8"]})


def test_conduct_and_absences_are_the_homeroom_teachers(world: World, school_class: SchoolClass) -> None:
    student = school_class.students[0].id
    fields = {"school_class": world.ref(school_class), "request_id": str(uuid.uuid4())}
    conduct = {**fields, "semester": FIRST, "rows": [marks_pb2.ConductRow(student=student, level=1)]}
    absences = {**fields, "rows": [marks_pb2.AbsenceRow(student=student, excused=3, unexcused=1)]}
    for rpc, request in (("EnterConduct", conduct), ("EnterAbsences", absences)):
        with pytest.raises(Forbidden) as caught:
            world.ask(rpc, person=world.school.principal, **request)
        assert caught.value.reason == "ROLE_REQUIRED"
    world.ask("EnterConduct", person=school_class.homeroom_teacher, **conduct)
    world.ask("EnterConduct", person=school_class.homeroom_teacher, **conduct)
    with pytest.raises(Conflict):
        world.ask("EnterAbsences", person=school_class.homeroom_teacher, **absences)
    world.ask("EnterAbsences", person=school_class.homeroom_teacher, **{**absences, "request_id": str(uuid.uuid4())})
    bad = [
        marks_pb2.AbsenceRow(student=student, excused=401),
        marks_pb2.AbsenceRow(student=student, excused=300, unexcused=300),
    ]
    with pytest.raises(Invalid) as caught_bad:
        world.ask("EnterAbsences", person=school_class.homeroom_teacher, **{**absences, "rows": bad})
    assert {v.field for v in caught_bad.value.violations} == {"rows[0].excused", "rows[0]", "rows[1]"}
    summary = world.ask("GetClassSummary", school_class=world.ref(school_class), stage=2).students[0]
    assert summary.absent_sessions == 4
    assert summary.semester_1.conduct_result == 1
    assert summary.promotion == ""


def test_the_history_is_bound_into_the_audit_chain(world: World, school_class: SchoolClass) -> None:
    with world.database.transaction() as tx:
        checked = act_digests.check_audit(tx)
    assert {"MARKS_ENTERED", "MARKS_SETTLED", "CONDUCT_ENTERED", "ABSENCES_ENTERED"} <= checked.keys()
    assert world.rows("SELECT count(*) FROM entry") == [(sum(checked.values()),)]
