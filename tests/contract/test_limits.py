"""Every field of every request that could be large says in the proto how large it may be."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.common.limits import limits_of
from tests.contract.descriptors import request_messages


def large_fields() -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    for message in request_messages():
        for field in message.fields:
            if field.is_repeated or field.type in (field.TYPE_STRING, field.TYPE_BYTES):
                yield message, field


@pytest.mark.parametrize(("message", "field"), list(large_fields()), ids=lambda d: d.full_name)
def test_a_field_that_could_be_large_has_its_limits(message: Descriptor, field: FieldDescriptor) -> None:
    limit = next(limit for limit in limits_of(message) if limit.name == field.name)
    assert (limit.items > 0) == field.is_repeated
    assert (limit.characters > 0) == (field.type == field.TYPE_STRING)
    assert (limit.bytes > 0) == (field.type == field.TYPE_BYTES)


def test_no_request_is_large_by_its_limits_alone() -> None:
    """Rows within rows multiply: no request holds more than 100,000 values."""

    def values(message: Descriptor) -> int:
        return 1 + sum(
            max(limit.items, 1) * (values(limit.message) if limit.message else 1) for limit in limits_of(message)
        )

    assert {m.full_name: values(m) for m in request_messages() if values(m) > 100_000} == {}
