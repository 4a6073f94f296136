"""Just enough of HTTP/2 to misbehave: a connection over which calls are begun and not finished
(RFC 9113; header fields literal and never indexed, RFC 7541 6.2.2).
"""

import socket
import ssl
import struct

from services.common.settings import TlsConfig

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS = 0, 1, 3, 4
_END_STREAM, _END_HEADERS = 1, 4
_INITIAL_WINDOW = 4


class Connection:
    """A connection with a client's certificate. Nothing that the server sends is read."""

    def __init__(self, address: str, tls: TlsConfig, *, window: int | None = None) -> None:
        """window: bytes that the server may send per call before we read, which we never do."""
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=str(tls.ca_file))
        context.load_cert_chain(tls.cert_file, tls.key_file)
        context.set_alpn_protocols(["h2"])
        self._socket = context.wrap_socket(
            socket.create_connection((host, int(port)), 5), server_hostname="archive.service.hoso"
        )
        settings = b"" if window is None else struct.pack(">HI", _INITIAL_WINDOW, window)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings))
        self._stream = -1

    def begin(self, rpc: str, **headers: str) -> int:
        """Send the headers of a call; its stream."""
        self._stream += 2
        fields = {
            ":method": "POST",
            ":scheme": "https",
            ":path": rpc,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        block = b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields.items())
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, self._stream, block))
        return self._stream

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes of a call."""
        self._socket.sendall(_frame(_DATA, _END_STREAM if end else 0, stream, data))

    def cancel(self, stream: int) -> None:
        """Reset a call."""
        self._socket.sendall(_frame(_RESET, 0, stream, struct.pack(">I", 8)))

    def close(self) -> None:
        """Drop the connection."""
        self._socket.close()


def message(content: bytes) -> bytes:
    """A gRPC message: not compressed, its length, its bytes."""
    return b"\0" + struct.pack(">I", len(content)) + content


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 127:
        return bytes((len(raw),)) + raw
    rest, length = len(raw) - 127, b"\x7f"
    while rest >= 128:
        length, rest = length + bytes((rest % 128 + 128,)), rest // 128
    return length + bytes((rest,)) + raw
