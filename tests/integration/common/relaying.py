"""A relay process for tests that can be killed.

python -m tests.integration.common.relaying <file with the settings as JSON>
"""

import json
import signal
import sys
import threading
from pathlib import Path

from services.common import config, log, relay
from services.common.settings import BrokerConfig, DatabaseConfig

if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text())
    log.configure("gradebook", "relay")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    relay.run(
        config._build(DatabaseConfig, settings["database"], "", []),
        config._build(BrokerConfig, settings["broker"], "", []),
        "gradebook",
        stop,
    )
