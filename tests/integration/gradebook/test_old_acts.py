"""Acts of before migration 0020: found by their request id, read, and verified by version 1 of
their digests.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hoso.gradebook.v1 import achievements_pb2, corrections_pb2, exemptions_pb2, marks_pb2, remarks_pb2

from demo.school import SchoolClass
from services.common import audit
from services.common.db import Tx
from services.common.errors import Conflict
from services.common.identity import Caller
from services.common.settings import DatabaseConfig
from services.gradebook.api.request_identity import request_identity
from services.gradebook.model import acts
from tests.integration.gradebook.streams import send, sheet
from tests.integration.gradebook.world import FINAL, FIRST, MIDTERM, SECOND, VENDOR, World, served
from tests.owning import as_owner
from tests.servers import Pki

WHOLE_YEAR = remarks_pb2.REMARK_PERIOD_WHOLE_YEAR
TEXTS = ["Tích cực; “chăm”, it's \\ ổn.", "", 'Viết "đẹp"']


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    with served(pki_files, database("gradebook"), classes=1, students=5) as world:
        world.put_roster()
        world.plan_window()
        yield world


def digest_of(world: World, message: Any, request_id: str, person: str) -> bytes:
    return request_identity(message, request_id, Caller(VENDOR, person, world.school.code)).sha256


def old_entry(tx: Tx, table: str, request_id: str, sha256: bytes, person: str) -> None:
    tx.execute(
        f"INSERT INTO {table} (request_id, request_sha256, person, client, changed, unchanged)"
        " VALUES (%s, %s, %s, %s, 3, 4)".encode(),
        (request_id, sha256, person, VENDOR),
    )


def reused(call: Callable[[], Any]) -> None:
    with pytest.raises(Conflict) as caught:
        call()
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_old_remarks_are_answered_read_and_their_id_is_taken(world: World, school_class: SchoolClass) -> None:
    request_id, who = str(uuid.uuid4()), school_class.homeroom_teacher
    fields = {"request_id": request_id, "school_class": world.ref(school_class), "period": WHOLE_YEAR}
    rows = [remarks_pb2.RemarkRow(student=school_class.students[0].id, text="Chăm ngoan.")]
    message = remarks_pb2.EnterRemarksRequest(**fields, rows=rows)
    with as_owner(world.database.config) as tx:
        old_entry(tx, "remark_entry", request_id, digest_of(world, message, request_id, who), who)
        tx.execute(
            "INSERT INTO remark (class_id, subject_id, period, student_id, version, remark, request_id)"
            " SELECT c.id, NULL, 3, s.id, 1, 'Chăm ngoan.', %s FROM school_class c, student s"
            " WHERE s.moet_student_id = %s",
            (request_id, school_class.students[0].id),
        )
    answer = world.ask("EnterRemarks", person=who, **fields, rows=rows)
    assert (answer.changed, answer.unchanged) == (3, 4)
    others = [remarks_pb2.RemarkRow(student=school_class.students[1].id, text="Khá.")]
    reused(lambda: world.ask("EnterRemarks", person=who, **fields, rows=others))
    reused(
        lambda: world.enter(
            school_class, "TOAN", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["7"]}, request_id=request_id
        )
    )
    (kept,) = world.ask(
        "GetRemarks", school_class=world.ref(school_class), period=WHOLE_YEAR, student=school_class.students[0].id
    ).remarks
    assert (kept.text, kept.version, kept.person, kept.client) == ("Chăm ngoan.", 1, who, VENDOR)
    assert kept.time.seconds > 0


def test_an_old_sheet_of_marks_with_remarks_is_answered_as_it_was(world: World, school_class: SchoolClass) -> None:
    student, who = school_class.students[0].id, school_class.assignments["VAN"][0]
    sent = sheet(world, school_class, "VAN", FIRST, [(FINAL, 0)], rows={student: ["8"]}, remarks={student: "Khá."})
    request_id = sent.sheet.request_id
    message = marks_pb2.ImportMarksRequest(sheet=sent.sheet, remarks=sent.remarks)
    sha256 = digest_of(world, message, request_id, who)
    with as_owner(world.database.config) as tx:
        old_entry(tx, "remark_entry", request_id, sha256, who)
        tx.execute(
            "INSERT INTO entry (request_id, request_sha256, kind, class_id, person, client, reason, changed, unchanged,"
            " students, columns, versions, vals) SELECT %s, %s, 1, id, %s, %s, '', 1, 2, '{}', '{}', '{}', '{}'"
            " FROM school_class",
            (request_id, sha256, who, VENDOR),
        )
        tx.execute(
            "INSERT INTO remark (class_id, subject_id, period, student_id, version, remark, request_id)"
            " SELECT c.id, j.id, 1, s.id, 1, 'Khá.', %s FROM school_class c, student s, subject j"
            " WHERE s.moet_student_id = %s AND j.code = 'VAN' AND j.grade_level = c.grade_level",
            (request_id, student),
        )
    (answer,) = send(world, [sent])
    assert (answer.changed, answer.unchanged, answer.remarks_changed, answer.remarks_unchanged) == (1, 2, 3, 4)
    assert answer.refusal.reason == ""
    period = remarks_pb2.REMARK_PERIOD_SEMESTER_1
    (kept,) = world.ask("GetRemarks", school_class=world.ref(school_class), subject="VAN", period=period).remarks
    ((entered,),) = world.rows("SELECT recorded_time FROM remark_entry WHERE request_id = %s", request_id)
    assert kept.time.ToDatetime(dt.UTC) == entered  # when the remark was entered, not the marks


def test_old_achievements_are_answered_and_read(world: World, school_class: SchoolClass) -> None:
    request_id, who = str(uuid.uuid4()), school_class.homeroom_teacher
    fields: dict[str, Any] = {"request_id": request_id, "school_class": world.ref(school_class), "kind": 1}
    rows = [achievements_pb2.AchievementRow(student=school_class.students[0].id, text="Chứng chỉ Tin học")]
    message = achievements_pb2.EnterAchievementsRequest(**fields, rows=rows)
    with as_owner(world.database.config) as tx:
        old_entry(tx, "achievement_entry", request_id, digest_of(world, message, request_id, who), who)
        tx.execute(
            "INSERT INTO achievement (school_year_id, student_id, kind, version, achieved, request_id)"
            " SELECT y.id, s.id, 1, 1, 'Chứng chỉ Tin học', %s FROM school_year y, student s"
            " WHERE s.moet_student_id = %s",
            (request_id, school_class.students[0].id),
        )
    answer = world.ask("EnterAchievements", person=who, **fields, rows=rows)
    assert (answer.changed, answer.unchanged) == (3, 4)
    (kept,) = world.ask("GetAchievements", school_class=world.ref(school_class), kind=1).achievements
    assert (kept.text, kept.version, kept.person) == ("Chứng chỉ Tin học", 1, who)
    reused(
        lambda: world.enter(
            school_class, "TOAN", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["7"]}, request_id=request_id
        )
    )


def test_an_old_exemption_and_an_old_correction_hold_their_ids(world: World, school_class: SchoolClass) -> None:
    student, principal = school_class.students[0].id, world.school.principal
    exemption: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "school_class": world.ref(school_class),
        "subject": "GDTC",
        "student": student,
        "semesters": [FIRST],
        "decision": "Quyết định số 12",
    }
    sha256 = digest_of(
        world, exemptions_pb2.RecordPracticalExemptionRequest(**exemption), exemption["request_id"], principal
    )
    correction: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "school_class": world.ref(school_class),
        "subject": "TOAN",
        "semester": FIRST,
        "column": {"kind": MIDTERM},
        "student": student,
        "new_value": "9",
        "reason": "Nhập nhầm điểm của bạn.",
        "evidence": {"description": "Bài kiểm tra"},
    }
    teacher = school_class.assignments["TOAN"][0]
    asked = digest_of(world, corrections_pb2.RequestCorrectionRequest(**correction), correction["request_id"], teacher)
    with as_owner(world.database.config) as tx:
        tx.execute(
            "INSERT INTO practical_exemption (request_id, request_sha256, class_id, subject_id, student_id, semesters,"
            " withdrawn, decision, person, client) SELECT %s, %s, c.id, j.id, s.id, '{1}', false, 'Quyết định số 12',"
            " %s, %s FROM school_class c, subject j, student s WHERE j.code = 'GDTC' AND s.moet_student_id = %s"
            " AND j.grade_level = c.grade_level",
            (exemption["request_id"], sha256, principal, VENDOR, student),
        )
        tx.execute(
            "INSERT INTO correction (id, request_id, request_sha256, class_id, subject_id, semester, column_no,"
            " student_id, old_values, old_version, new_values, reason, evidence, state, kind, first_stage, places)"
            " SELECT gen_random_uuid(), %s, %s, c.id, j.id, 1, 10, s.id, '{50}', 1, '{90}', 'Nhập nhầm điểm của bạn.',"
            " 'Bài kiểm tra', 1, 1, 1, '{0}' FROM school_class c, subject j, student s WHERE j.code = 'TOAN'"
            " AND s.moet_student_id = %s AND j.grade_level = c.grade_level",
            (correction["request_id"], asked, student),
        )
        tx.execute(
            "INSERT INTO correction_step (correction_id, state, person, client, note)"
            " SELECT id, 1, %s, %s, '' FROM correction",
            (teacher, VENDOR),
        )
    world.ask("RecordPracticalExemption", person=principal, **exemption)
    assert world.rows("SELECT count(*) FROM practical_exemption") == [(1,)]
    again = world.ask("RequestCorrection", person=teacher, **correction).correction
    assert world.rows("SELECT id::text FROM correction") == [(again.id,)]
    for request_id in (exemption["request_id"], correction["request_id"]):
        rows = {student: ["7"]}
        reused(lambda r=request_id, w=rows: world.enter(school_class, "TOAN", SECOND, [(FINAL, 0)], w, request_id=r))


def test_version_1_is_recomputed_from_the_rows(world: World) -> None:
    """The expected digests are those that the functions of before computed for these rows."""
    with as_owner(world.database.config) as tx:
        remarks, cells, attendance = (str(uuid.uuid4()) for _ in range(3))
        old_entry(tx, "remark_entry", remarks, bytes(32), "gv")
        for student, (version, text) in zip((12, 7, 9), ((1, TEXTS[0]), (3, TEXTS[1]), (1, TEXTS[2])), strict=True):
            tx.execute(
                "INSERT INTO student (id, moet_student_id) OVERRIDING SYSTEM VALUE VALUES (%s, %s)"
                " ON CONFLICT DO NOTHING",
                (student, f"cu-{student}"),
            )
            tx.execute(
                "INSERT INTO remark (class_id, subject_id, period, student_id, version, remark, request_id)"
                " SELECT id, NULL, 2, %s, %s, %s, %s FROM school_class",
                (student, version, text, remarks),
            )
        for request_id, kind, arrays in (
            (cells, 1, ("{7,9,12}", "{10,10,1}", "{1,2,3}", "{85,NULL,200}")),
            (attendance, 6, ("{7,9,12}", "{10,10,10}", "{1,2,1}", "{2,1,0}")),
        ):
            tx.execute(
                "INSERT INTO entry (request_id, request_sha256, kind, class_id, person, client, reason, changed,"
                " unchanged, students, columns, versions, vals)"
                " SELECT %s, %s, %s, id, 'gv', %s, '', 3, 0, %s, %s, %s, %s FROM school_class",
                (request_id, bytes(32), kind, VENDOR, *arrays),
            )
        for student, version, excused, unexcused in (
            (9, 2, "{31}", "{}"),
            (7, 1, "{}", "{12,31}"),
            (12, 1, "{}", "{}"),
        ):
            tx.execute(
                "INSERT INTO attendance (class_id, student_id, month, version, excused, unexcused, request_id)"
                " SELECT id, %s, '2025-10-01', %s, %s, %s, %s FROM school_class",
                (student, version, excused, unexcused, attendance),
            )
        facts = {
            "MARKS_ENTERED": {
                "request": cells,
                "cells_sha256": "71cc734a01f63990e6136185451d045be2dc7ae8870eefba31829823a8361489",
            },
            "ATTENDANCE_ENTERED": {
                "request": attendance,
                "month": "2025-10",
                "cells_sha256": "cead319feb3d838ef28bdae66c8f03a71def2739f467ec4f5d591417f5a18d68",
            },
            "REMARKS_ENTERED": {
                "request": remarks,
                "remarks_sha256": "7e189b92e03ec982047ea261313a3d66b250c94e7e6773663868fadc9780ebc7",
            },
        }
        for action, said in facts.items():
            audit.append(
                tx, audit.AuditRow(f"school/{world.school.code}", action, "schools/x", said, Caller(VENDOR, "gv", "x"))
            )
    with as_owner(world.database.config) as tx:
        for action, said in facts.items():
            kept = tx.execute(
                "SELECT facts FROM audit_entry WHERE action = %s AND facts->>'request' = %s", (action, said["request"])
            ).fetchone()
            assert kept is not None
            assert digest_1(tx, action, kept[0]) == next(v for k, v in kept[0].items() if k.endswith("_sha256"))
        assert audit.verify(tx) == []


def digest_1(tx: Tx, action: str, facts: dict[str, str]) -> str:
    """Version 1 from the database, as docs/formats/entry-act.md says."""
    assert "digest_version" not in facts
    request_id = facts["request"]
    if action == "REMARKS_ENTERED":
        rows = tx.execute(
            "SELECT student_id, version, remark FROM remark WHERE request_id = %s ORDER BY ctid", (request_id,)
        )
        return acts.texts_sha256_1(rows.fetchall())
    if action == "ATTENDANCE_ENTERED":
        rows = tx.execute(
            "SELECT student_id, version, excused, unexcused FROM attendance WHERE request_id = %s", (request_id,)
        )
        return acts.attendance_sha256_1(facts["month"], rows.fetchall())
    row = tx.execute(
        "SELECT students, columns, versions, vals FROM entry WHERE request_id = %s", (request_id,)
    ).fetchone()
    assert row is not None
    return acts.cells_sha256_1(*row)
