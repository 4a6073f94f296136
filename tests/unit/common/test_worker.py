"""The description kept of an error: enough to find it, nothing about a person."""

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from services.common import log, outbox, topology
from services.common.errors import Rejected


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as e:  # noqa: BLE001
        return e


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (raised(ValueError("Nguyễn Văn A")), "ValueError in raised (test_worker.py:"),
        (
            raised(Rejected("GLYPH_MISSING", "Thiếu chữ trong tên Nguyễn Văn A.")),
            "GLYPH_MISSING in raised (test_worker.py:",
        ),
        (ValueError("Nguyễn Văn A"), "ValueError"),
    ],
)
def test_an_error_is_described_by_code_and_place(error: Exception, start: str) -> None:
    text = log.describe(error)
    assert text.startswith(start)
    assert "Nguyễn" not in text


def test_routing_keys_drop_our_own_prefix_only() -> None:
    assert outbox.routing_key("hoso.gradebook.v1.BookLocked") == "gradebook.v1.BookLocked"
    assert outbox.routing_key(StringValue.DESCRIPTOR.full_name) == "google.protobuf.StringValue"


def test_queue_names_are_those_that_the_broker_lets_a_service_use() -> None:
    assert topology.queue("print") == "print.events"
    assert topology.dead_queue("print") == "print.dead"
    assert [topology.retry_queue("print", rest_s) for rest_s in topology.RETRY_S] == [
        "print.retry.1",
        "print.retry.10",
        "print.retry.60",
        "print.retry.600",
    ]
