"""Stubs of every service, calls that wait out an outage, and tokens of the persons to act for."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import tenacity
from cryptography import x509
from hoso.archive.v1 import archive_pb2_grpc
from hoso.gradebook.v1 import (
    achievements_pb2_grpc,
    books_pb2_grpc,
    class_book_pb2_grpc,
    corrections_pb2_grpc,
    dossiers_pb2_grpc,
    marks_pb2_grpc,
    register_pb2_grpc,
    remarks_pb2_grpc,
    review_pb2_grpc,
    roster_pb2_grpc,
)
from hoso.operations.v1 import anchors_pb2_grpc, dead_letters_pb2_grpc, operations_pb2_grpc
from hoso.print.v1 import print_pb2_grpc
from hoso.signing.v1 import signing_pb2_grpc

from cli import profile
from cli.profile import Profile
from services.common import peer, tokens
from services.common.config import ConfigError, read_secret
from services.common.errors import Unavailable
from services.common.grpc_client import calling, channel
from services.common.settings import PeerConfig, TlsConfig

SERVICES = ("gradebook", "print", "signing", "archive")
DEADLINE_S = 20.0
PATIENCE_S = 300.0
"""How long a patient call waits for an unavailable service."""
PAGE = 500
"""Largest page of any list."""

Answer = TypeVar("Answer")


class Services:
    """One stub per gRPC service, all with the same client certificate."""

    def __init__(self, profile: Profile, tls: TlsConfig) -> None:
        peers = {name: channel(PeerConfig(getattr(profile, name), tls), name) for name in SERVICES}
        self.roster = roster_pb2_grpc.RosterServiceStub(peers["gradebook"])
        self.marks = marks_pb2_grpc.MarkServiceStub(peers["gradebook"])
        self.books = books_pb2_grpc.BookServiceStub(peers["gradebook"])
        self.class_book = class_book_pb2_grpc.ClassBookServiceStub(peers["gradebook"])
        self.corrections = corrections_pb2_grpc.CorrectionServiceStub(peers["gradebook"])
        self.dossiers = dossiers_pb2_grpc.DossierServiceStub(peers["gradebook"])
        self.register = register_pb2_grpc.RegisterServiceStub(peers["gradebook"])
        self.achievements = achievements_pb2_grpc.AchievementServiceStub(peers["gradebook"])
        self.remarks = remarks_pb2_grpc.RemarkServiceStub(peers["gradebook"])
        self.review = review_pb2_grpc.ReviewServiceStub(peers["gradebook"])
        self.print = print_pb2_grpc.PrintServiceStub(peers["print"])
        self.signing = signing_pb2_grpc.SigningServiceStub(peers["signing"])
        self.archive = archive_pb2_grpc.ArchiveServiceStub(peers["archive"])
        self.anchors = anchors_pb2_grpc.AnchorServiceStub(peers["archive"])
        self.dead_letters = {name: dead_letters_pb2_grpc.DeadLetterServiceStub(peer) for name, peer in peers.items()}
        self.operations = {name: operations_pb2_grpc.OperationsServiceStub(peer) for name, peer in peers.items()}


def operator() -> Services:
    """The services as the Department's operator, from the profile. Raises config.ConfigError."""
    configured = profile.load()
    return Services(configured, configured.tls)


def call(
    rpc: Callable[..., Answer],
    request: Any,
    person: str | None = None,
    *,
    patient: bool = False,
    deadline_s: float = DEADLINE_S,
) -> Answer:
    """Make one call. person: token of the acting person.

    deadline_s: longest time of one attempt.
    patient: wait out an outage of up to five minutes, repeating the call; all our calls may be.
    Raises the errors of services.common.errors.
    """
    metadata = (("authorization", f"Bearer {person}"),) if person else ()

    def once() -> Answer:
        with calling("service"):
            return rpc(request, timeout=deadline_s, metadata=metadata)

    if not patient:
        return once()
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
        stop=tenacity.stop_after_delay(PATIENCE_S),
        reraise=True,
    )
    return retrying(once)


def every(rpc: Callable[..., Any], request: Any, field: str, *, page_size: int = PAGE) -> list[Any]:
    """The items in `field` of all pages, waiting out an outage. request: of the first page."""
    request.page_size = page_size
    items: list[Any] = []
    while True:
        answer = call(rpc, request, patient=True)
        items += getattr(answer, field)
        request.page_token = answer.next_page_token
        if not request.page_token:
            return items


def download(rpc: Callable[..., Iterator[Any]], request: Any, person: str | None = None) -> bytes:
    """The bytes of a streamed answer, waiting out an outage: a broken stream is read again."""

    def read(request: Any, **options: Any) -> bytes:
        return b"".join(piece.chunk for piece in rpc(request, **options))

    return call(read, request, person, patient=True)


class Persons:
    """Tokens of the persons to act for, as their school's login would issue them."""

    def __init__(self, profile: Profile, school: str) -> None:
        """Raises ConfigError when the profile has no issuer's key or no vendor's certificate."""
        if profile.issuer_key_file is None or profile.vendor_tls is None:
            raise ConfigError("this command plays persons: the profile needs issuer, issuer_key_file and vendor_tls")
        self._issuer, self._school, self._client = profile.issuer, school, _client(profile.vendor_tls)
        self._key = read_secret(profile.issuer_key_file)
        self._tokens: dict[str, str] = {}

    def token(self, person: str) -> str:
        """A token of that person, good for twelve hours."""
        if person not in self._tokens:
            self._tokens[person] = tokens.issue(
                self._issuer,
                self._key,
                client=self._client,
                person=person,
                school=self._school,
                lifetime_s=tokens.MAX_LIFETIME_S,
            )
        return self._tokens[person]


def _client(tls: TlsConfig) -> str:
    """The name in a client's certificate, for which its persons' tokens are issued."""
    certificate = x509.load_pem_x509_certificate(tls.cert_file.read_bytes())
    return peer.name_of(certificate)
