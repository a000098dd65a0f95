"""Comparing published warehouses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb


def contents(lake: Path) -> dict[str, tuple[int, str]]:
    """Rows and a hash over the sorted rows of every fact and dimension."""
    with duckdb.connect(str(lake / "warehouse" / "collisions.duckdb"), read_only=True) as warehouse:
        names = [name for (name,) in warehouse.sql("show tables").fetchall() if name.startswith(("fct_", "dim_"))]
        tables = {name: sorted(map(repr, warehouse.table(name).fetchall())) for name in names}
    return {name: (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()) for name, rows in tables.items()}
