"""Freezing a class book: complete data of one class become canonical bytes with one digest."""

import itertools

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books.book_store import BookRow, Scope
from services.gradebook.books.content import class_book as content
from services.gradebook.books.content.class_book import BookFacts
from services.gradebook.books.freeze import common
from services.gradebook.books.freeze.common import Content, Draft
from services.gradebook.entry import open_corrections
from services.gradebook.entry.store import class_data, corrections, holding
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.model import results, roster_rules
from services.gradebook.model.domain import ClassRef, RecordType, School, Stage, column_name
from services.gradebook.model.lifecycle import READ_ONLY
from services.gradebook.model.results import ClassData, Missing
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import ClassRow, YearRow

_NAMED_MISSING = 10


def freeze_class_book(database: Database, caller: Caller, ref: ClassRef, stage: int) -> BookRow:
    """Freeze a class's book for a stage (homeroom teacher); after MISMATCH or REVOKED, its next version.

    Frozen already with the same data: that book. Raises Forbidden ROLE_REQUIRED; Rejected BOOK_STATE when a living
    version holds other data, WINDOW_OPEN, CORRECTION_OPEN, DATA_INCOMPLETE, ASSIGNMENT_MISSING, PRINCIPAL_UNCLEAR,
    CLASS_TOO_LARGE, TOO_MANY_SIGNATORIES; after the summer YEAR_NOT_LOCKED, NO_SUMMER_WORK.
    """
    roster_rules.check_class_ref(ref)
    checked = common.check_stage(RecordType.CLASS_BOOK, ref.school_year, stage)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        common.check_homeroom(caller, ref, school_class)
        year_lock.hold_year(tx, year.id)
        scope = Scope(RecordType.CLASS_BOOK, year.id, class_id=school_class.id)
        (draft,) = common.begin(tx, checked, [scope])
        data = _content(tx, year, school_class, draft)
        record = common.class_record(RecordType.CLASS_BOOK, year, school_class)
        (book,) = common.keep(tx, caller, ref, record, [Content(draft, data, ref.resource)])
        return book


def _content(tx: Tx, year: YearRow, school_class: ClassRow, draft: Draft) -> bytes:
    stage = draft.stage
    open_corrections.refuse(tx, [school_class.id], stage)
    head = ClassHead(school_class.id, school_class.name, school_class.grade_level)
    data = class_data.read(tx, year.id, year.name, [head], stage.semesters)[school_class.id]
    if stage is Stage.AFTER_SUMMER:
        _check_summer(tx, data, school_class)
    closing_time = common.closing_time(tx, year, stage, school_class.grade_level)
    _check_complete(data, stage)
    _check_shape(data)
    facts = BookFacts(
        school=common.school(tx, year),
        class_name=school_class.name,
        homeroom_teacher=common.homeroom(tx, year, school_class),
        principal=common.principal(tx, year),
        stage=stage,
        version=draft.version,
        closing_time=closing_time,
        corrections=corrections.approved(tx, [school_class.id], stage)[school_class.id],
    )
    _check_signatories(data, facts.school)
    return content.class_book(data, facts)


def _check_summer(tx: Tx, data: ClassData, school_class: ClassRow) -> None:
    """The year's book is locked, and someone had to be re-assessed or trained (ADR-0039)."""
    if not any(
        stage == Stage.WHOLE_YEAR and state in READ_ONLY
        for _, stage, state in holding.alive_states(tx, school_class.id)
    ):
        raise Rejected("YEAR_NOT_LOCKED", "Phải khóa sổ cả năm của lớp trước khi chốt sổ sau kì nghỉ hè.")
    if not any(one.promotion in content.PENDING for one in results.class_results(data, Stage.WHOLE_YEAR)):
        raise Rejected("NO_SUMMER_WORK", "Lớp không có học sinh phải đánh giá lại hoặc rèn luyện trong kì nghỉ hè.")


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
    month = f" {one.month}" if one.month else ""
    return f"{one.subject or one.kind} {one.student.number}{semester}{column}{month}"


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
