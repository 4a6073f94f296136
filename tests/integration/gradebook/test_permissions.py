"""The served gradebook lets through exactly whom the table of permissions lists, for every act of a
person.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hoso.gradebook.v1 import achievements_pb2, common_pb2, corrections_pb2, marks_pb2, register_pb2

from services.common.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from services.common.settings import DatabaseConfig
from services.gradebook.model.permissions import CLIENTS, Actor, Permission
from tests.integration.gradebook.dossier_acts import items
from tests.integration.gradebook.register.schools import DAY, decision, details
from tests.integration.gradebook.test_exemptions import DECISION
from tests.integration.gradebook.world import FIRST, REGULAR, SEMESTER_1, World, served
from tests.servers import Pki

SUBJECT = "TOAN"
OF_PERSONS = {
    permission
    for permission in Permission
    if not permission.value.actors & CLIENTS and permission.value.actors != {Actor.SYSTEM}
}


WITH_REQUEST_ID = {
    "EnterMarks",
    "SettleMissingMarks",
    "EnterRemarks",
    "EnterConduct",
    "EnterSummerConduct",
    "EnterAbsences",
    "EnterAttendance",
    "EnterAchievements",
    "RecordPracticalExemption",
    "RequestCorrection",
}


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """Classes whose first semester is entered; the second window is open, the first closed."""
    with served(pki_files, database("gradebook"), classes=2, students=5) as world:
        world.put_roster()
        world.plan_window("HK1", semesters=(FIRST,))
        for school_class in world.school.classes:
            world.complete(school_class, (FIRST,))
        world.close_window("HK1")
        world.plan_window("HK2", semesters=(common_pb2.SEMESTER_SECOND,))
        yield world


@pytest.fixture(scope="module")
def people(world: World) -> Mapping[str, set[Actor]]:
    """One person of each kind, and as what they act on the first class, its book and a correction
    in it.

    No dossier is kept, so that every vice principal is in charge.
    """
    school_class = world.school.classes[0]
    teacher = _teacher(world)
    teachers = {who for listed in school_class.assignments.values() for who in listed}
    stranger = next(
        p.id
        for p in world.school.people
        if p.roles == ("TEACHER",) and p.id not in {school_class.homeroom_teacher, *teachers}
    )
    acting = {
        p.id: {Actor[role] for role in p.roles}
        for p in world.school.people
        if {*p.roles} != {"TEACHER"} or p.id in (school_class.homeroom_teacher, teacher, stranger)
    }
    acting[school_class.homeroom_teacher] |= {Actor.HOMEROOM_TEACHER, Actor.PREPARER}
    acting[teacher] |= {Actor.ASSIGNED_TEACHER, Actor.REQUESTER}
    acting[world.school.data_officer].add(Actor.OFFICER)
    for person, actors in acting.items():
        if Actor.VICE_PRINCIPAL in actors:
            actors.add(Actor.VICE_PRINCIPAL_IN_CHARGE)
        if person in teachers:
            actors.add(Actor.SUBJECT_TEACHER)
    assert set().union(*acting.values()) == set(Actor) - CLIENTS - {Actor.SYSTEM}
    return acting


def _teacher(world: World) -> str:
    school_class = world.school.classes[0]
    return next(who for who in school_class.assignments[SUBJECT] if who != school_class.homeroom_teacher)


def requests(world: World) -> list[tuple[Permission, str, dict[str, Any]]]:
    """An act of each permission, in an order in which each still says who may do it, valid in
    itself.
    """
    school_class = world.school.classes[0]
    ref: dict[str, Any] = {"school_class": world.ref(school_class)}
    year: dict[str, Any] = {**world.year}
    student, other = school_class.students[0].id, school_class.students[1].id
    column = marks_pb2.MarkColumn(kind=REGULAR, position=1)
    sheet = {**ref, "subject": SUBJECT, "semester": common_pb2.SEMESTER_SECOND, "columns": [column]}
    level = common_pb2.LEVEL_GOOD
    text = [{"student": student, "text": "Chăm học."}]
    window = world.ask("GetWindow", **year, window="HK2").window
    asked = {**ref, "student": student, "reason": "Nhập nhầm điểm của bài khác", "evidence": {"description": "Bài thi"}}
    mark = {**asked, "subject": SUBJECT, "semester": FIRST, "column": column, "new_value": "1.5"}
    book = {"book": world.ask("FreezeBook", person=school_class.homeroom_teacher, **ref, stage=SEMESTER_1).book.id}
    world.ask("AssignPrint", person=world.school.principal, **book, officer=world.school.data_officer)
    requested = {**mark, "student": other, "request_id": str(uuid.uuid4())}
    correction = {"correction": world.ask("RequestCorrection", person=_teacher(world), **requested).correction.id}
    moved = {**year, "student": student, "date": DAY, "decision": decision(), "reason": "Theo gia đình"}
    movement = {**moved, "kind": register_pb2.MOVEMENT_KIND_SUSPENDED}
    papers = {**year, "student": student, "date": DAY, "kind": register_pb2.MOVEMENT_KIND_PAPERS_RETURNED}
    register = [register_pb2.RegisterRow(student=student, entered_on="2025-08-20", details=details())]
    arrival = {**ref, "student": "3199999", "date": DAY, "from_school_name": "THCS Xa", "decision": decision()}
    achievement = achievements_pb2.ACHIEVEMENT_KIND_CERTIFICATES
    conduct = {**asked, "kind": corrections_pb2.CORRECTION_KIND_CONDUCT, "semester": FIRST, "new_level": level}
    exemption = {**ref, "subject": "GDTC", "student": student, "semesters": [FIRST], "decision": DECISION}
    settle = {"students": [student], "reason": "Không dự kiểm tra bù"}
    level_row = [{"student": student, "level": level}]
    dossier = items([world.school.principal], ["HK1"])
    people = [{"id": "gv-moi", "name": "Lê An", "roles": [common_pb2.ROLE_TEACHER]}]
    homeroom = {"name": school_class.name, "grade_level": 6, "homeroom_teacher": school_class.homeroom_teacher}
    assigned = [{"subject": SUBJECT, "teachers": school_class.assignments[SUBJECT]}]
    return [
        (Permission.PUT_PEOPLE, "PutPeople", {"school": world.school.code, "people": people}),
        (Permission.PUT_CLASSES, "PutClasses", {**year, "classes": [homeroom]}),
        (Permission.PUT_ASSIGNMENTS, "PutAssignments", {**ref, "assignments": assigned}),
        (Permission.SAVE_DOSSIER, "SaveDossier", {**year, "items": dossier}),
        (Permission.SUBMIT_DOSSIER, "SubmitDossier", year),
        (Permission.CHECK_CONTROL_LOG, "RecordControlCheck", {**year, "up_to": 1, "remark": "Đã đối chiếu sổ"}),
        (Permission.PLAN_WINDOW, "PlanWindow", {**year, "window": window}),
        (Permission.ENTER_MARKS, "EnterMarks", {**sheet, "rows": [{"student": student, "values": ["8"]}]}),
        (Permission.SETTLE_MISSING_MARKS, "SettleMissingMarks", {**sheet, **settle}),
        (Permission.ENTER_SUBJECT_REMARKS, "EnterRemarks", {**ref, "subject": SUBJECT, "period": 2, "rows": text}),
        (Permission.ENTER_HOMEROOM_REMARKS, "EnterRemarks", {**ref, "period": 2, "rows": text}),
        (Permission.ENTER_CONDUCT, "EnterConduct", {**ref, "semester": 2, "rows": level_row}),
        (Permission.ENTER_SUMMER_CONDUCT, "EnterSummerConduct", {**ref, "rows": level_row}),
        (Permission.ENTER_ABSENCES, "EnterAbsences", {**ref, "rows": [{"student": student, "excused": 1}]}),
        (Permission.ENTER_ATTENDANCE, "EnterAttendance", {**ref, "month": "2025-10", "rows": [{"student": student}]}),
        (Permission.ENTER_ACHIEVEMENTS, "EnterAchievements", {**ref, "kind": achievement, "rows": text}),
        (Permission.RECORD_EXEMPTION, "RecordPracticalExemption", exemption),
        (Permission.RECORD_PRINCIPAL_REMARK, "RecordPrincipalRemark", {**ref, "month": "2025-10", "remark": "Tốt."}),
        (Permission.CLOSE_WINDOW, "CloseWindow", {**year, "window": "HK2"}),
        (Permission.REQUEST_MARK_CORRECTION, "RequestCorrection", mark),
        (Permission.REQUEST_CLASS_CORRECTION, "RequestCorrection", conduct),
        (Permission.CONFIRM_CORRECTION, "ConfirmCorrection", correction),
        (Permission.APPROVE_CORRECTION, "DecideCorrection", {**correction, "approve": True}),
        (Permission.REJECT_CORRECTION, "DecideCorrection", {**correction, "note": "Không đủ căn cứ"}),
        (Permission.WITHDRAW_CORRECTION, "WithdrawCorrection", correction),
        (Permission.REGISTER_STUDENTS, "RegisterStudents", {**year, "rows": register}),
        (Permission.RETURN_PAPERS, "RecordMovement", papers),
        (Permission.TRANSFER_IN, "TransferIn", arrival),
        (Permission.RECORD_MOVEMENT, "RecordMovement", movement),
        (Permission.TRANSFER_OUT, "TransferOut", {**moved, "to_school_name": "THCS Xa"}),
        (Permission.FREEZE_BOOK, "FreezeBook", {**ref, "stage": SEMESTER_1}),
        (Permission.ASSIGN_PRINT, "AssignPrint", {**book, "officer": world.school.data_officer}),
        (Permission.START_RECONCILIATION, "StartReconciliation", book),
        (Permission.CONFIRM_RECONCILIATION, "ConfirmReconciliation", {**book, "content_sha256": b"12345678"}),
        (Permission.REPORT_MISMATCH, "ReportMismatch", {**book, "differences": "Sai điểm"}),
        (Permission.RECORD_HAND_SIGNED, "RecordHandSigned", book),
        (Permission.RECORD_STAMPED, "RecordStamped", book),
        (Permission.RECORD_PAPER_ARCHIVED, "RecordPaperArchived", {**book, "place": "Kho"}),
        (Permission.START_SIGNING, "StartDigitalSigning", book),
        (Permission.LOCK_BOOK, "LockBook", book),
        (Permission.RETURN_BOOK, "ReturnBook", {**book, "recipient": "Phụ huynh"}),
        (Permission.REVOKE_BOOK, "RevokeBook", {**book, "reason": "Sai điểm một môn", "department_notice": "12/SGDĐT"}),
    ]


@pytest.fixture(scope="module")
def acts(world: World) -> list[tuple[Permission, str, dict[str, Any]]]:
    return requests(world)


def test_nobody_may_do_an_act_whose_row_is_emptied(
    world: World,
    people: Mapping[str, set[Actor]],
    acts: list[tuple[Permission, str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each act asks its own row of the table, and nothing but it."""
    for permission, rpc, fields in acts:
        grant = permission.value
        monkeypatch.setattr(permission, "_value_", replace(grant, actors=frozenset(), stand_ins=frozenset()))
        for person, actors in people.items():
            refusal = _refusal(world, rpc, person, fields)
            assert refusal is not None, (permission, actors)
            assert (refusal.reason, refusal.message) == (grant.reason, grant.refusal), (permission, actors)
        monkeypatch.undo()


def test_each_act_is_open_to_whom_the_table_lists_and_to_nobody_else(
    world: World, people: Mapping[str, set[Actor]], acts: list[tuple[Permission, str, dict[str, Any]]]
) -> None:
    assert [permission for permission, _, _ in acts if permission in OF_PERSONS] == [
        permission for permission, _, _ in acts
    ]
    assert {permission for permission, _, _ in acts} == OF_PERSONS
    for permission, rpc, fields in acts:
        grant = permission.value
        # Those who may do it come last, because what they do may change what the next act finds.
        for person, actors in sorted(people.items(), key=lambda item: bool(item[1] & grant.actors)):
            refusal = _refusal(world, rpc, person, fields)
            if actors & grant.actors:
                assert refusal is None, (permission, actors)
            else:
                assert refusal is not None, (permission, actors)
                assert (refusal.reason, refusal.message) == (grant.reason, grant.refusal), (permission, actors)


def _refusal(world: World, rpc: str, person: str, fields: dict[str, Any]) -> Forbidden | None:
    """The refusal of a person.

    Any other answer says that they may do it: permission is asked before all that is looked up, and
    those who are refused send the same.
    """
    again = {"request_id": str(uuid.uuid4())} if rpc in WITH_REQUEST_ID else {}
    try:
        world.ask(rpc, person=person, **again, **fields)
    except Forbidden as error:
        return error
    except (Invalid, Rejected, NotFound, Conflict):
        return None
    return None
