"""The lake's layout: the keys of its objects."""

from __future__ import annotations

import re
from hashlib import sha256

WAREHOUSE = "warehouse/collisions.duckdb"
WAREHOUSE_LOG = f"{WAREHOUSE}.wal"  # left by a program that wrote to the published file: no part of the next one
REPORT = "reports/collisions.html"
RUNS = "_runs/"
FAILED = "failed"  # in a run's folder
LONGEST_NAME = 200  # a file system takes 255 bytes, and a key's part has a suffix
FAILED_CHECKS = "quarantine/checks/"


def landing(dataset: str) -> str:
    """Prefix of a dataset's landed files."""
    return f"landing/{dataset}/"


def is_csv(name: str) -> bool:
    """Whether a landed file's name says that it is a CSV, compressed or not; other files are left alone."""
    return name.lower().endswith((".csv", ".csv.gz"))


def source(name: str) -> str:
    """A landed file's name as a source, which is a part of the keys of what is made of it."""
    return safe_name(name.removesuffix(".csv"))


def layer(name: str, table: str) -> str:
    """Prefix of a table's month partitions in the layer `raw`, `clean` or `curated`."""
    return f"{name}/{table}/"


def partition(name: str, table: str, month: str, part: str = "data") -> str:
    """Key of one month's partition (`month` is YYYY-MM); raw has one part per source, the other layers a single one."""
    return f"{layer(name, table)}crash_month={month}/{part}.parquet"


def sources(dataset: str) -> str:
    """Key of the record of what the raw layer holds of each landed file."""
    return f"{layer('raw', dataset)}_sources.json"


def quarantined(stage: str, dataset: str) -> str:
    """Prefix of the rows that a stage rejected."""
    return f"quarantine/{stage}/{dataset}/"


def quarantine(stage: str, dataset: str, part: str) -> str:
    """Key of the rows that a stage rejected: by source in ingest_raw, by month in transform_clean."""
    return f"{quarantined(stage, dataset)}{part}.parquet"


def failed_check(name: str) -> str:
    """Key of the first rows that fail a check of the warehouse."""
    return f"{FAILED_CHECKS}{name}.parquet"


def manifest(run_id: str, stage: str, dataset: str, span: str = "") -> str:
    """Key of the record of what a stage of a run did with a dataset, or with a chunk of it (its span of months)."""
    return f"{manifests(run_id, stage, dataset)}{span}.json" if span else f"{run(run_id)}{stage}/{dataset}.json"


def manifests(run_id: str, stage: str, dataset: str) -> str:
    """Prefix of the records of a stage's chunks."""
    return f"{run(run_id)}{stage}/{dataset}/"


def is_manifest(key: str) -> bool:
    """Whether a run's object is a manifest: its failures lie beside these, and have no suffix."""
    return key.endswith(".json")


def failure(run_id: str, stage: str, chunk: str = "") -> str:
    """Key of the record of how a stage of a run, or a chunk of it, last failed."""
    return f"{run(run_id)}{FAILED}/{stage}/{safe_name(chunk.replace(',', '+')) if chunk else 'all'}"


def fetched_pages(dataset: str, run_id: str = "", what: str = "") -> str:
    """Prefix of the pages that runs are fetching of a dataset: all of them, or one run's of one extraction."""
    parts = [dataset, *(safe_name(part) for part in (run_id, what) if part)]
    return f"_fetch/{'/'.join(parts)}/"


def fetched(dataset: str) -> str:
    """Key of the journal of what was fetched of a dataset."""
    return f"_fetch/{dataset}.json"


def run(run_id: str) -> str:
    """Prefix of the records of a run's stages."""
    return f"{RUNS}{safe_name(run_id)}/"


def month_of(key: str) -> str | None:
    """The month of a partition's key, or None where the key is not a partition's."""
    found = re.search(r"/crash_month=(\d{4}-\d{2})/", key)
    return found[1] if found else None


def part_of(key: str) -> str:
    """The part of a partition's key: in raw, the source."""
    return key.rpartition("/")[2].removesuffix(".parquet")


def safe_name(text: str) -> str:
    """`text` as one part of a key: characters outside A-Z a-z 0-9 . _ : + - become `_` and what a file system would
    find too long is cut, with a hash that keeps names apart.
    """
    safe = re.sub(r"[^A-Za-z0-9._:+-]", "_", text)[:LONGEST_NAME]
    return safe if safe == text and not text.startswith(".") else f"x{safe}-{sha256(text.encode()).hexdigest()[:8]}"
