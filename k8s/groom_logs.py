"""Delete Airflow's old task logs, and the oldest of the others once together they take too many bytes.

Runs beside the scheduler until it is told to end. Empty folders go with their last log.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DAY_SECONDS = 86_400
PAUSE_SECONDS = 60  # a task that logs without end fills a gibibyte no sooner
OPEN_SECONDS = 600  # a log that changed since then may be open: deleted, it would go on growing where nobody sees it


class LogFile(NamedTuple):
    """A log with the time of its last change, in seconds since the epoch, and its size in bytes."""

    changed: float
    size: int
    path: Path


def log_files(folder: Path) -> Iterator[LogFile]:
    """Every log below a folder; one that disappears meanwhile is left out."""
    for path in folder.rglob("*.log*"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if path.is_file() and not path.is_symlink():
            yield LogFile(found.st_mtime, found.st_size, path)


def surplus(files: list[LogFile], now: float, keep_days: float, keep_bytes: int) -> list[LogFile]:
    """The logs to delete: those unchanged for `keep_days`, then the oldest until the rest is within `keep_bytes`."""
    newest_first = sorted(files, reverse=True)
    kept = 0
    for number, file in enumerate(newest_first):
        kept += file.size
        if file.changed < now - keep_days * DAY_SECONDS or kept > keep_bytes:
            return newest_first[number:]
    return []


def groom(folder: Path, now: float, keep_days: float, keep_bytes: int) -> list[LogFile]:
    """Delete what is surplus below a folder, and the folders that are then empty; returns those logs.

    One that is still written, surplus only where it is too large by itself, is emptied instead.
    """
    deleted = surplus(list(log_files(folder)), now, keep_days, keep_bytes)
    for file in deleted:
        if file.changed > now - OPEN_SECONDS:
            os.truncate(file.path, 0)
            continue
        file.path.unlink(missing_ok=True)
        for parent in file.path.parents:
            if parent == folder or any(parent.iterdir()):
                break
            parent.rmdir()
    return deleted


def main() -> None:
    """Groom again and again, until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep-days", type=float, required=True)
    parser.add_argument("--keep-bytes", type=int, required=True)
    given = parser.parse_args()
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    while not end.is_set():
        try:
            deleted = groom(given.folder, time.time(), given.keep_days, given.keep_bytes)
            if deleted:
                print(f"deleted {len(deleted)} logs, {sum(file.size for file in deleted):,} bytes", flush=True)
        except OSError as error:  # a folder that was filled or removed meanwhile: the next round sees it as it is then
            print(f"WARNING: {error}", file=sys.stderr, flush=True)
        end.wait(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
