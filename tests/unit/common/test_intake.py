"""Reading deliveries, without any server."""

import uuid

import pytest
from google.protobuf.json_format import ParseError
from google.protobuf.type_pb2 import Field

from services.common.intake import Delivery, Intake, Outcome, Subscription, event_types
from services.common.settings import DatabaseConfig, TlsConfig

SUBSCRIPTION = Subscription(Field, lambda tx, event: None)
EVENT_ID = str(uuid.uuid4())


@pytest.fixture
def intake(tmp_path: object) -> Intake:
    tls = TlsConfig(tmp_path, tmp_path, tmp_path)  # type: ignore[arg-type]
    return Intake(DatabaseConfig("127.0.0.1", 1, "none", "none", tls), [SUBSCRIPTION])


def test_fields_of_a_newer_sender_are_ignored(intake: Intake) -> None:
    body = b'{"name": "x", "invented_later": {"a": [1]}}'
    event_id, subscription, event = intake._decode(Delivery(EVENT_ID, "google.protobuf.Field", body))
    assert (str(event_id), subscription, event) == (EVENT_ID, SUBSCRIPTION, Field(name="x"))


@pytest.mark.parametrize(
    ("delivery", "error"),
    [
        (Delivery(EVENT_ID, "google.protobuf.Field", b"\xff"), UnicodeDecodeError),
        (Delivery(EVENT_ID, "google.protobuf.Field", b""), ParseError),
        (Delivery(EVENT_ID, "google.protobuf.Field", b"[1]"), ParseError),
        (Delivery(EVENT_ID, "google.protobuf.Field", b'{"number": "many"}'), ParseError),
        (Delivery(EVENT_ID, "google.protobuf.Field", b'{"name": ' + b"[" * 100_000), ParseError),
        (Delivery(EVENT_ID, "google.protobuf.Option", b"{}"), KeyError),
        (Delivery("7", "google.protobuf.Field", b"{}"), ValueError),
    ],
)
def test_an_unreadable_event_is_dead_at_once(intake: Intake, delivery: Delivery, error: type[Exception]) -> None:
    with pytest.raises(error):
        intake._decode(delivery)
    assert intake.take(delivery)[0] is Outcome.DEAD


def test_a_database_that_is_away_holds_the_message(intake: Intake) -> None:
    assert intake.take(Delivery(EVENT_ID, "google.protobuf.Field", b"{}"))[0] is Outcome.HOLD


def test_event_types_are_full_proto_names() -> None:
    assert event_types([SUBSCRIPTION]) == ["google.protobuf.Field"]
