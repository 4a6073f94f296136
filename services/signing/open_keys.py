"""Queues the documents of keys that were opened without `usecases.activate_key` having queued them.

These are the standing keys, which the token supervisor opens by itself, and keys whose activation
was not recorded because `serve` ended in between. It asks the supervisor, which costs the database
nothing, and reads the documents of a signatory once for each opening of that signatory's key.
"""

import threading

from services.common import log
from services.common.db import Database
from services.common.errors import Unavailable
from services.signing import usecases
from services.signing.token_client import KeyStatus, TokenClient

LOOK_S = 5.0
"""How often the supervisor is asked which keys are open."""

_Opening = tuple[str, float | None, int | None]
_log = log.get(__name__)


def watch(database: Database, tokens: TokenClient, stop: threading.Event) -> None:
    """Until `stop`: queue the due documents of every key that has opened since the last look.

    Every open key counts as opened at the first look, so that nothing waits in vain after a restart
    or an upgrade of the worker.
    """
    queued: set[_Opening] = set()
    while not stop.is_set():
        try:
            opened = {_opening(key) for key in tokens.status() if key.ready}
            for opening in sorted(opened - queued, key=str):
                with database.transaction() as tx:
                    usecases.queue_due(tx, opening[0])
            queued = opened
        except Unavailable as e:
            _log.warning("documents of opened keys cannot be queued; trying again", reason=e.reason)
        stop.wait(LOOK_S)


def _opening(key: KeyStatus) -> _Opening:
    """Identifies an opening: activations differ in their end, restarted owners in their pid."""
    return key.signatory, key.until, key.pid
