"""clean → curated: one vocabulary, derived columns, references checked; each dataset has tables of its own there."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from stages.datasets.dataset import Dataset
from stages.lake import keys
from stages.lake.job import Job, Run
from stages.lake.ledger import Ledger
from stages.lake.parquet import read_parquet
from stages.lake.partitions import Layer, Transformed, run_partitioned
from stages.lake.sources import FIRST_SEEN
from stages.lake.store import ObjectInfo


def run(this: Run, datasets: Sequence[Dataset]) -> None:
    """Rebuild the curated partitions of the months in scope."""
    for dataset in datasets:
        curate_dataset(Job.begin(this, "transform_curated", dataset.name), dataset)


def curate_dataset(job: Job, dataset: Dataset) -> None:
    """Make one dataset's curated partitions of the months in scope."""
    tables = {table.name: table.schema for table in dataset.tables}
    job.follow("transform_clean")
    job.claim("curated", *tables)
    inputs = job.require("clean", [dataset.name, dataset.history])
    newest = {key: info for key, info in inputs.items() if key.startswith(keys.layer("clean", dataset.name))}
    coded = {column.name for column in dataset.columns if column.repeats and column.type == pa.string()}

    def read(info: ObjectInfo) -> pa.Table:
        return read_parquet(job.store, info.key, dataset.made_by, coded, FIRST_SEEN.values())

    def transform(clean: pa.Table, _months: list[str]) -> Transformed:
        curated = dataset.curate(clean.to_pandas(types_mapper=pd.ArrowDtype))
        return Transformed(curated, Ledger(clean.num_rows, len(curated[dataset.tables[0].name])))

    advice = "a derived column is set by curate() in the dataset's curation.py"
    writes = Layer("curated", tables, dataset.made_by, dataset.unrepeated, advice=advice)
    run_partitioned(job, newest, read, transform, writes)
