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
from services.gradebook.model.domain import MarkKind, RecordType, School, SchoolLevel, Semester, Stage
from services.gradebook.model.lifecycle import BookAct
from services.gradebook.model.permissions import Actor, capacities, preparer_of, signing_role
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


def check_preparer(
    tx: Tx, caller: Caller, year: YearRow, record_type: RecordType, *, named: str = "", named_as: Actor | None = None
) -> None:
    """Raises Forbidden ROLE_REQUIRED unless the acting person prepares books of the type.

    named: the one person whom the book's scope names, such as the homeroom teacher of its class.
    named_as: as what.
    """
    person = identity.person(caller, year.school)
    staff = roster_store.staff(tx, year.school_id, [person]).get(person)
    actors = capacities(staff.roles) if staff else set[Actor]()
    if named_as is not None and person == named:
        actors.add(named_as)
    lifecycle.check_actor(BookAct.FREEZE, actors | preparer_of(record_type, actors))


def check_homeroom_prepares(
    tx: Tx, caller: Caller, year: YearRow, school_class: ClassRow, record_type: RecordType
) -> None:
    """As `check_preparer`, for a book of a class or of a student in it."""
    named = school_class.homeroom_person
    check_preparer(tx, caller, year, record_type, named=named, named_as=Actor.HOMEROOM_TEACHER)


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
    return _only_holder(
        tx, year, SignatoryRole.PRINCIPAL, office="Hiệu trưởng", reason="PRINCIPAL_UNCLEAR", fact="principals"
    )


def data_officer(tx: Tx, year: YearRow) -> NamedPerson:
    """The school's only data officer. Raises Rejected DATA_OFFICER_UNCLEAR for none or several."""
    return _only_holder(
        tx,
        year,
        SignatoryRole.DATA_OFFICER,
        office="Cán bộ phụ trách CSDL",
        reason="DATA_OFFICER_UNCLEAR",
        fact="data_officers",
    )


def _only_holder(
    tx: Tx, year: YearRow, signatory: SignatoryRole, *, office: str, reason: str, fact: str
) -> NamedPerson:
    """Whoever alone holds the role of a signatory. office, reason, fact: of the refusal."""
    holders = roster_store.staff_with_role(tx, year.school_id, signing_role(signatory))
    if len(holders) != 1:
        people = {fact: ",".join(staff.person for staff in holders)}
        raise Rejected(reason, f"Trường phải có đúng một người giữ vai trò {office}.", **people)
    return NamedPerson(holders[0].person, holders[0].name)
