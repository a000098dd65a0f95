"""What a run takes in of landing, and what becomes of the rows of a file that is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lake import STAGES, Lake, WatchedStore, crashes_csv, failing, rows, with_others

from stages.datasets.crashes import DATASET
from stages.datasets.vehicles import DATASET as VEHICLES
from stages.errors import StoreUnavailable
from stages.lake import keys
from stages.lake.job import Job, Run
from stages.lake.scope import Scope
from stages.settings import Settings
from stages.warehouse.query import ready_queries

EARLY, LATE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC)
DAY = ("--start=2024-04-10", "--end=2024-04-11", "--take-in=new")
INJURED = "select sum(persons_injured) from fct_collisions where month(crash_date) = 1"
STATE = "select file, rows, left_in_landing, in_warehouse from meta_sources order by file"


def month(number: int, count: int = 10, injured: int = 0, first: int | None = None) -> str:
    """Collisions of a month of 2024."""
    start = 1000 * number if first is None else first
    day = f"{number:02}/05/2024"
    return crashes_csv(rows(count, start, CRASH_DATE=day, NUMBER_OF_PERSONS_INJURED=str(injured)))


def joined(*files: str) -> str:
    """Files as one."""
    header, *_ = files[0].splitlines()
    return "\n".join([header, *(line for file in files for line in file.splitlines()[1:]), ""])


def months_of(lake: Lake, run_id: str, stage: str) -> set[str]:
    """The months of which a stage of a run left partitions."""
    manifest = json.loads(lake.store.read(keys.manifest(run_id, stage, "crashes")))
    return {month for output in manifest["outputs"] if (month := keys.month_of(output["key"]))}


def test_a_scheduled_run_takes_in_a_revision_of_any_age(lake: Lake) -> None:
    for number in (1, 2, 3):
        lake.land(month(number), f"{number}.csv", EARLY)
    lake.run()
    others = lake.listing("_runs/", "landing/", "quarantine/", "warehouse/", keys.sources("crashes"))
    lake.land(month(1, injured=2), "revised.csv", LATE)
    log = lake.run(*DAY, "--run-id=daily")
    assert "ingest_raw crashes: also works on 1 month of new, changed or removed files: 2024-01" in log
    assert lake.one(INJURED) == 20
    for stage in STAGES[:3]:
        assert months_of(lake, "daily", stage) == {"2024-01"}
    after = lake.listing("_runs/", "landing/", "quarantine/", "warehouse/", keys.sources("crashes"))
    assert {key: after[key] for key in others if "2024-01" not in key} == {
        key: etag for key, etag in others.items() if "2024-01" not in key
    }


def test_a_scheduled_run_without_news_works_on_its_own_month(lake: Lake) -> None:
    for number in (1, 4):
        lake.land(month(number), f"{number}.csv", EARLY)
    lake.run()
    lake.run(*DAY, "--run-id=daily")
    assert months_of(lake, "daily", "transform_clean") == {"2024-04"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--start=2024-05-01", "--end=2024-07-01"], "[2024-05-01, 2024-07-01)"),
        (["--start=2025-01-01"], "[2025-01-01, …)"),
        (["--years=2019,2021"], "[2019-01-01, 2020-01-01) and 2021-01 to 2021-12"),
    ],
)
def test_dates_for_which_nothing_is_landed_are_a_warning(folder_lake: Lake, given: list[str], said: str) -> None:
    folder_lake.land(joined(month(1), month(2), month(4)), "a.csv", EARLY)
    for log in (folder_lake.stage("ingest_raw", *given).log for _ in range(2)):  # unread files, then known ones
        assert f"WARNING: ingest_raw crashes: nothing is landed for {said}; what is landed is of 2024-01 to" in log


@pytest.mark.parametrize("given", [[], ["--start=2024-04-10", "--end=2024-05-01"], ["--years=2019,2024"]])
def test_other_dates_are_none(folder_lake: Lake, given: list[str]) -> None:
    folder_lake.land(month(4), "a.csv", EARLY)
    assert "nothing is landed" not in folder_lake.stage("ingest_raw", *given).log


def test_files_in_a_folder_of_no_dataset_are_a_warning(lake: Lake) -> None:
    lake.land(month(1), "a.csv", EARLY)
    for key in ("landing/top.csv", "landing/crash/a.csv", "landing/crash/b.csv"):
        lake.store.put(key, month(2).encode())
    log = lake.stage("ingest_raw").log
    assert (
        "WARNING: landing/: 1 file ignored: no dataset reads this folder; the datasets' folders are landing/crashes/"
        in log
    )
    assert "WARNING: landing/crash/: 2 files ignored" in log


def test_months_that_only_another_version_of_the_code_has_made_are_not_left_in_landing(
    folder_lake: Lake,
) -> None:
    folder_lake.land(joined(month(1), month(2)), "a.csv", EARLY)
    folder_lake.run()
    folder_lake.datasets = with_others(replace(DATASET, version=99))
    log = folder_lake.stage("ingest_raw", "--start=2024-01-01", "--end=2024-02-01").log
    assert "1 read" in log
    assert "left in landing" not in log


def test_a_scheduled_run_without_news_warns_of_nothing(folder_lake: Lake) -> None:
    folder_lake.land(month(1), "a.csv", EARLY)
    folder_lake.run()
    assert "WARNING" not in folder_lake.stage("ingest_raw", *DAY).log


def test_what_a_manual_run_leaves_in_landing_the_next_scheduled_one_takes_in(lake: Lake) -> None:
    lake.land(joined(month(1), month(2), month(3)), "quarter.csv", EARLY)
    log = lake.run("--start=2024-02-10", "--end=2024-02-11")
    assert "quarter.csv: 20 rows of 2024-01, 2024-03 left in landing" in log
    assert lake.ask(STATE) == [("landing/crashes/quarter.csv", 30, 20, 10)]
    lake.run(*DAY, "--run-id=daily")
    assert lake.ask(STATE) == [("landing/crashes/quarter.csv", 30, 0, 30)]
    assert months_of(lake, "daily", "transform_clean") == {"2024-01", "2024-03"}


def test_a_file_landed_again_is_taken_in_whole(lake: Lake) -> None:
    """Months that only its older content had are emptied by any run; the others wait for their dates."""
    injured = "select month(crash_date), count(*), sum(persons_injured)::int from fct_collisions group by 1 order by 1"
    lake.land(joined(month(1), month(2)), "a.csv", EARLY)
    lake.run()
    lake.land(joined(month(2, injured=1), month(3)), "a.csv", LATE)
    for _ in range(2):
        log = lake.run("--start=2024-03-01", "--end=2024-04-01")
        assert "a.csv: 10 rows of 2024-02 left in landing" in log
        assert lake.ask(injured) == [(2, 10, 0), (3, 10, 0)]
    lake.run(*DAY)
    assert lake.ask(injured) == [(2, 10, 10), (3, 10, 0)]


def test_the_same_file_landed_again_is_known(lake: Lake) -> None:
    covers = ("2024-01-01", "2024-03-01")
    lake.land(joined(month(1), month(2)), "a.csv", EARLY, covers)
    lake.land(month(1), "b.csv", EARLY)
    lake.run()
    before = lake.ask("select * exclude etag from meta_sources order by file")
    for given in (["--years=2019"], [*DAY, "--run-id=daily"], ["--start=2024-02-01", "--end=2024-03-01"]):
        lake.land(joined(month(1), month(2)), "a.csv", EARLY, covers)
        lake.land(month(1), "b.csv", EARLY)
        log = lake.run(*given)
        assert "ingest_raw crashes: 2 landed files, 0 read, 2 unchanged" in log
        assert "left in landing" not in log
        assert "also works on" not in log
        assert lake.ask("select * exclude etag from meta_sources order by file") == before


def test_the_same_file_landed_again_meanwhile_and_read_by_another_run_is_known_to_both(lake: Lake) -> None:
    lake.land(joined(month(1), month(2)), "a.csv", EARLY)
    lake.run("--start=2019-01-01", "--end=2019-02-01", stages=STAGES[:1])

    def another() -> None:
        lake.land(joined(month(1), month(2)), "a.csv", EARLY)
        lake.run("--start=2024-01-01", "--end=2024-02-01", "--run-id=another", stages=STAGES[:1])

    store = WatchedStore(lake.store, "put", keys.sources("crashes"), another)
    done = lake.stage("ingest_raw", "--start=2024-02-01", "--end=2024-03-01", "--run-id=first", store=store)
    assert done.code == 0, done.log
    assert "left in landing" not in lake.stage("ingest_raw", "--start=2019-01-01", "--end=2019-02-01").log


@pytest.mark.parametrize("change", ["content", "time"])
def test_a_file_of_the_same_size_that_differs_is_read_again(lake: Lake, change: str) -> None:
    lake.land(month(1), "a.csv", EARLY)
    lake.run()
    (before,) = lake.store.list("landing/")
    while lake.store.list("landing/") == [before]:  # a bucket's times are whole seconds
        lake.land(month(1, injured=3 if change == "content" else 0), "a.csv", LATE if change == "time" else EARLY)
    assert "ingest_raw crashes: 1 landed file, 1 read, 0 unchanged" in lake.run(*DAY, "--run-id=daily")
    assert lake.one(INJURED) == (30 if change == "content" else 0)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_what_an_unfinished_run_began_the_next_scheduled_one_carries_through(lake: Lake, done: int) -> None:
    lake.land(month(1), "1.csv", EARLY)
    lake.run()
    lake.land(month(1, injured=3), "revised.csv", LATE)
    lake.run(*DAY, "--run-id=broken", stages=STAGES[:done])
    lake.run(*DAY, "--run-id=next")
    assert lake.one(INJURED) == 30
    lake.run(*DAY, "--run-id=last")
    assert months_of(lake, "last", "transform_clean") == set()


def test_clearing_a_finished_run_does_not_hide_that_it_broke_off(lake: Lake) -> None:
    """A rerun of the same run that ends early is unfinished, though its first try published."""
    lake.land(month(1), "1.csv", EARLY)
    lake.run(*DAY, "--run-id=one")
    lake.land(month(1, injured=3), "revised.csv", LATE)
    lake.run(*DAY, "--run-id=one", stages=STAGES[:1])
    lake.run(*DAY, "--run-id=two")
    assert lake.one(INJURED) == 30


def test_a_file_read_twice_in_a_run_is_counted_once(folder_lake: Lake) -> None:
    """March comes to work only when another file turns out to have lost it; 1 row of 30 is rejected, not 2."""
    folder_lake.land(joined(month(1), month(3)), "a.csv", EARLY)
    folder_lake.run()
    folder_lake.land(month(1), "a.csv", LATE)
    never = crashes_csv(rows(1, 99, CRASH_DATE="never"))
    folder_lake.land(joined(month(1, 15, first=5000), month(3, 14, first=6000), never), "b.csv", LATE)
    folder_lake.run("--start=2024-01-01", "--end=2024-02-01", "--run-id=january")
    assert months_of(folder_lake, "january", "ingest_raw") == {"2024-01", "2024-03"}
    assert folder_lake.ask("select source, rows from meta_source_rules") == [("b", 1)]
    assert folder_lake.one("select count(*) from fct_collisions") == 39


def test_what_an_ingest_wrote_that_failed_for_another_file_is_taken_in(lake: Lake) -> None:
    lake.land(month(4), "4.csv", EARLY)
    lake.run()
    lake.land(month(3), "3.csv", EARLY)
    lake.land(month(4, injured=1), "revised.csv", LATE)
    lake.land("", "bad.csv", LATE)
    assert lake.stage("ingest_raw", "--start=2024-05-10", "--end=2024-05-11", "--take-in=new").code == 65
    lake.wipe("landing/crashes/bad.csv")
    lake.run("--start=2024-05-10", "--end=2024-05-11", "--take-in=new")
    counts = "select month(crash_date), count(*), sum(persons_injured)::int from fct_collisions group by 1 order by 1"
    assert lake.ask(counts) == [(3, 10, 0), (4, 10, 10)]


def test_a_run_that_dies_before_its_record_is_written_loses_nothing(folder_lake: Lake) -> None:
    folder_lake.land(joined(month(3), month(4)), "a.csv", EARLY)
    folder_lake.run()
    folder_lake.land(month(3, injured=1), "a.csv", LATE)  # April is gone
    store = WatchedStore(folder_lake.store, "put", keys.sources("crashes"), failing(StoreUnavailable("gone")))
    assert folder_lake.stage("ingest_raw", *DAY, store=store).code == 75
    folder_lake.run(*DAY, "--allow-shrink")
    counts = "select month(crash_date), count(*), sum(persons_injured)::int from fct_collisions group by 1 order by 1"
    assert folder_lake.ask(counts) == [(3, 10, 10)]


def test_a_run_id_used_again_for_other_dates_has_not_carried_the_first(lake: Lake) -> None:
    lake.land(month(4), "4.csv", EARLY)
    lake.run()
    lake.land(month(3), "3.csv", EARLY)
    lake.run("--start=2024-03-01", "--end=2024-04-01", "--run-id=fix", stages=STAGES[:1])
    lake.run("--start=2024-04-01", "--end=2024-05-01", "--run-id=fix")
    lake.run(*DAY)
    assert lake.one("select count(*) from fct_collisions") == 20


def test_rows_that_wait_for_an_unfinished_run_are_reported(lake: Lake) -> None:
    lake.land(month(4), "4.csv", EARLY)
    lake.run()
    lake.land(month(3), "3.csv", EARLY)
    lake.run(*DAY, "--run-id=broken", stages=STAGES[:2])
    log = lake.run("--start=2024-04-01", "--end=2024-05-01", "--run-id=other")
    assert "WARNING: model_analytics: 2024-03 of landing/crashes/3.csv: changed by run broken, which failed" in log
    assert lake.ask("select rows, unfinished, in_warehouse from meta_sources order by file") == [
        (10, 10, 0),
        (10, 0, 10),
    ]


# --- a file that covers dates --------------------------------------------------------------------------


def test_a_covering_file_is_taken_in_over_all_that_it_covers(lake: Lake) -> None:
    lake.land(joined(month(3), month(4)), "all.csv", EARLY)
    lake.run()
    lake.land(month(4, first=4000), "cover.csv", LATE, covers=("2024-03-01", "2024-05-01"))
    for _ in range(2):
        lake.run("--start=2024-04-01", "--end=2024-05-01")
        assert lake.one("select count(*) from fct_collisions") == 20  # March waits for a scheduled run
    lake.run("--start=2024-05-10", "--end=2024-05-11", "--take-in=new", "--allow-shrink")
    assert lake.one("select count(*) from fct_collisions") == 10
    lake.wipe("landing/crashes/cover.csv")
    lake.run("--start=2024-05-10", "--end=2024-05-11")
    assert lake.one("select count(*) from fct_collisions") == 20


def test_a_covering_file_withdraws_nothing_in_a_month_whose_rows_no_run_has_taken_in(lake: Lake) -> None:
    """A run's transform_clean is cleared after another run, over other dates, has read the file."""
    lake.land(joined(month(3), month(4)), "all.csv", EARLY)
    march = ("--start=2024-03-01", "--end=2024-04-01", "--run-id=march")
    lake.run(*march)
    lake.land(joined(month(3), month(4)), "cover.csv", LATE, covers=("2024-03-01", "2024-05-01"))
    lake.run("--start=2024-04-01", "--end=2024-05-01")
    lake.run(*march, stages=STAGES[1:])
    assert lake.one("select count(*) from fct_collisions") == 20


# --- a file that is gone ------------------------------------------------------------------------------


def test_removing_a_file_removes_its_rows_from_all_its_months(lake: Lake) -> None:
    lake.land(joined(*(month(number, 100) for number in range(1, 5))), "most.csv", EARLY)
    lake.land(joined(month(1, 2, first=90001), month(2, 3, first=90101)), "gone.csv", EARLY)
    lake.run()
    lake.wipe("landing/crashes/gone.csv")
    log = lake.run("--start=2024-04-01", "--end=2024-04-02", "--run-id=small")
    assert (
        "WARNING: landing/crashes/gone.csv: is no longer in landing: this run removes its 5 rows in 2 months,"
        " 2024-01 to 2024-02" in log
    )
    assert lake.one("select count(*) from fct_collisions") == 400
    assert lake.ask("select file, in_warehouse, removed_at is not null from meta_sources order by file") == [
        ("landing/crashes/gone.csv", 0, True),
        ("landing/crashes/most.csv", 400, False),
    ]
    assert lake.ask("select rows from meta_rules where rule = 'landed_file_removed' and run_id = 'small'") == [(5,)]
    superseded = f"select file, superseded from ({ready_queries()['sources'].sql.rstrip().rstrip(';')}) order by file"
    assert [count for _, count in lake.ask(superseded)] == [0, 0]
    again = lake.run("--start=2024-04-01", "--end=2024-04-02", "--run-id=again")
    assert "no longer in landing" not in again
    assert months_of(lake, "again", "transform_clean") == {"2024-04"}


@pytest.mark.parametrize("also_landed", ["crashes", "vehicles"])
def test_rejected_rows_of_a_removed_file_that_never_got_in_are_removed(lake: Lake, also_landed: str) -> None:
    """Its run failed, so no record has it; the dataset may have other files or none."""
    if also_landed == "crashes":
        lake.land(month(4, 100), "most.csv", EARLY)
    else:
        header = ",".join(VEHICLES.forms["portal"])
        lake.land(f"{header}\n", "some.csv", EARLY, dataset="vehicles")
    lake.land(crashes_csv(rows(90, 100) + rows(10, 500, CRASH_DATE="never")), "bad.csv", EARLY)
    assert lake.stage("ingest_raw", "--run-id=failed").code == 65
    assert len(lake.quarantined("ingest_raw")) == 10
    lake.wipe("landing/crashes/bad.csv")
    done = lake.stage("ingest_raw", "--run-id=next")
    assert done.code == 0, done.log
    assert lake.quarantined("ingest_raw") == []
    key = keys.quarantine("ingest_raw", "crashes", "bad")
    assert f"removed {lake.store.describe(key)}: the file of these rejected rows is no longer in landing" in done.log
    assert "rejected rows" not in lake.stage("ingest_raw", "--run-id=last").log


def test_rejected_rows_of_a_recorded_file_stay_until_a_run_removes_its_rows(folder_lake: Lake) -> None:
    folder_lake.land(month(4, 100), "most.csv", EARLY)
    folder_lake.land(crashes_csv(rows(90, 100) + rows(3, 500, CRASH_DATE="never")), "gone.csv", EARLY)
    folder_lake.run()
    folder_lake.land(crashes_csv(rows(10, 500, CRASH_DATE="never")), "bad.csv", LATE)
    folder_lake.wipe("landing/crashes/gone.csv")
    assert folder_lake.stage("ingest_raw", "--run-id=failed").code == 65
    assert {row["source"] for row in folder_lake.quarantined("ingest_raw")} == {"gone", "bad"}
    folder_lake.wipe("landing/crashes/bad.csv")
    folder_lake.run("--allow-shrink")
    assert folder_lake.quarantined("ingest_raw") == []


@pytest.mark.parametrize("before", [True, False], ids=["landed again", "new"])
def test_rejected_rows_that_another_run_writes_meanwhile_stay(lake: Lake, before: bool) -> None:
    """This run has found no such file in landing; then it comes, and the other run reads it."""
    lake.land(month(4, 100), "most.csv", EARLY)
    lake.run(stages=STAGES[:1])
    if before:
        lake.land(crashes_csv(rows(10, 500, CRASH_DATE="never")), "bad.csv", EARLY)
        assert lake.stage("ingest_raw", "--run-id=failed").code == 65
        lake.wipe("landing/crashes/bad.csv")

    def other() -> None:
        lake.land(crashes_csv(rows(90, 100) + rows(4, 500, CRASH_DATE="never")), "bad.csv", LATE)
        assert lake.stage("ingest_raw", "--run-id=other").code == 0

    store = WatchedStore(lake.store, "list", "landing/", other, after=True)
    assert lake.stage("ingest_raw", "--run-id=this", store=store).code == 0
    assert len(lake.quarantined("ingest_raw")) == 4


def test_a_removal_that_broke_off_is_carried_through(lake: Lake) -> None:
    lake.land(month(4, 100), "most.csv", EARLY)
    lake.land(month(1, 2), "gone.csv", EARLY)
    lake.run()
    lake.wipe("landing/crashes/gone.csv")
    lake.run("--start=2024-04-01", "--end=2024-04-02", "--run-id=broken", stages=STAGES[:1])
    lake.run("--start=2024-04-01", "--end=2024-04-02", "--run-id=next")
    assert lake.one("select count(*) from fct_collisions") == 100


def test_a_file_landed_again_after_its_removal_counts_again(lake: Lake) -> None:
    lake.land(month(4, 100), "most.csv", EARLY)
    lake.land(month(1, 2), "back.csv", EARLY)
    lake.run()
    before = lake.contents()
    lake.wipe("landing/crashes/back.csv")
    lake.run()
    lake.land(month(1, 2), "back.csv", EARLY)
    lake.run(*DAY)
    assert lake.contents() == before
    assert lake.ask("select removed_at from meta_sources") == [(None,), (None,)]


def test_a_warehouse_that_shrinks_is_not_published_unless_allowed(lake: Lake) -> None:
    lake.land(month(1, 94), "kept.csv", EARLY)
    lake.land(joined(month(2, 4), month(3, 2)), "gone.csv", EARLY)
    lake.run()
    before = lake.contents()
    lake.wipe("landing/crashes/gone.csv")
    lake.run("--run-id=less", stages=STAGES[:3])
    done = lake.stage("model_analytics", "--run-id=less")
    assert done.code == 65
    assert "crashes: 94 rows, 100 in the published warehouse; missing: 6 of gone (2024-02: 4, 2024-03: 2)" in done.last
    assert "COLLISIONS_MAX_SHRINK_RATIO=0.05" in done.last
    assert "--allow-shrink" in done.last
    assert lake.contents() == before
    assert lake.stage("model_analytics", "--run-id=less", "--allow-shrink").code == 0
    assert lake.one("select count(*) from fct_collisions") == 94


def test_how_much_a_warehouse_may_lose_is_a_setting(folder_lake: Lake) -> None:
    folder_lake.land(month(1, 94), "kept.csv", EARLY)
    folder_lake.land(month(2, 6), "gone.csv", EARLY)
    folder_lake.run()
    folder_lake.wipe("landing/crashes/gone.csv")
    folder_lake.environment["COLLISIONS_MAX_SHRINK_RATIO"] = "0.06"
    folder_lake.run()
    assert folder_lake.one("select count(*) from fct_collisions") == 94


def test_a_warehouse_published_without_its_record_is_still_compared(folder_lake: Lake) -> None:
    """Its run's manifest is gone: the published file itself tells its rows."""
    folder_lake.land(month(1, 50), "kept.csv", EARLY)
    folder_lake.land(month(2, 50), "gone.csv", EARLY)
    folder_lake.run("--run-id=first")
    folder_lake.wipe("landing/crashes/gone.csv", "_runs/")
    folder_lake.run("--run-id=second", stages=STAGES[:3])
    done = folder_lake.stage("model_analytics", "--run-id=second")
    assert (done.code, "50 of gone" in done.last) == (65, True)


def test_a_partition_that_another_run_rewrote_is_not_removed(lake: Lake) -> None:
    settings = Settings.from_environment(lake.environment)
    store = lake.store
    for number in (1, 2):
        store.put(keys.partition("clean", "crashes", f"2024-0{number}"), b"before")
    job = Job.begin(Run(store, settings, Scope(), "one"), "transform_clean", "crashes")
    job.claim("clean", "crashes")
    store.put(keys.partition("clean", "crashes", "2024-02"), b"by another run")
    job.replace([])
    assert [info.key for info in store.list("clean/")] == [keys.partition("clean", "crashes", "2024-02")]
