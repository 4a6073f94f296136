"""When attendance, which is taken daily and without a window, is settled by one that closes."""

from collections.abc import Callable, Iterator

import pytest
from hoso.gradebook.v1 import class_book_pb2, corrections_pb2

from services.common.settings import DatabaseConfig
from tests.integration.gradebook.class_corrections import ClassCorrections, enter, of_sessions, refused
from tests.integration.gradebook.world import FIRST, SECOND, World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """Two classes; semester I's window has closed, the first class keyed totals in it."""
    with served(pki_files, database("gradebook"), students=2) as world:
        world.put_roster()
        world.plan_window("HK1", semesters=(FIRST,))
        world.complete(world.school.classes[0], semesters=(1,))
        world.close_window("HK1")
        yield world


def test_a_closing_settles_whole_months_of_its_semester_and_keyed_totals(world: World) -> None:
    keyed, other = world.school.classes
    who = [student.id for student in other.students]
    refused("WINDOW_CLOSED", lambda: enter(world, other, "2025-12", who, []))
    # January, in which semester I ends, belongs to the second.
    assert enter(world, other, "2026-01", who, []).changed == 2
    session = (6, class_book_pb2.SESSION_MORNING, corrections_pb2.ATTENDANCE_EXCUSED)
    refused("WINDOW_NOT_CLOSED", lambda: of_sessions(ClassCorrections(world, 1), [session], "2026-01"))
    # A first sheet would put aside the totals that were keyed, and that window let them in.
    refused("WINDOW_CLOSED", lambda: enter(world, keyed, "2026-01", [keyed.students[0].id], []))
    world.plan_window("HK2", semesters=(SECOND,))
    assert enter(world, keyed, "2026-01", [keyed.students[0].id], []).changed == 1
