"""Signing's running processes and their callers; print is played by a gRPC server with print's
certificate and contract that serves one real signing copy.
"""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pika
from google.protobuf import json_format
from hoso.gradebook.v1 import events_pb2 as gradebook_events
from hoso.print.v1 import events_pb2 as print_events
from hoso.print.v1 import print_pb2, print_pb2_grpc
from hoso.signing.v1 import signing_pb2, signing_pb2_grpc

from deploy.local import pki
from deploy.local.layout import Stack
from services.common import chunks, db, outbox, tokens, topology
from services.common.errors import NotFound
from services.common.grpc_client import calling, channel
from services.common.settings import BrokerConfig, PeerConfig, TlsConfig
from tests.integration.common import messages
from tests.integration.signing.hsm import CUSTODIAN, SCHOOL, Hsm
from tests.integration.signing.signing_service import REQUIRED, Signing
from tests.known_books import KnownBooks

CONTENT = hashlib.sha256(b"content").digest()


def tls(stack: Stack, name: str) -> TlsConfig:
    own = pki.identity(stack, name)
    return TlsConfig(own.ca_file, own.cert_file, own.key_file)


class Printing(print_pb2_grpc.PrintServiceServicer):
    """Print's contract over renditions that the test puts in."""

    def __init__(self, pdf: bytes, books: KnownBooks) -> None:
        self.pdf, self.books = pdf, books
        self.renditions: dict[str, print_pb2.Rendition] = {}

    def make(self) -> print_events.RenditionReady:
        """A new signing copy of a new book, and its event."""
        name, book = str(uuid.uuid4()), str(uuid.uuid4())
        common: dict[str, Any] = {
            "kind": print_pb2.RENDITION_KIND_SIGNING,
            "book": book,
            "version": 1,
            "school": SCHOOL,
            "content_sha256": CONTENT,
            "pdf_sha256": hashlib.sha256(self.pdf).digest(),
        }
        self.books.put(
            "DIGITAL_SIGNING",
            **{name: common[name] for name in ("book", "version", "school", "content_sha256")},
            signing_rendition=name,
            signing_pdf_sha256=common["pdf_sha256"],
            signing_pdf_size_bytes=len(self.pdf),
        )
        fields = [
            print_pb2.SignatureField(
                name=required.field,
                order=required.position,
                rank=required.rank,
                role=required.role,
                signatory=required.signatory,
            )
            for required in REQUIRED
        ]
        self.renditions[name] = print_pb2.Rendition(id=name, fields=fields, **common)
        return print_events.RenditionReady(rendition=name, **common)

    def GetRendition(self, request: Any, context: grpc.ServicerContext) -> print_pb2.GetRenditionResponse:
        rendition = self.renditions.get(request.rendition)
        if rendition is None:
            raise NotFound("RENDITION_UNKNOWN", "Không có bản in này.")
        return print_pb2.GetRenditionResponse(rendition=rendition)

    def DownloadRendition(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for piece in chunks.split(self.pdf):
            yield print_pb2.DownloadRenditionResponse(chunk=piece)


class Line:
    """The running service and its callers."""

    def __init__(
        self,
        stack: Stack,
        signing: Signing,
        hsm: Hsm,
        printing: Printing,
        *,
        print_base: db.Database,
        gradebook: BrokerConfig,
    ) -> None:
        self.gradebook = gradebook
        self.signing = signing
        self.hsm = hsm
        self.printing = printing
        self.print_base = print_base
        self._stack = stack
        address = f"127.0.0.1:{stack.port(22)}"
        self.channels = {
            name: channel(PeerConfig(address, tls(stack, name)), "signing")
            for name in ("vendor/smas", "vendor/vietschool", "operator/department", "service/archive", "service/print")
        }
        self._issuer_key = (stack.pki / "issuer.key").read_text()

    def call(self, rpc: str, request: Any, *, client: str = "operator/department", person: str | None = None) -> Any:
        """One RPC; errors come out as our errors."""
        stub = signing_pb2_grpc.SigningServiceStub(self.channels[client])
        metadata = []
        if person is not None:
            token = tokens.issue(pki.ISSUER, self._issuer_key, client=client, person=person, school=SCHOOL)
            metadata = [("authorization", f"Bearer {token}")]
        with calling("signing"):
            return getattr(stub, rpc)(request, metadata=metadata, timeout=60)

    def activate(self, signatory: str, *, person: str | None = None, pin: str | None = None) -> Any:
        keeper = CUSTODIAN if signatory == SCHOOL else signatory
        request = signing_pb2.ActivateKeyRequest(
            signatory=signatory, pin=pin or self.hsm.pin(signatory), max_signatures=50, duration_seconds=600
        )
        return self.call("ActivateKey", request, client="vendor/smas", person=person or keeper)

    def void(self, book: str) -> None:
        """Gradebook says that a version has ended."""
        event = gradebook_events.BookVoided(book=book, version=1)
        name = event.DESCRIPTOR.full_name
        properties = pika.BasicProperties(message_id=str(uuid.uuid4()), type=name, user_id=self.gradebook.user)
        body = json_format.MessageToJson(event, preserving_proto_field_name=True).encode()
        with messages.channel(self.gradebook) as opened:
            opened.basic_publish(topology.EXCHANGE, outbox.routing_key(name), body, properties, mandatory=True)

    def announce(self, event: Any) -> None:
        """As print does: through an outbox and the relay."""
        with self.print_base.transaction() as tx:
            outbox.add(tx, event)

    def document(self, name: str) -> signing_pb2.Document:
        request = signing_pb2.GetDocumentRequest(document=name)
        document: signing_pb2.Document = self.call("GetDocument", request).document
        return document

    def arrived(self, name: str) -> bool:
        try:
            self.document(name)
        except NotFound:
            return False
        return True
