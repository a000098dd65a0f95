"""The pipeline's own record in the warehouse: the meta tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import duckdb

from stages.lake.job import Job
from stages.lake.ledger import Ledger
from stages.lake.sources import Source
from stages.warehouse.build import Versions, build, insert
from stages.warehouse.models import Model


def renew(warehouse: duckdb.DuckDBPyConnection, meta: Iterable[Model]) -> None:
    """Make the meta tables anew and empty, except for those that are kept by month or by record."""
    for model in meta:
        if model.name not in {"meta_contents", "meta_revisions"}:
            warehouse.execute(f"drop table {model.name}")
            build(warehouse, [model])


def record_runs(warehouse: duckdb.DuckDBPyConnection, manifests: Iterable[dict[str, Any]]) -> None:
    """meta_stages (the row ledger), meta_rules (why rows were rejected or changed) and meta_runs, from manifests.

    A dataset of which nothing has ever been landed has no rows there.
    """
    found = list(manifests)
    landed = {manifest["dataset"] for manifest in found if manifest["inputs"]}
    done = sorted(
        (manifest for manifest in found if manifest["dataset"] in landed),
        key=lambda manifest: str(manifest["started_at"]),
    )
    insert(warehouse, "meta_stages", [{**manifest, "started_at": utc(manifest["started_at"])} for manifest in done])
    insert(
        warehouse,
        "meta_rules",
        [{**manifest, "rule": rule, "rows": rows} for manifest in done for rule, rows in manifest["rules"].items()],
    )
    insert(
        warehouse,
        "meta_source_rules",
        [{**manifest, **row, "column_name": row["column"]} for manifest in done for row in manifest.get("by_file", [])],
    )
    runs: dict[str, dict[str, Any]] = {}
    for manifest in done:
        scope = {"scope_start": manifest["start"], "scope_end": manifest["end"]}
        first = {"run_id": manifest["run_id"], "started_at": utc(manifest["started_at"])}
        runs.setdefault(manifest["run_id"], first | scope)
    insert(warehouse, "meta_runs", list(runs.values()))


def record_job(warehouse: duckdb.DuckDBPyConnection, job: Job, ledger: Ledger) -> None:
    """The job's own rows of meta_stages and meta_rules; the size of the file that is being written is unknown."""
    row = job.record(ledger) | {"files": 1, "bytes": None, "started_at": utc(job.started_at.isoformat())}
    insert(warehouse, "meta_stages", [row])
    insert(warehouse, "meta_rules", [{**row, "rule": rule, "rows": count} for rule, count in job.rules.items()])


def record_contents(warehouse: duckdb.DuckDBPyConnection, dataset: str, versions: Versions) -> None:
    """Add the rows of `newest_<first table>` to meta_contents, which must not yet have rows of these months."""
    warehouse.execute(
        f"""
        insert into meta_contents
        with days as (
            select source, {versions.date} as date, count(*) as rows
            from newest_{versions.first}
            group by all
        )
        select ?, source, strftime(date, '%Y-%m') as month, sum(rows)::bigint, max(date)
        from days
        group by all
        order by all
        """,
        [dataset],
    )


def record_sources(
    warehouse: duckdb.DuckDBPyConnection, dataset: str, sources: Iterable[Source], rejected: Mapping[str, int]
) -> None:
    """meta_sources: what became of a dataset's landed files. `rejected` has the rows that stages after ingest_raw
    rejected, by source; meta_contents must be filled.
    """
    counts = warehouse.execute(
        "select source, sum(rows)::bigint from meta_contents where dataset = ? group by all", [dataset]
    )
    held = dict(counts.fetchall())
    insert(
        warehouse,
        "meta_sources",
        [
            {
                **asdict(source),
                "dataset": dataset,
                "file": source.key,
                "bytes": source.size,
                "extracted_at": utc(source.extracted_at),
                "removed_at": utc(source.removed_at) if source.removed_at else None,
                "quarantined": 0
                if source.removed_at
                else sum(source.quarantined.values()) + rejected.get(source.name, 0),
                "left_in_landing": 0 if source.removed_at else sum(source.left_in_landing.values()),
                "unfinished": sum(source.months.get(month, 0) for month in source.pending if month in source.written),
                "in_warehouse": held.get(source.name, 0),
                "unknown_columns": ", ".join(source.unknown_columns),
                "first_month": min(source.months, default=None),
                "last_month": max(source.months, default=None),
            }
            for source in sources
        ],
    )


def utc(moment: str) -> str:
    """ISO 8601 with a zone → UTC without one, as the warehouse keeps its times."""
    return datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None).isoformat()
