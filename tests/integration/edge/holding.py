"""Ways of holding a call open, and a process that does all of them over and over.

python -m tests.integration.edge.holding <address> <CA> <certificate> <key>
"""

import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from services.common.settings import TlsConfig
from tests.integration.edge.http2 import Connection, message

OPERATIONS = "/hoso.operations.v1.OperationsService"
STATUS, CHAINS, REPLAY = f"{OPERATIONS}/GetStatus", f"{OPERATIONS}/VerifyAuditChains", f"{OPERATIONS}/ReplayJob"
WATCH, REFLECT = "/grpc.health.v1.Health/Watch", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def begin_only(connection: Connection) -> None:
    """Headers, and then nothing."""
    connection.begin(STATUS)


def begin_with_deadline(connection: Connection) -> None:
    """The same, by a caller that says when it will have gone."""
    connection.begin(STATUS, grpc_timeout="60S")


def half_a_message(connection: Connection) -> None:
    """A message that claims a megabyte and sends a kilobyte."""
    stream = connection.begin(STATUS)
    connection.data(stream, b"\0" + struct.pack(">I", 1 << 20) + bytes(1024))


def half_a_prefix(connection: Connection) -> None:
    """Three bytes of a message's length."""
    connection.data(connection.begin(STATUS), b"\0\0\0")


def one_message_and_no_end(connection: Connection) -> None:
    """A whole message in a call that never ends its side."""
    connection.data(connection.begin(STATUS), message(b""))


def watch(connection: Connection) -> None:
    connection.data(connection.begin(WATCH), message(b""), end=True)


def watch_without_a_request(connection: Connection) -> None:
    connection.begin(WATCH)


def idle_reflection(connection: Connection) -> None:
    connection.begin(REFLECT)


def stream_without_a_deadline(connection: Connection) -> None:
    connection.data(connection.begin(CHAINS), message(b""), end=True)


def may_not(connection: Connection) -> None:
    """A call that the client may not make, and whose message never comes."""
    connection.begin(REPLAY)


def cancelled(connection: Connection) -> None:
    """Begun, sent, and reset at once."""
    stream = connection.begin(STATUS)
    connection.data(stream, message(b""), end=True)
    connection.cancel(stream)


WAYS: list[Callable[[Connection], None]] = [
    begin_only,
    begin_with_deadline,
    half_a_message,
    half_a_prefix,
    one_message_and_no_end,
    watch,
    watch_without_a_request,
    idle_reflection,
    stream_without_a_deadline,
    may_not,
    cancelled,
]


def harass(address: str, tls: TlsConfig, way: Callable[[Connection], None]) -> None:
    """Hold twenty calls for half a second, again and again, until the process ends."""
    while True:
        with closing(Connection(address, tls, window=0)) as connection:
            for _ in range(20):
                way(connection)
            time.sleep(0.5)


def main(address: str, *files: str) -> None:
    """Every way at the same time."""
    threads = [
        threading.Thread(target=harass, args=(address, TlsConfig(*map(Path, files)), way), daemon=True) for way in WAYS
    ]
    for thread in threads:
        thread.start()
    print("holding", flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
