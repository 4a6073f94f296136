"""Entry windows and the snapshots that their closing takes, through real gRPC."""

import json
import threading

import pytest
from hoso.archive.v1 import events_pb2 as archive_events
from hoso.gradebook.v1 import marks_pb2

from services.common.canonical import canonical_bytes
from services.common.errors import Forbidden, Invalid, NotFound, Rejected
from services.common.intake import Outcome
from tests.integration.gradebook.books.line import PDF, RECORD, Announce
from tests.integration.gradebook.world import (
    FINAL,
    FIRST,
    SECOND,
    World,
    sha256,
)


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
        school_class = next(c for c in world.school.classes if c.name == content["class"])
        sheet = next(s for s in content["marks"] if (s["subject"], s["semester"]) == ("TOAN", "SEMESTER_2"))
        subject = next(s for s in world.school.subjects[6] if s.code == "TOAN")
        assert sheet["rows"] == [[*marks, None] for marks in world.school.sheet(school_class, subject, 2).values()]
    events = [json.loads(body) for body in world.outbox("SnapshotTaken")]
    assert [e["snapshot"] for e in events] == [s.id for s in (*first.snapshots, *second.snapshots)]

    archived = archive_events.SnapshotArchived(
        snapshot=first.snapshots[0].id, record=RECORD, content_sha256=first.snapshots[0].content_sha256
    )
    assert announce(archived) is Outcome.DONE
    assert announce(archived) is Outcome.DONE
    assert world.ask("GetWindow", **world.year, window="CN").snapshots[0].archive_record == RECORD
    archived.content_sha256 = PDF
    assert announce(archived) is Outcome.RETRY

    facts = world.ask("GetSnapshotFacts", client="service/archive", snapshot=second.snapshots[0].id).facts
    assert (facts.snapshot, facts.school, facts.school_year) == (second.snapshots[0].id, *world.year.values())
    assert facts.content_sha256 == second.snapshots[0].content_sha256
    with pytest.raises(NotFound):
        world.ask("GetSnapshotFacts", client="service/archive", snapshot=RECORD)
    with pytest.raises(Forbidden):
        world.ask("GetSnapshotFacts", client="service/signing", snapshot=second.snapshots[0].id)


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
    for seconds in (-1, 10**15):
        window = marks_pb2.Window(name="HK1", semesters=[1], mark_kinds=[1])
        window.open_time.seconds = seconds
        with pytest.raises(Invalid) as odd:
            world.ask("PlanWindow", person=world.school.principal, **world.year, window=window)
        assert [(v.field, v.rule) for v in odd.value.violations] == [("window.open_time", "TIME")]
    school_class = world.school.classes[0]
    with pytest.raises(Rejected) as closed:
        world.enter(school_class, "TOAN", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["9"]})
    assert closed.value.reason == "WINDOW_CLOSED"


def test_nothing_is_written_between_a_closing_and_its_snapshot(world: World) -> None:
    """Entries race with the closing: each is in the snapshot, or was refused."""
    school_class = world.school.classes[0]
    students = [s.id for s in school_class.students]
    accepted: list[str] = []
    began = threading.Event()

    def write() -> None:
        for n in range(200):
            value = f"{n // 10 % 10}.{n % 10}"
            try:
                world.enter(school_class, "TOAN", FIRST, [(FINAL, 0)], {students[0]: [value]})
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
