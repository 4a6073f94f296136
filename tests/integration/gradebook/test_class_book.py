"""Attendance by month and the principal's remarks through real gRPC into real PostgreSQL."""

import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import class_book_pb2, common_pb2, marks_pb2

from demo.school import SchoolClass
from services.common.db import StatementError
from services.common.errors import Conflict, Forbidden, Invalid, Rejected
from tests.integration.gradebook.world import WHOLE_YEAR, World

MORNING, AFTERNOON = class_book_pb2.SESSION_MORNING, class_book_pb2.SESSION_AFTERNOON
Listed = list[tuple[int, int, bool]]


def enter(world: World, school_class: SchoolClass, month: str, rows: dict[str, Listed], **more: Any) -> Any:
    fields: dict[str, Any] = {"request_id": str(uuid.uuid4()), "person": school_class.homeroom_teacher}
    return world.ask(
        "EnterAttendance",
        school_class=world.ref(school_class),
        month=month,
        rows=[
            class_book_pb2.AttendanceRow(
                student=student,
                absences=[class_book_pb2.Absence(day=d, session=s, excused=e) for d, s, e in listed],  # type: ignore[arg-type]
            )
            for student, listed in rows.items()
        ],
        **{**fields, **more},
    )


def sheet(world: World, school_class: SchoolClass, month: str) -> Any:
    return world.ask("GetAttendance", school_class=world.ref(school_class), month=month)


def missing(world: World, school_class: SchoolClass, stage: int = WHOLE_YEAR) -> set[tuple[str, str]]:
    answer = world.ask("ListMissing", school_class=world.ref(school_class), stage=stage).missing
    return {(m.kind, m.month) for m in answer if m.kind in ("ABSENCES", "ATTENDANCE")}


def absences(world: World, school_class: SchoolClass, student: str) -> Any:
    return world.ask(
        "EnterAbsences",
        person=school_class.homeroom_teacher,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(school_class),
        rows=[marks_pb2.AbsenceRow(student=student, excused=3)],
    )


def test_totals_follow_from_the_sheets_as_soon_as_there_is_one(world: World, school_class: SchoolClass) -> None:
    first, second, *others = (student.id for student in school_class.students)
    absences(world, school_class, first)
    assert missing(world, school_class) == {("ABSENCES", "")}
    answer = enter(
        world,
        school_class,
        "2025-10",
        {first: [(3, MORNING, True), (3, AFTERNOON, True), (31, MORNING, False)], second: []},
    )
    assert (answer.changed, answer.unchanged) == (2, 0)
    enter(world, school_class, "2025-09", {first: [(5, MORNING, False)]})

    answer = sheet(world, school_class, "2025-10")
    assert list(answer.months) == ["2025-09", "2025-10"]
    assert [row.student for row in answer.rows] == [first, second]
    row = answer.rows[0]
    assert [(a.day, a.session, a.excused) for a in row.absences] == [
        (3, MORNING, True),
        (3, AFTERNOON, True),
        (31, MORNING, False),
    ]
    assert (row.excused, row.unexcused, row.year_excused, row.year_unexcused, row.version) == (2, 1, 2, 2, 1)
    with pytest.raises(Rejected) as kept:
        absences(world, school_class, first)
    assert kept.value.reason == "ATTENDANCE_KEPT"
    summary = world.ask("GetClassSummary", school_class=world.ref(school_class), stage=WHOLE_YEAR).students[0]
    assert summary.absent_sessions == 4  # the total of 3 that was entered before counts no more
    months = [f"2025-{m:02d}" for m in range(9, 13)] + [f"2026-{m:02d}" for m in range(1, 6)]
    assert missing(world, school_class) == {("ATTENDANCE", month) for month in months}
    assert missing(world, school_class, common_pb2.STAGE_SEMESTER_1) == {("ATTENDANCE", month) for month in months[:4]}
    for month in months:
        enter(world, school_class, month, {student: [] for student in (first, second, *others)})
    assert missing(world, school_class) == set()


def test_a_new_sheet_replaces_that_of_the_students_named_and_every_version_stays(
    world: World, school_class: SchoolClass
) -> None:
    first, second = (student.id for student in school_class.students[:2])
    request = str(uuid.uuid4())
    enter(
        world, school_class, "2026-02", {first: [(2, MORNING, True)], second: [(2, MORNING, True)]}, request_id=request
    )
    again = enter(world, school_class, "2026-02", {second: [(2, MORNING, True)], first: [(4, AFTERNOON, False)]})
    assert (again.changed, again.unchanged) == (1, 1)
    same = enter(
        world, school_class, "2026-02", {first: [(2, MORNING, True)], second: [(2, MORNING, True)]}, request_id=request
    )
    assert same.changed == 2  # the first answer, and nothing happens
    rows = {row.student: row for row in sheet(world, school_class, "2026-02").rows}
    assert [(a.day, a.session) for a in rows[first].absences] == [(4, AFTERNOON)]
    versions = world.rows(
        "SELECT version, excused, unexcused FROM attendance a JOIN student s ON s.id = a.student_id"
        " WHERE month = '2026-02-01' AND moet_student_id = %s ORDER BY version DESC LIMIT 2",
        first,
    )
    assert [row[1:] for row in versions] == [([], [42]), ([21], [])]
    with pytest.raises(Conflict):
        enter(world, school_class, "2026-02", {first: []}, request_id=request)
    for statement in ("UPDATE attendance SET excused = '{11}' RETURNING 1", "DELETE FROM attendance RETURNING 1"):
        with pytest.raises(StatementError, match="refused"):
            world.rows(statement)
    audited = world.rows("SELECT action, facts ->> 'month' FROM audit_entry WHERE facts ->> 'request' = %s", request)
    assert audited == [("ATTENDANCE_ENTERED", "2026-02")]


def test_everything_wrong_with_a_sheet_is_told_and_nothing_is_written(world: World, school_class: SchoolClass) -> None:
    first, second = (student.id for student in school_class.students[:2])
    before = world.rows("SELECT count(*) FROM attendance")
    with pytest.raises(Invalid) as wrong:
        enter(
            world,
            school_class,
            "2026-02",
            {first: [(29, MORNING, True), (3, 3, True)], second: [(3, MORNING, True), (3, MORNING, False)]},
        )
    assert [(v.field, v.rule) for v in wrong.value.violations] == [
        ("rows[0].absences[0].day", "NO_SUCH_DATE"),
        ("rows[0].absences[1].session", "ENUM"),
        ("rows[1].absences[1]", "DUPLICATE"),
    ]
    for month in ("2025-07", "2026-07", "2026-13", "09/2025", ""):
        with pytest.raises(Invalid) as outside:
            enter(world, school_class, month, {first: []})
        assert [(v.field, v.rule) for v in outside.value.violations] == [("month", "MONTH")]
    with pytest.raises(Invalid) as unknown:
        enter(world, school_class, "2026-02", {"who": []})
    assert unknown.value.violations[0].rule == "STUDENT_UNKNOWN"
    with pytest.raises(Forbidden) as other:
        enter(world, school_class, "2026-02", {first: []}, person=world.school.principal)
    assert other.value.reason == "ROLE_REQUIRED"
    assert world.rows("SELECT count(*) FROM attendance") == before


def test_the_principal_remarks_each_month_and_every_version_stays(world: World, school_class: SchoolClass) -> None:
    def remark(month: str, text: str, person: str = world.school.principal) -> int:
        answer = world.ask(
            "RecordPrincipalRemark", person=person, school_class=world.ref(school_class), month=month, remark=text
        )
        return int(answer.version)

    assert remark("2025-10", "Giáo viên ghi sổ đầy đủ, đúng hạn.") == 1
    assert remark("2025-09", "Sổ ghi đầy đủ.") == 1
    assert remark("2025-10", "Giáo viên ghi sổ đầy đủ, đúng hạn.") == 1
    assert remark("2025-10", "Ghi sổ đầy đủ; môn Toán còn chậm hai ngày.") == 2
    listed = world.ask("ListPrincipalRemarks", school_class=world.ref(school_class)).remarks
    assert [(r.month, r.version) for r in listed] == [("2025-09", 1), ("2025-10", 1), ("2025-10", 2)]
    assert {r.person for r in listed} == {world.school.principal}
    with pytest.raises(Forbidden):
        remark("2025-10", "Nhận xét của người khác.", school_class.homeroom_teacher)
    for month, text, rule in (("2025-10", "x" * 501, "LENGTH"), ("2026-09", "Tốt.", "MONTH")):
        with pytest.raises(Invalid) as wrong:
            remark(month, text)
        assert wrong.value.violations[0].rule == rule
    with pytest.raises(StatementError, match="refused"):
        world.rows("UPDATE principal_remark SET remark = '' RETURNING 1")
