"""Child processes of these tests: relays and consumers that are stopped and killed."""

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.common.settings import BrokerConfig, DatabaseConfig

CONSUMER = "tests.integration.common.consuming"
RELAY = "tests.integration.common.relaying"


class Child:
    """A running child process; its log is shared by all children of one folder."""

    def __init__(self, module: str, settings: Path) -> None:
        self.log = settings.with_name("log")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", module, str(settings)], stderr=output
            )

    def logged(self, words: str) -> int:
        """How many lines with these words are in the log."""
        return sum(words in line for line in self.log.read_text().splitlines())

    def end(self, number: signal.Signals) -> int:
        """Send the signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


class Family:
    """Starts children with one broker and database."""

    def __init__(self, folder: Path, broker: BrokerConfig, database: DatabaseConfig) -> None:
        self.folder = folder
        self._settings = {"broker": dataclasses.asdict(broker), "database": dataclasses.asdict(database)}
        self._children: list[Child] = []

    def start(self, module: str, **more: object) -> Child:
        file = self.folder / f"{len(self._children)}.json"
        settings = {**self._settings, "ticks": self.folder / "ticks", **more}
        file.write_text(json.dumps(settings, default=str))
        self._children.append(Child(module, file))
        return self._children[-1]

    def kill(self) -> None:
        for child in self._children:
            child.process.kill()
            child.process.wait()


@contextmanager
def family(folder: Path, broker: BrokerConfig, database: DatabaseConfig) -> Iterator[Family]:
    """Children that end with the block; their log goes to the test's output."""
    children = Family(folder, broker, database)
    try:
        yield children
    finally:
        children.kill()
        log = folder / "log"
        if log.exists():
            print(log.read_text()[-8000:])
