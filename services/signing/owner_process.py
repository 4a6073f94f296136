"""An owner process as the supervisor sees it: start it, ask it, kill it when it does not answer."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.signing import token_wire as wire
from services.signing.key_uri import KeyUri

_IMPORT_ROOT = Path(__file__).resolve().parents[2]


class OwnerError(Exception):
    """The owner refused or is gone. retry: a new process may succeed; if not, a person must act."""

    def __init__(self, reason: str, *, retry: bool, text: str = "") -> None:
        super().__init__(f"{reason} {text}".strip())
        self.reason = reason
        self.retry = retry


@dataclass(frozen=True)
class Opening:
    """What an owner needs to open its key, except the PIN. login_lock: file lock under which owners
    open their keys in turn.
    """

    module_file: Path
    uri: KeyUri
    algorithm: str
    login_lock: Path


@dataclass(frozen=True)
class Proof:
    """A signature over a test digest, which shows that this key is unlocked and works."""

    digest: bytes
    signature: bytes


class OwnerProcess:
    """A started owner with its key unlocked. Not for two threads at once: the caller holds the
    key's lock.

    Raises OwnerError from the constructor and from `sign`; afterwards the process is gone.
    """

    def __init__(self, opening: Opening, pin: str, *, timeout_s: float) -> None:
        environment = os.environ | {"PYTHONPATH": str(_IMPORT_ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.signing.token_owner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        answer = self._ask(
            {
                "module": str(opening.module_file),
                "token": opening.uri.token,
                "serial": opening.uri.serial,
                "label": opening.uri.label,
                "id": opening.uri.key_id.hex(),
                "algorithm": opening.algorithm,
                "login_lock": str(opening.login_lock),
                "pin": pin,
            },
            timeout_s,
        )
        self.proof = Proof(bytes.fromhex(answer["test_digest"]), bytes.fromhex(answer["test_signature"]))

    @property
    def pid(self) -> int:
        """Process id, for status and logs."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs; False also reaps it."""
        return self._process.poll() is None

    def sign(self, digest: bytes, *, timeout_s: float) -> bytes:
        """Have the token sign a SHA-256 digest; the owner is killed when it needs longer than
        `timeout_s`.
        """
        return bytes.fromhex(self._ask({"digest": digest.hex()}, timeout_s)["signature"])

    def interrupt(self) -> None:
        """Kill the process, from any thread; a thread that waits for its signature then gets
        OwnerError.
        """
        self._process.kill()

    def kill(self) -> None:
        """End the process and close its pipes; only for the holder of the key's lock."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _ask(self, message: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            wire.write(self._to, message)
            answer = wire.read(self._from, timeout_s)
        except wire.StreamClosed as e:
            self.kill()
            raise OwnerError("OWNER_LOST", retry=True, text="the owner process ended") from e
        except wire.StreamTimeout as e:
            self.kill()
            raise OwnerError("TOKEN_HANGS", retry=True, text=f"no answer in {timeout_s} s") from e
        if not answer["ok"]:
            self.kill()
            raise OwnerError(answer["reason"], retry=answer["retry"], text=answer["text"])
        return answer
