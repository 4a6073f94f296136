"""Keeps secrets of this process inside it."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # prctl(2)


def harden() -> None:
    """No core dumps, and no look into this process's memory by other processes of the same user (ptrace, /proc)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
