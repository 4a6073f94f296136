"""Acts that hold the year send batches: as many statements for a large class as for a small
class."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from services.common.settings import DatabaseConfig
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.records.lines import to_locked
from tests.integration.gradebook.register.schools import another, register_all
from tests.integration.gradebook.world import OTHER_VENDOR, WHOLE_YEAR, World, served
from tests.servers import Pki

SMALL, LARGE = 10, 40


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of one small class whose data are complete."""
    with served(pki_files, database("gradebook"), classes=1, students=SMALL) as world:
        world.put_roster()
        world.plan_window()
        world.complete(world.school.classes[0])
        yield world


@pytest.fixture(scope="module")
def large(world: World) -> World:
    """A school of three large classes; the data of the first are complete."""
    large = another(world, "31000811", OTHER_VENDOR, classes=3, students=LARGE)
    large.complete(large.school.classes[0])
    return large


@pytest.fixture(scope="module")
def statements(monkeypatch_module: pytest.MonkeyPatch) -> list[str]:
    """Every statement or batch that this process sends, in order."""
    sent: list[str] = []
    for name in ("execute", "executemany"):
        monkeypatch_module.setattr(psycopg.Cursor, name, _noting(getattr(psycopg.Cursor, name), sent))
    return sent


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def _noting(execute: Any, sent: list[str]) -> Any:
    def noting(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(query if isinstance(query, str) else query.as_string(cursor))
        return execute(cursor, query, *arguments, **options)

    return noting


def test_a_large_school_needs_no_more_statements_than_a_small_one(
    world: World, large: World, announce: Announce, statements: list[str]
) -> None:
    def sent(act: Callable[[World], object]) -> list[int]:
        counts = []
        for school_world in (world, large):
            statements.clear()
            act(school_world)
            counts.append(len(statements))
        return counts

    lines: dict[str, Line] = {}
    frozen: dict[str, list[str]] = {}

    def transcripts(school_world: World) -> None:
        books = _freeze_class(school_world)
        frozen.setdefault(school_world.school.code, [book.id for book in books])
        assert frozen[school_world.school.code] == [book.id for book in books]

    def revoke(school_world: World) -> None:
        lines[school_world.school.code].revoke()

    counts = {"register": sent(register_all), "snapshots": sent(World.close_window)}
    for school_world in (world, large):
        lines[school_world.school.code] = Line(school_world, announce)
        to_locked(lines[school_world.school.code])
    counts |= {"freeze": sent(transcripts), "freeze again": sent(transcripts), "revoke": sent(revoke)}

    assert {len(books) for books in frozen.values()} == {SMALL, LARGE}
    assert len(world.outbox("SnapshotTaken")) == 1 + 3
    for school_world, students in ((world, SMALL), (large, LARGE)):
        ended = [
            step
            for book in frozen[school_world.school.code]
            for step in school_world.rows("SELECT act FROM book_transition WHERE book_id = %s", book)
        ]
        assert ended == [("FREEZE",), ("LOSE_SOURCE",)] * students
    assert {what for what, (few, many) in counts.items() if few != many} == set(), counts
    assert max(max(pair) for pair in counts.values()) < 50, counts


def _freeze_class(school_world: World) -> Any:
    first = school_world.school.classes[0]
    return school_world.ask(
        "FreezeClassTranscripts", person=first.homeroom_teacher, school_class=school_world.ref(first), stage=WHOLE_YEAR
    ).books
