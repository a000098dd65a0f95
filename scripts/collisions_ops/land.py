"""scripts/land: put published files into the cluster's landing zone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from collisions_ops.airflow_api import Airflow
from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG
from stages.lake import keys


def land(cluster: Cluster, console: Console, dataset: str, files: Sequence[Path]) -> None:
    """Put files into landing, each with its time of modification as its extraction time; switch the DAG on."""
    check_files(files)
    dataset = dataset or only_dataset()
    from stages.errors import StageError
    from stages.lake.store import open_store
    from stages.settings import Settings

    lake = cluster.lake_environment()
    others = {name: value for name, value in cluster.settings.environ.items() if not name.startswith("COLLISIONS_")}
    try:
        store = open_store(Settings.from_environment(others | lake))
        for file in files:
            extracted_at = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat()
            key = keys.landing(dataset) + file.name
            with console.waiting(key):
                store.put(key, file, metadata={"extracted-at": extracted_at})
            console.print(f"{key}   {file.stat().st_size:,} bytes, extracted at {extracted_at[:19]}Z")
    except StageError as error:
        raise OpsError(str(error)) from None
    airflow = Airflow.on(cluster)
    if airflow.switch_on():
        console.print(f"{DAG} is now on: it runs daily, starting at once; {airflow.address}")


def only_dataset() -> str:
    """The dataset of files where none is named; raises OpsError where there are several."""
    from stages.datasets import names

    first, *others = names()
    if others:
        raise OpsError(f"there are several datasets; say which: --dataset {'|'.join(names())}")
    return first


def check_files(files: Sequence[Path]) -> None:
    """Raise OpsError where a file cannot be landed."""
    for file in files:
        if not (file.is_file() and os.access(file, os.R_OK)):
            raise OpsError(f"no such file, or not readable: {file}")
        if not keys.is_csv(file.name):
            raise OpsError(f"not a .csv or .csv.gz file: {file}")
    twice = [name for name, count in Counter(file.name for file in files).items() if count > 1]
    if twice:
        raise OpsError(f"two files of the same name would land as one: {', '.join(sorted(twice))}")
