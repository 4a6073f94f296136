"""Teachers' books over gRPC: without a seal, from signatures to archive, with remarks."""

import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import remarks_pb2

from services.common.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from tests.integration.gradebook.books.line import Announce, State
from tests.integration.gradebook.records.lines import TEACHER_BOOK, RecordLine, remark, whole_year_ref
from tests.integration.gradebook.streams import send, sheet
from tests.integration.gradebook.world import FINAL, FIRST, SECOND, SEMESTER_1, WHOLE_YEAR, World

PERIOD_1 = remarks_pb2.REMARK_PERIOD_SEMESTER_1


def book(world: World, announce: Announce, **changes: Any) -> RecordLine:
    teacher = world.school.classes[0].assignments["TOAN"][0]
    fields = {
        "record_type": TEACHER_BOOK,
        "school_class": whole_year_ref(world),
        "teacher": teacher,
        "subject": "TOAN",
        "stage": SEMESTER_1,
    }
    return RecordLine(world, announce, changes.pop("person", teacher), **{**fields, **changes})


def test_remarks_are_their_teachers_and_keep_their_history(world: World) -> None:
    school_class = world.school.classes[0]
    teacher, request = school_class.assignments["TOAN"][0], str(uuid.uuid4())
    first, second = school_class.students[0].id, school_class.students[1].id
    rows = {first: "Tích cực phát biểu.", second: "Cần luyện tính toán."}
    for _ in range(2):
        answer = remark(world, teacher, PERIOD_1, rows, subject="TOAN", request=request)
        assert (answer.changed, answer.unchanged) == (2, 0)
    with pytest.raises(Conflict):
        remark(world, teacher, PERIOD_1, {first: "Khác."}, subject="TOAN", request=request)
    rows = {first: "Tích cực phát biểu.", second: ""}
    answer = remark(world, teacher, PERIOD_1, rows, subject="TOAN", request=str(uuid.uuid4()))
    assert (answer.changed, answer.unchanged) == (1, 1)
    sheet_fields = {"school_class": world.ref(school_class), "subject": "TOAN", "period": PERIOD_1}
    assert [(r.student, r.text, r.version) for r in world.ask("GetRemarks", **sheet_fields).remarks] == [
        (first, "Tích cực phát biểu.", 1),
        (second, "", 2),
    ]
    versions = world.ask("GetRemarks", **sheet_fields, student=second).remarks
    assert [(r.version, r.text, r.person) for r in versions] == [
        (1, "Cần luyện tính toán.", teacher),
        (2, "", teacher),
    ]
    assert not world.ask("GetRemarks", school_class=world.ref(school_class), period=PERIOD_1).remarks
    stranger = next(p.id for p in world.school.people if p.id not in school_class.assignments["TOAN"])
    for subject, person, reason in (("TOAN", stranger, "NOT_ASSIGNED"), ("", world.school.principal, "ROLE_REQUIRED")):
        with pytest.raises(Forbidden) as caught:
            remark(world, person, PERIOD_1, rows, subject=subject, request=str(uuid.uuid4()))
        assert caught.value.reason == reason
    with pytest.raises(Invalid) as wrong:
        remark(world, teacher, PERIOD_1, {"79999999": "x" * 501}, subject="TOAN", request=str(uuid.uuid4()))
    assert [(v.field, v.rule) for v in wrong.value.violations] == [("rows[0].text", "LENGTH")]
    with pytest.raises(Invalid) as unknown:
        remark(world, teacher, PERIOD_1, {"79999999": "Tốt."}, subject="TOAN", request=str(uuid.uuid4()))
    assert unknown.value.violations[0].field == "rows[0].student"


def test_a_teachers_book_goes_without_a_seal_to_the_archive(world: World, announce: Announce) -> None:
    school_class, school = world.school.classes[0], world.school
    with pytest.raises(Rejected) as open_window:
        book(world, announce)
    assert open_window.value.reason == "WINDOW_OPEN"
    world.close_window()
    line = book(world, announce)
    assert line.freeze() == line.book
    content = line.content()
    (taught,) = content["classes"]
    assert [r["remark"] for r in taught["semesters"][0]["rows"]] == ["Tích cực phát biểu.", "", ""]
    sheet = world.ask("GetMarkSheet", school_class=world.ref(school_class), subject="TOAN", semester=FIRST).rows
    assert [r["result"] for r in taught["semesters"][0]["rows"]] == [row.result for row in sheet]
    assert [s["field"] for s in content["signatories"]] == ["sig-01-teacher-TOAN", "sig-02-principal"]

    line.reconcile()
    line.start_signing()
    with pytest.raises(Rejected):
        line.lock()
    assert line.sealed().name == "DONE"  # nobody asked for it
    assert (line.state, line.now().problem != "") == ("DIGITAL_SIGNING", True)
    line.signed()
    line.lock()
    (locked,) = world.outbox("BookLocked")
    assert '"record_type":"RECORD_TYPE_TEACHER_BOOK"' in locked.replace(" ", "")
    line.archived()
    line.act("ReturnBook", school.principal, recipient="Tổ Toán")
    states = [State.Name(step.to_state).removeprefix("BOOK_STATE_") for step in line.now().history]
    assert states[-5:] == ["DIGITAL_SIGNING", "SIGNED", "LOCKED", "ARCHIVED", "RETURNED"]
    listed = world.ask("ListBooks", **world.year, record_type=TEACHER_BOOK).books
    assert [(b.id, b.teacher, b.subject, b.sealed) for b in listed] == [(line.book.id, line.preparer, "TOAN", False)]


def test_marks_and_remarks_in_a_living_teachers_book_stay(world: World, announce: Announce) -> None:
    school_class = world.school.classes[0]
    world.plan_window("SUA")
    student = school_class.students[0].id
    with pytest.raises(Rejected) as held:
        world.enter(school_class, "TOAN", FIRST, [(FINAL, 0)], {student: ["9.9"]})
    assert held.value.reason == "BOOK_LOCKED"
    world.enter(school_class, "TOAN", SECOND, [(FINAL, 0)], {student: ["9.9"]})
    world.enter(school_class, "VAN", FIRST, [(FINAL, 0)], {student: ["9.9"]})
    for period in (PERIOD_1, remarks_pb2.REMARK_PERIOD_SEMESTER_2):
        remarks = {student: "Khá."}
        if period == PERIOD_1:
            with pytest.raises(Rejected):
                remark(
                    world,
                    school_class.assignments["TOAN"][0],
                    period,
                    remarks,
                    subject="TOAN",
                    request=str(uuid.uuid4()),
                )
        else:
            remark(
                world, school_class.assignments["TOAN"][0], period, remarks, subject="TOAN", request=str(uuid.uuid4())
            )
    # The same by ImportMarks: a remark that the book holds keeps the whole sheet out.
    remarks = {student: "Giỏi."}
    before = world.rows("SELECT count(*) FROM entry")
    answers = send(
        world,
        [
            sheet(world, school_class, "TOAN", FIRST, [], rows={}, remarks=remarks),
            sheet(world, school_class, "TOAN", SECOND, [(FINAL, 0)], rows={student: ["9.8"]}, remarks=remarks),
        ],
    )
    assert [answer.refusal.reason for answer in answers] == ["BOOK_LOCKED", ""]
    assert world.rows("SELECT count(*) FROM entry") == [(before[0][0] + 1,)]
    world.close_window("SUA")
    year = book(world, announce, stage=WHOLE_YEAR)
    assert [part["semester"] for part in year.content()["classes"][0]["semesters"]] == ["SEMESTER_1", "SEMESTER_2"]


def test_paper_of_a_book_without_a_seal_is_not_stamped(world: World, announce: Announce) -> None:
    world.put_year(paper=True)
    teacher = world.school.classes[0].assignments["VAN"][0]
    line = book(world, announce, person=teacher, teacher=teacher, subject="VAN")
    line.reconcile()
    line.act("RecordHandSigned", world.school.principal)
    with pytest.raises(Rejected) as stamp:
        line.act("RecordStamped", world.school.seal_custodian)
    assert stamp.value.reason == "NO_SEAL"
    line.act("RecordPaperArchived", world.school.data_officer, place="Kho lưu trữ, tủ 3")
    line.start_signing()
    line.signed()
    line.lock()
    line.revoke()
    assert line.freeze().version == 2


def test_what_cannot_be_frozen(world: World, announce: Announce) -> None:
    for changes, error, reason in (
        ({"person": world.school.principal}, Forbidden, "ROLE_REQUIRED"),
        ({"subject": "HOAHOC"}, NotFound, "SUBJECT_NOT_TAUGHT"),
    ):
        with pytest.raises(error) as caught:
            book(world, announce, **changes)
        assert caught.value.reason == reason
    for changes in ({"stage": 3}, {"record_type": 9}, {"school_class": world.ref(world.school.classes[0])}):
        with pytest.raises(Invalid):
            book(world, announce, **changes)
