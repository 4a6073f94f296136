"""Make a kept database: `python -m tests.kept.make 0.1`, on a running local stack that is thrown
away afterwards.

It runs the demo (two schools, a whole year), adds a third school in the middle of its year whose
acts are written down with their answers, asks for everything that can be read, and dumps the four
databases. Read README.md beside this file before you use it: what it writes is only as old as the
checkout that it runs in.
"""

import argparse
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

from hoso.gradebook.v1 import (
    books_pb2,
    common_pb2,
    corrections_pb2,
)

from cli import profile
from cli.connection import Persons, Services
from cli.signing import register_record
from demo import keys as demo_keys
from demo import run as demo
from demo import school as demo_school
from demo.acts import Acts, Staff
from demo.school import SchoolClass
from deploy.local import layout, postgres
from services.common.db import Database
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FIRST,
    MIDTERM,
    REGULAR,
    SECOND,
    SEMESTER_1,
)
from tests.kept import kept
from tests.kept.asking import ask
from tests.kept.third_school import Recorder, middle_of_a_year
from tests.servers import Pki

_THIRD = "31000899"
_STALLED_S = 120
_STOOD_ASIDE = "SELECT count(*) FROM job WHERE kind = 'sign' AND state = 'waiting' AND waits > 0"
_PENDING = """SELECT (SELECT count(*) FROM outbox WHERE published_time IS NULL) + (SELECT count(*) FROM job
    WHERE state IN ('waiting', 'running') AND kind NOT IN ('close-window', 'sign'))"""
"""Events to send and jobs to do, but for those that wait for a person or for a window's end."""
_NOT_SQL = re.compile(r"^(\\(un)?restrict .*|SET transaction_timeout .*)\n", re.M)
"""Lines of newer pg_dumps that only psql, or only a newer server, understands."""


def main() -> None:
    """Make the folder of a release; refuses one that is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("release")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--port-base", type=int, required=True)
    options = parser.parse_args()
    folder = kept.FOLDER / options.release
    folder.mkdir()
    stack = layout.open_stack(options.stack, options.port_base)
    os.environ["HOSO_PROFILE"] = str(stack.config / "cli.toml")
    demo_schools = _run_demo()
    third = demo_school.school(classes=2, students_per_class=5, code=_THIRD)
    database = Database(postgres.config(stack, "gradebook"), max_size=2)
    world = Recorder(Pki(stack), database, f"{layout.HOST}:{stack.port(20)}", third)
    world.calls = []
    middle_of_a_year(world)
    acts = [call for call in world.calls if kept.request_id(call)]
    _waiting_for_a_signature(world)
    _wait_for(lambda: _count(stack, "signing", _STOOD_ASIDE) == 1)
    _wait_for(lambda: not any(_count(stack, service, _PENDING) for service in layout.SERVICES))
    # A repeated request for a correction answers with what became of it.
    acts = [{**act, "answer": ask(world, act)} for act in acts]
    world.calls = []
    _read_everything(world, [*demo_schools, third])
    database.close()
    kept.write_calls(folder / kept.ACTS, acts)
    kept.write_calls(folder / kept.READS, world.calls)
    for service in layout.SERVICES:
        _dump(postgres.config(stack, service), stack, kept.database_file(options.release, service))
    roots = stack.root / "signing-ca" / "certs" / "root.cert.pem"
    (folder / kept.ROOTS).write_bytes(roots.read_bytes())


def _run_demo() -> list[demo_school.School]:
    size = {"classes": 2, "students": 5}
    if demo.run(**size, paper=True, story=True, code=demo_school.CODE) != 0:
        raise SystemExit("the demo failed")
    home = demo_school.with_story(demo_school.school(classes=2, students_per_class=5, code=demo_school.CODE))
    return [home, demo_school.neighbour(home)]


def _waiting_for_a_signature(world: Recorder) -> None:
    """A class book of semester I goes on to its first signature, and nobody opens a key."""
    settings = profile.load()
    assert settings.vendor_tls is not None
    assert settings.demo is not None
    school_class, school = world.school.classes[1], world.school
    keys, record = demo_keys.perform(settings.demo, school)
    register_record(Services(settings, settings.tls), record)
    people = Acts(
        vendor=Services(settings, settings.vendor_tls),
        persons=Persons(settings, school.code),
        staff=Staff(school.principal, school.data_officer, school.seal_custodian),
        school=school.code,
        homeroom={c.name: c.homeroom_teacher for c in school.classes},
        pin_files={key.signatory: key.pin_file for key in keys},
    )
    ref = world.ref(school_class)
    book = world.ask("FreezeBook", person=school_class.homeroom_teacher, school_class=ref, stage=SEMESTER_1).book
    deadline = time.monotonic() + _STALLED_S
    while book.state != books_pb2.BOOK_STATE_DIGITAL_SIGNING:
        if time.monotonic() > deadline:
            raise SystemExit(f"the book stays in state {book.state}")
        people.advance(book)
        time.sleep(0.3)
        book = world.ask("GetBook", book=book.id).book


def _read_everything(world: Recorder, schools: list[demo_school.School]) -> None:
    """What does not depend on the time of asking."""
    for rpc, fields in (
        ("ListVendors", {}),
        ("ListDossiers", {"school_year": demo_school.SCHOOL_YEAR}),
        ("GetAssessmentPolicy", {"school_year": demo_school.SCHOOL_YEAR}),
    ):
        world.ask(rpc, client=DEPARTMENT, **fields)
    for school in schools:
        world.school = school
        _read_school(world, school)
        for school_class in school.classes:
            _read_class(world, school, school_class)


def _read_school(world: Recorder, school: demo_school.School) -> None:
    year = world.year
    for rpc in ("GetSchool", "ListPeople"):
        world.ask(rpc, school=school.code)
    for rpc in ("ListClasses", "ListWindows", "ListCorrections", "GetRegister", "ListMovements"):
        world.ask(rpc, **year)
    world.ask("ListControlLog", client=DEPARTMENT, **year)
    world.export()
    if school.code != _THIRD:
        world.ask("GetDossier", client=DEPARTMENT, **year)
    for window in world.ask("ListWindows", **year).windows:
        for snapshot in world.ask("GetWindow", **year, window=window.name).snapshots:
            world.ask("DownloadSnapshot", client="service/archive", snapshot=snapshot.id)
    for record_type in sorted(set(common_pb2.RecordType.values()) - {common_pb2.RECORD_TYPE_UNSPECIFIED}):
        for book in world.ask("ListBooks", **year, record_type=record_type).books:
            world.ask("GetBook", book=book.id)
            world.ask("DownloadBookContent", client="service/print", book=book.id)


def _read_class(world: Recorder, school: demo_school.School, school_class: SchoolClass) -> None:
    ref = {"school_class": world.ref(school_class)}
    for rpc in ("ListStudents", "ListPrincipalRemarks", "ListPracticalExemptions"):
        world.ask(rpc, **ref)
    for kind in (1, 2):
        world.ask("GetAchievements", **ref, kind=kind)
    for stage in (1, 2, 3):
        world.ask("GetClassSummary", **ref, stage=stage)
    for month in demo_school.MONTHS:
        world.ask("GetAttendance", **ref, month=month)
    for subject in school.subjects[school_class.grade]:
        for semester in (FIRST, SECOND):
            world.ask("GetMarkSheet", **ref, subject=subject.code, semester=semester)
            world.ask("GetRemarks", **ref, subject=subject.code, period=semester)
    for period in (1, 2, 3):
        world.ask("GetRemarks", **ref, subject="", period=period)
    for student in school_class.students:
        if school.story is None or student.id != school.story.leaver:
            world.ask("GetStudentPath", school=school.code, student=student.id)
            world.ask("ListStudentTranscripts", school=school.code, student=student.id)
        for column in (0, 10):
            position = {"kind": MIDTERM} if column else {"kind": REGULAR, "position": 1}
            world.ask("GetMarkHistory", **ref, subject="TOAN", semester=FIRST, column=position, student=student.id)
        kinds = corrections_pb2.CorrectionKind
        world.ask("GetDataHistory", **ref, student=student.id, kind=kinds.CORRECTION_KIND_CONDUCT, semester=FIRST)
        world.ask("GetDataHistory", **ref, student=student.id, kind=kinds.CORRECTION_KIND_ATTENDANCE, month="2025-10")


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _STALLED_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the services do not come to rest")
        time.sleep(0.3)


def _count(stack: layout.Stack, service: str, statement: LiteralString) -> int:
    database = Database(postgres.config(stack, service), max_size=1)
    with database.transaction() as tx:
        row = tx.execute(statement).fetchone()
    database.close()
    assert row is not None
    return int(row[0])


def _dump(config: DatabaseConfig, stack: layout.Stack, file: Path) -> None:
    """A database as SQL that psycopg can execute on PostgreSQL 15 or newer, whoever owns it."""
    command = ["pg_dump", "--no-owner", "--no-privileges", "--rows-per-insert=500", "--encoding=UTF8"]
    command += ["--host", str(stack.sockets), "--port", str(config.port), "--username", postgres.SUPERUSER, config.name]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    kept.write(file, _NOT_SQL.sub("", text))


if __name__ == "__main__":
    main()
