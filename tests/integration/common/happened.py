"""Events of gradebook that only these tests know, and gradebook's right to take its own events."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from deploy.local import rabbitmq
from deploy.local.layout import Stack

_FILE = descriptor_pb2.FileDescriptorProto(name="tests/happened.proto", package="hoso.gradebook.v1", syntax="proto3")
for _name in ("Happened", "Ended"):
    _FILE.message_type.add(name=_name).field.add(
        name="value",
        number=1,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    )
descriptor_pool.Default().AddSerializedFile(_FILE.SerializeToString())  # type: ignore[no-untyped-call]


def _event(name: str) -> Any:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"hoso.gradebook.v1.{name}")  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(descriptor)


Happened, Ended = _event("Happened"), _event("Ended")


def body(value: str) -> bytes:
    """The body of an event with this value."""
    return f'{{"value": "{value}"}}'.encode()


def hear_itself(stack: Stack, virtual_host: str) -> None:
    """Let gradebook take the events that it publishes: one service is then enough for a test."""
    own = r"^gradebook\.v1\.[A-Za-z]+$"
    user = "service/gradebook"
    rabbitmq.control(stack, "set_topic_permissions", "-p", virtual_host, user, "hoso.events", own, own)
