"""The corrections of a class, each step by the right person; and ways to look at what they
change."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hoso.gradebook.v1 import class_book_pb2, common_pb2, corrections_pb2

from demo.school import SchoolClass
from services.common.errors import HosoError, Invalid
from tests.integration.gradebook.world import FIRST, MIDTERM, SEMESTER_1, WHOLE_YEAR, World

DEPUTY = "pht-001"
Sessions = list[tuple[int, int, int]]
"""Day, session and its attendance, as numbers of the proto."""


def deputy(world: World) -> None:
    """Give the school a vice principal."""
    roles = [common_pb2.ROLE_VICE_PRINCIPAL]
    people = [{"id": DEPUTY, "name": "Lê Thị Phó", "roles": roles}]
    world.ask("PutPeople", person=world.school.principal, school=world.school.code, people=people)


def complete_school(world: World) -> None:
    """The roster with a vice principal, and the data of a year of every class, under an open
    window.
    """
    world.put_roster()
    deputy(world)
    world.plan_window()
    for school_class in world.school.classes:
        world.complete(school_class)


class ClassCorrections:
    """The corrections of a class: by default of the first student's mark in maths in semester I."""

    def __init__(self, world: World, index: int = 0) -> None:
        self.world = world
        self.school_class: SchoolClass = world.school.classes[index]
        self.teacher = next(teacher for code, (teacher, *_) in self.school_class.assignments.items() if code == "TOAN")
        self.student = self.school_class.students[0].id

    def request(self, value: str = "9.5", *, person: str | None = None, **fields: Any) -> Any:
        defaults = {
            "request_id": str(uuid.uuid4()),
            "school_class": self.world.ref(self.school_class),
            "subject": "TOAN",
            "semester": FIRST,
            "column": {"kind": MIDTERM},
            "student": self.student,
            "new_value": value,
            "reason": "Nhập nhầm điểm của bạn kế bên.",
            "evidence": {"description": "Bài kiểm tra giữa kì, tủ hồ sơ tổ Toán", "sha256": bytes(32)},
        }
        chosen = {name: value for name, value in {**defaults, **fields}.items() if value is not None}
        return self.world.ask("RequestCorrection", person=person or self.teacher, **chosen).correction

    def about(self, kind: int, *, person: str | None = None, **fields: Any) -> Any:
        """Request a correction of another kind than a mark, as the homeroom teacher."""
        none = dict.fromkeys(("subject", "semester", "column", "new_value"))
        return self.request(person=person or self.school_class.homeroom_teacher, **{**none, "kind": kind, **fields})

    def conduct(self, level: int, *, person: str | None = None) -> Any:
        return self.request(
            "", person=person or self.school_class.homeroom_teacher, subject="", column=None, new_level=level
        )

    def confirm(self, correction: Any, person: str | None = None, note: str = "") -> Any:
        confirmer = person or self.school_class.homeroom_teacher
        return self.world.ask("ConfirmCorrection", person=confirmer, correction=correction.id, note=note).correction

    def decide(self, correction: Any, person: str | None = None, note: str = "", *, approve: bool = True) -> Any:
        decider = person or self.world.school.principal
        fields = {"correction": correction.id, "approve": approve, "note": note}
        return self.world.ask("DecideCorrection", person=decider, **fields).correction

    def approved(self, value: str) -> Any:
        return self.decide(self.confirm(self.request(value)))

    def sheet(self) -> Any:
        answer = self.world.ask(
            "GetMarkSheet", school_class=self.world.ref(self.school_class), subject="TOAN", semester=FIRST
        )
        return answer.rows[0]

    def freeze(self, stage: int = SEMESTER_1) -> Any:
        return self.world.ask(
            "FreezeBook",
            person=self.school_class.homeroom_teacher,
            school_class=self.world.ref(self.school_class),
            stage=stage,
        ).book


def refused(reason: str, call: Callable[[], Any]) -> HosoError:
    with pytest.raises(HosoError) as caught:
        call()
    assert caught.value.reason == reason, caught.value
    return caught.value


def enter(world: World, school_class: SchoolClass, month: str, students: list[str], sessions: Sessions) -> Any:
    absences = [
        class_book_pb2.Absence(day=d, session=s, excused=value == corrections_pb2.ATTENDANCE_EXCUSED)  # type: ignore[arg-type]
        for d, s, value in sessions
    ]
    return world.ask(
        "EnterAttendance",
        person=school_class.homeroom_teacher,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(school_class),
        month=month,
        rows=[class_book_pb2.AttendanceRow(student=student, absences=absences) for student in students],
    )


def of_sessions(corrections: ClassCorrections, sessions: Sessions, month: str = "2025-10", **fields: Any) -> Any:
    listed = [
        corrections_pb2.SessionCorrection(day=d, session=s, new=value)  # type: ignore[arg-type]
        for d, s, value in sessions
    ]
    return corrections.about(corrections_pb2.CORRECTION_KIND_ATTENDANCE, month=month, sessions=listed, **fields)


def of_totals(corrections: ClassCorrections, excused: int, unexcused: int, **fields: Any) -> Any:
    new = corrections_pb2.AbsenceTotals(excused=excused, unexcused=unexcused)
    return corrections.about(corrections_pb2.CORRECTION_KIND_ABSENCES, new_absences=new, **fields)


def approve(corrections: ClassCorrections, correction: Any) -> Any:
    return corrections.decide(corrections.confirm(correction, DEPUTY))


def sheet(corrections: ClassCorrections, month: str = "2025-10", index: int = 0) -> Any:
    rows = corrections.world.ask(
        "GetAttendance", school_class=corrections.world.ref(corrections.school_class), month=month
    ).rows
    return next(row for row in rows if row.student == corrections.school_class.students[index].id)


def summary(corrections: ClassCorrections, index: int = 0) -> Any:
    return corrections.world.ask(
        "GetClassSummary", school_class=corrections.world.ref(corrections.school_class), stage=WHOLE_YEAR
    ).students[index]


def history(corrections: ClassCorrections, kind: int, index: int = 0, **fields: Any) -> Any:
    student = corrections.school_class.students[index].id
    answer = corrections.world.ask(
        "GetDataHistory",
        school_class=corrections.world.ref(corrections.school_class),
        student=student,
        kind=kind,
        **fields,
    )
    return answer.versions


def rules(call: Callable[[], Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        call()
    assert all(violation.message.endswith((".", "-")) for violation in caught.value.violations)
    return [(violation.field, violation.rule) for violation in caught.value.violations]
