"""curated → warehouse: facts, dimensions and the pipeline's own record, built on local disk, checked, published whole.

The warehouse is a function of the whole curated layer and of the runs' manifests, whatever the scope of the run. Where
few months have changed since the published one was built, only these are rebuilt in a copy of it: the result is the
same as if it were built whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.compute as pc

from stages.datasets.dataset import Dataset
from stages.errors import ContractError, ObjectMissing, StageError, TransientError
from stages.lake import keys
from stages.lake.job import Job, Output, Run
from stages.lake.ledger import Ledger
from stages.lake.limits import check_spread
from stages.lake.manifests import merged, read_listed
from stages.lake.parquet import read_column, to_parquet
from stages.lake.retention import forget_runs
from stages.lake.store import ObjectInfo, ObjectStore
from stages.logs import counted, log
from stages.report import page
from stages.warehouse.build import Failure
from stages.warehouse.layer import CuratedLayer, etags, list_curated
from stages.warehouse.making import STAGE, Making
from stages.warehouse.shrink import losses


def run(this: Run, datasets: Sequence[Dataset]) -> dict[str, Any]:
    """Bring the warehouse of all datasets up to date with the curated layer, and publish it unless another run has
    meanwhile.

    Returns the run, its rows by dataset, and the newest date of any.
    """
    store = this.store
    published = store.head(keys.WAREHOUSE)  # before the layer is listed: what is built is at least as new
    recorded = read_manifests(store)
    rows_before = rows_of(published, recorded)
    manifests = [it for it in recorded if (it["run_id"], it["stage"]) != (this.run_id, STAGE)]
    jobs = {dataset: Job.begin(this, STAGE, dataset.name) for dataset in datasets}
    worked_on = {
        info.key.rpartition("/")[2] for info in store.list(keys.run(this.run_id)) if keys.is_manifest(info.key)
    }
    for dataset, job in jobs.items():
        if f"{dataset.name}.json" in worked_on or not worked_on:
            job.follow("transform_curated")
            job.require("curated", [table.name for table in dataset.tables])
            check_spread(this, "transform_clean", dataset)
    listed = {dataset: list_curated(store, dataset) for dataset in datasets}
    if not any(objects for tables in listed.values() for objects in tables.values()):
        log.warning("%s: the curated layer is empty: no run has had rows in its scope; nothing to publish", STAGE)
        for job in jobs.values():
            job.finish(Ledger())
        return {"run": this.run_id, "rows": {}, "newest_date": None}
    for dataset, job in jobs.items():
        job.inputs = etags(listed[dataset])
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="collisions-")))
        layer = CuratedLayer(store, listed, stack)
        making = Making(scratch / "collisions.duckdb", jobs, layer, manifests, read=page.count)
        with undisturbed(jobs):
            # what no finished run has published may have been written to by some other program
            trusted = bool(rows_before)
            ledgers, failures = making.make(published, trusted=trusted, full_refresh=this.full_refresh)
            newest = [day for dataset in datasets if (day := newest_date(store, dataset))]
        report(store, failures)
        built = making.built
        if published and not this.allow_shrink:
            rows = {dataset.name: ledger.rows_out for dataset, ledger in ledgers.items()}
            check_shrink(this, built, published, rows, rows_before)
        store.delete(keys.WAREHOUSE_LOG)
        with ThreadPoolExecutor(max_workers=1) as meanwhile:
            made = meanwhile.submit(make_report, built, making.reading, this)
            etag = store.put(keys.WAREHOUSE, built, expect=published.etag if published else None)
            for dataset, job in jobs.items():
                job.outputs = [Output(keys.WAREHOUSE, etag, ledgers[dataset].rows_out, built.stat().st_size)]
                job.finish(ledgers[dataset])
            log.info("%s: published %s", STAGE, store.describe(keys.WAREHOUSE))
        publish_report(store, made.result())
    if forgotten := forget_runs(store, this.settings.keep_runs_days, datetime.now(UTC)):
        records, days = counted(forgotten, "record"), counted(this.settings.keep_runs_days, "day")
        log.info("%s: removed %s of runs older than %s", STAGE, records, days)
    rows = {dataset.name: ledgers[dataset].rows_out for dataset in datasets}
    return {"run": this.run_id, "rows": rows, "newest_date": max(newest, default=None)}


def newest_date(store: ObjectStore, dataset: Dataset) -> str | None:
    """The newest date of a dataset's curated rows (YYYY-MM-DD); None without rows."""
    last = max(store.list(keys.layer("curated", dataset.tables[0].name)), key=lambda info: info.key, default=None)
    if last is None:
        return None
    return str(pc.max(read_column(store.read(last.key), dataset.date)))


def make_report(built: Path, counting: Future[page.Numbers], this: Run) -> bytes | None:
    """The page of the warehouse that was built; None, with a warning, where it cannot be made."""
    try:
        return page.make(built, counting.result(), this.run_id, stale_days=this.settings.stale_days)
    except Exception as error:  # whatever it is: the warehouse matters more
        log.warning("%s: the report could not be made; the last one stays: %r", STAGE, error)
        return None


def publish_report(store: ObjectStore, made: bytes | None) -> None:
    """Put the page of the published warehouse beside it; a store that does not take it gives a warning."""
    if made is None:
        return
    try:
        store.put(keys.REPORT, made)
    except (OSError, StageError) as error:
        log.warning("%s: the report could not be published: %r", STAGE, error)
        return
    log.info("%s: published %s", STAGE, store.describe(keys.REPORT))


def check_shrink(this: Run, built: Path, published: ObjectInfo, rows: dict[str, int], before: dict[str, int]) -> None:
    """Raise ContractError where a dataset has lost a larger share of its rows since `published` than is allowed.

    The published file is fetched only if the manifests lack its row counts (`before`) or show too large a loss.
    """
    limit = this.settings.max_shrink_ratio
    if before.keys() >= rows.keys() and all(rows.get(name, 0) >= (1 - limit) * it for name, it in before.items()):
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
    errors, files = [], []
    for key, failure in kept.items():
        store.put(key, to_parquet(failure.rows))
        is_error = failure.check.severity == "error"
        first = f"; the first {failure.rows.num_rows} are" if failure.count > failure.rows.num_rows else ","
        said = (
            f"{failure.check.table}: {failure.check.title}: failing rows: {failure.count:,}{first} in"
            f" {store.describe(key)}"
        )
        (log.error if is_error else log.warning)("failed check of %s", said)
        if is_error:
            errors.append(said)
            files.append(str(failure.check.path))
    if errors:
        raise ContractError(
            f"the warehouse fails checks and is not published: {'. '.join(errors)}. Correct the data or the"
            f" check ({', '.join(files)}), and run again"
        )


def read_manifests(store: ObjectStore) -> list[dict[str, Any]]:
    """Every stage's manifest of every run, chunks taken together."""
    return merged(read_listed(store, (info for info in store.list(keys.RUNS) if keys.is_manifest(info.key))))


@contextmanager
def undisturbed(jobs: dict[Dataset, Job]) -> Iterator[None]:
    """Raise TransientError if the curated layer changes meanwhile, or the disk is full.

    A build that overlaps another run's writes sees parts of two states: its result, good or bad, means nothing.
    """
    failed: Exception | None = None
    try:
        yield
    except ObjectMissing as error:
        raise TransientError(f"{error} any more: another run is writing; a new try will do") from None
    except (StageError, duckdb.Error) as error:
        if "No space left on device" in str(error):
            raise TransientError(f"{error}; free some space; a new try will then do") from None
        failed = error
    for dataset, job in jobs.items():
        if etags(list_curated(job.store, dataset)) != job.inputs:
            raise TransientError(
                f"{STAGE}: another run wrote the curated layer of {dataset.name} while the warehouse was built;"
                " nothing is published; a new try will do"
            )
    if failed:
        raise failed
