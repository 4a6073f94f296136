"""What freezing is for every record type: the next version of a scope, or the one that lives with the same data."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.common import audit
from services.common.audit import Record
from services.common.db import Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow, NewBook, NewTransition, Scope
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


class Draft(NamedTuple):
    """A version of a book whose content is still to be made.

    version: of `alive` when there is one, else the next. alive: the version that has not ended,
    which must hold the same content.
    """

    scope: Scope
    stage: Stage
    version: int
    alive: BookRow | None


class Content(NamedTuple):
    """The content of a draft.

    data: canonical bytes. resource: what the book is of, for the audit row. source_id: the class
    book that it was made from.
    """

    draft: Draft
    data: bytes
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


def begin(tx: Tx, stage: Stage, scopes: Sequence[Scope]) -> list[Draft]:
    """The version that is to be frozen of each scope, in their order."""
    drafts = []
    for scope, newest in zip(scopes, book_store.newest_of_each(tx, scopes, stage), strict=True):
        alive = newest if newest is not None and newest.state not in ENDED else None
        version = alive.version if alive else (newest.version if newest else 0) + 1
        drafts.append(Draft(scope, stage, version, alive))
    return drafts


def keep(tx: Tx, caller: Caller, ref: ClassRef, record: RecordBook, contents: Sequence[Content]) -> list[BookRow]:
    """The books of drafts, in their order: a living one as it is, any other written now.

    All are written in a fixed number of statements. Raises Rejected BOOK_STATE when a living book
    holds other data; then none is written.
    """
    digests = [hashlib.sha256(content.data).digest() for content in contents]
    new: dict[int, NewBook] = {}
    for index, (content, digest) in enumerate(zip(contents, digests, strict=True)):
        scope, stage, version, alive = content.draft
        if alive is None:
            new[index] = NewBook(
                uuid.uuid4(), scope, record.sealed, stage, version, content.data, digest, content.source_id
            )
        else:
            _check_same(alive, digest)
    _write(tx, caller, ref, [(contents[index].resource, book) for index, book in new.items()])
    written = book_store.books(tx, [book.id for book in new.values()])
    return [
        written[new[index].id] if content.draft.alive is None else content.draft.alive
        for index, content in enumerate(contents)
    ]


def _check_same(alive: BookRow, digest: bytes) -> None:
    if alive.content_sha256 != digest:
        state = State(alive.state).name
        raise Rejected(
            "BOOK_STATE",
            f"Sổ phiên bản {alive.version} đang ở trạng thái {state} với dữ liệu khác và phải kết thúc trước.",
            state=state,
            act=Act.FREEZE.value,
            version=alive.version,
        )


def _write(tx: Tx, caller: Caller, ref: ClassRef, new: Sequence[tuple[str, NewBook]]) -> None:
    """Write books with their first transition and audit row; each with the resource that it is of."""
    book_store.add(tx, [book for _, book in new])
    person = access.person(caller, ref.school)
    book_store.add_transitions(
        tx,
        [
            NewTransition(book.id, Act.FREEZE.value, None, State.DATA_COMPLETE, person, caller.client, "")
            for _, book in new
        ],
    )
    audit.append_all(tx, [_record(caller, ref, resource, book) for resource, book in new])


def _record(caller: Caller, ref: ClassRef, resource: str, new: NewBook) -> Record:
    return access.school_record(
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
