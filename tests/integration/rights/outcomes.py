"""What a call comes to: let through, or refused, and by which rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hoso.gradebook.v1 import common_pb2

from tests.integration.rights.requests import Row

DEADLINE_S = 30.0
ALLOWED = "✓"
LETTERS = {
    "CLIENT_NOT_ALLOWED": "·",
    "PERSON_REQUIRED": "P",
    "TOKEN_INVALID": "T",
    "TOKEN_OF_ANOTHER_CLIENT": "T",
    "WRONG_SCHOOL": "S",
    "VENDOR_NOT_AUTHORISED": "V",
    "VENDOR_SUSPENDED": "X",
    "PERSON_UNKNOWN": "U",
    "ROLE_REQUIRED": "R",
    "NOT_ASSIGNED": "R",
    "NOT_THE_SIGNATORY": "R",
    "ANCHOR_OF_ANOTHER": "R",
}
"""Reason → letter of the table; a new reason of refusal needs one."""
HIDDEN = "N"
NOT_THERE = ("OBJECT_MISSING", "DEAD_LETTER_NOT_FOUND", "NOT_COMPARED")
"""Reasons of NOT_FOUND that are true, and told after the right was asked for: store, comparisons
and queues are empty.
"""
REFUSED = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)
WORDS = {
    ALLOWED: "let through: the right is there (the call may still fail for another cause, such as a closed window)",
    "·": "the certificate: this client may not call it, whoever acts",
    "P": "a person must act, and the call brings no token",
    "T": "the token is not good in this client's hands",
    "S": "the token is for another school",
    "V": "this software does not serve the school",
    "X": "this software is suspended",
    "U": "the person is not on the school's staff",
    "R": "the person, or the service, is not the one who may do this",
    HIDDEN: "told that there is no such thing, which is there",
}


@dataclass(frozen=True)
class Outcome:
    """code: of the status; reason: of its ErrorInfo, "" without one."""

    code: grpc.StatusCode
    reason: str = ""

    @property
    def letter(self) -> str:
        """As in the table. Raises LookupError for a refusal whose reason has no letter."""
        if self.code is grpc.StatusCode.NOT_FOUND and self.reason not in NOT_THERE:
            return HIDDEN
        if self.code in REFUSED:
            if self.reason not in LETTERS:
                raise LookupError(f"give the reason {self.reason} a letter in tests/integration/rights/outcomes.py")
            return LETTERS[self.reason]
        return ALLOWED


def send(channel: grpc.Channel, row: Row, token: str, *requests: bytes) -> Outcome:
    """Make a call with the bytes of a request, or of several where the RPC takes a stream."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    kind = GetMessageClass(row.rpc.output_type)
    try:
        answers = list(_answers(channel, row, requests, timeout=DEADLINE_S, metadata=metadata))
    except grpc.RpcError as e:
        return Outcome(e.code(), _reason(e))
    for refusal in (each for answer in answers for each in _refusals(kind.FromString(answer))):
        return Outcome(_CODES[refusal.code], refusal.reason)
    return Outcome(grpc.StatusCode.OK)


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _answers(channel: grpc.Channel, row: Row, requests: Sequence[bytes], **options: Any) -> Iterator[bytes]:
    if row.rpc.client_streaming and row.rpc.server_streaming:
        yield next(iter(channel.stream_stream(row.path)(iter(requests), **options)))
    elif row.rpc.client_streaming:
        yield channel.stream_unary(row.path)(iter(requests), **options)
    elif row.rpc.server_streaming:
        call = channel.unary_stream(row.path)(requests[0], **options)
        if row.rpc.name == "Watch":
            yield next(call)
            call.cancel()
        else:
            yield from call
    else:
        yield channel.unary_unary(row.path)(requests[0], **options)


def _reason(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
    return info.reason


def _refusals(answer: Message) -> Iterator[common_pb2.Refusal]:
    """Refusals within an answer to several acts."""
    for field, value in answer.ListFields():
        if field.message_type is None or (field.message_type.GetOptions().map_entry):
            continue
        for inner in value if field.is_repeated else [value]:
            if isinstance(inner, common_pb2.Refusal):
                yield inner
            else:
                yield from _refusals(inner)
