"""The demo's people move what is on its way and look at nothing that was returned."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hoso.gradebook.v1 import books_pb2
from rich.progress import Progress

from cli.connection import Persons, Services
from cli.profile import Profile
from demo import books as demo_books
from demo.acts import Acts, DemoFailed, Staff
from demo.books import Play
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.world import DEPARTMENT, ISSUER, VENDOR, World, tls

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def play(world: World) -> Play:
    """The world's school as the demo plays it; print, signing and archive are away."""
    profile = Profile(
        world.address,
        NOWHERE,
        NOWHERE,
        NOWHERE,
        tls(world.pki, DEPARTMENT),
        tls(world.pki, VENDOR),
        ISSUER,
        Path(world.pki.stack.pki / "issuer.key"),
    )
    operator, vendor = (Services(profile, tls(world.pki, name)) for name in (DEPARTMENT, VENDOR))
    school, persons = world.school, Persons(profile, world.school.code)
    staff = Staff(school.principal, school.data_officer, school.seal_custodian)
    acts = Acts(vendor, persons, staff, school.code, {c.name: c.homeroom_teacher for c in school.classes}, {})
    return Play(operator, vendor, persons, school, acts)


def to_archive(line: Line) -> None:
    line.reconcile()
    line.start_signing()
    line.signed()
    line.sealed()
    line.lock()
    line.archived()


def test_books_on_their_way_are_moved_until_all_are_returned(
    world: World, announce: Announce, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.close_window()
    before, now = (Line(world, announce, index=index) for index in (0, 1))
    to_archive(before)
    before.act("ReturnBook", world.school.principal, recipient="Văn phòng")
    to_archive(now)
    listed: list[Sequence[str]] = []

    def all_books(*arguments: Any, **options: Any) -> list[books_pb2.Book]:
        books = real(*arguments, **options)
        listed.append([book.id for book in books])
        return books

    real = demo_books.all_books
    monkeypatch.setattr(demo_books, "all_books", all_books)
    progress = Progress(disable=True)
    demo_books.move([play], progress, "Cả năm", paper=False)
    assert now.state == "RETURNED"
    assert {book for books in listed for book in books} == {now.book.id}
    assert [(task.completed, task.total) for task in progress.tasks] == [(1, 1)] * len(progress.tasks)
    assert {book.id for book in play.all_versions()} == {before.book.id, now.book.id}
    demo_books.move([play], progress, "Lần nữa", paper=False)


def test_a_book_that_does_not_move_stops_the_demo(
    world: World, announce: Announce, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.close_window()
    line = Line(world, announce)
    monkeypatch.setattr(demo_books, "STALLED_S", 0.5)
    with pytest.raises(DemoFailed, match="no book has moved"):
        demo_books.move([play], Progress(disable=True), "Cả năm", paper=False)
    assert line.state == "PRINT_ASSIGNED"
