"""Owner of one PKCS#11 token: the only kind of process that holds an unlocked key.

Started by `owner_process.OwnerProcess` as a fresh interpreter, never forked after C_Initialize,
with this process's standard input and output as its only channel. python-pkcs11 initialises modules
without locking and releases the GIL in every C call, so two threads in one module end in a crash;
here only the main thread calls it. The PIN arrives in the first message, is used for one login and
forgotten. A call that hangs is ended from outside, by SIGKILL.

Imports pkcs11 and the standard library only: dozens of these processes run side by side.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import select
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11.exceptions import (
    MechanismInvalid,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
)
from pkcs11.util.ec import encode_ecdsa_signature

from services.signing import token_wire as wire
from services.signing.hardening import harden

RETRY_PAUSE_S = 0.4
"""Pause before an opening is repeated, once, that failed for another reason than the PIN."""

# RFC 8017, 9.2, note 1
_SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_PIN_REASONS: dict[type[PKCS11Error], str] = {
    PinIncorrect: "PIN_INCORRECT",
    PinInvalid: "PIN_INCORRECT",
    PinLenRange: "PIN_INCORRECT",
    PinLocked: "PIN_LOCKED",
    PinExpired: "PIN_EXPIRED",
}


class KeyRefusedError(Exception):
    """The token, the key or the PIN is not what the profile says; repeating cannot help."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def main() -> None:
    """Read the opening message, log in, prove the key by signing a test digest, then sign digests
    until its input ends.
    """
    harden()
    _end_with_supervisor()
    requests, answers = os.dup(0), os.dup(1)
    # A vendor's module that prints must not write into the stream of answers.
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    opening = wire.read(requests)
    try:
        key = open_key(opening)
        test_digest = readiness_digest()
        test_signature = sign(key, opening["algorithm"], test_digest)
    except (KeyRefusedError, PKCS11Error) as e:
        wire.write(answers, _failure(e))
        sys.exit(3)
    algorithm = opening["algorithm"]
    del opening
    wire.write(answers, {"ok": True, "test_digest": test_digest.hex(), "test_signature": test_signature.hex()})
    with contextlib.suppress(wire.StreamClosed):
        serve(key, algorithm, requests, answers)


def serve(key: Any, algorithm: str, requests: int, answers: int) -> None:
    """Answer one request after the other. After a token error the process ends: its successor
    starts afresh.
    """
    while True:
        digest = bytes.fromhex(wire.read(requests)["digest"])
        try:
            signature = sign(key, algorithm, digest)
        except (KeyRefusedError, PKCS11Error) as e:
            wire.write(answers, _failure(e))
            sys.exit(3)
        wire.write(answers, {"ok": True, "signature": signature.hex()})


def open_key(opening: dict[str, Any]) -> Any:
    """Load the module, log in once and find the private key.

    Openings of all owners happen one after the other under a file lock: SoftHSM 2.6 rewrites its
    token file at C_Login while other processes read it in C_Initialize. An opening is repeated
    once, and never after a PIN error.
    """
    with _login_turn(Path(opening["login_lock"])):
        try:
            return _open_key_once(opening)
        except KeyRefusedError:
            raise
        except PKCS11Error as e:
            if type(e) in _PIN_REASONS:
                raise
            time.sleep(RETRY_PAUSE_S)
            pkcs11.unload(opening["module"])
            return _open_key_once(opening)


def _open_key_once(opening: dict[str, Any]) -> Any:
    library = pkcs11.lib(opening["module"])
    tokens = [t for t in library.get_tokens(token_label=opening["token"]) if _serial_fits(t, opening["serial"])]
    if not tokens:
        raise pkcs11.NoSuchToken(opening["token"])
    if len(tokens) > 1:
        raise KeyRefusedError("TOKEN_AMBIGUOUS", "several tokens have this label; name the serial number")
    session = tokens[0].open(user_pin=opening["pin"])
    wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
    if opening["label"]:
        wanted[pkcs11.Attribute.LABEL] = opening["label"]
    if opening["id"]:
        wanted[pkcs11.Attribute.ID] = bytes.fromhex(opening["id"])
    keys = list(session.get_objects(wanted))
    if len(keys) != 1:
        raise KeyRefusedError("KEY_NOT_FOUND" if not keys else "KEY_AMBIGUOUS", f"{len(keys)} keys fit the profile")
    return keys[0]


def sign(key: Any, algorithm: str, digest: bytes) -> bytes:
    """Sign a SHA-256 digest; the result is what goes into CMS (ECDSA as DER, RFC 3279 2.2.3).

    Only raw mechanisms are used: SoftHSM 2.6 has no ECDSA_SHA256, and the document need not be sent
    to the token.
    """
    if len(digest) != hashlib.sha256().digest_size:
        raise KeyRefusedError("DIGEST_LENGTH", "a SHA-256 digest has 32 bytes")
    if algorithm == wire.ECDSA_P256_SHA256:
        raw: bytes = key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        return bytes(encode_ecdsa_signature(raw))
    if algorithm == wire.RSA_PKCS1_SHA256:
        return bytes(key.sign(_SHA256_DIGEST_INFO + digest, mechanism=pkcs11.Mechanism.RSA_PKCS))
    if algorithm == wire.RSA_PSS_SHA256:
        parameters = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, 32)
        return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.RSA_PKCS_PSS, mechanism_param=parameters))
    raise KeyRefusedError("ALGORITHM_UNKNOWN", algorithm)


def readiness_digest() -> bytes:
    """A digest that no document can have, to prove that the key exists and signs; a session alone
    proves nothing.
    """
    return hashlib.sha256(b"hoso readiness, not a document: " + secrets.token_bytes(16)).digest()


def _end_with_supervisor() -> None:
    """End this process as soon as the supervisor's end of the pipe closes, even while a C call
    hangs.
    """

    def wait_for_hangup() -> None:
        poller = select.poll()
        poller.register(0, 0)
        poller.poll()
        os._exit(0)

    threading.Thread(target=wait_for_hangup, daemon=True).start()


@contextlib.contextmanager
def _login_turn(lock_file: Path) -> Iterator[None]:
    with lock_file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _serial_fits(token: Any, serial: str) -> bool:
    return not serial or token.serial.decode("ascii", "replace").rstrip("\x00 ") == serial


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, KeyRefusedError):
        return {"ok": False, "reason": error.reason, "retry": False, "text": str(error)}
    text = f"{type(error).__name__} {error}".strip()
    if type(error) in _PIN_REASONS:
        return {"ok": False, "reason": _PIN_REASONS[type(error)], "retry": False, "text": text}  # type: ignore[index]
    if isinstance(error, MechanismInvalid):
        return {"ok": False, "reason": "MECHANISM_MISSING", "retry": False, "text": text}
    return {"ok": False, "reason": "TOKEN_ERROR", "retry": True, "text": text}


if __name__ == "__main__":
    main()
