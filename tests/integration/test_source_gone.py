"""What was fetched may go from landing again: by hand, by pruning, before a run has taken it in or after. Nothing that
the source changed is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from collisions_ops.cli import main
from fetching import DAY, NEW, ONLY, Source, ids, ingest, run
from lake import STAGES, Lake, WatchedStore, crashes_csv, failing, rows
from socrata import soql
from socrata.server import Fault
from socrata.table import Table

from stages.errors import StoreUnavailable
from stages.lake import keys

MONTHLY = {"full_refresh_days": "30", "lookback_days": "7"}


def dates(day: int) -> tuple[str, str]:
    """A day of March 2024, as a run's options."""
    start = date(2024, 3, day)
    return f"--start={start}", f"--end={start + timedelta(days=1)}"


def injured(lake: Lake, number: int = 100) -> int:
    """The persons injured of a collision, as published."""
    return int(lake.one(f"select persons_injured from fct_collisions where collision_id = {number}"))


def landing(lake: Lake, what: str = "_asof_") -> list[str]:
    """The keys of the fetched files whose names have `what`."""
    return [info.key for info in lake.store.list(keys.landing("crashes")) if what in info.key]


def remove(lake: Lake, gone: list[str]) -> None:
    assert gone
    for key in gone:
        lake.store.delete(key)


def refused(lake: Lake, source: Source, day: int, settings: dict[str, str]) -> None:
    """A scheduled run that fetches, and then refuses what it has fetched."""
    done = lake.stage("ingest_raw", ONLY, *dates(day), NEW, **source.settings(**settings))
    assert done.code == 65, done.log
    assert "_changed_asof_" in done.last


def without_dates(source: Source, *, dated: bool) -> None:
    """The city takes the dates of many old records away, or gives them back."""
    for number in range(5000, 5030):
        source.table.edit(str(number), crash_date="2024-01-10T00:00:00.000" if dated else "")


@pytest.fixture
def bad_page(source: Source, folder_lake: Lake) -> Callable[..., None]:
    """A function that has scheduled runs of some days refused for an old edit's file, each with the same settings."""
    source.table.insert(rows(60, 5000, CRASH_DATE="01/10/2024"))

    def days(*numbers: int, **settings: str) -> None:
        run(folder_lake, source, *DAY, NEW, "--full-refresh", **settings)
        source.table.edit("100", number_of_persons_injured="7")
        without_dates(source, dated=False)
        for number in numbers:
            refused(folder_lake, source, number, settings)
        without_dates(source, dated=True)

    return days


@pytest.mark.parametrize("settings", [{}, MONTHLY])
def test_a_manual_run_does_not_hide_that_a_file_which_no_run_took_in_is_gone(
    folder_lake: Lake, source: Source, bad_page: Callable[..., None], settings: dict[str, str]
) -> None:
    bad_page(6, **settings)
    remove(folder_lake, landing(folder_lake, "_changed_"))
    run(folder_lake, source, *dates(6), **settings)
    run(folder_lake, source, *dates(7), NEW, **settings)
    assert injured(folder_lake) == 7


@pytest.mark.parametrize("settings", [{}, MONTHLY])
@pytest.mark.parametrize("what", ["_changed_", "_asof_"])
@pytest.mark.parametrize("next_day", [6, 7])
def test_files_of_a_run_that_failed_are_asked_for_again_after_another_run(
    folder_lake: Lake,
    source: Source,
    bad_page: Callable[..., None],
    settings: dict[str, str],
    what: str,
    next_day: int,
) -> None:
    bad_page(6, **settings)
    first = [key for key in landing(folder_lake, what) if "_all_" not in key]
    refused(folder_lake, source, next_day, settings)
    remove(folder_lake, first)
    run(folder_lake, source, *dates(8), NEW, **settings)
    assert injured(folder_lake) == 7


@pytest.mark.parametrize("settings", [{}, MONTHLY])
def test_a_second_loss_brings_no_mark_back_that_rested_on_the_first(
    folder_lake: Lake, source: Source, settings: dict[str, str]
) -> None:
    source.table.insert(rows(3, 50, CRASH_DATE="01/10/2024"))
    run(folder_lake, source, *DAY, NEW, "--full-refresh", **settings)
    for day, injuries in ((16, "7"), (17, "8"), (18, "9")):
        source.table.edit(str(34 + day), number_of_persons_injured=injuries)
        run(folder_lake, source, *dates(day), NEW, **settings)
        if day < 18:
            remove(folder_lake, landing(folder_lake, "_changed_"))
    assert [injured(folder_lake, number) for number in (50, 51, 52)] == [7, 8, 9]


def test_a_mark_that_rests_on_a_manual_fetch_goes_with_it(folder_lake: Lake, source: Source) -> None:
    source.table.insert(rows(3, 1900, CRASH_DATE="03/19/2024") + rows(3, 2000, CRASH_DATE="03/20/2024"))
    run(folder_lake, source, *dates(20), NEW, "--full-refresh", lookback_days="1")
    source.table.edit("1900", number_of_persons_injured="7")
    source.table.edit("100", number_of_persons_injured="1")
    source.table.insert(rows(3, 2100, CRASH_DATE="03/21/2024"))
    ingest(folder_lake, source, "--start=2024-03-20", "--end=2024-03-22", lookback_days="1")
    died = WatchedStore(folder_lake.store, "list", "raw/", failing(StoreUnavailable("away")))
    settings = source.settings(lookback_days="1")
    assert folder_lake.stage("ingest_raw", ONLY, *dates(21), NEW, store=died, **settings).code == 75
    remove(folder_lake, landing(folder_lake, "2024-03-19_2024-03-22"))
    source.table.insert(rows(3, 2200, CRASH_DATE="03/22/2024"))
    run(folder_lake, source, *dates(22), NEW, lookback_days="1")
    assert injured(folder_lake, 1900) == 7


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=5)])
def test_a_loss_is_noticed_whatever_the_clocks_say(folder_lake: Lake, source: Source, ahead: timedelta) -> None:
    folder_lake.land(crashes_csv(rows(1, 200)), "by_hand.csv", datetime.now(UTC) + ahead)
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.edit("100", number_of_persons_injured="7")
    run(folder_lake, source, *dates(6), NEW)
    remove(folder_lake, landing(folder_lake, "_changed_"))
    run(folder_lake, source, *dates(6))
    run(folder_lake, source, *dates(7), NEW)
    assert injured(folder_lake) == 7


def test_a_file_that_goes_while_a_run_fetches_is_missed_by_the_next(folder_lake: Lake, source: Source) -> None:
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.edit("100", number_of_persons_injured="7")
    run(folder_lake, source, *dates(6), NEW)
    gone = landing(folder_lake, "_changed_")
    source.table.edit("101", number_of_persons_injured="3")
    source.server.faults.append(Fault("none", "page", then=lambda: remove(folder_lake, gone)))
    run(folder_lake, source, *dates(7), NEW)
    run(folder_lake, source, *dates(8), NEW)
    assert injured(folder_lake) == 7


def test_where_single_changes_cannot_be_told_apart_a_loss_makes_a_full_refresh_due(
    folder_lake: Lake, source: Source
) -> None:
    settings = {"full_refresh_days": "30", "source_page_rows": "5"}
    run(folder_lake, source, *dates(3), NEW, **settings)
    source.table.republish()
    run(folder_lake, source, *dates(4), NEW, **settings)
    gone = [key for key in landing(folder_lake) if "_all_" not in key]
    source.table.edit("200", number_of_persons_injured="1")
    run(folder_lake, source, *dates(6), NEW, **settings)
    remove(folder_lake, gone)
    source.table.edit("100", number_of_persons_injured="7")
    run(folder_lake, source, *dates(8), NEW, **settings)
    assert injured(folder_lake) == 7


def test_without_full_refreshes_a_loss_that_cannot_be_made_good_is_said(folder_lake: Lake, source: Source) -> None:
    run(folder_lake, source, *DAY, NEW)
    gone = landing(folder_lake)
    remove(folder_lake, gone)
    folder_lake.land(crashes_csv(rows(1, 900)), "by_hand.csv")
    log = run(folder_lake, source, *dates(6), NEW)
    assert (
        f"WARNING: crashes: no longer in landing: {gone[0]}; what changed on other dates before cannot be told" in log
    )
    assert "--full-refresh" in log
    assert "cannot be told" not in run(folder_lake, source, *dates(7), NEW)


def test_without_full_refreshes_and_without_a_journal_the_first_run_says_what_it_cannot_know(
    folder_lake: Lake, source: Source
) -> None:
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    folder_lake.store.delete(keys.fetched("crashes"))
    log = run(folder_lake, source, *dates(6), NEW)
    assert (
        "WARNING: crashes: changes of the source are followed only from now on; what changed on other dates before"
        in log
    )
    assert "cannot be told" not in run(folder_lake, source, *dates(7), NEW)


@pytest.mark.parametrize("content", [b"", b"[{", b"[1]", b"null", b'[{"key": "a"}]', b"\xff"])
def test_a_damaged_journal_is_named_with_what_helps(folder_lake: Lake, source: Source, content: bytes) -> None:
    ingest(folder_lake, source, *DAY, NEW, **MONTHLY)
    key = keys.fetched("crashes")
    folder_lake.store.put(key, content)
    done = folder_lake.stage("ingest_raw", ONLY, *dates(6), NEW, **source.settings(**MONTHLY))
    assert done.code == 65
    assert f"{folder_lake.store.describe(key)}: damaged, or not a record of this pipeline" in done.last
    folder_lake.store.delete(key)
    ingest(folder_lake, source, *dates(6), NEW, **MONTHLY)
    assert len(landing(folder_lake, "_all_")) == 2


@pytest.mark.parametrize(
    "settings",
    [{}, {"full_refresh_days": "30", "source_page_rows": "5"}],
    ids=["no whole table", "after a republication"],
)
def test_pruning_hides_no_later_change(
    folder_lake: Lake, source: Source, tmp_path: Path, settings: dict[str, str]
) -> None:
    run(folder_lake, source, *dates(3), NEW, **settings)
    if settings:
        source.table.republish()
    run(folder_lake, source, *dates(4), NEW, **settings)
    source.table.edit("200", number_of_persons_injured="1")
    run(folder_lake, source, *dates(5), NEW, **settings)
    source.table.edit("201", number_of_persons_injured="2")
    run(folder_lake, source, "--start=2024-03-01", "--end=2024-03-09", **settings)
    before = landing(folder_lake)
    environ = {"COLLISIONS_LAKE": folder_lake.environment["COLLISIONS_LAKE"], "STATE": str(tmp_path)}
    assert main(["land", "--prune", "--embedded", "--yes"], environ) == 0
    assert len(landing(folder_lake)) < len(before)
    source.table.edit("100", number_of_persons_injured="7")
    run(folder_lake, source, *dates(8), NEW, **settings)
    assert injured(folder_lake) == 7


def test_a_source_that_goes_back_in_time_is_fetched_whole(folder_lake: Lake, source: Source) -> None:
    run(folder_lake, source, *DAY, NEW, **MONTHLY)
    then = {key: dict(row) for key, row in source.table.rows.items()}
    source.table.edit("100", number_of_persons_injured="7")
    run(folder_lake, source, *dates(6), NEW, **MONTHLY)
    assert injured(folder_lake) == 7
    source.table.rows = then
    run(folder_lake, source, *dates(7), NEW, **MONTHLY)
    assert injured(folder_lake) == 0


@pytest.mark.parametrize("fetched_by", ["a manual run", "a run that died"])
def test_a_source_that_goes_back_behind_what_no_mark_has_is_fetched_whole(
    folder_lake: Lake, source: Source, fetched_by: str
) -> None:
    source.table.insert(rows(3, 50, CRASH_DATE="01/10/2024"))
    run(folder_lake, source, *dates(20), NEW, **MONTHLY)
    then = {key: dict(row) for key, row in source.table.rows.items()}
    source.table.edit("50", number_of_persons_injured="7")
    if fetched_by == "a manual run":
        run(folder_lake, source, "--start=2024-01-10", "--end=2024-01-11", **MONTHLY)
    else:
        died = WatchedStore(folder_lake.store, "put", "landing/crashes/crashes_2024", failing(StoreUnavailable("away")))
        settings = source.settings(**MONTHLY)
        assert folder_lake.stage("ingest_raw", ONLY, *dates(21), NEW, store=died, **settings).code == 75
    source.table.rows = then
    source.table.tick()
    run(folder_lake, source, *dates(21), NEW, **MONTHLY)
    assert injured(folder_lake, 50) == 0


def test_rows_that_come_back_after_a_manual_run_withdrew_them_make_a_full_refresh_due(
    folder_lake: Lake, source: Source
) -> None:
    source.table.insert(rows(3, 50, CRASH_DATE="01/10/2024"))
    key, row = next((key, row) for key, row in source.table.rows.items() if row["collision_id"] == "50")
    run(folder_lake, source, *dates(20), NEW, **MONTHLY)
    source.table.remove("50")
    run(folder_lake, source, "--start=2024-01-10", "--end=2024-01-11", **MONTHLY)
    assert 50 not in ids(folder_lake)
    source.table.rows[key] = row
    run(folder_lake, source, *dates(21), NEW, **MONTHLY)
    assert 50 in ids(folder_lake)


def test_a_file_that_was_landed_and_not_noted_does_not_win_over_a_full_refresh(
    folder_lake: Lake, source: Source
) -> None:
    run(folder_lake, source, *DAY, NEW, **MONTHLY)
    then, clock = {key: dict(row) for key, row in source.table.rows.items()}, source.table.clock
    source.table.edit("100", number_of_persons_injured="7")
    died = WatchedStore(folder_lake.store, "put", keys.fetched("crashes"), failing(StoreUnavailable("away")))
    dated = ("--start=2024-03-04", "--end=2024-03-05")
    assert folder_lake.stage("ingest_raw", ONLY, *dated, store=died, **source.settings(**MONTHLY)).code == 75
    source.table.rows, source.table.clock = then, clock
    run(folder_lake, source, *dates(4), NEW, "--full-refresh", **MONTHLY)
    assert injured(folder_lake) == 0


def test_a_state_without_a_time_is_no_answer(
    folder_lake: Lake, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.edit("100", number_of_persons_injured="7")

    def odd(table: Table, select: str, *rest: Any, **more: Any) -> Any:
        columns, found = soql.answer(table, select, *rest, **more)
        if "max(:updated_at)" in select:
            found[0]["updated"] = ""
        return columns, found

    with monkeypatch.context() as patched:
        patched.setattr("socrata.server.answer", odd)
        done = folder_lake.stage("ingest_raw", ONLY, *dates(6), NEW, **source.settings())
    assert done.code == 75
    assert ":updated_at are answered as" in done.last
    ingest(folder_lake, source, *dates(7), NEW)


def test_an_export_that_cannot_be_read_is_asked_for_again(
    folder_lake: Lake, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, exports = Table.portal_csv, list[str]()

    def first_is_damaged(table: Table) -> str:
        exports.append(whole(table))
        return exports[-1] if exports[1:] else exports[-1].replace("QUEENS", "QU\0ENS", 1)

    monkeypatch.setattr(Table, "portal_csv", first_is_damaged)
    assert "the export cannot be read" in ingest(folder_lake, source, NEW)
    assert len(exports) == 2


def test_a_file_that_was_fetched_by_a_clock_far_ahead_is_named(
    folder_lake: Lake, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.lake import sources
    from stages.landing.socrata import fetch

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(days=40)

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "datetime", Ahead)
        patched.setattr(sources, "datetime", Ahead)
        ingest(folder_lake, source, *DAY, NEW, "--full-refresh")
    (ahead,) = landing(folder_lake)
    done = folder_lake.stage("ingest_raw", ONLY, *dates(6), NEW, **source.settings(full_refresh_days="30"))
    assert done.code == 65
    assert f"{ahead}: its extraction time" in done.last
    assert "remove it, and the next run fetches what it had" in done.last
    assert landing(folder_lake) == [ahead]
    remove(folder_lake, [ahead])
    ingest(folder_lake, source, *dates(6), NEW, full_refresh_days="30")


def test_a_manual_run_over_what_was_fetched_takes_in_the_days_before_without_a_source(
    folder_lake: Lake, source: Source
) -> None:
    source.table.insert(rows(3, 900, CRASH_DATE="02/27/2024") + rows(2, 950, CRASH_DATE="03/01/2024"))
    run(folder_lake, source, NEW, "--full-refresh")
    source.table.move("950", "2024-02-27")
    ingest(folder_lake, source, "--start=2024-03-01", "--end=2024-03-02", lookback_days="7")
    for stage in STAGES:
        done = folder_lake.stage(stage, "--start=2024-03-01", "--end=2024-03-02", lookback_days="7")
        assert done.code == 0, done.log
    assert 950 in ids(folder_lake)
