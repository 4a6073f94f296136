"""What identifies an act: its request id and the digest of everything it says."""

from google.protobuf.message import Message

from services.common.identity import Caller
from services.gradebook.model import acts
from services.gradebook.model.acts import EntryRequest


def request_identity(message: Message, request_id: str, who: Caller) -> EntryRequest:
    """The identity of an act. Raises Invalid UUID."""
    return acts.identify(content(message), request_id, client=who.client, person=who.person)


def content(message: Message) -> bytes:
    """The bytes of a message that stand for everything it says."""
    return message.SerializeToString(deterministic=True)
