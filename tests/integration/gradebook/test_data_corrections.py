"""Corrections of absence totals and attendance by month, through gRPC into PostgreSQL."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hoso.gradebook.v1 import books_pb2, class_book_pb2, common_pb2, corrections_pb2

from services.common import audit
from services.common.errors import Conflict, Forbidden, NotFound, Rejected
from services.common.settings import DatabaseConfig
from services.print import content as printing
from tests.integration.gradebook.class_corrections import (
    DEPUTY,
    ClassCorrections,
    Sessions,
    approve,
    complete_school,
    enter,
    history,
    of_sessions,
    of_totals,
    refused,
    rules,
    sheet,
    summary,
)
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FIRST,
    OTHER_VENDOR,
    REASSESSMENT,
    SECOND,
    WHOLE_YEAR,
    World,
    served,
)
from tests.servers import Pki

STATE = corrections_pb2.CorrectionState
MORNING, AFTERNOON = class_book_pb2.SESSION_MORNING, class_book_pb2.SESSION_AFTERNOON
PRESENT, EXCUSED = corrections_pb2.ATTENDANCE_PRESENT, corrections_pb2.ATTENDANCE_EXCUSED
UNEXCUSED, UNKNOWN = corrections_pb2.ATTENDANCE_UNEXCUSED, corrections_pb2.ATTENDANCE_UNSPECIFIED
ABSENCES, ATTENDANCE = corrections_pb2.CORRECTION_KIND_ABSENCES, corrections_pb2.CORRECTION_KIND_ATTENDANCE
CONDUCT = corrections_pb2.CORRECTION_KIND_CONDUCT
MONTHS = [f"2025-{m:02d}" for m in range(9, 13)] + [f"2026-{m:02d}" for m in range(1, 6)]


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """Two complete classes, window closed: one keeps totals of absences, one sheets by month."""
    with served(pki_files, database("gradebook"), students=5) as world:
        complete_school(world)
        for month in MONTHS:
            # The last student came late: no sheet of September.
            students = [
                student.id for student in world.school.classes[1].students[: -1 if month == MONTHS[0] else None]
            ]
            enter(world, world.school.classes[1], month, students, [(6, MORNING, UNEXCUSED), (6, AFTERNOON, EXCUSED)])
        world.close_window()
        yield world


@pytest.fixture(scope="module")
def totals(world: World) -> ClassCorrections:
    return ClassCorrections(world)


@pytest.fixture(scope="module")
def sheets(world: World) -> ClassCorrections:
    return ClassCorrections(world, 1)


def test_sessions_are_corrected_and_the_totals_follow(world: World, sheets: ClassCorrections) -> None:
    # 1. A request names what it changes and changes nothing; a repeated one answers the same.
    before, year = sheet(sheets), summary(sheets).absent_sessions
    request_id = str(uuid.uuid4())
    wanted: Sessions = [(7, AFTERNOON, UNEXCUSED), (6, MORNING, EXCUSED)]
    asked = of_sessions(sheets, wanted, request_id=request_id)
    assert of_sessions(sheets, wanted, request_id=request_id) == asked
    with pytest.raises(Conflict):
        of_sessions(sheets, wanted[:1], request_id=request_id)
    assert (asked.kind, asked.month, asked.old_version, asked.subject, asked.semester) == (
        ATTENDANCE,
        "2025-10",
        1,
        "",
        0,
    )
    assert [(s.day, s.session, s.old, s.new) for s in asked.sessions] == [
        (6, MORNING, UNEXCUSED, EXCUSED),
        (7, AFTERNOON, PRESENT, UNEXCUSED),
    ]
    assert sheet(sheets) == before

    # 2. The homeroom teacher asked, so a vice principal confirms, and the principal decides.
    refused("OTHER_PERSON_REQUIRED", lambda: sheets.confirm(asked))
    refused("ROLE_REQUIRED", lambda: sheets.confirm(asked, sheets.teacher))
    refused("CORRECTION_STATE", lambda: sheets.decide(asked))
    confirmed = sheets.confirm(asked, DEPUTY)
    refused("ROLE_REQUIRED", lambda: sheets.decide(confirmed, sheets.school_class.homeroom_teacher))
    done = sheets.decide(confirmed)
    assert sheets.decide(confirmed) == done
    assert (done.state, done.new_version) == (STATE.CORRECTION_STATE_APPROVED, 2)

    # 3. The sheet has its next version, and the totals follow.
    after = sheet(sheets)
    assert [(a.day, a.session, a.excused) for a in after.absences] == [
        (6, MORNING, True),
        (6, AFTERNOON, True),
        (7, AFTERNOON, False),
    ]
    assert (after.version, after.excused, after.unexcused) == (2, 2, 1)
    assert summary(sheets).absent_sessions == year + 1
    assert sheet(sheets, index=1).version == 1

    # 4. The history names the requester, confirmer and decider.
    first, second = history(sheets, ATTENDANCE, month="2025-10")
    assert (first.kind, second.kind, second.reason) == ("ENTRY", "CORRECTION", asked.reason)
    assert list(second.sessions) == list(after.absences)
    trail = second.correction
    people = (sheets.school_class.homeroom_teacher, DEPUTY, world.school.principal)
    assert (trail.id, trail.requested_by, trail.confirmed_by, trail.approved_by) == (done.id, *people)

    # 5. A snapshot is taken; the audit says nothing of the days on which a child was absent.
    data = json.loads(world.ask("DownloadSnapshot", client="service/archive", snapshot=done.snapshot.id))
    assert data["attendance"]["2025-10"][0] == {"excused": ["06M", "06A"], "unexcused": ["07A"]}
    assert data["absences"][0] == {"excused": 10, "unexcused": 9}
    audited = world.rows("SELECT facts::text FROM audit_entry WHERE subject = %s", f"corrections/{done.id}")
    assert len(audited) == 3
    assert not any("sessions" in facts or "2025-10-0" in facts for (facts,) in audited)
    with world.database.transaction() as tx:
        assert list(audit.verify(tx)) == []


def test_totals_are_corrected_and_decide_the_promotion(world: World, totals: ClassCorrections) -> None:
    before = summary(totals)
    asked = of_totals(totals, 6, 40)
    assert asked.old_absences.excused + asked.old_absences.unexcused == before.absent_sessions
    done = approve(totals, asked)
    assert summary(totals).absent_sessions == 46
    assert summary(totals).promotion == "RETAINED"
    assert (done.new_absences.excused, done.new_absences.unexcused) == (6, 40)
    back = approve(totals, of_totals(totals, 6, 39))
    assert (back.old_version, back.new_version) == (2, 3)
    assert summary(totals).promotion == before.promotion
    versions = history(totals, ABSENCES)
    assert [(v.kind, v.absences.excused + v.absences.unexcused) for v in versions] == [
        ("ENTRY", before.absent_sessions),
        ("CORRECTION", 46),
        ("CORRECTION", 45),
    ]
    level = approve(totals, totals.conduct(common_pb2.LEVEL_UNSATISFACTORY))
    assert level.kind == CONDUCT
    assert [v.kind for v in history(totals, CONDUCT, semester=FIRST)] == ["ENTRY", "CORRECTION"]


def test_rejected_and_withdrawn_requests_change_nothing(world: World, sheets: ClassCorrections) -> None:
    before = sheet(sheets, "2025-11")
    session: Sessions = [(6, MORNING, PRESENT)]
    first = of_sessions(sheets, session, "2025-11")
    # One request at a time for a sheet; another month is another sheet, another student too.
    again = refused("CORRECTION_OPEN", lambda: of_sessions(sheets, [(8, MORNING, EXCUSED)], "2025-11"))
    assert again.facts["correction"] == first.id
    others = [
        of_sessions(sheets, session, "2025-12"),
        of_sessions(sheets, session, "2025-11", student=sheets.school_class.students[1].id),
    ]
    refused("INVALID_INPUT", lambda: sheets.decide(first, approve=False))
    assert sheets.decide(first, note="Không có giấy xin phép.", approve=False).state == STATE.CORRECTION_STATE_REJECTED
    refused("ROLE_REQUIRED", lambda: world.ask("WithdrawCorrection", person=DEPUTY, correction=others[0].id))
    for other in others:
        answer = world.ask("WithdrawCorrection", person=sheets.school_class.homeroom_teacher, correction=other.id)
        assert answer.correction.state == STATE.CORRECTION_STATE_WITHDRAWN
    assert sheet(sheets, "2025-11") == before


def test_only_the_homeroom_teacher_asks(world: World, sheets: ClassCorrections, totals: ClassCorrections) -> None:
    for person in (sheets.teacher, world.school.principal, totals.school_class.homeroom_teacher):
        refused("ROLE_REQUIRED", lambda actor=person: of_sessions(sheets, [(9, MORNING, EXCUSED)], person=actor))  # type: ignore[misc]
    refused("ROLE_REQUIRED", lambda: of_totals(totals, 1, 1, person=totals.teacher))


def test_totals_and_sheets_are_not_both_corrected(sheets: ClassCorrections, totals: ClassCorrections) -> None:
    refused("ATTENDANCE_KEPT", lambda: of_totals(sheets, 1, 1))
    refused("ATTENDANCE_NOT_KEPT", lambda: of_sessions(totals, [(9, MORNING, EXCUSED)]))


@pytest.mark.parametrize(
    ("sessions", "fields", "field", "rule"),
    [
        ([(32, MORNING, EXCUSED)], {}, "sessions[0].day", "NO_SUCH_DATE"),
        ([(6, MORNING, EXCUSED), (0, MORNING, PRESENT)], {}, "sessions[1].day", "NO_SUCH_DATE"),
        ([(9, MORNING, UNKNOWN)], {}, "sessions[0].new", "ENUM"),
        ([(9, 3, EXCUSED)], {}, "sessions[0].session", "ENUM"),
        ([(9, MORNING, EXCUSED), (9, MORNING, PRESENT)], {}, "sessions[1]", "DUPLICATE"),
        ([(9, MORNING, EXCUSED), (9, AFTERNOON, PRESENT)], {}, "sessions[1]", "UNCHANGED"),
        ([(9, MORNING, EXCUSED)] * 63, {}, "sessions", "COUNT"),
        ([], {}, "sessions", "REQUIRED"),
        ([(9, MORNING, EXCUSED)], {"month": "2026-07"}, "month", "MONTH"),
        ([(9, MORNING, EXCUSED)], {"month": ""}, "month", "REQUIRED"),
        ([(9, MORNING, EXCUSED)], {"student": "x"}, "student", "STUDENT_UNKNOWN"),
        ([(9, MORNING, EXCUSED)], {"semester": FIRST}, "semester", "NOT_ALLOWED"),
        ([(9, MORNING, EXCUSED)], {"kind": 9}, "kind", "ENUM"),
        ([(9, MORNING, EXCUSED)], {"kind": 0}, "sessions", "NOT_ALLOWED"),
        ([(9, MORNING, EXCUSED)], {"reason": "ngắn"}, "reason", "LENGTH"),
        ([(9, MORNING, EXCUSED)], {"evidence": {}}, "evidence.description", "LENGTH"),
    ],
)
def test_a_bad_request_names_field_row_and_rule(
    sheets: ClassCorrections, sessions: Sessions, fields: dict[str, Any], field: str, rule: str
) -> None:
    listed = [{"day": d, "session": s, "new": says} for d, s, says in sessions]
    given = {
        "kind": ATTENDANCE,
        "month": "2025-10",
        "student": sheets.school_class.students[2].id,
        "sessions": listed,
        **fields,
    }
    assert (field, rule) in rules(lambda: sheets.about(**given))


@pytest.mark.parametrize(
    ("new", "field", "rule"),
    [
        (None, "new_absences", "REQUIRED"),
        ({"excused": 401}, "new_absences.excused", "OUT_OF_RANGE"),
        ({"excused": 1, "unexcused": -1}, "new_absences.unexcused", "OUT_OF_RANGE"),
        ({"excused": 200, "unexcused": 201}, "new_absences", "OUT_OF_RANGE"),
    ],
)
def test_bad_totals_name_their_field(
    totals: ClassCorrections, new: dict[str, int] | None, field: str, rule: str
) -> None:
    assert (field, rule) in rules(lambda: totals.about(ABSENCES, new_absences=new))


def test_totals_that_stand_are_no_correction(totals: ClassCorrections) -> None:
    stands = totals.world.school.absences(totals.school_class)[totals.school_class.students[1].id]
    request = lambda: of_totals(totals, *stands, student=totals.school_class.students[1].id)  # noqa: E731
    assert rules(request) == [("new_absences", "UNCHANGED")]


def test_a_history_is_asked_for_by_what_it_is_of(sheets: ClassCorrections) -> None:
    assert rules(lambda: history(sheets, corrections_pb2.CORRECTION_KIND_MARK)) == [("kind", "ENUM")]
    assert rules(lambda: history(sheets, CONDUCT)) == [("semester", "ENUM")]
    assert rules(lambda: history(sheets, ABSENCES, month="2025-10")) == [("month", "NOT_ALLOWED")]
    assert rules(lambda: history(sheets, ATTENDANCE)) == [("month", "MONTH")]
    ref = sheets.world.ref(sheets.school_class)
    with pytest.raises(NotFound):
        sheets.world.ask("GetDataHistory", school_class=ref, student="x", kind=ABSENCES)
    for client in (OTHER_VENDOR, DEPARTMENT):
        with pytest.raises(Forbidden):
            sheets.world.ask("GetDataHistory", client=client, school_class=ref, student=sheets.student, kind=ABSENCES)


def test_a_sheet_that_was_never_entered_is_added(sheets: ClassCorrections) -> None:
    last = sheets.school_class.students[-1].id
    asked = of_sessions(sheets, [(5, MORNING, PRESENT), (4, MORNING, UNEXCUSED)], "2025-09", student=last)
    assert (asked.old_version, [s.old for s in asked.sessions]) == (0, [UNKNOWN, UNKNOWN])
    assert approve(sheets, asked).new_version == 1
    row = sheet(sheets, "2025-09", index=-1)
    assert [(a.day, a.excused) for a in row.absences] == [(4, False)]


def test_windows_decide_whether_data_are_corrected_or_entered(
    world: World, sheets: ClassCorrections, totals: ClassCorrections
) -> None:
    """As for marks: a new window reopens settled data, and earlier requests are stale."""
    student = sheets.school_class.students[2].id
    session: Sessions = [(6, MORNING, EXCUSED)]
    waiting = sheets.confirm(of_sessions(sheets, session, "2026-02", student=student), DEPUTY)
    closed = refused("WINDOW_CLOSED", lambda: enter(world, sheets.school_class, "2026-02", [student], []))
    assert closed.facts["month"] == "2026-02"
    # A window for re-assessments or of the other semester lets nothing in.
    world.plan_window("HE", semesters=(SECOND,), kinds=(REASSESSMENT,))
    world.plan_window("HK1-LAI", semesters=(FIRST,))
    refused("WINDOW_CLOSED", lambda: enter(world, sheets.school_class, "2026-02", [student], []))
    refused("WINDOW_OPEN", lambda: of_sessions(sheets, session, "2025-10", student=student))
    refused("WINDOW_OPEN", lambda: of_totals(totals, 1, 1))
    world.close_window("HE")
    world.close_window("HK1-LAI")

    world.plan_window("HK2-LAI", semesters=(SECOND,))
    refused("WINDOW_OPEN", lambda: sheets.decide(waiting))
    assert enter(world, sheets.school_class, "2026-02", [student], [(9, MORNING, UNEXCUSED)]).changed == 1
    world.plan_window("HK2-LAI", begin_s=-60, end_s=-1, semesters=(SECOND,))
    refused("WINDOW_CLOSING", lambda: sheets.decide(waiting))
    refused("WINDOW_CLOSED", lambda: enter(world, sheets.school_class, "2026-02", [student], []))
    world.close_window("HK2-LAI")
    stale = refused("STALE", lambda: sheets.decide(waiting))
    assert (stale.facts["seen_version"], stale.facts["present_version"]) == ("1", "2")
    sheets.decide(waiting, note="Đã nhập lại.", approve=False)


def test_of_many_requests_at_once_one_is_open_and_two_approvals_write_one_version(sheets: ClassCorrections) -> None:
    def ask(day: int) -> Any:
        try:
            return of_sessions(sheets, [(day, MORNING, EXCUSED)], "2026-03", student=sheets.school_class.students[3].id)
        except Rejected as e:
            return e.reason

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(10, 16)))
        (asked,) = [answer for answer in answers if not isinstance(answer, str)]
        assert [answer for answer in answers if answer is not asked] == ["CORRECTION_OPEN"] * 5
        sheets.confirm(asked, DEPUTY)
        first, second = pool.map(sheets.decide, [asked, asked])
    assert first == second
    assert sheet(sheets, "2026-03", index=3).version == 2


def test_books_that_hold_a_month_end_until_they_are_being_signed(world: World, sheets: ClassCorrections) -> None:
    second = sheets.school_class.students[1].id
    first_book, year_book = sheets.freeze(), sheets.freeze(WHOLE_YEAR)
    spring = of_sessions(sheets, [(6, MORNING, PRESENT)], "2026-04", student=second)
    # The book of semester I holds the sheets to December only.
    assert sheets.freeze().id == first_book.id
    refused("CORRECTION_OPEN", lambda: sheets.freeze(WHOLE_YEAR))
    done = approve(sheets, spring)
    assert list(done.voided_books) == [year_book.id]
    assert world.ask("GetBook", book=first_book.id).book.state == books_pb2.BOOK_STATE_DATA_COMPLETE
    autumn = of_sessions(sheets, [(6, MORNING, PRESENT), (6, AFTERNOON, UNEXCUSED)], "2025-11", student=second)
    assert refused("CORRECTION_OPEN", lambda: sheets.freeze(WHOLE_YEAR)).facts["corrections"] == autumn.id
    done = approve(sheets, autumn)
    assert list(done.voided_books) == [first_book.id]
    ended = world.ask("GetBook", book=first_book.id).book
    assert (ended.state, ended.history[-1].note) == (books_pb2.BOOK_STATE_MISMATCH, f"corrections/{done.id}")
    assert json.loads(world.outbox("BookVoided")[-1])["book"] == first_book.id

    book = sheets.freeze(WHOLE_YEAR)
    content = printing.parse(world.ask("DownloadBookContent", client="service/print", book=book.id)).data
    listed = [c for c in content["corrections"] if c["student"] == 2]
    assert [(c["column"], c["old"], c["new"]) for c in listed] == [
        ("ATTENDANCE_2026-04-06_MORNING", "UNEXCUSED", "PRESENT"),
        ("ATTENDANCE_2025-11-06_MORNING", "UNEXCUSED", "PRESENT"),
        ("ATTENDANCE_2025-11-06_AFTERNOON", "EXCUSED", "UNEXCUSED"),
    ]
    assert {(c["subject"], c["semester"], c["confirmed_by"]["id"]) for c in listed} == {(None, None, DEPUTY)}
    november = next(m for m in content["attendance"] if m["month"] == "2025-11")["rows"][1]
    assert november["absences"] == [{"day": 6, "session": "AFTERNOON", "excused": False}]
    only_autumn = json.loads(world.ask("DownloadBookContent", book=sheets.freeze().id))["corrections"]
    assert not [c for c in only_autumn if c["column"].startswith("ATTENDANCE_2026")]

    waiting = sheets.confirm(of_sessions(sheets, [(6, AFTERNOON, EXCUSED)], "2025-11", student=second), DEPUTY)
    with world.database.transaction() as tx:
        tx.execute("UPDATE book SET state = 10 WHERE id = %s", (book.id,))
    locked = refused("BOOK_LOCKED", lambda: sheets.decide(waiting))
    assert locked.facts["book"] == book.id
    refused("BOOK_LOCKED", lambda: of_sessions(sheets, [(8, MORNING, EXCUSED)], "2026-04", student=second))
    world.ask(
        "RevokeBook",
        person=world.school.principal,
        book=book.id,
        reason="Sai điểm danh tháng 11.",
        department_notice="123/SGDĐT ngày 20/01/2026",
    )
    assert book.id not in sheets.decide(waiting).voided_books
    assert sheets.freeze(WHOLE_YEAR).version == book.version + 1


def test_the_book_lists_the_totals_that_changed(world: World, totals: ClassCorrections) -> None:
    book = totals.freeze(WHOLE_YEAR)
    content = printing.parse(world.ask("DownloadBookContent", client="service/print", book=book.id)).data
    columns = [(c["column"], c["old"], c["new"]) for c in content["corrections"]]
    assert ("ABSENCES_UNEXCUSED", 40, 39) in columns
    # A total that stayed is no correction.
    assert len([c for c in columns if c[0] == "ABSENCES_EXCUSED"]) == 1
    assert content["year"]["evaluation"][0]["absent_sessions"] == 45


def test_people_and_scripts_see_them(
    world: World, sheets: ClassCorrections, totals: ClassCorrections, hoso: Callable[..., Any]
) -> None:
    where = tuple(world.year.values())
    listed = hoso("corrections", "list", *where, "--class", sheets.school_class.name, "--state", "APPROVED")
    assert [c["month"] for c in listed][:2] == ["2025-10", "2025-09"]
    shown = " ".join(hoso("corrections", "show", listed[0]["id"], table=True).split())
    for words in ("điểm danh", "2025-10", "6 sáng K, 7 chiều có mặt", "6 sáng P, 7 chiều K", DEPUTY):
        assert words in shown
    assert "4 sáng chưa điểm danh" in " ".join(hoso("corrections", "show", listed[1]["id"], table=True).split())
    of_year = hoso("corrections", "list", *where, "--class", totals.school_class.name, "--state", "APPROVED")
    shown = " ".join(hoso("corrections", "show", of_year[1]["id"], table=True).split())
    assert "số buổi nghỉ, cả năm" in shown
    assert "P 6, K 40 → P 6, K 39" in shown
    assert "rèn luyện, HKI" in " ".join(hoso("corrections", "show", of_year[2]["id"], table=True).split())


def test_an_attendance_kept_meanwhile_refuses_the_totals(world: World, totals: ClassCorrections) -> None:
    waiting = totals.confirm(of_totals(totals, 2, 2, student=totals.school_class.students[1].id), DEPUTY)
    with world.database.transaction() as tx:
        tx.execute("UPDATE book SET state = 5 WHERE class_id = (SELECT id FROM school_class WHERE name = '6A1')")
    world.plan_window("DIEM-DANH", semesters=(FIRST,))
    enter(world, totals.school_class, "2025-10", [totals.student], [])
    world.close_window("DIEM-DANH")
    refused("ATTENDANCE_KEPT", lambda: totals.decide(waiting))
