"""Sheets entered in one transaction: each is answered and written as if it had come alone
(ADR-0034).
"""

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.school import SchoolClass
from services.common import audit
from services.common.db import StatementError, Tx
from services.common.errors import HosoError
from services.common.identity import Caller
from services.gradebook.entry import marks
from services.gradebook.entry.marks import Answer, SheetEntry
from services.gradebook.model.acts import Entered, EntryRequest
from services.gradebook.model.domain import ClassRef
from tests.integration.gradebook.world import FINAL, FIRST, REGULAR, SECOND, VENDOR, World

SUBJECTS = ["TOAN", "VAN", "KHTN"]
VALUES = st.sampled_from(["8", "7.5", "10", "", "-", "11", "8,25"])
SHEETS = st.lists(
    st.tuples(
        st.sampled_from(SUBJECTS),
        st.sampled_from([FIRST, SECOND]),
        st.sampled_from([(REGULAR, 1), (FINAL, 0), (REGULAR, 9)]),
        st.lists(VALUES, min_size=1, max_size=3),
        st.sampled_from(["teacher", "teacher", "teacher", "stranger", "nobody"]),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=6,
)


def sheet(
    world: World,
    school_class: SchoolClass,
    subject: str,
    semester: int,
    column: tuple[int, int],
    *,
    values: Sequence[str],
    person: str | None = "",
    request: uuid.UUID | None = None,
) -> SheetEntry:
    code = world.school.code
    who = school_class.assignments[subject][0] if person == "" else person
    return SheetEntry(
        Caller(VENDOR, who, None if who is None else code),
        EntryRequest(
            request or uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_OID, repr((subject, semester, values))).bytes * 2
        ),
        ClassRef(code, world.school.school_year, school_class.name),
        subject,
        semester,
        [column],
        [(student.id, [value]) for student, value in zip(school_class.students, values, strict=False)],
    )


def enter_many(world: World, entries: Sequence[SheetEntry]) -> list[Answer]:
    """As the service does: together, then the rest alone, each in the thread of its own call."""

    def alone(entry: SheetEntry) -> Answer:
        try:
            return marks.enter_marks(world.database, entry)
        except (HosoError, StatementError) as e:
            return e

    return [
        alone(entry) if answer is None else answer
        for entry, answer in zip(entries, marks.try_together(world.database, entries), strict=True)
    ]


def told(answer: Answer) -> object:
    if isinstance(answer, HosoError):
        return answer.reason, [(violation.field, violation.rule) for violation in getattr(answer, "violations", ())]
    return answer


def standing(world: World, school_class: SchoolClass) -> list[tuple[object, ...]]:
    """What stands in a class, with names in the place of ids: student numbers and subject codes."""
    return world.rows(
        "SELECT e.number, u.code, m.semester, m.column_no, m.value, m.status, m.version FROM mark m"
        " JOIN school_class c ON c.id = m.class_id"
        " JOIN enrolment e ON (e.class_id, e.student_id) = (c.id, m.student_id)"
        " JOIN subject u ON u.id = m.subject_id WHERE c.name = %s ORDER BY 1, 2, 3, 4",
        school_class.name,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=SHEETS)
def test_together_and_alone_agree(
    world: World, drawn: list[tuple[str, int, tuple[int, int], list[str], str, int]]
) -> None:
    """Two classes get the same sheets, one all at once, the other one after another; some requests
    are repeated.
    """
    first, second = world.school.classes[:2]
    people = {"teacher": "", "stranger": "khong-co", "nobody": None}

    def entries(school_class: SchoolClass) -> list[SheetEntry]:
        ids = [uuid.uuid4() for _ in range(6)]
        return [
            sheet(
                world, school_class, subject, semester, column, values=values, person=people[who], request=ids[number]
            )
            for subject, semester, column, values, who, number in drawn
        ]

    together = enter_many(world, entries(first))
    alone = [answer for entry in entries(second) for answer in enter_many(world, [entry])]
    assert [told(answer) for answer in together] == [told(answer) for answer in alone]
    assert standing(world, first) == standing(world, second)


def test_the_chain_of_a_school_is_whole_after_groups_at_the_same_time(world: World) -> None:
    school_class, other = world.school.classes[:2]
    before = world.rows("SELECT count(*) FROM entry")[0][0]

    def enter(number: int) -> list[Answer]:
        values = [f"{number % 10}.5"]
        return enter_many(
            world,
            [
                sheet(world, c, code, SECOND, (REGULAR, 2), values=values)
                for c in (school_class, other)
                for code in SUBJECTS
            ],
        )

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for group in pool.map(enter, range(8)) for answer in group]
    assert all(isinstance(answer, Entered) for answer in answers)
    assert world.rows("SELECT count(*) FROM entry")[0][0] == before + len(answers) == before + 48
    with world.database.transaction() as tx:
        assert audit.verify(tx) == []


@pytest.mark.parametrize("with_others", [True, False])
def test_what_someone_holds_is_left_and_the_others_are_entered(world: World, with_others: bool) -> None:
    school_class, other = world.school.classes[:2]
    column = (REGULAR, 3 if with_others else 1)
    held, free = (sheet(world, c, "VAN", FIRST, column, values=["6"]) for c in (school_class, other))
    with world.database.transaction() as holder:
        hold(holder, school_class)
        if with_others:
            assert marks.try_together(world.database, [held, free]) == [None, Entered(1, 0)]
        else:
            assert marks.try_together(world.database, [held]) == [None]
    assert enter_many(world, [held]) == [Entered(1, 0)]


def test_an_entry_that_waits_keeps_nobody_else_waiting(world: World) -> None:
    """Through the service, where small sheets share transactions."""
    school_class, other = world.school.classes[:2]
    answers: list[Any] = []

    def enter(c: SchoolClass) -> None:
        answers.append(world.enter(c, "VAN", FIRST, [(REGULAR, 2)], {c.students[0].id: ["7"]}).changed)

    with world.database.transaction() as holder:
        hold(holder, school_class)
        waiting = threading.Thread(target=enter, args=(school_class,))
        waiting.start()
        held_up = "SELECT pid, waitstart FROM pg_locks WHERE locktype = 'advisory' AND waitstart IS NOT NULL"
        while not (begun := world.rows(held_up)):
            assert waiting.is_alive()
        enter(other)
        assert answers == [1]
        assert world.rows(held_up) == begun, "it still waits, and has not given up in between"
    waiting.join(10)
    assert answers == [1, 1]


def hold(holder: Tx, school_class: SchoolClass) -> None:
    """Hold the sheet of Ngữ văn and semester I of a class until the end of the transaction."""
    holder.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('sheet/' || c.id || '/' || u.id || '/1', 0))"
        " FROM school_class c JOIN subject u USING (school_year_id) WHERE c.name = %s AND u.code = 'VAN'"
        " AND u.grade_level = c.grade_level",
        (school_class.name,),
    )


def test_a_value_that_no_database_holds_spoils_only_its_own_sheet(world: World) -> None:
    school_class = world.school.classes[0]
    good = sheet(world, school_class, "TOAN", SECOND, (REGULAR, 4), values=["9"])
    bad = sheet(world, school_class, "VAN", SECOND, (REGULAR, 4), values=["9"], person="gv\0")
    answers = enter_many(world, [bad, good])
    assert isinstance(answers[0], Exception)
    assert answers[1] == Entered(1, 0)


@pytest.mark.parametrize("alone", [True, False])
def test_a_sheet_of_an_unknown_school_year_is_refused_by_its_own_name(world: World, alone: bool) -> None:
    school_class = world.school.classes[0]
    good = sheet(world, school_class, "KHTN", SECOND, (REGULAR, 3), values=["9"])
    unknown = sheet(world, school_class, "VAN", SECOND, (REGULAR, 3), values=["9"])
    unknown = SheetEntry(
        unknown.caller,
        unknown.request,
        ClassRef(world.school.code, "2031-2032", school_class.name),
        *(unknown.subject, unknown.semester, unknown.columns, unknown.rows),
    )
    answer = enter_many(world, [unknown] if alone else [good, unknown])[-1]
    assert isinstance(answer, HosoError)
    assert answer.reason == "SCHOOL_YEAR_UNKNOWN"
