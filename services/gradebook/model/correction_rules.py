"""What a correction changes, and its life: requested, confirmed, approved; rejected; withdrawn.

The homeroom teacher confirms (TT 22/2021 Điều 20 khoản 2), the principal approves. Every approval
takes at least two different people, and three if the school has them: the requester does not
confirm or decide while another holder of the office, or a vice principal, can (ADR-0040). Pure.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import NamedTuple

from services.common.errors import Forbidden, Rejected
from services.gradebook.model import results
from services.gradebook.model.domain import REASSESSMENT_COLUMN, Stage
from services.gradebook.model.permissions import SCHOOL_ROLES, Actor, Permission, check


class CorrectionKind(IntEnum):
    """What a correction is about; numbers of the proto's CorrectionKind."""

    MARK = 1
    CONDUCT = 2
    SUMMER_CONDUCT = 3
    ABSENCES = 4
    ATTENDANCE = 5


OF_CONDUCT = frozenset({CorrectionKind.CONDUCT, CorrectionKind.SUMMER_CONDUCT})


class Datum(NamedTuple):
    """What a correction changes: the smallest unit of a student's data with versions of its own.

    subject_id, column: of a mark; else None and 0. semester: of a mark or a level of conduct,
    SUMMER after the summer's training; None for absences and attendance. month: of an attendance
    sheet, such as "2025-10"; else empty.
    """

    kind: CorrectionKind
    class_id: int
    student_id: int
    subject_id: int | None = None
    semester: int | None = None
    column: int = 0
    month: str = ""


EXCUSED_TOTAL, UNEXCUSED_TOTAL = 1, 2
"""Places in the year's absences, as in the history of entries."""


class Change(NamedTuple):
    """A place in a datum with its old and its new value; None: no value.

    place: 0 of a mark or level; EXCUSED_TOTAL or UNEXCUSED_TOTAL of absences; of an attendance
    sheet the session, ten times the day plus 1 (morning) or 2 (afternoon).
    Values: of marks and levels as in the database; of absences the number of sessions; of
    attendance as in `attendance_rules`.
    """

    place: int
    old: int | None
    new: int | None


def first_stage(datum: Datum, school_year: str) -> Stage:
    """The first stage whose books hold a datum; the books of later stages hold it too."""
    if datum.kind is CorrectionKind.ATTENDANCE:
        return results.first_stage(school_year, datum.month)
    if datum.kind is CorrectionKind.ABSENCES:
        return Stage.WHOLE_YEAR
    # A semester has the number of its stage, and so has SUMMER.
    return Stage.AFTER_SUMMER if datum.column == REASSESSMENT_COLUMN else Stage(datum.semester or 0)


class CorrectionState(IntEnum):
    """State of a correction; numbers of the proto's CorrectionState."""

    REQUESTED = 1
    CONFIRMED = 2
    APPROVED = 3
    REJECTED = 4
    WITHDRAWN = 5


OPEN = frozenset({CorrectionState.REQUESTED, CorrectionState.CONFIRMED})


class ApprovedCorrection(NamedTuple):
    """An approved correction as in frozen content; people as (person id, name).

    subject: code; None for all but marks. semester, column, month: as in Datum.
    """

    kind: CorrectionKind
    subject: str | None
    semester: int | None
    column: int
    month: str
    student_id: int
    changes: tuple[Change, ...]
    reason: str
    requested_by: tuple[str, str]
    confirmed_by: tuple[str, str]
    approved_by: tuple[str, str]
    time: datetime


class CorrectionAct(Enum):
    """A step after the request."""

    CONFIRM = "CONFIRM"
    APPROVE = "APPROVE"
    REJECT = "REJECT"
    WITHDRAW = "WITHDRAW"


@dataclass(frozen=True, slots=True)
class Rule:
    """The states that an act leads from, the state it leads to, and the permission it needs."""

    sources: frozenset[CorrectionState]
    target: CorrectionState
    permission: Permission


RULES = {
    CorrectionAct.CONFIRM: Rule(
        frozenset({CorrectionState.REQUESTED}), CorrectionState.CONFIRMED, Permission.CONFIRM_CORRECTION
    ),
    CorrectionAct.APPROVE: Rule(
        frozenset({CorrectionState.CONFIRMED}), CorrectionState.APPROVED, Permission.APPROVE_CORRECTION
    ),
    # Also before confirmation: a request that nobody confirms would block the class's book without
    # end.
    CorrectionAct.REJECT: Rule(OPEN, CorrectionState.REJECTED, Permission.REJECT_CORRECTION),
    CorrectionAct.WITHDRAW: Rule(OPEN, CorrectionState.WITHDRAWN, Permission.WITHDRAW_CORRECTION),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a correction is, and by whom. confirmer: None until confirmed."""

    state: CorrectionState
    requester: str
    confirmer: str | None = None


@dataclass(frozen=True, slots=True)
class Offices:
    """Who may have a say in a correction: person ids by the capacity in which they act."""

    people: Mapping[Actor, AbstractSet[str]]

    def holders(self, actors: AbstractSet[Actor]) -> AbstractSet[str]:
        """Everyone who acts in one of these capacities."""
        return frozenset[str]().union(*(self.people.get(actor, ()) for actor in actors))

    def actors(self, person: str) -> AbstractSet[Actor]:
        """All capacities in which a person acts."""
        return {actor for actor, people in self.people.items() if person in people}


def offices(homeroom: str, requester: str, with_role: Callable[[int], AbstractSet[str]]) -> Offices:
    """The offices of a correction.

    homeroom: the homeroom teacher of the class. with_role: the people of the school who have a
    role.
    """
    by_role = {actor: with_role(role) for actor, role in SCHOOL_ROLES.items()}
    return Offices({**by_role, Actor.HOMEROOM_TEACHER: {homeroom}, Actor.REQUESTER: {requester}})


def confirmers(offices: Offices, requester: str) -> AbstractSet[str]:
    """The people who may confirm.

    The homeroom teacher; for the homeroom teacher's own request a vice principal, if there is
    another person who is one.
    """
    grant = Permission.CONFIRM_CORRECTION.value
    office = offices.holders(grant.actors)
    if requester not in office:
        return office
    return (offices.holders(grant.stand_ins) - {requester}) or {requester}


def deciders(offices: Offices, progress: Progress, permission: Permission) -> AbstractSet[str]:
    """The people who may approve or reject, whichever the permission is for.

    A principal without a part in the correction; else a vice principal without one; else the
    principal, if requester, confirmer and principal are at least two people.
    """
    grant = permission.value
    principals = offices.holders(grant.actors)
    concerned = {progress.requester} | ({progress.confirmer} if progress.confirmer else set())
    free = (principals - concerned) or (offices.holders(grant.stand_ins) - concerned)
    return free or {person for person in principals if len(concerned | {person}) > 1}


def step(progress: Progress, act: CorrectionAct, person: str, offices: Offices) -> CorrectionState:
    """The state after the act.

    Raises Forbidden ROLE_REQUIRED, OTHER_PERSON_REQUIRED for the right office but a person with a
    part in the correction; Rejected CORRECTION_STATE.
    """
    _check_person(progress, act, person, offices)
    rule = RULES[act]
    if progress.state not in rule.sources:
        raise Rejected(
            "CORRECTION_STATE",
            f"Đề nghị sửa đang ở trạng thái {progress.state.name}; việc này cần trạng thái khác.",
            state=progress.state.name,
            act=act.value,
            expected=",".join(sorted(state.name for state in rule.sources)),
        )
    return rule.target


def _check_person(progress: Progress, act: CorrectionAct, person: str, offices: Offices) -> None:
    permission = RULES[act].permission
    allowed = _allowed(progress, act, offices)
    check(permission, offices.actors(person), stands_in=person in allowed, act=act.value, person=person)
    if person not in allowed:
        raise Forbidden(
            "OTHER_PERSON_REQUIRED",
            "Người đã đề nghị hoặc xác nhận không được tự quyết; việc này cần Phó Hiệu trưởng.",
            act=act.value,
            person=person,
        )


def _allowed(progress: Progress, act: CorrectionAct, offices: Offices) -> AbstractSet[str]:
    """The people whom the parts that they have in a correction leave to make an act."""
    if act is CorrectionAct.WITHDRAW:
        return offices.holders(RULES[act].permission.value.actors)
    if act is CorrectionAct.CONFIRM:
        return confirmers(offices, progress.requester)
    return deciders(offices, progress, RULES[act].permission)
