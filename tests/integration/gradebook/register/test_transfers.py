"""Transfers between two schools of one deployment with different vendors, and from outside."""

import json
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2, marks_pb2, register_pb2

from services.common.errors import Forbidden, Invalid, NotFound, Rejected
from services.print.content import parse
from tests.integration.gradebook.register.schools import (
    decision,
    details,
    line,
    move,
    register_all,
    state,
    transfer_in,
    transfer_out,
)
from tests.integration.gradebook.world import (
    FINAL,
    FIRST,
    MIDTERM,
    REGULAR,
    SECOND,
    WHOLE_YEAR,
    World,
    columns,
    student_message,
)


def reason_of(call: Any, *arguments: Any, **fields: Any) -> str:
    with pytest.raises(Rejected) as caught:
        call(*arguments, **fields)
    return caught.value.reason


def test_a_transfer_at_the_end_of_semester_1(world: World, second: World) -> None:
    """The data of semester I come along; the first school's book closes with the student in it."""
    # 1. Two schools, semester I complete in the first.
    school_class, joined = world.school.classes[0], second.school.classes[0]
    assert register_all(world, national_id="") == list(range(1, 13))
    assert register_all(second) == list(range(1, 6))
    world.complete(school_class, (1,))
    student = school_class.students[1]
    to = {"to_school": second.school.code}

    # 2. The student leaves, and a repeated call answers the same.
    out = transfer_out(world, student.id, reason="Theo gia đình", **to)
    assert transfer_out(world, student.id, reason="Theo gia đình", **to) == out
    assert (out.from_class, out.other_school, out.other_school_name) == ("6A1", second.school.code, second.school.name)
    assert world.ask("GetStudentPath", school=world.school.code, student=student.id).stations[0].register_number == 2

    # 3. The second school takes the student in.
    answer = transfer_in(second, student.id, from_school=world.school.code)
    assert transfer_in(second, student.id, from_school=world.school.code) == answer
    movement = answer.movement
    marks = sum(subject.regular_count + 2 for subject in world.school.subjects[6])
    assert (answer.register_number, movement.carried, movement.to_class) == (6, marks + 1 + 2, joined.name)
    assert (state(world, student.id), state(second, student.id)) == ("TRANSFERRED_OUT", "STUDYING")

    # 4. Marks, results and conduct came along, and their history says from where.
    for subject in world.school.subjects[6]:
        there, here = (
            school.ask("GetMarkSheet", school_class=school.ref(listed), subject=subject.code, semester=FIRST).rows
            for school, listed in ((world, school_class), (second, joined))
        )
        (left,) = [row for row in there if row.student == student.id]
        assert here[5] == left
        assert left.result
    (version,) = second.ask(
        "GetMarkHistory",
        school_class=second.ref(joined),
        subject="TOAN",
        semester=FIRST,
        column=marks_pb2.MarkColumn(kind=FINAL),
        student=student.id,
    ).versions
    teacher = school_class.assignments["TOAN"][0]
    assert (version.version, version.kind, version.person) == (1, "CARRIED_OVER", second.school.principal)
    assert version.reason.startswith(f"Chuyển từ {world.school.name}, lớp 6A1: {teacher} nhập lúc ")
    (summary,) = [
        row
        for row in second.ask("GetClassSummary", school_class=second.ref(joined), stage=WHOLE_YEAR).students
        if row.student == student.id
    ]
    assert summary.semester_1.learning_result
    assert summary.semester_1.conduct_result

    # 5. The register number of the first school stays; personal details and path went along, the
    # reason did not.
    assert line(world, student.id).register_number == 2
    assert line(second, student.id).student.name == student.name
    assert line(second, student.id).details.from_school == world.school.name
    path = second.ask("GetStudentPath", school=second.school.code, student=student.id)
    assert [(s.school, s.register_number, s.year.class_name, s.year.left_on) for s in path.stations] == [
        (world.school.code, 2, "6A1", "2026-01-19"),
        (second.school.code, 6, joined.name, ""),
    ]
    assert [m.reason for m in path.movements] == ["", "", ""]
    with pytest.raises(Forbidden) as caught:
        world.ask("GetStudentPath", school=world.school.code, student=student.id)
    assert caught.value.reason == "STUDENT_ELSEWHERE"

    # 6. Semester II is keyed in the second school only.
    second.enter(joined, "TOAN", SECOND, [(REGULAR, 1)], {student.id: ["8"]})
    with pytest.raises(Invalid) as left_class:
        world.enter(school_class, "TOAN", SECOND, [(REGULAR, 1)], {student.id: ["8"]})
    assert [v.rule for v in left_class.value.violations] == ["STUDENT_LEFT"]

    # 7. The year of the students who stayed is completed; the book counts the student as left.
    staying = [classmate.id for classmate in school_class.students if classmate.id != student.id]
    complete_semester_2(world, staying)
    assert world.ask("ListMissing", school_class=world.ref(school_class), stage=WHOLE_YEAR).total == 0
    world.close_window()
    book = world.ask(
        "FreezeBook", person=school_class.homeroom_teacher, school_class=world.ref(school_class), stage=WHOLE_YEAR
    ).book
    raw = world.ask("DownloadBookContent", book=book.id)
    content = parse(raw).data  # as print reads it
    assert content["students"][1]["note"] == "Chuyển trường ngày 19/01/2026"
    evaluation = content["year"]["evaluation"][1]
    assert (evaluation["promotion"], evaluation["award"], evaluation["learning_result"]) == (None, None, None)
    totals = content["year"]["totals"]
    counted = totals["promoted"] + totals["not_promoted"] + totals["pending_summer"]
    assert (totals["students"], counted) == (6, 5)

    # 8. The year of the class is frozen: nobody joins it, and a student who leaves has finished it.
    late = school_class.students[0].id
    assert reason_of(move, world, late, "CLASS_CHANGED", date="2026-05-29", to_class="6A2") == "BOOK_LOCKED"
    transfer_out(world, late, date="2026-05-29", to_school_name="Trường THCS Trần Phú, Hà Nội")
    assert world.ask("ListStudents", school_class=world.ref(school_class)).students[0].left_on == ""


def complete_semester_2(world: World, students: list[str]) -> None:
    """Everything that the year still needs of these students of the first class."""
    school_class = world.school.classes[0]
    for subject in world.school.subjects[6]:
        sheet = world.school.sheet(school_class, subject, SECOND)
        world.enter(
            school_class, subject.code, SECOND, columns(subject), {student: sheet[student] for student in students}
        )
    world.enter_conduct(school_class, SECOND, dict.fromkeys(students, common_pb2.LEVEL_EXCELLENT))


def test_a_transfer_needs_both_sides(world: World, second: World) -> None:
    other = world.school.classes[1]
    student, outside, third = (student.id for student in other.students[:3])
    code = world.school.code
    assert reason_of(transfer_in, second, student, from_school=code) == "TRANSFER_NOT_RECORDED"
    assert reason_of(transfer_in, second, student, from_school_name="Trường THCS khác") == "STUDENT_ELSEWHERE"
    listed = [student_message(other.students[0], number=7)]
    joined = second.ref(second.school.classes[0])
    with pytest.raises(Rejected) as caught:
        second.ask("PutStudents", school_class=joined, students=listed)
    assert caught.value.reason == "STUDENT_ELSEWHERE"
    for fields, field, rule in (
        ({"to_school": "31000999"}, "to_school", "SCHOOL_UNKNOWN"),
        ({"to_school": code}, "to_school", "SAME_SCHOOL"),
        ({}, "to_school", "ONE_SCHOOL"),
        ({"to_school_name": "Trường khác", "date": "2025-05-19"}, "date", "DATE_OUTSIDE_YEAR"),
        ({"to_school_name": "Trường khác", "decision": None}, "decision", "REQUIRED"),
    ):
        with pytest.raises(Invalid) as wrong:
            transfer_out(world, student, **fields)
        assert [(v.field, v.rule) for v in wrong.value.violations] == [(field, rule)]

    # To a school outside: the second school, not named, may not take the student in.
    transfer_out(world, outside, to_school_name="Trường THCS Trần Phú, Hà Nội")
    assert reason_of(transfer_in, second, outside, from_school=code) == "TRANSFER_OTHER_SCHOOL"
    with pytest.raises(Rejected) as put:
        second.ask("PutStudents", school_class=joined, students=[student_message(other.students[1], number=7)])
    assert put.value.reason == "MOVEMENT_REQUIRED"

    transfer_out(world, student, to_school=second.school.code)
    before = transfer_in(second, student, from_school=code, number=7, details=details(national_id="031314000009"))
    assert before.movement.carried == 0
    assert reason_of(transfer_in, second, student, from_school=code, date="2026-01-20") == "TRANSFER_NOT_RECORDED"
    assert reason_of(move, world, student, "RETURNED", date="2026-02-02", to_class="6A2") == "STUDENT_ELSEWHERE"
    with pytest.raises(Invalid) as personal:
        transfer_out(world, third, to_school=second.school.code)
        transfer_in(second, third, from_school=code, personal=student_message(other.students[2]))
    assert [(v.field, v.rule) for v in personal.value.violations] == [("personal", "NOT_ALLOWED")]
    with pytest.raises(Invalid) as twice:
        transfer_in(second, third, from_school=code, details=details(national_id="031314000009"))
    assert [(v.field, v.rule) for v in twice.value.violations] == [("details.national_id", "DUPLICATE")]
    # A transfer that came to nothing: back in the old class, and the departure is no longer open.
    move(world, third, "RETURNED", date="2026-01-26", to_class="6A2")
    assert reason_of(transfer_in, second, third, from_school=code, date="2026-01-26") == "TRANSFER_NOT_RECORDED"


def test_back_again_with_what_was_entered_meanwhile(world: World, second: World) -> None:
    """Out and back in one year: the number and the place in the list are the old ones."""
    joined = second.school.classes[0]
    student = world.school.classes[1].students[4].id
    world.plan_window("BU")
    code = world.school.code
    transfer_out(world, student, date="2025-10-06", to_school=second.school.code)
    transfer_in(second, student, date="2025-10-06", from_school=code)
    second.enter(joined, "TOAN", FIRST, [(REGULAR, 1), (MIDTERM, 0)], {student: ["7.5", "6"]})
    transfer_out(second, student, date="2025-12-01", to_school=code)
    number = line(world, student).register_number
    back = transfer_in(world, student, date="2025-12-02", class_index=1, from_school=second.school.code)
    assert (back.register_number, back.movement.carried) == (number, 2)
    listed = world.ask("ListStudents", school_class=world.ref(world.school.classes[1])).students[4]
    assert (listed.moet_student_id, listed.left_on) == (student, "")
    path = world.ask("GetStudentPath", school=code, student=student)
    assert [s.school for s in path.stations] == [code, second.school.code]
    assert len(path.movements) == 5


def test_from_outside_the_deployment(second: World) -> None:
    template = second.school.classes[0].students[0]
    new = "31777000001"
    fields = {"from_school_name": "Trường THCS Chu Văn An, Hà Nội"}
    with pytest.raises(Invalid) as caught:
        transfer_in(second, new, **fields)
    assert [(v.field, v.rule) for v in caught.value.violations] == [("personal", "REQUIRED")]
    personal = student_message(template, moet_student_id=new, name="Đỗ Minh Khôi", number=1)
    with pytest.raises(Invalid) as number:
        transfer_in(second, new, **fields, personal=personal, number=3)
    assert [v.rule for v in number.value.violations] == ["NUMBERS_NOT_CONSECUTIVE"]
    paper = {
        "earlier_marks": [earlier("TOAN", ["8", "7.5", "", "", "6", "9"])],
        "earlier_conduct": [register_pb2.EarlierConduct(semester=FIRST, level=common_pb2.LEVEL_GOOD)],
        "earlier_absences": register_pb2.EarlierAbsences(excused=2, unexcused=1),
    }
    bad = [earlier("TOAN", ["11", "7.5", "-", "", "6", "9"]), earlier("CHAO", ["8", "", "", "", "", ""])]
    with pytest.raises(Invalid) as wrong:
        transfer_in(second, new, **fields, personal=personal, earlier_marks=bad)
    assert {(v.field, v.rule) for v in wrong.value.violations} == {
        ("earlier_marks[0].values[0]", "MARK_OUT_OF_RANGE"),
        ("earlier_marks[0].values", "NOT_A_MARK"),
        ("earlier_marks[1].subject", "SUBJECT_UNKNOWN"),
    }
    first = transfer_in(second, new, **fields, personal=personal, **paper)
    assert transfer_in(second, new, **fields, personal=personal, **paper) == first
    assert first.movement.carried == 4 + 1 + 2
    joined = second.ref(second.school.classes[0])
    (row,) = [
        row
        for row in second.ask("GetMarkSheet", school_class=joined, subject="TOAN", semester=FIRST).rows
        if row.student == new
    ]
    assert (list(row.regular), row.midterm, row.final) == (["8", "7.5", "", ""], "6", "9")
    column = marks_pb2.MarkColumn(kind=FINAL)
    call = {"school_class": joined, "subject": "TOAN", "semester": FIRST, "column": column, "student": new}
    (version,) = second.ask("GetMarkHistory", **call).versions
    assert (version.kind, version.reason) == ("CARRIED_OVER", "Chuyển từ Trường THCS Chu Văn An, Hà Nội theo 21/QĐ-TN")
    assert line(second, new).student.name == "Đỗ Minh Khôi"
    assert line(second, new).details.nationality == "Việt Nam"
    with pytest.raises(NotFound):
        second.ask("GetStudentPath", school=second.school.code, student="31777000002")


def earlier(subject: str, values: list[str]) -> register_pb2.EarlierMarks:
    columns = [*(marks_pb2.MarkColumn(kind=REGULAR, position=p) for p in range(1, 5))]
    columns += [marks_pb2.MarkColumn(kind=MIDTERM), marks_pb2.MarkColumn(kind=FINAL)]
    return register_pb2.EarlierMarks(subject=subject, semester=FIRST, columns=columns, values=values)


def test_only_the_right_people_and_vendors(world: World, second: World) -> None:
    student = world.school.classes[1].students[5].id
    for person in (world.school.classes[1].homeroom_teacher, world.school.seal_custodian):
        with pytest.raises(Forbidden) as caught:
            world.ask(
                "TransferOut",
                person=person,
                **world.year,
                student=student,
                date="2026-01-19",
                to_school=second.school.code,
                decision=decision(),
            )
        assert caught.value.reason == "ROLE_REQUIRED"
    with pytest.raises(Forbidden) as vendor:
        world.ask("GetRegister", client="vendor/vietschool", **world.year)
    assert vendor.value.reason == "VENDOR_NOT_AUTHORISED"
    with pytest.raises(Forbidden) as school:
        world.ask("GetRegister", token=world.token(world.school.principal, school="31000999"), **world.year)
    assert school.value.reason == "WRONG_SCHOOL"


def freeze(world: World, person: str | None = None) -> Any:
    return world.ask(
        "FreezeBook",
        person=person or world.school.seal_custodian,
        record_type=common_pb2.RECORD_TYPE_STUDENT_REGISTER,
        school_class=common_pb2.ClassRef(**world.year),
        stage=WHOLE_YEAR,
    ).book


def test_the_register_of_the_year_is_frozen_with_who_left(world: World, second: World) -> None:
    with pytest.raises(Forbidden) as caught:
        freeze(world, world.school.principal)
    assert caught.value.reason == "ROLE_REQUIRED"
    book = freeze(world)
    assert freeze(world) == book
    raw = world.ask("DownloadBookContent", book=book.id)
    parse(raw, book.content_sha256.hex())  # as print reads it: schema and rules beyond it
    rows = {row["moet_student_id"]: row for row in json.loads(raw)["rows"]}
    school_class, other = world.school.classes
    gone = rows[school_class.students[1].id]
    assert (gone["register_number"], gone["left_on"], gone["left_reason"]) == ("2", "2026-01-19", "TRANSFERRED")
    assert [(m["kind"], m["document"], m["detail"]) for m in gone["movements"]] == [
        ("ENTERED", "", ""),
        ("TRANSFERRED_OUT", "07/GGTCT ngày 16/01/2026", f"{second.school.name}; Theo gia đình"),
    ]
    assert gone["classes"] == [{"school_year": "2025-2026", "class": "6A1", "result": None}]
    promotions = {
        row.student: row.promotion
        for row in world.ask("GetClassSummary", school_class=world.ref(school_class), stage=WHOLE_YEAR).students
    }
    for student in school_class.students[2:]:
        assert rows[student.id]["classes"][0]["result"] == promotions[student.id]
    assert rows[other.students[3].id]["classes"][0]["result"] is None
    assert [m["kind"] for m in rows[other.students[2].id]["movements"]][-2:] == ["TRANSFERRED_OUT", "RETURNED"]

    # In the second school everybody has a number but a newcomer of the class list.
    new = student_message(second.school.classes[0].students[0], moet_student_id="31777000005", number=9)
    listed = second.ask("ListStudents", school_class=second.ref(second.school.classes[0])).students
    new.number = len(listed) + 1
    second.ask("PutStudents", school_class=second.ref(second.school.classes[0]), students=[new])
    with pytest.raises(Rejected) as missing:
        freeze(second)
    assert (missing.value.reason, missing.value.facts["first"]) == (
        "DATA_INCOMPLETE",
        f"REGISTER_NUMBER 6A1 {new.number}",
    )
