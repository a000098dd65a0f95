"""scripts/fetch: what a run would fetch from the city's API, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from collisions_ops.cluster import Cluster, lake_environment
from collisions_ops.errors import OpsError
from collisions_ops.params import check_datasets, check_dates
from collisions_ops.settings import Settings as OpsSettings
from stages import datasets, logs
from stages.errors import StageError
from stages.lake.job import Run
from stages.lake.scope import Scope, run_id_by_hand
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
    years: Sequence[int] = (),
    whole: bool = False,
    dry_run: bool = False,
) -> None:
    """Fetch the dates [start, end), the years, or the whole table, of the named datasets (or all) into landing.

    The lake is the embedded one, or `cluster`'s. Raises OpsError where the call is wrong or the fetch fails.
    """
    check_dates(start, end, years)
    check_datasets(names)
    if not whole and start is None and not years:
        raise OpsError(
            "say which dates: --start YYYY-MM-DD [--end YYYY-MM-DD], --years YYYY,YYYY, or --all for the whole table"
        )
    scope, also = Scope.of_years(years) if years else (Scope(start, end), frozenset[str]())
    environ = lake_environment(settings, cluster)
    logs.set_up()
    try:
        stated = Settings.from_environment(environ | {"COLLISIONS_SOURCE": "socrata"})
        run_id = run_id_by_hand(start, end, years)
        run = Run(open_store(stated), stated, scope, run_id, full_refresh=whole, also=also)
        for dataset in datasets.registry():
            if not names or dataset.name in names:
                fetch_dataset(run, dataset, dry_run=dry_run)
    except StageError as error:
        raise OpsError(str(error)) from None
