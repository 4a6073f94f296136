"""Reading deliveries, without any server."""

import uuid

import pytest
from google.protobuf.json_format import ParseError
from hoso.gradebook.v1.events_pb2 import BookVoided

from services.common import outbox, topology
from services.common.intake import Delivery, Intake, Outcome, Subscription, event_types
from services.common.settings import DatabaseConfig, TlsConfig

SUBSCRIPTION = Subscription(BookVoided, lambda tx, event: None)
EVENT_ID = str(uuid.uuid4())
TYPE = "hoso.gradebook.v1.BookVoided"
OWNER = "service/gradebook"


@pytest.fixture
def intake(tmp_path: object) -> Intake:
    tls = TlsConfig(tmp_path, tmp_path, tmp_path)  # type: ignore[arg-type]
    return Intake(DatabaseConfig("127.0.0.1", 1, "none", "none", tls), [SUBSCRIPTION])


def test_fields_of_a_newer_sender_are_ignored(intake: Intake) -> None:
    body = b'{"book": "x", "invented_later": {"a": [1]}}'
    event_id, subscription, event = intake._decode(Delivery(EVENT_ID, TYPE, body, OWNER))
    assert (str(event_id), subscription, event) == (EVENT_ID, SUBSCRIPTION, BookVoided(book="x"))


@pytest.mark.parametrize(
    ("delivery", "error"),
    [
        (Delivery(EVENT_ID, TYPE, b"\xff", OWNER), UnicodeDecodeError),
        (Delivery(EVENT_ID, TYPE, b"", OWNER), ParseError),
        (Delivery(EVENT_ID, TYPE, b"[1]", OWNER), ParseError),
        (Delivery(EVENT_ID, TYPE, b'{"version": "many"}', OWNER), ParseError),
        (Delivery(EVENT_ID, TYPE, b'{"book": ' + b"[" * 100_000, OWNER), ParseError),
        (Delivery(EVENT_ID, "hoso.gradebook.v1.BookRead", b"{}", OWNER), KeyError),
        (Delivery("7", TYPE, b"{}", OWNER), ValueError),
    ],
)
def test_an_unreadable_event_is_dead_at_once(intake: Intake, delivery: Delivery, error: type[Exception]) -> None:
    with pytest.raises(error):
        intake._decode(delivery)
    assert intake.take(delivery)[0] is Outcome.DEAD


def test_a_database_that_is_away_holds_the_message(intake: Intake) -> None:
    assert intake.take(Delivery(EVENT_ID, TYPE, b"{}", OWNER))[0] is Outcome.HOLD


def test_event_types_are_full_proto_names() -> None:
    assert event_types([SUBSCRIPTION]) == [TYPE]


@pytest.mark.parametrize("publisher", ["", "service/print", "gradebook", "operator/department"])
def test_an_event_that_its_owner_has_not_published_is_dead_at_once(intake: Intake, publisher: str) -> None:
    outcome, reason = intake.take(Delivery(EVENT_ID, TYPE, b"{}", publisher))
    assert (outcome, reason.startswith("NOT_FROM_OWNER")) == (Outcome.DEAD, True)


@pytest.mark.parametrize("foreign", ["", "google.protobuf.Field", "gradebook.v1.BookVoided"])
def test_what_is_no_event_of_ours_has_no_owner(intake: Intake, foreign: str) -> None:
    assert outbox.owner(foreign) == ""
    assert intake.take(Delivery(EVENT_ID, foreign, b"{}", ""))[0] is Outcome.DEAD


def test_headers_count_only_on_messages_that_the_service_has_put_back_itself() -> None:
    noted = {topology.PUBLISHER_HEADER: OWNER, topology.ATTEMPT_HEADER: 3}
    assert topology.origin("service/print", noted, "service/print") == (OWNER, 3)
    assert topology.origin("service/print", {}, "service/print") == ("service/print", 0)
    assert topology.origin("service/signing", noted, "service/print") == ("service/signing", 0)
    assert topology.origin(None, noted, "service/print") == ("", 0)
