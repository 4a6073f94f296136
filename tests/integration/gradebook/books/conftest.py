"""A gradebook of its own for each test, because books are for ever, and its consumer."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from services.common.intake import Delivery, Intake, Outcome
from services.common.settings import DatabaseConfig
from services.gradebook.events import SUBSCRIPTIONS
from tests.integration.gradebook.world import World, served
from tests.servers import Pki


@pytest.fixture
def world(pki_files: Pki, postgres_server: Any) -> Iterator[World]:
    """A school of two classes whose data are complete, under one open window."""
    config: DatabaseConfig = postgres_server.create("gradebook")
    try:
        with served(pki_files, config, students=5) as world:
            world.put_roster()
            world.plan_window()
            for one in world.school.classes:
                world.complete(one)
            yield world
    finally:
        postgres_server.drop(config)


@pytest.fixture
def announce(world: World) -> Iterator[Callable[[Message], Outcome]]:
    """Hand an event to gradebook's consumer, as the broker would."""
    intake = Intake(world.database.config, SUBSCRIPTIONS)

    def hand_in(event: Message, event_id: str | None = None) -> Outcome:
        body = json_format.MessageToJson(event, preserving_proto_field_name=True).encode()
        return intake.take(Delivery(event_id or str(uuid.uuid4()), event.DESCRIPTOR.full_name, body))[0]

    yield hand_in
    intake.close()
