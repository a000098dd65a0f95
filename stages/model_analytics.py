"""curated → warehouse: facts, dimensions and the pipeline's own record, built on local disk, checked, published whole.

The warehouse is always built from every curated partition of every dataset, whatever the scope of the run: it is a
function of the curated layer and of the runs' manifests, never of the warehouse before it.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from stages.datasets.dataset import Dataset
from stages.errors import ContractError, ObjectMissing, StageError, TransientError
from stages.lake import keys
from stages.lake.job import Job, Output, Run
from stages.lake.ledger import Ledger
from stages.lake.parquet import made_by, to_parquet
from stages.lake.scope import spans, whole_months
from stages.lake.sources import Source, carries, load_sources
from stages.lake.store import ObjectInfo, ObjectStore
from stages.logs import log, progress
from stages.parallel import parallel
from stages.warehouse.build import Curated, Failure, Versions, build, check, open_warehouse, read_curated
from stages.warehouse.models import OWN, checks, models
from stages.warehouse.record import record_contents, record_job, record_runs, record_sources
from stages.warehouse.shrink import losses

STAGE = "model_analytics"


def run(this: Run, datasets: Sequence[Dataset]) -> None:
    """Build the warehouse of all datasets from the curated layer, and publish it unless another run has meanwhile."""
    store = this.store
    jobs = {dataset: Job.begin(this, STAGE, dataset.name) for dataset in datasets}
    worked_on = {info.key.rpartition("/")[2] for info in store.list(keys.run(this.run_id))}
    for dataset, job in jobs.items():
        if f"{dataset.name}.json" in worked_on or not worked_on:
            job.follow("transform_curated")
            job.require("curated", [table.name for table in dataset.tables])
    manifests = read_manifests(store, {job.manifest_key for job in jobs.values()})
    published = store.head(keys.WAREHOUSE)  # before the layer is listed: what is built is at least as new
    listed = {dataset: list_curated(store, dataset) for dataset in datasets}
    if not any(objects for tables in listed.values() for objects in tables.values()):
        log.warning("%s: the curated layer is empty: no run has had rows in its scope; nothing to publish", STAGE)
        for job in jobs.values():
            job.finish(Ledger())
        return
    for dataset, job in jobs.items():
        job.inputs = etags(listed[dataset])
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="collisions-")))

        def local(info: ObjectInfo) -> Path:
            return stack.enter_context(store.local(info.key))  # type: ignore[no-any-return]

        built = scratch / "collisions.duckdb"
        with undisturbed(jobs):
            curated = {
                dataset: {
                    table: dict(zip(infos, fetched(infos, local, table), strict=True))
                    for table, infos in tables.items()
                }
                for dataset, tables in listed.items()
            }
            for dataset, tables in curated.items():
                check_current(dataset, tables)
            ledgers, failures = make(built, scratch / "spill", jobs, curated, manifests)
        report(store, failures)
        if published and not this.allow_shrink:
            rows = {dataset.name: ledger.rows_out for dataset, ledger in ledgers.items()}
            check_shrink(this, built, published, rows, rows_of(published, manifests))
        store.delete(keys.WAREHOUSE_LOG)
        etag = store.put(keys.WAREHOUSE, built, expect=published.etag if published else None)
        size = built.stat().st_size
    for dataset, job in jobs.items():
        job.outputs = [Output(keys.WAREHOUSE, etag, ledgers[dataset].rows_out, size)]
        job.finish(ledgers[dataset])
    log.info("%s: published %s", STAGE, store.describe(keys.WAREHOUSE))


def fetched(infos: list[ObjectInfo], local: Callable[[ObjectInfo], Path], table: str) -> Iterable[Path]:
    """The objects as local files, in their order."""
    return progress(parallel(local, infos), len(infos), f"fetch {table}", "file")


def list_curated(store: ObjectStore, dataset: Dataset) -> dict[str, list[ObjectInfo]]:
    """A dataset's curated objects, by table."""
    return {table.name: store.list(keys.layer("curated", table.name)) for table in dataset.tables}


def etags(tables: dict[str, list[ObjectInfo]]) -> dict[str, str]:
    """Key → ETag of objects by table."""
    return {info.key: info.etag for infos in tables.values() for info in infos}


def check_current(dataset: Dataset, tables: dict[str, dict[ObjectInfo, Path]]) -> None:
    """Raise ContractError where partitions were made by older rules: they lie outside the scope of this run."""
    stale = {
        keys.month_of(info.key) or ""
        for files in tables.values()
        for info, path in files.items()
        if made_by(path) != dataset.made_by
    }
    if stale:
        scope = whole_months(list(stale))
        raise ContractError(
            f"{STAGE}: {len(stale)} months of {dataset.name} from {min(stale)} to {max(stale)} were made by an older"
            f" version of the code and are outside this run; nothing is published. A run with"
            f" --start={scope.start} --end={scope.end} remakes them, and so does one without dates"
        )


def make(
    built: Path,
    scratch: Path,
    jobs: dict[Dataset, Job],
    curated: dict[Dataset, dict[str, dict[ObjectInfo, Path]]],
    manifests: list[dict[str, Any]],
) -> tuple[dict[Dataset, Ledger], list[Failure]]:
    """Build and check the database file; returns each dataset's ledger, and the checks that failed."""
    folders = [OWN, *(dataset.sql for dataset in jobs if dataset.sql)]
    made = models(folders)
    meta, others = ([model for model in made if (model.kind == "meta") == is_meta] for is_meta in (True, False))
    first = next(iter(jobs.values()))
    this_run = first.run.run_id
    with open_warehouse(built, scratch) as warehouse:
        build(warehouse, meta)
        record_runs(warehouse, manifests)
        for dataset, tables in curated.items():
            files = [Curated(table.name, table.schema, list(tables[table.name].values())) for table in dataset.tables]
            read_curated(warehouse, Versions(dataset.key, dataset.date, files))
            record_contents(warehouse, dataset.name, dataset.tables[0].name, dataset.date)
            sources = waiting(this_run, dataset.name, load_sources(first.store, dataset.name)[0], manifests)
            record_sources(warehouse, dataset.name, sources.values(), rejected_by_source(first.store, dataset.name))
        build(warehouse, others)
        ledgers = {dataset: ledger_of(warehouse, dataset) for dataset in jobs}
        for dataset, job in jobs.items():
            if ledgers[dataset].superseded:
                job.rules["superseded_in_another_month"] = ledgers[dataset].superseded
        failures = check(warehouse, checks(folders))
        for dataset, job in jobs.items():
            record_job(warehouse, job, ledgers[dataset])
        warehouse.execute("checkpoint")  # into the one file; closing would do so too, but hide a failure
    if Path(f"{built}.wal").exists():
        raise ContractError(f"{STAGE}: {built} was not written completely; nothing is published")
    return ledgers, failures


def ledger_of(warehouse: duckdb.DuckDBPyConnection, dataset: Dataset) -> Ledger:
    """What became of the rows of a dataset's first curated table."""
    table = dataset.tables[0].name
    counts = [f"(select count(*) from {prefix}_{table})" for prefix in ("curated", "newest", "superseded")]
    row = warehouse.execute(f"select {', '.join(counts)}").fetchone()
    assert row is not None
    return Ledger(rows_in=row[0], rows_out=row[1], superseded=row[2])


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
                "%s: %s of %s: changed by run %s, which has not finished; the warehouse may hold a part of that. The"
                " next scheduled run takes it in, as does one over these months",
                *(STAGE, spans(months), source.key, run),
            )
        found[name] = replace(source, pending=pending)
    return found


def rejected_by_source(store: ObjectStore, dataset: str) -> Counter[str]:
    """Rows of each landed file that transform_clean has rejected, as its quarantine holds them."""
    found: Counter[str] = Counter()
    kept = [info.key for info in store.list(keys.quarantined("transform_clean", dataset))]
    for content in parallel(store.read, kept):
        found.update(pq.read_table(io.BytesIO(content), columns=["source"])["source"].to_pylist())
    return found


def check_shrink(this: Run, built: Path, published: ObjectInfo, rows: dict[str, int], before: dict[str, int]) -> None:
    """Raise ContractError where a dataset has lost a larger share of its rows since `published` than is allowed.

    The published file is fetched only if the manifests lack its row counts (`before`) or show too large a loss.
    """
    limit = this.settings.max_shrink_ratio
    if before and all(rows.get(dataset, 0) >= (1 - limit) * count for dataset, count in before.items()):
        return
    with this.store.local(published.key) as path:
        try:
            lost = losses(built, path, limit)
        except duckdb.Error as error:
            log.warning("%s: the published warehouse cannot be read, so lost rows go unnoticed: %s", STAGE, error)
            return
    if lost:
        raise ContractError(
            f"{STAGE}: more rows lost than COLLISIONS_MAX_SHRINK_RATIO={limit:g} allows; nothing is published."
            f" {'. '.join(map(str, lost))}. Land what is missing again; if the loss is intended, run again with"
            " --allow-shrink (param allow_shrink)"
        )


def rows_of(published: ObjectInfo | None, manifests: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The published warehouse's rows by dataset, as the run that published it recorded them; {} where none did."""
    return {
        manifest["dataset"]: manifest["rows_out"]
        for manifest in manifests
        if published and any(output["etag"] == published.etag for output in manifest["outputs"])
    }


def report(store: ObjectStore, failures: list[Failure]) -> None:
    """Log the checks that failed and keep the first rows of each; raise ContractError where one of them is an error."""
    kept = {keys.failed_check(failure.check.name): failure for failure in failures}
    for info in store.list(keys.FAILED_CHECKS):
        if info.key not in kept:  # of an earlier build
            store.delete(info.key)
    for key, failure in kept.items():
        store.put(key, to_parquet(failure.rows))
        say = log.error if failure.check.severity == "error" else log.warning
        say(
            "check %s: %s: failing rows: %s; the first %d are in %s",
            *(failure.check.table, failure.check.title, f"{failure.count:,}", failure.rows.num_rows),
            store.describe(key),
        )
    errors = [failure.check for failure in failures if failure.check.severity == "error"]
    if errors:
        raise ContractError(
            "the warehouse fails checks and is not published:"
            f" {'; '.join(f'{check.table}: {check.title}' for check in errors)};"
            f" the failing rows are in {store.describe(keys.FAILED_CHECKS)}"
        )


def read_manifests(store: ObjectStore, but: set[str]) -> list[dict[str, Any]]:
    """Every stage's manifest of every run, except those in `but`: the current stage's, which is not done."""
    found = [info.key for info in store.list(keys.RUNS) if info.key.endswith(".json") and info.key not in but]
    return [json.loads(content) for content in parallel(store.read, found)]


@contextmanager
def undisturbed(jobs: dict[Dataset, Job]) -> Iterator[None]:
    """Raise TransientError if the curated layer changes meanwhile, or the disk is full.

    A build that overlaps another run's writes sees parts of two states: its result, good or bad, means nothing.
    """
    failed: Exception | None = None
    try:
        yield
    except ObjectMissing as error:
        raise TransientError(f"{error} any more: another run is writing; run again") from None
    except (StageError, duckdb.Error) as error:
        if "No space left on device" in str(error):
            raise TransientError(f"{error}; free some space, then run again") from None
        failed = error
    for dataset, job in jobs.items():
        if etags(list_curated(job.store, dataset)) != job.inputs:
            raise TransientError(
                f"{STAGE}: another run wrote the curated layer of {dataset.name} while the warehouse was built;"
                " nothing is published; run again"
            )
    if failed:
        raise failed
