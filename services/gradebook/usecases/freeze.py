"""Freezing a book: complete data become canonical bytes with one digest, and the first state of a version."""

import hashlib
import itertools
import uuid
from collections.abc import Sequence
from datetime import datetime

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook import content, lifecycle, results, roster_rules
from services.gradebook.checks import Findings
from services.gradebook.content import BookFacts
from services.gradebook.domain import ClassRef, Role, School, Stage, column_name
from services.gradebook.lifecycle import ENDED, Act, Actor, State
from services.gradebook.results import ClassData, Missing, NamedPerson
from services.gradebook.store import books, class_data, marks, roster, windows
from services.gradebook.store.books import BookRow, NewBook
from services.gradebook.store.class_data import ClassHead
from services.gradebook.store.roster import ClassRow, YearRow
from services.gradebook.usecases import access

_NAMED_MISSING = 10


def freeze_book(database: Database, caller: Caller, ref: ClassRef, stage: int) -> BookRow:
    """Freeze a class's book for a stage (homeroom teacher); after MISMATCH or REVOKED, its next version.

    Frozen already with the same data: that book. Raises Forbidden ROLE_REQUIRED; Rejected BOOK_STATE when a living
    version holds other data, WINDOW_OPEN, DATA_INCOMPLETE, ASSIGNMENT_MISSING, PRINCIPAL_UNCLEAR, CLASS_TOO_LARGE,
    TOO_MANY_SIGNATORIES.
    """
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.one_of("stage", stage, {Stage.SEMESTER_1, Stage.WHOLE_YEAR})
    found.refuse()
    checked = Stage(stage)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        _check_homeroom(access.person(caller, ref.school), school_class)
        marks.hold_year(tx, year.id)
        last = books.newest(tx, school_class.id, checked)
        alive = last if last is not None and last.state not in ENDED else None
        version = alive.version if alive else (last.version if last else 0) + 1
        frozen = _content(tx, year, school_class, checked, version)
        digest = hashlib.sha256(frozen).digest()
        if alive is not None:
            return _same(alive, digest)
        new = NewBook(uuid.uuid4(), school_class.id, checked, version, frozen, digest)
        _add(tx, caller, ref, new)
        book = books.book(tx, new.id)
        assert book is not None
        return book


def _check_homeroom(person: str, school_class: ClassRow) -> None:
    actors = {Actor.HOMEROOM_TEACHER} if person == school_class.homeroom_person else set()
    lifecycle.check_actor(Act.FREEZE, actors)


def _same(alive: BookRow, digest: bytes) -> BookRow:
    if alive.content_sha256 != digest:
        state = State(alive.state).name
        raise Rejected(
            "BOOK_STATE",
            f"Sổ phiên bản {alive.version} đang ở trạng thái {state} với dữ liệu khác và phải kết thúc trước.",
            state=state,
            act=Act.FREEZE.value,
            version=alive.version,
        )
    return alive


def _add(tx: Tx, caller: Caller, ref: ClassRef, new: NewBook) -> None:
    books.add(tx, new)
    person = access.person(caller, ref.school)
    state = State.DATA_COMPLETE
    books.add_transition(tx, new.id, Act.FREEZE.value, None, state, person, caller.client, "")
    access.record(
        tx,
        caller,
        ref.school,
        "BOOK_FROZEN",
        f"books/{new.id}",
        school_year=ref.school_year,
        school_class=ref.resource,
        stage=Stage(new.stage).name,
        version=new.version,
        content_sha256=new.content_sha256.hex(),
    )


def _content(tx: Tx, year: YearRow, school_class: ClassRow, stage: Stage, version: int) -> bytes:
    closing_time = _closing_time(tx, year, stage, school_class.grade_level)
    head = ClassHead(school_class.id, school_class.name, school_class.grade_level)
    data = class_data.read(tx, year.id, year.name, [head], stage.semesters)[school_class.id]
    _check_complete(data, stage)
    _check_shape(data)
    found = roster.school(tx, year.school)
    assert found is not None
    facts = BookFacts(
        school=found[1],
        class_name=school_class.name,
        homeroom_teacher=_homeroom(tx, year, school_class),
        principal=_principal(tx, year),
        stage=stage,
        version=version,
        closing_time=closing_time,
    )
    _check_signatories(data, facts.school)
    return content.class_book(data, facts)


def _closing_time(tx: Tx, year: YearRow, stage: Stage, grade_level: int) -> datetime:
    """When the last window over the stage's semesters was closed; every such window that began must be closed."""
    covering = windows.covering(tx, year.id, stage.semesters, grade_level)
    now = windows.now(tx)
    running = [window.name for window in covering if window.closed_time is None and window.open_time <= now]
    closed = [window for window in covering if window.closed_time is not None]
    uncovered = set(stage.semesters) - {semester for window in closed for semester in window.semesters}
    if running or uncovered:
        raise Rejected(
            "WINDOW_OPEN",
            "Phải đóng các đợt nhập điểm của giai đoạn này trước khi chốt sổ.",
            windows=",".join(running),
            semesters_without_closed_window=",".join(str(int(semester)) for semester in sorted(uncovered)),
        )
    return max(window.closed_time for window in closed if window.closed_time is not None)


def _check_complete(data: ClassData, stage: Stage) -> None:
    if not data.students or not data.subjects:
        raise Rejected("DATA_INCOMPLETE", "Lớp chưa có học sinh hoặc khối chưa có môn học.", missing=0)
    absent = list(results.missing(data, stage))
    if absent:
        raise Rejected(
            "DATA_INCOMPLETE",
            f"Còn thiếu {len(absent)} mục mới đủ dữ liệu chốt sổ.",
            missing=len(absent),
            first="; ".join(_words(one) for one in itertools.islice(absent, _NAMED_MISSING)),
        )


def _words(one: Missing) -> str:
    """A missing item by codes: subject, number in the class list, semester, column."""
    semester = f" HK{int(one.semester)}" if one.semester else ""
    column = f" {column_name(one.column)}" if one.column else ""
    return f"{one.subject or one.kind} {one.student.number}{semester}{column}"


def _check_shape(data: ClassData) -> None:
    if len(data.students) > content.MAX_STUDENTS:
        raise Rejected("CLASS_TOO_LARGE", "Sổ chỉ in được lớp không quá 70 học sinh.", students=len(data.students))
    untaught = [subject.code for subject in data.subjects if not subject.teachers]
    if untaught:
        raise Rejected("ASSIGNMENT_MISSING", "Có môn học chưa phân công giáo viên.", subjects=",".join(untaught))


def _check_signatories(data: ClassData, school: School) -> None:
    number = sum(len(subject.teachers) for subject in data.subjects) + 3
    if number > content.MAX_SIGNATORIES:
        raise Rejected("TOO_MANY_SIGNATORIES", "Sổ có quá nhiều người ký.", signatories=number, school=school.code)


def _homeroom(tx: Tx, year: YearRow, school_class: ClassRow) -> NamedPerson:
    row = roster.staff(tx, year.school_id, [school_class.homeroom_person])[school_class.homeroom_person]
    return NamedPerson(row.person, row.name)


def _principal(tx: Tx, year: YearRow) -> NamedPerson:
    found: Sequence[roster.StaffRow] = roster.staff_with_role(tx, year.school_id, Role.PRINCIPAL)
    if len(found) != 1:
        raise Rejected(
            "PRINCIPAL_UNCLEAR",
            "Trường phải có đúng một người giữ vai trò Hiệu trưởng.",
            principals=",".join(row.person for row in found),
        )
    return NamedPerson(found[0].person, found[0].name)
