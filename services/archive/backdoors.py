"""Ports of the store other than S3: what somebody without the store's own credentials can do
through them.

A lock is a property of the deployment, not of the S3 interface. SeaweedFS 4.48 keeps every S3 rule,
yet with its default settings one ``DELETE`` on the filer port, or one ``GET /col/delete`` on the
master port, erases records under COMPLIANCE (ADR-0021). So each port must be closed to us, or
refuse every destructive request and every RPC that comes without a certificate.
"""

import http.client
import socket
import ssl
from urllib.parse import quote

_CONNECT_S = 2.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS_FRAME = 4


def try_port(address: str, bucket: str, key: str) -> str | None:
    """Attack ``host:port`` as an uninvited neighbour; what got through, or None when nothing did.

    bucket, key: an object that may be destroyed; the caller looks at it afterwards.
    """
    host, _, port_text = address.rpartition(":")
    port = int(port_text)
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError:
        return None
    path = f"{quote(bucket)}/{quote(key)}"
    requests = (
        ("DELETE", f"/buckets/{path}"),  # filer of SeaweedFS
        ("DELETE", f"/buckets/{quote(bucket)}?recursive=true"),
        ("DELETE", f"/{path}"),  # an S3 gateway that lets anybody in
        ("GET", f"/col/delete?collection={quote(bucket)}"),  # master of SeaweedFS
        ("POST", "/minio/admin/v3/service?action=stop"),  # administration of MinIO
    )
    for tls in (False, True):
        for method, target in requests:
            status = _request(host, port, method, target, tls=tls)
            if status is not None and status < 400:
                return f"{method} {target.split('?')[0].split('/')[1]}… answered {status}"
        if _speaks_http2(host, port, tls=tls):
            return "answers RPC (HTTP/2) without a client certificate"
    return None


def _anyone() -> ssl.SSLContext:
    """TLS as an intruder uses it: no certificate of ours, and theirs not checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(host: str, port: int, method: str, target: str, *, tls: bool) -> int | None:
    """Status of one HTTP request, or None when the port does not speak HTTP."""
    connection: http.client.HTTPConnection
    if tls:
        connection = http.client.HTTPSConnection(host, port, timeout=_CONNECT_S, context=_anyone())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_S)
    try:
        connection.request(method, target)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _speaks_http2(host: str, port: int, *, tls: bool) -> bool:
    """Whether the port answers an HTTP/2 preface with its own SETTINGS, as a gRPC server does (RFC
    9113 §3.4).
    """
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S) as plain:
            if not tls:
                return _settings_answered(plain)
            context = _anyone()
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(plain) as wrapped:
                return _settings_answered(wrapped)
    except OSError:
        return False


def _settings_answered(connection: socket.socket) -> bool:
    connection.sendall(_HTTP2_PREFACE)
    head = b""
    while len(head) < 9:
        received = connection.recv(9 - len(head))
        if not received:
            return False
        head += received
    return head[3] == _SETTINGS_FRAME
