"""Telling whoever started this process that it does its work now, by the protocol of systemd's `sd_notify(3)`.

The local stack's supervisor listens the same way, so that ``make up`` ends when the work can begin and not earlier.
"""

import os
import socket


def ready() -> None:
    """Say that this process is ready; nothing happens when nobody asked (NOTIFY_SOCKET is not set)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.sendto(b"READY=1", address)
