"""Sheets of marks with the subject teacher's remarks: written together or not at all, and exported
as they stand.
"""

import threading
import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import marks_pb2, remarks_pb2

from demo.school import SchoolClass
from services.common import audit
from services.common.errors import Conflict
from tests.integration.gradebook.records.lines import remark
from tests.integration.gradebook.streams import export, send, sheet
from tests.integration.gradebook.world import FINAL, FIRST, MIDTERM, SECOND, World

PERIOD_1, PERIOD_2 = remarks_pb2.REMARK_PERIOD_SEMESTER_1, remarks_pb2.REMARK_PERIOD_SEMESTER_2
SCHOOL = {"classes": 2, "students": 5}
COLUMN = [(FINAL, 0)]


def stored(world: World) -> list[tuple[Any, ...]]:
    marks = world.rows(
        "SELECT class_id, subject_id, semester, student_id, column_no, value FROM mark ORDER BY 1,2,3,4,5"
    )
    remarks = world.rows(
        "SELECT class_id, subject_id, period, student_id, version, remark FROM remark ORDER BY 1,2,3,4,5"
    )
    return [*marks, ("remarks",), *remarks]


def standing(
    world: World, school_class: SchoolClass, subject: str, period: "remarks_pb2.RemarkPeriod.ValueType"
) -> list[Any]:
    answered = world.ask("GetRemarks", school_class=world.ref(school_class), subject=subject, period=period).remarks
    return [(r.student, r.text, r.version, r.person) for r in answered]


def counts(answer: marks_pb2.ImportedSheet) -> tuple[int, int, int, int]:
    return answer.changed, answer.unchanged, answer.remarks_changed, answer.remarks_unchanged


def test_marks_and_remarks_come_together_and_again_change_nothing(world: World, school_class: SchoolClass) -> None:
    first, second = (student.id for student in school_class.students[:2])
    teacher = school_class.assignments["TOAN"][0]
    said = {first: "Tích cực phát biểu.", second: "Cần luyện tính toán."}
    sent = sheet(world, school_class, "TOAN", FIRST, COLUMN, rows={first: ["9"]}, remarks=said)
    (answer,) = send(world, [sent])
    assert counts(answer) == (1, 0, 2, 0)
    assert standing(world, school_class, "TOAN", PERIOD_1) == [
        (first, said[first], 1, teacher),
        (second, said[second], 1, teacher),
    ]
    before = stored(world)
    sent.person_token = world.token(teacher, lifetime_s=60)  # the sheet is the same, its token a newer one
    assert send(world, [sent]) == [answer]
    assert stored(world) == before

    (again,) = send(
        world, [sheet(world, school_class, "TOAN", FIRST, COLUMN, rows={first: ["9"]}, remarks={**said, second: ""})]
    )
    assert counts(again) == (0, 1, 1, 1)
    assert standing(world, school_class, "TOAN", PERIOD_1)[1] == (second, "", 2, teacher)
    actions = world.rows(
        "SELECT action, facts->>'changed' FROM audit_entry ORDER BY recorded_time DESC, sequence DESC LIMIT 2"
    )
    assert actions == [("REMARKS_ENTERED", "1"), ("MARKS_ENTERED", "0")]
    with world.database.transaction() as tx:
        assert audit.verify(tx) == []


def test_one_bad_part_keeps_the_other_out_and_everything_wrong_is_told(world: World, school_class: SchoolClass) -> None:
    first, second = (student.id for student in school_class.students[:2])
    world.rows("UPDATE entry_window SET semesters = '{1}' RETURNING 1")
    before = stored(world)
    answers = send(
        world,
        [
            sheet(world, school_class, "VAN", FIRST, COLUMN, rows={first: ["9"]}, remarks={first: "x" * 501}),
            sheet(world, school_class, "VAN", FIRST, COLUMN, rows={first: ["8,25"]}, remarks={first: "Khá."}),
            sheet(
                world,
                school_class,
                "VAN",
                FIRST,
                COLUMN,
                rows={first: ["8,25"]},
                remarks={first: "Khá.", second: "Tốt \ue011"},
            ),
            sheet(world, school_class, "VAN", FIRST, COLUMN, rows={first: ["9"]}, remarks={"79999999": "Khá."}),
            sheet(world, school_class, "VAN", FIRST, COLUMN, rows={}, remarks={first: "Khá."}),
            sheet(world, school_class, "VAN", FIRST, [], rows={}, remarks={first: "TiÕn bé, cÇn cè g¾ng."}),
            sheet(world, school_class, "VAN", SECOND, COLUMN, rows={first: ["9"]}, remarks={first: "Khá."}),
            sheet(
                world,
                school_class,
                "VAN",
                FIRST,
                COLUMN,
                rows={first: ["9"]},
                remarks={str(n): "Khá." for n in range(101)},
            ),
        ],
    )
    world.rows("UPDATE entry_window SET semesters = '{1,2}' RETURNING 1")
    assert [[(v.field, v.rule) for v in answer.refusal.violations] for answer in answers] == [
        [("remarks[0].text", "LENGTH")],
        [("rows[0].values[0]", "MARK_PRECISION")],
        [("rows[0].values[0]", "MARK_PRECISION"), ("remarks[1].text", "PRIVATE_USE_CHARACTER")],
        [("remarks[0].student", "STUDENT_UNKNOWN")],
        [("rows", "COUNT")],
        [("remarks[0].text", "LEGACY_ENCODING")],
        [],
        [("remarks", "COUNT")],
    ]
    assert answers[6].refusal.reason == "WINDOW_CLOSED"
    assert {counts(answer) for answer in answers} == {(0, 0, 0, 0)}
    assert stored(world) == before


def test_remarks_alone_need_no_open_window_but_their_teacher(world: World, school_class: SchoolClass) -> None:
    student, stranger = school_class.students[0].id, world.school.principal
    world.rows("UPDATE entry_window SET semesters = '{1}' RETURNING 1")
    answers = send(
        world,
        [
            sheet(world, school_class, "TIN", SECOND, [], rows={}, remarks={student: "Khá."}),
            sheet(world, school_class, "TIN", SECOND, [], rows={}, remarks={student: "Kém."}, person=stranger),
            sheet(world, school_class, "TIN", SECOND, [], rows={}),
        ],
    )
    world.rows("UPDATE entry_window SET semesters = '{1,2}' RETURNING 1")
    assert [(counts(answer), answer.refusal.reason) for answer in answers] == [
        ((0, 0, 1, 0), ""),
        ((0, 0, 0, 0), "NOT_ASSIGNED"),
        ((0, 0, 0, 0), "INVALID_INPUT"),
    ]
    assert standing(world, school_class, "TIN", PERIOD_2) == [(student, "Khá.", 1, school_class.assignments["TIN"][0])]


def test_a_request_id_stands_for_one_sheet_with_its_remarks(world: World, school_class: SchoolClass) -> None:
    student, same = school_class.students[0].id, str(uuid.uuid4())
    sent = sheet(
        world, school_class, "CN", FIRST, COLUMN, rows={student: ["7"]}, request_id=same, remarks={student: "Khá."}
    )
    other = sheet(
        world, school_class, "CN", FIRST, COLUMN, rows={student: ["7"]}, request_id=same, remarks={student: "Tốt."}
    )
    bare = sheet(world, school_class, "CN", FIRST, COLUMN, rows={student: ["7"]}, request_id=same)
    only = sheet(world, school_class, "CN", FIRST, [], rows={}, request_id=same, remarks={student: "Kém."})
    answers = send(world, [sent, other, bare, only, sent])
    assert [answer.refusal.reason for answer in answers] == ["", *["REQUEST_ID_REUSED"] * 3, ""]
    assert answers[0] == answers[4]
    with pytest.raises(Conflict):
        remark(world, school_class.assignments["CN"][0], PERIOD_1, {student: "Kém."}, subject="CN", request=same)
    bare.sheet.request_id = only.sheet.request_id = str(uuid.uuid4())
    assert [answer.refusal.reason for answer in send(world, [bare, only])] == ["", "REQUEST_ID_REUSED"]
    assert [text for _, text, _, _ in standing(world, school_class, "CN", PERIOD_1)] == ["Khá."]


def test_an_export_shows_the_remarks_of_its_subject_and_semester(world: World, school_class: SchoolClass) -> None:
    first, second = (student.id for student in school_class.students[:2])
    send(
        world,
        [
            sheet(world, school_class, "GDCD", FIRST, [], rows={}, remarks={first: "Học kì một."}),
            sheet(world, school_class, "GDCD", SECOND, [], rows={}, remarks={first: "Học kì hai.", second: "Khá."}),
            sheet(world, school_class, "GDCD", SECOND, [], rows={}, remarks={second: ""}),
        ],
    )
    teacher = school_class.assignments["GDCD"][0]
    whole_year = remarks_pb2.REMARK_PERIOD_WHOLE_YEAR
    remark(world, teacher, whole_year, {first: "Cả năm."}, subject="GDCD", request=str(uuid.uuid4()))
    remark(world, school_class.homeroom_teacher, PERIOD_1, {first: "Ngoan."}, subject="", request=str(uuid.uuid4()))
    answered = {
        (s.subject, s.semester): s for s in export(world, classes=[school_class.name], subjects=["GDCD", "GDTC"])
    }
    assert [row.remark for row in answered["GDCD", FIRST].rows] == ["Học kì một.", "", "", "", ""]
    assert [row.remark for row in answered["GDCD", SECOND].rows] == ["Học kì hai.", "", "", "", ""]
    assert {row.remark for semester in (FIRST, SECOND) for row in answered["GDTC", semester].rows} == {""}


def test_remarks_that_come_by_both_ways_at_once_get_one_version_each(world: World, school_class: SchoolClass) -> None:
    """ImportMarks shares the year and holds the sheet, EnterRemarks holds the year alone; neither
    waits without end.
    """
    student, teacher = school_class.students[0].id, school_class.assignments["GDTC"][0]
    failed: list[BaseException] = []

    def enter(number: int) -> None:
        try:
            if number % 2:
                said = {student: f"Lần {number}."}
                remark(world, teacher, PERIOD_1, said, subject="GDTC", request=str(uuid.uuid4()))
            else:
                said, mark = {student: f"Lần {number}."}, "Đ" if number % 4 else "CĐ"
                (answer,) = send(
                    world,
                    [sheet(world, school_class, "GDTC", FIRST, [(MIDTERM, 0)], rows={student: [mark]}, remarks=said)],
                )
                assert not answer.HasField("refusal"), answer.refusal
        except BaseException as e:  # noqa: BLE001 - told in the main thread
            failed.append(e)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    answered = world.ask(
        "GetRemarks", school_class=world.ref(school_class), subject="GDTC", period=PERIOD_1, student=student
    )
    assert [r.version for r in answered.remarks] == list(range(1, 17))
    assert {r.text for r in answered.remarks} == {f"Lần {number}." for number in range(16)}
