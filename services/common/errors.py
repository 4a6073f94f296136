"""The errors a service may raise, named by what the caller must do next.

Use cases and rules raise these; `grpc_server` turns them into gRPC statuses with machine-readable
details (`google.rpc.ErrorInfo`, and `google.rpc.BadRequest` for field violations, AIP-193);
`worker` and `intake` decide by them whether to try again. Servicers never touch `context.abort`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One thing wrong with the input: where, and which rule it breaks.

    field: path inside the request message, such as ``marks[3].regular[1]``; the index is the row.
    rule: stable upper-snake code that programs can use, such as ``MARK_OUT_OF_RANGE``.
    message: one Vietnamese sentence for a person, without personal data beyond what the caller
    sent.
    """

    field: str
    rule: str
    message: str


class HosoError(Exception):
    """Base of all expected errors. `reason` is a stable code; `facts` repeats each value named in
    the message.
    """

    def __init__(self, reason: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = {key: str(value) for key, value in facts.items()}


class Invalid(HosoError):
    """The request is wrong in itself (INVALID_ARGUMENT). All violations are reported at once;
    nothing is written.
    """

    def __init__(self, violations: Sequence[Violation], message: str = "Dữ liệu gửi lên không hợp lệ.") -> None:
        super().__init__("INVALID_INPUT", message, violations=len(violations))
        self.violations = tuple(violations)


class NotFound(HosoError):
    """The named thing does not exist, or the caller may not know that it does (NOT_FOUND)."""


class Conflict(HosoError):
    """The same name or request id was used before for something else (ALREADY_EXISTS)."""


class Rejected(HosoError):
    """The request is well formed but the present state forbids it (FAILED_PRECONDITION)."""


class Forged(Rejected):
    """Something that was said or stored is not what its owner says it is (FAILED_PRECONDITION): it
    is refused with an alarm, for somebody or something has changed it (ADR-0062).
    """


class Unauthenticated(HosoError):
    """No acceptable proof of who is calling or for whom (UNAUTHENTICATED)."""


class Forbidden(HosoError):
    """The caller is known and may not do this (PERMISSION_DENIED). Always leaves an audit row."""


class Unavailable(HosoError):
    """A dependency is away; repeat the same call later (UNAVAILABLE, the only status that clients
    retry).
    """


class Exhausted(HosoError):
    """The caller holds or asks for more than its share of the service (RESOURCE_EXHAUSTED): send
    less at a time, or later.
    """


class Waiting(HosoError):
    """A job cannot go on until something else happens, and that is no failure: try later, without
    using up an attempt.
    """
