"""Under which system account PostgreSQL runs, since it refuses to run as root."""

import functools
import os
import pwd
import subprocess
from dataclasses import dataclass

from .layout import LocalError

_NAME = "postgres"


@dataclass(frozen=True)
class Account:
    """name: what the server's peer authentication calls us; uid, gid: owner of its files; prefix:
    put before it.
    """

    name: str
    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


@functools.cache
def current() -> Account:
    """The account for PostgreSQL. Raises LocalError when we are root and no way to shed that is
    left.

    An ordinary user runs it as himself. For root we prefer a user namespace in which root's files
    belong to ``postgres`` (user_namespaces(7)): it works wherever the checkout lies and leaves
    every file root's. Where namespaces are forbidden, as in many containers, the server runs as
    ``postgres`` and keeps one capability, CAP_DAC_OVERRIDE, to reach a folder that only root may
    enter.
    """
    if os.getuid() != 0:
        return Account(pwd.getpwuid(os.getuid()).pw_name, os.getuid(), os.getgid())
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        raise LocalError(f"PostgreSQL does not run as root and there is no user {_NAME}; run: make setup") from None
    namespace = ("unshare", "--user", f"--map-user={entry.pw_uid}", f"--map-group={entry.pw_gid}", "--")
    if _works(namespace):
        return Account(_NAME, 0, 0, namespace)
    account = Account(_NAME, entry.pw_uid, entry.pw_gid, _as_postgres(entry.pw_uid, entry.pw_gid))
    if _works(account.prefix):
        return account
    raise LocalError("PostgreSQL does not run as root, and neither unshare nor setpriv may change the user here")


def _as_postgres(uid: int, gid: int) -> tuple[str, ...]:
    """The death signal stands here again because changing the user clears it (prctl(2))."""
    identity = (f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    capability = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return ("setpriv", *identity, *capability, "--pdeathsig=INT", "--")


def _works(prefix: tuple[str, ...]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
