"""What other services announce, in any order and any number, handed to gradebook's consumer."""

import base64
import json
import uuid
from typing import Any

import psycopg
import pytest
from hoso.archive.v1 import events_pb2 as archive_events
from hoso.print.v1 import events_pb2 as print_events
from hoso.print.v1 import print_pb2

from services.common.errors import Forbidden, Rejected
from services.common.intake import Outcome
from tests.integration.gradebook.books.line import DOCUMENT, PDF, RECORD, Announce, Line, State
from tests.integration.gradebook.world import (
    World,
    sha256,
)


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
    line.printed(rendition=str(uuid.uuid4()))
    assert (line.state, line.now().problem != "") == ("PRINTED_UNSIGNED", True)
    assert line.printed(book=str(uuid.uuid4())) is Outcome.RETRY
    assert line.printed(book="x") is Outcome.RETRY


def test_a_print_that_cannot_be_made_ends_the_version(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.assign()
    with pytest.raises(Rejected):
        line.act("ReportMismatch", line.school_class.homeroom_teacher, differences="Chưa có bản in.")
    announce(print_events.RenditionFailed(book=line.book.id, version=1, kind=1, reason="GLYPH_MISSING"))
    line.act("ReportMismatch", line.school_class.homeroom_teacher, differences="Tên học sinh có ký tự lạ.")
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
    line.sealed(document=str(uuid.uuid4()))
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
        rendition=str(uuid.uuid4()),
        kind=1,
        book=line.book.id,
        version=1,
        school=line.book.school_class.school,
        content_sha256=line.book.content_sha256,
    )
    event_id = str(uuid.uuid4())
    assert announce(event, event_id) is Outcome.DONE
    assert announce(event, event_id) is Outcome.DONE
    assert len(line.now().history) == 3


def test_the_signing_copy_is_noted_once_and_told_to_services_alone(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.reconcile()
    line.signing_copy()
    assert "chưa được giao ký số" in line.now().problem
    assert line.facts().signing_rendition == ""
    line.start_signing()
    facts = line.facts()
    assert (facts.book, facts.version, facts.school) == (line.book.id, 1, line.book.school_class.school)
    assert (facts.school_year, facts.record_type, facts.state) == ("2025-2026", 1, State.BOOK_STATE_DIGITAL_SIGNING)
    assert facts.content_sha256 == line.book.content_sha256
    assert (facts.signing_rendition, facts.signing_pdf_sha256, facts.signing_pdf_size_bytes) == (DOCUMENT, PDF, 1000)
    line.signing_copy()
    assert line.now().problem == ""
    for change in ({"rendition": RECORD}, {"pdf_sha256": sha256(b"painted over")}, {"pdf_size_bytes": 1001}):
        line.signing_copy(**change)
        assert "hai thông báo khác nhau" in line.now().problem
        assert line.facts() == facts
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.database.transaction() as tx:
        tx.execute("UPDATE book SET signing_pdf_sha256 = %s WHERE id = %s", (sha256(b"other"), line.book.id))
    for client in ("vendor/smas", "operator/department", "service/gradebook"):
        with pytest.raises(Forbidden):
            line.facts(client)


def test_documents_that_are_not_prints_signing_copy_move_nothing(world: World, announce: Announce) -> None:
    world.close_window()
    line = Line(world, announce)
    line.reconcile()
    line.act("StartDigitalSigning", world.school.principal)
    # Print has announced nothing yet: what signing says is tried again, until an operator sees it.
    assert (line.signed(), line.sealed()) == (Outcome.RETRY, Outcome.RETRY)
    assert line.state == "DIGITAL_SIGNING"
    assert line.signing_copy(pdf_size_bytes=0) is Outcome.DONE  # of the release before, which says no size
    assert line.sealed() is Outcome.RETRY
    line.signing_copy(school="31000999")
    assert ("trường khác" in line.now().problem, line.facts().signing_rendition) == (True, "")
    line.signing_copy()
    for forged in ({"document": RECORD}, {"version": 2}, {"content_sha256": PDF}):
        line.signed(**forged)
        line.sealed(**forged)
        assert (line.state, line.now().problem != "") == ("DIGITAL_SIGNING", True), forged
    assert line.sealed(document=DOCUMENT.upper()) is Outcome.DONE
    assert (line.state, line.now().signed_document) == ("SEALED", DOCUMENT)
    line.lock()
    locked = json.loads(world.outbox("BookLocked")[0])
    assert (base64.b64decode(locked["pdf_sha256"]), locked["pdf_size_bytes"]) == (PDF, "1000")
