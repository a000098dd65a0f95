"""Waits: each has a limit and says what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable

from collisions_ops.errors import OpsError

POLL_SECONDS = 0.2


def until(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Wait until `condition` is true; raises OpsError, which says `what` was awaited, after that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise OpsError(f"timed out after {seconds:.0f} s waiting until {what}")
        time.sleep(POLL_SECONDS)
