"""What freezing is for every record type: the next version of a scope, or the one that lives with the same data."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow, NewBook, Scope
from services.gradebook.entry.store import windows
from services.gradebook.model import lifecycle
from services.gradebook.model.catalogue import RecordBook, SignatoryRole, level_of, record_book
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, MarkKind, RecordType, School, SchoolLevel, Semester, Stage
from services.gradebook.model.lifecycle import ENDED, Act, State
from services.gradebook.model.permissions import Actor, signing_role
from services.gradebook.model.results import NamedPerson
from services.gradebook.roster import access, clock, roster_store
from services.gradebook.roster.roster_store import ClassRow, StaffRow, YearRow


class Frozen(NamedTuple):
    """What to freeze. source_id: the class book that it is made from.

    content: makes the canonical bytes for a version, given the living book of that version when there is one.
    """

    scope: Scope
    stage: Stage
    content: Callable[[int, BookRow | None], bytes]
    resource: str
    source_id: uuid.UUID | None = None


def check_stage(record_type: RecordType, school_year: str, stage: int) -> Stage:
    """A stage at which the record type is frozen. Raises Invalid ENUM, STAGE_NOT_KEPT."""
    found = Findings()
    found.one_of("stage", stage, set(Stage))
    found.refuse()
    # The stages of a record type are the same at both levels.
    if stage not in record_book(record_type, school_year, SchoolLevel.LOWER_SECONDARY).stages:
        found.add("stage", "STAGE_NOT_KEPT", "Loại sổ này không được chốt ở giai đoạn đã nêu.")
    found.refuse()
    return Stage(stage)


def class_record(record_type: RecordType, year: YearRow, school_class: ClassRow) -> RecordBook:
    """The catalogue's entry for a record of a class."""
    return record_book(record_type, year.name, level_of(school_class.grade_level))


def check_homeroom(caller: Caller, ref: ClassRef, school_class: ClassRow) -> None:
    """Raises Forbidden ROLE_REQUIRED unless the acting person is the homeroom teacher."""
    is_preparer = access.person(caller, ref.school) == school_class.homeroom_person
    lifecycle.check_actor(Act.FREEZE, {Actor.PREPARER} if is_preparer else set())


def freeze(tx: Tx, caller: Caller, ref: ClassRef, record: RecordBook, frozen: Frozen) -> BookRow:
    """The book of a scope and stage: the living version when it holds the same data, else the next version.

    Raises Rejected BOOK_STATE when a living version holds other data.
    """
    last = book_store.newest(tx, frozen.scope, frozen.stage)
    alive = last if last is not None and last.state not in ENDED else None
    version = alive.version if alive else (last.version if last else 0) + 1
    data = frozen.content(version, alive)
    digest = hashlib.sha256(data).digest()
    if alive is not None:
        return _same(alive, digest)
    new = NewBook(
        uuid.uuid4(), frozen.scope, record.sealed, frozen.stage, version, data, digest, source_id=frozen.source_id
    )
    _add(tx, caller, ref, frozen.resource, new)
    book = book_store.book(tx, new.id)
    assert book is not None
    return book


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


def _add(tx: Tx, caller: Caller, ref: ClassRef, resource: str, new: NewBook) -> None:
    book_store.add(tx, new)
    person = access.person(caller, ref.school)
    state = State.DATA_COMPLETE
    book_store.add_transition(tx, new.id, Act.FREEZE.value, None, state, person, caller.client, "")
    access.record(
        tx,
        caller,
        ref.school,
        "BOOK_FROZEN",
        f"books/{new.id}",
        school_year=ref.school_year,
        record_type=RecordType(new.scope.record_type).name,
        of=resource,
        stage=Stage(new.stage).name,
        version=new.version,
        content_sha256=new.content_sha256.hex(),
    )


def closing_time(tx: Tx, year: YearRow, stage: Stage, grade_level: int) -> datetime:
    """When the last window over a grade and the stage's semesters was closed; every one that began must be closed.

    Windows of the summer alone count only after the summer, and then no others (ADR-0039). Raises Rejected WINDOW_OPEN.
    """
    summer = stage is Stage.AFTER_SUMMER
    semesters = {Semester.SECOND} if summer else set(stage.semesters)
    covering = [
        window
        for window in windows.covering(tx, year.id, list(semesters), grade_level)
        if (MarkKind.REASSESSMENT in window.mark_kinds if summer else set(window.mark_kinds) - {MarkKind.REASSESSMENT})
    ]
    now = clock.now(tx)
    running = [window.name for window in covering if window.closed_time is None and window.open_time <= now]
    closed = [window for window in covering if window.closed_time is not None]
    uncovered = semesters - {semester for window in closed for semester in window.semesters}
    if running or uncovered:
        raise Rejected(
            "WINDOW_OPEN",
            "Phải đóng các đợt nhập điểm của giai đoạn này trước khi chốt sổ.",
            windows=",".join(running),
            semesters_without_closed_window=",".join(str(int(semester)) for semester in sorted(uncovered)),
        )
    return max(window.closed_time for window in closed if window.closed_time is not None)


def school(tx: Tx, year: YearRow) -> School:
    """The school as its books print it."""
    found = roster_store.school(tx, year.school)
    assert found is not None
    return found[1]


def homeroom(tx: Tx, year: YearRow, school_class: ClassRow) -> NamedPerson:
    """The homeroom teacher of a class."""
    row = roster_store.staff(tx, year.school_id, [school_class.homeroom_person])[school_class.homeroom_person]
    return NamedPerson(row.person, row.name)


def principal(tx: Tx, year: YearRow) -> NamedPerson:
    """The principal, of whom there must be exactly one. Raises Rejected PRINCIPAL_UNCLEAR."""
    found: Sequence[StaffRow] = roster_store.staff_with_role(tx, year.school_id, signing_role(SignatoryRole.PRINCIPAL))
    if len(found) != 1:
        raise Rejected(
            "PRINCIPAL_UNCLEAR",
            "Trường phải có đúng một người giữ vai trò Hiệu trưởng.",
            principals=",".join(row.person for row in found),
        )
    return NamedPerson(found[0].person, found[0].name)
