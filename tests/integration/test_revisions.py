"""meta_revisions: what the city changed in published records, whichever files say so, in whatever order they come."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lake import STAGES, Lake, crashes_csv, rows
from socrata.server import SocrataServer
from socrata.table import Table, read_csv

from stages.datasets.crashes import DATASET
from stages.warehouse.query import ready_queries

EXTRACTED = datetime(2024, 5, 1, tzinfo=UTC)
EVERYTHING = ("1000-01-01", "9999-12-31")
TAKE_IN = ("--start=2024-03-01", "--end=2024-03-02", "--take-in=new", "--allow-shrink")
REVISIONS = "select key, field, old, new, source from meta_revisions order by first_seen, key, field"
Record = dict[str, str]


def land(lake: Lake, day: int, *records: list[Record], covers: tuple[str, str] | None = None) -> None:
    """Land records as of a day."""
    lake.land(
        crashes_csv([row for some in records for row in some]),
        f"{day}.csv",
        EXTRACTED + timedelta(days=day),
        covers=covers,
    )


def run(lake: Lake, *scope: str, full_refresh: bool = False) -> None:
    """A scheduled run of crashes."""
    for stage in STAGES:
        only = () if stage == "model_analytics" else ("--dataset=crashes",)
        also = ("--full-refresh",) if full_refresh and stage == "ingest_raw" else ()
        done = lake.stage(stage, *scope, "--take-in=new", *only, *also)
        assert done.code == 0, done.log


def test_a_real_week_then_and_now(tmp_path: Path, extract: Callable[[str], Path]) -> None:
    """Two real snapshots of a week: 22 collisions differ, of which one is new, one has moved to another day."""
    then, now = (
        read_csv(extract(f"crashes_2024-06-30_week_asof_{taken}.csv")) for taken in ("2024-09-16", "2025-02-12")
    )
    table = Table(DATASET, then)
    lake = Lake(lake=str(tmp_path), source="socrata", source_page_rows="50000", full_refresh_days="0")
    with SocrataServer([table]) as server:
        lake.environment["COLLISIONS_SOURCE_URL"] = server.url
        run(lake, "--start=2024-07-08", "--end=2024-07-09", "--run-id=then", full_refresh=True)
        assert lake.ask("from meta_revisions") == []
        table.replace(now)
        run(lake, "--start=2024-09-20", "--end=2024-09-21", "--run-id=now")
    assert lake.one("select count(*) from fct_collisions") == 1876
    assert lake.ask(
        "select field, count(*), count(distinct key) from meta_revisions group by field order by field"
    ) == [
        ("collision_id", 1, 1),
        ("crash_date", 1, 1),
        ("crash_time", 1, 1),
        ("latitude", 19, 19),
        ("longitude", 19, 19),
    ]
    assert lake.one("select count(distinct key) from meta_revisions") == 22
    told = "select key, old, new from meta_revisions where field in ('collision_id', 'crash_date', 'crash_time')"
    assert sorted(lake.ask(told)) == [
        ("4737422", "00:00:00", "20:47:00"),
        ("4741736", "2024-07-03", "2024-07-02"),
        ("4765601", None, "4765601"),
    ]
    assert lake.one("select count(distinct first_seen) from meta_revisions") == 1
    assert len(lake.ask(ready_queries()["revisions"].sql)) == 41


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=["in order", "out of order"])
def test_each_value_is_told_with_the_file_that_first_showed_it(lake: Lake, order: tuple[int, ...]) -> None:
    same = rows(3, 10)
    files: list[list[list[Record]]] = [
        [same, rows(1, 1, NUMBER_OF_PERSONS_INJURED="1")],
        [same, rows(1, 1, NUMBER_OF_PERSONS_INJURED="2", BOROUGH="")],
        [same, rows(1, 1, NUMBER_OF_PERSONS_INJURED="2", BOROUGH="")],
    ]
    for run in order:
        land(lake, run, *files[run])
        lake.run(*TAKE_IN, f"--run-id={run}")
    wanted = [("1", "borough", "Queens", None, "1"), ("1", "persons_injured", "1", "2", "1")]
    assert lake.ask(REVISIONS) == wanted
    lake.run(*TAKE_IN, "--run-id=again")
    assert lake.ask(REVISIONS) == wanted
    assert lake.ask("select distinct dataset, first_seen::text from meta_revisions") == [
        ("crashes", "2024-05-02 00:00:00")
    ]
    lake.wipe("landing/crashes/1.csv")
    lake.run(*TAKE_IN, "--run-id=without")
    assert lake.ask(REVISIONS) == [(*row[:4], "2") for row in wanted]
    lake.wipe("landing/crashes/0.csv")
    lake.run(*TAKE_IN, "--run-id=alone")
    assert lake.ask(REVISIONS) == []


def test_the_same_in_the_words_of_another_form_is_no_revision(lake: Lake) -> None:
    portal = rows(1, 1, CRASH_DATE="03/05/2024", CRASH_TIME="8:15", LATITUDE="40.7500", ON_STREET_NAME="MAIN STREET  ")
    land(lake, 0, portal)
    table = Table(DATASET, [portal[0] | {"LATITUDE": "40.75", "CRASH TIME": "08:15", "BOROUGH": "BRONX"}])
    lake.land(table.portal_csv(), "1.csv", EXTRACTED + timedelta(days=1))
    lake.run(*TAKE_IN)
    assert lake.ask(REVISIONS) == [("1", "borough", "Queens", "Bronx", "1")]


@pytest.mark.parametrize("covers", [None, EVERYTHING], ids=["partial files", "covering files"])
def test_a_collision_that_moves_to_another_month_and_back(lake: Lake, covers: tuple[str, str] | None) -> None:
    there, then, hurt = ({"CRASH_DATE": f"0{month}/05/2024"} for month in (3, 4, 3))
    hurt |= {"NUMBER_OF_PERSONS_INJURED": "1"}
    others = rows(2, 10) + rows(2, 20, CRASH_DATE="04/07/2024")
    wanted: list[tuple[Any, ...]] = []
    steps = [
        (there, []),
        (there, []),
        (then, [("1", "crash_date", "2024-03-05", "2024-04-05", "2")]),
        (then, []),
        (hurt, [("1", "crash_date", "2024-04-05", "2024-03-05", "4"), ("1", "persons_injured", "0", "1", "4")]),
    ]
    for number, (changes, told) in enumerate(steps):
        land(lake, number, rows(1, 1, **changes), others, covers=covers)
        lake.run(*TAKE_IN, f"--run-id={number}")
        wanted += told
        assert lake.ask(REVISIONS) == wanted
    lake.run("--run-id=whole", "--full-refresh")
    assert lake.ask(REVISIONS) == wanted


def test_a_collision_is_new_if_an_earlier_file_should_have_had_it(lake: Lake) -> None:
    land(lake, 0, rows(1, 1), rows(1, 2, CRASH_DATE="03/09/2024"), covers=("2024-03-01", "2024-03-10"))
    land(lake, 1, rows(1, 3), rows(1, 4, CRASH_DATE="03/10/2024"))
    land(lake, 2, rows(1, 3, BOROUGH=""), rows(1, 5, CRASH_DATE="04/02/2024"))
    lake.run(*TAKE_IN)
    assert lake.ask(REVISIONS) == [("3", "collision_id", None, "3", "1"), ("3", "borough", "Queens", None, "2")]


def test_what_an_earlier_file_had_in_a_rejected_row_is_not_new(lake: Lake) -> None:
    broken = rows(1, 3, NUMBER_OF_PERSONS_INJURED="many")
    land(lake, 0, rows(30, 10), broken, covers=EVERYTHING)
    land(lake, 1, rows(30, 10), rows(1, 3))
    lake.run(*TAKE_IN)
    assert lake.ask(REVISIONS) == []


def test_a_file_that_has_a_collision_twice_revises_nothing_by_itself(lake: Lake) -> None:
    land(lake, 0, rows(1, 1), rows(1, 1, BOROUGH="BRONX"), rows(1, 2), rows(1, 2, CRASH_DATE="04/02/2024"))
    land(lake, 1, rows(1, 1, BOROUGH=""))
    lake.run(*TAKE_IN)
    assert lake.ask(REVISIONS) == [("1", "borough", "Bronx", None, "1")]


FIELDS = {"crash_date": "CRASH DATE", "persons_injured": "NUMBER OF PERSONS INJURED", "borough": "BOROUGH"}


def told_by(files: dict[int, list[Record]], covering: set[int]) -> list[tuple[Any, ...]]:
    """The revisions that files tell of, read one by one in the order of their extraction; some cover every date."""
    known: dict[str, dict[str, str | None]] = {}
    found: set[tuple[Any, ...]] = set()
    for number, records in sorted(files.items()):
        for record in records:
            month, day, year = record["CRASH DATE"].split("/")
            now: dict[str, str | None] = {
                "crash_date": f"{year}-{month}-{day}",
                "persons_injured": record["NUMBER OF PERSONS INJURED"],
                "borough": record["BOROUGH"].title() or None,
            }
            key = record["COLLISION_ID"]
            if key not in known and any(earlier < number for earlier in covering):
                found.add((key, "collision_id", None, key, f"{number:02}"))
            for field, value in known.get(key, now).items():
                if value != now[field]:
                    found.add((key, field, value, now[field], f"{number:02}"))
            known[key] = now
    return sorted(found, key=lambda row: (row[4], row[0], row[1]))


@pytest.mark.parametrize("seed", range(3))
def test_random_files_landed_in_any_order_tell_what_they_would_one_by_one(folder_lake: Lake, seed: int) -> None:
    chance = random.Random(seed)
    lake, files = folder_lake, {}
    state = {number: {"CRASH_DATE": "03/05/2024"} for number in range(1, 13)}
    for number in range(7):
        for key in chance.sample(sorted(state), 4):
            day = date(2024, 1, 1) + timedelta(days=chance.randrange(120))
            kind = chance.choice(("move", "harm", "place"))
            state[key] |= {"CRASH_DATE": f"{day:%m/%d/%Y}"} if kind == "move" else {}
            state[key] |= {"NUMBER_OF_PERSONS_INJURED": chance.choice("0123")} if kind == "harm" else {}
            state[key] |= {"BOROUGH": chance.choice(("QUEENS", "BRONX"))} if kind == "place" else {}
        shown = chance.sample(sorted(state), chance.randint(4, 12))
        files[number] = [record for key in shown for record in rows(1, key, **state[key])]
    covering = set(chance.sample(sorted(files), 2))
    for position, number in enumerate(chance.sample(sorted(files), len(files))):
        covers = EVERYTHING if number in covering else None
        lake.land(crashes_csv(files[number]), f"{number:02}.csv", EXTRACTED + timedelta(days=number), covers)
        if position % 3 == 0:
            lake.run(*TAKE_IN, f"--run-id={position}")
    lake.run(*TAKE_IN, "--run-id=last")
    assert lake.ask(REVISIONS) == told_by(files, covering)
