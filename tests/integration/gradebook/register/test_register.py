"""Register numbers and movements inside a school, through real gRPC and PostgreSQL."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hoso.gradebook.v1 import class_book_pb2, register_pb2

from services.common.errors import Forbidden, Invalid, Rejected
from tests.integration.gradebook.register.schools import (
    Kind,
    decision,
    details,
    line,
    move,
    register_all,
    state,
    transfer_out,
)
from tests.integration.gradebook.world import DEPARTMENT, FIRST, REGULAR, WHOLE_YEAR, World, student_message


def rows(*students: Any, entered_on: str = "2025-08-20", **fields: Any) -> list[register_pb2.RegisterRow]:
    return [
        register_pb2.RegisterRow(student=student.id, entered_on=entered_on, details=details(**fields))
        for student in students
    ]


def refused(world: World, rpc: str, **fields: Any) -> set[tuple[str, str]]:
    before = world.rows("SELECT * FROM student_registration ORDER BY 2"), world.rows("SELECT * FROM student_movement")
    with pytest.raises(Invalid) as caught:
        world.ask(rpc, **fields)
    assert before == (
        world.rows("SELECT * FROM student_registration ORDER BY 2"),
        world.rows("SELECT * FROM student_movement"),
    )
    return {(v.field, v.rule) for v in caught.value.violations}


def test_numbers_follow_the_request_and_are_given_once(world: World) -> None:
    school_class, other = world.school.classes
    clerk = world.school.seal_custodian
    call = {"person": clerk, **world.year}
    first, second, third = school_class.students[2], school_class.students[0], school_class.students[1]
    answer = world.ask("RegisterStudents", **call, rows=rows(first, second))
    assert list(answer.register_numbers) == [1, 2]
    again = world.ask("RegisterStudents", **call, rows=rows(third, first, national_id="", note="Chuyển hộ khẩu"))
    assert list(again.register_numbers) == [3, 1]
    assert line(world, first.id).details.note == "Chuyển hộ khẩu"
    assert line(world, first.id).student.name == first.name
    assert [m.kind for m in world.ask("ListMovements", **world.year, student=first.id).movements] == [
        Kind.MOVEMENT_KIND_ENROLLED
    ]

    bad = [
        *rows(other.students[0], national_id="12"),
        *rows(other.students[1], entered_on="2999-01-01"),
        register_pb2.RegisterRow(student="31999", entered_on="2025-08-20", details=details(nationality="")),
    ]
    assert refused(world, "RegisterStudents", **call, rows=bad) == {
        ("rows[0].details.national_id", "NATIONAL_ID"),
        ("rows[1].entered_on", "DATE"),
        ("rows[2].details.nationality", "LENGTH"),
    }
    unknown = [register_pb2.RegisterRow(student="31999", entered_on="2025-08-20", details=details())]
    assert refused(world, "RegisterStudents", **call, rows=unknown) == {("rows[0].student", "STUDENT_UNKNOWN")}
    later = rows(first, entered_on="2025-08-21")
    assert refused(world, "RegisterStudents", **call, rows=later) == {("rows[0].entered_on", "ENTERED_ON_FIXED")}
    twins = rows(*other.students[:2], national_id="031314000001")
    assert refused(world, "RegisterStudents", **call, rows=twins) == {("rows[1].details.national_id", "DUPLICATE")}
    with pytest.raises(Forbidden) as caught:
        world.ask("RegisterStudents", person=world.school.principal, **world.year, rows=rows(first))
    assert caught.value.reason == "ROLE_REQUIRED"


def test_two_callers_at_once_leave_no_gap(world: World) -> None:
    everyone = [student for school_class in world.school.classes for student in school_class.students]

    def register(student: Any) -> int:
        people = (world.school.seal_custodian, world.school.data_officer)
        person = people[everyone.index(student) % 2]
        return int(world.ask("RegisterStudents", person=person, **world.year, rows=rows(student)).register_numbers[0])

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(register, everyone))
    assert sorted(numbers) == list(range(1, len(everyone) + 1))
    pages, token = [], ""
    while True:
        page = world.ask("GetRegister", client=DEPARTMENT, **world.year, page_size=5, page_token=token)
        pages += [entry.register_number for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert pages == sorted(numbers)


def test_register_and_movements_are_only_appended(world: World) -> None:
    register_all(world)
    for statement in (
        "UPDATE student_movement SET reason = 'x'",
        "DELETE FROM student_movement",
        "TRUNCATE student_movement CASCADE",
        "DELETE FROM student_registration",
        "UPDATE student_registration SET register_number = register_number + 1000",
        "UPDATE student_registration SET entered_on = '2024-01-01'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), world.database.transaction() as tx:
            tx.execute(statement)  # type: ignore[arg-type]


def test_the_states_of_a_student_decide(world: World) -> None:
    register_all(world)
    student = world.school.classes[0].students[3].id
    first = move(world, student, "SUSPENDED", date="2025-11-03", reason="Chữa bệnh")
    assert move(world, student, "SUSPENDED", date="2025-11-03", reason="Chữa bệnh") == first
    assert (state(world, student), line(world, student).left_on) == ("SUSPENDED", "2025-11-03")
    with pytest.raises(Rejected) as caught:
        move(world, student, "CLASS_CHANGED", to_class="6A2")
    assert (caught.value.reason, caught.value.facts["state"]) == ("STUDENT_STATE", "SUSPENDED")
    with pytest.raises(Rejected) as caught:
        move(world, student, "RETURNED", date="2025-11-02", to_class="6A1")
    assert caught.value.reason == "MOVEMENT_ORDER"
    call = {"person": world.school.principal, **world.year, "student": student, "date": "2025-12-01"}
    returned = Kind.MOVEMENT_KIND_RETURNED
    assert refused(world, "RecordMovement", **call, kind=returned, decision=decision()) == {("to_class", "REQUIRED")}
    assert refused(world, "RecordMovement", **call, kind=returned) == {("decision", "REQUIRED")}
    transferred = Kind.MOVEMENT_KIND_TRANSFERRED_IN
    assert refused(world, "RecordMovement", **call, kind=transferred, decision=decision()) == {("kind", "ENUM")}
    back = move(world, student, "RETURNED", date="2025-12-01", to_class="6A1")
    assert (state(world, student), back.carried) == ("STUDYING", 0)
    listed = world.ask("ListStudents", school_class=world.ref(world.school.classes[0])).students
    assert (listed[3].moet_student_id, listed[3].left_on, len(listed)) == (student, "", 6)
    with pytest.raises(Rejected) as caught:
        move(world, student, "GRADUATED", date="2026-06-01")
    assert caught.value.reason == "GRADE_LEVEL"

    gone = world.school.classes[0].students[4].id
    with pytest.raises(Rejected) as caught:
        move(world, gone, "PAPERS_RETURNED", person=world.school.seal_custodian)
    assert caught.value.reason == "STUDENT_STATE"
    transfer_out(world, gone, to_school_name="Trường THCS Trần Phú, Hà Nội")
    with pytest.raises(Forbidden):
        move(world, gone, "PAPERS_RETURNED", person=world.school.principal)
    move(world, gone, "PAPERS_RETURNED", person=world.school.seal_custodian, reason="Học bạ, bản sao giấy khai sinh")
    assert line(world, gone).papers_returned
    unchanged = student_message(world.school.classes[0].students[4])
    world.ask("PutStudents", school_class=world.ref(world.school.classes[0]), students=[unchanged])
    elsewhere = student_message(world.school.classes[0].students[4], number=7)
    with pytest.raises(Rejected) as caught:
        world.ask("PutStudents", school_class=world.ref(world.school.classes[1]), students=[elsewhere])
    assert caught.value.reason == "MOVEMENT_REQUIRED"
    assert (
        world.ask("ListStudents", school_class=world.ref(world.school.classes[0])).students[4].left_on == "2026-01-19"
    )


def test_a_change_of_class_takes_the_marks_along_and_back(world: World) -> None:
    register_all(world)
    school_class, other = world.school.classes
    student = school_class.students[5].id
    world.enter(school_class, "TOAN", FIRST, [(REGULAR, 1), (REGULAR, 2)], {student: ["8", "7.5"]})
    done = move(world, student, "CLASS_CHANGED", date="2025-12-01", to_class="6A2")
    assert (done.from_class, done.to_class, done.carried) == ("6A1", "6A2", 2)
    sheet = world.ask("GetMarkSheet", school_class=world.ref(other), subject="TOAN", semester=FIRST).rows
    assert (sheet[-1].student, list(sheet[-1].regular)[:2]) == (student, ["8", "7.5"])
    with pytest.raises(Invalid) as caught:
        world.enter(school_class, "TOAN", FIRST, [(REGULAR, 3)], {student: ["9"]})
    assert [(v.field, v.rule) for v in caught.value.violations] == [("rows[0].student", "STUDENT_LEFT")]
    world.enter(other, "TOAN", FIRST, [(REGULAR, 1), (REGULAR, 3)], {student: ["9", "10"]})
    back = move(world, student, "CLASS_CHANGED", date="2025-12-15", to_class="6A1")
    assert back.carried == 2
    (row,) = [
        row
        for row in world.ask("GetMarkSheet", school_class=world.ref(school_class), subject="TOAN", semester=FIRST).rows
        if row.student == student
    ]
    assert list(row.regular)[:3] == ["9", "7.5", "10"]
    numbers = [s.number for s in world.ask("ListStudents", school_class=world.ref(school_class)).students]
    assert numbers == [1, 2, 3, 4, 5, 6]
    missing = world.ask("ListMissing", school_class=world.ref(other), stage=WHOLE_YEAR).missing
    assert student not in {item.student for item in missing}
    wrong = {"person": world.school.principal, **world.year, "student": student, "date": "2025-12-16"}
    for name, rule in (("6A1", "SAME_CLASS"), ("9A9", "CLASS_UNKNOWN")):
        fields = {**wrong, "kind": Kind.MOVEMENT_KIND_CLASS_CHANGED, "decision": decision(), "to_class": name}
        assert refused(world, "RecordMovement", **fields) == {("to_class", rule)}


def test_attendance_by_month_and_exemptions_follow(world: World) -> None:
    register_all(world)
    first_class, other = world.school.classes
    student = first_class.students[2].id
    for school_class, absent in ((first_class, student), (other, other.students[0].id)):
        absence = class_book_pb2.Absence(day=3, session=class_book_pb2.SESSION_MORNING, excused=True)
        world.ask(
            "EnterAttendance",
            person=school_class.homeroom_teacher,
            request_id=str(uuid.uuid4()),
            school_class=world.ref(school_class),
            month="2025-10",
            rows=[class_book_pb2.AttendanceRow(student=absent, absences=[absence])],
        )
    world.ask(
        "RecordPracticalExemption",
        person=world.school.principal,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(first_class),
        subject="GDTC",
        student=student,
        semesters=[FIRST],
        decision="12/QĐ-THCS",
    )
    assert move(world, student, "CLASS_CHANGED", date="2025-11-03", to_class="6A2").carried == 1
    sheet = world.ask("GetAttendance", school_class=world.ref(other), month="2025-10").rows
    assert {(row.student, row.excused) for row in sheet} == {(student, 1), (other.students[0].id, 1)}
    rows = world.ask("GetMarkSheet", school_class=world.ref(other), subject="GDTC", semester=FIRST).rows
    assert [row.student for row in rows if row.practical_exemption] == [student]


def test_the_same_call_twice_at_once_is_one_movement(world: World) -> None:
    register_all(world)
    student = world.school.classes[1].students[1].id
    with ThreadPoolExecutor(4) as pool:
        movements = list(pool.map(lambda _: move(world, student, "WITHDRAWN", date="2026-03-02").id, range(4)))
    assert len(set(movements)) == 1
    (row,) = world.rows("SELECT count(*) FROM student_movement WHERE id = %s", movements[0])
    assert row == (1,)


def test_nobody_leaves_under_an_open_correction(world: World) -> None:
    register_all(world)
    school_class = world.school.classes[1]
    student, teacher = school_class.students[4].id, school_class.assignments["TOAN"][0]
    world.enter(school_class, "TOAN", FIRST, [(REGULAR, 1)], {student: ["8"]})
    world.close_window()
    correction = world.ask(
        "RequestCorrection",
        person=teacher,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(school_class),
        subject="TOAN",
        semester=FIRST,
        column={"kind": REGULAR, "position": 1},
        student=student,
        new_value="9",
        reason="Nhập nhầm điểm của bạn kế bên.",
        evidence={"description": "Bài kiểm tra, tủ hồ sơ tổ Toán", "sha256": bytes(32)},
    ).correction
    for call in (
        lambda: move(world, student, "CLASS_CHANGED", to_class="6A1"),
        lambda: transfer_out(world, student, to_school_name="Trường THCS Trần Phú"),
    ):
        with pytest.raises(Rejected) as caught:
            call()
        assert caught.value.reason == "CORRECTION_OPEN"
    world.ask("WithdrawCorrection", person=teacher, correction=correction.id)
    assert move(world, student, "CLASS_CHANGED", to_class="6A1").carried == 1
