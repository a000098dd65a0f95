"""What a new warehouse has lost of the published one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from stages.warehouse.build import quoted

SHOWN = 10  # files


@dataclass(frozen=True)
class Loss:
    """Rows of a dataset before and now, and which landed files they are missing from, the most first."""

    dataset: str
    before: int
    now: int
    files: list[tuple[str, str, str, int]]  # source, first month, last month, rows

    def __str__(self) -> str:
        shown = [f"{rows:,} of {source} ({first} to {last})" for source, first, last, rows in self.files[:SHOWN]]
        if len(self.files) > SHOWN:
            shown.append(f"and {len(self.files) - SHOWN} more files")
        return f"{self.dataset}: {self.now:,} rows, {self.before:,} in the published warehouse: {'; '.join(shown)}"


def losses(built: Path, published: Path, limit: float) -> list[Loss]:
    """The datasets that have lost more than a share of their rows; raises duckdb.Error where `published` is none of
    this pipeline's warehouses.
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


def _files(both: duckdb.DuckDBPyConnection, dataset: str) -> list[tuple[str, str, str, int]]:
    return both.execute(
        """
        select source, min(month), max(month), sum(before.rows - coalesce(now.rows, 0))::bigint as lost
        from published.meta_contents as before
        left join built.meta_contents as now using (dataset, source, month)
        where dataset = ? and before.rows > coalesce(now.rows, 0)
        group by source
        order by lost desc, source
        """,
        [dataset],
    ).fetchall()
