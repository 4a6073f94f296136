"""Exemption from the practical part: the principal's decision, shown together with the marks that
are still required.
"""

import json
import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2

from demo.school import SchoolClass
from services.common.db import StatementError
from services.common.errors import Conflict, Forbidden, HosoError, Invalid, NotFound, Rejected
from tests.integration.gradebook.streams import export
from tests.integration.gradebook.world import FINAL, FIRST, OTHER_VENDOR, SECOND, WHOLE_YEAR, World

SCHOOL = {"classes": 1, "students": 5}
TEACHER_BOOK = common_pb2.RECORD_TYPE_TEACHER_BOOK
DECISION = "Quyết định số 12/QĐ-THCS ngày 15/9/2025"


def record(world: World, school_class: SchoolClass, **more: Any) -> None:
    fields = {
        "person": world.school.principal,
        "request_id": str(uuid.uuid4()),
        "school_class": world.ref(school_class),
        "subject": "GDTC",
        "student": school_class.students[0].id,
        "semesters": [FIRST],
        "decision": DECISION,
    }
    world.ask("RecordPracticalExemption", **{**fields, **more})


def exempt(world: World, school_class: SchoolClass, semester: int) -> list[str]:
    rows = world.ask("GetMarkSheet", school_class=world.ref(school_class), subject="GDTC", semester=semester).rows
    return [row.student for row in rows if row.practical_exemption]


def missing(world: World, school_class: SchoolClass) -> int:
    return int(world.ask("ListMissing", school_class=world.ref(school_class), stage=1).total)


def test_an_exempt_student_needs_and_gets_marks_as_any_other(world: World, school_class: SchoolClass) -> None:
    student = school_class.students[0].id
    before = missing(world, school_class)
    request_id = str(uuid.uuid4())
    record(world, school_class, request_id=request_id)
    record(world, school_class, request_id=request_id)
    assert (exempt(world, school_class, FIRST), exempt(world, school_class, SECOND)) == ([student], [])
    assert [row.marks.student for row in export(world, subjects=["GDTC"], semester=FIRST)[0].rows
            if row.marks.practical_exemption] == [student]  # fmt: skip
    assert missing(world, school_class) == before
    assert world.enter(school_class, "GDTC", FIRST, [(FINAL, 0)], {student: ["Đ"]}).changed == 1
    assert missing(world, school_class) == before - 1

    record(world, school_class, semesters=[SECOND, FIRST])
    assert exempt(world, school_class, SECOND) == [student]
    record(world, school_class, semesters=[SECOND], withdrawn=True, decision="Quyết định số 15 thu hồi")
    assert (exempt(world, school_class, FIRST), exempt(world, school_class, SECOND)) == ([student], [])
    exemptions = world.ask("ListPracticalExemptions", school_class=world.ref(school_class)).exemptions
    assert [(e.student, list(e.semesters), e.withdrawn, e.person) for e in exemptions] == [
        (student, [FIRST], False, world.school.principal),
        (student, [FIRST, SECOND], False, world.school.principal),
        (student, [SECOND], True, world.school.principal),
    ]
    assert exemptions[0].decision == DECISION
    audit = world.rows("SELECT action FROM audit_entry WHERE action LIKE 'PRACTICAL%%' ORDER BY sequence")
    assert audit == [("PRACTICAL_EXEMPTION_RECORDED",)] * 2 + [("PRACTICAL_EXEMPTION_WITHDRAWN",)]


@pytest.mark.parametrize(
    ("more", "kind", "reason"),
    [
        ({"subject": "TOAN"}, Rejected, "NO_PRACTICAL_PART"),
        ({"subject": "GDQP"}, NotFound, "SUBJECT_UNKNOWN"),  # not in grade 6
        ({"student": "9999"}, NotFound, "STUDENT_UNKNOWN"),
        ({"student": "\x00"}, NotFound, "STUDENT_UNKNOWN"),
        ({"withdrawn": True, "semesters": [FIRST, SECOND]}, Rejected, "NOT_EXEMPT"),
        ({"semesters": []}, Invalid, "INVALID_INPUT"),
        ({"semesters": [FIRST, FIRST]}, Invalid, "INVALID_INPUT"),
        ({"semesters": [0]}, Invalid, "INVALID_INPUT"),
        ({"decision": ""}, Invalid, "INVALID_INPUT"),
        ({"request_id": "x"}, Invalid, "INVALID_INPUT"),
        ({"client": OTHER_VENDOR}, Forbidden, "VENDOR_NOT_AUTHORISED"),
    ],
)
def test_what_cannot_be_exempt(
    world: World, school_class: SchoolClass, more: dict[str, Any], kind: type[HosoError], reason: str
) -> None:
    before = world.rows("SELECT count(*) FROM practical_exemption")
    with pytest.raises(kind) as caught:
        record(world, school_class, **{"student": school_class.students[1].id, **more})
    assert caught.value.reason == reason
    assert world.rows("SELECT count(*) FROM practical_exemption") == before


def test_only_the_principal_decides_and_what_was_decided_stays(world: World, school_class: SchoolClass) -> None:
    with pytest.raises(Forbidden):
        record(world, school_class, person=school_class.assignments["GDTC"][0])
    request_id = str(uuid.uuid4())
    record(world, school_class, request_id=request_id, student=school_class.students[2].id)
    with pytest.raises(Conflict):
        record(world, school_class, request_id=request_id, student=school_class.students[3].id)
    for statement in ("DELETE FROM practical_exemption RETURNING 1", "UPDATE practical_exemption SET withdrawn = true"):
        with pytest.raises(StatementError, match="refused"):
            world.rows(statement)


def test_class_book_and_teachers_book_note_the_same_students(world: World, school_class: SchoolClass) -> None:
    """Runs last: it closes the year."""
    first, second = school_class.students[0].id, school_class.students[1].id
    record(world, school_class, student=second, semesters=[FIRST, SECOND])
    world.complete(school_class)
    world.close_window()
    teacher = school_class.assignments["GDTC"][0]
    year = {"stage": WHOLE_YEAR, "school_class": world.ref(school_class)}
    own = {**year, "school_class": {**world.year}, "record_type": TEACHER_BOOK, "teacher": teacher, "subject": "GDTC"}
    class_book = frozen(world, school_class.homeroom_teacher, **year)
    teacher_book = frozen(world, teacher, **own)
    for part, taught in zip(class_book["semesters"], teacher_book["classes"][0]["semesters"], strict=True):
        (sheet,) = [marks for marks in part["marks"] if marks["subject"] == "GDTC"]
        noted = {row["student"]: row["note"] for row in sheet["rows"]}
        assert noted == {row["student"]: row["remark"] for row in taught["rows"]}
        numbers = {1, 2, 3} if part["semester"] == "SEMESTER_1" else {2}
        assert {number for number, note in noted.items() if note == "Miễn phần thực hành"} == numbers
    assert [student["moet_student_id"] for student in class_book["students"][:2]] == [first, second]


def frozen(world: World, person: str, **fields: Any) -> Any:
    """The content of a book frozen by who prepares it."""
    book = world.ask("FreezeBook", person=person, **fields).book
    return json.loads(world.ask("DownloadBookContent", client="service/print", book=book.id))
