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
from collisions_ops.shell import paste
from stages.lake import keys


def land(cluster: Cluster, console: Console, dataset: str, files: Sequence[Path]) -> None:
    """Put files into landing, each with its time of modification as its extraction time; switch the DAG on."""
    check_files(files)
    otherwise = "; scripts/land --dataset NAME lands it all the same"
    of = {file: dataset or dataset_of(file, otherwise) for file in files}
    from stages.errors import StageError
    from stages.lake.store import open_store
    from stages.settings import Settings

    lake = cluster.lake_environment()
    others = {name: value for name, value in cluster.settings.environ.items() if not name.startswith("COLLISIONS_")}
    try:
        store = open_store(Settings.from_environment(others | lake))
        for file in files:
            extracted_at = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat()
            key = keys.landing(of[file]) + file.name
            with console.waiting(key):
                store.put(key, file, metadata={"extracted-at": extracted_at})
            console.print(f"{key}   {file.stat().st_size:,} bytes, extracted at {extracted_at[:19]}Z")
    except StageError as error:
        raise OpsError(str(error)) from None
    airflow = Airflow.on(cluster)
    if airflow.switch_on():
        console.print(f"{DAG} is now on: it runs daily, starting at once; {airflow.address}")


def dataset_of(file: Path, otherwise: str = "") -> str:
    """The dataset whose header a file has; raises OpsError where it has none's (and what can be done `otherwise`), or
    one that ingest_raw would refuse.
    """
    from stages.datasets import registry
    from stages.errors import StageError
    from stages.landing import header
    from stages.landing.content import opened

    try:
        with opened(str(file), file) as content:
            fields = header.read_fields(str(file), content)
        if found := header.dataset_of(fields, registry()):
            with opened(str(file), file) as content:
                header.read_header(str(file), content, found)
            return found.name
    except StageError as error:
        raise OpsError(str(error)) from None
    theirs = [f"  {dataset.name}: {header.shortened([*next(iter(dataset.forms.values()))])}" for dataset in registry()]
    raise OpsError(
        f"{file}: its first line ({header.shortened(fields)}) is the header of none of the datasets{otherwise}."
        " Theirs are\n" + "\n".join(theirs)
    )


def check_files(files: Sequence[Path]) -> None:
    """Raise OpsError where a file cannot be landed."""
    for file in files:
        if file.is_dir():
            raise OpsError(f"a folder, not a file: {file}; name the files in it, as in {paste(file)}/*.csv")
        if str(file).startswith(("http:/", "https:/")):  # a Path has one slash of the two
            raise OpsError(f"an address, not a file: {file}; download it, or let scripts/fetch ask the city's API")
        if not (file.is_file() and os.access(file, os.R_OK)):
            raise OpsError(f"no such file, or not readable: {file}")
        if not keys.is_csv(file.name):
            unpack = "; unpack it first" if file.suffix.lower() in {".zip", ".7z", ".xz", ".bz2", ".zst"} else ""
            raise OpsError(f"not a .csv or .csv.gz file: {file}{unpack}")
    twice = [name for name, count in Counter(file.name for file in files).items() if count > 1]
    if twice:
        raise OpsError(f"two files of the same name would land as one: {', '.join(sorted(twice))}")
