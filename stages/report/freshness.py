"""How new the data are: each dataset's source, as the file that was fetched last declares it, and the landed files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from stages.datasets import registry
from stages.report.words import NOT_KNOWN, OPEN, Table, count_days, in_words

COLLISIONS = next(dataset.name for dataset in registry() if dataset.tables[0].name == "collisions")  # of fct_collisions
LISTED = 12  # landed files


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
