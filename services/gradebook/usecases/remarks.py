"""Remarks of teachers on students, which teacher's book and transcript print."""

import hashlib
from collections.abc import Sequence
from enum import IntEnum

from services.common.db import Database, Tx
from services.common.errors import Conflict, Forbidden, Rejected
from services.common.identity import Caller
from services.gradebook import entry, roster_rules
from services.gradebook.checks import Findings, refuse
from services.gradebook.domain import ClassRef
from services.gradebook.lifecycle import State
from services.gradebook.store import books, class_data, marks, remarks, transcripts
from services.gradebook.store.marks import Target
from services.gradebook.store.remarks import RemarkEntry, RemarkRow
from services.gradebook.usecases import access
from services.gradebook.usecases.marks import Entered, Request, find_target, homeroom_target

MAX_LENGTH = 500


class Period(IntEnum):
    """What a remark is about; the proto's RemarkPeriod."""

    SEMESTER_1 = 1
    SEMESTER_2 = 2
    WHOLE_YEAR = 3


def enter_remarks(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    subject: str,
    period: int,
    rows: Sequence[tuple[str, str]],
) -> Entered:
    """Enter remarks, all or nothing: of a subject (its teacher in the class) or, without one, the homeroom teacher's.

    rows: moet_student_id and text, empty to take a remark away. Raises Invalid; Forbidden NOT_ASSIGNED, ROLE_REQUIRED;
    NotFound; Rejected BOOK_LOCKED when a living book contains a remark; Conflict REQUEST_ID_REUSED.
    """
    _check(ref, subject, period, rows)
    with database.transaction() as tx:
        target = _subject_target(tx, caller, ref, subject) if subject else homeroom_target(tx, caller, ref)
        access.check_authorised(ref.school, ref.school_year, target.authority)
        marks.hold_year(tx, target.year_id)
        earlier = remarks.earlier(tx, request.id)
        if earlier is not None:
            return _repeat(earlier, request, caller)
        ids = _students(tx, target, rows)
        _check_free(tx, target, subject, period, ids)
        return _write(tx, caller, request, ref, target, subject, period, list(zip(ids, rows, strict=True)))


def get_remarks(
    database: Database, caller: Caller, ref: ClassRef, subject: str, period: int, student: str
) -> list[RemarkRow]:
    """The newest remark of each student, or with a student every version of theirs."""
    _check(ref, subject, period, [])
    with database.transaction() as tx:
        target = find_target(tx, caller, ref, subject or None)
        assert target.class_id is not None
        return remarks.of_class(tx, target.class_id, target.subject_id, period, student)


def _check(ref: ClassRef, subject: str, period: int, rows: Sequence[tuple[str, str]]) -> None:
    roster_rules.check_class_ref(ref)
    found = Findings()
    if subject:
        found.subject_code("subject", subject)
    found.one_of("period", period, set(Period))
    found.count("rows", len(rows), 0, roster_rules.MAX_STUDENTS)
    for index, (_, text) in enumerate(rows):
        found.text(f"rows[{index}].text", text, shortest=0, longest=MAX_LENGTH)
    found.refuse()


def _subject_target(tx: Tx, caller: Caller, ref: ClassRef, subject: str) -> Target:
    person = access.person(caller, ref.school)
    target = find_target(tx, caller, ref, subject)
    if not target.assigned:
        message = "Giáo viên không được phân công dạy môn này ở lớp này."
        raise Forbidden("NOT_ASSIGNED", message, person=person, school_class=ref.name, subject=subject)
    return target


def _repeat(earlier: tuple[bytes, int, int], request: Request, caller: Caller) -> Entered:
    digest, changed, unchanged = earlier
    if digest != request.sha256:
        message = "Mã yêu cầu (request_id) đã dùng cho một yêu cầu khác."
        raise Conflict("REQUEST_ID_REUSED", message, request_id=request.id, client=caller.client)
    return Entered(changed, unchanged)


def _students(tx: Tx, target: Target, rows: Sequence[tuple[str, str]]) -> list[int]:
    """The ids of the rows' students, those who left the class included: their semester may still be remarked on."""
    found = Findings()
    found.count("rows", len(rows), 1, roster_rules.MAX_STUDENTS)
    assert target.class_id is not None
    known = class_data.student_ids(tx, target.class_id)
    seen: set[int] = set()
    ids = [
        entry.read_student(name, known, seen, f"rows[{index}].student", found.violations)
        for index, (name, _) in enumerate(rows)
    ]
    refuse(found.violations)
    return [one for one in ids if one is not None]


def _check_free(tx: Tx, target: Target, subject: str, period: int, students: Sequence[int]) -> None:
    """A semester's remark of a subject stands in teachers' books; those of semester II and the year in transcripts."""
    assert target.class_id is not None
    states = []
    if subject and period != Period.WHOLE_YEAR:
        states += books.teacher_book_states(tx, target.class_id, subject, period)
    if period != Period.SEMESTER_1:
        states += transcripts.states(tx, target.year_id, students)
    if states:
        furthest = State(max(states))
        message = "Nhận xét đã nằm trong sổ hoặc học bạ đã chốt."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name, books=len(states))


def _write(
    tx: Tx,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    target: Target,
    subject: str,
    period: int,
    rows: Sequence[tuple[int, tuple[str, str]]],
) -> Entered:
    assert target.class_id is not None
    now = remarks.versions(tx, target.class_id, target.subject_id, period)
    changed = []
    for student, (_, text) in rows:
        version, standing = now.get(student, (0, ""))
        if text != standing:
            changed.append((student, version + 1, text))
    answer = Entered(len(changed), len(rows) - len(changed))
    person = access.person(caller, ref.school)
    act = RemarkEntry(request.id, request.sha256, person, caller.client, answer.changed, answer.unchanged)
    remarks.add(tx, act, target.class_id, target.subject_id, period, changed)
    access.record(
        tx,
        caller,
        ref.school,
        "REMARKS_ENTERED",
        ref.resource,
        request=request.id,
        subject=subject,
        period=Period(period).name,
        changed=answer.changed,
        remarks_sha256=hashlib.sha256(repr(changed).encode()).hexdigest(),
    )
    return answer
