"""A stack whose ports are in use says so before it starts anything."""

import socket
from pathlib import Path

import pytest

from deploy.local.bringup import require_free_ports
from deploy.local.layout import HOST, LocalError, Stack


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    stack = Stack("own", 29100, tmp_path)
    require_free_ports(stack)
    with socket.create_server((HOST, stack.port(20))), pytest.raises(LocalError, match="port 29120;"):
        require_free_ports(stack)
