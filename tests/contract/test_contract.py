"""What others rely on stays readable: events of the first release, the access tables,
subscriptions.
"""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format, symbol_database
from google.protobuf.message import Message

from services.archive import service as archive_service
from services.archive import service_anchors
from services.common import dead_letter_service, operations
from services.gradebook import api as gradebook_api
from services.print import service as print_service
from services.signing import service as signing_service

SERVICES = ("gradebook", "print", "signing", "archive")
SAMPLES = sorted((Path(__file__).parent / "samples" / "events").glob("*.json"))


def events() -> dict[str, type[Message]]:
    """Every event type of every service, by full name."""
    types = {}
    for service in SERVICES:
        module = importlib.import_module(f"hoso.{service}.v1.events_pb2")
        for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():
            types[descriptor.full_name] = getattr(module, name)
    return types


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_an_event_of_the_first_release_is_read_whole(path: Path) -> None:
    sample = json.loads(path.read_text(encoding="utf-8"))
    event = json_format.ParseDict(sample, events()[path.stem]())
    assert json_format.MessageToDict(event, preserving_proto_field_name=True) == sample


def test_every_event_has_a_sample() -> None:
    assert {path.stem for path in SAMPLES} == set(events())


def test_every_event_has_a_subscriber() -> None:
    """A confirmed event to which no queue is bound would wait in the outbox without end."""
    heard = {
        subscription.event.DESCRIPTOR.full_name
        for service in SERVICES
        for subscription in importlib.import_module(f"services.{service}.events").SUBSCRIPTIONS
    }
    assert heard == set(events())


def test_events_carry_ids_and_digests_only() -> None:
    """Names, marks and files have no field to travel in."""
    allowed = {
        "archive_record", "book", "content_sha256", "document", "document_sha256", "failed_checks", "field", "kind",
        "object_sha256", "pdf_sha256", "person", "reason", "record", "record_type", "rendition", "roles", "school",
        "pdf_size_bytes", "school_year", "size_bytes", "snapshot", "standing_version", "suspended", "vendor",
        "version",
    }  # fmt: skip
    fields = {field.name for event in events().values() for field in event.DESCRIPTOR.fields}
    assert fields <= allowed


def _served() -> list[Any]:
    nothing: Any = SimpleNamespace(database=None)  # a servicer keeps it and uses it only when called
    return [
        *gradebook_api.served(nothing, nothing),
        print_service.served(nothing),
        signing_service.served(nothing, nothing, nothing),
        archive_service.served(nothing, ""),
        service_anchors.served(nothing),
        operations.served(nothing),
        dead_letter_service.served(nothing, nothing, ""),
    ]


def test_every_rpc_has_its_entry_in_an_access_table() -> None:
    """Refusal is the default; an RPC without an entry would never answer anyone, and an entry
    without RPC is a typo.
    """
    for served in _served():
        service = symbol_database.Default().pool.FindServiceByName(served.name)
        assert set(served.access) == {method.name for method in service.methods}, served.name
