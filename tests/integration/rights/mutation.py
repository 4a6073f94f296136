"""Changing a well-formed request, by what its descriptors say, into one that no honest client
sends.

All is drawn from a `random.Random`: a seed makes the same request again, but for its fresh ids.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.limits import Limit, limits_of

_TEXTS = (
    *("", " ", "\0", "a\0b", "\u202e", "e\u0302", "\ud7ff\uffff", "😀", "Đ", "²", "٣", "'; --", "%s"),
    *("../..", "*", "{}", "[]", "-", "-1", "0", "1", "1e9", "0x10", "NaN", "null", "8", "8,55", "10.1", "V", "9" * 18),
    *("9" * 90, "9" * 4400),
    *("9223372036854775807", "9223372036854775808", "2025-13", "0000-01", "2026-02-30", "0000-00-00", "9999-12-31"),
    *("2026-2027", "2025-2027", "0000-0001", "9999-0000", "0001-01-01", "school/31000899", "31000705", "pkcs11:"),
    *("00000000-0000-0000-0000-000000000000", "urn:uuid:" + "0" * 32, "{" + "0" * 32 + "}", "F" * 32, "vendor/smas"),
    *("AAAA", "e30=", "eyJhIjoxfQ", "W10", "bnVsbA", "MQ==", "Iw", "a|b|c", "1|2", "1/2", "1,2"),
)  # fmt: skip
_BYTES = (b"", b"\0", bytes(31), bytes(32), bytes(33), b"\xff" * 32, b"12345678", b"{}", b"a.b.c", b"0\x82\xff\xff")
_NUMBERS = (0, 1, -1, 2, 3, 5, 12, 13, 31, 32, 99, 100, 200, 500, 501, 1000, 32767, 32768, 65536)
_EDGES = {32: (2**31 - 1, -(2**31)), 64: (2**63 - 1, -(2**63), 2**31, -(2**31) - 1)}
_UNSIGNED_EDGES = {32: (2**32 - 1,), 64: (2**64 - 1, 2**63)}
_SECONDS = (0, -1, 2**63 - 1, -(2**63), -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800)
_NANOS = (0, -1, 1, 999_999_999, 1_000_000_000, 2**31 - 1, -(2**31))
_VARINTS = (b"\xff" * 9 + b"\x01", b"\xff" * 10, b"\x80" * 4)


def texts(message: Message) -> Iterator[str]:
    """Every text in a message."""
    for part in (message, *_parts(message)):
        for field, value in part.ListFields():
            if field.type == field.TYPE_STRING:
                yield from list(value)[:20] if field.is_repeated else [value]


def mutated(message: Message, rng: random.Random, words: Sequence[str]) -> bytes:
    """The bytes of a request with one to four changes; `message` is changed too. words: that mean
    something to the services, in another place.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        part = rng.choice([message, *_parts(message)])
        if part.DESCRIPTOR.fields:
            _change(part, rng.choice(part.DESCRIPTOR.fields), rng, words)
    data = message.SerializeToString()
    return _damaged(data, rng) if rng.random() < 0.15 else data


def _parts(message: Message) -> Iterator[Message]:
    """The messages inside a message."""
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for inner in list(value)[:20] if field.is_repeated else [value]:
                yield inner
                yield from _parts(inner)


def _change(part: Message, field: FieldDescriptor, rng: random.Random, words: Sequence[str]) -> None:
    limit = next((each for each in limits_of(part.DESCRIPTOR) if each.name == field.name), None)
    if rng.random() < 0.1:
        part.ClearField(field.name)
    elif field.is_repeated:
        _change_list(getattr(part, field.name), field, limit, rng, words)
    elif field.message_type is not None:
        inner = getattr(part, field.name)
        inner.SetInParent()
        if isinstance(inner, Timestamp):
            inner.seconds, inner.nanos = rng.choice(_SECONDS), rng.choice(_NANOS)
        elif rng.random() < 0.3:
            inner.Clear()
            inner.SetInParent()
        elif inner.DESCRIPTOR.fields:
            _change(inner, rng.choice(inner.DESCRIPTOR.fields), rng, words)
    else:
        setattr(part, field.name, _value(field, limit, rng, words))


def _change_list(
    values: Any, field: FieldDescriptor, limit: Limit | None, rng: random.Random, words: Sequence[str]
) -> None:
    most = limit.items if limit else 100
    kept = list(values)[:200]
    act = rng.choice(("one", "one", "empty", "double", "full", "over", "backwards"))
    if act == "one" and kept and field.message_type is not None:
        inner = rng.choice(kept)
        if inner.DESCRIPTOR.fields:
            _change(inner, rng.choice(inner.DESCRIPTOR.fields), rng, words)
        return
    new = kept
    if act == "one":
        new = [*kept[1:], *_new(field, limit, rng, words)]
    elif act == "empty":
        new = []
    elif act == "double":
        new = [*kept, *kept]
    elif act == "backwards":
        new = [*kept[::-1], *_new(field, limit, rng, words)]
    else:
        source = kept or _new(field, limit, rng, words)
        count = min(most + (act == "over"), 3000)
        new = (source * (count // max(len(source), 1) + 1))[:count]
    copies = [_copy(value) for value in new]
    del values[:]
    values.extend(copies)


def _new(field: FieldDescriptor, limit: Limit | None, rng: random.Random, words: Sequence[str]) -> list[Any]:
    if field.message_type is not None:
        return [GetMessageClass(field.message_type)()]
    return [_value(field, limit, rng, words)]


def _copy(value: Any) -> Any:
    if not isinstance(value, Message):
        return value
    copy = type(value)()
    copy.CopyFrom(value)
    return copy


def _value(field: FieldDescriptor, limit: Limit | None, rng: random.Random, words: Sequence[str]) -> Any:
    if field.type == field.TYPE_STRING:
        return _text(limit.characters if limit else 100, rng, words)
    if field.type == field.TYPE_BYTES:
        most = limit.bytes if limit else 100
        return rng.choice((*_BYTES, bytes(most), bytes(most + 1), rng.randbytes(rng.randrange(64))))
    if field.enum_type is not None:
        return rng.choice((*(value.number for value in field.enum_type.values), -1, 99, 2**31 - 1, -(2**31)))
    if field.type == field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (field.TYPE_UINT32, field.TYPE_UINT64):
        bits = 32 if field.type == field.TYPE_UINT32 else 64
        return rng.choice((*(number for number in _NUMBERS if number >= 0), *_UNSIGNED_EDGES[bits]))
    bits = 32 if field.type in (field.TYPE_INT32, field.TYPE_SINT32, field.TYPE_SFIXED32) else 64
    return rng.choice((*_NUMBERS, *_EDGES[bits]))


def _text(most: int, rng: random.Random, words: Sequence[str]) -> str:
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(words)
    if kind < 0.8:
        return rng.choice(_TEXTS)
    if kind < 0.95:
        return rng.choice("aĐ😀\0 9") * rng.choice((most, most + 1, most - 1 if most else 0))
    return rng.choice("aĐ😀") * 20_000


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes that are no such message, or hardly."""
    place = rng.randrange(len(data) + 1)
    acts: Sequence[bytes] = (
        data[:place],
        data[:place] + rng.randbytes(rng.randrange(1, 9)) + data[place:],
        data[:place] + b"\xc3\x28" + data[place + 2 :],
        data + data,
        data + rng.choice(_VARINTS),
        data + b"\xfa\xff\xff\xff\x0f\x03abc",
        b"\x0a" + bytes([min(len(data), 127)]) + data,
        b"\x0b" * 200 + b"\x0c" * 200,
        rng.randbytes(rng.randrange(200)),
    )
    return rng.choice(acts)
