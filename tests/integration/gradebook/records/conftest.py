"""One gradebook a test module with the complete data of a year, and its consumer."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from services.common.intake import Delivery, Intake, Outcome
from services.common.settings import DatabaseConfig
from services.gradebook.events import SUBSCRIPTIONS
from tests.integration.gradebook.books.line import Announce
from tests.integration.gradebook.world import World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of one class whose data are complete, under one open window."""
    with served(pki_files, database("gradebook"), classes=1, students=3) as world:
        world.put_roster()
        world.plan_window()
        world.complete(world.school.classes[0])
        yield world


@pytest.fixture(scope="module")
def announce(world: World) -> Iterator[Announce]:
    """Hand an event to gradebook's consumer, as the broker would."""
    intake = Intake(world.database.config, SUBSCRIPTIONS)

    def hand_in(event: Message) -> Outcome:
        body = json_format.MessageToJson(event, preserving_proto_field_name=True).encode()
        return intake.take(Delivery(str(uuid.uuid4()), event.DESCRIPTOR.full_name, body))[0]

    yield hand_in
    intake.close()
