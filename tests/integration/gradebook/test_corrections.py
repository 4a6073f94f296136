"""Corrections after the window closed: the whole procedure through real gRPC."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hoso.gradebook.v1 import books_pb2, common_pb2, corrections_pb2, marks_pb2

from services.common import audit
from services.common.db import StatementError
from services.common.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.class_corrections import DEPUTY, ClassCorrections, complete_school, refused
from tests.integration.gradebook.world import FINAL, FIRST, MIDTERM, REGULAR, SECOND, SEMESTER_1, World, served, sha256
from tests.servers import Pki

FORMATS = Path(__file__).parents[3] / "docs/formats"
STATE = corrections_pb2.CorrectionState


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """Two complete classes under a closed window; the school has a vice principal."""
    with served(pki_files, database("gradebook"), students=5) as world:
        complete_school(world)
        world.close_window()
        yield world


@pytest.fixture(scope="module")
def corrections(world: World) -> ClassCorrections:
    return ClassCorrections(world)


def test_an_approved_correction_changes_one_cell_and_leaves_its_whole_trace(
    world: World, corrections: ClassCorrections
) -> None:
    # 1. A request changes nothing; a repeated one answers the same.
    assert corrections.teacher != corrections.school_class.homeroom_teacher
    before = corrections.sheet()
    snapshots = world.ask("GetWindow", **world.year, window="CN").snapshots
    request_id = str(uuid.uuid4())
    asked = corrections.request("9,5", request_id=request_id)
    assert (asked.state, asked.old_value, asked.old_version, asked.new_value) == (
        STATE.CORRECTION_STATE_REQUESTED,
        before.midterm,
        1,
        "9.5",
    )
    assert corrections.request("9,5", request_id=request_id) == asked
    with pytest.raises(Conflict):
        corrections.request("9", request_id=request_id)
    assert corrections.sheet() == before

    # 2. Three people: the teacher asks, the homeroom teacher confirms, the principal decides.
    confirmed = corrections.confirm(asked, note="Đã đối chiếu bài.")
    assert corrections.confirm(asked, note="Đã đối chiếu bài.") == confirmed
    done = corrections.decide(asked)
    assert corrections.decide(asked) == done
    assert (done.state, done.new_version) == (STATE.CORRECTION_STATE_APPROVED, 2)
    people = (done.requested.person, done.confirmed.person, done.decided.person)
    assert people == (corrections.teacher, corrections.school_class.homeroom_teacher, world.school.principal)
    assert done.decided.client == "vendor/smas"
    after = corrections.sheet()
    assert after.midterm == "9.5"
    assert after.result != before.result

    # 3. The history of the cell names them.
    history = world.ask(
        "GetMarkHistory",
        school_class=world.ref(corrections.school_class),
        subject="TOAN",
        semester=FIRST,
        column={"kind": MIDTERM},
        student=corrections.student,
    ).versions
    assert [(v.version, v.value, v.kind) for v in history] == [(1, before.midterm, "ENTRY"), (2, "9.5", "CORRECTION")]
    trail = history[1].correction
    assert (trail.id, trail.requested_by, trail.confirmed_by, trail.approved_by) == (done.id, *people)
    assert history[1].reason == asked.reason

    # 4. A snapshot with the new mark follows the one before.
    previous = next(s for s in snapshots if s.school_class.name == corrections.school_class.name)
    assert done.snapshot.previous_sha256 == previous.content_sha256
    assert done.snapshot.sequence == previous.sequence + 1
    data = world.ask("DownloadSnapshot", client="service/archive", snapshot=done.snapshot.id)
    assert sha256(data) == done.snapshot.content_sha256
    content = json.loads(data)
    assert (content["format"], content["correction"]) == ("hoso/class-snapshot/2", done.id)
    sheet = next(s for s in content["marks"] if (s["subject"], s["semester"]) == ("TOAN", "SEMESTER_1"))
    assert sheet["rows"][0][sheet["columns"].index("MIDTERM")] == "9.5"
    assert json.loads(world.outbox("SnapshotTaken")[-1])["snapshot"] == done.snapshot.id
    with world.database.transaction() as tx:
        assert list(audit.verify(tx)) == []


def test_who_may_do_what(world: World, corrections: ClassCorrections) -> None:
    principal, homeroom = world.school.principal, corrections.school_class.homeroom_teacher
    other = next(
        t for c, (t, *_) in corrections.school_class.assignments.items() if t not in {corrections.teacher, homeroom}
    )
    refused("NOT_ASSIGNED", lambda: corrections.request(person=other))
    asked = corrections.request("1.5")
    refused("ROLE_REQUIRED", lambda: corrections.confirm(asked, corrections.teacher))
    refused("ROLE_REQUIRED", lambda: corrections.decide(asked, homeroom))
    refused("CORRECTION_STATE", lambda: corrections.decide(asked))
    refused("ROLE_REQUIRED", lambda: world.ask("WithdrawCorrection", person=homeroom, correction=asked.id))
    refused("INVALID_INPUT", lambda: corrections.decide(asked, approve=False))
    assert refused("CORRECTION_OPEN", lambda: corrections.request("9")).facts["correction"] == asked.id
    rejected = corrections.decide(asked, note="Không có bài để đối chiếu.", approve=False)
    assert rejected.state == STATE.CORRECTION_STATE_REJECTED
    refused("CORRECTION_STATE", lambda: corrections.confirm(asked))
    taken_back = corrections.request("8")
    withdrawn = world.ask("WithdrawCorrection", person=corrections.teacher, correction=taken_back.id).correction
    assert (withdrawn.state, withdrawn.withdrawn.person) == (STATE.CORRECTION_STATE_WITHDRAWN, corrections.teacher)

    # The homeroom teacher asks for conduct; the vice principal confirms, because nobody confirms
    # their own request.
    asked = corrections.conduct(common_pb2.LEVEL_UNSATISFACTORY)
    refused("OTHER_PERSON_REQUIRED", lambda: corrections.confirm(asked))
    done = corrections.decide(corrections.confirm(asked, DEPUTY))
    assert (done.new_level, done.decided.person) == (common_pb2.LEVEL_UNSATISFACTORY, principal)
    summary = world.ask("GetClassSummary", school_class=world.ref(corrections.school_class), stage=SEMESTER_1).students[
        0
    ]
    assert summary.semester_1.conduct_result == common_pb2.LEVEL_UNSATISFACTORY
    refused("INVALID_INPUT", lambda: corrections.conduct(common_pb2.LEVEL_UNSATISFACTORY))
    refused("ROLE_REQUIRED", lambda: corrections.conduct(common_pb2.LEVEL_GOOD, person=corrections.teacher))

    listed = world.ask("ListCorrections", client="operator/department", **world.year, class_name="6A1")
    assert [c.state for c in listed.corrections[-3:]] == [4, 5, 3]
    page = world.ask("ListCorrections", **world.year, state=STATE.CORRECTION_STATE_APPROVED, page_size=1)
    rest = world.ask(
        "ListCorrections",
        **world.year,
        state=STATE.CORRECTION_STATE_APPROVED,
        page_token=page.next_page_token,
    )
    assert rest.corrections[-1] == world.ask("GetCorrection", correction=done.id).correction
    with pytest.raises(NotFound):
        world.ask("GetCorrection", correction="x")
    with pytest.raises(Forbidden):
        world.ask("GetCorrection", client="vendor/vietschool", correction=done.id)


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"new_value": ""}, "new_value", "REQUIRED"),
        ({"new_value": "11"}, "new_value", "MARK_OUT_OF_RANGE"),
        ({"column": {"kind": REGULAR, "position": 5}}, "column.position", "REGULAR_POSITION"),
        ({"student": "x"}, "student", "STUDENT_UNKNOWN"),
        ({"reason": "ngắn"}, "reason", "LENGTH"),
        ({"evidence": {"description": ""}}, "evidence.description", "LENGTH"),
        ({"evidence": {"description": "Bài", "sha256": b"1"}}, "evidence.sha256", "LENGTH"),
        ({"new_level": 1}, "new_level", "NOT_ALLOWED"),
        ({"subject": ""}, "subject", "REQUIRED"),
        ({"kind": corrections_pb2.CORRECTION_KIND_MARK, "column": None}, "column", "REQUIRED"),
        ({"kind": corrections_pb2.CORRECTION_KIND_ATTENDANCE}, "new_value", "NOT_ALLOWED"),
        ({"month": "2025-10"}, "month", "NOT_ALLOWED"),
    ],
)
def test_a_bad_request_names_its_field(
    corrections: ClassCorrections, fields: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(Invalid) as caught:
        corrections.request(**fields)
    assert (field, rule) in [(v.field, v.rule) for v in caught.value.violations]


def test_the_value_that_stands_is_no_correction(corrections: ClassCorrections) -> None:
    with pytest.raises(Invalid) as caught:
        corrections.request(corrections.sheet().midterm)
    assert caught.value.violations[0].rule == "UNCHANGED"


def test_windows_decide_whether_a_cell_is_corrected_or_entered(world: World, corrections: ClassCorrections) -> None:
    waiting = corrections.confirm(corrections.request("3"))
    world.plan_window("LAI", semesters=(FIRST,), kinds=(MIDTERM,))
    refused("WINDOW_OPEN", lambda: corrections.request("4", column={"kind": MIDTERM}))
    refused("WINDOW_OPEN", lambda: corrections.decide(waiting))
    other_column = corrections.request("4", column={"kind": FINAL})
    world.ask("WithdrawCorrection", person=corrections.teacher, correction=other_column.id)
    world.enter(corrections.school_class, "TOAN", FIRST, [(MIDTERM, 0)], {corrections.student: ["7.5"]})
    world.plan_window("LAI", begin_s=-60, end_s=-1, semesters=(FIRST,), kinds=(MIDTERM,))
    refused("WINDOW_CLOSING", lambda: corrections.decide(waiting))
    world.close_window("LAI")
    stale = refused("STALE", lambda: corrections.decide(waiting))
    assert int(stale.facts["present_version"]) == int(stale.facts["seen_version"]) + 1
    assert corrections.sheet().midterm == "7.5"
    corrections.decide(waiting, note="Điểm đã nhập lại.", approve=False)


def test_a_correction_ends_books_until_they_are_being_signed(world: World) -> None:
    # 1. Two books hold the mark; an approval ends both.
    corrections = ClassCorrections(world, 1)
    principal, officer = world.school.principal, world.school.data_officer
    book = corrections.freeze()
    world.ask("AssignPrint", person=principal, book=book.id, officer=officer)
    teachers = world.ask(
        "FreezeBook",
        person=corrections.teacher,
        school_class={"school": world.school.code, "school_year": world.school.school_year},
        stage=SEMESTER_1,
        record_type=common_pb2.RECORD_TYPE_TEACHER_BOOK,
        teacher=corrections.teacher,
        subject="TOAN",
    ).book
    asked = corrections.request("2")
    done = corrections.decide(corrections.confirm(asked))
    assert set(done.voided_books) == {book.id, teachers.id}
    assert {json.loads(body)["book"] for body in world.outbox("BookVoided")} == set(done.voided_books)
    ended = world.ask("GetBook", book=book.id).book
    assert ended.state == books_pb2.BOOK_STATE_MISMATCH
    assert ended.history[-1].note == f"corrections/{done.id}"

    # 2. Nothing is frozen over an open correction; the next book lists the one that was approved.
    waiting = corrections.request("-")
    refusal = refused("CORRECTION_OPEN", corrections.freeze)
    assert refusal.facts["corrections"] == waiting.id
    world.ask("WithdrawCorrection", person=corrections.teacher, correction=waiting.id)
    again = corrections.freeze()
    assert again.version == 2
    content = json.loads(world.ask("DownloadBookContent", book=again.id))
    schema = f"class-book-{content['format'].rsplit('/', 1)[1]}.schema.json"
    jsonschema.validate(content, json.loads((FORMATS / schema).read_text()))
    (listed,) = content["corrections"]
    assert (listed["student"], listed["subject"], listed["column"], listed["new"]) == (1, "TOAN", "MIDTERM", "2")
    assert listed["old"] == asked.old_value
    assert listed["approved_by"]["id"] == principal
    row = content["semesters"][0]["marks"][[s["code"] for s in content["subjects"]].index("TOAN")]["rows"][0]
    assert row["midterm"] == "2"

    # 3. While a book is being signed nothing is corrected; once it is revoked, the waiting
    # correction is decided.
    open_one = corrections.confirm(corrections.request("5"))
    with world.database.transaction() as tx:
        tx.execute("UPDATE book SET state = 10 WHERE id = %s", (again.id,))
    refused("BOOK_LOCKED", lambda: corrections.decide(open_one))
    refused("BOOK_LOCKED", lambda: corrections.request("6", column={"kind": FINAL}))
    world.ask(
        "RevokeBook",
        person=principal,
        book=again.id,
        reason="Sai điểm giữa kì môn Toán.",
        department_notice="123/SGDĐT ngày 20/01/2026",
    )
    assert corrections.decide(open_one).voided_books == []
    third = corrections.freeze()
    assert third.version == 3
    columns = [c["new"] for c in json.loads(world.ask("DownloadBookContent", book=third.id))["corrections"]]
    assert columns == ["2", "5"]


def test_signing_does_not_start_over_an_open_correction(world: World) -> None:
    corrections = ClassCorrections(world, 1)
    (book,) = [b for b in world.ask("ListBooks", **world.year).books if b.version == 3]
    asked = corrections.request("1")
    with world.database.transaction() as tx:
        tx.execute("UPDATE book SET state = 6 WHERE id = %s", (book.id,))
    start = lambda: world.ask("StartDigitalSigning", person=world.school.principal, book=book.id)  # noqa: E731
    refused("CORRECTION_OPEN", start)
    world.ask("WithdrawCorrection", person=corrections.teacher, correction=asked.id)
    assert start().book.state == books_pb2.BOOK_STATE_DIGITAL_SIGNING


def test_of_many_requests_for_a_cell_at_once_one_is_open_and_two_approvals_write_one_version(
    corrections: ClassCorrections,
) -> None:
    def ask(value: str) -> Any:
        try:
            return corrections.request(value, column={"kind": FINAL})
        except Rejected as e:
            return e.reason

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6")))
        (asked,) = [answer for answer in answers if not isinstance(answer, str)]
        assert [answer for answer in answers if answer is not asked] == ["CORRECTION_OPEN"] * 5
        corrections.confirm(asked)
        first, second = pool.map(corrections.decide, [asked, asked])
    assert first == second
    assert (first.new_version, corrections.sheet().final) == (2, first.new_value)


def test_a_mark_that_was_never_entered_may_be_added_and_one_withdrawn(
    world: World, corrections: ClassCorrections
) -> None:
    student = corrections.school_class.students[1].id
    column = marks_pb2.MarkColumn(kind=REGULAR, position=1)
    gone = corrections.decide(
        corrections.confirm(corrections.request("-", student=student, semester=SECOND, column=column))
    )
    assert (gone.new_value, gone.new_version) == ("-", 2)
    back = corrections.request("6", student=student, semester=SECOND, column=column)
    assert (back.old_value, back.old_version) == ("", 2)
    assert corrections.decide(corrections.confirm(back)).new_version == 3
    with pytest.raises(Rejected) as nothing:
        corrections.request(
            "-", student=student, semester=SECOND, column=column, new_value="7", request_id=str(uuid.uuid4())
        )
        corrections.request("8", student=student, semester=SECOND, column=column)
    assert nothing.value.reason == "CORRECTION_OPEN"


def test_people_and_scripts_see_corrections_and_windows(
    world: World, corrections: ClassCorrections, hoso: Callable[..., Any]
) -> None:
    where = tuple(world.year.values())
    listed = hoso("corrections", "list", *where, "--class", "6A1", "--state", "APPROVED")
    first = listed[0]
    shown = hoso("corrections", "show", first["id"])
    assert shown["snapshot"]["content_sha256"] == shown["snapshot"]["content_sha256"].lower()
    assert len(shown["evidence"]["sha256"]) == 64
    shown = " ".join(hoso("corrections", "show", first["id"], table=True).split())
    for expected in (corrections.teacher, corrections.school_class.homeroom_teacher, first["new_value"], "ĐĐGgk HKI"):
        assert expected in shown
    assert [w["name"] for w in hoso("windows", "list", *where)] == ["CN", "LAI"]
    assert len(hoso("windows", "show", *where, "CN")["snapshots"]) == 2
    assert "tất cả" in hoso("windows", "list", *where, table=True)
    assert "đóng lúc" in hoso("windows", "show", *where, "CN", table=True)


def test_nothing_of_a_correction_moves_but_its_state(world: World) -> None:
    for change in ("places = '{1}'", "old_values = '{1}'", "new_values = '{1}'", "month = '2025-09-01'", "kind = 2"):
        with pytest.raises(StatementError, match=r"next state|violates check"):
            world.rows(f"UPDATE correction SET {change} RETURNING 1")


def test_the_id_of_an_open_correction_is_no_request_id(world: World, corrections: ClassCorrections) -> None:
    """Its approval is an act with that id, which nobody else may take before."""
    asked = corrections.confirm(corrections.request("4.5"))
    remark = [{"student": corrections.student, "text": "Chăm học."}]
    with pytest.raises(Conflict) as reused:
        world.ask(
            "EnterRemarks",
            person=corrections.school_class.homeroom_teacher,
            request_id=asked.id,
            school_class=world.ref(corrections.school_class),
            period=2,
            rows=remark,
        )
    assert reused.value.reason == "REQUEST_ID_REUSED"
    assert corrections.decide(asked).state == STATE.CORRECTION_STATE_APPROVED
    assert corrections.sheet().midterm == "4.5"
