"""A stage's output: level-prefixed lines on standard error, and a progress bar on a terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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


@contextmanager
def counter(total: int, what: str, unit: str = "row") -> Iterator[Callable[[int], None]]:
    """A function to call with how many of `total` are done: on a terminal a bar with rate and time left, else a log
    line for every tenth.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, desc=what, unit=unit, unit_scale=True, leave=False, file=sys.stderr) as bar:

            def show(done: int) -> None:
                bar.update(done - bar.n)

            yield show
        return
    began, said = time.monotonic(), 0

    def tell(done: int) -> None:
        nonlocal said
        tenth = 10 * done // max(total, 1)
        if said < tenth < 10:
            said = tenth
            seconds = time.monotonic() - began
            rate = done / max(seconds, 0.001)
            log.info(
                "%s: %s of %s %ss, %s a second, %.0f s left",
                *(what, f"{done:,}", f"{total:,}", unit, f"{rate:,.0f}", (total - done) / rate),
            )

    yield tell


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "row"), counted(4150, "row")
    ('1 row', '4,150 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to add to an error about an unknown name: the known one that is most like it, if any is.

    >>> did_you_mean("year", ["start", "years"]), did_you_mean("x", ["start"])
    (' (did you mean years?)', '')
    """
    from difflib import get_close_matches  # for an error alone

    likely = get_close_matches(name, known, n=1)
    return f" (did you mean {likely[0]}?)" if likely else ""


def human_bytes(count: int) -> str:
    """`1234567` → `1.2 MB` (powers of ten)."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
