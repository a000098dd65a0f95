"""A stage's output: level-prefixed lines on standard error, and a progress bar on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger("stages")


def set_up() -> None:
    """Log `LEVEL: message` lines to standard error; the prefix is what Airflow's UI takes the level from."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def progress(items: Iterable[T], total: int, what: str, unit: str = "month") -> Iterable[T]:
    """Pass `items` through, with a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, total=total, desc=what, unit=unit, leave=False, file=sys.stderr)


def human_bytes(count: int) -> str:
    """`1234567` → `1.2 MB` (powers of ten)."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
