"""The warehouse brought up to date by months: its content is that of one built whole, whatever has changed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from lake import PUBLISHED, REPOSITORY, Lake, crashes_csv, rows

from stages.datasets import registry
from stages.lake.store.folder import FolderStore

MONTHS = [(year, month) for year in (2021, 2022) for month in range(1, 13)]
TAKE_IN = ("--start=2021-01-01", "--end=2021-01-02", "--take-in=new", "--allow-shrink")
EXTRACTED = datetime(2024, 1, 1, tzinfo=UTC)
BY_STEPS, WHOLE = "months to rebuild", "building the whole warehouse"
OF_THE_BUILD = ("started_at", "seconds")


class Aside(FolderStore):
    """A lake whose results go to another folder: a stage runs on it as it is, and leaves it so."""

    def __init__(self, root: Path, aside: Path) -> None:
        super().__init__(root)
        self.aside = FolderStore(aside)

    def put(self, key: str, data: bytes | Path, **options: Any) -> str:
        return self.aside.put(key, data)

    def delete(self, key: str) -> None:
        pass


def everything(path: Path) -> dict[str, Any]:
    """Every table's rows and every comment, without how long a stage took."""
    with duckdb.connect(str(path), read_only=True) as warehouse:
        found: dict[str, Any] = {}
        for (name,) in warehouse.sql("select table_name from duckdb_tables() where schema_name = 'main'").fetchall():
            left_out = [column for column in warehouse.table(name).columns if column in OF_THE_BUILD]
            columns = f"* exclude ({', '.join(left_out)})" if left_out else "*"
            found[name] = sorted(map(repr, warehouse.sql(f"select {columns} from {name}").fetchall()))
        found["comments"] = sorted(
            warehouse.sql(
                "select table_name, column_name, comment from duckdb_columns() where schema_name = 'main'"
                " union all select table_name, '', comment from duckdb_tables() where schema_name = 'main'"
            ).fetchall()
        )
    return found


def whole(lake: Lake, folder: Path, run: str) -> dict[str, Any]:
    """What the warehouse would be if it were built whole."""
    store = Aside(Path(lake.environment["COLLISIONS_LAKE"]), folder)
    done = lake.stage("model_analytics", *TAKE_IN, f"--run-id={run}", "--full-refresh", store=store)
    assert done.code == 0, done.log
    assert BY_STEPS not in done.log
    return everything(folder / PUBLISHED)


def published(lake: Lake) -> dict[str, Any]:
    return everything(Path(lake.environment["COLLISIONS_LAKE"], PUBLISHED))


class City:
    """Random changes of what is landed: collisions added, changed, moved to another month, removed."""

    def __init__(self, lake: Lake, seed: int) -> None:
        self.lake, self.random = lake, random.Random(seed)
        self.landed: dict[str, list[int]] = {}
        self.files = 0

    def collision(self, number: int, month: tuple[int, int]) -> dict[str, str]:
        pick = self.random.choice
        streets = {"ON_STREET_NAME": f"{pick('ABC')} STREET", "CROSS_STREET_NAME": pick(["", "D STREET", "E STREET"])}
        blank = dict.fromkeys(["ON_STREET_NAME", "CROSS_STREET_NAME"], "")
        changes = {
            "CRASH_DATE": f"{month[1]:02}/{self.random.randint(1, 28):02}/{month[0]}",
            "BOROUGH": pick(["", "", "", "QUEENS", "BRONX"]),
            "LATITUDE": pick(["", "40.75"]),
            "NUMBER_OF_PERSONS_INJURED": pick("012"),
            "VEHICLE_TYPE_CODE_1": pick(["Sedan", "sedan", "Taxi", "", f"Type {self.random.randint(1, 30)}"]),
            "CONTRIBUTING_FACTOR_VEHICLE_1": pick(["Unspecified", "Unsafe Speed", "", "Glare", f"F{number % 7}"]),
            **(blank if self.random.random() < 0.2 else streets),
        }
        longitude = "-73.9" if changes["LATITUDE"] else ""
        return rows(1, number, LONGITUDE=longitude, ZIP_CODE="", **changes)[0]

    def land(self, numbers: list[int], months: list[tuple[int, int]]) -> None:
        name = f"{self.files:03}.csv"
        records = [self.collision(number, self.random.choice(months)) for number in numbers]
        self.lake.land(crashes_csv(records), name, EXTRACTED + timedelta(hours=self.files))
        self.landed[name] = numbers
        self.files += 1

    def change(self) -> None:
        """Land a file of new and known collisions for a few months, or take one away."""
        if len(self.landed) > 2 and self.random.random() < 0.25:
            name = self.random.choice(sorted(self.landed)[1:])
            del self.landed[name]
            self.lake.wipe(f"landing/crashes/{name}")
            return
        known = self.random.sample(range(1, 97), self.random.randint(0, 3))
        new = list(range(1000 + 10 * self.files, 1000 + 10 * self.files + self.random.randint(0, 3)))
        self.land(known + new or [1], self.random.sample(MONTHS, 2))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_by_steps_or_whole_the_content_is_the_same(folder_lake: Lake, tmp_path: Path, seed: int) -> None:
    city = City(folder_lake, seed)
    first = [city.collision(number, MONTHS[number % len(MONTHS)]) for number in range(1, 97)]
    folder_lake.land(crashes_csv(first), "first.csv", EXTRACTED - timedelta(days=1))
    folder_lake.run(*TAKE_IN, "--run-id=first")
    ways: Counter[str] = Counter()
    for number in range(4):
        city.change()
        log = folder_lake.run(*TAKE_IN, f"--run-id=run-{number}")
        ways.update(way for way in (BY_STEPS, WHOLE) if way in log)
        assert "WARNING: model_analytics: building" not in log, log
        assert published(folder_lake) == whole(folder_lake, tmp_path / f"whole-{number}", f"run-{number}")
    assert ways[BY_STEPS] >= 3


def test_a_borough_that_is_learned_later_moves_the_collisions_of_other_months(
    folder_lake: Lake, tmp_path: Path
) -> None:
    blank = [rows(1, number, CRASH_DATE=f"{month:02}/05/{year}", BOROUGH="", LATITUDE="", LONGITUDE="")[0]
             for number, (year, month) in enumerate(MONTHS, 1)]  # fmt: skip
    folder_lake.land(crashes_csv(blank), "a.csv", EXTRACTED)
    folder_lake.run(*TAKE_IN, "--run-id=a")
    assert folder_lake.ask("select borough from dim_location") == [(None,)]
    for run, borough, places in (("b", "QUEENS", ["Queens"]), ("c", "BRONX", ["Bronx", "Queens", None])):
        stated = rows(1, 100 + len(places), CRASH_DATE="12/07/2022", BOROUGH=borough, LATITUDE="", LONGITUDE="")
        folder_lake.land(crashes_csv(stated), f"{run}.csv", EXTRACTED + timedelta(hours=len(places)))
        assert BY_STEPS in folder_lake.run(*TAKE_IN, f"--run-id={run}")
        found = folder_lake.ask("select borough from dim_location order by borough")
        assert [place for (place,) in found] == places
        assert published(folder_lake) == whole(folder_lake, tmp_path / run, run)
    folder_lake.wipe("landing/crashes/c.csv")
    assert BY_STEPS in folder_lake.run(*TAKE_IN, "--run-id=d")
    assert folder_lake.ask("select borough from dim_location") == [("Queens",)]


def test_only_the_months_that_have_changed_are_rebuilt(lake: Lake) -> None:
    for number, (year, month) in enumerate(MONTHS):
        lake.land(crashes_csv(rows(2, 10 * number + 1, CRASH_DATE=f"{month:02}/05/{year}")), f"{number}.csv", EXTRACTED)
    log = lake.run(*TAKE_IN, "--run-id=all")
    assert "building the whole warehouse: there is none yet" in log
    log = lake.run(*TAKE_IN, "--run-id=none")
    assert "changed since the published one: nothing; months to rebuild: 0" in log
    moved = rows(1, 11, CRASH_DATE="06/07/2022")  # was in 2021-02
    lake.land(crashes_csv(moved + rows(1, 999, CRASH_DATE="07/07/2022")), "late.csv", EXTRACTED + timedelta(hours=1))
    log = lake.run(*TAKE_IN, "--run-id=one")
    assert "changed since the published one: 2022-06 to 2022-07; months to rebuild: 3" in log
    assert lake.ask("select date_key from fct_collisions where collision_id = 11") == [(20220607,)]
    assert lake.one("select count(*) from fct_collisions") == 49
    lake.wipe("landing/crashes/late.csv")
    log = lake.run(*TAKE_IN, "--run-id=back")
    assert "months to rebuild: 3" in log
    assert lake.ask("select date_key from fct_collisions where collision_id = 11") == [(20210205,)]


def test_a_warehouse_that_another_program_has_written_to_is_built_whole(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(3, CRASH_DATE="03/05/2022")), "a.csv", EXTRACTED)
    folder_lake.run(*TAKE_IN, "--run-id=a")
    before = folder_lake.contents()
    with duckdb.connect(str(Path(folder_lake.environment["COLLISIONS_LAKE"], PUBLISHED))) as warehouse:
        warehouse.execute("delete from fct_collisions where collision_id = 2")
    assert WHOLE in folder_lake.run(*TAKE_IN, "--run-id=b")
    assert folder_lake.contents() == before


def record(dataset: str, number: int, day: str) -> str:
    """A file with one record that states its key and day only."""
    header = next(list(it.forms["portal"]) for it in registry() if it.name == dataset)
    values = {"UNIQUE_ID": str(number), "CRASH_DATE": day}
    return "\n".join([",".join(header), ",".join(values.get(name, "") for name in header), ""])


def trust(lake: Lake, run: str) -> None:
    """Make the published file, as it is now, the one that a run recorded."""
    info = lake.store.head(PUBLISHED)
    assert info is not None
    for manifest in lake.store.list(f"_runs/{run}/model_analytics/"):
        recorded = json.loads(lake.store.read(manifest.key))
        for output in recorded["outputs"]:
            output["etag"] = info.etag
        lake.store.put(manifest.key, json.dumps(recorded).encode())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("delete from kept.records_collisions where collision_id = 2", "24 rows in, but 25 accounted for"),
        ("delete from fct_vehicles where unique_id = 2", "row count = curated - superseded"),
        ("delete from fct_persons where unique_id = 2", "row count = curated - superseded"),
    ],
)
def test_rows_that_do_not_add_up_by_months_are_not_published(folder_lake: Lake, fault: str, reason: str) -> None:
    """As if an earlier build by months had lost a row."""
    for number, (year, month) in enumerate(MONTHS, 1):
        day = f"{month:02}/05/{year}"
        folder_lake.land(crashes_csv(rows(1, number, CRASH_DATE=day)), f"{number}.csv", EXTRACTED)
        for dataset in ("vehicles", "persons"):
            folder_lake.land(record(dataset, number, day), f"{number}.csv", EXTRACTED, dataset=dataset)
    folder_lake.run(*TAKE_IN, "--run-id=a")
    before = folder_lake.contents()
    with duckdb.connect(str(Path(folder_lake.environment["COLLISIONS_LAKE"], PUBLISHED))) as warehouse:
        warehouse.execute(fault)
    trust(folder_lake, "a")
    folder_lake.land(crashes_csv(rows(1, 100, CRASH_DATE="12/05/2022")), "new.csv", EXTRACTED)
    log = folder_lake.run(*TAKE_IN, "--run-id=b")
    assert "WARNING: model_analytics: building the whole warehouse" in log
    assert reason in log
    after = folder_lake.contents()
    assert {name for name in after if after[name] != before[name]} == {"fct_collisions", "fct_collision_vehicles"}


@pytest.mark.parametrize("arguments", [["--full-refresh"], []])
def test_the_warehouse_is_built_without_pandas_whose_import_takes_long(folder_lake: Lake, arguments: list[str]) -> None:
    folder_lake.land(crashes_csv(rows(3)), "a.csv")
    folder_lake.run("--run-id=a")
    code = (
        "import os, sys; from stages.__main__ import main;"
        " code = main(['model_analytics', *sys.argv[1:]], os.environ); sys.exit(code or 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--run-id=a", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **folder_lake.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
