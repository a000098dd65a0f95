"""The warehouse's database file in the making: from the published one by months, or whole from the curated layer."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import duckdb

from stages.datasets.dataset import Dataset
from stages.errors import ContractError, ObjectMissing, StageError
from stages.lake import keys
from stages.lake.job import Job
from stages.lake.ledger import Ledger
from stages.lake.parquet import read_column
from stages.lake.scope import spans
from stages.lake.sources import Source, carries, load_sources
from stages.lake.store import ObjectInfo, ObjectStore
from stages.logs import log
from stages.parallel import parallel
from stages.warehouse.build import Failure, build, check, open_warehouse, read_curated
from stages.warehouse.layer import CuratedLayer, month_number
from stages.warehouse.models import OWN, checks, models
from stages.warehouse.record import record_contents, record_job, record_runs, record_sources, renew
from stages.warehouse.revisions import record_revisions
from stages.warehouse.steps import (
    MOST_CHANGED,
    BuildWhole,
    Steps,
    changed_partitions,
    fingerprint,
    months_of_versions,
    read_changed,
    record_origin,
    record_size,
)

STAGE = "model_analytics"
T = TypeVar("T")
Made = tuple[dict[Dataset, Ledger], list[Failure]]  # each dataset's ledger, and the checks that failed


@dataclass
class Making(Generic[T]):
    """The database file in the making: where it is, whose rows it gets, and what the runs before have recorded.

    `read` is called with a connection while the tables are checked; what it makes of them is in `reading`.
    """

    built: Path
    jobs: dict[Dataset, Job]
    layer: CuratedLayer
    manifests: list[dict[str, Any]]
    read: Callable[[duckdb.DuckDBPyConnection], T]
    reading: Future[T] = field(init=False)

    def __post_init__(self) -> None:
        """Read the SQL files."""
        folders = [OWN, *(dataset.sql for dataset in self.jobs if dataset.sql)]
        made = models(folders)
        self.meta = [model for model in made if model.kind == "meta"]
        self.models = [model for model in made if model.kind != "meta"]
        self.checks = checks(folders)
        self.made_by = fingerprint(made, self.jobs)

    def make(self, published: ObjectInfo | None, *, trusted: bool, full_refresh: bool) -> Made:
        """Build and check the file: from the published one, if it is `trusted` and little has changed, or whole;
        the log says which.
        """
        if full_refresh:
            log.info("%s: building the whole warehouse: the run asks for it", STAGE)
        elif made := self.by_steps(published, trusted=trusted):
            return made
        return self.whole()

    def whole(self) -> Made:
        """Build and check the file from every curated partition."""
        self._remove()
        with self._open() as warehouse:
            build(warehouse, self.meta)
            for dataset in self.jobs:
                versions = self.layer.versions(dataset)
                read_curated(warehouse, versions)
                record_contents(warehouse, dataset.name, versions)
                record_revisions(warehouse, dataset, versions, partial(self.layer.newest, dataset))
            self._record_past(warehouse)
            build(warehouse, self.models)
            return self._complete(warehouse)

    def by_steps(self, published: ObjectInfo | None, *, trusted: bool) -> Made | None:
        """Bring a copy of the published file up to date and check it; None where it is to be built whole. A failure
        here is not believed before it is seen whole.
        """
        try:
            if published is None:
                raise BuildWhole("there is none yet")
            if not trusted:
                raise BuildWhole("no finished run has published the one that is there")
            with self.layer.store.local(published.key) as path:
                shutil.copyfile(path, self.built)
            with self._open() as warehouse:
                made = self._update(warehouse)
            errors = [failure.check.title for failure in made[1] if failure.check.severity == "error"]
            if not errors:
                return made
            reason = f"brought up to date by months, it fails checks: {'; '.join(errors)}"
        except BuildWhole as why:
            log.info("%s: building the whole warehouse: %s", STAGE, why)
            return None
        except ObjectMissing:
            raise
        except (StageError, duckdb.Error) as error:
            reason = str(error)
        log.warning("%s: building the whole warehouse: %s", STAGE, reason)
        return None

    def _update(self, warehouse: duckdb.DuckDBPyConnection) -> Made:
        layer, datasets = self.layer, list(self.jobs)
        tables = {table.name: dataset.name for dataset in datasets for table in dataset.tables}
        steps = Steps(self.models, self.checks, tables)
        found = changed_partitions(warehouse, self.made_by, layer.etags, self.built.stat().st_size)
        changed = {month_number(key) for key in found}
        _check_share(layer.share(changed))
        concerned = set(changed)
        for dataset in datasets:
            concerned |= months_of_versions(warehouse, layer.versions(dataset, changed), changed)
        names = spans({keys.month_of(key) or "" for key in found}) if found else "nothing"
        log.info("%s: changed since the published one: %s; months to rebuild: %d", STAGE, names, len(concerned))
        _check_share(layer.share(concerned))
        for dataset in datasets:
            versions = layer.versions(dataset, concerned)
            read_changed(warehouse, dataset.name, versions, changed, concerned)
            record_contents(warehouse, dataset.name, versions)
            touched = f"touched_{versions.first}"
            record_revisions(warehouse, dataset, versions, partial(layer.newest, dataset), touched)
            warehouse.execute(f"drop table {touched}")
        renew(warehouse, self.meta)
        self._record_past(warehouse)
        steps.rebuild_months(warehouse, concerned)
        for dataset in datasets:
            steps.show_whole(warehouse, layer.versions(dataset, only=steps.read_whole))
        steps.rebuild_others(warehouse)
        return self._complete(warehouse)

    def _open(self) -> duckdb.DuckDBPyConnection:
        return open_warehouse(self.built, self.built.with_name("spill"))

    def _remove(self) -> None:
        for path in (self.built, Path(f"{self.built}.wal")):
            path.unlink(missing_ok=True)

    def _record_past(self, warehouse: duckdb.DuckDBPyConnection) -> None:
        """Fill the meta tables with what the runs have recorded; meta_contents must be filled."""
        record_runs(warehouse, self.manifests)
        for dataset, job in self.jobs.items():
            landed = load_sources(job.store, dataset.name)[0]
            sources = waiting(job.run.run_id, dataset.name, landed, self.manifests)
            record_sources(warehouse, dataset.name, sources.values(), rejected_by_source(job.store, dataset.name))

    def _complete(self, warehouse: duckdb.DuckDBPyConnection) -> Made:
        """Check the tables, record this run and what the file is built from, and write all into the one file."""
        ledgers = {dataset: ledger_of(warehouse, dataset) for dataset in self.jobs}
        for dataset, job in self.jobs.items():
            ledgers[dataset].check(job.what)  # here, for what fails by months is built whole
            job.rules.clear()
            if ledgers[dataset].superseded:
                job.rules["superseded_in_another_month"] = ledgers[dataset].superseded
        with warehouse.cursor() as cursor, ThreadPoolExecutor(max_workers=1) as beside:
            self.reading = beside.submit(self.read, cursor)
            failures = check(warehouse, self.checks)
        for dataset, job in self.jobs.items():
            if job.inputs:
                record_job(warehouse, job, ledgers[dataset])
        record_origin(warehouse, self.made_by, self.layer.etags)
        warehouse.execute("checkpoint")  # into the one file; closing would do so too, but hide a failure
        if record_size(warehouse, self.built.stat().st_size):
            warehouse.execute("checkpoint")
        if Path(f"{self.built}.wal").exists():
            raise ContractError(f"{STAGE}: {self.built} was not written completely; nothing is published")
        return ledgers, failures


def _check_share(share: float) -> None:
    if share > MOST_CHANGED:
        raise BuildWhole(f"the months to rebuild hold {share:.0%} of the curated layer")


def ledger_of(warehouse: duckdb.DuckDBPyConnection, dataset: Dataset) -> Ledger:
    """What became of the rows of a dataset's first curated table."""
    table = dataset.tables[0].name
    row = warehouse.execute(
        f"select (select count(*) from records_{table}), (select count(*) from superseded_{table}),"
        " (select coalesce(sum(rows), 0)::bigint from meta_contents where dataset = ?)",
        [dataset.name],
    ).fetchone()
    assert row is not None
    return Ledger(rows_in=row[0], rows_out=row[2], superseded=row[1])


def waiting(
    run_id: str, dataset: str, sources: dict[str, Source], manifests: Iterable[dict[str, Any]]
) -> dict[str, Source]:
    """The sources, with only those months pending that neither this run nor a finished one has carried on; these are
    logged, for the warehouse may hold a part of them.
    """
    finished = {it["run_id"]: it for it in manifests if (it["stage"], it["dataset"]) == (STAGE, dataset)}
    found = {}
    for name, source in sources.items():
        pending = {
            month: run
            for month, run in source.pending.items()
            if run != run_id and not carries(finished.get(run), month)
        }
        for run in sorted(set(pending.values()) - {""}):
            months = [month for month in pending if pending[month] == run]
            log.warning(
                "%s: %s of %s: changed by run %s, which failed or still runs; the warehouse may hold a part of that."
                " The next scheduled run takes it in, as does one over these months",
                *(STAGE, spans(months), source.key, run),
            )
        found[name] = replace(source, pending=pending)
    return found


def rejected_by_source(store: ObjectStore, dataset: str) -> Counter[str]:
    """Rows of each landed file that transform_clean has rejected, as its quarantine holds them."""
    found: Counter[str] = Counter()
    kept = [info.key for info in store.list(keys.quarantined("transform_clean", dataset))]
    for content in parallel(store.read, kept):
        found.update(read_column(content, "source").to_pylist())
    return found
