"""The life of books through real gRPC: content, order of acts, people, guards, paging."""

import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hoso.gradebook.v1 import books_pb2, books_pb2_grpc

from cli.connection import every
from demo.school import SchoolClass
from services.common.canonical import canonical_bytes
from services.common.db import StatementError
from services.common.errors import Forbidden, Invalid, NotFound, Rejected
from services.common.intake import Outcome
from tests.integration.gradebook.books.line import DOCUMENT, RECORD, Announce, Line, State
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FINAL,
    FIRST,
    OTHER_VENDOR,
    SECOND,
    SEMESTER_1,
    WHOLE_YEAR,
    World,
    sha256,
)
from tests.owning import as_owner

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/formats/class-book-2.schema.json").read_text())


def test_a_frozen_book_is_the_documented_content_and_freezing_again_returns_it(
    world: World, announce: Announce
) -> None:
    with pytest.raises(Rejected) as open_window:
        Line(world, announce)
    assert open_window.value.reason == "WINDOW_OPEN"
    world.close_window()
    line = Line(world, announce)
    book = line.book
    assert (book.version, line.state) == (1, "DATA_COMPLETE")
    data = world.ask("DownloadBookContent", client="service/print", book=book.id)
    assert sha256(data) == book.content_sha256
    assert len(data) == book.content_size_bytes
    content = json.loads(data)
    jsonschema.validate(content, SCHEMA)
    assert canonical_bytes(content) == data
    assert [s["field"] for s in content["signatories"]][-3:] == ["sig-14-homeroom", "sig-15-principal", "sig-16-seal"]
    assert content["year"]["totals"]["students"] == 5
    closed = world.ask("GetWindow", **world.year, window="CN").window.closed_time.ToDatetime()
    local = closed.replace(microsecond=0) + dt.timedelta(hours=7)
    assert content["closing_time"] == f"{local.isoformat()}+07:00"
    assert line.freeze() == book

    principal = world.school.principal
    with pytest.raises(Forbidden) as other:
        line.freeze(principal)
    assert other.value.reason == "ROLE_REQUIRED"

    first_half = Line(world, announce, SEMESTER_1)
    half = json.loads(world.ask("DownloadBookContent", book=first_half.book.id))
    jsonschema.validate(half, SCHEMA)
    assert half["year"] is None
    assert [b.id for b in world.ask("ListBooks", **world.year).books] == [first_half.book.id, book.id]


def test_an_incomplete_class_is_told_what_is_missing(world: World, announce: Announce) -> None:
    school_class = world.school.classes[0]
    world.enter(school_class, "TOAN", FIRST, [(FINAL, 0)], {school_class.students[1].id: ["-"]})
    with as_owner(world.database.config) as tx:
        tx.execute("ALTER TABLE conduct DISABLE TRIGGER keep")
        tx.execute("DELETE FROM conduct WHERE semester = 2 AND class_id = (SELECT min(id) FROM school_class)")
    missing = world.ask("ListMissing", school_class=world.ref(school_class), stage=WHOLE_YEAR)
    assert missing.total == 1 + 5
    first = missing.missing[0]
    assert (first.student, first.subject, first.column.kind, first.kind) == (
        school_class.students[1].id,
        "TOAN",
        FINAL,
        "MARK",
    )
    assert world.ask("ListMissing", school_class=world.ref(school_class), stage=SEMESTER_1).total == 1
    world.close_window()
    with pytest.raises(Rejected) as caught:
        Line(world, announce)
    assert caught.value.reason == "DATA_INCOMPLETE"
    assert caught.value.facts["missing"] == "6"
    assert caught.value.facts["first"].startswith("TOAN 2 HK1 FINAL; CONDUCT 1 HK2")


def test_the_whole_line(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.reconcile()
    assert line.state == "RECONCILED"
    line.start_signing()
    assert line.signed() is Outcome.DONE
    assert line.state == "SIGNED"
    assert line.sealed() is Outcome.DONE
    assert line.state == "SEALED"
    line.lock()
    assert line.archived() is Outcome.DONE
    line.act("ReturnBook", world.school.principal, recipient="Phụ huynh lớp 6A1")
    book = line.now()
    assert (book.signed_document, book.archive_record, book.problem) == (DOCUMENT, RECORD, "")
    assert [State.Name(s.to_state).removeprefix("BOOK_STATE_") for s in book.history] == [
        "DATA_COMPLETE",
        "PRINT_ASSIGNED",
        "PRINTED_UNSIGNED",
        "UNDER_RECONCILIATION",
        "UNDER_RECONCILIATION",
        "RECONCILED",
        "DIGITAL_SIGNING",
        "SIGNED",
        "SEALED",
        "LOCKED",
        "ARCHIVED",
        "RETURNED",
    ]
    assert book.history[0].from_state == 0
    for event in ("BookPrintAssigned", "BookSigningStarted", "BookLocked"):
        (body,) = world.outbox(event)
        assert json.loads(body)["book"] == book.id
    locked = json.loads(world.outbox("BookLocked")[0])
    assert locked["document"] == DOCUMENT
    assert set(locked) >= {"document_sha256", "content_sha256", "school_year"}
    # No name and no mark leaves by an event or stands in the audit trail.
    names = [student.name for student in line.school_class.students]
    bodies = [json.loads(bytes(body)) for (body,) in world.rows("SELECT body FROM outbox")]
    facts = [facts for (facts,) in world.rows("SELECT facts FROM audit_entry")]
    texts = json.dumps([bodies, facts], ensure_ascii=False)
    assert line.book.id in texts
    assert [name for name in names if name in texts] == []


def test_every_step_by_another_person_is_refused(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    school = world.school
    teacher = next(p.id for p in school.people if p.roles == ("TEACHER",) and p.id not in _near(line.school_class))
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("AssignPrint", {"officer": school.data_officer}, school.data_officer),
        ("StartReconciliation", {}, school.principal),
        ("ConfirmReconciliation", {"content_sha256": line.book.content_sha256}, teacher),
        ("ReportMismatch", {"differences": "Sai điểm."}, teacher),
        ("RecordHandSigned", {}, school.data_officer),
        ("RecordStamped", {}, school.principal),
        ("RecordPaperArchived", {"place": "Kho"}, school.principal),
        ("StartDigitalSigning", {}, line.school_class.homeroom_teacher),
        ("LockBook", {}, school.data_officer),
        ("ReturnBook", {"recipient": "Phụ huynh"}, school.data_officer),
        (
            "RevokeBook",
            {"reason": "Sai điểm một môn.", "department_notice": "12/SGDĐT"},
            line.school_class.homeroom_teacher,
        ),
    ]
    for rpc, fields, person in steps:
        with pytest.raises(Forbidden) as caught:
            line.act(rpc, person, **fields)
        assert caught.value.reason == "ROLE_REQUIRED", rpc
    for rpc in ("GetBook", "DownloadBookContent", "LockBook"):
        with pytest.raises(Forbidden) as vendor:
            world.ask(rpc, client=OTHER_VENDOR, person=school.principal, book=line.book.id)
        assert vendor.value.reason == "VENDOR_NOT_AUTHORISED"
    with pytest.raises(Forbidden) as school_code:
        world.ask("LockBook", token=world.token(school.principal, school="X"), book=line.book.id)
    assert school_code.value.reason == "WRONG_SCHOOL"
    with pytest.raises(Forbidden):
        world.ask("DownloadBookContent", client=DEPARTMENT, book=line.book.id)
    for unknown in (str(uuid.uuid4()), "no-uuid", ""):
        with pytest.raises(NotFound):
            world.ask("GetBook", book=unknown)
    assert line.state == "DATA_COMPLETE"


def _near(school_class: SchoolClass) -> set[str]:
    return {
        school_class.homeroom_teacher,
        *(teacher for teachers in school_class.assignments.values() for teacher in teachers),
    }


def test_guards_of_reconciliation(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    school = world.school
    for officer in (school.principal, "nobody", "a\x00b"):
        with pytest.raises(Invalid) as caught:
            line.act("AssignPrint", school.principal, officer=officer)
        assert caught.value.violations[0].rule == "OFFICER_ROLE"
    with pytest.raises(Rejected) as early:
        line.start_signing()
    assert early.value.reason == "BOOK_STATE"
    line.assign()
    line.assign()  # the same call again
    assert len(world.outbox("BookPrintAssigned")) == 1
    line.printed()
    line.act("StartReconciliation", school.data_officer)
    with pytest.raises(Invalid):
        line.confirm(school.data_officer, line.book.content_sha256[:7])
    with pytest.raises(Rejected) as differs:
        line.confirm(school.data_officer, b"\x00" * 8)
    assert differs.value.reason == "DIGEST_MISMATCH"
    line.confirm(school.data_officer)
    line.confirm(school.data_officer)
    assert line.state == "UNDER_RECONCILIATION"
    line.confirm(line.school_class.homeroom_teacher, line.book.content_sha256)
    assert line.state == "RECONCILED"
    with pytest.raises(Rejected):
        line.act("ReportMismatch", school.data_officer, differences="Muộn.")


def test_the_paper_track_is_walked_in_order_where_it_is_required(world: World, announce: Announce) -> None:
    world.close_window()
    world.put_year(paper=True)
    line = Line(world, announce)
    school = world.school
    line.reconcile()
    with pytest.raises(Rejected) as caught:
        line.start_signing()
    assert caught.value.reason == "PAPER_TRACK_REQUIRED"
    line.act("RecordHandSigned", school.principal)
    with pytest.raises(Rejected):
        line.start_signing()
    line.act("RecordStamped", school.seal_custodian)
    line.act("RecordPaperArchived", school.data_officer, place="Kho lưu trữ, tủ 3")
    line.start_signing()
    assert line.state == "DIGITAL_SIGNING"

    world.put_year(paper=False)
    other = Line(world, announce, index=1)
    other.reconcile()
    with pytest.raises(Rejected) as needless:
        other.act("RecordHandSigned", school.principal)
    assert needless.value.reason == "PAPER_TRACK_NOT_REQUIRED"


def test_a_mismatch_frees_the_marks_and_the_next_version_replaces_it(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.assign()
    line.printed()
    line.act("StartReconciliation", world.school.data_officer)
    world.plan_window("SUA")
    wrong = line.school_class.students[0].id
    with pytest.raises(Rejected) as frozen:
        world.enter(line.school_class, "TOAN", FIRST, [(FINAL, 0)], {wrong: ["9.9"]})
    assert frozen.value.reason == "BOOK_LOCKED"
    line.act("ReportMismatch", line.school_class.assignments["TOAN"][0], differences="Điểm cuối kì môn Toán của số 1.")
    assert json.loads(world.outbox("BookVoided")[0]) == {"book": line.book.id, "version": 1}
    world.enter(line.school_class, "TOAN", FIRST, [(FINAL, 0)], {wrong: ["9.9"]})
    with pytest.raises(Rejected):
        line.freeze()
    world.close_window("SUA")
    first = line.book.id
    line.freeze()
    assert (line.book.version, line.state) == (2, "DATA_COMPLETE")
    assert world.ask("GetBook", book=first).book.replaced_by_version == 2
    assert json.loads(world.ask("DownloadBookContent", book=line.book.id))["version"] == 2


def test_a_locked_book_holds_the_marks_until_it_is_revoked(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce, SEMESTER_1)
    line.reconcile()
    line.start_signing()
    line.signed()
    line.sealed()
    with pytest.raises(Rejected):
        line.act("ReturnBook", world.school.principal, recipient="Phụ huynh")
    line.lock()
    world.plan_window("SUA")
    student = line.school_class.students[0].id
    with pytest.raises(Rejected) as locked:
        world.enter(line.school_class, "TOAN", FIRST, [(FINAL, 0)], {student: ["9.9"]})
    assert (locked.value.reason, locked.value.facts["book_state"]) == ("BOOK_LOCKED", "LOCKED")
    world.enter(line.school_class, "TOAN", SECOND, [(FINAL, 0)], {student: ["9.9"]})
    with pytest.raises(Invalid):
        line.act("RevokeBook", world.school.principal, reason="ngắn", department_notice="12/SGDĐT")
    line.revoke()
    line.revoke()
    assert len(world.outbox("BookVoided")) == 1
    assert line.archived() is Outcome.DONE  # late: the archive had it already
    assert (line.state, line.now().archive_record) == ("REVOKED", "")
    world.enter(line.school_class, "TOAN", FIRST, [(FINAL, 0)], {student: ["9.9"]})
    world.close_window("SUA")
    assert line.freeze().version == 2


def test_two_lockers_at_once_make_one_step(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.reconcile()
    line.start_signing()
    line.sealed()
    threads = [threading.Thread(target=line.lock) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert line.state == "LOCKED"
    assert len(world.outbox("BookLocked")) == 1


def test_a_frozen_book_cannot_be_changed_in_the_database(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    for statement in (
        "UPDATE book SET content_sha256 = sha256('x') RETURNING 1",
        "UPDATE book_content SET content = 'x' RETURNING 1",
        "DELETE FROM book_transition RETURNING 1",
        "UPDATE snapshot SET content = 'x' RETURNING 1",
    ):
        with pytest.raises(StatementError, match=r"refused|frozen"):
            world.rows(statement)
    assert line.state == "DATA_COMPLETE"


def test_books_are_paged(world: World, announce: Announce) -> None:
    world.close_window()
    ids = [Line(world, announce, stage, index).book.id for index in (0, 1) for stage in (SEMESTER_1, WHOLE_YEAR)]
    listed, token = [], ""
    for _ in range(4):
        page = world.ask("ListBooks", **world.year, page_size=1, page_token=token)
        listed += [book.id for book in page.books]
        token = page.next_page_token
    assert listed == ids
    assert world.ask("ListBooks", **world.year, page_size=1, page_token=token).books == []
    request = books_pb2.ListBooksRequest(**world.year)
    stub = books_pb2_grpc.BookServiceStub(world.channel(DEPARTMENT))
    for page_size in (1, 3, 4, 500):
        assert [book.id for book in every(stub.ListBooks, request, "books", page_size=page_size)] == ids
    for bad in ("x", "bnVsbA==", token[:-4]):
        with pytest.raises(Invalid) as caught:
            world.ask("ListBooks", **world.year, page_token=bad)
        assert caught.value.violations[0].rule == "PAGE_TOKEN"
    for size in (-1, 501):
        with pytest.raises(Invalid):
            world.ask("ListBooks", **world.year, page_size=size)


def test_books_are_listed_by_state(world: World, announce: Announce, hoso: Callable[..., Any]) -> None:
    world.close_window()
    fresh, moved = (Line(world, announce, WHOLE_YEAR, index) for index in (0, 1))
    moved.assign()
    assigned, complete = State.BOOK_STATE_PRINT_ASSIGNED, State.BOOK_STATE_DATA_COMPLETE
    for states, expected in (
        ([assigned], [moved]),
        ([complete, assigned], [fresh, moved]),
        ([State.BOOK_STATE_LOCKED], []),
        ([], [fresh, moved]),
    ):
        listed = world.ask("ListBooks", **world.year, states=states).books
        assert [book.id for book in listed] == [line.book.id for line in expected]
    for states, field, rule in (([complete, 99], "states[1]", "ENUM"), ([0], "states[0]", "ENUM")):
        with pytest.raises(Invalid) as caught:
            world.ask("ListBooks", **world.year, states=states)
        assert [(v.field, v.rule) for v in caught.value.violations] == [(field, rule)]
    with pytest.raises(Invalid) as many:
        world.ask("ListBooks", **world.year, states=[complete] * 17)
    assert [(v.field, v.rule) for v in many.value.violations] == [("states", "COUNT")]

    where = (world.school.code, world.school.school_year)
    assert [book["id"] for book in hoso("books", "list", *where)] == [fresh.book.id, moved.book.id]
    titles = {
        "CLASS_BOOK": "Sổ theo dõi và đánh giá học sinh (theo lớp học)",
        "TEACHER_BOOK": "Sổ theo dõi và đánh giá học sinh (của giáo viên)",
        "TRANSCRIPT": "Học bạ",
        "STUDENT_REGISTER": "Sổ đăng bộ",
    }
    for kind, title in titles.items():
        shown = " ".join(hoso("books", "list", *where, "--type", kind, table=True).split())
        assert f"{title} của trường {where[0]}, {where[1]}" in shown
