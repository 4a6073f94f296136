"""Configuration of the token supervisor (role `tokens`)."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StandingKey:
    """A key that the supervisor opens by itself at start: its PIN is in a secret file of the
    Department.
    """

    signatory: str
    key_uri: str
    algorithm: str
    pin_file: Path


@dataclass(frozen=True)
class TokensConfig:
    """Settings of the role.

    socket: path of the Unix socket, in a folder of mode 0700. modules: name in key URIs → file of
    the PKCS#11 module.
    max_owners: how many keys may be active at once. watchdog_s: how long a signature may take
    before its owner is killed.
    """

    socket: Path
    modules: dict[str, Path]
    max_owners: int = 200
    watchdog_s: float = 30.0
    standing_keys: tuple[StandingKey, ...] = ()
