"""Ports for servers that a test starts: below those that the system gives away, so that none is taken meanwhile."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import count

FIRST, EACH = 12_000, 1_000  # for each of up to 16 processes that test at once
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
_ports = count(FIRST + EACH * _process + os.getpid() % (EACH // 2))


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and no other call gives."""
    found: list[int] = []
    while len(found) < number:
        port = next(_ports)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]
