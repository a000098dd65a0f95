"""A run's work cut into chunks of about equal size, each with some months of some datasets.

A chunk is written `NAME:YYYY-MM..YYYY-MM`, first and last month, and several datasets with commas between; a name
alone is all of that dataset's months in the run.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

LONGEST = 3500  # bytes of all chunks as JSON: a container's termination message holds 4096
PART = re.compile(r"([a-z][a-z0-9_]*)(?::(\d{4}-\d{2}\.\.\d{4}-\d{2}))?")

Chunk = dict[str, str]  # dataset → its span (`2019-01..2020-06`), or "": all of its months


@dataclass(frozen=True)
class Bounds:
    """The months from `first` to before `end`; None is an open end."""

    first: str | None = None
    end: str | None = None

    def hold(self, month: str) -> bool:
        """Whether a month (YYYY-MM) lies between them."""
        return (self.first is None or month >= self.first) and (self.end is None or month < self.end)


def bounds(spans: Sequence[str], span: str) -> Bounds:
    """The months that a chunk answers for: from its first to the next chunk's, the first and the last without limit.

    So each month is in exactly one chunk, also one whose rows are all gone; ValueError if `span` is not in `spans`.
    """
    ordered = sorted(spans)
    at = ordered.index(span)
    first = span.partition("..")[0] if at else None
    return Bounds(first, ordered[at + 1].partition("..")[0] if at + 1 < len(ordered) else None)


def plan(sizes: Mapping[tuple[str, str], int], datasets: Iterable[str], limit: int) -> list[Chunk]:
    """Cut the work into the fewest chunks that are not much larger than `limit` bytes; always at least one.

    `sizes` has the bytes of each dataset and month in the order of work; a chunk is some neighbours of it. A dataset of
    `datasets` without months is in the first chunk. There are only as many chunks as fit into LONGEST.
    """
    count = max(1, ceil(sum(sizes.values()) / limit))
    while True:
        chunks = _cut(sizes, count)
        chunks[0] |= {name: "" for name in datasets if not any(name in chunk for chunk in chunks)}
        if count == 1 or len(json.dumps([text(chunk) for chunk in chunks])) <= LONGEST:
            return chunks
        count -= max(1, count // 8)


def _cut(sizes: Mapping[tuple[str, str], int], count: int) -> list[Chunk]:
    """At most `count` chunks of about equal size; each month goes to the chunk that holds its middle."""
    total, before = sum(sizes.values()), 0
    groups: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (dataset, month), size in sizes.items():
        place = (2 * before + size) * count // (2 * total) if total else 0
        groups[place][dataset].append(month)
        before += size
    chunks = [{name: f"{min(months)}..{max(months)}" for name, months in group.items()} for group in groups.values()]
    return chunks or [{}]


def text(chunk: Chunk) -> str:
    """A chunk as an argument: `NAME:2019-01..2020-06,OTHER`."""
    return ",".join(f"{name}:{span}" if span else name for name, span in chunk.items())


def parse(argument: str) -> Chunk:
    """The reverse of `text`; raises ValueError."""
    chunk: Chunk = {}
    for part in argument.split(","):
        found = PART.fullmatch(part)
        if not found or found[1] in chunk:
            raise ValueError(f"{argument!r} is not a chunk such as NAME:2019-01..2020-06,OTHER:2020-01..2020-06")
        chunk[found[1]] = found[2] or ""
    return chunk
