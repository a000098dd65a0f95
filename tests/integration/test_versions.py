"""A dataset's version tells apart what made its layers: other values from the same landed rows need another one."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from collisions_ops.sample import main as sample
from lake import Lake

from stages.datasets import registry
from stages.datasets.dataset import FIRST_SEEN_COLUMNS, PROVENANCE_COLUMNS, Dataset
from stages.lake import keys

RECORDED = {  # dataset → its version, and the digest of what it makes of the sample
    "crashes": ("5.2.0644e1cd", "73bc08b3064c0195"),
    "persons": ("5.1.77708e0c", "92d73d5c8d4e77db"),
    "vehicles": ("5.1.7d860cf2", "da9aabdeb6c07c01"),
}
WHERE_FROM = {column.name for column in (*PROVENANCE_COLUMNS, *FIRST_SEEN_COLUMNS)}


def values(lake: Lake, dataset: Dataset) -> str:
    """A digest of the dataset's curated tables, without where their rows come from."""
    found = sha256()
    for table in dataset.tables:
        for info in lake.store.list(keys.layer("curated", table.name)):
            rows = pq.read_table(pa.BufferReader(lake.store.read(info.key)))
            kept = rows.drop_columns(sorted(WHERE_FROM & set(rows.column_names)))
            found.update(repr([kept.column_names, sorted(map(repr, kept.to_pylist()))]).encode())
    return found.hexdigest()[:16]


@pytest.mark.parametrize("dataset", registry(), ids=lambda dataset: dataset.name)
def test_other_values_have_another_version(dataset: Dataset, tmp_path: Path) -> None:
    """Else months made before and after a change of computation stand side by side, and nothing knows."""
    dates = ("--start=2024-01-01", "--end=2024-03-01")
    sample([str(tmp_path / "sample"), "--rows=1000", *dates, f"--dataset={dataset.name}"])
    lake = Lake([dataset], lake=str(tmp_path / "lake"))
    (file,) = (tmp_path / "sample" / dataset.name).glob("*.csv")
    lake.land(file, dataset=dataset.name)
    lake.run(stages=("ingest_raw", "transform_clean", "transform_curated"))
    found = dataset.made_by, values(lake, dataset)
    assert dataset.name in RECORDED, f"a new dataset: record {found} here"
    assert found == RECORDED[dataset.name], (
        "the same landed rows give other curated values than the recorded version made: raise `version` in"
        f" stages/datasets/{dataset.name}/__init__.py, say in CHANGELOG.md that data must be remade, and record both"
        " here (the digest alone, if only the sample's generator has changed)"
    )
