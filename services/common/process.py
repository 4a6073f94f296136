"""How every process of every service starts: one image, one role per process.

``python -m services.<service> <role> --config <file.toml>``. A service's `__main__` passes a table
of roles; a role's libraries are imported inside its function, so that no process loads what it must
not (grpc together with eventlet, PKCS#11 together with threads).
"""

import argparse
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

EX_UNAVAILABLE = 69
EX_CONFIG = 78
"""Exit codes of sysexits.h: a dependency is away at start; the configuration cannot be used."""

C = TypeVar("C")


def main(service: str, config_class: type[C], roles: Mapping[str, Callable[[C, threading.Event], int | None]]) -> int:
    """Parse the command line, read the configuration, run the role until it ends or SIGTERM sets
    its event.

    A role returns its exit code; None means 0. Prints one line and returns 78 when the
    configuration cannot be used.
    """
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("role", choices=sorted(roles))
    parser.add_argument("--config", type=Path, default=os.environ.get("HOSO_CONFIG"))
    arguments = parser.parse_args()
    if arguments.role == "consume":
        # nameko runs on eventlet, which must patch the standard library before anything else loads
        # it.
        import eventlet

        eventlet.monkey_patch()
    from services.common import config as configuration
    from services.common import log
    from services.common.errors import Unavailable

    # Keys, PINs and personal data must not end up in a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if arguments.config is None:
        parser.error("pass --config or set HOSO_CONFIG")
    log.configure(service, arguments.role)
    try:
        config = configuration.load(config_class, Path(arguments.config))
        return roles[arguments.role](config, _stop_event(arguments.role)) or 0
    except configuration.ConfigError as e:
        print(f"configuration: {e}", file=sys.stderr)  # noqa: T201 - for the person who starts it
        return EX_CONFIG
    except Unavailable as e:
        log.get(__name__).error("dependency away at start", reason=e.reason, detail=e.message)
        return EX_UNAVAILABLE


def _stop_event(role: str) -> threading.Event:
    stop = threading.Event()
    if role != "consume":  # nameko installs its own handlers
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    return stop
