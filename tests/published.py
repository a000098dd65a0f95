"""Rows as a dataset publishes them, through its rules and its curation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from stages.datasets.dataset import Dataset
from stages.lake.partitions import Transformed
from stages.lake.scope import month_code
from stages.lake.sources import FIRST_SEEN
from stages.transform_clean import clean

EXTRACTED = datetime(2024, 9, 16, 10, tzinfo=UTC)


def cleaned(dataset: Dataset, *rows: dict[str, str | None]) -> Transformed:
    """Rows of text by our column names, as transform_clean leaves them; they are of March 2024."""
    names = [column.name for column in dataset.kept_columns]
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    count = len(rows)
    provenance = {
        "source": pa.array(["a"] * count),
        "source_line": pa.array(range(2, count + 2), pa.int32()),
        "extracted_at": pa.array([EXTRACTED] * count, pa.timestamp("us", "UTC")),
        "month": pa.array([month_code("2024-03")] * count, pa.int32()),
    }
    return clean(pa.table(columns | provenance), dataset, [])


def in_curated(dataset: Dataset, *rows: dict[str, str | None]) -> Mapping[str, pd.DataFrame]:
    """The same rows as the curated tables have them."""
    frame = cleaned(dataset, *rows).tables[dataset.name]
    return dataset.curate(frame.drop(columns=list(FIRST_SEEN.values())))  # as transform_curated reads them


def curated(dataset: Dataset, *rows: dict[str, str | None]) -> list[dict[str, Any]]:
    """The same rows in the first curated table, with None for what is unknown."""
    first = in_curated(dataset, *rows)[dataset.tables[0].name]
    table = pa.Table.from_pandas(first.drop(columns="month"), preserve_index=False)
    assert set(table.column_names) == set(dataset.tables[0].schema.names)
    found: list[dict[str, Any]] = table.to_pylist()
    return found
