"""How large a request may be: the limits that the proto states for each field, checked before
anything else looks at the message (proto/hoso/limits/v1, ADR-0061).

A list's length is known without going through it, so a message of two million empty rows costs no
more than its parsing; its rows are looked at only if their number is allowed.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hoso.limits.v1 import limits_pb2

from services.common.errors import Invalid, Violation

REPORTED = 25
"""Most violations in one answer: gRPC sends them in trailers, which clients limit to 8 KiB."""


class Limit(NamedTuple):
    """The limits of one field; 0 means that the field has no such limit."""

    name: str
    repeated: bool
    items: int
    characters: int
    bytes: int
    message: Descriptor | None


def check(message: Message) -> None:
    """Raises Invalid MAX_ITEMS, MAX_LENGTH, MAX_BYTES, with the first 25 violations."""
    if not _is_large(message, limits_of(message.DESCRIPTOR)):
        return
    violations: list[Violation] = []
    for violation in _violations(message, ""):
        violations.append(violation)
        if len(violations) == REPORTED:
            break
    raise Invalid(violations)


def _is_large(message: Message, limits: tuple[Limit, ...]) -> bool:
    """Whether any limit is exceeded: what every request pays for, without a word about where."""
    for name, repeated, items, characters, size, inner in limits:
        if repeated:
            values = getattr(message, name)
            if len(values) > items:
                return True
            if inner is not None:
                below = limits_of(inner)
                for value in values:
                    if _is_large(value, below):
                        return True
            elif characters or size:
                most = characters or size
                for value in values:
                    if len(value) > most:
                        return True
        elif inner is None:
            if len(getattr(message, name)) > (characters or size):
                return True
        elif message.HasField(name) and _is_large(getattr(message, name), limits_of(inner)):
            return True
    return False


@cache
def limits_of(message: Descriptor) -> tuple[Limit, ...]:
    """The limits of a message's fields. Fields without any, such as numbers, are left out."""
    return tuple(limit for limit in map(_limit, message.fields) if limit.repeated or limit[3:] != (0, 0, None))


def _limit(field: FieldDescriptor) -> Limit:
    options = field.GetOptions().Extensions
    return Limit(
        field.name,
        field.is_repeated,
        options[limits_pb2.max_items],
        options[limits_pb2.max_length],
        options[limits_pb2.max_bytes],
        field.message_type,
    )


def _violations(message: Message, path: str) -> Iterator[Violation]:
    for limit in limits_of(message.DESCRIPTOR):
        if not limit.repeated and limit.message is not None:
            if message.HasField(limit.name):
                yield from _violations(getattr(message, limit.name), f"{path}{limit.name}.")
            continue
        value = getattr(message, limit.name)
        if not limit.repeated:
            if value:
                yield from _of_value(limit, value, f"{path}{limit.name}")
        elif len(value) > limit.items:
            text = f"Có {len(value)} mục; mỗi lần gửi không quá {limit.items}."
            yield Violation(f"{path}{limit.name}", "MAX_ITEMS", text)
        elif limit.message is not None:
            for index, item in enumerate(value):
                yield from _violations(item, f"{path}{limit.name}[{index}].")
        elif limit.characters or limit.bytes:
            for index, item in enumerate(value):
                yield from _of_value(limit, item, f"{path}{limit.name}[{index}]")


def _of_value(limit: Limit, value: Any, path: str) -> Iterator[Violation]:
    if limit.characters:
        if len(value) > limit.characters:
            yield Violation(path, "MAX_LENGTH", f"Dài quá {limit.characters} ký tự.")
    elif limit.bytes and len(value) > limit.bytes:
        yield Violation(path, "MAX_BYTES", f"Dài quá {limit.bytes} byte.")
