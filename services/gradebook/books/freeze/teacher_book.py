"""Freezing a teacher's book: the sheets of a teacher in a subject, of all classes of the year."""

from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import Caller
from services.gradebook.books import book_store
from services.gradebook.books.book_store import BookRow, Scope
from services.gradebook.books.content.class_book import MAX_STUDENTS
from services.gradebook.books.content.corrections import corrections_list
from services.gradebook.books.content.teacher_book import MAX_CLASSES, TaughtClass, TeacherFacts, teacher_book
from services.gradebook.books.freeze import common, versions
from services.gradebook.books.freeze.versions import Content, Draft
from services.gradebook.entry import open_corrections
from services.gradebook.entry.store import approved_corrections, class_data, remarks
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.model import results, roster_rules
from services.gradebook.model.catalogue import RecordBook, record_book
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, RecordType, SchoolLevel, Stage, column_name
from services.gradebook.model.permissions import Actor
from services.gradebook.model.results import ClassData, NamedPerson
from services.gradebook.roster import access, year_lock
from services.gradebook.roster.roster_store import StaffRow, YearRow


def freeze_teacher_book(
    database: Database, caller: Caller, ref: ClassRef, *, teacher: str, subject: str, stage: int
) -> BookRow:
    """Freeze the book of a teacher in a subject for a stage (that teacher).

    ref: names school and school year. Raises Forbidden ROLE_REQUIRED; NotFound SUBJECT_NOT_TAUGHT
    when the teacher has no class in the subject; Rejected BOOK_STATE, WINDOW_OPEN, CORRECTION_OPEN,
    DATA_INCOMPLETE, PRINCIPAL_UNCLEAR, CLASS_TOO_LARGE, TOO_MANY_CLASSES.
    """
    roster_rules.check_year_ref(ref.school, ref.school_year)
    findings = Findings()
    findings.code("teacher", teacher, longest=roster_rules.MAX_PERSON_ID)
    findings.subject_code("subject", subject)
    findings.refuse()
    checked = common.check_stage(RecordType.TEACHER_BOOK, ref.school_year, stage)
    with database.transaction() as tx:
        year = access.year(tx, caller, ref.school, ref.school_year)
        named_as = Actor.ASSIGNED_TEACHER
        common.check_preparer(tx, caller, year, RecordType.TEACHER_BOOK, named=teacher, named_as=named_as)
        staff = access.staff(tx, caller, year)
        year_lock.hold_year(tx, year.id)
        heads = class_data.taught(tx, year.id, staff.id, subject)
        if not heads:
            message = "Giáo viên không được phân công dạy môn này trong năm học."
            raise NotFound("SUBJECT_NOT_TAUGHT", message, teacher=teacher, subject=subject)
        scope = Scope(RecordType.TEACHER_BOOK, year.id, staff_id=staff.id, subject_code=subject)
        # The catalogue says the same of a teacher's book at both levels.
        record = record_book(RecordType.TEACHER_BOOK, year.name, SchoolLevel.LOWER_SECONDARY)
        (draft,) = versions.begin(tx, checked, [scope])
        data = _content(tx, year, record, draft, heads=heads, teacher=staff, subject=subject)
        resource = f"schools/{ref.school}/years/{ref.school_year}/teachers/{teacher}/subjects/{subject}"
        (book,) = versions.keep(tx, caller, ref, record, [Content(draft, data, resource)])
        book_store.add_classes(tx, book.id, [head.id for head in heads])
        return book


def _content(
    tx: Tx, year: YearRow, record: RecordBook, draft: Draft, *, heads: list[ClassHead], teacher: StaffRow, subject: str
) -> bytes:
    stage = draft.stage
    closing_time = max(common.closing_time(tx, year, stage, grade) for grade in {head.grade_level for head in heads})
    data = class_data.read(tx, year.id, year.name, heads, stage.semesters, only_subject=subject)
    _check(heads, data, stage)
    open_corrections.refuse(tx, [head.id for head in heads], stage, subject=subject)
    left_on = class_data.left_on(tx, [head.id for head in heads])
    all_remarks = remarks.of_classes(tx, [head.id for head in heads])
    approved = approved_corrections.approved(tx, [head.id for head in heads], stage)
    classes = [
        TaughtClass(
            head.name,
            data[head.id],
            left_on.get(head.id, {}),
            {
                (period, student): text
                for (class_id, code, period, student), text in all_remarks.items()
                if (class_id, code) == (head.id, subject)
            },
            corrections_list(
                [correction for correction in approved[head.id] if correction.subject == subject],
                data[head.id].students,
            ),
        )
        for head in heads
    ]
    facts = TeacherFacts(
        school=common.school(tx, year),
        school_year=year.name,
        teacher=NamedPerson(teacher.person, teacher.name),
        principal=common.principal(tx, year),
        stage=stage,
        version=draft.version,
        closing_time=closing_time,
    )
    return teacher_book(record, classes, facts)


def _check(heads: list[ClassHead], data: dict[int, ClassData], stage: Stage) -> None:
    if len(heads) > MAX_CLASSES:
        message = f"Sổ chỉ in được không quá {MAX_CLASSES} lớp."
        raise Rejected("TOO_MANY_CLASSES", message, classes=len(heads))
    for head in heads:
        size = len(data[head.id].students)
        if size == 0:
            raise Rejected("DATA_INCOMPLETE", "Lớp chưa có học sinh.", school_class=head.name, missing=0)
        if size > MAX_STUDENTS:
            message = f"Sổ chỉ in được lớp không quá {MAX_STUDENTS} học sinh."
            raise Rejected("CLASS_TOO_LARGE", message, school_class=head.name, students=size)
    missing = [
        f"{head.name} {item.student.number} HK{item.semester} {column_name(item.column)}"
        for head in heads
        for item in results.missing(data[head.id], stage)
        if item.kind == "MARK" and item.column is not None
    ]
    if missing:
        raise Rejected(
            "DATA_INCOMPLETE",
            f"Còn thiếu {len(missing)} mục mới đủ dữ liệu chốt sổ.",
            missing=len(missing),
            first="; ".join(missing[: common.NAMED_MISSING]),
        )
