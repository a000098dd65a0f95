"""The city's API as a source: what is asked, what comes of answers that are none, what the lake then has."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trustme
from fetching import DAY, INJURED, NEW, ONLY, Source, fetched, ids, ingest, records, run
from lake import Lake, WatchedStore, crashes_csv, failing, rows
from socrata.server import Fault, SocrataServer
from socrata.table import Table, read_csv

from stages.datasets.crashes import DATASET
from stages.errors import SourceUnavailable, StoreUnavailable
from stages.lake import keys
from stages.landing.socrata.client import Client, Query
from stages.landing.socrata.journal import read_journal
from stages.settings import Settings


def landed(lake: Lake) -> list[tuple[str, str]]:
    """Key and persons injured of the rows of the only landed file, in its order."""
    (info,) = lake.store.list("landing/")
    found = csv.DictReader(lake.store.read(info.key).decode().splitlines())
    return [(row["collision_id"], row["number_of_persons_injured"]) for row in found]


def served(source: Source) -> list[tuple[str, str]]:
    """The same of the server's table."""
    return [(row["collision_id"], row["number_of_persons_injured"]) for row in source.table.sorted_rows()]


def test_a_run_fetches_its_dates_and_lands_what_covers_them(lake: Lake, source: Source) -> None:
    run(lake, source, *DAY)
    assert ids(lake) == [200, 201, 202, 203]
    ((name, declared),) = fetched(lake).items()
    assert name == "crashes_2024-03-05_2024-03-06"
    assert (declared["covers-start"], declared["covers-end"]) == ("2024-03-05", "2024-03-06")
    assert declared["source-newest"].startswith("2024-03-0")
    assert declared["source-etag"]
    assert source.server.encodings == {"gzip"}
    assert source.asked() == ["probe", "count", "count", "page", "count"]


def test_years_apart_are_all_fetched(folder_lake: Lake, source: Source) -> None:
    later = rows(2, 900, CRASH_DATE="05/06/2026")
    with SocrataServer([Table(DATASET, records() + rows(2, 800, CRASH_DATE="05/06/2025") + later)]) as server:
        run(folder_lake, Source(server), "--years=2024,2026")
    assert len(ids(folder_lake)) == 14
    assert sorted(fetched(folder_lake)) == ["crashes_2024-01-01_2025-01-01", "crashes_2026-01-01_2027-01-01"]


def test_the_warehouse_says_how_new_the_source_was(folder_lake: Lake, source: Source) -> None:
    folder_lake.land(crashes_csv(rows(1, 200)), "by_hand.csv", datetime(2024, 4, 1, tzinfo=UTC))
    run(folder_lake, source, *DAY)
    found = folder_lake.ask("select file like '%by_hand.csv', source_newest from meta_sources order by 1")
    assert found == [(False, date(2024, 3, 6)), (True, None)]


def test_without_the_setting_nothing_is_asked(folder_lake: Lake, source: Source) -> None:
    folder_lake.land(crashes_csv(rows(1)), "a.csv")
    folder_lake.run(*DAY)
    assert source.asked() == []


def test_the_landed_file_is_the_answer_with_one_header(folder_lake: Lake, source: Source) -> None:
    ingest(folder_lake, source, "--start=2024-03-04", "--end=2024-03-07", source_page_rows="5")
    assert landed(folder_lake) == served(source)
    (info,) = folder_lake.store.list("landing/")
    assert folder_lake.store.read(info.key).startswith(b'":id",":updated_at","crash_date"')
    assert source.asked() == ["probe", "count", "count", "page", "page", "page", "count"]
    assert not [key for key in folder_lake.objects() if key.startswith("_fetch/crashes/")]


def test_a_source_that_has_not_changed_is_not_read_again(folder_lake: Lake, source: Source) -> None:
    ingest(folder_lake, source, *DAY)
    before = folder_lake.listing("_runs/")
    source.asked()
    log = ingest(folder_lake, source, *DAY)
    assert "crashes: the source has not changed since it was fetched; nothing to ask for" in log
    assert source.asked() == ["probe", "count"]
    assert folder_lake.listing("_runs/") == before


def test_a_daily_run_follows_edits_moves_and_late_reports_of_any_age(lake: Lake, source: Source) -> None:
    run(lake, source, "--start=2024-03-04", "--end=2024-03-05", NEW, "--full-refresh")
    source.asked()
    source.table.edit("100", number_of_persons_injured="7")
    source.table.move("101", "2024-01-30")
    source.table.insert(rows(1, 900, CRASH_DATE="02/01/2024"))
    run(lake, source, "--start=2024-03-07", "--end=2024-03-08", NEW)
    assert source.asked() == ["probe", "count", "count", "count", "page", "page", "count"]
    assert lake.one("select persons_injured from fct_collisions where collision_id = 100") == 7
    assert lake.one("select crash_date from fct_collisions where collision_id = 101") == date(2024, 1, 30)
    assert len(ids(lake)) == 13


def test_changes_that_were_lost_with_their_file_are_asked_for_again(lake: Lake, source: Source) -> None:
    """The file of what had changed elsewhere is removed: before any run has taken it in, or after."""
    run(lake, source, *DAY, NEW, "--full-refresh")
    for day, injured in ((6, 7), (7, 8)):
        source.table.edit("100", number_of_persons_injured=f"{injured}")
        source.table.edit("203", number_of_persons_injured=f"{injured}")
        dates = (f"--start=2024-03-{day:02}", f"--end=2024-03-{day + 1:02}")
        if day == 7:
            run(lake, source, *dates, NEW)
        else:  # by the fetch alone
            died = WatchedStore(lake.store, "list", "raw/", failing(StoreUnavailable("the store is away")))
            assert lake.stage("ingest_raw", ONLY, *dates, NEW, store=died, **source.settings()).code == 75
        lost = [info.key for info in lake.store.list("landing/") if "_changed_asof_" in info.key][-1]
        lake.store.delete(lost)
        run(lake, source, *dates, NEW)
        edited = "select persons_injured from fct_collisions where collision_id in (100, 203)"
        assert lake.ask(edited) == [(injured,), (injured,)]
        source.asked()
        run(lake, source, *dates, NEW)
        assert source.asked() == ["probe", "count"]


def test_an_edit_within_dates_that_a_manual_run_had_fetched_is_marked_once(folder_lake: Lake, source: Source) -> None:
    ingest(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.edit("200", number_of_persons_injured="7")
    ingest(folder_lake, source, *DAY)
    ingest(folder_lake, source, *DAY, NEW)
    source.asked()
    log = ingest(folder_lake, source, *DAY, NEW)
    assert source.asked() == ["probe", "count"]
    assert "nothing to ask for" in log


@pytest.mark.parametrize(
    ("scope", "before"),
    [(("--start=2024-03-01", "--end=2024-03-02"), date(2024, 2, 28)), (("--years=2024",), date(2023, 12, 30))],
)
def test_a_manual_run_takes_in_the_days_that_it_asks_for_before_its_dates(
    lake: Lake, source: Source, scope: tuple[str, ...], before: date
) -> None:
    """A record that moves into them stays; an edit and a withdrawal there arrive."""
    source.table.insert(rows(3, 900, CRASH_DATE=f"{before:%m/%d/%Y}") + rows(2, 950, CRASH_DATE="03/01/2024"))
    run(lake, source, NEW, "--full-refresh")
    source.table.move("950", f"{before}")
    source.table.edit("900", number_of_persons_injured="7")
    source.table.remove("901")
    run(lake, source, *scope, lookback_days="7")
    there = f"select collision_id, persons_injured from fct_collisions where crash_date = date '{before}' order by 1"
    assert lake.ask(there) == [(900, 7), (902, 0), (950, 0)]
    assert lake.one("select count(*) from fct_collisions") == len(source.table.rows)


def test_rows_that_come_back_as_they_were_make_a_full_refresh_due(folder_lake: Lake, source: Source) -> None:
    key, row = next((key, row) for key, row in source.table.rows.items() if row["collision_id"] == "100")
    source.table.remove("100")
    run(folder_lake, source, *DAY, NEW, full_refresh_days="30")
    source.table.rows[key] = row
    run(folder_lake, source, *DAY, NEW, full_refresh_days="30")
    assert 100 in ids(folder_lake)


def test_a_deletion_shows_within_the_dates_that_are_asked_for_and_elsewhere_after_a_full_refresh(
    lake: Lake, source: Source
) -> None:
    run(lake, source, *DAY, NEW, "--full-refresh")
    source.table.remove("100")
    source.table.remove("200")
    run(lake, source, *DAY, NEW)
    assert 200 not in ids(lake)
    assert 100 in ids(lake)
    run(lake, source, *DAY, NEW, "--full-refresh")
    assert ids(lake) == sorted(int(row["collision_id"]) for row in source.table.sorted_rows())


def test_a_source_that_stands_still_is_not_read_again_the_next_day(folder_lake: Lake, source: Source) -> None:
    """The run's dates move on; there is nothing in them."""
    ingest(folder_lake, source, "--start=2024-03-07", "--end=2024-03-08", NEW, "--full-refresh")
    source.table.edit("100", number_of_persons_injured="7")
    ingest(folder_lake, source, "--start=2024-03-08", "--end=2024-03-09", NEW)
    assert source.asked()[4:] == ["probe", "count", "count", "count", "page", "page", "count"]
    ingest(folder_lake, source, "--start=2024-03-09", "--end=2024-03-10", NEW)
    assert source.asked() == ["probe", "count"]


def test_a_file_that_lost_what_it_declared_is_no_full_refresh(lake: Lake, source: Source) -> None:
    ingest(lake, source, *DAY, NEW, full_refresh_days="30")
    source.asked()
    (key,) = [info.key for info in lake.store.list("landing/")]
    lake.store.put(key, lake.store.read(key) + b"\n")
    source.table.edit("100", number_of_persons_injured="7")
    log = run(lake, source, *DAY, NEW, full_refresh_days="30")
    assert f"WARNING: {key}: its name is that of a fetched file, but what it declared is lost" in log
    assert source.asked() == ["probe", "count", "export", "count"]
    assert lake.one("select persons_injured from fct_collisions where collision_id = 100") == 7


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=2)])
def test_after_a_full_refresh_the_lake_is_the_source_whatever_was_landed_by_hand(
    lake: Lake, source: Source, ahead: timedelta
) -> None:
    run(lake, source, *DAY, NEW, "--full-refresh")
    lake.land(crashes_csv(rows(1, 200, NUMBER_OF_PERSONS_INJURED="3")), "by_hand.csv", datetime.now(UTC) + ahead)
    run(lake, source, *DAY, NEW)
    assert lake.one("select persons_injured from fct_collisions where collision_id = 200") == 3
    source.asked()
    for asked in (["probe", "count", "export", "count"], ["probe", "count"]):
        run(lake, source, *DAY, NEW, "--full-refresh")
        assert source.asked() == asked
        assert lake.one("select persons_injured from fct_collisions where collision_id = 200") == 0


def test_a_run_that_takes_in_what_is_new_without_dates_asks_for_the_whole_table(
    folder_lake: Lake, source: Source
) -> None:
    ingest(folder_lake, source, NEW)
    assert source.asked() == ["probe", "count", "export", "count"]


def test_a_full_refresh_is_made_when_none_is_younger_than_the_setting(folder_lake: Lake, source: Source) -> None:
    ingest(folder_lake, source, *DAY, NEW, full_refresh_days="30")
    assert [*fetched(folder_lake)] == ["crashes_all"]
    assert source.asked() == ["probe", "count", "export", "count"]
    source.table.edit("100", number_of_persons_injured="7")
    ingest(folder_lake, source, *DAY, NEW, full_refresh_days="30")
    assert [*fetched(folder_lake)] == ["crashes_2024-03-05_2024-03-06", "crashes_all", "crashes_changed"]


def test_a_republished_table_is_not_asked_for_row_by_row(folder_lake: Lake, source: Source) -> None:
    ingest(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.republish()
    log = ingest(folder_lake, source, *DAY, NEW, source_page_rows="5")
    assert (
        "8 rows outside of the run's dates, of 12 in all, have a new :updated_at: the source was published anew" in log
    )
    assert [*fetched(folder_lake)] == ["crashes_2024-03-05_2024-03-06", "crashes_all"]
    source.table.edit("100", number_of_persons_injured="7")
    ingest(folder_lake, source, *DAY, NEW, source_page_rows="5")
    assert "crashes_changed" in fetched(folder_lake)


FAULTS = {
    "202": Fault("status", status=202),
    "429": Fault("status", status=429),
    "429 with Retry-After": Fault("status", status=429, retry_after="1"),
    "503": Fault("status", "count"),
    "cut in the middle": Fault("cut"),
    "reset": Fault("reset"),
    "rows missing": Fault("short"),
    "a row twice": Fault("twice", skip=1),
    "a row left out of a full page": Fault("gap"),
    "a page of an earlier state": Fault("old"),
    "error page with 200": Fault("html", "probe"),
    "a NUL in a page": Fault("nul"),
    "a page in another encoding": Fault("latin"),
    "lines that end in CR": Fault("cr"),
    "no list of types": Fault("types", "probe"),
    "a count without what was asked for": Fault("narrow", "count"),
    "a count that is cut": Fault("short row", "count"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_pass_is_tried_again_and_the_rows_are_the_same(folder_lake: Lake, source: Source, fault: str) -> None:
    source.server.faults.append(FAULTS[fault])
    log = ingest(folder_lake, source, "--start=2024-03-04", "--end=2024-03-07", source_page_rows="5")
    assert "WARNING" in log
    assert source.server.faults == []
    assert landed(folder_lake) == served(source)


def test_a_dripping_answer_is_given_up_and_asked_for_again(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("drip"))
    log = ingest(folder_lake, source, *DAY, source_timeout_seconds="3")
    assert "bytes in 3 s; trying again" in log


def test_a_source_that_stays_away_ends_the_stage_with_75(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("status", "any", times=100))
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_retry_seconds="1"))
    assert done.code == 75
    assert "COLLISIONS_SOURCE_RETRY_SECONDS" in done.last
    assert [key for key in folder_lake.objects() if not key.startswith("_runs/")] == []


def test_a_long_retry_after_is_not_slept_through(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("status", status=429, retry_after="3600", on="any"))
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings())
    assert done.code == 75
    assert "the server asks to wait 3600 s; gave up after 1 tries (COLLISIONS_SOURCE_RETRY_SECONDS=5)" in done.last


def test_a_server_is_left_alone_for_as_long_as_it_asks(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("status", "probe", status=429, retry_after="2"))
    log = ingest(folder_lake, source, *DAY)
    assert "trying again in 2.0 s" in log


def test_the_end_of_the_time_for_all_requests_is_named(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("status", status=429, retry_after="3600", on="any"))
    limits = {"source_total_seconds": "60", "source_retry_seconds": "3600"}
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(**limits))
    assert done.code == 75
    assert "COLLISIONS_SOURCE_RETRY_SECONDS=3600" in done.last
    source.server.faults.append(Fault("status", status=429, retry_after="100", on="any"))
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(**limits))
    assert done.code == 75
    assert "gave up after 1 tries (COLLISIONS_SOURCE_TOTAL_SECONDS=60)" in done.last


@pytest.mark.parametrize("kind", ["short", "tail", "twice", "old", "cut", "reset", "html"])
def test_an_export_that_is_not_whole_is_asked_for_again(folder_lake: Lake, source: Source, kind: str) -> None:
    source.server.faults.append(Fault(kind, "export"))
    log = ingest(folder_lake, source, "--full-refresh")
    assert "WARNING" in log
    assert source.asked().count("export") == 2
    run(folder_lake, source, "--full-refresh")
    assert ids(folder_lake) == sorted(int(row["collision_id"]) for row in source.table.sorted_rows())


def test_a_table_that_has_a_key_twice_is_taken_in_all_the_same(folder_lake: Lake, source: Source) -> None:
    row = source.table.find("100")
    source.table.rows["row-of-its-own"] = row | {":id": "row-of-its-own", "number_of_persons_injured": "5"}
    run(folder_lake, source, "--full-refresh")
    assert source.asked().count("export") == 1
    assert ids(folder_lake) == sorted({int(row["collision_id"]) for row in source.table.sorted_rows()})


def test_an_export_with_another_title_is_refused_before_it_is_landed(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("renamed", "export"))
    done = folder_lake.stage("ingest_raw", ONLY, NEW, "--full-refresh", *DAY, **source.settings())
    assert done.code == 65
    assert "crashes: the export, line 1: required columns are missing: COLLISION_ID" in done.last
    assert not folder_lake.store.list(keys.landing("crashes"))


def test_a_page_that_comes_again_later_is_noticed(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("first", skip=2))
    log = ingest(folder_lake, source, "--start=2024-03-04", "--end=2024-03-08", source_page_rows="4")
    assert "page 3 has 4 rows, 0 of them new, of 4 due" in log
    assert landed(folder_lake) == served(source)


def test_a_source_without_rows_withdraws_nothing(folder_lake: Lake, source: Source) -> None:
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    before = ids(folder_lake)
    source.table.rows.clear()
    log = run(folder_lake, source, *DAY, NEW, "--full-refresh")
    assert "the source is empty" in log
    assert ids(folder_lake) == before


def test_a_source_that_returns_to_an_earlier_state_is_read_again(folder_lake: Lake, source: Source) -> None:
    """In between another file was landed, with a record that is gone again."""
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.insert(rows(1, 299, CRASH_DATE="03/05/2024"))
    run(folder_lake, source, *DAY)
    source.table.remove("299")
    run(folder_lake, source, *DAY, NEW)
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    assert ids(folder_lake) == sorted(int(row["collision_id"]) for row in source.table.sorted_rows())


def test_a_backfill_after_a_republication_does_not_hide_what_follows(folder_lake: Lake, source: Source) -> None:
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.republish()
    run(folder_lake, source, *DAY, source_page_rows="5")
    run(folder_lake, source, *DAY, NEW, source_page_rows="5")
    source.table.edit("100", number_of_persons_injured="7")
    run(folder_lake, source, *DAY, NEW, source_page_rows="5")
    assert folder_lake.one("select persons_injured from fct_collisions where collision_id = 100") == 7


def test_an_answer_that_drips_without_end_is_left_at_the_end_of_the_time(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("status, drip", "any", times=100))
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_total_seconds="1"))
    assert done.code == 75
    assert "COLLISIONS_SOURCE_TOTAL_SECONDS=1" in done.last


def test_an_export_that_takes_longer_than_is_waited_for_gets_another_try(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("cut", "export", pause=3.5))
    log = ingest(folder_lake, source, "--full-refresh", source_retry_seconds="3")
    assert "trying again" in log
    assert source.asked() == ["probe", "count", "export", "export", "count"]


def test_a_fetch_that_takes_longer_than_is_allowed_ends_with_75(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault(on="export", pause=1.5))
    done = folder_lake.stage("ingest_raw", ONLY, "--full-refresh", **source.settings(source_total_seconds="1"))
    assert done.code == 75
    assert "COLLISIONS_SOURCE_TOTAL_SECONDS=1" in done.last
    assert fetched(folder_lake) == {}


def test_what_a_fetch_may_take_counts_from_the_beginning_of_the_run(folder_lake: Lake, source: Source) -> None:
    given = {f"COLLISIONS_{name.upper()}": value for name, value in source.settings(source_total_seconds="5").items()}
    settings = Settings.from_environment(folder_lake.environment | given)
    for spent, asked in ((0, 1), (5, 0)):  # an earlier dataset has taken that long
        client = Client(settings, source.table.id, time.monotonic() - spent)
        refused = pytest.raises(SourceUnavailable, match="the run has fetched for longer")
        with contextlib.nullcontext() if asked else refused:
            client.rows(Query(":id", limit=1))
        client.close()
        assert len(source.asked()) == asked


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("source_token", "two\nlines"),
        ("source_token", "ключ"),
        ("source_url", "ftp://127.0.0.1"),
        ("source_url", "http://a..b"),
        ("source_url", "http://[::1"),
    ],
)
def test_a_setting_that_cannot_be_sent_is_refused_and_no_token_is_shown(
    folder_lake: Lake, source: Source, setting: str, value: str
) -> None:
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(**{setting: value}))
    assert done.code == 78
    assert f"COLLISIONS_{setting.upper()}" in done.last
    assert setting == "source_url" or value not in done.log
    assert source.asked() == []


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("HTTPS_PROXY", "http://user:se#cret@127.0.0.1:3128", "se"),
        ("HTTPS_PROXY", "http://user:se/cret@127.0.0.1:3128", "se"),
        ("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080", "secret"),
        ("HTTPS_PROXY", "ftp://user:secret@127.0.0.1:3128", "secret"),
        ("SSL_CERT_FILE", "/no/such/bundle.pem", ""),
    ],
)
def test_a_proxy_or_bundle_that_cannot_be_used_is_a_wrong_setting(
    folder_lake: Lake, source: Source, monkeypatch: pytest.MonkeyPatch, name: str, value: str, secret: str
) -> None:
    monkeypatch.setenv(name, value)
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_url="https://127.0.0.1:1"))
    assert done.code == 78
    assert name in done.last
    assert not secret or f"'{secret}" not in done.log
    assert "bug" not in done.log


@pytest.mark.parametrize("address", ["http://user:secret@127.0.0.1:5000", "http://127.0.0.1:5000/?app_token=secret"])
def test_an_address_with_a_secret_is_refused_without_showing_it(
    folder_lake: Lake, source: Source, address: str
) -> None:
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_url=address))
    assert done.code == 78
    assert "COLLISIONS_SOURCE_URL: must be the address of a server" in done.last
    assert "secret" not in done.log


def test_a_state_that_a_store_cannot_keep_is_left_out(lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault("accent", "any", times=100))
    run(lake, source, *DAY)
    assert ids(lake) == [200, 201, 202, 203]


def test_a_record_whose_date_was_taken_away_is_found(folder_lake: Lake, source: Source) -> None:
    run(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.edit("100", crash_date="")
    run(folder_lake, source, *DAY, NEW, max_quarantine_ratio="1")
    assert "crashes_changed" in fetched(folder_lake)
    assert [row["reason"] for row in folder_lake.quarantined("ingest_raw")] == ["crash_date_missing"]


def test_a_proxy_is_honoured(folder_lake: Lake, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server itself, asked for another host's addresses."""
    monkeypatch.setenv("HTTP_PROXY", source.server.url)
    ingest(folder_lake, source, *DAY, source_url="http://city.invalid")
    assert {request.partition("/resource")[0] for _, request in source.server.requests} == {"http://city.invalid"}
    assert landed(folder_lake) == served(source)[4:8]


def test_a_ca_of_ones_own_is_honoured(
    folder_lake: Lake, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with SocrataServer([source.table], tls=tmp_path / "server.pem") as server:
        done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_url=server.url))
        assert done.code == 78
        assert "SSL_CERT_FILE" in done.last
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        ingest(folder_lake, source, *DAY, source_url=server.url)
    assert landed(folder_lake) == served(source)[4:8]


def test_a_published_answer_is_landed_as_it_is(
    folder_lake: Lake, tmp_path: Path, extract: Callable[[str], Path]
) -> None:
    """500 records of the API, whose LOCATION has three lines, by pages."""
    published = read_csv(extract("crashes_api_500.csv"))
    with SocrataServer([Table(DATASET, published)]) as server:
        dates = ("--start=2012-01-01", "--end=2030-01-01")
        ingest(folder_lake, Source(server), *dates, source_page_rows="60")
        assert [kind for kind, _ in server.requests].count("page") == 9
    (info,) = folder_lake.store.list("landing/")
    found = list(csv.DictReader(io.StringIO(folder_lake.store.read(info.key).decode(), newline="")))
    assert [{name: row[name] for name in published[0]} for row in found] == published
    assert any(row["location"].count("\n") == 2 for row in found)


def test_a_record_of_the_future_does_not_hide_that_the_source_stands_still(folder_lake: Lake, source: Source) -> None:
    source.table.insert(rows(1, 900, CRASH_DATE="03/05/2162"))
    log = ingest(folder_lake, source, *DAY, stale_days="14")
    assert "crashes: the source has records of the future, up to 2162-03-05" in log
    assert "its newest record is of 2024-03-06" in log
    assert "more than COLLISIONS_STALE_DAYS=14" in log
    assert [declared["source-newest"][:10] for declared in fetched(folder_lake).values()] == ["2024-03-06"]


def test_a_refused_token_is_a_wrong_setting_and_shows_nowhere(folder_lake: Lake, source: Source) -> None:
    source.server.token = "the-right-one"
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_token="a-wrong-one"))
    assert done.code == 78
    assert "COLLISIONS_SOURCE_TOKEN" in done.last
    assert "a-wrong-one" not in done.log
    source.server.faults.append(Fault("status", "any", status=403))
    repeated = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_token="the-right-one"))
    assert repeated.code == 78
    assert "on order, for the token …" in repeated.last
    ingest(folder_lake, source, *DAY, source_token="the-right-one")
    held = b"".join(folder_lake.store.read(key) for key in folder_lake.objects())
    assert b"the-right-one" not in held


@pytest.mark.parametrize("change", ["edit", "remove", "insert"])
def test_a_table_that_changes_between_pages_is_read_again(folder_lake: Lake, source: Source, change: str) -> None:
    changes: dict[str, Callable[[], None]] = {
        "edit": lambda: source.table.edit("100", number_of_persons_injured="7"),
        "remove": lambda: source.table.remove("303"),
        "insert": lambda: source.table.insert(rows(1, 900, CRASH_DATE="03/05/2024")),
    }
    source.server.faults.append(Fault(then=changes[change]))
    log = ingest(folder_lake, source, "--start=2024-03-04", "--end=2024-03-07", source_page_rows="5")
    assert "reading it again (1 of 4)" in log
    assert landed(folder_lake) == served(source)


def test_a_table_that_never_stands_still_ends_with_75_and_lands_nothing(folder_lake: Lake, source: Source) -> None:
    source.server.faults.append(Fault(then=source.table.republish, times=100))
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings())
    assert done.code == 75
    assert "gave no consistent answer in 4 rounds" in done.last
    assert " rows changed by " in done.last
    assert fetched(folder_lake) == {}


def test_a_column_that_the_source_no_longer_has_is_named_and_refused(folder_lake: Lake, source: Source) -> None:
    del source.table.types["crash_time"]
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings())
    assert done.code == 65
    assert "no longer has the columns crash_time" in done.last


def test_new_columns_and_other_types_are_named_and_kept_in_raw(folder_lake: Lake, source: Source) -> None:
    for row in source.table.rows.values():
        row["weather"] = "rain"
    source.table.types |= {"weather": "text", "collision_id": "text"}
    log = ingest(folder_lake, source, *DAY)
    assert "the source has new columns, kept in raw only: weather" in log
    assert "collision_id is of the type text, not number" in log
    (part,) = folder_lake.store.list("raw/crashes/crash_month=")
    assert pq.read_table(pa.BufferReader(folder_lake.store.read(part.key)))["weather"].to_pylist() == ["rain"] * 4


def test_dates_of_another_type_cannot_be_asked_for(folder_lake: Lake, source: Source) -> None:
    source.table.types["crash_date"] = "text"
    done = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings())
    assert done.code == 65
    assert "crash_date is of the type text" in done.last


def test_the_other_form_of_the_api_gives_the_same_rows(folder_lake: Lake, source: Source) -> None:
    source.server.token = "token"
    ingest(folder_lake, source, *DAY, source_page_rows="3", source_api="soda3", source_token="token")
    assert landed(folder_lake) == served(source)[4:8]
    folder_lake.wipe("landing/")
    ingest(folder_lake, source, "--full-refresh", source_api="soda3", source_token="token")
    assert [*fetched(folder_lake)] == ["crashes_all"]
    assert source.server.requests[-2] == ("export", f"/api/v3/views/{source.table.id}/export.csv")
    without = folder_lake.stage("ingest_raw", ONLY, *DAY, **source.settings(source_api="soda3"))
    assert without.code == 78
    assert "COLLISIONS_SOURCE_TOKEN" in without.last


def test_a_server_whose_clock_is_ahead_changes_nothing(folder_lake: Lake, source: Source) -> None:
    source.server.skew = timedelta(days=2)
    source.table.clock = datetime.now(UTC) + timedelta(days=2)
    ingest(folder_lake, source, *DAY, NEW, "--full-refresh")
    source.table.edit("100", number_of_persons_injured="7")
    ingest(folder_lake, source, *DAY, NEW)
    changed = fetched(folder_lake)["crashes_changed"]
    (*_, last), _ = read_journal(folder_lake.store, "crashes")
    assert last.state
    assert last.state.updated == source.table.find("100")[":updated_at"]
    assert datetime.fromisoformat(changed["extracted-at"]) < datetime.now(UTC) + timedelta(minutes=1)


def test_a_fetch_that_died_goes_on_with_the_pages_that_it_has(lake: Lake, source: Source) -> None:
    scope = ("--start=2024-03-04", "--end=2024-03-07", "--run-id=one")
    died = WatchedStore(lake.store, "put", keys.landing("crashes"), failing(StoreUnavailable("the store is away")))
    assert lake.stage("ingest_raw", ONLY, *scope, store=died, **source.settings(source_page_rows="5")).code == 75
    assert source.asked() == ["probe", "count", "count", "page", "page", "page", "count"]
    ingest(lake, source, *scope, source_page_rows="5")
    assert source.asked() == ["probe", "count", "count", "page", "count"]
    assert landed(lake) == served(source)
    assert not [key for key in lake.objects() if key.startswith("_fetch/crashes/")]


def test_pages_of_another_state_of_the_source_are_not_used(lake: Lake, source: Source) -> None:
    scope = ("--start=2024-03-04", "--end=2024-03-07", "--run-id=one")
    died = WatchedStore(lake.store, "put", keys.landing("crashes"), failing(StoreUnavailable("the store is away")))
    assert lake.stage("ingest_raw", ONLY, *scope, store=died, **source.settings(source_page_rows="5")).code == 75
    source.table.edit("100", number_of_persons_injured="7")
    ingest(lake, source, *scope, source_page_rows="5")
    assert landed(lake) == served(source)


def test_landed_files_and_fetched_ones_mix(lake: Lake, source: Source) -> None:
    """A file that was downloaded later wins; one from before loses."""
    old, new = datetime(2024, 4, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(hours=1)
    lake.land(crashes_csv(rows(1, 200, NUMBER_OF_PERSONS_INJURED="1")), "before.csv", old)
    lake.land(crashes_csv(rows(1, 201, NUMBER_OF_PERSONS_INJURED="2")), "after.csv", new)
    run(lake, source, *DAY)
    assert lake.ask(INJURED) == [(200, 0), (201, 2), (202, 0), (203, 0)]


def test_an_old_source_is_a_warning(folder_lake: Lake, source: Source) -> None:
    log = ingest(folder_lake, source, *DAY, stale_days="14")
    assert "WARNING: crashes: the source has 12 rows; its newest record is of 2024-03-06" in log
    assert "more than COLLISIONS_STALE_DAYS=14" in log
