"""Telling the supervisor that this process is ready, by the protocol of systemd's `sd_notify(3)`.

The local stack's supervisor speaks it too, so ``make up`` ends only when work can begin.
"""

import os
import socket


def ready() -> None:
    """Report that this process is ready; does nothing unless NOTIFY_SOCKET is set."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.sendto(b"READY=1", address)
