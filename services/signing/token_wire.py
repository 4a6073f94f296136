"""Messages between `serve`/`work`, the token supervisor and its owner processes: length-prefixed
JSON over streams.

Standard library only, because every owner process loads it and a Department runs dozens of them.
"""

import json
import os
import select
import struct
import time
from typing import Any, Final

ECDSA_P256_SHA256: Final = "ECDSA_P256_SHA256"
RSA_PKCS1_SHA256: Final = "RSA_PKCS1_SHA256"
RSA_PSS_SHA256: Final = "RSA_PSS_SHA256"
ALGORITHMS: Final = (ECDSA_P256_SHA256, RSA_PKCS1_SHA256, RSA_PSS_SHA256)
"""How a key signs a SHA-256 digest (Circular 15/2025/TT-BKHCN, appendix; RFC 8017 8.1 and 8.2; ANSI
X9.62).
"""

MAX_MESSAGE_BYTES: Final = 64 * 1024
_LENGTH: Final = struct.Struct(">I")


class StreamClosed(Exception):
    """The other side ended, or sent something that is not a message."""


class StreamTimeout(Exception):
    """The other side did not answer in time."""


def write(fd: int, message: dict[str, Any]) -> None:
    """Send one message. Raises StreamClosed when the other side is gone."""
    body = json.dumps(message, ensure_ascii=False).encode()
    view = memoryview(_LENGTH.pack(len(body)) + body)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as e:
        raise StreamClosed(str(e)) from e


def read(fd: int, timeout_s: float | None = None) -> dict[str, Any]:
    """Receive one message; with `timeout_s` None it waits without limit.

    Raises StreamClosed at the end of the stream or for a malformed message, StreamTimeout when the
    time is over.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    (length,) = _LENGTH.unpack(_read_exactly(fd, _LENGTH.size, deadline))
    if length > MAX_MESSAGE_BYTES:
        raise StreamClosed(f"message of {length} bytes")
    try:
        message = json.loads(_read_exactly(fd, length, deadline))
    except ValueError as e:
        raise StreamClosed("not JSON") from e
    if not isinstance(message, dict):
        raise StreamClosed("not a JSON object")
    return message


def _read_exactly(fd: int, size: int, deadline: float | None) -> bytes:
    data = b""
    while len(data) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise StreamTimeout
        try:
            part = os.read(fd, size - len(data))
        except OSError as e:
            raise StreamClosed(str(e)) from e
        if not part:
            raise StreamClosed("end of stream")
        data += part
    return data
