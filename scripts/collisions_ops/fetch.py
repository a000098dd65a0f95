"""scripts/fetch: what a run would fetch from the city's API, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from collisions_ops.cluster import Cluster
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings as OpsSettings
from stages import datasets, logs
from stages.errors import StageError
from stages.lake.job import Run
from stages.lake.scope import Scope
from stages.lake.store import open_store
from stages.landing.socrata.fetch import fetch as fetch_dataset
from stages.settings import Settings


def fetch(
    settings: OpsSettings,
    cluster: Cluster | None,
    start: date | None,
    end: date | None,
    names: Sequence[str],
    *,
    whole: bool = False,
    dry_run: bool = False,
) -> None:
    """Fetch the dates [start, end), or the whole table, of the named datasets (or all) into the lake's landing.

    The lake is the embedded one, or `cluster`'s. Raises OpsError where the call is wrong or the fetch fails.
    """
    if not whole and start is None:
        raise OpsError("say which dates: --start YYYY-MM-DD [--end YYYY-MM-DD], or --all for the whole table")
    if start and end and start >= end:
        raise OpsError(f"--start {start} is not before --end {end}, which is exclusive")
    unknown = sorted(set(names) - set(datasets.names()))
    if unknown:
        raise OpsError(f"there is no dataset {', '.join(unknown)}; choose from {', '.join(datasets.names())}")
    lake = cluster.lake_environment() if cluster else {"COLLISIONS_LAKE": settings.embedded_lake}
    logs.set_up()
    try:
        stated = Settings.from_environment({**settings.environ, **lake, "COLLISIONS_SOURCE": "socrata"})
        run_id = f"by-hand_{start or 'first'}_{end or 'last'}"
        run = Run(open_store(stated), stated, Scope(start, end), run_id, full_refresh=whole)
        for dataset in datasets.registry():
            if not names or dataset.name in names:
                fetch_dataset(run, dataset, dry_run=dry_run)
    except StageError as error:
        raise OpsError(str(error)) from None
