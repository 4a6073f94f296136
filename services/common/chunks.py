"""PDFs and snapshots travel as streams of chunks, named by digest; the receiver hashes what it got."""

import hashlib
from collections.abc import Iterable, Iterator

from services.common.errors import Rejected, Unavailable

CHUNK_BYTES = 256 * 1024
MAX_BYTES = 64 * 1024 * 1024


def split(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of at most 256 KiB, at least one."""
    for start in range(0, max(len(data), 1), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def join(pieces: Iterable[bytes], *, sha256: bytes) -> bytes:
    """The pieces as one, at most 64 MiB, checked against the digest (32 bytes) under which they were announced.

    Raises Unavailable STREAM_CUT when nothing came, Rejected TOO_LARGE, Rejected DIGEST_MISMATCH when the bytes are not
    the announced ones.
    """
    data = collect(pieces)
    if not data:
        raise Unavailable("STREAM_CUT", "the stream ended before its first byte")
    found = hashlib.sha256(data).digest()
    if found != sha256:
        raise Rejected(
            "DIGEST_MISMATCH",
            "Nội dung nhận được không khớp mã băm.",
            expected=sha256.hex(),
            found=found.hex(),
        )
    return data


def collect(pieces: Iterable[bytes]) -> bytes:
    """The pieces as one, at most 64 MiB, for whoever checks the bytes otherwise. Raises Rejected TOO_LARGE."""
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > MAX_BYTES:
            raise Rejected("TOO_LARGE", "Tệp lớn hơn giới hạn cho phép.", limit_bytes=MAX_BYTES)
    return bytes(data)
