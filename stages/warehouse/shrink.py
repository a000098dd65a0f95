"""What a new warehouse has lost compared with the published one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from stages.warehouse.build import quoted

SHOWN_FILES, SHOWN_MONTHS = 10, 6


@dataclass(frozen=True)
class Loss:
    """Rows of a dataset before and now, and how many are missing by landed file and month, the most first."""

    dataset: str
    before: int
    now: int
    files: dict[str, dict[str, int]]

    def __str__(self) -> str:
        files = [f"{sum(months.values()):,} of {source} ({_listed(months)})" for source, months in self.files.items()]
        if len(files) > SHOWN_FILES:
            files[SHOWN_FILES:] = [f"and {len(files) - SHOWN_FILES} more files"]
        missing = "; ".join(files)
        return f"{self.dataset}: {self.now:,} rows, {self.before:,} in the published warehouse; missing: {missing}"


def _listed(months: dict[str, int]) -> str:
    shown = [f"{month}: {rows:,}" for month, rows in months.items()]
    if len(shown) > SHOWN_MONTHS:
        shown[SHOWN_MONTHS:] = [f"and {len(shown) - SHOWN_MONTHS} more months"]
    return ", ".join(shown)


def losses(built: Path, published: Path, limit: float) -> list[Loss]:
    """The datasets that have lost more than a share of their rows; raises duckdb.Error where `published` is not
    one of this pipeline's warehouses.
    """
    with duckdb.connect() as both:
        for name, path in (("built", built), ("published", published)):
            both.execute(f"attach '{quoted(path)}' as {name} (read_only)")
        totals = both.execute(
            """
            with before as (select dataset, sum(rows)::bigint as rows from published.meta_contents group by dataset),
            now as (select dataset, sum(rows)::bigint as rows from built.meta_contents group by dataset)
            select dataset, before.rows, coalesce(now.rows, 0)
            from before left join now using (dataset)
            where coalesce(now.rows, 0) < (1 - ?) * before.rows
            order by dataset
            """,
            [limit],
        ).fetchall()
        return [Loss(dataset, before, now, _files(both, dataset)) for dataset, before, now in totals]


def _files(both: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, dict[str, int]]:
    lost = both.execute(
        """
        select source, month, before.rows - coalesce(now.rows, 0) as lost
        from published.meta_contents as before
        left join built.meta_contents as now using (dataset, source, month)
        where dataset = ? and before.rows > coalesce(now.rows, 0)
        order by sum(lost) over (partition by source) desc, source, month
        """,
        [dataset],
    ).fetchall()
    files: dict[str, dict[str, int]] = {}
    for source, month, rows in lost:
        files.setdefault(source, {})[month] = rows
    return files
