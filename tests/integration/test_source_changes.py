"""Whatever the source does, in whatever order and with whatever faults, the lake comes to equal its table."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake import Lake, rows
from socrata.server import Fault, SocrataServer
from socrata.table import Table, read_csv

from stages.datasets.crashes import DATASET
from stages.lake import keys

FIRST = date(2024, 2, 20)
EACH = 5  # collisions a day
STAGES = ("ingest_raw", "transform_clean")
KEPT = [column.name for column in DATASET.kept_columns]
Rows = dict[int, tuple[Any, ...]]


def newest(lake: Lake, columns: Sequence[str] = KEPT) -> Rows:
    """The newest version of each record over all months of the clean layer, without where it is from."""
    provenance = ["extracted_at", "source", "source_line"]
    versions: dict[int, tuple[tuple[object, ...], tuple[object, ...]]] = {}
    for info in lake.store.list("clean/crashes/"):
        content = pa.BufferReader(lake.store.read(info.key))
        for row in pq.read_table(content, columns=[*columns, *provenance]).to_pylist():
            version = tuple(row.pop(name) for name in provenance)
            key = row["collision_id"]
            if key not in versions or version > versions[key][0]:
                versions[key] = version, tuple(row.values())
    return {key: values for key, (_, values) in versions.items()}


def at_once(table: Table, folder: Path) -> Rows:
    """The same of a lake in which the whole table is landed as one file."""
    lake = Lake(lake=str(folder))
    lake.land(table.portal_csv(), "table.csv")
    lake.run(stages=STAGES)
    return newest(lake)


def served(table: Table) -> dict[int, tuple[date, int]]:
    """What the tests change: id → date and persons injured, as the server has them."""
    return {
        int(row[table.key]): (date.fromisoformat(row[table.day][:10]), int(row["number_of_persons_injured"]))
        for row in table.sorted_rows()
    }


def known(lake: Lake) -> dict[int, tuple[date, int]]:
    """The same as the lake has them."""
    return {
        key: (row[1], row[2]) for key, row in newest(lake, ["collision_id", "crash_date", "persons_injured"]).items()
    }


def daily_run(
    lake: Lake,
    server: SocrataServer,
    day: date,
    *arguments: str,
    take_in: str = "new",
    seed: int = 0,
    **settings: str,
) -> None:
    """A scheduled run's first two stages, or a manual one's, tried again as Airflow would where one ends with 75."""
    stated: dict[str, Any] = {"source": "socrata", "source_url": server.url, "full_refresh_days": "0"}
    stated |= {"source_page_rows": "20", "lookback_days": "3", "source_timeout_seconds": "5"} | settings
    dates = (f"--start={day}", f"--end={day + timedelta(days=1)}")
    scope = (*dates, f"--run-id={take_in}-{day}", f"--take-in={take_in}", "--dataset=crashes")
    for stage in STAGES:
        for _ in range(5):
            done = lake.stage(stage, *scope, *(arguments if stage == "ingest_raw" else ()), **stated)
            if done.code != 75:
                break
        assert done.code == 0, f"seed {seed}, {day}: {done.log}"


def some_fault(chance: random.Random, table: Table, today: date) -> Fault:
    """A misbehaviour at random, or none; the table may change underneath."""
    kinds = ("none", "status", "cut", "reset", "short", "gap", "twice", "first", "old", "html")
    fault = Fault(chance.choice(kinds), chance.choice(("page", "count", "probe", "any")))
    fault.status, fault.skip = chance.choice((202, 429, 500, 503)), chance.randrange(2)
    fault.retry_after = chance.choice(("", "", "1"))
    if chance.random() < 0.2:
        late = rows(1, 50_000 + table.numbers, CRASH_DATE=f"{today:%m/%d/%Y}")
        fault.then = lambda: table.insert(late)
    return fault


def change(chance: random.Random, table: Table, today: date) -> set[int]:
    """A day's edits, moves, late reports and removals of records of any age; returns the ids removed."""
    removed = set()
    for _ in range(chance.randrange(6)):
        key = chance.choice([row[table.key] for row in table.sorted_rows()])
        kind = chance.choice(("edit", "move", "late", "remove"))
        day = today - timedelta(days=chance.randrange(400))
        if kind == "edit":
            table.edit(key, number_of_persons_injured=str(chance.randrange(1, 9)))
        elif kind == "move":
            table.move(key, str(day))
        elif kind == "late":
            table.insert(rows(1, 50_000 + table.numbers, CRASH_DATE=f"{day:%m/%d/%Y}"))
        else:
            table.remove(key)
            removed.add(int(key))
    return removed


def remove_one(chance: random.Random, lake: Lake) -> int:
    """Remove one of the last fetched files that are not the whole table, if there is one; returns how many were."""
    found = [key for info in lake.store.list(keys.landing("crashes")) if "_all_" not in (key := info.key)]
    last = sorted(found, key=lambda key: key.rpartition("_asof_")[2])[-4:]
    for key in chance.sample(last, min(1, len(last))):
        lake.store.delete(key)
    return min(1, len(last))


def covered_dates(lake: Lake) -> dict[str, tuple[date, date]]:
    """Landed file → the dates that it covers."""
    found = {}
    for info in lake.store.list(keys.landing("crashes")):
        declared = lake.store.metadata(info.key)
        if "covers-start" in declared:
            start, end = (date.fromisoformat(declared[f"covers-{end}"]) for end in ("start", "end"))
            found[info.key] = start, end
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("days", "seed"), [(61, 21)])
def test_day_by_day_with_faults_is_the_servers_table(tmp_path: Path, days: int, seed: int) -> None:
    """After each run only removals outside of the dates asked for may be unknown; after a full refresh, nothing is.

    Now and then a fetched file is removed from landing.
    """
    chance = random.Random(seed)
    table = Table(DATASET, rows(40, 1, CRASH_DATE="02/01/2023") + rows(40, 101, CRASH_DATE="01/10/2024"))
    lake = Lake(lake=str(tmp_path / "lake"))
    gone: dict[int, set[str]] = {}  # id → the covering files that were landed since it was removed
    before: dict[str, tuple[date, date]] = {}
    lost, unknown = 0, set[int]()
    refresh: dict[str, Any] = {"full_refresh_days": "30", "seed": seed}
    with SocrataServer([table]) as server:
        for number in range(days):
            day = FIRST + timedelta(days=number)
            table.insert(rows(EACH, 1000 + number * EACH, CRASH_DATE=f"{day:%m/%d/%Y}"))
            if chance.random() < 0.1:
                table.republish()  # alone: what was edited before it, nobody can tell from the rest
            else:
                gone |= {key: set() for key in change(chance, table, day)}
                lost += remove_one(chance, lake) if chance.random() < 0.15 else 0
            table.clock += timedelta(hours=chance.randrange(30))  # it may be days ahead of ours
            server.faults = [some_fault(chance, table, day)] if number else []
            if number and chance.random() < 0.1:
                daily_run(lake, server, day - timedelta(days=chance.randrange(100)), take_in="dates", **refresh)
            daily_run(lake, server, day, *([] if number else ["--full-refresh"]), **refresh)
            now = covered_dates(lake)
            for key in gone:
                gone[key] |= now.keys() - before.keys()
            before = now
            truth, found = served(table), known(lake)
            assert {key: row for key, row in found.items() if key in truth} == truth, f"seed {seed}, {day}"
            for key in found.keys() - truth.keys():
                shown, _ = found[key]
                scopes = [now[name] for name in gone[key] & now.keys()]
                assert not [start for start, end in scopes if start <= shown < end], f"seed {seed}, {day}, {key}"
            unknown |= found.keys() - truth.keys()
        assert lost
        assert unknown, "nothing was left to be unknown: the test shows less than it says"
        daily_run(lake, server, day, "--full-refresh", seed=seed)
        assert newest(lake) == at_once(table, tmp_path / "truth"), f"seed {seed}"


@pytest.mark.slow
def test_days_one_by_one_are_the_month_at_once(tmp_path: Path) -> None:
    days = [FIRST + timedelta(days=number) for number in range(31)]
    records = [
        row for number, day in enumerate(days) for row in rows(EACH, 1 + number * EACH, CRASH_DATE=f"{day:%m/%d/%Y}")
    ]
    table = Table(DATASET, records)
    single, whole, truth = (Lake(lake=str(tmp_path / name)) for name in ("single", "whole", "truth"))
    with SocrataServer([table]) as server:
        for day in days:
            server.faults = [some_fault(random.Random(day.toordinal()), table, day)]
            daily_run(single, server, day)
        daily_run(whole, server, days[-1], lookback_days="30")
    truth.land(table.portal_csv(), "table.csv")
    for lake in (single, whole, truth):
        lake.run()
    assert newest(single) == newest(whole) == newest(truth)
    assert single.contents() == whole.contents() == truth.contents()


def test_a_real_week_then_and_now(tmp_path: Path, extract: Callable[[str], Path]) -> None:
    """Two real snapshots of a week, served one after the other: 22 differences and a new collision."""
    then, now = (
        read_csv(extract(f"crashes_2024-06-30_week_asof_{taken}.csv")) for taken in ("2024-09-16", "2025-02-12")
    )
    table = Table(DATASET, then)
    lake = Lake(lake=str(tmp_path / "lake"))
    with SocrataServer([table]) as server:
        daily_run(lake, server, date(2024, 7, 8), "--full-refresh", source_page_rows="50000")
        before = newest(lake)
        table.replace(now)
        daily_run(lake, server, date(2024, 9, 20), source_page_rows="50000")  # long after: no date of it is asked for
    after = newest(lake)
    assert (len(before), len(after)) == (1875, 1876)
    assert after.keys() - before.keys() == {4765601}
    assert len([key for key, row in before.items() if after[key] != row]) == 21
    assert date(2024, 7, 2) in after[4741736]
    assert after == at_once(table, tmp_path / "truth")
