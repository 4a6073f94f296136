"""Client of the token supervisor, for `serve` (activation) and `work` (signatures). Blocking; safe
for threads.
"""

import contextlib
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.common.errors import Rejected, Unavailable
from services.signing import token_wire as wire

_MESSAGES = {
    "PIN_INCORRECT": "Mã PIN không đúng. Hãy kiểm tra kỹ trước khi nhập lại: nhập sai nhiều lần sẽ khóa thiết bị.",
    "PIN_LOCKED": "Thiết bị lưu khóa đã bị khóa vì nhập sai mã PIN quá số lần cho phép.",
    "PIN_EXPIRED": "Mã PIN đã hết hạn và phải được đổi trước khi ký.",
    "KEY_NOT_FOUND": "Không tìm thấy khóa ký trên thiết bị theo hồ sơ đã đăng ký.",
    "KEY_AMBIGUOUS": "Có nhiều khóa trên thiết bị trùng với hồ sơ đã đăng ký.",
    "TOKEN_AMBIGUOUS": "Có nhiều thiết bị trùng tên; hồ sơ khóa phải ghi rõ số sê-ri.",
    "TOKEN_IN_USE": "Thiết bị đang được kích hoạt cho một người ký khác.",
    "KEY_NOT_ACTIVE": "Khóa ký chưa được kích hoạt.",
    "ACTIVATION_TIME_OUT_OF_RANGE": "Thời hạn kích hoạt phải ở tương lai và không quá 12 giờ.",
    "ACTIVATION_COUNT_OUT_OF_RANGE": "Số chữ ký cho phép phải từ 1 trở lên.",
    "MODULE_UNKNOWN": "Hệ thống chưa khai báo mô-đun PKCS#11 của thiết bị này.",
    "MECHANISM_MISSING": "Thiết bị không hỗ trợ thuật toán ký của hồ sơ này.",
}


@dataclass(frozen=True)
class KeyStatus:
    """State of an active key.

    until: Unix time, None without bound. remaining: signatures left, None without bound.
    """

    signatory: str
    algorithm: str
    ready: bool
    pid: int | None
    remaining: int | None
    until: float | None


class TokenClient:
    """Talks to the supervisor at `path`, with one connection per thread.

    Every method raises Unavailable when the supervisor, the owner or the token is away (repeat
    later), and Rejected with the supervisor's reason when a person must act; KEY_NOT_ACTIVE asks
    for an activation. timeout_s must be longer than an opening that waits for its turn plus the
    watchdog.
    """

    def __init__(self, path: Path, *, timeout_s: float = 100.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._local = threading.local()

    def activate(
        self, signatory: str, key_uri: str, algorithm: str, pin: str, *, max_signatures: int, until: float
    ) -> tuple[bytes, bytes]:
        """Unlock a key until `until` (Unix time) for at most `max_signatures`.

        Returns a test digest and its signature; the caller checks it with the registered
        certificate.
        """
        answer = self._ask(
            op="activate",
            signatory=signatory,
            key_uri=key_uri,
            algorithm=algorithm,
            pin=pin,
            max_signatures=max_signatures,
            until=until,
        )
        return bytes.fromhex(answer["test_digest"]), bytes.fromhex(answer["test_signature"])

    def deactivate(self, signatory: str) -> bool:
        """Lock a key now; True when it was active."""
        return bool(self._ask(op="deactivate", signatory=signatory)["was_active"])

    def sign(self, signatory: str, intent: str, digest: bytes) -> bytes:
        """Signature over a SHA-256 digest by the signatory's active key; ECDSA as DER."""
        return bytes.fromhex(self._ask(op="sign", signatory=signatory, intent=intent, digest=digest.hex())["signature"])

    def ensure(self, signatory: str) -> None:
        """Have an active key opened again when its owner was lost; returns when it is ready."""
        self._ask(op="ensure", signatory=signatory)

    def status(self) -> list[KeyStatus]:
        """All active keys of this machine."""
        return [KeyStatus(**key) for key in self._ask(op="status")["keys"]]

    def ping(self) -> None:
        """Raises Unavailable unless the supervisor answers (for health); a lost token concerns its
        own signatory only.
        """
        self.status()

    def _ask(self, **request: Any) -> dict[str, Any]:
        try:
            connection = self._connection()
            wire.write(connection.fileno(), request)
            answer = wire.read(connection.fileno(), self._timeout_s)
        except (OSError, wire.StreamClosed, wire.StreamTimeout) as e:
            self._drop()
            raise Unavailable("TOKEN_AWAY", "Dịch vụ khóa ký tạm thời không hoạt động.") from e
        if answer["ok"]:
            return answer
        reason = str(answer["reason"])
        if answer["kind"] == "unavailable":
            raise Unavailable(reason, "Thiết bị lưu khóa tạm thời không ký được.", token_reason=reason)
        raise Rejected(reason, _MESSAGES.get(reason, "Thiết bị lưu khóa từ chối yêu cầu."), token_reason=reason)

    def _connection(self) -> socket.socket:
        connection: socket.socket | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
            self._local.connection = connection
        return connection

    def _drop(self) -> None:
        connection: socket.socket | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
