"""What a correction changes, and its life: requested, confirmed, approved; or rejected, or withdrawn. Pure.

The homeroom teacher certifies (TT 22/2021 Điều 20 khoản 2), the principal approves. At least two different people stand
behind every approval, three where the school has them: who asked does not also certify or decide while someone else of
the same office, or a vice principal, can (ADR-0040).
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import NamedTuple

from services.common.errors import Forbidden, Rejected
from services.gradebook.model import results
from services.gradebook.model.domain import REASSESSMENT_COLUMN, Stage
from services.gradebook.model.permissions import Offices, Permission, check


class Kind(IntEnum):
    """What a correction is about; numbers of the proto's CorrectionKind."""

    MARK = 1
    CONDUCT = 2
    SUMMER_CONDUCT = 3
    ABSENCES = 4
    ATTENDANCE = 5


OF_CONDUCT = frozenset({Kind.CONDUCT, Kind.SUMMER_CONDUCT})


class Datum(NamedTuple):
    """What a correction changes: the smallest thing of one student that has versions of its own.

    subject_id, column: of a mark; else None and 0. semester: of a mark or level, SUMMER after the summer's training;
    None for absences and attendance. month: of a sheet of attendance, such as "2025-10"; else empty.
    """

    kind: Kind
    class_id: int
    student_id: int
    subject_id: int | None = None
    semester: int | None = None
    column: int = 0
    month: str = ""


EXCUSED_TOTAL, UNEXCUSED_TOTAL = 1, 2
"""Places of the year's absences, as the history of entries has them."""


class Change(NamedTuple):
    """A place of a datum, what it held and what it shall hold; None: nothing.

    place: 0 in a mark or level, which is one value; EXCUSED_TOTAL or UNEXCUSED_TOTAL; in a sheet of attendance the
    session, ten times the day plus 1 (morning) or 2 (afternoon). Values: as the database holds marks and levels;
    sessions absent; what a sheet says of a session (`attendance_rules`).
    """

    place: int
    old: int | None
    new: int | None


def first_stage(datum: Datum, school_year: str) -> Stage:
    """The first stage whose books hold a datum; those of later stages hold it too."""
    if datum.kind is Kind.ATTENDANCE:
        return results.first_stage(school_year, datum.month)
    if datum.kind is Kind.ABSENCES:
        return Stage.WHOLE_YEAR
    # The summer's conduct (SUMMER) has the number of its stage.
    return Stage.AFTER_SUMMER if datum.column == REASSESSMENT_COLUMN else Stage(datum.semester or 0)


class State(IntEnum):
    """State of a correction; numbers of the proto's CorrectionState."""

    REQUESTED = 1
    CONFIRMED = 2
    APPROVED = 3
    REJECTED = 4
    WITHDRAWN = 5


OPEN = frozenset({State.REQUESTED, State.CONFIRMED})


class ApprovedCorrection(NamedTuple):
    """An approved correction as frozen content tells it; people as (person id, name).

    subject: code; None for all but marks. semester, column, month: as in Datum.
    """

    kind: Kind
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


class Act(Enum):
    """A step after the request."""

    CONFIRM = "CONFIRM"
    APPROVE = "APPROVE"
    REJECT = "REJECT"
    WITHDRAW = "WITHDRAW"


@dataclass(frozen=True, slots=True)
class Rule:
    """From which states an act leads where, and the permission that it needs."""

    sources: frozenset[State]
    target: State
    permission: Permission


RULES = {
    Act.CONFIRM: Rule(frozenset({State.REQUESTED}), State.CONFIRMED, Permission.CONFIRM_CORRECTION),
    Act.APPROVE: Rule(frozenset({State.CONFIRMED}), State.APPROVED, Permission.APPROVE_CORRECTION),
    # A request that the homeroom teacher will not certify must not block the class's book for ever.
    Act.REJECT: Rule(OPEN, State.REJECTED, Permission.REJECT_CORRECTION),
    Act.WITHDRAW: Rule(OPEN, State.WITHDRAWN, Permission.WITHDRAW_CORRECTION),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a correction is, and who brought it there. confirmer: None until confirmed."""

    state: State
    requester: str
    confirmer: str | None = None


def confirmers(offices: Offices, requester: str) -> AbstractSet[str]:
    """Who may certify: the homeroom teacher; for their own request a vice principal, if there is another one."""
    grant = Permission.CONFIRM_CORRECTION.value
    office = offices.holders(grant.actors)
    if requester not in office:
        return office
    return (offices.holders(grant.stand_ins) - {requester}) or {requester}


def deciders(offices: Offices, progress: Progress) -> AbstractSet[str]:
    """Who may approve or reject: a principal who has no part in it yet, else such a vice principal, else the principal,
    as long as requester, confirmer and principal are two people at least.
    """
    grant = Permission.APPROVE_CORRECTION.value
    principals = offices.holders(grant.actors)
    concerned = {progress.requester} | ({progress.confirmer} if progress.confirmer else set())
    free = (principals - concerned) or (offices.holders(grant.stand_ins) - concerned)
    return free or {person for person in principals if len(concerned | {person}) > 1}


def step(progress: Progress, act: Act, person: str, offices: Offices) -> State:
    """The state after the act.

    Raises Forbidden ROLE_REQUIRED, OTHER_PERSON_REQUIRED when the office is right but the person has a part in the
    correction already; Rejected CORRECTION_STATE.
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


def _check_person(progress: Progress, act: Act, person: str, offices: Offices) -> None:
    permission = RULES[act].permission
    if act is Act.WITHDRAW:
        allowed: AbstractSet[str] = {progress.requester}
        office: AbstractSet[str] = set()
    else:
        allowed = confirmers(offices, progress.requester) if act is Act.CONFIRM else deciders(offices, progress)
        office = offices.holders(permission.value.actors)
    if person not in allowed and person in office:
        raise Forbidden(
            "OTHER_PERSON_REQUIRED",
            "Người đã đề nghị hoặc xác nhận không được tự quyết; việc này cần Phó Hiệu trưởng.",
            act=act.value,
            person=person,
        )
    # A stand-in acts in the place of the actors that the table lists.
    actors = permission.value.actors if person in allowed else frozenset()
    check(permission, actors, act=act.value, person=person)
