"""A consumer process for tests. It writes what it handles into the table `handled`; the event's
text says what to do.

python -m tests.integration.common.consuming <file with the settings as JSON>
"""

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from services.common import config, consume, log  # noqa: E402
from services.common.db import Tx  # noqa: E402
from services.common.errors import Unavailable  # noqa: E402
from services.common.intake import Subscription  # noqa: E402
from services.common.settings import BrokerConfig, DatabaseConfig  # noqa: E402
from tests.integration.common.happened import Happened  # noqa: E402


def handle(tx: Tx, event: Any) -> None:
    tx.execute("INSERT INTO handled (value) VALUES (%s)", (event.value,))
    if event.value == "fail":
        raise ValueError("Nguyễn Văn A")
    if event.value == "away":
        raise Unavailable("AWAY", "")
    if event.value.startswith("slow"):
        time.sleep(0)  # the green one
        tx.execute("SELECT pg_sleep(2)")


def tick(path: Path) -> None:
    while True:
        eventlet.sleep(0.1)
        with path.open("a") as file:
            file.write("x")


def main(settings: dict[str, Any]) -> int:
    log.configure("gradebook", "consume")
    eventlet.spawn(tick, Path(settings["ticks"]))
    for name in settings.get("load", []):
        __import__(name)
    return consume.run(
        "gradebook",
        config._build(BrokerConfig, settings["broker"], "", []),
        config._build(DatabaseConfig, settings["database"], "", []),
        [Subscription(Happened, handle)],
    )


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
