"""DeadLetterService; see proto/hoso/operations/v1/dead_letters.proto.

The service does with its own queues what an operator asks, and records it first: whatever becomes
of the broker, nothing was done that is not on record.
"""

from collections.abc import Sequence

import grpc
from hoso.operations.v1 import dead_letters_pb2 as pb
from hoso.operations.v1 import dead_letters_pb2_grpc

from services.common import audit, dead_letters
from services.common.db import Database
from services.common.dead_letters import DeadLetter
from services.common.errors import Invalid, Violation
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import timestamp
from services.common.settings import BrokerConfig

_OPERATOR = Access(clients=("operator/department",))
ACCESS = {"ListDeadLetters": _OPERATOR, "ReplayDeadLetters": _OPERATOR, "DiscardDeadLetters": _OPERATOR}
_BODY_BYTES = 16 * 1024
_MAX_REASON = 500


def served(database: Database, broker: BrokerConfig, service: str) -> Served:
    """DeadLetterService over the queues of `service`, ready for `grpc_server.serve`."""
    servicer = DeadLetters(database, broker, service)
    return Served(
        add=lambda server: dead_letters_pb2_grpc.add_DeadLetterServiceServicer_to_server(servicer, server),
        name="hoso.operations.v1.DeadLetterService",
        access=ACCESS,
    )


class DeadLetters(dead_letters_pb2_grpc.DeadLetterServiceServicer):
    """The servicer."""

    def __init__(self, database: Database, broker: BrokerConfig, service: str) -> None:
        self._database, self._broker, self._service = database, broker, service

    def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ListDeadLettersResponse:
        """The first dead letters."""
        letters = dead_letters.list_letters(self._broker, self._service)
        return pb.ListDeadLettersResponse(letters=map(_letter, letters))

    def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDeadLettersResponse:
        """Hand letters to the service once more, on record."""
        letters = list(request.letters) or [
            letter.id for letter in dead_letters.list_letters(self._broker, self._service)
        ]
        self._record("DEAD_LETTER_REPLAYED", letters)
        replayed = dead_letters.replay(self._broker, self._service, letters)
        return pb.ReplayDeadLettersResponse(letters=map(_letter, replayed))

    def DiscardDeadLetters(
        self, request: pb.DiscardDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.DiscardDeadLettersResponse:
        """Remove letters, on record with the reason."""
        reason = request.reason.strip()
        if not request.letters:
            raise Invalid([Violation("letters", "REQUIRED", "Phải nêu ít nhất một thông điệp.")])
        if not 0 < len(reason) <= _MAX_REASON:
            message = f"Phải nêu lý do, không quá {_MAX_REASON} ký tự, khi bỏ một thông điệp."
            raise Invalid([Violation("reason", "REASON_MISSING", message)])
        self._record("DEAD_LETTER_DISCARDED", request.letters, reason=reason)
        discarded = dead_letters.discard(self._broker, self._service, request.letters, reason=reason)
        return pb.DiscardDeadLettersResponse(letters=map(_letter, discarded))

    def _record(self, action: str, letters: Sequence[str], **facts: str) -> None:
        with self._database.transaction() as tx:
            for letter in letters:
                audit.append(tx, audit.AuditRow("operations", action, f"dead-letters/{letter}", facts, caller()))


def _letter(letter: DeadLetter) -> pb.DeadLetter:
    return pb.DeadLetter(
        id=letter.id,
        type=letter.type,
        publisher=letter.publisher,
        body=letter.body[:_BODY_BYTES],
        attempts=letter.attempts,
        error=letter.error,
        dead_time=timestamp(letter.dead_time),
    )
