"""Whether to trust the numbers: verdict, freshness, row ledger, what was rejected, what is unknown, run times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from stages.report.freshness import COLLISIONS, freshness, source_age, sources
from stages.report.verdict import Verdict, checks, verdict
from stages.report.words import OPEN, Table, share

UNSTATED = "\u2013"  # a value that a record lacks
RUNS = 30
REVISIONS = 30
# What people ask for, and the SQL of a collision without it.
UNKNOWN = {
    "Borough": "borough is null",
    "Coordinates": "latitude is null",
    "Place": "location_key = 0",
    "Time": "crash_time is null",
    "ZIP code": "zip_code is null",
    "Severity": "severity is null",
    "Injured": "persons_injured is null",
    "Killed": "persons_killed is null",
    "Type of the first vehicle": "vehicle_type_1 is null or vehicle_type_1 in ('Unknown', 'Unknown code', 'Unmapped')",
    "Contributing factor of the first vehicle": (
        "contributing_factor_1 is null or contributing_factor_1 in ('Unspecified', 'Unmapped')"
    ),
}


@dataclass(frozen=True)
class Health:
    """The section about the data themselves. Days are YYYY-MM-DD; None where there is no collision.

    `source_age` says how new the source of the collisions is; `stands_still`: whether that is too old.
    """

    verdict: Verdict
    source_age: str
    stands_still: bool
    stale_days: int
    tables: Sequence[Table]
    collisions: int
    oldest: str | None
    newest: str | None
    made_at: str
    run_id: str


def health(warehouse: duckdb.DuckDBPyConnection, run_id: str, now: datetime, stale_days: int) -> Health:
    """What the warehouse's own record says of it at the moment `now`; a source whose newest record is more than
    `stale_days` old stands still.
    """
    row = warehouse.execute("select count(*), min(crash_date), max(crash_date) from fct_collisions").fetchone()
    count, oldest, newest = row or (0, None, None)
    failed = warehouse.execute(
        "select check_name, table_name, failures, severity from meta_quality where not passed order by all"
    ).fetchall()
    days = (now.date() - newest).days if newest else None
    found = sources(warehouse, now)
    still = any(source.stands_still(stale_days) for source in found if source.dataset == COLLISIONS)
    tables = [
        *checks(warehouse),
        *freshness(warehouse, found, newest, days, stale_days),
        stages(warehouse, run_id),
        rejected(warehouse),
        unknown(warehouse, count),
        run_times(warehouse),
        revisions(warehouse),
    ]
    return Health(
        verdict(count, days, failed, found, stale_days),
        source_age(found, stale_days),
        still,
        stale_days,
        tables,
        count,
        str(oldest) if oldest else None,
        str(newest) if newest else None,
        f"{now:%Y-%m-%d %H:%M}",
        run_id,
    )


def stages(warehouse: duckdb.DuckDBPyConnection, run_id: str) -> Table:
    """The row ledger of the newest run, or of `run_id`."""
    rows = warehouse.execute(
        """
        select stage, dataset, rows_in, rows_out, quarantined, superseded, seconds
        from meta_stages
        where run_id = coalesce(
            nullif(?, ''), (select arg_max(run_id, started_at) from meta_runs))
        order by started_at, dataset
        """,
        [run_id],
    ).fetchall()
    lost = sum(row[2] - row[3] - row[4] - row[5] for row in rows)
    return Table(
        "Rows by stage",
        "No run is recorded."
        if not rows
        else "Every row is accounted for: rows in = rows out + rejected + superseded by newer versions."
        if not lost
        else f"{lost:,} rows are unaccounted for.",
        ("Stage of this run", "Dataset", "Rows in", "Rows out", "Rejected", "Superseded", "Seconds"),
        [
            (stage, dataset, *(f"{count:,}" for count in counts), f"{seconds:.1f}")
            for stage, dataset, *counts, seconds in rows
        ],
        frozenset({1}),
        folded=len(rows) > OPEN,
    )


def rejected(warehouse: duckdb.DuckDBPyConnection) -> Table:
    """Rows rejected by rule, over the last runs, and what is in quarantine now."""
    rows = warehouse.execute(
        """
        with last_runs as (select run_id from meta_runs order by started_at desc limit ?)
        select rule, stage, dataset, sum(rows)::bigint as rejected, count(distinct run_id) as runs
        from meta_source_rules semi join last_runs using (run_id)
        where column_name is null
        group by all
        order by rejected desc, rule, stage, dataset
        """,
        [RUNS],
    ).fetchall()
    kept = warehouse.execute(
        "select coalesce(sum(quarantined), 0)::bigint, coalesce(sum(rows), 0)::bigint from meta_sources"
        " where removed_at is null"
    ).fetchone()
    now, of = kept or (0, 0)
    return Table(
        "Quarantine by rule",
        f"{now:,} of {of:,} landed rows are in quarantine."
        + (
            f" Listed: what the last {RUNS} runs rejected, a row counted in each run that read it."
            if rows
            else f" The last {RUNS} runs rejected none."
        ),
        ("Rule", "Stage", "Dataset", "Rows rejected", "Runs"),
        [(rule, stage, dataset, f"{count:,}", f"{runs:,}") for rule, stage, dataset, count, runs in rows],
        frozenset({1, 2}),
        folded=len(rows) > OPEN,
    )


def unknown(warehouse: duckdb.DuckDBPyConnection, count: int) -> Table:
    """How many collisions lack what is asked for most."""
    counts = ", ".join(f"count(*) filter (where {sql})" for sql in UNKNOWN.values())
    found = warehouse.execute(f"select {counts} from fct_collisions").fetchone() or ()
    rows = sorted(zip(UNKNOWN, found, strict=True), key=lambda row: -row[1])
    name, most = rows[0]
    said = f"Unknown most often: {name}, in {share(most, count)} of collisions. " if most else ""
    return Table(
        "Unknown by column",
        f"{said}Unknown is not zero: a blank count adds nothing to a sum.",
        ("Column", "Collisions without it", "Share"),
        [(name, f"{missing:,}", share(missing, count)) for name, missing in rows],
    )


def run_times(warehouse: duckdb.DuckDBPyConnection) -> Table:
    """How long the last runs took, newest first. A stage that works on all datasets at once counts once."""
    rows = warehouse.execute(
        """
        with by_stage as (
            select run_id, stage, if(stage in ('ingest_raw', 'model_analytics'), max(seconds), sum(seconds)) as seconds,
                min(started_at) as began
            from meta_stages
            group by run_id, stage
        )
        select
            run_id, started_at, sum(seconds) as whole,
            string_agg(format('{:.1f}', seconds), ' + ' order by began)
        from meta_runs join by_stage using (run_id)
        group by run_id, started_at
        order by started_at desc
        limit ?
        """,
        [RUNS],
    ).fetchall()
    usual = sorted(row[2] for row in rows)[len(rows) // 2] if rows else 0
    return Table(
        f"Run times of the last {RUNS} runs",
        f"The newest run's stages worked for {rows[0][2]:.1f} s; {usual:.1f} s are usual."
        if rows
        else "No run is recorded.",
        ("Run", "Started (UTC)", "Seconds", "By stage, in order"),
        [(run, f"{at:%Y-%m-%d %H:%M}", f"{whole:.1f}", parts) for run, at, whole, parts in rows],
        frozenset({1}),
        folded=len(rows) > OPEN,
    )


def revisions(warehouse: duckdb.DuckDBPyConnection) -> Table:
    """What later extracts changed, the newest first."""
    row = warehouse.execute("select count(*), count(distinct (dataset, key)) from meta_revisions").fetchone()
    changes, records = row or (0, 0)
    rows = warehouse.execute(
        "select dataset, key, field, old, new, first_seen, source from meta_revisions"
        " order by first_seen desc, dataset, key, field limit ?",
        [REVISIONS],
    ).fetchall()
    said = (
        f"Later extracts changed {changes:,} {'value' if changes == 1 else 'values'} of"
        f" {records:,} {'record that was' if records == 1 else 'records that were'} already known"
        f"{f'; the {REVISIONS} newest changes are listed' if changes > REVISIONS else ''}."
        if changes
        else "No later extract changed a record that was already known."
    )
    return Table(
        "Revisions",
        said,
        ("Dataset", "Record", "Field", "Before", "Since then", "First seen (UTC)", "File"),
        [
            (dataset, key, field, old or UNSTATED, new or UNSTATED, f"{seen:%Y-%m-%d %H:%M}", source)
            for dataset, key, field, old, new, seen, source in rows
        ],
        frozenset(range(1, 7)),
        folded=len(rows) > OPEN,
    )
