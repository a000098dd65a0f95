"""scripts/land --prune: what it removes from landing changes no curated row and no fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from collisions_ops.cli import main
from collisions_ops.prune import superfluous_of
from lake import STAGES, Lake, rows
from socrata.server import SocrataServer
from socrata.table import Table

from stages.datasets.crashes import DATASET
from stages.lake import keys
from stages.lake.sources import Source
from stages.landing.socrata.superfluous import superfluous

OTHERS = ("raw/", "landing/", "clean/", "_runs/", "warehouse/", "quarantine/")  # what tells of files, versions and runs
REVISIONS = "select field, old, new from meta_revisions order by all"


def run(
    lake: Lake,
    server: SocrataServer,
    day: int,
    *arguments: str,
    stages: Sequence[str] = STAGES,
    lookback_days: str = "1",
) -> None:
    """A scheduled run of a day of March 2024 over the one dataset that the server has."""
    settings: dict[str, Any] = {
        "source": "socrata",
        "source_url": server.url,
        "full_refresh_days": "0",
        "lookback_days": lookback_days,
    }
    scope = (f"--start=2024-03-{day:02}", f"--end=2024-03-{day + 1:02}", f"--run-id={day}", "--take-in=new")
    for stage in stages:
        only = () if stage == "model_analytics" else ("--dataset=crashes",)
        done = lake.stage(stage, *scope, *only, *arguments, stale_days="3650", max_shrink_ratio="1", **settings)
        assert done.code == 0, done.log


def landed(lake: Lake) -> list[str]:
    """The landed files by what they have."""
    return [info.key.rpartition("/")[2].partition("_asof_")[0] for info in lake.store.list(keys.landing("crashes"))]


def prune(folder: Path, *arguments: str) -> int:
    environment = {"COLLISIONS_LAKE": str(folder), "STATE": str(folder.parent)}
    return main(["land", "--prune", "--embedded", *arguments], environment)


def test_all_but_the_revisions_is_the_same_without_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    lake = Lake(lake=str(folder))
    table = Table(DATASET, [row for day in (4, 5) for row in rows(4, day * 100, CRASH_DATE=f"03/{day:02}/2024")])
    with SocrataServer([table]) as server:
        run(lake, server, 4, "--full-refresh")
        table.edit("400", number_of_persons_injured="7")
        table.move("401", "2024-01-30")
        run(lake, server, 6)
        table.remove("500")
        run(lake, server, 7, "--full-refresh")
        table.insert(rows(2, 800, CRASH_DATE="03/08/2024"))
        run(lake, server, 8)
        before, warehouse = lake.listing(*OTHERS), lake.contents()
        kept = ["crashes_2024-03-04_2024-03-09", "crashes_all"]
        everything = ["crashes_2024-03-04_2024-03-07", *kept, "crashes_all", "crashes_changed"]
        assert landed(lake) == everything
        revised = lake.ask(REVISIONS)
        assert {("persons_injured", "0", "7"), ("crash_date", "2024-03-04", "2024-01-30")} <= set(revised)
        assert prune(folder) == 0
        assert landed(lake) == everything
        assert prune(folder, "--yes") == 0
        assert landed(lake) == kept
        run(lake, server, 8)
    assert lake.listing(*OTHERS) == before
    assert lake.contents() == warehouse
    assert set(lake.ask(REVISIONS)) < set(revised)


def test_what_is_superfluous_in_a_folder_is_so_in_a_bucket(lake: Lake) -> None:
    table = Table(DATASET, rows(4, 400, CRASH_DATE="03/04/2024"))
    with SocrataServer([table]) as server:
        run(lake, server, 4, "--full-refresh")
        table.edit("400", number_of_persons_injured="7")
        run(lake, server, 5, "--full-refresh")
        before = lake.contents()
        ((older, (_, newer)),) = superfluous_of(lake.store, DATASET).items()
        assert [older, newer.key] == [info.key for info in lake.store.list(keys.landing("crashes"))]
        lake.store.delete(older)
        run(lake, server, 6)
    assert lake.contents() == before


def fetched(what: str, moment: int, covers: tuple[str, str] | None = None) -> Source:
    """A file fetched on a day of March 2024 and taken in."""
    name = f"things_{what}_asof_202403{moment:02}T100000Z"
    extracted = datetime(2024, 3, moment, 10, tzinfo=UTC).isoformat()
    first, end = covers or (None, None)
    stated = (name, f"{keys.landing('things')}{name}.csv", "etag", 1, "", extracted, first, end, "1")
    return Source(*stated, rows=5, months={"2024-03": 5}, written={"2024-03": "etag"})


def same(_: Source) -> set[tuple[str, str]]:
    """Every file has the same records."""
    return {("2024-03", "1")}


DAY = ("2024-03-04", "2024-03-05")
OLD = fetched("2024-03-04_2024-03-05", 5, DAY)
CHANGED = fetched("changed", 5)


@pytest.mark.parametrize(
    ("later", "found"),
    [
        (fetched("all", 6, ("1000-01-01", "9999-12-31")), [OLD.key, CHANGED.key]),
        (fetched("2024-03-01_2024-03-06", 6, ("2024-03-01", "2024-03-06")), [OLD.key]),
        (fetched("2024-03-05_2024-03-06", 6, ("2024-03-05", "2024-03-06")), []),
        (fetched("all", 4, ("1000-01-01", "9999-12-31")), []),
    ],
)
def test_a_later_file_that_covers_all_dates_makes_one_superfluous(later: Source, found: list[str]) -> None:
    assert list(superfluous("things", [OLD, CHANGED, later], {}, same)) == found


def test_a_file_that_says_it_is_later_than_its_name_is_not_superfluous() -> None:
    """Copied without its metadata, it counts as extracted when it was last modified."""
    whole = fetched("all", 6, ("1000-01-01", "9999-12-31"))
    copied = replace(OLD, extracted_at=datetime(2024, 3, 7, tzinfo=UTC).isoformat(), covers_start=None, covers_end=None)
    assert superfluous("things", [copied, whole], {}, same) == {}


def test_what_is_rejected_or_left_or_under_way_keeps_a_file() -> None:
    whole = fetched("all", 6, ("1000-01-01", "9999-12-31"))
    assert superfluous("things", [OLD, replace(whole, pending={"2024-03": "run"})], {}, same) == {}
    assert superfluous("things", [OLD, whole], {whole.name: 1}, same) == {}
    assert superfluous("things", [OLD, whole], {OLD.name: 1}, same) == {}
    whole.written = {}
    assert superfluous("things", [OLD, whole], {}, same) == {}


def test_a_file_with_a_record_that_the_covering_one_lacks_stays() -> None:
    """Without it, what its month had of the record before would count again."""
    wider = fetched("2024-03-01_2024-03-06", 6, ("2024-03-01", "2024-03-06"))
    more = {OLD.key: {("2024-03", "1"), ("2024-03", "2")}, wider.key: {("2024-03", "1")}}
    assert superfluous("things", [OLD, wider], {}, lambda source: more[source.key]) == {}
    other_month = {OLD.key: {("2024-02", "1")}, wider.key: {("2024-03", "1")}}
    assert superfluous("things", [OLD, wider], {}, lambda source: other_month[source.key]) == {}


def test_a_run_that_is_under_way_keeps_what_its_file_would_replace(tmp_path: Path) -> None:
    """What transform_clean will reject of the later file, the earlier one still has."""
    folder = tmp_path / "lake"
    lake = Lake(lake=str(folder))
    table = Table(DATASET, [row for day in (4, 5) for row in rows(30, day * 100, CRASH_DATE=f"03/{day:02}/2024")])
    with SocrataServer([table]) as server:
        run(lake, server, 5)
        table.edit("500", number_of_persons_injured="-1")
        run(lake, server, 6, stages=STAGES[:1], lookback_days="2")
        files = landed(lake)
        assert prune(folder, "--yes") == 0
        assert landed(lake) == files
        run(lake, server, 6)
    assert lake.one("select count(*) from fct_collisions where collision_id = 500") == 1


def test_what_was_withdrawn_stays_withdrawn_without_the_files(tmp_path: Path) -> None:
    """A record moves into the dates of a file, is withdrawn before the next one, and its month knows it from before."""
    folder = tmp_path / "lake"
    lake = Lake(lake=str(folder))
    everyday = [row for day in range(1, 24) for row in rows(1, day * 100, CRASH_DATE=f"03/{day:02}/2024")]
    table = Table(DATASET, [*everyday, *rows(1, 7, CRASH_DATE="03/02/2024")])
    with SocrataServer([table]) as server:
        run(lake, server, 2, "--full-refresh")
        table.move("7", "2024-03-20")
        run(lake, server, 21)
        table.remove("7")
        run(lake, server, 21)
        run(lake, server, 22)
        before, warehouse = lake.listing(*OTHERS), lake.contents()
        assert lake.one("select count(*) from fct_collisions where collision_id = 7") == 0
        assert prune(folder, "--yes") == 0
        run(lake, server, 22)
    assert lake.listing(*OTHERS) == before
    assert lake.contents() == warehouse
