"""ActOnBooks over gRPC: a class's transcripts in calls of many acts, each act on its own."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hoso.gradebook.v1 import books_pb2

from services.common.errors import Forbidden, HosoError, Invalid, NotFound, Rejected, Unauthenticated
from services.common.settings import DatabaseConfig
from services.gradebook.api import book_acts
from services.gradebook.books.many_books import MAX_ACTS, act_on_books
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.records.lines import RecordLine, to_locked
from tests.integration.gradebook.world import OTHER_VENDOR, VENDOR, WHOLE_YEAR, World, served
from tests.servers import Pki

CLASS_SIZE = 6


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A class whose data are complete, on the paper track."""
    with served(pki_files, database("gradebook"), classes=1, students=CLASS_SIZE) as world:
        world.put_roster()
        world.plan_window()
        world.complete(world.school.classes[0])
        yield world


@pytest.fixture(scope="module")
def lines(world: World, announce: Announce) -> list[RecordLine]:
    """The transcripts of the class, frozen."""
    school_class = world.school.classes[0]
    world.close_window()
    to_locked(Line(world, announce))
    world.put_year(paper=True)
    where = {"school_class": world.ref(school_class), "stage": WHOLE_YEAR}
    books = world.ask("FreezeClassTranscripts", person=school_class.homeroom_teacher, **where).books
    return [RecordLine(world, announce, school_class.homeroom_teacher, book) for book in books]


def act(world: World, person: str, name: str, lines: list[RecordLine], **fields: Any) -> list[Any]:
    """The same act on each book; `digest`: with each book's own."""
    digest = fields.pop("digest", False)
    acts = []
    for line in lines:
        own = {"content_sha256": line.book.content_sha256[:8]} if digest else {}
        acts.append(books_pb2.BookAct(**{name: {"book": line.book.id, **own, **fields}}))
    return list(world.ask("ActOnBooks", person=person, acts=acts).results)


def states(results: list[Any]) -> set[str]:
    assert not any(result.HasField("refusal") for result in results)
    return {books_pb2.BookState.Name(result.book.state).removeprefix("BOOK_STATE_") for result in results}


def steps(world: World) -> list[Any]:
    """Everything that acts leave behind."""
    return [
        world.rows(f"SELECT count(*) FROM {table} WHERE {which}")
        for table, which in (("book_transition", "true"), ("audit_entry", "action <> 'REFUSED'"), ("outbox", "true"))
    ]


def _signed(line: RecordLine) -> None:
    line.signing_copy()
    line.signed()


def test_a_class_goes_its_whole_way_and_a_repeated_call_has_no_effect(world: World, lines: list[RecordLine]) -> None:
    school, homeroom = world.school, world.school.classes[0].homeroom_teacher
    way: list[tuple[str, str, dict[str, Any], str, Callable[[RecordLine], object] | None]] = [
        (school.principal, "assign_print", {"officer": school.data_officer}, "PRINT_ASSIGNED", RecordLine.printed),
        (school.data_officer, "start_reconciliation", {}, "UNDER_RECONCILIATION", None),
        (school.data_officer, "confirm_reconciliation", {"digest": True}, "UNDER_RECONCILIATION", None),
        (homeroom, "confirm_reconciliation", {"digest": True}, "RECONCILED", None),
        (school.principal, "record_hand_signed", {}, "HAND_SIGNED", None),
        (school.seal_custodian, "record_stamped", {}, "STAMPED", None),
        (school.data_officer, "record_paper_archived", {"place": "Kho lưu trữ, tủ 3"}, "PAPER_ARCHIVED", None),
        (school.principal, "start_digital_signing", {}, "DIGITAL_SIGNING", _signed),
    ]
    for person, name, fields, state, follows in way:
        first = act(world, person, name, lines, **fields)
        assert [result.book.id for result in first] == [line.book.id for line in lines]
        assert states(first) == {state}, name
        left = steps(world)
        assert act(world, person, name, lines, **fields) == first
        assert steps(world) == left
        for line in lines if follows else ():
            follows(line)  # type: ignore[misc]
    for line in lines:
        line.sealed()
    assert states(act(world, school.principal, "lock_book", lines)) == {"LOCKED"}
    for line in lines:
        line.archived()
    assert states(act(world, school.principal, "return_book", lines, recipient="Gia đình học sinh")) == {"RETURNED"}
    persons = [step.person for step in lines[-1].now().history if step.person]
    assert len(persons) == len(way) + 3  # and FREEZE, LOCK, RETURN


def test_each_act_stands_alone_and_a_refusal_says_what_its_own_rpc_says(
    world: World, lines: list[RecordLine], announce: Announce
) -> None:
    """New versions of the first three, of which the second is a step behind."""
    school = world.school
    anew = lines[:3]
    for line in anew:
        line.revoke()
    where = {"school_class": world.ref(world.school.classes[0]), "stage": WHOLE_YEAR}
    books = world.ask("FreezeClassTranscripts", person=anew[0].preparer, **where).books
    anew = [RecordLine(world, announce, anew[0].preparer, book) for book in books[:3]]
    for line in anew:
        line.assign()
    for line in anew[::2]:
        line.printed()
    started: list[tuple[str, str, dict[str, Any]]] = [
        ("start_reconciliation", "StartReconciliation", {"book": anew[0].book.id}),
        ("start_reconciliation", "StartReconciliation", {"book": anew[1].book.id}),
        ("start_reconciliation", "StartReconciliation", {"book": str(uuid.uuid4())}),
        ("lock_book", "LockBook", {"book": anew[0].book.id}),
        ("record_paper_archived", "RecordPaperArchived", {"book": anew[0].book.id, "place": "x" * 201}),
        ("confirm_reconciliation", "ConfirmReconciliation", {"book": anew[0].book.id, "content_sha256": bytes(8)}),
        ("start_reconciliation", "StartReconciliation", {"book": anew[2].book.id}),
    ]
    acts = [books_pb2.BookAct(**{name: fields}) for name, _, fields in started]
    before = world.rows("SELECT count(*) FROM audit_entry WHERE action = 'REFUSED'")[0][0]
    results = list(world.ask("ActOnBooks", person=school.data_officer, acts=acts).results)
    assert [result.refusal.reason for result in results] == [
        "",
        "BOOK_STATE",
        "BOOK_UNKNOWN",
        "ROLE_REQUIRED",
        "INVALID_INPUT",
        "DIGEST_MISMATCH",
        "",
    ]
    assert [line.state for line in anew] == ["UNDER_RECONCILIATION", "PRINT_ASSIGNED", "UNDER_RECONCILIATION"]
    refused = "SELECT person, client, facts->>'reason' FROM audit_entry WHERE action = 'REFUSED' ORDER BY sequence"
    assert world.rows(refused)[before:] == [(school.data_officer, VENDOR, "ROLE_REQUIRED")]
    codes = {NotFound: 5, Rejected: 9, Forbidden: 7, Invalid: 3}
    for (_, rpc, fields), result in zip(started, results, strict=True):
        if not result.HasField("refusal"):
            assert result.book.state == books_pb2.BOOK_STATE_UNDER_RECONCILIATION
            continue
        with pytest.raises(HosoError) as caught:
            world.ask(rpc, person=school.data_officer, **fields)
        error = caught.value
        assert (result.refusal.code, result.refusal.message) == (codes[type(error)], error.message)
        assert dict(result.refusal.facts) == error.facts
        violations = error.violations if isinstance(error, Invalid) else ()
        assert [(v.field, v.rule, v.message) for v in result.refusal.violations] == [
            (v.field, v.rule, v.message) for v in violations
        ]


def test_what_cannot_be_read_as_a_whole_does_nothing(world: World, lines: list[RecordLine]) -> None:
    return_it = books_pb2.BookAct(return_book={"book": lines[0].book.id, "recipient": "Gia đình"})
    left = steps(world)
    for acts, violation in (
        ([], ("acts", "COUNT")),
        ([return_it] * (MAX_ACTS + 1), ("acts", "COUNT")),
        ([return_it, books_pb2.BookAct()], ("acts[1]", "REQUIRED")),
    ):
        with pytest.raises(Invalid) as caught:
            world.ask("ActOnBooks", person=world.school.principal, acts=acts)
        assert [(v.field, v.rule) for v in caught.value.violations] == [violation]
    with pytest.raises(Unauthenticated):
        world.ask("ActOnBooks", acts=[return_it])
    other = world.ask("ActOnBooks", client=OTHER_VENDOR, person=world.school.principal, acts=[return_it])
    assert [result.refusal.reason for result in other.results] == ["VENDOR_NOT_AUTHORISED"]
    assert steps(world) == left


def test_nothing_is_done_for_a_caller_who_has_gone() -> None:
    done: list[int] = []

    def acting(number: int) -> Any:
        return lambda caller: done.append(number)

    results = act_on_books(
        None,  # type: ignore[arg-type]  # the acts look at nobody
        [acting(number) for number in range(5)],
        lambda caller, error: None,
        lambda: len(done) < 3,
    )
    assert (len(results), done) == (3, [0, 1, 2])


def test_every_act_of_the_contract_is_done() -> None:
    assert {field.name for field in books_pb2.BookAct.DESCRIPTOR.fields} == set(book_acts._ACTS)
