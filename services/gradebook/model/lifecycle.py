"""The life of a book: which act moves it from which state to which, by which permission.

Order of acts: complete data → unsigned print → reconciled → (signed and stamped on paper) → signed
and sealed digitally → locked → archived → returned. Record types without a seal (teacher's book)
skip stamping and sealing. Nothing is undone: a wrong version ends in MISMATCH or REVOKED, and the
next version follows.

Pure. `books/steps.py` applies it to the locked row of a book.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from services.common.errors import Rejected
from services.gradebook.model.permissions import Actor, Permission, check


class BookState(IntEnum):
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


ENDED = frozenset({BookState.MISMATCH, BookState.REVOKED})
"""States in which a version has ended; before, it is alive. Freezing then makes version + 1."""

READ_ONLY = frozenset({BookState.LOCKED, BookState.ARCHIVED, BookState.RETURNED})
"""States in which the data of the book are locked, until it is revoked."""


class BookAct(Enum):
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
    """The states that an act leads from, the state it leads to, and the permission it needs."""

    sources: frozenset[BookState]
    target: BookState
    permission: Permission

    @property
    def actors(self) -> frozenset[Actor]:
        """Who may do it."""
        return self.permission.value.actors


@dataclass(frozen=True, slots=True)
class Life:
    """How far a book is, and what else decides about its next step.

    sealed: the record type has a seal. paper_track_required: present setting of the school year.
    has_problem: the system's last step failed.
    officer_confirmed, preparer_confirmed: they have confirmed that print and data agree.
    """

    state: BookState
    sealed: bool = True
    paper_track_required: bool = False
    has_problem: bool = False
    officer_confirmed: bool = False
    preparer_confirmed: bool = False


def _rule(sources: tuple[BookState, ...], target: BookState, permission: Permission) -> Rule:
    return Rule(frozenset(sources), target, permission)


_BEFORE_SIGNING = (
    BookState.DATA_COMPLETE,
    BookState.PRINT_ASSIGNED,
    BookState.PRINTED_UNSIGNED,
    BookState.UNDER_RECONCILIATION,
    BookState.RECONCILED,
    BookState.HAND_SIGNED,
    BookState.STAMPED,
    BookState.PAPER_ARCHIVED,
)

RULES: dict[BookAct, Rule] = {
    BookAct.FREEZE: _rule((), BookState.DATA_COMPLETE, Permission.FREEZE_BOOK),
    BookAct.ASSIGN_PRINT: _rule((BookState.DATA_COMPLETE,), BookState.PRINT_ASSIGNED, Permission.ASSIGN_PRINT),
    BookAct.PRINT: _rule((BookState.PRINT_ASSIGNED,), BookState.PRINTED_UNSIGNED, Permission.PRINT_BOOK),
    BookAct.START_RECONCILIATION: _rule(
        (BookState.PRINTED_UNSIGNED,), BookState.UNDER_RECONCILIATION, Permission.START_RECONCILIATION
    ),
    BookAct.CONFIRM: _rule((BookState.UNDER_RECONCILIATION,), BookState.RECONCILED, Permission.CONFIRM_RECONCILIATION),
    BookAct.REPORT_MISMATCH: _rule(
        # From PRINT_ASSIGNED only if printing failed: nothing else could free the class's data.
        (BookState.UNDER_RECONCILIATION, BookState.PRINT_ASSIGNED),
        BookState.MISMATCH,
        Permission.REPORT_MISMATCH,
    ),
    BookAct.HAND_SIGN: _rule((BookState.RECONCILED,), BookState.HAND_SIGNED, Permission.RECORD_HAND_SIGNED),
    BookAct.STAMP: _rule((BookState.HAND_SIGNED,), BookState.STAMPED, Permission.RECORD_STAMPED),
    BookAct.ARCHIVE_PAPER: _rule((BookState.STAMPED,), BookState.PAPER_ARCHIVED, Permission.RECORD_PAPER_ARCHIVED),
    BookAct.START_SIGNING: _rule(
        (BookState.RECONCILED, BookState.PAPER_ARCHIVED), BookState.DIGITAL_SIGNING, Permission.START_SIGNING
    ),
    BookAct.SIGN: _rule((BookState.DIGITAL_SIGNING,), BookState.SIGNED, Permission.COMPLETE_SIGNATURES),
    BookAct.SEAL: _rule((BookState.SIGNED,), BookState.SEALED, Permission.SEAL_BOOK),
    BookAct.LOCK: _rule((BookState.SEALED,), BookState.LOCKED, Permission.LOCK_BOOK),
    BookAct.ARCHIVE: _rule((BookState.LOCKED,), BookState.ARCHIVED, Permission.ARCHIVE_BOOK),
    BookAct.RETURN: _rule((BookState.ARCHIVED,), BookState.RETURNED, Permission.RETURN_BOOK),
    BookAct.REVOKE: _rule(
        (
            BookState.DIGITAL_SIGNING,
            BookState.SIGNED,
            BookState.SEALED,
            BookState.LOCKED,
            BookState.ARCHIVED,
            BookState.RETURNED,
        ),
        BookState.REVOKED,
        Permission.REVOKE_BOOK,
    ),
    # Follows from an approved correction of a datum in the book (ADR-0040); once signing has begun,
    # only REVOKE ends a book.
    BookAct.CORRECT: _rule(_BEFORE_SIGNING, BookState.MISMATCH, Permission.END_CORRECTED_BOOK),
    # Follows from revoking the class book that a transcript was made from (ADR-0036).
    BookAct.LOSE_SOURCE: _rule(_BEFORE_SIGNING, BookState.MISMATCH, Permission.END_TRANSCRIPT),
}

_UNSEALED: dict[BookAct, Rule] = {
    **{act: rule for act, rule in RULES.items() if act not in (BookAct.STAMP, BookAct.SEAL)},
    BookAct.ARCHIVE_PAPER: replace(RULES[BookAct.ARCHIVE_PAPER], sources=frozenset({BookState.HAND_SIGNED})),
    BookAct.LOCK: replace(RULES[BookAct.LOCK], sources=frozenset({BookState.SIGNED})),
}


def rules(*, sealed: bool) -> Mapping[BookAct, Rule]:
    """The acts of record types with or without a seal; acts that these lack are absent."""
    return RULES if sealed else _UNSEALED


def check_actor(act: BookAct, actors: AbstractSet[Actor]) -> None:
    """Raises Forbidden ROLE_REQUIRED unless one of `actors` may do `act`."""
    permission = RULES[act].permission
    required = ",".join(sorted(actor.name for actor in permission.value.actors))
    check(permission, actors, act=act.value, required=required)


def step(life: Life, act: BookAct, actors: AbstractSet[Actor]) -> Life:
    """The book after the act. The first of the two confirmations leaves the state as it is.

    Raises Forbidden ROLE_REQUIRED; Rejected BOOK_STATE when the act does not lead from the book's
    state, NO_SEAL, PAPER_TRACK_REQUIRED, PAPER_TRACK_NOT_REQUIRED.
    """
    check_actor(act, actors)
    rule = rules(sealed=life.sealed).get(act)
    if rule is None:
        raise Rejected("NO_SEAL", "Loại sổ này không đóng dấu.", act=act.value)
    print_pending = life.state is BookState.PRINT_ASSIGNED and not life.has_problem
    if life.state not in rule.sources or (act is BookAct.REPORT_MISMATCH and print_pending):
        raise Rejected(
            "BOOK_STATE",
            f"Sổ đang ở trạng thái {life.state.name}; việc này cần trạng thái khác.",
            state=life.state.name,
            act=act.value,
            expected=",".join(sorted(state.name for state in rule.sources)),
        )
    if act is BookAct.HAND_SIGN and not life.paper_track_required:
        raise Rejected("PAPER_TRACK_NOT_REQUIRED", "Năm học này không yêu cầu ký và đóng dấu trên bản giấy.")
    if act is BookAct.START_SIGNING and life.state is BookState.RECONCILED and life.paper_track_required:
        raise Rejected(
            "PAPER_TRACK_REQUIRED",
            "Phải ký tay, đóng dấu và lưu trữ bản giấy xong mới được ký số.",
        )
    if act is BookAct.CONFIRM:
        life = replace(
            life,
            officer_confirmed=life.officer_confirmed or Actor.OFFICER in actors,
            preparer_confirmed=life.preparer_confirmed or Actor.PREPARER in actors,
        )
        if not (life.officer_confirmed and life.preparer_confirmed):
            return life
    return replace(life, state=rule.target, has_problem=False)
