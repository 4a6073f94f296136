"""Freezing transcripts from a locked class book and earlier transcripts (ADR-0036)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import Caller
from services.gradebook.books import book_store, transcript_store
from services.gradebook.books.book_store import BookRow, Scope
from services.gradebook.books.content import transcript as content
from services.gradebook.books.content.transcript import Identity, Source, TranscriptFacts
from services.gradebook.books.freeze import common, versions
from services.gradebook.books.freeze.versions import Content, Draft
from services.gradebook.entry import open_corrections
from services.gradebook.entry.achievements import AchievementKind
from services.gradebook.entry.store import achievements, class_data, corrections, remarks
from services.gradebook.model import roster_rules
from services.gradebook.model.catalogue import RecordBook
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, RecordType, Stage
from services.gradebook.model.lifecycle import READ_ONLY, BookAct, BookState
from services.gradebook.model.results import NamedPerson
from services.gradebook.register import place_store, register_store
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.register_store import Registration
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import ClassRow, YearRow

_PRINTED_PERIODS = (2, 3)
"""Periods of remarks: those of the year are printed, or else those of semester II."""


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everything the transcripts of a class are made from. Maps without a word are by student id.

    numbers: moet_student_id → number in the class book, of the students with results.
    ids: moet_student_id → id, of all students of the class.
    chosen: moet_student_ids of the students whose transcripts are frozen.
    remarks: by student id and subject code. achievements: by student id and kind.
    earlier: by moet_student_id, parsed content, oldest first.
    open_corrections: of the chosen students, by moet_student_id.
    repeated: book id → content of the transcripts alive that were made from the same class book.
    """

    year: YearRow
    school_class: ClassRow
    record: RecordBook
    source: Source
    source_book: BookRow
    numbers: Mapping[str, int]
    ids: Mapping[str, int]
    homeroom: NamedPerson
    principal: NamedPerson
    absences: Mapping[int, tuple[int, int]]
    remarks: Mapping[tuple[int, str], str]
    achievements: Mapping[tuple[int, int], str]
    registrations: Mapping[int, Registration]
    places: Mapping[int, list[dict[str, Any]]]
    earlier: Mapping[str, list[dict[str, Any]]]
    chosen: Sequence[str]
    open_corrections: Mapping[str, list[UUID]]
    repeated: Mapping[UUID, bytes]


def freeze_transcript(database: Database, caller: Caller, ref: ClassRef, student: str, stage: int) -> BookRow:
    """Freeze one student's transcript for a stage (homeroom teacher of the class).

    Raises Forbidden ROLE_REQUIRED; NotFound STUDENT_UNKNOWN; Rejected CLASS_BOOK_REQUIRED unless
    the class book of the stage is LOCKED or further, NO_RESULT for a student who left during the
    year or had nothing to do in the summer, EARLIER_TRANSCRIPT_OPEN while the transcript of an
    earlier year is not locked, CORRECTION_OPEN, BOOK_STATE, PRINCIPAL_UNCLEAR.
    """
    findings = Findings()
    findings.code("student", student)
    findings.refuse()
    return _freeze(database, caller, ref, stage, student)[0]


def freeze_class_transcripts(database: Database, caller: Caller, ref: ClassRef, stage: int) -> list[BookRow]:
    """Freeze the transcripts of all students of a class with results of the stage, or none.

    In the order of the class list. Raises as freeze_transcript does.
    """
    return _freeze(database, caller, ref, stage, None)


def _freeze(database: Database, caller: Caller, ref: ClassRef, stage: int, student: str | None) -> list[BookRow]:
    """student: moet_student_id; None for all students with results of the stage."""
    roster_rules.check_class_ref(ref)
    checked = common.check_stage(RecordType.TRANSCRIPT, ref.school_year, stage)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        common.check_homeroom_prepares(tx, caller, year, school_class, RecordType.TRANSCRIPT)
        year_lock.hold_year(tx, year.id)
        sources = _sources(tx, year, school_class, checked, student)
        drafts = versions.begin(tx, checked, [_scope(sources, name) for name in sources.chosen])
        contents = [
            Content(draft, _content(sources, name, draft), f"{ref.resource}/students/{name}", sources.source_book.id)
            for name, draft in zip(sources.chosen, drafts, strict=True)
        ]
        return versions.keep(tx, caller, ref, sources.record, contents)


def _scope(sources: _Sources, student: str) -> Scope:
    return Scope(
        RecordType.TRANSCRIPT,
        sources.year.id,
        class_id=sources.school_class.id,
        student_id=sources.ids[student],
    )


def _chosen(ids: Mapping[str, int], numbers: Mapping[str, int], student: str | None) -> list[str]:
    """The students to be frozen. Raises NotFound STUDENT_UNKNOWN, Rejected NO_RESULT."""
    if student is None:
        return list(numbers)
    if student not in ids:
        raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=student)
    if student not in numbers:
        message = "Học sinh không có kết quả của giai đoạn này: đã rời lớp, hoặc không phải đánh giá lại trong hè."
        raise Rejected("NO_RESULT", message, student=student)
    return [student]


def _content(sources: _Sources, student: str, draft: Draft) -> bytes:
    open_corrections.refuse_open(sources.open_corrections.get(student, []))
    student_id = sources.ids[student]
    number = sources.numbers[student]
    source = sources.source
    alive = draft.alive
    if alive is not None and alive.source_id == sources.source_book.id:
        # The archive may have taken the class book since; the transcript is still the same.
        data = sources.repeated[alive.id]
        source = source.with_record(json.loads(data)["grades"][-1]["source"]["record"])
    registration = sources.registrations.get(student_id)
    remarks_by_subject = {code: text for (of, code), text in sources.remarks.items() if of == student_id}
    facts = TranscriptFacts(
        homeroom_teacher=sources.homeroom,
        principal=sources.principal,
        stage=draft.stage,
        version=draft.version,
        identity=_identity(registration) if registration else Identity(),
        absences=sources.absences.get(student_id),
        remarks=remarks_by_subject,
        homeroom_remark=remarks_by_subject.get("", ""),
        certificates=sources.achievements.get((student_id, AchievementKind.CERTIFICATES), ""),
        competition=sources.achievements.get((student_id, AchievementKind.COMPETITION), ""),
        places=sources.places.get(student_id, []),
        earlier=sources.earlier.get(student, []),
    )
    return content.transcript(sources.record, source, number, facts)


def _sources(tx: Tx, year: YearRow, school_class: ClassRow, stage: Stage, student: str | None) -> _Sources:
    source_book, source = _source(tx, year, school_class, stage)
    ids_in_class = class_data.student_ids(tx, school_class.id)
    numbers = content.numbers(source.content, stage)
    ids = [ids_in_class[name] for name in numbers]
    chosen = _chosen(ids_in_class, numbers, student)
    return _Sources(
        year=year,
        school_class=school_class,
        record=common.class_record(RecordType.TRANSCRIPT, year, school_class),
        source=source,
        source_book=source_book,
        numbers=numbers,
        ids=ids_in_class,
        homeroom=common.homeroom(tx, year, school_class),
        principal=common.principal(tx, year),
        absences=class_data.absences(tx, school_class.id),
        remarks=_remarks(tx, school_class.id),
        achievements=achievements.of_students(tx, year.id, ids),
        registrations=register_store.registrations(tx, year.school_id, ids),
        places=_places(tx, ids, year.name),
        earlier=_earlier(tx, ids, year.name),
        chosen=chosen,
        open_corrections=corrections.open_of_students(tx, school_class.id, stage, chosen),
        repeated=transcript_store.contents_made_from(tx, source_book.id, [ids_in_class[name] for name in chosen]),
    )


def _source(tx: Tx, year: YearRow, school_class: ClassRow, stage: Stage) -> tuple[BookRow, Source]:
    """The class book of the stage, locked until commit so that it is not revoked meanwhile."""
    book = book_store.newest(tx, Scope(RecordType.CLASS_BOOK, year.id, class_id=school_class.id), stage)
    if book is None or book.state not in READ_ONLY:
        raise Rejected(
            "CLASS_BOOK_REQUIRED",
            "Phải khóa sổ theo dõi và đánh giá học sinh của lớp ở giai đoạn này trước khi lập học bạ.",
            school_class=school_class.name,
            book_state="" if book is None else BookState(book.state).name,
        )
    return book, Source(
        book=str(book.id),
        version=book.version,
        content_sha256=book.content_sha256,
        record=book.archive_record,
        content=json.loads(book_store.content(tx, book.id)),
        locked_time=book_store.act_time(tx, book.id, BookAct.LOCK.value),
    )


def _identity(registration: Registration) -> Identity:
    details = registration.details
    return Identity(str(registration.number), details.national_id, details.nationality, details.guardian)


def _remarks(tx: Tx, class_id: int) -> dict[tuple[int, str], str]:
    all_remarks = remarks.of_classes(tx, [class_id])
    return {
        (student, code): text
        for printed in _PRINTED_PERIODS
        for (_, code, period, student), text in all_remarks.items()
        if period == printed
    }


def _places(tx: Tx, students: list[int], school_year: str) -> dict[int, list[dict[str, Any]]]:
    """Student id → the lines of the study history for the year's classes, in any school."""
    lines: dict[int, list[dict[str, Any]]] = {}
    numbers: dict[int, dict[int, Registration]] = {}
    for place in place_store.of_students(tx, students):
        if place.school_year != school_year:
            continue
        if place.school_id not in numbers:
            numbers[place.school_id] = register_store.registrations(tx, place.school_id, students)
        line = _line(place, numbers[place.school_id].get(place.student_id))
        lines.setdefault(place.student_id, []).append(line)
    return lines


def _line(place: ClassPlace, registration: Registration | None) -> dict[str, Any]:
    return {
        "school_year": place.school_year,
        "class": place.class_name,
        "school_code": place.school,
        "school_name": place.school_name,
        "register_number": str(registration.number) if registration else "",
        "joined_on": place.joined_on.isoformat() if place.joined_on else None,
        "left_on": place.left_on.isoformat() if place.left_on else None,
    }


def _earlier(tx: Tx, students: list[int], school_year: str) -> dict[str, list[dict[str, Any]]]:
    """moet_student_id → the content of the transcripts of earlier years.

    They must be locked: a transcript does not repeat one that may still end in MISMATCH.
    """
    transcripts = transcript_store.of_earlier_years(tx, students, school_year)
    books = [book for student_books in transcripts.values() for book in student_books]
    for book in books:
        if book.state not in READ_ONLY:
            raise Rejected(
                "EARLIER_TRANSCRIPT_OPEN",
                f"Học bạ năm học {book.school_year} của học sinh chưa khóa.",
                student=book.student,
                book=book.id,
                school_year=book.school_year,
            )
    contents = book_store.contents(tx, [book.id for book in books])
    return {
        student: [json.loads(contents[book.id]) for book in student_books]
        for student, student_books in transcripts.items()
    }
