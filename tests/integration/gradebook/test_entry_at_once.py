"""Several entries at once: every version stays, and one request id is one entry."""

import threading
import uuid
from typing import Any

from demo.school import SchoolClass
from services.common.errors import Conflict, HosoError
from tests.integration.gradebook.test_entry import cell
from tests.integration.gradebook.world import (
    FINAL,
    FIRST,
    World,
)


def test_two_teachers_write_one_cell_at_once_and_both_versions_stay(world: World, school_class: SchoolClass) -> None:
    student = school_class.students[3].id
    rounds, failures = 20, []

    def write(value: int) -> None:
        try:
            for n in range(rounds):
                world.enter(school_class, "KHTN", FIRST, [(FINAL, 0)], {student: [f"{value}.{n % 10}"]})
        except HosoError as e:
            failures.append(e)

    threads = [threading.Thread(target=write, args=(value,)) for value in (3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    history = cell(world, school_class, "KHTN", (FINAL, 0), student)
    assert [v.version for v in history] == list(range(1, 2 * rounds + 1))
    ((value,),) = world.rows(
        "SELECT value FROM mark m JOIN student s ON s.id = m.student_id JOIN subject j ON j.id = m.subject_id"
        " WHERE s.moet_student_id = %s AND j.code = 'KHTN' AND m.column_no = 11",
        student,
    )
    assert f"{value // 10}.{value % 10}".removesuffix(".0") == history[-1].value


def test_the_same_request_twice_at_once_is_written_once(world: World, school_class: SchoolClass) -> None:
    request_id = str(uuid.uuid4())
    answers = []

    def write() -> None:
        answers.append(
            world.enter(
                school_class, "LSDL", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["7"]}, request_id=request_id
            )
        )

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert {answer.changed for answer in answers} == {1}
    assert world.rows("SELECT count(*) FROM entry WHERE request_id = %s", request_id) == [(1,)]


def test_one_request_id_for_two_sheets_at_once_is_one_entry_and_one_conflict(
    world: World, school_class: SchoolClass
) -> None:
    for _ in range(5):
        request_id, outcomes = str(uuid.uuid4()), []
        ready = threading.Barrier(2)

        def write(
            subject: str, request_id: str = request_id, outcomes: list[str] = outcomes, ready: Any = ready
        ) -> None:
            ready.wait()
            try:
                world.enter(
                    school_class,
                    subject,
                    FIRST,
                    [(FINAL, 0)],
                    {school_class.students[1].id: ["7"]},
                    request_id=request_id,
                )
                outcomes.append("entered")
            except Conflict as e:
                outcomes.append(e.reason)

        threads = [threading.Thread(target=write, args=(subject,)) for subject in ("LSDL", "NN1")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["REQUEST_ID_REUSED", "entered"]
