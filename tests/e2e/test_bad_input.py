"""Whatever is sent, the answer is a status that tells the caller what to do: never an internal
error, never silence.
"""

import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory, symbol_database
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from hoso.gradebook.v1 import exemptions_pb2

from cli.connection import SERVICES
from services.common import tokens
from services.common.grpc_client import channel
from services.common.settings import PeerConfig
from tests.e2e.conftest import Line

# The command line has no use for it, so nothing else would make its descriptors known here.
assert exemptions_pb2.DESCRIPTOR
GRPC_SERVICES = {
    "gradebook": tuple(
        f"gradebook.v1.{name}Service"
        for name in (
            "Roster",
            "Mark",
            "Book",
            "ClassBook",
            "Correction",
            "Review",
            "Remark",
            "Achievement",
            "Register",
            "Exemption",
            "Dossier",
        )
    ),
    "print": ("print.v1.PrintService",),
    "signing": ("signing.v1.SigningService",),
    "archive": ("archive.v1.ArchiveService", "operations.v1.AnchorService"),
}
ANSWERS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
STRINGS = (
    "",
    " ",
    "x" * 5000,
    "\0",
    "Điểm",
    "'; DROP TABLE mark; --",
    "../../etc",
    "2025-2026",
    "NaN",
    "-1",
    "\ufffe",
    "e\u0301",
)
ROUNDS = 12


def methods(service: str) -> Iterator[MethodDescriptor]:
    pool = symbol_database.Default().pool
    for name in (*GRPC_SERVICES[service], "operations.v1.OperationsService"):
        yield from pool.FindServiceByName(f"hoso.{name}").methods


def garbage(rng: random.Random, descriptor: Any, depth: int = 0) -> Message:
    """A message of the type with any field left out or filled with something unlikely."""
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if rng.random() < 0.25:
            continue
        values = [_value(rng, field, depth) for _ in range(rng.choice((1, 1, 2, 30)) if field.is_repeated else 1)]
        values = [value for value in values if value is not None]
        if field.message_type and field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            getattr(message, field.name).extend(values)
        elif field.message_type and values:
            getattr(message, field.name).CopyFrom(values[0])
        elif values:
            setattr(message, field.name, values[0])
    return message


def _value(rng: random.Random, field: FieldDescriptor, depth: int) -> Any:
    if field.message_type:
        return garbage(rng, field.message_type, depth + 1) if depth < 4 else None
    if field.type == FieldDescriptor.TYPE_STRING:
        return rng.choice(STRINGS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.choice((b"", b"\0", bytes(32), b"\xff" * 300))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == FieldDescriptor.TYPE_ENUM:
        return rng.choice((0, 1, 2, 99))
    return rng.choice((0, 1, -1, 7, 2**31 - 1, -(2**31)))


@pytest.mark.parametrize("service", SERVICES)
def test_no_request_breaks_a_service(line: Line, service: str) -> None:
    rng = random.Random(f"garbage/{service}")
    assert line.profile.vendor_tls is not None and line.profile.issuer_key_file is not None
    key = line.profile.issuer_key_file.read_text()
    wrong = []
    for client, tls in (("operator/department", line.profile.tls), ("vendor/smas", line.profile.vendor_tls)):
        token = tokens.issue(line.profile.issuer, key, client=client, person="31000705-ht-01", school="31000705")
        peer = channel(PeerConfig(getattr(line.profile, service), tls), service)
        for method in methods(service):
            for _ in range(ROUNDS):
                request = garbage(rng, method.input_type)
                code = _call(peer, method, request, token)
                if code not in ANSWERS:
                    wrong.append((method.full_name, code, str(request)[:300]))
    assert wrong == []


def _call(peer: grpc.Channel, method: MethodDescriptor, request: Message, token: str) -> grpc.StatusCode:
    path = f"/{method.containing_service.full_name}/{method.name}"
    serialise, parse = type(request).SerializeToString, message_factory.GetMessageClass(method.output_type).FromString
    metadata = (("authorization", f"Bearer {token}"),)
    try:
        if method.client_streaming:
            peer.stream_unary(path, serialise, parse)(iter([request] * 2), timeout=20, metadata=metadata)
        elif method.server_streaming:
            list(peer.unary_stream(path, serialise, parse)(request, timeout=20, metadata=metadata))
        else:
            peer.unary_unary(path, serialise, parse)(request, timeout=20, metadata=metadata)
    except grpc.RpcError as e:
        return e.code()
    return grpc.StatusCode.OK
