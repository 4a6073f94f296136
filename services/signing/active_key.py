"""An activated key: its bounds, its PIN for as long as they allow, and the owner process that holds
it unlocked.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.common import log
from services.signing.owner_process import Opening, OwnerError, OwnerProcess, Proof

_log = log.get(__name__)

OPENING_TIMEOUT_S = 60.0
"""Longest wait for an owner to start and log in; openings of all owners take turns."""

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MOST_WAITING = 64


class KeyUnavailableError(Exception):
    """The key cannot sign at this moment; the same request may succeed later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyEndedError(Exception):
    """The activation is over (bounds reached, key or PIN refused by the token); a person must
    activate again.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Bounds:
    """How long and how often an activation may be used. None means without bound, for standing keys
    only.

    until: Unix time in seconds.
    """

    until: float | None
    remaining: int | None


class ActiveKey:
    """Thread-safe: one signature at a time, respawn of a lost owner, and the watchdog outside the C
    call.

    The PIN stays in this process's memory only, to start the owner again within the bounds, and is
    dropped when the activation ends (overwritten where Python allows it; copies made while talking
    to an owner are left to the allocator).
    """

    def __init__(self, signatory: str, opening: Opening, pin: str, bounds: Bounds, *, watchdog_s: float) -> None:
        self.signatory = signatory
        self.opening = opening
        self.bounds = bounds
        self._watchdog_s = watchdog_s
        self._pin = bytearray(pin.encode())
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._in_use = 0
        self._owner: OwnerProcess | None = None
        self._pause_s = 0.0
        self._not_before = 0.0
        self._ended: str | None = None

    def open(self) -> Proof:
        """Start the owner for the first time. Raises OwnerError; the caller then drops this key."""
        with self._turn:
            return self._start().proof

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest. A signature that comes back uses up one of those the activation
        allows.

        Raises KeyUnavailableError (owner lost, hanging, starting or too many waiting) and
        KeyEndedError.
        """
        with self._one_signature(), self._my_turn():
            owner = self._running_owner()
            try:
                return owner.sign(digest, timeout_s=self._watchdog_s)
            except OwnerError as e:
                raise self._lost(e) from e

    def ensure(self) -> None:
        """Start the owner now when it was lost. Raises KeyUnavailableError and KeyEndedError."""
        with self._my_turn():
            self._running_owner()

    def expired(self) -> str | None:
        """Why this activation is over, or None while it may be used."""
        with self._count:
            if self._ended is None and self.bounds.until is not None and time.time() >= self.bounds.until:
                self._ended = "ACTIVATION_EXPIRED"
            elif self._ended is None and self.bounds.remaining == 0 and self._in_use == 0:
                self._ended = "ACTIVATION_USED_UP"
            return self._ended

    def ready(self) -> bool:
        """Whether the owner runs with the key unlocked."""
        owner = self._owner
        return owner is not None and owner.alive()

    def owner_pid(self) -> int | None:
        """Process id of the running owner."""
        owner = self._owner
        return owner.pid if owner is not None else None

    def revive(self) -> None:
        """Start a lost owner again, unless the key is in use or its pause after a failure is not
        over.
        """
        if self.ready() or not self._turn.acquire(blocking=False):
            return
        try:
            self._running_owner()
        except (KeyUnavailableError, KeyEndedError):
            pass  # Logged where it happened; the next round tries again or removes the key.
        finally:
            self._turn.release()

    def close(self, reason: str) -> None:
        """End the activation: kill the owner at once, even inside a signature, and overwrite the
        PIN.
        """
        with self._count:
            self._ended = self._ended or reason
        owner = self._owner
        if owner is not None:
            owner.interrupt()
        with self._turn:
            if self._owner is not None:
                self._owner.kill()
            self._owner = None
            self._pin[:] = bytes(len(self._pin))

    @contextmanager
    def _one_signature(self) -> Iterator[None]:
        reason = self.expired()
        if reason is not None:
            raise KeyEndedError(reason)
        with self._count:
            if self.bounds.remaining == 0:
                raise KeyUnavailableError("ACTIVATION_ALL_IN_USE")
            if self._waiting >= _MOST_WAITING:
                raise KeyUnavailableError("TOO_MANY_WAITING")
            self._waiting += 1
            self._in_use += 1
            if self.bounds.remaining is not None:
                self.bounds.remaining -= 1
        try:
            yield
        except BaseException:
            with self._count:
                if self.bounds.remaining is not None:
                    self.bounds.remaining += 1
            raise
        finally:
            with self._count:
                self._waiting -= 1
                self._in_use -= 1

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._watchdog_s):
            raise KeyUnavailableError("TOKEN_BUSY")
        try:
            yield
        finally:
            self._turn.release()

    def _running_owner(self) -> OwnerProcess:
        if self._owner is not None and self._owner.alive():
            return self._owner
        if self._owner is not None:
            self._owner.kill()
            self._lost(OwnerError("OWNER_LOST", retry=True))
        reason = self.expired()
        if reason is not None:
            raise KeyEndedError(reason)
        if time.monotonic() < self._not_before:
            raise KeyUnavailableError("OWNER_PAUSED")
        try:
            return self._start()
        except OwnerError as e:
            self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._not_before = time.monotonic() + self._pause_s
            raise self._lost(e) from e

    def _start(self) -> OwnerProcess:
        owner = OwnerProcess(self.opening, self._pin.decode(), timeout_s=OPENING_TIMEOUT_S)
        self._owner = owner
        self._pause_s = 0.0
        _log.info("owner started", signatory=self.signatory, pid=owner.pid)
        return owner

    def _lost(self, error: OwnerError) -> KeyUnavailableError | KeyEndedError:
        self._owner = None
        _log.warning("owner lost", signatory=self.signatory, reason=error.reason, retry=error.retry, detail=str(error))
        if error.retry:
            return KeyUnavailableError(error.reason)
        # A refused PIN counts against the token: it is never tried a second time.
        with self._count:
            self._ended = self._ended or error.reason
        return KeyEndedError(error.reason)
