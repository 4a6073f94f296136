"""Entry while things break: a lost database connection, a client that gives up, a call that comes
too late.
"""

import threading
import uuid
from typing import Any

import pytest

from services.common.errors import HosoError, Invalid, Unavailable
from tests.integration.gradebook.world import FINAL, FIRST, World
from tests.waiting import eventually


def counts(world: World) -> tuple[Any, ...]:
    return world.rows(
        "SELECT (SELECT count(*) FROM mark), (SELECT count(*) FROM entry), (SELECT count(*) FROM audit_entry)"
    )[0]


def waiting(world: World) -> list[int]:
    """Backends of entries that wait for the year to be free; seen by their own role alone."""
    with world.database.transaction() as tx:
        acts = tx.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND wait_event = 'advisory'"
        ).fetchall()
    return [row[0] for row in acts]


def enter_in_background(world: World, request_id: str, value: str) -> tuple[threading.Thread, list[Any]]:
    school_class = world.school.classes[0]
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(
                world.enter(
                    school_class,
                    "TOAN",
                    FIRST,
                    [(FINAL, 0)],
                    {school_class.students[0].id: [value]},
                    request_id=request_id,
                )
            )
        except Unavailable as e:
            answers.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def test_a_connection_killed_in_the_middle_writes_nothing_and_the_retry_writes_once(world: World) -> None:
    world.enter(world.school.classes[0], "VAN", FIRST, [(FINAL, 0)], {world.school.classes[0].students[0].id: ["8"]})
    before = counts(world)
    request_id = str(uuid.uuid4())
    with world.database.transaction() as holder:
        holder.execute("SELECT pg_advisory_xact_lock(18242, id) FROM school_year")
        thread, answers = enter_in_background(world, request_id, "7")
        (victim,) = eventually(lambda: waiting(world))
        assert counts(world) == before
        with world.database.transaction() as tx:
            assert tx.execute("SELECT pg_terminate_backend(%s)", (victim,)).fetchall() == [(True,)]
        # The client was told UNAVAILABLE and tries again by itself, with the same request id.
        eventually(lambda: [pid for pid in waiting(world) if pid != victim])
        assert counts(world) == before
    thread.join(20)
    assert [answer.changed for answer in answers] == [1]
    assert world.rows("SELECT count(*) FROM entry WHERE request_id = %s", request_id) == [(1,)]
    marks, entries, audit = before
    assert counts(world) == (marks + 1, entries + 1, audit + 1)


def test_an_entry_that_waited_for_a_closing_is_refused(world: World) -> None:
    """The window is looked at after the wait, not before."""
    with world.database.transaction() as closing:
        closing.execute("SELECT pg_advisory_xact_lock(18242, id) FROM school_year")
        thread, answers = enter_and_note_refusal(world)
        eventually(lambda: waiting(world))
        closing.execute("UPDATE entry_window SET closed_time = now()")
    thread.join(20)
    assert answers == ["WINDOW_CLOSED"]
    world.rows("UPDATE entry_window SET closed_time = NULL RETURNING 1")


def enter_and_note_refusal(world: World) -> tuple[threading.Thread, list[str]]:
    school_class = world.school.classes[0]
    reasons: list[str] = []

    def run() -> None:
        with pytest.raises(HosoError) as caught:
            world.enter(school_class, "TOAN", FIRST, [(FINAL, 0)], {school_class.students[1].id: ["3"]})
        reasons.append(caught.value.reason)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, reasons


def test_a_violation_in_the_last_of_many_rows_leaves_no_row(world: World) -> None:
    school_class = world.school.classes[0]
    before = counts(world)
    rows = {student.id: ["9"] for student in school_class.students}
    rows[school_class.students[-1].id] = ["9,55"]
    with pytest.raises(Invalid) as refused:
        world.enter(school_class, "KHTN", FIRST, [(FINAL, 0)], rows)
    assert [violation.field for violation in refused.value.violations] == [f"rows[{len(rows) - 1}].values[0]"]
    assert counts(world) == before
