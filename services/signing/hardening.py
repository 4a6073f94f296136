"""Keeps the secrets of a process inside it."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # prctl(2)


def harden() -> None:
    """Forbid core dumps, and keep other processes of the same user out of this process's memory
    (ptrace, /proc).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
