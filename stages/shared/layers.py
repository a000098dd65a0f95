"""The lake's layout: every object key is made here, and the scope of a run says which month partitions it touches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

WAREHOUSE = "warehouse/collisions.duckdb"
RUNS = "_runs/"


def landing(dataset: str) -> str:
    """Prefix of a dataset's landed files."""
    return f"landing/{dataset}/"


def layer(name: str, table: str) -> str:
    """Prefix of a table's month partitions in the layer `raw`, `clean` or `curated`."""
    return f"{name}/{table}/"


def partition(name: str, table: str, month: str, part: str = "data") -> str:
    """Key of one month's partition (`month` is YYYY-MM); raw has a part for each source, the other layers one."""
    return f"{layer(name, table)}crash_month={month}/{part}.parquet"


def sources(dataset: str) -> str:
    """Key of the record of what the raw layer holds of each landed file."""
    return f"{layer('raw', dataset)}_sources.json"


def quarantined(stage: str, dataset: str) -> str:
    """Prefix of the rows that a stage turned away."""
    return f"quarantine/{stage}/{dataset}/"


def quarantine(stage: str, dataset: str, part: str) -> str:
    """Key of the rows that a stage turned away: by source in ingest_raw, by month later."""
    return f"{quarantined(stage, dataset)}{part}.parquet"


def manifest(run_id: str, stage: str, dataset: str) -> str:
    """Key of what a stage of a run says it has done."""
    return f"{RUNS}{safe_name(run_id)}/{stage}/{dataset}.json"


def month_of(key: str) -> str | None:
    """The month of a partition's key, or None where the key is no partition's."""
    found = re.search(r"/crash_month=(\d{4}-\d{2})/", key)
    return found[1] if found else None


def month_code(month: str) -> int:
    """`YYYY-MM` → a number that counts months, for arithmetic on whole columns."""
    return int(month[:4]) * 12 + int(month[5:]) - 1


def month_name(code: int) -> str:
    """The month of a `month_code`."""
    return f"{code // 12:04d}-{code % 12 + 1:02d}"


def safe_name(text: str) -> str:
    """`text` as one part of a key: characters outside A-Z a-z 0-9 . _ : + - become `_`, with a hash that keeps names
    apart.
    """
    safe = re.sub(r"[^A-Za-z0-9._:+-]", "_", text)
    return safe if safe == text and not text.startswith(".") else f"x{safe}-{sha256(text.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Scope:
    """Half-open range of crash dates `[start, end)`; None is an open end, so that Scope() is everything."""

    start: date | None = None
    end: date | None = None

    def touches(self, month: str) -> bool:
        """Whether any day of the month (YYYY-MM) lies in the range."""
        return (self.start is None or month >= f"{self.start:%Y-%m}") and (
            self.end is None or f"{month}-01" < self.end.isoformat()
        )

    def __str__(self) -> str:
        if self == Scope():
            return "everything"
        return f"[{self.start or '…'}, {self.end or '…'})"
