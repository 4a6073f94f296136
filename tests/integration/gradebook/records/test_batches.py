"""What holds the year sends batches: as many statements for a large class as for a small one."""

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
        for one in (world, large):
            statements.clear()
            act(one)
            counts.append(len(statements))
        return counts

    lines: dict[str, Line] = {}
    frozen: dict[str, list[str]] = {}

    def transcripts(one: World) -> None:
        books = _freeze_class(one)
        frozen.setdefault(one.school.code, [book.id for book in books])
        assert frozen[one.school.code] == [book.id for book in books]

    def revoke(one: World) -> None:
        lines[one.school.code].revoke()

    counts = {"register": sent(register_all), "snapshots": sent(World.close_window)}
    for one in (world, large):
        lines[one.school.code] = Line(one, announce)
        to_locked(lines[one.school.code])
    counts |= {"freeze": sent(transcripts), "freeze again": sent(transcripts), "revoke": sent(revoke)}

    assert {len(books) for books in frozen.values()} == {SMALL, LARGE}
    assert len(world.outbox("SnapshotTaken")) == 1 + 3
    for one, students in ((world, SMALL), (large, LARGE)):
        ended = [
            step
            for book in frozen[one.school.code]
            for step in one.rows("SELECT act FROM book_transition WHERE book_id = %s", book)
        ]
        assert ended == [("FREEZE",), ("LOSE_SOURCE",)] * students
    assert {what for what, (few, many) in counts.items() if few != many} == set(), counts
    assert max(max(pair) for pair in counts.values()) < 50, counts


def _freeze_class(one: World) -> Any:
    first = one.school.classes[0]
    return one.ask(
        "FreezeClassTranscripts", person=first.homeroom_teacher, school_class=one.ref(first), stage=WHOLE_YEAR
    ).books
