"""Freezing the student register of a school year: students, their movements and their results."""

import itertools
from collections.abc import Sequence
from datetime import datetime

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books import year_result_store
from services.gradebook.books.book_store import BookRow, Scope
from services.gradebook.books.content import register as content
from services.gradebook.books.content.register import ClassYear, Move, RegisterFacts, RegisterLine
from services.gradebook.books.freeze import common, versions
from services.gradebook.books.freeze.versions import Content, Draft
from services.gradebook.model import roster_rules
from services.gradebook.model.catalogue import record_book
from services.gradebook.model.domain import ClassRef, RecordType, SchoolLevel
from services.gradebook.model.movement_rules import GONE, MovementKind
from services.gradebook.register import place_store, register_store, student_context
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.register_store import MovementRow, Registration
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import YearRow


def freeze_student_register(database: Database, caller: Caller, ref: ClassRef, stage: int) -> BookRow:
    """Freeze a school's register of a year (seal custodian); its next version after an ended one.

    It holds everything recorded up to the end of that school year, so that it is the same whenever
    it is frozen. Raises Forbidden ROLE_REQUIRED; Rejected BOOK_STATE, DATA_INCOMPLETE when a
    student of the year has no register number, PRINCIPAL_UNCLEAR, DATA_OFFICER_UNCLEAR,
    REGISTER_TOO_LARGE.
    """
    roster_rules.check_year_ref(ref.school, ref.school_year)
    checked = common.check_stage(RecordType.STUDENT_REGISTER, ref.school_year, stage)
    with database.transaction() as tx:
        year = access.year(tx, caller, ref.school, ref.school_year)
        access.staff(tx, caller, year)
        common.check_preparer(tx, caller, year, RecordType.STUDENT_REGISTER)
        year_lock.hold_year(tx, year.id)
        register_store.hold_register(tx, year.school_id)
        scope = Scope(RecordType.STUDENT_REGISTER, year.id)
        (draft,) = versions.begin(tx, checked, [scope])
        data = _content(tx, year, draft)
        # The register of every level has the same signatories.
        record = record_book(RecordType.STUDENT_REGISTER, year.name, SchoolLevel.LOWER_SECONDARY)
        resource = f"schools/{year.school}/years/{year.name}/register"
        (book,) = versions.keep(tx, caller, ref, record, [Content(draft, data, resource)])
        return book


def _content(tx: Tx, year: YearRow, draft: Draft) -> bytes:
    _check_registered(tx, year)
    registrations = register_store.list_registrations(tx, year.school_id, year.name, 0, content.MAX_ROWS + 1)
    students = [registration.student_id for registration in registrations]
    moves: dict[int, list[MovementRow]] = {}
    for move in register_store.movements_of(tx, students, year.school_id):
        if move.school_year <= year.name:
            moves.setdefault(move.student_id, []).append(move)
    places: dict[int, list[ClassPlace]] = {}
    for place in place_store.of_students(tx, students, year.school_id):
        if place.school_year <= year.name:
            places.setdefault(place.student_id, []).append(place)
    classes = sorted({place.class_id for student_places in places.values() for place in student_places})
    results = year_result_store.promotions(tx, classes)
    lines = [
        _line(
            registration,
            moves.get(registration.student_id, []),
            places.get(registration.student_id, []),
            results,
        )
        for registration in registrations
    ]
    _check_shape(lines)
    facts = RegisterFacts(
        school=common.school(tx, year),
        school_year=year.name,
        principal=common.principal(tx, year),
        data_officer=common.data_officer(tx, year),
        version=draft.version,
        closing_time=_closing_time(tx, classes, moves),
    )
    return content.student_register(lines, facts)


def _check_registered(tx: Tx, year: YearRow) -> None:
    unregistered = place_store.unregistered(tx, year.school_id, year.id)
    if unregistered or not register_store.last_number(tx, year.school_id):
        raise Rejected(
            "DATA_INCOMPLETE",
            f"Còn {len(unregistered)} học sinh của năm học chưa có số đăng bộ.",
            missing=len(unregistered),
            first="; ".join(
                f"REGISTER_NUMBER {student.class_name} {student.number}"
                for student in unregistered[: common.NAMED_MISSING]
            ),
        )


def _check_shape(lines: Sequence[RegisterLine]) -> None:
    longest_moves = max((len(line.moves) for line in lines), default=0)
    longest_classes = max((len(line.classes) for line in lines), default=0)
    if len(lines) > content.MAX_ROWS or longest_moves > content.MAX_MOVEMENTS or longest_classes > content.MAX_CLASSES:
        raise Rejected("REGISTER_TOO_LARGE", "Sổ đăng bộ quá lớn để in thành một sổ.", students=len(lines))


def _line(
    registration: Registration,
    moves: Sequence[MovementRow],
    places: Sequence[ClassPlace],
    results: dict[tuple[int, str], str | None],
) -> RegisterLine:
    now, last = student_context.status_of(moves), student_context.last_deciding(moves)
    return RegisterLine(
        registration.number,
        places[-1].personal,
        registration.entered_on,
        registration.details,
        [
            ClassYear(place.school_year, place.class_name, results.get((place.class_id, registration.student)))
            for place in places
        ],
        [
            Move(
                MovementKind(move.kind),
                move.day,
                move.decision,
                move.reason,
                move.other_school_name,
                move.from_class,
                move.to_class,
            )
            for move in moves
        ],
        now,
        last.day if last is not None and now.state in GONE else None,
    )


def _closing_time(tx: Tx, classes: Sequence[int], moves: dict[int, list[MovementRow]]) -> datetime:
    """When the last movement or frozen class book that the register rests on was recorded."""
    recorded = [move.time for move in itertools.chain.from_iterable(moves.values())]
    frozen = year_result_store.last_frozen(tx, classes)
    return max(recorded if frozen is None else [*recorded, frozen])
