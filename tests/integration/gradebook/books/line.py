"""A class's book on its way; each method is a step by the right person or service."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from hoso.archive.v1 import events_pb2 as archive_events
from hoso.gradebook.v1 import books_pb2
from hoso.print.v1 import events_pb2 as print_events
from hoso.print.v1 import print_pb2
from hoso.signing.v1 import events_pb2 as signing_events

from services.common import outbox
from services.common.intake import Delivery, Intake, Outcome
from services.gradebook.events import SUBSCRIPTIONS
from tests.integration.gradebook.world import WHOLE_YEAR, World, sha256

PDF = sha256(b"sealed PDF")
RENDITION, DOCUMENT, RECORD = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
State = books_pb2.BookState
Announce = Callable[..., Outcome]
"""Hands an event to gradebook's consumer, as the broker would."""


@contextlib.contextmanager
def consumer(world: World) -> Iterator[Announce]:
    """Gradebook's consumer: hands it an event, as the broker would."""
    intake = Intake(world.database.config, SUBSCRIPTIONS)

    def hand_in(event: Message, event_id: str | None = None) -> Outcome:
        body = json_format.MessageToJson(event, preserving_proto_field_name=True).encode()
        name = event.DESCRIPTOR.full_name
        return intake.take(Delivery(event_id or str(uuid.uuid4()), name, body, outbox.owner(name)))[0]

    try:
        yield hand_in
    finally:
        intake.close()


class Line:
    """A class's book on its way; each method is a step by the right person or service."""

    def __init__(self, world: World, announce: Announce, stage: int = WHOLE_YEAR, index: int = 0) -> None:
        self.world, self.announce, self.school_class = world, announce, world.school.classes[index]
        self.stage = stage
        self.book = self.freeze()

    def freeze(self, person: str | None = None) -> Any:
        self.book = self.world.ask(
            "FreezeBook",
            person=person or self.school_class.homeroom_teacher,
            school_class=self.world.ref(self.school_class),
            stage=self.stage,
        ).book
        return self.book

    def act(self, rpc: str, person: str, **fields: Any) -> Any:
        self.book = self.world.ask(rpc, person=person, book=self.book.id, **fields).book
        return self.book

    @property
    def state(self) -> str:
        return State.Name(self.now().state).removeprefix("BOOK_STATE_")

    def now(self) -> Any:
        return self.world.ask("GetBook", book=self.book.id).book

    def facts(self, client: str = "service/archive") -> books_pb2.BookFacts:
        """What services are told of the book."""
        facts: books_pb2.BookFacts = self.world.ask("GetBookFacts", client=client, book=self.book.id).facts
        return facts

    def assign(self) -> None:
        self.act("AssignPrint", self.world.school.principal, officer=self.world.school.data_officer)

    def printed(self, **changes: Any) -> Outcome:
        fields = {
            "rendition": RENDITION,
            "kind": print_pb2.RENDITION_KIND_UNSIGNED,
            "book": self.book.id,
            "version": self.book.version,
            "school": self.book.school_class.school,
            "content_sha256": self.book.content_sha256,
            "pdf_sha256": PDF,
            "pdf_size_bytes": 1000,
        }
        return self.announce(print_events.RenditionReady(**{**fields, **changes}))

    def confirm(self, person: str, digest: bytes | None = None) -> Any:
        return self.act("ConfirmReconciliation", person, content_sha256=digest or self.book.content_sha256[:8])

    def reconcile(self) -> None:
        self.assign()
        assert self.printed() is Outcome.DONE
        self.act("StartReconciliation", self.world.school.data_officer)
        self.confirm(self.world.school.data_officer)
        self.confirm(self.school_class.homeroom_teacher)

    def start_signing(self) -> Any:
        self.act("StartDigitalSigning", self.world.school.principal)
        assert self.signing_copy() is Outcome.DONE
        return self.book

    def signing_copy(self, **changes: Any) -> Outcome:
        signing = {"kind": print_pb2.RENDITION_KIND_SIGNING, "rendition": DOCUMENT}
        return self.printed(**{**signing, **changes})

    def signed(self, **changes: Any) -> Outcome:
        return self.announce(signing_events.DocumentSigned(**{**self._document(), **changes}))

    def sealed(self, **changes: Any) -> Outcome:
        return self.announce(signing_events.DocumentSealed(**{**self._document(), **changes}))

    def archived(self, **changes: Any) -> Outcome:
        fields = {
            "book": self.book.id,
            "version": self.book.version,
            "record": RECORD,
            "content_sha256": self.book.content_sha256,
            "object_sha256": PDF,
        }
        return self.announce(archive_events.RecordArchived(**{**fields, **changes}))

    def lock(self) -> Any:
        return self.act("LockBook", self.world.school.principal)

    def revoke(self) -> Any:
        return self.act(
            "RevokeBook",
            self.world.school.principal,
            reason="Điểm cuối kì môn Toán nhập sai bài kiểm tra.",
            department_notice="Công văn 12/SGDĐT ngày 01/6/2026",
        )

    def _document(self) -> dict[str, Any]:
        return {
            "document": DOCUMENT,
            "book": self.book.id,
            "version": self.book.version,
            "content_sha256": self.book.content_sha256,
            "document_sha256": PDF,
        }
