"""Channels to other services: mTLS, retries of UNAVAILABLE only, statuses as our errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.common import grpc_credentials
from services.common.errors import (
    Conflict,
    Forbidden,
    HosoError,
    Invalid,
    NotFound,
    Rejected,
    Unauthenticated,
    Unavailable,
    Violation,
)
from services.common.peer import host_of
from services.common.settings import PeerConfig

DEADLINE_S = 30.0
"""Deadline of a call between services, unless the caller sets a shorter one."""

_RETRY = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)

_ERRORS: dict[grpc.StatusCode, type[HosoError]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: Rejected,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
}


def channel(peer: PeerConfig, service: str) -> grpc.Channel:
    """A channel to `service` at the address in `peer` with our client certificate, connecting
    (again) when used.

    Whoever answers there must show a certificate of that very service (`host_of`). Raises
    ConfigError when a file cannot be used.
    """
    return grpc.secure_channel(
        peer.address,
        grpc_credentials.of_client(peer.tls),
        options=[
            ("grpc.ssl_target_name_override", host_of(f"service/{service}")),
            ("grpc.service_config", _RETRY),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", 16 * 1024 * 1024),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.initial_reconnect_backoff_ms", 200),
        ],
    )


@contextmanager
def calling(peer: str) -> Iterator[None]:
    """Turn gRPC errors of calls to another service into those of `errors`.

    peer: name for the message, such as "gradebook". Codes that mean the peer is away become
    Unavailable; a code that means a bug (INTERNAL, UNKNOWN, UNIMPLEMENTED …) stays a grpc.RpcError.
    """
    try:
        yield
    except grpc.RpcError as e:
        translated = translate(e, peer)
        if translated is None:
            raise
        raise translated from e


def translate(error: grpc.RpcError, peer: str) -> HosoError | None:
    """The error of `errors` for a status, with its reason and facts; None for a code that means a
    bug.
    """
    code = error.code()
    info, violations = _details(error)
    reason = info.reason or f"{peer.upper()}_{code.name}"
    facts = dict(info.metadata)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return Invalid(violations or [Violation("", reason, error.details() or "")], error.details() or "")
    kind = _ERRORS.get(code)
    return kind(reason, error.details() or code.name, **facts) if kind else None


def _details(error: grpc.RpcError) -> tuple[error_details_pb2.ErrorInfo, list[Violation]]:
    info = error_details_pb2.ErrorInfo()
    violations: list[Violation] = []
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        bad = error_details_pb2.BadRequest()
        if detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
            violations += [Violation(v.field, v.reason, v.description) for v in bad.field_violations]
    return info, violations
