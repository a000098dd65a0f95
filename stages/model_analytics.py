"""curated → warehouse: facts, dimensions and the pipeline's own record, built on local disk, checked, then published
whole.

The warehouse is always built from every curated partition, whatever the scope of the run: it is a function of the
curated layer and of the runs' manifests, never of the warehouse before it. Its tables are the files of stages/sql.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from stages.errors import ContractError, ObjectMissing, TransientError
from stages.lake import keys
from stages.lake.job import Job, Output
from stages.lake.ledger import Ledger
from stages.lake.sources import load_sources
from stages.lake.store import ObjectInfo
from stages.logs import log, progress
from stages.parallel import parallel, workers

SQL = Path(__file__).parent / "sql"
CURATED = ["collisions", "collision_vehicles"]
BUILD = [  # in the order of their dependence
    "superseded",
    "fct_collisions",
    "fct_collision_vehicles",
    "dim_date",
    "dim_location",
    "dim_vehicle_type",
    "dim_contributing_factor",
    "meta_quality",
]
META = ["meta_runs", "meta_stages", "meta_rules", "meta_sources"]  # the pipeline's own record


def open_warehouse(path: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """A new database that keeps to a memory limit and spills into `scratch`."""
    return duckdb.connect(
        str(path),
        config={
            "memory_limit": "1GB",
            "threads": workers(),
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": False,  # nothing is fetched while a stage runs
        },
    )


def make(warehouse: duckdb.DuckDBPyConnection, tables: list[str]) -> None:
    """Run the files of stages/sql that make these tables."""
    for table in tables:
        warehouse.execute((SQL / f"{table}.sql").read_text())


def build(warehouse: duckdb.DuckDBPyConnection, curated: dict[str, list[Path]]) -> None:
    """Build the facts, dimensions and checks from the curated files, by table; the pipeline's record must be there."""
    for table, files in curated.items():
        names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        warehouse.execute(
            f"create temp view curated_{table} as from read_parquet([{names}], hive_partitioning = false)"
        )
    make(warehouse, BUILD)


def record(warehouse: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Add rows to a meta table; what a row does not name is unknown, what the table does not have is left out."""
    described = warehouse.execute("select name, type from pragma_table_info(?)", [table]).fetchall()
    shape = json.dumps([dict(described)])
    values = json.dumps([{name: row.get(name) for name, _ in described} for row in rows])
    warehouse.execute(f"insert into {table} select row.* from (select unnest(from_json(?, ?)) as row)", [values, shape])


def record_runs(warehouse: duckdb.DuckDBPyConnection, manifests: list[dict[str, Any]]) -> None:
    """meta_stages (the row ledger), meta_rules (why rows were turned away or changed), meta_runs."""
    done = sorted(manifests, key=lambda manifest: str(manifest["started_at"]))
    record(warehouse, "meta_stages", [{**manifest, "started_at": _utc(manifest["started_at"])} for manifest in done])
    record(
        warehouse,
        "meta_rules",
        [{**manifest, "rule": rule, "rows": rows} for manifest in done for rule, rows in manifest["rules"].items()],
    )
    runs: dict[str, dict[str, Any]] = {}
    for manifest in done:
        scope = {"scope_start": manifest["start"], "scope_end": manifest["end"]}
        first = {"run_id": manifest["run_id"], "started_at": _utc(manifest["started_at"])}
        runs.setdefault(manifest["run_id"], first | scope)
    record(warehouse, "meta_runs", list(runs.values()))


def record_this(warehouse: duckdb.DuckDBPyConnection, job: Job, ledger: Ledger) -> None:
    """This stage's own rows of meta_stages and meta_rules; the size of a file that is being written is unknown."""
    this = {"run_id": job.run.run_id, "stage": job.stage, "dataset": job.dataset}
    row = {**this, **asdict(ledger), "files": 1}
    row |= {"started_at": _utc(job.started_at.isoformat()), "seconds": round(time.monotonic() - job.started, 3)}
    record(
        warehouse,
        "meta_stages",
        [row | {"image": job.run.settings.image, "code_version": job.run.settings.code_version}],
    )
    record(warehouse, "meta_rules", [{**this, "rule": rule, "rows": count} for rule, count in job.rules.items()])


def record_sources(warehouse: duckdb.DuckDBPyConnection, job: Job) -> None:
    """meta_sources: the landed files that the raw layer has read."""
    rows = []
    for source in load_sources(job.store, job.dataset, MADE)[0].values():
        row = {**asdict(source), "dataset": job.dataset, "file": source.key, "bytes": source.size}
        row |= {"extracted_at": _utc(source.extracted_at), "quarantined": sum(source.quarantined.values())}
        row |= {"unknown_columns": ", ".join(source.unknown_columns)}
        rows.append(
            row | {"first_month": min(source.months, default=None), "last_month": max(source.months, default=None)}
        )
    record(warehouse, "meta_sources", rows)


def _utc(moment: str) -> str:
    """ISO 8601 with a zone → UTC without one, as the warehouse keeps its times."""
    return datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None).isoformat()


def check(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Log the checks that fail; raise ContractError where one of them is an error."""
    failed = warehouse.execute(
        "select severity, table_name, check_name, failures from meta_quality where not passed order by all"
    ).fetchall()
    for severity, table, name, failures in failed:
        (log.error if severity == "error" else log.warning)("check %s: %s: %s failures", table, name, f"{failures:,}")
    errors = [f"{table}: {name} ({failures})" for severity, table, name, failures in failed if severity == "error"]
    if errors:
        raise ContractError(f"the warehouse fails {len(errors)} checks and is not published: {'; '.join(errors)}")


def read_manifests(job: Job) -> list[dict[str, Any]]:
    """Every stage's manifest of every run, this run's model_analytics excepted (it is not done)."""
    found = [
        info.key for info in job.store.list(keys.RUNS) if info.key.endswith(".json") and info.key != job.manifest_key
    ]
    return [json.loads(content) for content in parallel(job.store.read, found)]


def list_curated(job: Job) -> dict[str, list[ObjectInfo]]:
    """The curated layer's objects, by table."""
    return {table: job.store.list(keys.layer("curated", table)) for table in CURATED}


def etags(objects: dict[str, list[ObjectInfo]]) -> dict[str, str]:
    """Key → ETag of objects by table."""
    return {info.key: info.etag for infos in objects.values() for info in infos}


@contextmanager
def undisturbed(job: Job) -> Iterator[None]:
    """Raise TransientError where the curated layer is not at the end what it was at the start, or the disk is full.

    A build that met another run's writes saw parts of two states: whatever it found, right or wrong, says nothing.
    """
    failed: Exception | None = None
    try:
        yield
    except ObjectMissing as error:
        raise TransientError(f"{error} any more: another run is writing; run again") from None
    except (ContractError, duckdb.Error) as error:
        if "No space left on device" in str(error):
            raise TransientError(f"{error}; free some room, then run again") from None
        failed = error
    if etags(list_curated(job)) != job.inputs:
        raise TransientError(
            f"{job.what}: another run wrote the curated layer while the warehouse was built; nothing is published;"
            " run again"
        )
    if failed:
        raise failed


def run(this, datasets) -> None:
    """Build the warehouse from the curated layer and publish it, unless another run has published meanwhile."""
    job = Job.begin(this, "model_analytics", datasets[0].name)
    global MADE
    MADE = datasets[0].made_by
    job.require("transform_curated", "curated", CURATED)
    published = job.store.head(keys.WAREHOUSE)  # before the layer is listed: what is built is at least as new
    objects = list_curated(job)
    if not objects["collisions"]:
        log.warning("%s: the curated layer is empty: no run has had rows in its scope; nothing to publish", job.what)
        job.finish(Ledger())
        return
    job.inputs = etags(objects)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="collisions-")))

        def local(info: ObjectInfo) -> Path:
            return stack.enter_context(job.store.local(info.key))  # type: ignore[no-any-return]

        built = scratch / "collisions.duckdb"
        with undisturbed(job):
            curated = {
                table: list(progress(parallel(local, infos), len(infos), f"fetch {table}", "file"))
                for table, infos in objects.items()
            }
            with open_warehouse(built, scratch / "spill") as warehouse:
                make(warehouse, META)
                record_runs(warehouse, read_manifests(job))
                record_sources(warehouse, job)
                build(warehouse, curated)
                rows_in = _number(warehouse, "select count(*) from curated_collisions")
                rows_out = _number(warehouse, "select count(*) from fct_collisions")
                superseded = _number(warehouse, "select count(*) from superseded")
                if superseded:
                    job.rules["superseded_in_another_month"] = superseded
                check(warehouse)
                record_this(warehouse, job, Ledger(rows_in, rows_out, superseded=superseded))
                warehouse.execute("checkpoint")  # into the one file; closing would do so too, but keep a failure quiet
            if Path(f"{built}.wal").exists():
                raise ContractError(f"{job.what}: {built} was not written whole; nothing is published")
        etag = job.store.put(keys.WAREHOUSE, built, expect=published.etag if published else None)
        job.outputs = [Output(keys.WAREHOUSE, etag, rows_out, built.stat().st_size)]
    job.finish(Ledger(rows_in, rows_out, superseded=superseded))
    log.info("%s: published %s", job.what, job.store.describe(keys.WAREHOUSE))


def _number(warehouse: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = warehouse.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
