"""PDFs and snapshots travel as streams of chunks, identified by their digest, which is checked."""

import hashlib
from collections.abc import Iterable, Iterator

from services.common.errors import Forged, Rejected, Unavailable

CHUNK_BYTES = 256 * 1024
MAX_BYTES = 64 * 1024 * 1024


def split(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of at most 256 KiB, at least one."""
    for start in range(0, max(len(data), 1), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def join(pieces: Iterable[bytes], *, sha256: bytes) -> bytes:
    """The joined pieces, at most 64 MiB. sha256: the announced digest (32 bytes).

    Raises Unavailable STREAM_CUT when nothing came, Rejected TOO_LARGE, Forged DIGEST_MISMATCH
    when the bytes have another digest.
    """
    data = collect(pieces)
    if not data:
        raise Unavailable("STREAM_CUT", "the stream ended before its first byte")
    digest = hashlib.sha256(data).digest()
    if digest != sha256:
        raise Forged(
            "DIGEST_MISMATCH",
            "Nội dung nhận được không khớp mã băm.",
            expected=sha256.hex(),
            found=digest.hex(),
        )
    return data


def collect(pieces: Iterable[bytes]) -> bytes:
    """The joined pieces, at most 64 MiB, for callers that check them in another way.

    Raises Rejected TOO_LARGE.
    """
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > MAX_BYTES:
            raise Rejected("TOO_LARGE", "Tệp lớn hơn giới hạn cho phép.", limit_bytes=MAX_BYTES)
    return bytes(data)
