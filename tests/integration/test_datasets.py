"""Another dataset is one folder: the same four stages run it beside crashes, and neither touches the other's tables."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from pathlib import Path

import bridges
import pyarrow as pa
import pytest
from lake import PUBLISHED, STAGES, Lake, crashes_csv, rows, with_others

from stages.datasets import names, registry
from stages.datasets.crashes import DATASET as CRASHES
from stages.datasets.dataset import Column, Dataset
from stages.warehouse import models as sql_files

FIRST, LATER = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
INSPECTIONS = "NO,DAY,STATE\nA-1,01/05/2024,good\nA-2,02/05/2024,Rusty\n,02/06/2024,good\nA-3,02/07/2024,§\n"
BOTH = (*registry(), bridges.DATASET)


@pytest.fixture
def both(lake: Lake) -> Lake:
    """A lake in which crashes and bridges have landed."""
    lake.datasets = BOTH
    lake.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.5"
    for month in (1, 2):
        lake.land(crashes_csv(rows(3, 10 * month, CRASH_DATE=f"0{month}/05/2024")), f"{month}.csv", FIRST)
    lake.land(INSPECTIONS, "inspections.csv", FIRST, dataset="bridges")
    return lake


def of(lake: Lake, *datasets: Dataset) -> dict[str, str]:
    """Key → ETag of the partitions and quarantine of these datasets."""
    names = {f"/{name}/" for it in datasets for name in (it.name, *(table.name for table in it.tables))}
    return {
        key: etag
        for key, etag in lake.listing("_runs/", "landing/", PUBLISHED).items()
        if any(name in key for name in names) and not key.endswith("_sources.json")
    }


def test_another_dataset_goes_through_the_four_stages(both: Lake) -> None:
    log = both.run()
    assert both.ask("select * from fct_inspections order by all") == [
        ("A-1", date(2024, 1, 5), "sound"),
        ("A-2", date(2024, 2, 5), "worn"),
        ("A-3", date(2024, 2, 7), None),
    ]
    assert both.one("select count(*) from fct_collisions") == 6
    stages = "select stage, dataset, rows_in, rows_out, quarantined, superseded from meta_stages"
    assert both.ask(f"{stages} where dataset = 'bridges' order by started_at") == [
        ("ingest_raw", "bridges", 4, 4, 0, 0),
        ("transform_clean", "bridges", 4, 3, 1, 0),
        ("transform_curated", "bridges", 3, 3, 0, 0),
        ("model_analytics", "bridges", 3, 3, 0, 0),
    ]
    assert [row["reason"] for row in both.quarantined("transform_clean")] == ["inspection_missing"]
    assert "transform_clean bridges: rule state_unreadable: 1 row" in log
    assert both.one("select count(*) from meta_quality where table_name = 'fct_inspections' and passed") == 1


def test_neither_dataset_touches_the_others_partitions(both: Lake) -> None:
    both.run()
    of_crashes, of_bridges = of(both, *registry()), of(both, bridges.DATASET)
    assert of_crashes
    assert of_bridges
    both.land(
        INSPECTIONS.replace("good", "worn") + "A-4,03/05/2024,good\n", "inspections.csv", LATER, dataset="bridges"
    )
    both.run("--start=2024-01-01", "--end=2024-02-01", "--run-id=backfill")  # of one month, over both
    assert of(both, *registry()) == of_crashes
    changed = {key for key, etag in of(both, bridges.DATASET).items() if of_bridges.get(key) != etag}
    assert {key.rpartition("crash_month=")[2][:7] for key in changed if "crash_month" in key} == {"2024-01"}
    for stage in STAGES[:-1]:  # one dataset alone
        assert both.stage(stage, "--dataset", "bridges", "--run-id=alone").code == 0
    assert both.stage("model_analytics", "--run-id=alone").code == 0
    assert of(both, *registry()) == of_crashes
    assert both.one("select count(*) from fct_inspections") == 4
    both.wipe("landing/bridges/")
    assert both.stage("ingest_raw").code == 65  # what was landed is gone
    assert of(both, *registry()) == of_crashes


def test_a_rerun_of_two_datasets_changes_nothing(both: Lake) -> None:
    both.run()
    before, listing = both.contents(), both.listing("_runs/", PUBLISHED)
    both.run()
    assert (both.contents(), both.listing("_runs/", PUBLISHED)) == (before, listing)


def test_a_dataset_of_which_nothing_is_landed_has_empty_tables(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(3)), "a.csv", FIRST)
    alone = Lake(lake=folder_lake.environment["COLLISIONS_LAKE"])
    alone.run()
    without = alone.contents()
    folder_lake.datasets = BOTH
    assert "ingest_raw bridges: no landed files in" in folder_lake.run()
    assert folder_lake.contents() == without | {"fct_inspections": (0, without_rows())}


def without_rows() -> str:
    """The content hash of a table without rows."""
    from hashlib import sha256

    return sha256(b"").hexdigest()


def test_model_analytics_builds_all_datasets(folder_lake: Lake) -> None:
    folder_lake.datasets = BOTH
    done = folder_lake.stage("model_analytics", "--dataset", "bridges")
    assert done.code == 78
    assert "builds the warehouse of all datasets" in done.last


def test_no_two_datasets_own_the_same_table() -> None:
    owned = [table.name for dataset in registry() for table in dataset.tables]
    assert len(set(owned)) == len(owned)


# --- versions of the rules --------------------------------------------------------------------------


def with_a_column(folder: Path) -> Dataset:
    """Crashes with one more curated column, and a fact model that reads it."""
    collisions, vehicles = CRASHES.tables
    wider = dataclasses.replace(collisions, columns=(*collisions.columns, Column("is_night", pa.bool_(), "after dark")))
    package = folder / "wider"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "rules.py").write_text("from stages.datasets.crashes.rules import ROW_RULES, VALUE_RULES\n")
    (package / "curation.py").write_text(
        "from stages.datasets.crashes import curation\n\n\n"
        "def curate(rows):\n"
        "    tables = curation.curate(rows)\n"
        "    hours = tables['collisions']['crash_hour']\n"
        "    night = (hours < 6).astype('bool[pyarrow]')\n"
        "    return tables | {'collisions': tables['collisions'].assign(is_night=night)}\n"
    )
    (package / "models/facts").mkdir(parents=True)
    (package / "models/facts/fct_nights.sql").write_text(
        "-- Grain: one row per collision.\ncreate table fct_nights as\n"
        "select\n    collision_id, -- the collision\n    is_night -- before six o'clock\nfrom newest_collisions;\n"
    )
    return dataclasses.replace(CRASHES, package="wider", tables=(wider, vehicles), sql=package)


@pytest.fixture
def wider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Tomorrow's crashes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return with_a_column(tmp_path)


def test_partitions_that_older_rules_made_are_named_and_remade(lake: Lake, wider: Dataset) -> None:
    for month in (1, 2, 3):
        lake.land(crashes_csv(rows(3, 10 * month, CRASH_DATE=f"0{month}/05/2024")), f"{month}.csv", FIRST)
    lake.run()
    before = lake.contents()
    lake.datasets = with_others(wider)
    five_days = ("--start=2024-03-01", "--end=2024-03-06", "--run-id=five")
    lake.run(*five_days, stages=STAGES[:-1])
    stale = lake.stage("model_analytics", *five_days)
    assert stale.code == 65
    assert "2 months of crashes, 2024-01 to 2024-02, made by another version of the code, are outside" in stale.last
    assert "--start=2024-01-01 --end=2024-03-01 (params start and end) remakes them" in stale.last
    assert lake.contents() == before  # what was published is unchanged
    lake.run("--start=2024-01-01", "--end=2024-03-01", "--run-id=remake")
    assert lake.ask("select count(*), count(is_night) from fct_nights") == [(9, 9)]
    lake.datasets = None
    lake.run()  # back to the release before: a run without dates remakes all
    assert lake.contents() == before


def test_a_stage_does_not_read_what_other_rules_made(folder_lake: Lake, wider: Dataset) -> None:
    """As where a new release arrives in the middle of a run."""
    folder_lake.land(crashes_csv(rows(3)), "a.csv", FIRST)
    folder_lake.run(stages=STAGES[:2])
    folder_lake.datasets = with_others(wider)
    done = folder_lake.stage("transform_curated")
    assert done.code == 65
    assert "was made by another version of the rules; run the previous stage again" in done.last


def test_rows_that_differ_from_the_declared_columns_are_not_written(folder_lake: Lake) -> None:
    folder_lake.land(INSPECTIONS.replace("\n,", "\nA-9,"), "a.csv", FIRST, dataset="bridges")
    (table,) = bridges.DATASET.tables
    narrower = dataclasses.replace(table, columns=table.columns[:-1])
    folder_lake.datasets = [*registry(), dataclasses.replace(bridges.DATASET, tables=(narrower,))]
    folder_lake.run(stages=STAGES[:2])
    done = folder_lake.stage("transform_curated")
    assert done.code == 70
    assert done.last.endswith("surplus: state string; missing: none")
    assert not [key for key in folder_lake.objects() if key.startswith("curated/")]


def test_a_declared_column_that_curation_does_not_set_is_named_with_where_it_is_set(folder_lake: Lake) -> None:
    folder_lake.land(INSPECTIONS.replace("\n,", "\nA-9,"), "a.csv", FIRST, dataset="bridges")
    (table,) = bridges.DATASET.tables
    wider = dataclasses.replace(table, columns=(*table.columns, Column("is_open", pa.bool_(), "whether it is open")))
    folder_lake.datasets = [*registry(), dataclasses.replace(bridges.DATASET, tables=(wider,))]
    folder_lake.run(stages=STAGES[:2])
    done = folder_lake.stage("transform_curated")
    assert done.code == 70
    assert "missing: is_open bool; a derived column is set by curate() in the dataset's curation.py" in done.last


def test_the_made_up_dataset_is_known_to_its_folder_alone() -> None:
    root = Path(sql_files.OWN).parent
    assert not [path for path in root.rglob("*.*") if path.suffix in {".py", ".sql"} and "bridges" in path.read_text()]


def test_only_its_folder_and_the_models_name_a_dataset() -> None:
    """Drivers, the reader, the lake, the warehouse's code, the DAG and the scripts know no dataset."""
    root = Path(sql_files.OWN).parents[1]
    exempt = (*(root / f"stages/datasets/{name}" for name in names()), root / "stages/warehouse/models")
    drawn = root / "stages/datasets/collision_sampling.py"  # the samples of records within collisions draw from these
    named = [
        f"{path.relative_to(root)}:{number}"
        for part in ("stages", "scripts", "dags")
        for path in sorted((root / part).rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and path != drawn and not any(map(path.is_relative_to, exempt))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "crashes" in line
    ]  # fmt: skip
    assert named == []
