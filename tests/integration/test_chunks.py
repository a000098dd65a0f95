"""A run whose transforms work chunk by chunk: the same warehouse, and the rules of reruns hold for each chunk."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import bridges
import pytest
from lake import Lake, WatchedStore, crashes_csv, rows

from stages.datasets import registry
from stages.lake import keys
from stages.lake.chunks import Bounds, bounds, parse, plan, text
from stages.lake.manifests import merged

NOW = datetime(2024, 9, 16, tzinfo=UTC)
RUN = "--run-id=r"
SPANS = ["2024-01..2024-02", "2024-05..2024-05", "2024-06..2024-09"]


def test_chunks_are_of_about_equal_size_and_no_more_than_needed() -> None:
    months = {("a", f"2024-{month:02d}"): 10 for month in range(1, 13)} | {("b", "2024-01"): 60}
    assert [text(chunk) for chunk in plan(months, ["a", "b", "c"], 60)] == [
        "a:2024-01..2024-06,c",
        "a:2024-07..2024-12",
        "b:2024-01..2024-01",
    ]
    assert [text(chunk) for chunk in plan(months, ["a", "b"], 1000)] == ["a:2024-01..2024-12,b:2024-01..2024-01"]


def test_there_is_always_a_chunk() -> None:
    assert plan({}, ["a", "b"], 10) == [{"a": "", "b": ""}]
    assert plan({("a", "2024-01"): 0}, ["a"], 10) == [{"a": "2024-01..2024-01"}]


def test_the_chunks_of_a_long_history_fit_into_a_termination_message() -> None:
    months = [f"{year}-{month:02d}" for year in range(2012, 2030) for month in range(1, 13)]
    chunks = plan({(name, month): 1 for name in ("crashes", "persons") for month in months}, [], 1)
    assert len(chunks) > 100
    assert len(json.dumps([text(chunk) for chunk in chunks])) <= 3500


def test_each_month_is_in_one_chunk() -> None:
    held = [bounds(SPANS, span) for span in SPANS]
    assert held == [Bounds(None, "2024-05"), Bounds("2024-05", "2024-06"), Bounds("2024-06", None)]
    assert bounds(SPANS[:1], SPANS[0]) == Bounds()


@pytest.mark.parametrize("argument", ["a", "a:2024-01..2024-02", "a:2024-01..2024-02,b_1", "a,b:2024-01..2024-01"])
def test_a_chunk_can_be_written_and_read(argument: str) -> None:
    assert text(parse(argument)) == argument


@pytest.mark.parametrize("argument", ["a:2024-01", "a,a", "a:2024..2025", "../b", "a b", "a,"])
def test_what_is_no_chunk_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match="is not a chunk such as"):
        parse(argument)


# --- stages by chunk ----------------------------------------------------------------------------------


@pytest.fixture
def months(folder_lake: Lake, tmp_path: Path) -> Lake:
    """Two datasets with rows of six months, of which one file of crashes has them all; small chunks."""
    months = [f"{month:02d}/05/2024" for month in (1, 2, 5, 6, 7, 9)]
    landed = [row for at, day in enumerate(months) for row in rows(30, 1 + 30 * at, CRASH_DATE=day)]
    folder_lake.land(crashes_csv(landed), "all.csv", NOW)
    folder_lake.land("NO,DAY,STATE\nA-1,05/06/2024,good\nA-2,06/07/2024,worn\n", "i.csv", NOW, dataset="bridges")
    folder_lake.datasets = [*registry(), bridges.DATASET]
    folder_lake.environment["COLLISIONS_RESULT"] = str(tmp_path / "result")
    return folder_lake


def chunks_of(lake: Lake, *arguments: str) -> list[str]:
    """Run ingest_raw and cut its work as finely as three chunks of the crashes; what it gives the next stages."""
    done = lake.stage("ingest_raw", RUN, *arguments)
    assert done.code == 0, done.log
    key = keys.manifest("r", "ingest_raw", "crashes")
    # As from a history some thousand times as large: a chunk is at least a mebibyte.
    lake.store.put(key, json.dumps(json.loads(lake.store.read(key)) | {"chunks": SPANS}).encode())
    return [f"crashes:{SPANS[0]},bridges", f"crashes:{SPANS[1]}", f"crashes:{SPANS[2]}"]


def finish(lake: Lake, stage: str, *arguments: str) -> str:
    done = lake.stage(stage, RUN, *arguments)
    assert done.code == 0, done.log
    return done.log


def whole_bridges(lake: Lake) -> None:
    """The plan of the other dataset: one chunk, by name alone."""
    key = keys.manifest("r", "ingest_raw", "bridges")
    lake.store.put(key, json.dumps(json.loads(lake.store.read(key)) | {"chunks": []}).encode())


def test_ingest_raw_returns_the_chunks_in_a_file(months: Lake) -> None:
    finish(months, "ingest_raw")
    result = json.loads(Path(months.environment["COLLISIONS_RESULT"]).read_text())
    assert result == ["crashes:2024-01..2024-09,bridges:2024-05..2024-06"]
    for stage in ("transform_clean", "transform_curated"):
        finish(months, stage, f"--chunk={result[0]}")
    finish(months, "model_analytics")
    assert months.one("select count(*) from fct_collisions") == 180


def test_by_chunks_or_whole_the_content_is_the_same(months: Lake) -> None:
    months.run("--run-id=whole")
    before = months.listing("_runs/", "warehouse/", "raw/")
    ledger = "select stage, dataset, rows_in, rows_out, files from meta_stages where run_id = '{}' order by all"
    whole, contents = months.ask(ledger.format("whole")), months.contents()
    chunks = chunks_of(months)
    whole_bridges(months)
    for stage in ("transform_clean", "transform_curated"):
        for chunk in reversed(chunks):
            finish(months, stage, f"--chunk={chunk}")
    finish(months, "model_analytics")
    assert months.listing("_runs/", "warehouse/", "raw/") == before
    assert months.contents() == contents
    assert months.ask(ledger.format("r")) == whole


def test_the_warehouse_waits_for_every_chunk_and_the_missing_ones_complete_the_run(months: Lake) -> None:
    chunks = chunks_of(months)
    whole_bridges(months)
    for stage in ("transform_clean", "transform_curated"):
        for chunk in chunks[::2]:
            finish(months, stage, f"--chunk={chunk}")
    early = months.stage("model_analytics", RUN)
    assert early.code == 65
    assert f"transform_curated has not finished the chunk crashes:{SPANS[1]}" in early.last
    assert months.store.head(keys.WAREHOUSE) is None
    for stage in ("transform_clean", "transform_curated"):
        finish(months, stage, f"--chunk={chunks[1]}")
    finish(months, "model_analytics")
    finish(months, "transform_clean", f"--chunk={chunks[1]}")  # cleared alone: what followed it no longer counts
    stale = months.stage("model_analytics", RUN)
    assert f"transform_curated has not finished the chunk crashes:{SPANS[1]}" in stale.last
    finish(months, "transform_curated", f"--chunk={chunks[1]}")
    finish(months, "model_analytics")


def test_a_chunk_follows_its_own_chunk(months: Lake) -> None:
    chunks = chunks_of(months)
    finish(months, "transform_clean", f"--chunk={chunks[1]}")
    refused = months.stage("transform_curated", RUN, f"--chunk={chunks[2]}")
    assert refused.code == 65
    assert f"transform_clean has not finished the chunk crashes:{SPANS[2]}" in refused.last
    finish(months, "ingest_raw", "--dataset", "crashes")  # a new plan: what was done by the old one does not count
    stale = months.stage("transform_curated", RUN, f"--chunk={chunks[1]}")
    assert stale.code == 65
    assert "has no such chunk; its chunks of crashes are 2024-01..2024-09" in stale.last


def test_a_chunk_removes_the_rows_of_its_months_that_are_gone(months: Lake) -> None:
    months.run("--run-id=whole")
    left = [
        row
        for at, month in enumerate(("01", "02", "06", "07"))
        for row in rows(30, 1 + 30 * at, CRASH_DATE=f"{month}/05/2024")
    ]
    months.land(crashes_csv(left), "all.csv", datetime(2024, 9, 17, tzinfo=UTC))
    finish(months, "ingest_raw")
    [chunk] = json.loads(Path(months.environment["COLLISIONS_RESULT"]).read_text())
    for stage in ("transform_clean", "transform_curated"):
        finish(months, stage, f"--chunk={chunk}")
    assert "2024-09" not in {keys.month_of(key) for key in months.objects() if key.startswith("curated/collisions/")}
    finish(months, "model_analytics", "--allow-shrink")
    assert months.one("select count(*) from fct_collisions") == 120


@pytest.mark.parametrize("stage", ["ingest_raw", "model_analytics"])
def test_a_stage_of_the_whole_run_takes_no_chunk(months: Lake, stage: str) -> None:
    done = months.stage(stage, "--chunk=crashes")
    assert (done.code, "leave out --chunk" in done.last) == (78, True)


def test_an_unknown_dataset_is_refused_with_those_that_there_are(months: Lake) -> None:
    for option in ("--dataset=crashes,tunnels", "--datasets=crashes,tunnels"):
        done = months.stage("ingest_raw", option)
        assert (done.code, "there is no dataset 'tunnels'; there are: " in done.last) == (78, True)


# --- limits -------------------------------------------------------------------------------------------


def land_with_bad_rows(lake: Lake, bad: int, of: int) -> None:
    """A file whose bad rows are all in one chunk, beside a good one."""
    days = ("01/05/2024", "06/05/2024")
    some = rows(bad, 1000, CRASH_DATE=days[0], COLLISION_ID="x") + rows(of - bad, 2000, CRASH_DATE=days[1])
    lake.land(crashes_csv(some), "some.csv", NOW)


def through_chunks(lake: Lake) -> None:
    chunks = chunks_of(lake)
    whole_bridges(lake)
    for stage in ("transform_clean", "transform_curated"):
        for chunk in chunks:
            finish(lake, stage, f"--chunk={chunk}")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_file_in_several_chunks_is_judged_as_a_whole_before_anything_of_it_is_curated(
    months: Lake, order: tuple[int, ...]
) -> None:
    months.run("--run-id=before")
    land_with_bad_rows(months, 25, 100)
    chunks = [chunks_of(months)[at] for at in order]
    whole_bridges(months)
    for chunk in chunks[:-1]:
        finish(months, "transform_clean", f"--chunk={chunk}")
    for _ in range(2):  # a new try finds the same
        done = months.stage("transform_clean", RUN, f"--chunk={chunks[-1]}")
        assert done.code == 65
        assert "landing/crashes/some.csv: 25 of 100 rows quarantined (collision_id_malformed 25" in done.last
        assert "line 2: collision_id 'x'" in done.last
    assert months.stage("transform_curated", RUN, f"--chunk={chunks[-1]}").code == 65
    months.run("--start=2024-09-01", "--end=2024-10-01", "--run-id=other")  # builds from all of the curated layer
    assert months.one("select count(*) from fct_collisions") == 180


def test_of_two_chunks_that_finish_at_once_one_judges(months: Lake) -> None:
    """The first of these has just seen that all have finished when the other takes its record back."""
    land_with_bad_rows(months, 25, 100)
    chunks = chunks_of(months)
    whole_bridges(months)
    for chunk in chunks[:-1]:
        finish(months, "transform_clean", f"--chunk={chunk}")
    first, *_, last = (keys.manifest("r", "transform_clean", "crashes", span) for span in SPANS)
    store = WatchedStore(months.store, "head", last, lambda: months.store.delete(first), after=True)
    done = months.stage("transform_clean", RUN, f"--chunk={chunks[-1]}", store=store)
    assert (done.code, "another chunk has begun again" in done.log) == (0, True), done.log
    again = months.stage("transform_clean", RUN, f"--chunk={chunks[0]}")
    assert again.code == 65
    assert "landing/crashes/some.csv: 25 of 100 rows quarantined" in again.last


def test_a_file_in_several_chunks_is_judged_once_more_before_anything_is_published(months: Lake) -> None:
    land_with_bad_rows(months, 25, 100)
    months.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.5"
    through_chunks(months)
    months.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.05"
    done = months.stage("model_analytics", RUN)
    assert done.code == 65
    assert "landing/crashes/some.csv: 25 of 100 rows quarantined (collision_id_malformed 25" in done.last
    assert months.store.head(keys.WAREHOUSE) is None


def test_a_file_whose_bad_rows_are_in_one_chunk_passes_if_they_are_few_of_all(months: Lake) -> None:
    land_with_bad_rows(months, 9, 200)  # 9 of the 39 rows of its first chunk
    through_chunks(months)
    finish(months, "model_analytics")


def test_a_file_within_a_chunk_is_judged_there(months: Lake) -> None:
    months.land(crashes_csv(rows(25, 1000, CRASH_DATE="05/05/2024", COLLISION_ID="x")), "bad.csv", NOW)
    chunks = chunks_of(months)
    finish(months, "transform_clean", f"--chunk={chunks[0]}")
    done = months.stage("transform_clean", RUN, f"--chunk={chunks[1]}")
    assert done.code == 65
    assert "landing/crashes/bad.csv: 25 of 25 rows quarantined" in done.last


# --- years --------------------------------------------------------------------------------------------


def test_years_are_their_ranges(folder_lake: Lake) -> None:
    landed = [
        row for at, year in enumerate(range(2019, 2025)) for row in rows(2, 10 * at + 1, CRASH_DATE=f"03/05/{year}")
    ]
    folder_lake.land(crashes_csv(landed), "all.csv", NOW)
    folder_lake.run("--years=2019,2020,2023")
    found = folder_lake.ask("select distinct year(crash_date) from collisions order by 1")
    assert found == [(2019,), (2020,), (2023,)]


def test_years_and_dates_exclude_one_another(folder_lake: Lake) -> None:
    done = folder_lake.stage("ingest_raw", "--years=2019", "--start=2019-01-01")
    assert (done.code, "give either" in done.last) == (78, True)


# --- manifests ----------------------------------------------------------------------------------------


def test_manifests_of_chunks_add_up() -> None:
    counts = {
        "superseded": 0,
        "files": 1,
        "bytes": 10,
        "seconds": 1.5,
        "inputs": [],
        "outputs": [],
        "months": ["2024-01"],
    }
    row = {"source": "a", "column": None, "rule": "bad", "rows": 1}
    work = {"run_id": "r", "stage": "s", "dataset": "d", "start": None, "end": None, **counts}
    one = work | {
        "rows_in": 3,
        "rows_out": 2,
        "quarantined": 1,
        "rules": {"bad": 1},
        "by_file": [row],
        "started_at": "2",
    }
    other = work | {
        "rows_in": 5,
        "rows_out": 4,
        "quarantined": 1,
        "rules": {"bad": 1},
        "by_file": [row],
        "started_at": "1",
    }
    [both] = merged([one, other])
    assert (both["rows_in"], both["rows_out"], both["quarantined"], both["files"]) == (8, 6, 2, 2)
    assert (both["rules"], both["by_file"]) == ({"bad": 2}, [row | {"rows": 2}])
    assert (both["started_at"], both["seconds"]) == ("1", 3.0)
    assert len(merged([one, other | {"stage": "t"}])) == 2
