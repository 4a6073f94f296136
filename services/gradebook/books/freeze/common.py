"""What the freezing of several record types checks and reads."""

from datetime import datetime

from services.common import identity
from services.common.db import Tx
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.entry.store import windows
from services.gradebook.model import lifecycle
from services.gradebook.model.catalogue import RecordBook, SignatoryRole, level_of, record_book
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, MarkKind, RecordType, School, SchoolLevel, Semester, Stage
from services.gradebook.model.lifecycle import BookAct
from services.gradebook.model.permissions import Actor, signing_role
from services.gradebook.model.results import NamedPerson
from services.gradebook.roster import access, clock, roster_store
from services.gradebook.roster.roster_store import ClassRow, YearRow

NAMED_MISSING = 10
"""How many missing items a refusal names."""


def check_stage(record_type: RecordType, school_year: str, stage: int) -> Stage:
    """The stage, if the record type is frozen at it. Raises Invalid ENUM, STAGE_NOT_KEPT."""
    findings = Findings()
    findings.one_of("stage", stage, set(Stage))
    findings.refuse()
    # The stages of a record type are the same at both levels.
    if stage not in record_book(record_type, school_year, SchoolLevel.LOWER_SECONDARY).stages:
        findings.add("stage", "STAGE_NOT_KEPT", "Loại sổ này không được chốt ở giai đoạn đã nêu.")
    findings.refuse()
    return Stage(stage)


def class_record(record_type: RecordType, year: YearRow, school_class: ClassRow) -> RecordBook:
    """The catalogue's entry for a record type at the level of a class."""
    return record_book(record_type, year.name, level_of(school_class.grade_level))


def check_homeroom(caller: Caller, ref: ClassRef, school_class: ClassRow) -> None:
    """Raises Forbidden ROLE_REQUIRED unless the acting person is the homeroom teacher."""
    is_preparer = identity.person(caller, ref.school) == school_class.homeroom_person
    lifecycle.check_actor(BookAct.FREEZE, {Actor.PREPARER} if is_preparer else set())


def closing_time(tx: Tx, year: YearRow, stage: Stage, grade_level: int) -> datetime:
    """When the last window over a grade and the stage's semesters was closed.

    Each semester needs a closed window, and none that has begun may still be open. Windows of
    re-assessment marks count only after the summer, and then no others do (ADR-0039).
    Raises Rejected WINDOW_OPEN.
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
    _, details = access.school(tx, year.school)
    return details


def homeroom(tx: Tx, year: YearRow, school_class: ClassRow) -> NamedPerson:
    """The homeroom teacher of a class."""
    teacher = roster_store.staff(tx, year.school_id, [school_class.homeroom_person])[school_class.homeroom_person]
    return NamedPerson(teacher.person, teacher.name)


def principal(tx: Tx, year: YearRow) -> NamedPerson:
    """The school's only principal. Raises Rejected PRINCIPAL_UNCLEAR for none or several."""
    principals = roster_store.staff_with_role(tx, year.school_id, signing_role(SignatoryRole.PRINCIPAL))
    if len(principals) != 1:
        raise Rejected(
            "PRINCIPAL_UNCLEAR",
            "Trường phải có đúng một người giữ vai trò Hiệu trưởng.",
            principals=",".join(staff.person for staff in principals),
        )
    return NamedPerson(principals[0].person, principals[0].name)
