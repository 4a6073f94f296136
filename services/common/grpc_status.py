"""Our errors as gRPC statuses with machine-readable details (AIP-193)."""

from typing import Any

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.common.errors import (
    Conflict,
    Exhausted,
    Forbidden,
    Forged,
    HosoError,
    Invalid,
    NotFound,
    Rejected,
    Unauthenticated,
    Unavailable,
)

ERROR_DOMAIN = "hoso"
INTERNAL = status_pb2.Status(code=code_pb2.INTERNAL, message="internal error")
"""What a caller is told of a bug."""

_CODES: dict[type[HosoError], int] = {
    Invalid: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    Conflict: code_pb2.ALREADY_EXISTS,
    Rejected: code_pb2.FAILED_PRECONDITION,
    Forged: code_pb2.FAILED_PRECONDITION,
    Unauthenticated: code_pb2.UNAUTHENTICATED,
    Forbidden: code_pb2.PERMISSION_DENIED,
    Unavailable: code_pb2.UNAVAILABLE,
    Exhausted: code_pb2.RESOURCE_EXHAUSTED,
}


def status_of(error: HosoError) -> status_pb2.Status:
    """The gRPC status of an expected error: code, ErrorInfo, and BadRequest with every
    violation.
    """
    status = status_pb2.Status(code=_CODES.get(type(error), code_pb2.UNKNOWN), message=error.message)
    _attach(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.facts))
    if isinstance(error, Invalid):
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, reason=violation.rule, description=violation.message)
        _attach(status, bad)
    return status


def _attach(status: status_pb2.Status, detail: Any) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
