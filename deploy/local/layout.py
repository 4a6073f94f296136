"""Where a stack keeps its state and which ports it uses. No other module builds a path."""

import hashlib
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("gradebook", "print", "signing", "archive")
HOST = "127.0.0.1"
DEFAULT_PORT_BASES = {"main": 26000, "test": 27000}
PORTS_PER_STACK = 100

_UNIX_PATH_LIMIT = 80  # sockaddr_un holds 107 bytes (unix(7)); the rest is room for the socket's own name


class LocalError(Exception):
    """The stack cannot go on. The message says what happened and what the reader can do."""


@dataclass(frozen=True)
class Stack:
    """One stack: a name, the first of its hundred ports, and its folder."""

    name: str
    port_base: int
    root: Path

    @property
    def pki(self) -> Path:
        """Folder of the stack's certificate authority and all certificates."""
        return self.root / "pki"

    @property
    def config(self) -> Path:
        """Folder of the service configurations, one TOML file per service."""
        return self.root / "config"

    @property
    def log(self) -> Path:
        """Folder with one log file per process."""
        return self.root / "log"

    @property
    def run(self) -> Path:
        """Folder of pid files and the supervisor's lock."""
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        """Folder of generated secrets; each file is readable by its owner only."""
        return self.root / "secrets"

    @property
    def sockets(self) -> Path:
        """Private folder for Unix sockets, short enough for sockaddr_un however deep the checkout
        is.
        """
        inside = self.root / "run"
        if len(os.fsencode(inside)) <= _UNIX_PATH_LIMIT:
            return inside
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"hoso-{os.getuid()}-{mark}"

    def port(self, offset: int) -> int:
        """The stack's port at `offset` (the list of offsets is in docs/architecture.md)."""
        return self.port_base + offset

    def make_folders(self) -> None:
        """Create the stack's folders, private to the user. Raises LocalError when the socket folder
        is not ours.
        """
        self.root.parent.mkdir(exist_ok=True)
        for folder in (self.root, self.pki, self.config, self.log, self.run, self.secrets, self.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.sockets.stat().st_uid != os.getuid() or self.sockets.is_symlink():
            raise LocalError(f"{self.sockets} belongs to another user; remove it or set TMPDIR")

    def secret(self, name: str) -> Path:
        """The file with the secret `name`, made on first use (43 URL-safe characters, mode
        0600).
        """
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")
        return path


def open_stack(name: str, port_base: int | None = None) -> Stack:
    """The stack called `name`; the port base defaults to the stack's own (main 26000, test 27000).

    Raises LocalError when the name is not made of lower-case letters, digits and hyphens, or no
    port base is known.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
        raise LocalError(f"stack name {name!r}: use up to 20 lower-case letters, digits and hyphens")
    base = port_base if port_base is not None else DEFAULT_PORT_BASES.get(name)
    if base is None:
        raise LocalError(f"stack {name!r} has no default ports; give --port-base or set HOSO_PORT_BASE")
    if not 1024 <= base <= 65535 - PORTS_PER_STACK:
        raise LocalError(f"port base {base} is outside 1024…{65535 - PORTS_PER_STACK}")
    return Stack(name=name, port_base=base, root=REPOSITORY / ".run" / name)


def write_private(path: Path, text: str | bytes) -> None:
    """Write a file of mode 0600 in one step: readers see the old content or the new, never half of
    it.
    """
    data = text.encode() if isinstance(text, str) else text
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)
