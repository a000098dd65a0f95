"""One word on the whole of the data, and the checks that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from stages.report.freshness import Source, what_stands_still
from stages.report.words import NOT_KNOWN, Table, listed

FIGURES, PERSONS = "fct_collisions", "fct_persons"  # what the figures, and age and role, are counted from


@dataclass(frozen=True)
class Verdict:
    """What a glance tells; `kind` is good, warn or bad."""

    kind: str
    title: str
    because: str


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
        tables = "table" if len(others) == 1 else "tables"
        touched = (
            f"{warn} about the {tables} of {listed(others)}, none about the collisions. No row is left out for it: the"
            f" figures count all {count:,} collisions."
        )
        if any(table == PERSONS for _, table, _, _ in failed):
            touched += " Only “Age and role” is counted from persons."
    return f"{touched} “Checks” at the end has the details."


def in_plain(table: str) -> str:
    """A table's name in words: fct_collision_vehicles → collision vehicles."""
    return table.partition("_")[2].replace("_", " ")


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
