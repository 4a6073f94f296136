"""The life of a book: which act moves it from which state to which, by which permission.

Order of acts: complete data → unsigned print → reconciled → (signed and stamped on paper) → signed and sealed digitally
→ locked → archived → returned. Record types without a seal (teacher's book) have no stamp and no sealing: what follows
those comes after the signatures. Nothing is ever undone: a version that was wrong ends in MISMATCH or REVOKED and the
next version follows. A pure table; the database locks the row, and reads and writes in one transaction.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from services.common.errors import Rejected
from services.gradebook.model.permissions import Actor, Permission, check


class State(IntEnum):
    """State of a book; numbers of the proto's BookState."""

    DATA_COMPLETE = 1
    PRINT_ASSIGNED = 2
    PRINTED_UNSIGNED = 3
    UNDER_RECONCILIATION = 4
    MISMATCH = 5
    RECONCILED = 6
    HAND_SIGNED = 7
    STAMPED = 8
    PAPER_ARCHIVED = 9
    DIGITAL_SIGNING = 10
    SIGNED = 11
    SEALED = 12
    LOCKED = 13
    ARCHIVED = 14
    RETURNED = 15
    REVOKED = 16


ENDED = frozenset({State.MISMATCH, State.REVOKED})
"""States in which a version is dead; the next freeze makes version + 1."""

READ_ONLY = frozenset({State.LOCKED, State.ARCHIVED, State.RETURNED})
"""States in which the data of the book are locked for good, unless it is revoked."""


class Act(Enum):
    """A step in the life of a book."""

    FREEZE = "FREEZE"
    ASSIGN_PRINT = "ASSIGN_PRINT"
    PRINT = "PRINT"
    START_RECONCILIATION = "START_RECONCILIATION"
    CONFIRM = "CONFIRM"
    REPORT_MISMATCH = "REPORT_MISMATCH"
    HAND_SIGN = "HAND_SIGN"
    STAMP = "STAMP"
    ARCHIVE_PAPER = "ARCHIVE_PAPER"
    START_SIGNING = "START_SIGNING"
    SIGN = "SIGN"
    SEAL = "SEAL"
    LOCK = "LOCK"
    ARCHIVE = "ARCHIVE"
    RETURN = "RETURN"
    REVOKE = "REVOKE"
    CORRECT = "CORRECT"
    LOSE_SOURCE = "LOSE_SOURCE"


@dataclass(frozen=True, slots=True)
class Rule:
    """From which states an act leads where, and the permission that it needs."""

    sources: frozenset[State]
    target: State
    permission: Permission

    @property
    def actors(self) -> frozenset[Actor]:
        """Who may do it."""
        return self.permission.value.actors


@dataclass(frozen=True, slots=True)
class Life:
    """What the guards look at.

    sealed: the record type has a seal. paper_track_required: setting of the school year, as it stands now.
    has_problem: the system's last step failed.
    officer_confirmed, preparer_confirmed: who has confirmed that print and data agree.
    """

    state: State
    sealed: bool = True
    paper_track_required: bool = False
    has_problem: bool = False
    officer_confirmed: bool = False
    preparer_confirmed: bool = False


def _rule(sources: tuple[State, ...], target: State, permission: Permission) -> Rule:
    return Rule(frozenset(sources), target, permission)


_BEFORE_SIGNING = (
    State.DATA_COMPLETE,
    State.PRINT_ASSIGNED,
    State.PRINTED_UNSIGNED,
    State.UNDER_RECONCILIATION,
    State.RECONCILED,
    State.HAND_SIGNED,
    State.STAMPED,
    State.PAPER_ARCHIVED,
)

RULES: dict[Act, Rule] = {
    Act.FREEZE: _rule((), State.DATA_COMPLETE, Permission.FREEZE_BOOK),
    Act.ASSIGN_PRINT: _rule((State.DATA_COMPLETE,), State.PRINT_ASSIGNED, Permission.ASSIGN_PRINT),
    Act.PRINT: _rule((State.PRINT_ASSIGNED,), State.PRINTED_UNSIGNED, Permission.PRINT_BOOK),
    Act.START_RECONCILIATION: _rule(
        (State.PRINTED_UNSIGNED,), State.UNDER_RECONCILIATION, Permission.START_RECONCILIATION
    ),
    Act.CONFIRM: _rule((State.UNDER_RECONCILIATION,), State.RECONCILED, Permission.CONFIRM_RECONCILIATION),
    Act.REPORT_MISMATCH: _rule(
        # A print that cannot be made (PRINT_ASSIGNED with a problem) ends here too; nothing else could free the class.
        (State.UNDER_RECONCILIATION, State.PRINT_ASSIGNED),
        State.MISMATCH,
        Permission.REPORT_MISMATCH,
    ),
    Act.HAND_SIGN: _rule((State.RECONCILED,), State.HAND_SIGNED, Permission.RECORD_HAND_SIGNED),
    Act.STAMP: _rule((State.HAND_SIGNED,), State.STAMPED, Permission.RECORD_STAMPED),
    Act.ARCHIVE_PAPER: _rule((State.STAMPED,), State.PAPER_ARCHIVED, Permission.RECORD_PAPER_ARCHIVED),
    Act.START_SIGNING: _rule((State.RECONCILED, State.PAPER_ARCHIVED), State.DIGITAL_SIGNING, Permission.START_SIGNING),
    Act.SIGN: _rule((State.DIGITAL_SIGNING,), State.SIGNED, Permission.COMPLETE_SIGNATURES),
    Act.SEAL: _rule((State.SIGNED,), State.SEALED, Permission.SEAL_BOOK),
    Act.LOCK: _rule((State.SEALED,), State.LOCKED, Permission.LOCK_BOOK),
    Act.ARCHIVE: _rule((State.LOCKED,), State.ARCHIVED, Permission.ARCHIVE_BOOK),
    Act.RETURN: _rule((State.ARCHIVED,), State.RETURNED, Permission.RETURN_BOOK),
    Act.REVOKE: _rule(
        (
            State.DIGITAL_SIGNING,
            State.SIGNED,
            State.SEALED,
            State.LOCKED,
            State.ARCHIVED,
            State.RETURNED,
        ),
        State.REVOKED,
        Permission.REVOKE_BOOK,
    ),
    # Follows from an approved correction of a mark in the book (ADR-0040); from DIGITAL_SIGNING on only REVOKE ends it.
    Act.CORRECT: _rule(_BEFORE_SIGNING, State.MISMATCH, Permission.END_CORRECTED_BOOK),
    # Follows from the revocation of the class book that a transcript was made from (ADR-0036).
    Act.LOSE_SOURCE: _rule(_BEFORE_SIGNING, State.MISMATCH, Permission.END_TRANSCRIPT),
}

_UNSEALED: dict[Act, Rule] = {
    **{act: rule for act, rule in RULES.items() if act not in (Act.STAMP, Act.SEAL)},
    Act.ARCHIVE_PAPER: replace(RULES[Act.ARCHIVE_PAPER], sources=frozenset({State.HAND_SIGNED})),
    Act.LOCK: replace(RULES[Act.LOCK], sources=frozenset({State.SIGNED})),
}


def rules(*, sealed: bool) -> Mapping[Act, Rule]:
    """The table of a record type with or without a seal; acts that it does not have are absent."""
    return RULES if sealed else _UNSEALED


def check_actor(act: Act, actors: AbstractSet[Actor]) -> None:
    """Raises Forbidden ROLE_REQUIRED unless one of `actors` may do `act`."""
    permission = RULES[act].permission
    required = ",".join(sorted(actor.name for actor in permission.value.actors))
    check(permission, actors, act=act.value, required=required)


def step(life: Life, act: Act, actors: AbstractSet[Actor]) -> Life:
    """The book after the act. A confirmation by one of two leaves the state as it is.

    Raises Forbidden ROLE_REQUIRED; Rejected BOOK_STATE when the book is in another state, NO_SEAL,
    PAPER_TRACK_REQUIRED, PAPER_TRACK_NOT_REQUIRED.
    """
    check_actor(act, actors)
    rule = rules(sealed=life.sealed).get(act)
    if rule is None:
        raise Rejected("NO_SEAL", "Loại sổ này không đóng dấu.", act=act.value)
    printless = act is Act.REPORT_MISMATCH and life.state is State.PRINT_ASSIGNED and not life.has_problem
    if life.state not in rule.sources or printless:
        raise Rejected(
            "BOOK_STATE",
            f"Sổ đang ở trạng thái {life.state.name}; việc này cần trạng thái khác.",
            state=life.state.name,
            act=act.value,
            expected=",".join(sorted(state.name for state in rule.sources)),
        )
    if act is Act.HAND_SIGN and not life.paper_track_required:
        raise Rejected("PAPER_TRACK_NOT_REQUIRED", "Năm học này không yêu cầu ký và đóng dấu trên bản giấy.")
    if act is Act.START_SIGNING and life.state is State.RECONCILED and life.paper_track_required:
        raise Rejected(
            "PAPER_TRACK_REQUIRED",
            "Phải ký tay, đóng dấu và lưu trữ bản giấy xong mới được ký số.",
        )
    if act is Act.CONFIRM:
        life = replace(
            life,
            officer_confirmed=life.officer_confirmed or Actor.OFFICER in actors,
            preparer_confirmed=life.preparer_confirmed or Actor.PREPARER in actors,
        )
        if not (life.officer_confirmed and life.preparer_confirmed):
            return life
    return replace(life, state=rule.target, has_problem=False)
