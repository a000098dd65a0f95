"""Whether to trust the numbers: freshness, the row ledger, what was rejected, what is unknown, run times, checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from stages.datasets import registry

COLLISIONS = next(dataset.name for dataset in registry() if dataset.tables[0].name == "collisions")  # of fct_collisions
FIGURES, PERSONS = "fct_collisions", "fct_persons"  # what the figures, and age and role, are counted from
NOT_KNOWN = "not known"
UNSTATED = "\u2013"  # a value that a record lacks
RUNS = 30
LISTED = 12  # landed files
REVISIONS = 30
OPEN = 8  # a table of more rows is folded away
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
class Verdict:
    """What a glance tells; `kind` is good, warn or bad."""

    kind: str
    title: str
    because: str


@dataclass(frozen=True)
class Table:
    """A part of the section: its title, a sentence, and rows of text; `text` has the columns that hold words."""

    title: str
    said: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Source:
    """How new a dataset's source was when its last file was fetched: the newest date that it had, and how many days
    before the page was made that was; None where all its files were landed by hand. `landed`: when its newest file was
    extracted. Times are UTC.
    """

    dataset: str
    landed: datetime
    fetched: datetime | None
    newest: date | None
    days: int | None

    def stands_still(self, stale_days: int) -> bool:
        """Whether its newest record is older than that; False where it is not known."""
        return self.days is not None and self.days > stale_days


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


def verdict(
    count: int,
    days: int | None,
    failed: Sequence[tuple[str, str, int, str]],
    found: Sequence[Source],
    stale_days: int,
) -> Verdict:
    """One word on the whole: errors before warnings, warnings before age."""
    if not count:
        return Verdict("bad", "No data", "The warehouse holds no collision.")
    errors = [name for name, _, _, severity in failed if severity == "error"]
    if errors:
        return Verdict("bad", "Do not trust these numbers", f"Failed: {'; '.join(errors)}.")
    old = what_stands_still(found, stale_days)
    if not old and days is not None and days > stale_days:
        old = f"The newest collision was {days:,} days old when this page was made."
    if failed:
        return Verdict("warn", "Trust with care", f"{what_warns(failed, count)} {old}".strip())
    if old:
        return Verdict("warn", "Sound, but not current", f"Every check passed. {old}")
    return Verdict("good", "Numbers can be trusted", "Every check passed, and the data are current.")


def what_warns(failed: Sequence[tuple[str, str, int, str]], count: int) -> str:
    """What the warnings are about, and whether that touches the figures of the `count` collisions, which are all
    counted: a warning takes no row away.
    """
    warn = "1 check warns" if len(failed) == 1 else f"{len(failed)} checks warn"
    own = sum(table == FIGURES for _, table, _, _ in failed)
    others = sorted({in_plain(table) for _, table, _, _ in failed if table != FIGURES})
    if own:
        of_which = "" if own == len(failed) else f", {own} of them"
        touched = (
            f"{warn}{of_which} about the collisions: the figures count all {count:,} that the data have, but some may"
            " be wrong or missing."
        )
    else:
        touched = (
            f"{warn} about the tables of {listed(others)}, none about the collisions. No row is left out for it: the"
            f" figures count all {count:,} collisions."
        )
        if any(table == PERSONS for _, table, _, _ in failed):
            touched += " Only “Age and role” is counted from persons."
    return f"{touched} “Checks” at the end has the details."


def in_plain(table: str) -> str:
    """A table's name in words: fct_collision_vehicles → collision vehicles."""
    return table.partition("_")[2].replace("_", " ")


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def checks(warehouse: duckdb.DuckDBPyConnection) -> list[Table]:
    """The checks of this build: those that failed in plain sight, all of them folded."""
    rows = warehouse.execute(
        "select check_name, table_name, severity, failures, passed from meta_quality"
        " order by passed, severity, table_name, check_name"
    ).fetchall()
    there = {name for (name,) in warehouse.execute("select table_name from duckdb_tables()").fetchall()}
    counts = {
        table: warehouse.execute(f'select count(*) from "{table}"').fetchall()[0][0]
        for table in {row[1] for row in rows} & there
    }
    shown = [
        (
            name,
            table,
            severity,
            f"{failures:,}",
            f"{counts[table]:,}" if table in counts else NOT_KNOWN,
            "passed" if passed else "warns" if severity == "warning" else "failed",
        )
        for name, table, severity, failures, passed in rows
    ]
    failed = [row for row in shown if row[-1] != "passed"]
    heads = ("What must hold", "Table", "Severity", "Cases against it", "Rows of the table", "Result")
    said = f"{len(rows) - len(failed)} of {len(rows)} checks passed."
    words = frozenset({1, 2, 5})
    why = " An error would have stopped the publication; a warning does not, and its cases stay in the figures."
    return [
        Table("Checks", said + why, heads, failed, words),
        Table("All checks", "", heads, shown, words, folded=True),
    ]


def sources(warehouse: duckdb.DuckDBPyConnection, now: datetime) -> list[Source]:
    """The datasets of the landed files, by name, and how new their sources are at the moment `now`."""
    rows = warehouse.execute("""
        select
            dataset, max(extracted_at),
            max(extracted_at) filter (where source_newest is not null),
            arg_max(source_newest, extracted_at) filter (where source_newest is not null)
        from meta_sources
        where removed_at is null
        group by dataset
        order by dataset
    """).fetchall()
    return [
        Source(dataset, landed, fetched, newest, (now.date() - newest).days if newest else None)
        for dataset, landed, fetched, newest in rows
    ]


def source_age(found: Sequence[Source], stale_days: int) -> str:
    """How new the source of the collisions is, in words, and that it stands still where it does."""
    source = next((source for source in found if source.dataset == COLLISIONS), None)
    if source is None:
        return "No landed file is recorded: how old the source's newest record is, is not known."
    if source.newest is None:
        return (
            f"The files were landed by hand, the newest of them extracted on {in_words(source.landed)}:"
            " whether the source has newer records is not known."
        )
    what = "The source stands still: its" if source.stands_still(stale_days) else "The source's"
    return (
        f"{what} newest record is of {in_words(source.newest)}, {count_days(source.days)} before this page was made."
        f" A file was last fetched from it on {in_words(source.fetched)}."
    )


def what_stands_still(found: Sequence[Source], stale_days: int) -> str:
    """A sentence on each source that stands still; empty where none does."""
    still = [source for source in found if source.stands_still(stale_days)]
    return " ".join(
        f"The source{'' if source.dataset == COLLISIONS else f' of {source.dataset}'} stands still: its newest record"
        f" was {count_days(source.days)} old when this page was made."
        for source in sorted(still, key=lambda source: source.dataset != COLLISIONS)
    )


def in_words(day: date | None) -> str:
    """A date as people write it."""
    return f"{day.day} {day:%B %Y}" if day else NOT_KNOWN


def count_days(days: int | None) -> str:
    """A number of days, in words."""
    return f"{days:,} day{'' if days == 1 else 's'}"


def freshness(
    warehouse: duckdb.DuckDBPyConnection,
    found: Sequence[Source],
    newest: date | None,
    days: int | None,
    stale_days: int,
) -> list[Table]:
    """How new the source of each dataset is; the landed files, the newest extract first."""
    rows = warehouse.execute("""
        select file, extracted_at, first_month, last_month, rows, in_warehouse, left_in_landing, unfinished
        from meta_sources
        where removed_at is null
        order by extracted_at desc, file
    """).fetchall()
    age = (
        f"The newest collision is of {in_words(newest)}, {count_days(days)} before this page was made. "
        if newest
        else ""
    )
    return [
        Table(
            "Freshness",
            f"{age}{what_stands_still(found, stale_days) or source_age(found, stale_days)}",
            ("Dataset", "Source's newest record", "Days old", "Last fetched (UTC)", "Newest file extracted (UTC)"),
            [
                (
                    source.dataset,
                    str(source.newest or NOT_KNOWN),
                    NOT_KNOWN if source.days is None else f"{source.days:,}",
                    f"{source.fetched:%Y-%m-%d %H:%M}" if source.fetched else "landed by hand",
                    f"{source.landed:%Y-%m-%d %H:%M}",
                )
                for source in found
            ],
            frozenset({1, 3, 4}),
        ),
        Table(
            "Landed files",
            f"{len(rows):,} {'file is' if len(rows) == 1 else 'files are'} landed"
            f"{f'; the {LISTED} newest are listed' if len(rows) > LISTED else ''}.",
            ("File", "Extracted (UTC)", "Months", "Rows", "In the warehouse", "Not yet taken in"),
            [
                (
                    file.removeprefix("landing/"),
                    f"{at:%Y-%m-%d %H:%M}",
                    f"{first or ''} to {last or ''}",
                    f"{count:,}",
                    f"{held:,}",
                    f"{(left or 0) + (unfinished or 0):,}",
                )
                for file, at, first, last, count, held, left, unfinished in rows[:LISTED]
            ],
            frozenset({1, 2}),
            folded=len(rows) > OPEN,
        ),
    ]


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
    ).fetchone()
    now, of = kept or (0, 0)
    return Table(
        "Quarantine by rule",
        f"{now:,} of {of:,} landed rows are in quarantine. Listed: what the last {RUNS} runs rejected, a row counted in"
        " each run that read it.",
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
    said = f"{rows[0][0]} is unknown most often, in {rows[0][1] / count:.1%} of collisions. " if count else ""
    return Table(
        "Unknown by column",
        f"{said}Unknown is not zero: a blank count adds nothing to a sum.",
        ("Column", "Collisions without it", "Share"),
        [(name, f"{missing:,}", f"{missing / count:.2%}" if count else "") for name, missing in rows],
    )


def run_times(warehouse: duckdb.DuckDBPyConnection) -> Table:
    """How long the last runs took, newest first. model_analytics builds all datasets at once: it counts once."""
    rows = warehouse.execute(
        """
        with by_stage as (
            select run_id, stage, if(stage = 'model_analytics', max(seconds), sum(seconds)) as seconds,
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
