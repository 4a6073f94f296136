"""Freezing a class book: the complete data of a class become canonical bytes with one digest."""

from services.common.db import Database, Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.books.book_store import BookRow, Scope
from services.gradebook.books.content import class_book as content
from services.gradebook.books.content.class_book import BookFacts
from services.gradebook.books.freeze import common, versions
from services.gradebook.books.freeze.versions import Content, Draft
from services.gradebook.entry import open_corrections
from services.gradebook.entry.store import approved_corrections, class_data, holding
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.model import results, roster_rules
from services.gradebook.model.domain import ClassRef, RecordType, School, Stage, column_name
from services.gradebook.model.lifecycle import READ_ONLY
from services.gradebook.model.results import ClassData, Missing
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import ClassRow, YearRow


def freeze_class_book(database: Database, caller: Caller, ref: ClassRef, stage: int) -> BookRow:
    """Freeze a class's book for a stage (homeroom teacher); its next version after an ended one.

    Returns the version alive if it holds the same data. Raises Forbidden ROLE_REQUIRED; Rejected
    BOOK_STATE if it holds other data, WINDOW_OPEN, CORRECTION_OPEN, DATA_INCOMPLETE,
    ASSIGNMENT_MISSING, PRINCIPAL_UNCLEAR, CLASS_TOO_LARGE, TOO_MANY_SIGNATORIES; after the summer
    also YEAR_NOT_LOCKED, NO_SUMMER_WORK.
    """
    roster_rules.check_class_ref(ref)
    checked = common.check_stage(RecordType.CLASS_BOOK, ref.school_year, stage)
    with database.transaction() as tx:
        year, school_class = access.school_class(tx, caller, ref)
        common.check_homeroom_prepares(tx, caller, year, school_class, RecordType.CLASS_BOOK)
        year_lock.hold_year(tx, year.id)
        scope = Scope(RecordType.CLASS_BOOK, year.id, class_id=school_class.id)
        (draft,) = versions.begin(tx, checked, [scope])
        data = _content(tx, year, school_class, draft)
        record = common.class_record(RecordType.CLASS_BOOK, year, school_class)
        (book,) = versions.keep(tx, caller, ref, record, [Content(draft, data, ref.resource)])
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
        corrections=approved_corrections.approved(tx, [school_class.id], stage)[school_class.id],
    )
    _check_signatories(data, facts.school)
    return content.class_book(data, facts)


def _check_summer(tx: Tx, data: ClassData, school_class: ClassRow) -> None:
    """The year's book must be locked, and some student re-assessed or trained (ADR-0039)."""
    if not any(
        book.stage == Stage.WHOLE_YEAR and book.state in READ_ONLY for book in holding.alive_states(tx, school_class.id)
    ):
        raise Rejected("YEAR_NOT_LOCKED", "Phải khóa sổ cả năm của lớp trước khi chốt sổ sau kì nghỉ hè.")
    if not any(result.promotion in content.PENDING for result in results.class_results(data, Stage.WHOLE_YEAR)):
        raise Rejected("NO_SUMMER_WORK", "Lớp không có học sinh phải đánh giá lại hoặc rèn luyện trong kì nghỉ hè.")


def _check_complete(data: ClassData, stage: Stage) -> None:
    if not data.students or not data.subjects:
        raise Rejected("DATA_INCOMPLETE", "Lớp chưa có học sinh hoặc khối chưa có môn học.", missing=0)
    missing = list(results.missing(data, stage))
    if missing:
        raise Rejected(
            "DATA_INCOMPLETE",
            f"Còn thiếu {len(missing)} mục mới đủ dữ liệu chốt sổ.",
            missing=len(missing),
            first="; ".join(_name(item) for item in missing[: common.NAMED_MISSING]),
        )


def _name(item: Missing) -> str:
    """A missing item by codes: subject, number in the class list, semester, column."""
    semester = f" HK{int(item.semester)}" if item.semester else ""
    column = f" {column_name(item.column)}" if item.column else ""
    month = f" {item.month}" if item.month else ""
    return f"{item.subject or item.kind} {item.student.number}{semester}{column}{month}"


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
