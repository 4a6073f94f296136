"""A service as it runs in production: one process per role, reached through the broker."""

import signal
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika
from google.protobuf import json_format

from deploy.local import layout
from services.common import outbox, tokens, topology
from services.common.settings import BrokerConfig
from tests import servers
from tests.integration.common import messages


@dataclass
class Processes:
    """The processes of a service by role. service: such as ``print``; file: its configuration;
    sender: gradebook's way into the broker.
    """

    service: str
    file: Path
    pki: servers.Pki
    sender: BrokerConfig
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, kw_only=True)

    def once(self, role: str) -> subprocess.CompletedProcess[str]:
        """Run a role that ends by itself."""
        return subprocess.run(self._command(role), capture_output=True, text=True, timeout=120, check=False)

    def start(self, role: str) -> None:
        with (self.file.parent / f"{role}.log").open("ab") as log:
            self.children[role] = subprocess.Popen(self._command(role), stderr=log, cwd=layout.REPOSITORY)

    def kill(self, role: str) -> None:
        self.children[role].send_signal(signal.SIGKILL)
        self.children[role].wait()

    def end(self) -> None:
        """Kill what still runs, and put the logs into the test's output."""
        for child in self.children.values():
            if child.poll() is None:
                child.kill()
            child.wait()
        for log in sorted(self.file.parent.glob("*.log")):
            print(log.name, log.read_text()[-3000:])

    def announce(self, event: Any) -> None:
        """Publish an event as gradebook does."""
        body = json_format.MessageToJson(event, preserving_proto_field_name=True).encode()
        name = event.DESCRIPTOR.full_name
        with messages.channel(self.sender) as open_channel:
            properties = pika.BasicProperties(
                message_id=str(uuid.uuid4()), type=name, user_id=self.sender.user, delivery_mode=2
            )
            open_channel.basic_publish(topology.EXCHANGE, outbox.routing_key(name), body, properties, mandatory=True)

    def token(self, school: str, *, person: str = "gv-1", client: str = "vendor/smas") -> tuple[tuple[str, str]]:
        """Metadata with the token of a person of the school."""
        pem = (self.pki.stack.pki / "issuer.key").read_text()
        jwt = tokens.issue("https://id.hoso.local", pem, client=client, person=person, school=school)
        return (("authorization", f"Bearer {jwt}"),)

    def _command(self, role: str) -> list[str]:
        module = f"services.{self.service}"
        return [sys.executable, "-W", "ignore", "-m", module, role, "--config", str(self.file)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((layout.HOST, 0))
        return int(probe.getsockname()[1])
