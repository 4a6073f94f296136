"""Databases of earlier releases, kept in this folder: how their files are written and read."""

import hashlib
import json
import lzma
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

FOLDER = Path(__file__).parent
ACTS, READS, ROOTS = "acts.jsonl.xz", "reads.jsonl.xz", "roots.pem"
Call = dict[str, Any]
"""An RPC as it was called: its name, client, person (or ""), request as proto JSON, and answer as
`as_json` has it.
"""


def releases() -> list[str]:
    """The releases that are kept, oldest first."""
    return sorted(path.name for path in FOLDER.iterdir() if (path / ACTS).exists())


def database_file(release: str, service: str) -> Path:
    """The file with the SQL that makes a service's database again."""
    return FOLDER / release / f"{service}.sql.xz"


def read(file: Path) -> str:
    """The text of a compressed file."""
    return lzma.decompress(file.read_bytes()).decode()


def write(file: Path, text: str) -> None:
    """Write a compressed file."""
    file.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def read_calls(file: Path) -> list[Call]:
    """The calls of a file, in the order in which they were made."""
    return [json.loads(line) for line in read(file).splitlines()]


def write_calls(file: Path, calls: Iterable[Call]) -> None:
    """Write calls, one per line."""
    write(file, "".join(json.dumps(call, ensure_ascii=False, sort_keys=True) + "\n" for call in calls))


def request_type(rpc: str) -> type[Message]:
    """The request message of an RPC of gradebook, such as ``EnterMarks``."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"hoso.gradebook.v1.{rpc}Request")
    return message_factory.GetMessageClass(descriptor)


def request_fields(call: Call) -> dict[str, Any]:
    """The fields of a call's request, as the request type takes them by keyword."""
    request = ParseDict(call["request"], request_type(call["rpc"])())
    return {field.name: value for field, value in request.ListFields()}


def request_id(call: Call) -> str:
    """The request id of an act; "" for what has none."""
    request = call["request"].get("sheet", call["request"])
    return str(request.get("requestId", ""))


def school_of(call: Call) -> str:
    """The code of the school that a call is about; "" when it is about none."""
    request = call["request"].get("sheet", call["request"])
    return str(request.get("school") or request.get("schoolClass", {}).get("school", ""))


def as_json(answer: Message | bytes | Sequence[Message]) -> Any:
    """An answer for comparison: proto JSON, a list of it for a stream, or the digest of downloaded
    bytes.
    """
    if isinstance(answer, bytes):
        return {"sha256": hashlib.sha256(answer).hexdigest(), "size": len(answer)}
    if not isinstance(answer, Message):
        return [MessageToDict(message) for message in answer]
    return MessageToDict(answer)
