"""Runs on the cluster: the right scope, the right rows, the same warehouse as the embedded runtime's."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cluster import Cluster
from lake import STAGES, Lake, crashes_csv

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module", autouse=True)
def january(cluster: Cluster, extract: Callable[[str], Path]) -> None:
    """An empty lake, then the real January 2022 in landing, by scripts/land."""
    cluster.land_anew(extract("crashes_2022-01.csv"))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, extract: Callable[[str], Path]) -> dict[str, tuple[int, str]]:
    """Hashes of the warehouse that the same stages make of the same file on this machine."""
    folder = tmp_path_factory.mktemp("lake")
    lake = Lake(lake=str(folder))
    (folder / "landing/crashes").mkdir(parents=True)
    shutil.copy2(extract("crashes_2022-01.csv"), folder / "landing/crashes")
    lake.run()
    return lake.contents()


def test_land_trigger_green_and_equal_to_embedded_twice(cluster: Cluster, embedded: dict[str, tuple[int, str]]) -> None:
    """Green with four pods; the warehouse in MinIO is the embedded one; a second run changes nothing."""
    for _ in range(2):
        said = cluster.run("scripts/trigger")
        assert "run success" in said
        for stage in STAGES:
            assert re.search(rf"{stage} crashes( 2022-01)?: rows in 7,659", said)
        run_id = said.split()[0]
        assert [task["state"] for task in cluster.airflow.tasks(run_id)] == ["success"] * 4
        for stage in STAGES:
            log = cluster.log(run_id, stage)
            assert log.count("Building pod") == 1
            assert len(re.findall(rf"{stage} crashes( 2022-01)?: rows in", log)) == 1
            assert "\0" not in log
        assert cluster.lake.contents() == embedded
        cluster.until(lambda: not cluster.stage_pods(), "the stages' pods are gone", 30)
    assert cluster.lake.one("select sum(persons_injured) from fct_collisions") == 3100


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        (["--start", "2022-01-05", "--end", "2022-01-07"], "[2022-01-05, 2022-01-07)"),
        (["--years", "2022", "--datasets", "crashes"], "[2022-01-01, 2023-01-01)"),
    ],
)
def test_manual_run_with_params(cluster: Cluster, options: list[str], scope: str) -> None:
    """The params reach the stages as they are; the scope is one of months, so the rows stay."""
    before = cluster.lake.contents()
    said = cluster.run("scripts/trigger", *options)
    assert f"scope {scope}" in said
    assert cluster.lake.contents() == before


def test_wrong_params_are_refused(cluster: Cluster) -> None:
    """A malformed date, an empty range, and years beside dates never become a run."""
    assert "invalid" in cluster.run("scripts/trigger", "--start", "05/01/2022", check=False)
    assert "no dates" in cluster.run("scripts/trigger", "--start", "2022-01-05", "--end", "2022-01-05", check=False)
    assert "not both" in cluster.run("scripts/trigger", "--years", "2022", "--end", "2022-01-05", check=False)


def test_scheduled_run_takes_in_what_is_new_whatever_its_dates(
    cluster: Cluster, extract: Callable[[str], Path], tmp_path: Path
) -> None:
    """The newest scheduled run, done again, takes in a file of its day and of a day a year before."""
    before = cluster.lake.contents()
    newest = cluster.airflow.get("dagRuns", run_type="scheduled", order_by="-id", limit=1)["dag_runs"][0]
    run_id = newest["dag_run_id"]
    day = datetime.fromisoformat(newest["data_interval_start"]).astimezone(NEW_YORK).date()
    ids = list(range(9_000_000_001, 9_000_000_006))
    with extract("crashes_2022-01.csv").open(newline="") as file:
        rows = list(islice(csv.DictReader(file), len(ids)))
    changed = [
        row | {"CRASH DATE": f"{day - timedelta(days=365 * (number % 2)):%m/%d/%Y}", "COLLISION_ID": str(number)}
        for row, number in zip(rows, ids, strict=True)
    ]
    new = tmp_path / "crashes_new.csv"
    new.write_text(crashes_csv(changed))
    cluster.run("scripts/land", new)
    try:
        cluster.clear(run_id)
        assert cluster.finish(run_id) == "success"
        task = cluster.task(run_id, "ingest_raw")
        scope = f"scope [{day}, {day + timedelta(days=1)})"
        assert scope in cluster.log(run_id, "ingest_raw", task["try_number"])
        came = cluster.lake.ask(f"select collision_id from fct_collisions where collision_id >= {ids[0]} order by 1")
        assert came == [(number,) for number in ids]
        assert cluster.lake.contents()["fct_collisions"][0] == before["fct_collisions"][0] + len(ids)
    finally:
        cluster.lake.wipe("landing/crashes/crashes_new.csv")
        cluster.clear(run_id)
        state = cluster.finish(run_id)
    assert state == "success"
    assert cluster.lake.contents() == before


def test_backfill_of_three_missing_days(cluster: Cluster, extract: Callable[[str], Path], tmp_path: Path) -> None:
    """Three days are missing, then land, then are backfilled: the warehouse is that of all at once."""
    whole = cluster.lake.contents()
    lines = extract("crashes_2022-01.csv").read_text().splitlines(keepends=True)
    days = [f"{date(2022, 1, day):%m/%d/%Y}" for day in (11, 12, 13)]
    missing = [line for line in lines[1:] if line.startswith(tuple(days))]
    present = [line for line in lines[1:] if not line.startswith(tuple(days))]
    assert missing
    for name, part in (("crashes_2022-01.csv", present), ("crashes_late.csv", missing)):
        (tmp_path / name).write_text(lines[0] + "".join(part))
        shutil.copystat(extract("crashes_2022-01.csv"), tmp_path / name)
    cluster.land_anew(tmp_path / "crashes_2022-01.csv")
    cluster.run("scripts/trigger")
    assert cluster.lake.contents() != whole
    cluster.run("scripts/land", tmp_path / "crashes_late.csv")

    dry = cluster.run("scripts/backfill", "--from", "2022-01-11", "--to", "2022-01-13", "--dry-run")
    assert dry.startswith("3 of 3 days: 2022-01-11, 2022-01-12, 2022-01-13")
    said = cluster.run("scripts/backfill", "--from", "2022-01-11", "--to", "2022-01-13")
    for day in (11, 12, 13):
        assert f"scope [{date(2022, 1, day)}, {date(2022, 1, day + 1)})" in said
    # Which file a row came from differs, and with it nothing that the facts or dimensions hold.
    assert cluster.lake.contents() == whole


def test_status_and_logs(cluster: Cluster) -> None:
    """scripts/status shows what runs and the last runs; scripts/logs a task's log; scripts/metrics that all is well."""
    said = cluster.run("scripts/status")
    assert "airflow-scheduler-0" in said
    assert "minio-0" in said
    assert "success" in said
    assert "transform_clean crashes 2022-01: rows in" in cluster.run("scripts/logs", "transform_clean")
    assert "collisions_last_run_success 1.0" in cluster.run("scripts/metrics", "--cluster")
