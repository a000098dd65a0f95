"""The lake forgets the records of old runs, and nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lake import Lake, WatchedStore

from stages.lake.retention import forget_runs
from stages.lake.store.folder import FolderStore

NOW = datetime(2033, 5, 18, tzinfo=UTC)


def put(store: FolderStore, root: Path, key: str, days_ago: float) -> None:
    """An object that was written some days ago."""
    store.delete(key)
    store.put(key, b"{}")
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(root / key, (moment, moment))


def test_a_run_is_forgotten_whole_once_its_last_stage_is_old(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, tmp_path, "_runs/old/ingest_raw/crashes.json", 95)
    put(store, tmp_path, "_runs/old/model_analytics/crashes.json", 91)
    put(store, tmp_path, "_runs/cleared/ingest_raw/crashes.json", 95)
    put(store, tmp_path, "_runs/cleared/model_analytics/crashes.json", 2)
    put(store, tmp_path, "curated/collisions/crash_month=2012-07/data.parquet", 400)
    assert forget_runs(store, 90, NOW) == 2
    assert [info.key for info in store.list("")] == [
        "_runs/cleared/ingest_raw/crashes.json",
        "_runs/cleared/model_analytics/crashes.json",
        "curated/collisions/crash_month=2012-07/data.parquet",
    ]


def test_a_bucket_forgets_as_a_folder_does(lake: Lake) -> None:
    lake.store.put("_runs/old/ingest_raw/crashes.json", b"{}")
    lake.store.put("curated/collisions/crash_month=2012-07/data.parquet", b"")
    assert forget_runs(lake.store, 90, datetime.now(UTC) + timedelta(days=91)) == 1
    assert lake.objects() == ["curated/collisions/crash_month=2012-07/data.parquet"]


def test_a_run_that_is_cleared_meanwhile_keeps_what_it_has_recorded_since(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, tmp_path, "_runs/cleared/ingest_raw/crashes.json", 95)
    put(store, tmp_path, "_runs/cleared/transform_clean/crashes.json", 95)
    watched = WatchedStore(
        store, "list", "_runs/", lambda: put(store, tmp_path, "_runs/cleared/ingest_raw/crashes.json", 0), after=True
    )
    assert forget_runs(watched, 90, NOW) == 1
    assert [info.key for info in store.list("")] == ["_runs/cleared/ingest_raw/crashes.json"]


def test_with_nothing_old_nothing_is_deleted(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store, tmp_path, "_runs/new/ingest_raw/crashes.json", 89)
    assert forget_runs(store, 90, NOW) == 0
