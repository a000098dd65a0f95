"""Work on many partitions at once, on the cores that this process may use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


BATCH_BYTES = 7_000_000  # of parquet: some 150,000 rows, enough for whole columns to be worth the call


def workers() -> int:
    """Threads worth having: the cores of this process, at most four; Arrow's work runs outside Python's lock."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4)


def batches(sizes: dict[A, int], limit: int) -> list[list[A]]:
    """Group neighbours so that no group is larger than `limit`, but for one that is larger by itself."""
    groups: list[list[A]] = []
    room = 0
    for item, size in sizes.items():
        if not groups or size > room:
            groups.append([])
            room = limit
        groups[-1].append(item)
        room -= size
    return groups


def parallel(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Yield `function(item)` in the order of the items.

    Items are drawn only as workers come free, so that few are in memory; the first error ends the work.
    """
    with ThreadPoolExecutor(workers()) as pool:
        waiting: deque[Future[B]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
