"""Windows, snapshots and the whole life of books through real gRPC, with the other services' events handed in."""

import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hoso.archive.v1 import events_pb2 as archive_events
from hoso.gradebook.v1 import books_pb2, marks_pb2
from hoso.print.v1 import events_pb2 as print_events
from hoso.print.v1 import print_pb2
from hoso.signing.v1 import events_pb2 as signing_events

from cli.demo_school import SchoolClass
from services.common.canonical import canonical_bytes
from services.common.consume import Delivery, Intake, Outcome
from services.common.errors import Forbidden, Invalid, NotFound, Rejected
from services.common.settings import DatabaseConfig
from services.gradebook.events import SUBSCRIPTIONS
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FINAL,
    FIRST,
    OTHER_VENDOR,
    SECOND,
    SEMESTER_1,
    WHOLE_YEAR,
    World,
    served,
    sha256,
)
from tests.servers import Pki

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/formats/class-book-1.schema.json").read_text())
PDF = sha256(b"sealed PDF")
State = books_pb2.BookState


@pytest.fixture
def world(pki_files: Pki, postgres_server: Any) -> Iterator[World]:
    """A school of two complete classes, every window closed; new for each test, because books are for ever."""
    config: DatabaseConfig = postgres_server.create("gradebook")
    with served(pki_files, config, students=5) as world:
        world.put_roster()
        world.plan_window()
        for one in world.school.classes:
            world.complete(one)
        yield world
    postgres_server.drop(config)


@pytest.fixture
def announce(world: World) -> Iterator[Callable[[Message], Outcome]]:
    """Hand an event to gradebook's consumer, as the broker would."""
    intake = Intake(world.database.config, SUBSCRIPTIONS)

    def hand_in(event: Message, event_id: str | None = None) -> Outcome:
        body = json_format.MessageToJson(event, preserving_proto_field_name=True).encode()
        return intake.take(Delivery(event_id or str(uuid.uuid4()), event.DESCRIPTOR.full_name, body))[0]

    yield hand_in
    intake.close()


Announce = Callable[[Message], Outcome]


class Line:
    """One class's book on its way; each method is one step by the right person."""

    def __init__(self, world: World, announce: Announce, stage: int = WHOLE_YEAR, index: int = 0) -> None:
        self.world, self.announce, self.one = world, announce, world.school.classes[index]
        self.stage = stage
        self.book = self.freeze()

    def freeze(self, person: str | None = None) -> Any:
        self.book = self.world.ask(
            "FreezeBook",
            person=person or self.one.homeroom_teacher,
            school_class=self.world.ref(self.one),
            stage=self.stage,
        ).book
        return self.book

    def act(self, rpc: str, person: str, **fields: Any) -> Any:
        self.book = self.world.ask(rpc, person=person, book=self.book.id, **fields).book
        return self.book

    @property
    def state(self) -> str:
        return State.Name(self.now().state).removeprefix("BOOK_STATE_")

    def now(self) -> Any:
        return self.world.ask("GetBook", book=self.book.id).book

    def assign(self) -> None:
        self.act("AssignPrint", self.world.school.principal, officer=self.world.school.data_officer)

    def printed(self, **changes: Any) -> Outcome:
        fields = {
            "rendition": "rendition-1",
            "kind": print_pb2.RENDITION_KIND_UNSIGNED,
            "book": self.book.id,
            "version": self.book.version,
            "content_sha256": self.book.content_sha256,
            "pdf_sha256": PDF,
        }
        return self.announce(print_events.RenditionReady(**{**fields, **changes}))

    def confirm(self, person: str, digest: bytes | None = None) -> Any:
        return self.act("ConfirmReconciliation", person, content_sha256=digest or self.book.content_sha256[:8])

    def reconcile(self) -> None:
        self.assign()
        assert self.printed() is Outcome.DONE
        self.act("StartReconciliation", self.world.school.data_officer)
        self.confirm(self.world.school.data_officer)
        self.confirm(self.one.homeroom_teacher)

    def start_signing(self) -> Any:
        return self.act("StartDigitalSigning", self.world.school.principal)

    def signed(self, **changes: Any) -> Outcome:
        return self.announce(signing_events.DocumentSigned(**{**self._document(), **changes}))

    def sealed(self, **changes: Any) -> Outcome:
        return self.announce(signing_events.DocumentSealed(**{**self._document(), **changes}))

    def archived(self, **changes: Any) -> Outcome:
        fields = {
            "book": self.book.id,
            "version": self.book.version,
            "record": "record-1",
            "content_sha256": self.book.content_sha256,
            "object_sha256": PDF,
        }
        return self.announce(archive_events.RecordArchived(**{**fields, **changes}))

    def lock(self) -> Any:
        return self.act("LockBook", self.world.school.principal)

    def revoke(self) -> Any:
        return self.act(
            "RevokeBook",
            self.world.school.principal,
            reason="Điểm cuối kì môn Toán nhập sai bài kiểm tra.",
            department_notice="Công văn 12/SGDĐT ngày 01/6/2026",
        )

    def _document(self) -> dict[str, Any]:
        return {
            "document": "document-1",
            "book": self.book.id,
            "version": self.book.version,
            "content_sha256": self.book.content_sha256,
            "document_sha256": PDF,
        }


def test_closing_a_window_chains_a_snapshot_of_every_class(world: World, announce: Announce) -> None:
    world.plan_window("HK2", semesters=(SECOND,))
    assert world.close_window() == 2
    assert world.close_window() == 2
    first = world.ask("GetWindow", **world.year, window="CN")
    assert first.window.HasField("closed_time")
    assert world.close_window("HK2") == 2
    second = world.ask("GetWindow", **world.year, window="HK2")
    assert [s.school_class.name for s in second.snapshots] == ["6A1", "6A2"]
    for before, after in zip(first.snapshots, second.snapshots, strict=True):
        assert before.previous_sha256 == b""
        assert after.previous_sha256 == before.content_sha256
        data = world.ask("DownloadSnapshot", client="service/archive", snapshot=after.id)
        assert sha256(data) == after.content_sha256
        content = json.loads(data)
        assert canonical_bytes(content) == data
        assert content["previous_sha256"] == before.content_sha256.hex()
        assert (content["window"], content["sequence"]) == ("HK2", 2)
        one = next(c for c in world.school.classes if c.name == content["class"])
        sheet = next(s for s in content["marks"] if (s["subject"], s["semester"]) == ("TOAN", "SEMESTER_2"))
        subject = next(s for s in world.school.subjects[6] if s.code == "TOAN")
        assert sheet["rows"] == list(world.school.sheet(one, subject, 2).values())
    events = [json.loads(body) for body in world.outbox("SnapshotTaken")]
    assert [e["snapshot"] for e in events] == [s.id for s in (*first.snapshots, *second.snapshots)]

    told = archive_events.SnapshotArchived(
        snapshot=first.snapshots[0].id, record="r-1", content_sha256=first.snapshots[0].content_sha256
    )
    assert announce(told) is Outcome.DONE
    assert announce(told) is Outcome.DONE
    assert world.ask("GetWindow", **world.year, window="CN").snapshots[0].archive_record == "r-1"
    told.content_sha256 = PDF
    assert announce(told) is Outcome.RETRY


def test_windows_are_the_principals_and_stay_closed(world: World) -> None:
    with pytest.raises(Forbidden) as caught:
        world.ask("CloseWindow", person=world.school.data_officer, **world.year, window="CN")
    assert caught.value.reason == "ROLE_REQUIRED"
    with pytest.raises(NotFound):
        world.close_window("KHAC")
    world.plan_window("SAU", begin_s=1000, end_s=2000)
    with pytest.raises(Rejected) as early:
        world.close_window("SAU")
    assert early.value.reason == "WINDOW_NOT_OPEN"
    assert not world.ask("GetWindow", **world.year, window="SAU").window.HasField("closed_time")
    world.close_window()
    with pytest.raises(Rejected) as again:
        world.plan_window()
    assert again.value.reason == "WINDOW_CLOSED"
    with pytest.raises(Invalid) as wrong:
        world.ask(
            "PlanWindow",
            person=world.school.principal,
            **world.year,
            window=marks_pb2.Window(name="hk 1", semesters=[1, 1], mark_kinds=[0]),
        )
    assert {v.field for v in wrong.value.violations} == {
        "window.name",
        "window.semesters",
        "window.mark_kinds",
        "window.close_time",
    }
    one = world.school.classes[0]
    with pytest.raises(Rejected) as closed:
        world.enter(one, "TOAN", FIRST, [(FINAL, 0)], {one.students[0].id: ["9"]})
    assert closed.value.reason == "WINDOW_CLOSED"


def test_nothing_is_written_between_a_closing_and_its_snapshot(world: World) -> None:
    """Entries race with the closing: each is in the snapshot, or was refused."""
    one = world.school.classes[0]
    students = [s.id for s in one.students]
    accepted: list[str] = []
    began = threading.Event()

    def write() -> None:
        for n in range(200):
            value = f"{n // 10 % 10}.{n % 10}"
            try:
                world.enter(one, "TOAN", FIRST, [(FINAL, 0)], {students[0]: [value]})
            except Rejected:
                return
            accepted.append(value.removesuffix(".0"))
            began.set()

    thread = threading.Thread(target=write)
    thread.start()
    began.wait(10)
    world.close_window()
    thread.join()
    snapshot = world.ask("GetWindow", **world.year, window="CN").snapshots[0]
    content = json.loads(world.ask("DownloadSnapshot", client="service/archive", snapshot=snapshot.id))
    sheet = next(s for s in content["marks"] if (s["subject"], s["semester"]) == ("TOAN", "SEMESTER_1"))
    assert sheet["rows"][0][-1] == accepted[-1]


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
    one = world.school.classes[0]
    world.enter(one, "TOAN", FIRST, [(FINAL, 0)], {one.students[1].id: ["-"]})
    with world.database.transaction() as tx:
        tx.execute("ALTER TABLE conduct DISABLE TRIGGER keep")
        tx.execute("DELETE FROM conduct WHERE semester = 2 AND class_id = (SELECT min(id) FROM school_class)")
    missing = world.ask("ListMissing", school_class=world.ref(one), stage=WHOLE_YEAR)
    assert missing.total == 1 + 5
    first = missing.missing[0]
    assert (first.student, first.subject, first.column.kind, first.kind) == (
        one.students[1].id,
        "TOAN",
        FINAL,
        "MARK",
    )
    assert world.ask("ListMissing", school_class=world.ref(one), stage=SEMESTER_1).total == 1
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
    assert (book.signed_document, book.archive_record, book.problem) == ("document-1", "record-1", "")
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
    assert locked["document"] == "document-1"
    assert set(locked) >= {"document_sha256", "content_sha256", "school_year"}
    # No name and no mark leaves by an event or stands in the audit trail.
    names = [student.name for student in line.one.students]
    texts = " ".join(
        str(row) for row in world.rows("SELECT body FROM outbox UNION ALL SELECT facts::text::bytea FROM audit_entry")
    )
    assert not any(name in texts for name in names)


def test_every_step_by_another_person_is_refused(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    school = world.school
    teacher = next(p.id for p in school.people if p.roles == ("TEACHER",) and p.id not in _near(line.one))
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("AssignPrint", {"officer": school.data_officer}, school.data_officer),
        ("StartReconciliation", {}, school.principal),
        ("ConfirmReconciliation", {"content_sha256": line.book.content_sha256}, teacher),
        ("ReportMismatch", {"differences": "Sai điểm."}, teacher),
        ("RecordHandSigned", {}, school.data_officer),
        ("RecordStamped", {}, school.principal),
        ("RecordPaperArchived", {"place": "Kho"}, school.principal),
        ("StartDigitalSigning", {}, line.one.homeroom_teacher),
        ("LockBook", {}, school.data_officer),
        ("ReturnBook", {"recipient": "Phụ huynh"}, school.data_officer),
        ("RevokeBook", {"reason": "Sai điểm một môn.", "department_notice": "12/SGDĐT"}, line.one.homeroom_teacher),
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


def _near(one: SchoolClass) -> set[str]:
    return {one.homeroom_teacher, *(t for who in one.assignments.values() for t in who)}


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
    line.confirm(line.one.homeroom_teacher, line.book.content_sha256)
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
    wrong = line.one.students[0].id
    with pytest.raises(Rejected) as frozen:
        world.enter(line.one, "TOAN", FIRST, [(FINAL, 0)], {wrong: ["9.9"]})
    assert frozen.value.reason == "BOOK_LOCKED"
    line.act("ReportMismatch", line.one.assignments["TOAN"][0], differences="Điểm cuối kì môn Toán của số 1.")
    assert json.loads(world.outbox("BookVoided")[0]) == {"book": line.book.id, "version": 1}
    world.enter(line.one, "TOAN", FIRST, [(FINAL, 0)], {wrong: ["9.9"]})
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
    student = line.one.students[0].id
    with pytest.raises(Rejected) as locked:
        world.enter(line.one, "TOAN", FIRST, [(FINAL, 0)], {student: ["9.9"]})
    assert (locked.value.reason, locked.value.facts["book_state"]) == ("BOOK_LOCKED", "LOCKED")
    world.enter(line.one, "TOAN", SECOND, [(FINAL, 0)], {student: ["9.9"]})
    with pytest.raises(Invalid):
        line.act("RevokeBook", world.school.principal, reason="ngắn", department_notice="12/SGDĐT")
    line.revoke()
    line.revoke()
    assert len(world.outbox("BookVoided")) == 1
    assert line.archived() is Outcome.DONE  # late: the archive had it already
    assert (line.state, line.now().archive_record) == ("REVOKED", "")
    world.enter(line.one, "TOAN", FIRST, [(FINAL, 0)], {student: ["9.9"]})
    world.close_window("SUA")
    assert line.freeze().version == 2


def test_events_that_do_not_fit_move_nothing_and_leave_a_problem(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    assert line.printed() is Outcome.DONE  # nobody asked for a print yet
    assert (line.state, "PRINT" in line.now().problem) == ("DATA_COMPLETE", True)
    line.assign()
    assert line.now().problem == ""
    line.printed(version=2)
    line.printed(content_sha256=PDF)
    line.printed(kind=print_pb2.RENDITION_KIND_SIGNING)
    assert line.state == "PRINT_ASSIGNED"
    assert line.now().problem != ""
    failed = print_events.RenditionFailed(
        book=line.book.id,
        version=1,
        kind=print_pb2.RENDITION_KIND_UNSIGNED,
        reason="GLYPH_MISSING",
        field="students[3].name",
    )
    announce(failed)
    assert line.now().problem == "Không tạo được bản in: lỗi GLYPH_MISSING tại students[3].name."
    line.printed()
    announce(failed)
    assert (line.state, line.now().problem) == ("PRINTED_UNSIGNED", "")
    line.printed()
    assert line.now().problem == ""
    line.printed(rendition="another")
    assert (line.state, line.now().problem != "") == ("PRINTED_UNSIGNED", True)
    assert line.printed(book=str(uuid.uuid4())) is Outcome.RETRY
    assert line.printed(book="x") is Outcome.RETRY


def test_a_print_that_cannot_be_made_ends_the_version(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.assign()
    with pytest.raises(Rejected):
        line.act("ReportMismatch", line.one.homeroom_teacher, differences="Chưa có bản in.")
    announce(print_events.RenditionFailed(book=line.book.id, version=1, kind=1, reason="GLYPH_MISSING"))
    line.act("ReportMismatch", line.one.homeroom_teacher, differences="Tên học sinh có ký tự lạ.")
    assert line.freeze().version == 2


def test_signing_events_in_any_order_and_any_number(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.reconcile()
    line.sealed()
    assert (line.state, line.now().problem != "") == ("RECONCILED", True)
    line.start_signing()
    assert line.sealed() is Outcome.DONE
    assert line.state == "SEALED"
    assert line.signed() is Outcome.DONE
    assert line.sealed() is Outcome.DONE
    assert (line.state, line.now().problem) == ("SEALED", "")
    line.sealed(document="document-2")
    assert (line.state, line.now().problem != "") == ("SEALED", True)
    line.lock()
    announce(archive_events.RecordRefused(book=line.book.id, version=1, failed_checks=["signatures", "digest"]))
    assert "signatures, digest" in line.now().problem
    line.archived(object_sha256=sha256(b"other"))
    assert line.state == "LOCKED"
    line.archived()
    assert (line.state, line.now().problem) == ("ARCHIVED", "")
    steps = [State.Name(s.to_state) for s in line.now().history]
    assert steps.count("BOOK_STATE_SIGNED") == 1


def test_one_event_delivered_twice_acts_once(world: World, announce: Any) -> None:
    world.close_window()
    line = Line(world, announce)
    line.assign()
    event = print_events.RenditionReady(
        rendition="r", kind=1, book=line.book.id, version=1, content_sha256=line.book.content_sha256
    )
    event_id = str(uuid.uuid4())
    assert announce(event, event_id) is Outcome.DONE
    assert announce(event, event_id) is Outcome.DONE
    assert len(line.now().history) == 3


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
        with pytest.raises(Exception, match=r"refused|frozen"):
            world.rows(statement)
    assert line.state == "DATA_COMPLETE"


def test_books_are_paged(world: World, announce: Announce) -> None:
    world.close_window()
    ids = [Line(world, announce, stage, index).book.id for index in (0, 1) for stage in (SEMESTER_1, WHOLE_YEAR)]
    found, token = [], ""
    for _ in range(4):
        page = world.ask("ListBooks", **world.year, page_size=1, page_token=token)
        found += [book.id for book in page.books]
        token = page.next_page_token
    assert found == ids
    assert world.ask("ListBooks", **world.year, page_size=1, page_token=token).books == []
    for bad in ("x", "bnVsbA==", token[:-4]):
        with pytest.raises(Invalid) as caught:
            world.ask("ListBooks", **world.year, page_token=bad)
        assert caught.value.violations[0].rule == "PAGE_TOKEN"
    for size in (-1, 501):
        with pytest.raises(Invalid):
            world.ask("ListBooks", **world.year, page_size=size)
