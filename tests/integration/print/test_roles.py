"""Print as it runs in production: one process per role, with RabbitMQ and gRPC over mTLS."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from hoso.gradebook.v1 import books_pb2
from hoso.gradebook.v1 import events_pb2 as gradebook_events
from hoso.print.v1 import events_pb2, print_pb2, print_pb2_grpc

from deploy.local import configs, layout
from services.common import chunks, topology
from services.common.errors import Forbidden, NotFound, Rejected, Unauthenticated
from services.common.grpc_client import calling, channel
from services.common.settings import BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig, WorkConfig
from services.print.config import PrintConfig
from tests import servers
from tests.content import canonical
from tests.integration.common import messages
from tests.integration.print import peers
from tests.service_processes import Processes, free_port
from tests.stand_ins import tls
from tests.standing import announced

SCHOOL = "79000123"
_ROLES = ("serve", "consume", "relay", "work")


@dataclass
class Line(Processes):
    """Print's processes, their configuration, and both ends: what print hears and what it says."""

    config: PrintConfig
    gradebook: peers.Gradebook

    def assign(self, kind: type[Any], students: int) -> str:
        content = canonical(students, "SEMESTER_1")
        book = str(uuid.uuid4())
        self.gradebook.contents[book] = content
        event = kind(book=book, version=1, school=SCHOOL, content_sha256=sha256(content).digest())
        self.gradebook.assigned(event)
        self.announce(event)
        return book

    def heard(self, timeout_s: float = 60) -> events_pb2.RenditionReady:
        """The next event that gradebook would get from print."""
        properties, body = messages.take(self.sender, "gradebook.events", timeout_s)
        assert properties.type == "hoso.print.v1.RenditionReady"
        return json_format.Parse(body, events_pb2.RenditionReady())

    def stub(self, client: str) -> print_pb2_grpc.PrintServiceStub:
        return print_pb2_grpc.PrintServiceStub(
            channel(PeerConfig(self.config.server.listen, tls(self.pki, client)), "print")
        )


@pytest.fixture(scope="module")
def up(
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
    broker: Callable[[str], BrokerConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Line]:
    """Set up as an administrator does it, then started."""
    folder = tmp_path_factory.mktemp("print")
    with peers.serving(pki_files) as gradebook, contextlib.ExitStack() as stop:
        config = PrintConfig(
            database=database("print"),
            broker=broker("print"),
            server=ServerConfig(
                listen=f"{layout.HOST}:{free_port()}",
                tls=tls(pki_files, "service/print"),
                issuers_file=pki_files.stack.pki / "issuers.json",
            ),
            gradebook=gradebook.config,
            work=WorkConfig(lease_s=5.0),
        )
        file = folder / "print.toml"
        file.write_text(configs.dump(config))
        line = Line("print", file, pki_files, broker("gradebook"), config, gradebook)
        stop.callback(line.end)
        answered = [events_pb2.RenditionReady, events_pb2.RenditionFailed]
        topology.declare(line.sender, "gradebook", [kind.DESCRIPTOR.full_name for kind in answered])
        migrated = line.once("migrate")
        assert migrated.returncode == 0, migrated.stderr
        checked = line.once("check-config")
        assert (checked.stdout, checked.returncode) == ("configuration is good\n", 0)
        for role in _ROLES:
            line.start(role)
        for event in announced(SCHOOL, ["gv-1"]):
            line.announce(event)
        operator = channel(PeerConfig(config.server.listen, tls(pki_files, "operator/department")), "print")
        grpc.channel_ready_future(operator).result(timeout=30)
        yield line


def _download(stub: print_pb2_grpc.PrintServiceStub, ready: events_pb2.RenditionReady, **more: Any) -> bytes:
    request = print_pb2.DownloadRenditionRequest(rendition=ready.rendition)
    with calling("print"):
        return chunks.join(
            (p.chunk for p in stub.DownloadRendition(request, timeout=30, **more)), sha256=ready.pdf_sha256
        )


def test_from_event_to_event_to_download(up: Line) -> None:
    book = up.assign(gradebook_events.BookSigningStarted, 20)
    ready = up.heard()
    assert (ready.book, ready.version, ready.school) == (book, 1, SCHOOL)
    signing = up.stub("service/signing")
    answer = signing.GetRendition(print_pb2.GetRenditionRequest(rendition=ready.rendition)).rendition
    assert answer.kind == print_pb2.RENDITION_KIND_SIGNING
    assert [f.order for f in answer.fields] == list(range(1, 16))
    assert answer.fields[14].role == "SCHOOL_SEAL"
    pdf = _download(signing, ready)
    assert len(pdf) == answer.pdf_size_bytes
    listed = up.stub("operator/department").ListRenditions(print_pb2.ListRenditionsRequest(book=book)).renditions
    assert list(listed) == [answer]


def test_who_may_read(up: Line) -> None:
    up.assign(gradebook_events.BookPrintAssigned, 2)
    ready = up.heard()
    vendor = up.stub("vendor/smas")
    with pytest.raises(Unauthenticated):
        _download(vendor, ready)
    with pytest.raises(Forbidden) as wrong_school:
        _download(vendor, ready, metadata=up.token("79999999"))
    assert wrong_school.value.reason == "WRONG_SCHOOL"
    assert _download(vendor, ready, metadata=up.token(SCHOOL)).startswith(b"%PDF")
    with pytest.raises(Forbidden) as of_another:
        _download(up.stub("vendor/vietschool"), ready, metadata=up.token(SCHOOL, client="vendor/vietschool"))
    assert of_another.value.reason == "VENDOR_NOT_AUTHORISED"
    with pytest.raises(Forbidden) as invented:
        _download(vendor, ready, metadata=up.token(SCHOOL, person="hs-1"))
    assert invented.value.reason == "PERSON_UNKNOWN"
    request = print_pb2.ListRenditionsRequest(book=ready.book)
    with pytest.raises(Forbidden), calling("print"):
        vendor.ListRenditions(request, metadata=up.token("79999999"))
    with pytest.raises(Forbidden) as wrong_client:
        _download(up.stub("service/archive"), ready)
    assert wrong_client.value.reason == "CLIENT_NOT_ALLOWED"
    for unknown in (str(uuid.uuid4()), "no-uuid", ""):
        with pytest.raises(NotFound), calling("print"):
            vendor.GetRendition(print_pb2.GetRenditionRequest(rendition=unknown), metadata=up.token(SCHOOL))


def test_a_void_rendition_is_shown_and_not_handed_out(up: Line) -> None:
    book = up.assign(gradebook_events.BookPrintAssigned, 2)
    ready = up.heard()
    up.gradebook.facts[book].state = books_pb2.BOOK_STATE_REVOKED
    up.announce(gradebook_events.BookVoided(book=book, version=1))
    stub = up.stub("service/signing")
    request = print_pb2.GetRenditionRequest(rendition=ready.rendition)
    messages.eventually(lambda: stub.GetRendition(request).rendition.void)
    with pytest.raises(Rejected) as refused:
        _download(stub, ready)
    assert refused.value.reason == "RENDITION_VOID"


def test_killed_processes_lose_and_double_nothing(up: Line) -> None:
    books = {up.assign(gradebook_events.BookPrintAssigned, 30 + i) for i in range(4)}
    stub = up.stub("operator/department")

    def renditions(book: str) -> int:
        return len(stub.ListRenditions(print_pb2.ListRenditionsRequest(book=book)).renditions)

    messages.eventually(lambda: any(map(renditions, books)))  # the others are still under way
    for role in ("work", "consume", "relay"):
        up.kill(role)
        up.start(role)
    heard = [up.heard(150).book for _ in books]
    assert sorted(heard) == sorted(books)
    assert [renditions(book) for book in books] == [1] * len(books)


def test_a_suspended_vendor_stops_within_a_minute(up: Line) -> None:
    """Through broker and consumer, as gradebook announces it; and goes on when it is allowed."""
    up.assign(gradebook_events.BookPrintAssigned, 2)
    ready = up.heard()
    vendor, request = up.stub("vendor/smas"), print_pb2.GetRenditionRequest(rendition=ready.rendition)

    def refused() -> str:
        try:
            with calling("print"):
                vendor.GetRendition(request, metadata=up.token(SCHOOL))
        except Forbidden as e:
            return e.reason
        return ""

    messages.eventually(lambda: refused() == "")
    up.announce(gradebook_events.VendorStatusChanged(vendor="smas", suspended=True, standing_version=2))
    messages.eventually(lambda: refused() == "VENDOR_SUSPENDED")
    up.announce(gradebook_events.VendorStatusChanged(vendor="smas", suspended=False, standing_version=3))
    messages.eventually(lambda: refused() == "")
