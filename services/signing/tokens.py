"""Role `tokens`: supervisor of the owner processes, reached through a Unix socket that only this
user may open.

Holds the activations, in memory only: when this process ends, every key is locked and must be
activated again by its keeper. Only standing keys, whose PIN is in a secret file of the Department,
are opened at start.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import socket
import socketserver
import stat
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.common import log, ready
from services.common.config import ConfigError, read_secret
from services.common.errors import Invalid
from services.signing import key_uri
from services.signing import token_wire as wire
from services.signing.active_key import ActiveKey, Bounds, KeyEndedError, KeyUnavailableError
from services.signing.hardening import harden
from services.signing.owner_process import Opening, OwnerError, Proof
from services.signing.tokens_config import TokensConfig

_log = log.get(__name__)

LONGEST_ACTIVATION_S = 12 * 3600.0
"""No person's key stays active longer than a working day; then the person must activate it again.
"""

REFUSED_PIN_S = 3600.0
"""How long a PIN that a token refused is not shown to it again: longer than any program goes on
repeating the call.
"""

_ROUND_S = 1.0
_STANDING_RETRY_S = 10.0


class RefusedError(Exception):
    """The request is refused; `kind` tells the client which error to raise."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Supervisor:
    """All activations of this machine. Every public method may be called from any thread."""

    def __init__(self, config: TokensConfig) -> None:
        self._config = config
        self._keys: dict[str, ActiveKey] = {}
        self._busy_tokens: set[tuple[str, str, str]] = set()
        self._guard = threading.Lock()
        self._salt = secrets.token_bytes(16)
        self._refused_pins: dict[bytes, float] = {}

    def activate(self, signatory: str, uri: key_uri.KeyUri, algorithm: str, pin: str, bounds: Bounds) -> Proof:
        """Open a signatory's key and prove that it signs; an earlier activation of the same
        signatory is replaced.

        Raises RefusedError. A PIN that this token refused is not shown to it again for an hour.
        """
        module_file = self._config.modules.get(uri.module)
        if module_file is None:
            raise RefusedError("rejected", "MODULE_UNKNOWN")
        if algorithm not in wire.ALGORITHMS:
            raise RefusedError("rejected", "ALGORITHM_UNKNOWN")
        pin_mark = hashlib.blake2b(repr((uri.token_name, pin)).encode(), key=self._salt).digest()
        if time.monotonic() < self._refused_pins.get(pin_mark, 0.0):
            raise RefusedError("rejected", "PIN_INCORRECT")
        self.deactivate(signatory, "REPLACED")
        self._reserve(uri.token_name)
        opening = Opening(module_file, uri, algorithm, self._config.socket.with_suffix(".login"))
        key = ActiveKey(signatory, opening, pin, bounds, watchdog_s=self._config.watchdog_s)
        try:
            proof = key.open()
        except OwnerError as e:
            key.close(e.reason)
            self._release(uri.token_name)
            _log.warning("activation refused", signatory=signatory, reason=e.reason, detail=str(e))
            if e.reason == "PIN_INCORRECT":
                self._refused_pins[pin_mark] = time.monotonic() + REFUSED_PIN_S
            raise RefusedError("unavailable" if e.retry else "rejected", e.reason) from e
        with self._guard:
            self._keys[signatory] = key
        return proof

    def deactivate(self, signatory: str, reason: str = "DEACTIVATED") -> bool:
        """Lock a signatory's key now. Returns whether it was active."""
        with self._guard:
            key = self._keys.pop(signatory, None)
        if key is None:
            return False
        key.close(reason)
        self._release(key.opening.uri.token_name)
        _log.info("key locked", signatory=signatory, reason=reason)
        return True

    def sign(self, signatory: str, intent: str, digest: bytes) -> bytes:
        """Have the signatory's key sign a SHA-256 digest for a recorded intent. Raises
        RefusedError.
        """
        with self._using(signatory) as key:
            signature = key.sign(digest)
        _log.info("signed", signatory=signatory, intent=intent, digest=digest.hex())
        return signature

    def ensure(self, signatory: str) -> None:
        """Open the signatory's key again when its owner was lost. Raises RefusedError."""
        with self._using(signatory) as key:
            key.ensure()

    @contextlib.contextmanager
    def _using(self, signatory: str) -> Iterator[ActiveKey]:
        with self._guard:
            key = self._keys.get(signatory)
        if key is None:
            raise RefusedError("rejected", "KEY_NOT_ACTIVE")
        try:
            yield key
        except KeyUnavailableError as e:
            raise RefusedError("unavailable", e.reason) from e
        except KeyEndedError as e:
            self.deactivate(signatory, e.reason)
            raise RefusedError("rejected", "KEY_NOT_ACTIVE") from e

    def status(self) -> list[dict[str, Any]]:
        """One entry per active key: signatory, algorithm, ready, pid, remaining signatures and end
        (Unix time).
        """
        with self._guard:
            keys = list(self._keys.values())
        return [
            {
                "signatory": key.signatory,
                "algorithm": key.opening.algorithm,
                "ready": key.ready(),
                "pid": key.owner_pid(),
                "remaining": key.bounds.remaining,
                "until": key.bounds.until,
            }
            for key in keys
        ]

    def run_rounds(self, stop: threading.Event) -> None:
        """Until `stop`: lock keys whose bounds are reached, revive lost owners, open standing keys;
        then lock all.
        """
        next_standing = 0.0
        while not stop.is_set():
            with self._guard:
                keys = list(self._keys.values())
            for key in keys:
                reason = key.expired()
                if reason is None:
                    key.revive()
                else:
                    self.deactivate(key.signatory, reason)
            if time.monotonic() >= next_standing:
                next_standing = time.monotonic() + _STANDING_RETRY_S
                self._open_standing_keys()
            stop.wait(_ROUND_S)
        for signatory in list(self._keys):
            self.deactivate(signatory, "STOPPING")

    def _open_standing_keys(self) -> None:
        for standing in self._config.standing_keys:
            if standing.signatory in self._keys:
                continue
            try:
                pin = read_secret(standing.pin_file)
                uri = key_uri.parse(standing.key_uri)
                self.activate(standing.signatory, uri, standing.algorithm, pin, Bounds(None, None))
            except (RefusedError, ConfigError, Invalid) as e:
                _log.error("standing key is not open", signatory=standing.signatory, problem=str(e))

    def _reserve(self, token: tuple[str, str, str]) -> None:
        with self._guard:
            if token in self._busy_tokens:
                raise RefusedError("rejected", "TOKEN_IN_USE")
            if len(self._busy_tokens) >= self._config.max_owners:
                raise RefusedError("unavailable", "TOO_MANY_ACTIVE_KEYS")
            self._busy_tokens.add(token)

    def _release(self, token: tuple[str, str, str]) -> None:
        with self._guard:
            self._busy_tokens.discard(token)


def answer(supervisor: Supervisor, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request of the socket protocol; every refusal becomes a message with `kind` and
    `reason`.
    """
    try:
        return {"ok": True} | _carry_out(supervisor, request)
    except RefusedError as e:
        return {"ok": False, "kind": e.kind, "reason": e.reason}
    except Invalid as e:
        return {"ok": False, "kind": "rejected", "reason": e.violations[0].rule}
    except (KeyError, TypeError, ValueError) as e:
        return {"ok": False, "kind": "rejected", "reason": "BAD_REQUEST", "text": type(e).__name__}


def _carry_out(supervisor: Supervisor, request: dict[str, Any]) -> dict[str, Any]:
    match request["op"]:
        case "activate":
            bounds = _bounds(request["until"], request["max_signatures"])
            uri = key_uri.parse(request["key_uri"])
            proof = supervisor.activate(request["signatory"], uri, request["algorithm"], request["pin"], bounds)
            return {"test_digest": proof.digest.hex(), "test_signature": proof.signature.hex()}
        case "deactivate":
            return {"was_active": supervisor.deactivate(request["signatory"])}
        case "sign":
            digest = bytes.fromhex(request["digest"])
            return {"signature": supervisor.sign(request["signatory"], request["intent"], digest).hex()}
        case "ensure":
            supervisor.ensure(request["signatory"])
            return {}
        case "status":
            return {"keys": supervisor.status()}
    raise ValueError(request["op"])


def _bounds(until: float, max_signatures: int) -> Bounds:
    now = time.time()
    if not now < until <= now + LONGEST_ACTIVATION_S:
        raise RefusedError("rejected", "ACTIVATION_TIME_OUT_OF_RANGE")
    if max_signatures < 1:
        raise RefusedError("rejected", "ACTIVATION_COUNT_OUT_OF_RANGE")
    return Bounds(float(until), int(max_signatures))


class _Connection(socketserver.BaseRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        descriptor = self.request.fileno()
        try:
            while True:
                wire.write(descriptor, answer(self.server.supervisor, wire.read(descriptor)))
        except wire.StreamClosed:
            return


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        super().__init__(str(path), _Connection)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Accept this user's processes only, also where the folder's mode was loosened."""
        _, uid, _ = struct.unpack("3i", request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return bool(uid == os.getuid())


def run(config: TokensConfig, stop: threading.Event) -> None:
    """Serve until `stop`. Raises ConfigError when another supervisor serves this socket or its
    folder is open.
    """
    harden()
    folder = config.socket.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{folder} is open to others; run: chmod 700 {folder}")
    with config.socket.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise ConfigError(f"another supervisor serves {config.socket}") from e
        config.socket.unlink(missing_ok=True)
        old_mask = os.umask(0o177)
        supervisor = Supervisor(config)
        server = _Server(config.socket, supervisor)
        os.umask(old_mask)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        ready.ready()
        _log.info("token supervisor is ready", standing_keys=len(config.standing_keys))
        supervisor.run_rounds(stop)
        server.shutdown()
        server.server_close()
        config.socket.unlink(missing_ok=True)
