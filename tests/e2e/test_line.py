"""One pass of the line, undisturbed and then disturbed in every way the design promises to
survive.
"""

import random
import time

from demo.school import School, neighbour, school, with_story
from tests.e2e import promises
from tests.e2e.conftest import Line, finished
from tests.waiting import eventually

CLASSES, STUDENTS = 2, 10
RELAY_TRIES_AGAIN = "relay interrupted; connecting again"


def schools(code: str) -> tuple[School, School]:
    """The demo's two schools as the demo invents them."""
    home = with_story(school(classes=CLASSES, students_per_class=STUDENTS, code=code))
    return home, neighbour(home)


def test_the_year_runs_and_a_second_run_changes_nothing(line: Line) -> None:
    code = "31000801"
    finished(line.demo(code, classes=CLASSES, students=STUDENTS), 300)
    first = line.report()
    home, away = schools(code)
    promises.check(line, home, away)
    promises.the_story_was_told(line, home, away)
    for row in first:
        assert row["verification"]["valid"] and all(row["verification"]["tools"].values())
    assert {row["type"] for row in first} == {"CLASS_BOOK", "TEACHER_BOOK", "TRANSCRIPT", "STUDENT_REGISTER"}
    finished(line.demo(code, classes=CLASSES, students=STUDENTS), 120)
    assert line.report() == first
    assert line.profile.demo is not None
    folder = line.profile.demo.folder
    assert [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077] == []  # pupils' data


def test_kill_9_of_every_process_once_loses_nothing_and_signs_nothing_twice(line: Line) -> None:
    seed = time.time_ns()
    rng = random.Random(seed)
    print(f"seed {seed}")
    victims = line.processes()
    rng.shuffle(victims)
    codes = iter(range(31000810, 31000899))
    code = str(next(codes))
    done = []
    demo = line.demo(code, classes=CLASSES, students=STUDENTS)
    for victim in victims:
        time.sleep(rng.uniform(0.2, 2.5))  # any moment will do, and each run takes other ones
        if demo.poll() is not None:
            finished(demo, 1)
            done.append(code)
            code = str(next(codes))
            demo = line.demo(code, classes=CLASSES, students=STUDENTS)
            time.sleep(rng.uniform(1, 8))
        line.local("kill", victim)
    finished(demo, 400)
    for finished_code in [*done, code]:
        promises.check(line, *schools(finished_code))


def test_outages_are_waited_out_without_an_operator(line: Line) -> None:
    code = "31000901"
    the_school = school(classes=CLASSES, students_per_class=STUDENTS, code=code)

    # 1. No broker: marks are keyed, events pile up, and the relay tries again and again. It is
    # stopped before the demo starts, which may announce everything while the broker shuts down.
    line.local("stop", "rabbitmq")
    attempts = line.logged("gradebook-relay", RELAY_TRIES_AGAIN)
    demo = line.demo(code, classes=CLASSES, students=STUDENTS, story=False)
    eventually(lambda: promises.marks_are_being_keyed(line, the_school), 120)
    eventually(lambda: line.status("gradebook").outbox_pending > 0, 120)
    eventually(lambda: line.logged("gradebook-relay", RELAY_TRIES_AGAIN) >= attempts + 5, 180)
    line.local("start", "rabbitmq")

    # 2. No database for as long as it takes to start it again.
    line.local("stop", "postgres")
    line.local("start", "postgres")
    eventually(lambda: line.answers("signing"), 60)

    # 3. No keys, and no store for what is to be locked.
    line.local("kill", "signing-tokens")
    line.local("stop", "store")
    eventually(lambda: line.status("archive").jobs_open > 0, 180)
    line.local("start", "store")
    finished(demo, 400)
    promises.check(line, the_school)
