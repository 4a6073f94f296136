"""What identifies an act: its request id and the digest of everything it says."""

import hashlib

from google.protobuf.message import Message

from services.common.identity import Caller
from services.gradebook.entry.acts import Request
from services.gradebook.model.checks import identifier


def request_identity(message: Message, request_id: str, who: Caller) -> Request:
    """The identity of an act: another person, client or content with the same id is another request.

    Raises Invalid UUID.
    """
    digest = hashlib.sha256(message.SerializeToString(deterministic=True))
    digest.update(f"\0{who.client}\0{who.person}".encode())
    return Request(identifier("request_id", request_id), digest.digest())
