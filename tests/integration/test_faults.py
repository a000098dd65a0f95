"""Killed stages, full disks, failing stores, concurrent runs: the warehouse stays whole, and a rerun fixes the rest."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from lake import PUBLISHED, REPOSITORY, STAGES, Lake, WatchedStore, crashes_csv, failing, rows
from s3_server import S3Server

from stages import logs
from stages.datasets import registry
from stages.errors import TransientError
from stages.lake import keys
from stages.lake.job import Run
from stages.lake.scope import Scope
from stages.settings import Settings

pytestmark = pytest.mark.slow

FIRST, LATER = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
GIVE_UP_SECONDS = 120
OLD = [
    (crashes_csv(rows(200, 1000 * month, CRASH_DATE=f"0{month}/05/2024")), f"{month}.csv", FIRST) for month in (1, 2, 3)
]
REVISED = rows(50, 3150, CRASH_DATE="03/06/2024") + rows(40, 1100, CRASH_DATE="02/07/2024")  # the 40 move to February
NEW = [
    (crashes_csv(REVISED), "revised.csv", LATER),
    (crashes_csv(rows(60, 4000, CRASH_DATE="04/08/2024", ON_STREET_NAME="OCEAN AVENUE")), "04.csv", LATER),
]


def land(lake: Lake, files: list[tuple[str, str, datetime]]) -> None:
    for file in files:
        lake.land(*file)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What the warehouse must hold in the end, whatever happened on the way."""
    lake = Lake(lake=str(tmp_path_factory.mktemp("undisturbed")))
    land(lake, OLD + NEW)
    lake.run()
    return lake.contents()


@pytest.fixture
def published(lake: Lake) -> Lake:
    """A lake with a warehouse, and files that came later."""
    land(lake, OLD)
    lake.run()
    land(lake, NEW)
    return lake


@pytest.fixture
def published_folder(folder_lake: Lake) -> Lake:
    """The same, in a folder."""
    land(folder_lake, OLD)
    folder_lake.run()
    land(folder_lake, NEW)
    return folder_lake


# --- killed -----------------------------------------------------------------------------------------


def wait_until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Until it has happened, or the process has ended before."""
    until = time.monotonic() + GIVE_UP_SECONDS
    while process.poll() is None and not happened():
        assert time.monotonic() < until
        time.sleep(0.002)


def moment(lake: Lake, process: subprocess.Popen[str], name: str) -> None:
    """Wait for a moment of a stage's life."""
    if name == "begun":
        assert process.stderr is not None
        process.stderr.readline()
    elif name == "writing":
        wait_until(process, lambda: any(Path(lake.environment["COLLISIONS_LAKE"], ".tmp").glob("put-*")))
    else:
        before = lake.listing("_runs/")
        wait_until(process, lambda: lake.listing("_runs/") != before)


@pytest.mark.parametrize("when", ["begun", "writing", "an object written"])
def test_a_killed_stage_leaves_the_old_warehouse_and_its_rerun_the_new(
    published_folder: Lake, undisturbed: dict[str, tuple[int, str]], when: str
) -> None:
    check_kills(published_folder, undisturbed, when)


def test_a_stage_killed_while_it_writes_to_s3(s3_server: S3Server, undisturbed: dict[str, tuple[int, str]]) -> None:
    lake = s3_server.lake()
    land(lake, OLD)
    lake.run()
    land(lake, NEW)
    check_kills(lake, undisturbed, "an object written")


def check_kills(lake: Lake, undisturbed: dict[str, tuple[int, str]], when: str) -> None:
    """Kill each stage once, then run it again."""
    old, before = lake.store.read(PUBLISHED), lake.contents()
    for stage in STAGES:
        with lake.start(stage) as process:
            moment(lake, process, when)
            process.kill()
        if stage != STAGES[-1]:
            assert lake.store.read(PUBLISHED) == old
        assert lake.contents() in (before, undisturbed)
        done = lake.stage(stage)
        assert done.code == 0, done.log
    assert lake.contents() == undisturbed
    lake.run()
    assert lake.contents() == undisturbed


# --- the disk is full -------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("cannot mount a small disk here (not root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Use the disk up, but for `leave` bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, shutil.disk_usage(disk).free - leave))
    return ballast


def test_a_full_disk_is_transient_and_changes_nothing(
    small_disk: Path, undisturbed: dict[str, tuple[int, str]]
) -> None:
    lake = Lake(lake=str(small_disk / "lake"))
    land(lake, OLD)
    lake.run()
    land(lake, NEW)
    old = lake.store.read(PUBLISHED)
    for stage in STAGES:
        ballast = fill(small_disk, leave=4096)
        done = lake.stage(stage, "--run-id=new")  # which has no records to remove, and so frees nothing first
        assert done.code == 75, done.log
        assert "No space left on device" in done.last
        assert "free some space" in done.last
        assert lake.store.read(PUBLISHED) == old
        ballast.unlink()
        assert lake.stage(stage, "--run-id=new").code == 0
    assert lake.contents() == undisturbed


def test_a_full_scratch_disk_is_transient(
    published: Lake, undisturbed: dict[str, tuple[int, str]], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warehouse is built there, and a bucket's objects are fetched to it."""
    old = published.store.read(PUBLISHED)
    published.run(stages=STAGES[:-1])
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    for leave in (0, 30_000, 500_000):
        ballast = fill(small_disk, leave)
        done = published.stage("model_analytics")
        assert done.code == 75, done.log
        assert "space" in done.last.lower()
        assert published.store.read(PUBLISHED) == old
        ballast.unlink()
        assert [path.name for path in small_disk.iterdir()] == []
    assert published.stage("model_analytics").code == 0
    assert published.contents() == undisturbed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_is_transient(published_folder: Lake, number: int) -> None:
    error = OSError(number, "the disk says no", "/some/file")
    store = WatchedStore(published_folder.store, "put", "", failing(error))
    done = published_folder.stage("ingest_raw", store=store)
    assert done.code == 75
    assert "the disk says no (/some/file)" in done.last


# --- the store fails --------------------------------------------------------------------------------


def test_a_store_that_fails_in_the_middle_is_transient(
    new_s3_server: Callable[[], S3Server], undisturbed: dict[str, tuple[int, str]]
) -> None:
    """It hangs, or is gone, from a stage's beginning on: the stage gives up in bounded time; later it succeeds."""
    server = new_s3_server()
    lake = server.lake(s3_timeout_seconds="1")
    land(lake, OLD)
    lake.run()
    land(lake, NEW)
    before = lake.contents()
    for stage, fail, fix in (
        ("ingest_raw", server.pause, server.go_on),
        ("transform_clean", server.stop, server.start),
        ("transform_curated", None, None),
        ("model_analytics", server.pause, server.go_on),
    ):
        if fail and fix:
            with lake.start(stage) as process:
                moment(lake, process, "begun")
                fail()
                started = time.monotonic()
                log = process.communicate(timeout=GIVE_UP_SECONDS)[1]
            seconds = time.monotonic() - started
            fix()
            assert process.returncode == 75, log
            assert seconds < 60
            assert server.endpoint in log.rstrip().rpartition("\n")[2]
            assert lake.contents() == before
        done = lake.stage(stage, s3_timeout_seconds="60")
        assert done.code == 0, done.log
    assert lake.contents() == undisturbed
    server.stop()


def test_an_error_in_one_partition_ends_the_stage(published: Lake) -> None:
    """No partition fails unseen among the threads."""
    published.run(stages=STAGES[:1])
    store = WatchedStore(
        published.store, "read", "raw/crashes/crash_month=2024-02", failing(TransientError("broken off"))
    )
    done = published.stage("transform_clean", store=store)
    assert done.code == 75
    assert "broken off" in done.last
    assert published.stage("transform_curated").code == 65  # no manifest was written
    published.run()


# --- two runs at once -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (("--start=2024-02-01", "--end=2024-04-01"), "another run wrote the curated layer"),
        (("--start=2024-01-01", "--end=2024-02-01"), "another run has written it in the meantime"),
    ],
    ids=["other months", "the same month"],
)
def test_of_two_runs_that_publish_at_once_neither_is_lost(lake: Lake, scope: tuple[str, str], message: str) -> None:
    """While one builds, the other publishes: the first must not overwrite it; its rerun has both."""
    one = ("--start=2024-01-01", "--end=2024-02-01", "--run-id=one")
    land(lake, OLD)
    lake.run(*one, stages=STAGES[:-1])
    meanwhile = WatchedStore(lake.store, "local", "curated/", lambda: another_run(lake, *scope))
    lost = lake.stage("model_analytics", *one, store=meanwhile)
    assert lost.code == 75, lost.log
    assert message in lost.last
    published = lake.contents()  # the other found the first one's curated month
    assert lake.stage("model_analytics", *one).code == 0
    assert lake.contents() == published
    assert published["fct_collisions"][0] == (600 if "curated" in message else 200)
    assert {run for (run,) in lake.ask("select run_id from meta_runs")} == {"one", "other"}


def another_run(lake: Lake, *arguments: str, stages: Sequence[str] = STAGES) -> None:
    """Another run, while a stage is at work in this process."""
    lake.run(*arguments, "--run-id=other", stages=stages)
    logs.set_up()  # to where the stage at work logs


@pytest.mark.parametrize(
    ("stage", "verb", "prefix"),
    [("transform_clean", "head", "raw/crashes/_sources.json"), ("transform_curated", "read", "clean/")],
    ids=["clean", "curated"],
)
@pytest.mark.parametrize("day", ["02/11/2024", "04/11/2024"], ids=["a month that is there", "a new month"])
def test_a_run_does_not_overwrite_what_a_newer_one_wrote_meanwhile(
    lake: Lake, stage: str, verb: str, prefix: str, day: str
) -> None:
    """It began first, and its inputs lack the file that the other has taken in and published."""
    land(lake, OLD)
    lake.run("--run-id=one", stages=STAGES[: STAGES.index(stage)])

    def newer() -> None:
        lake.land(crashes_csv(rows(7, 9001, CRASH_DATE=day)), "newer.csv", LATER)
        another_run(lake)

    late = lake.stage(stage, "--run-id=one", store=WatchedStore(lake.store, verb, prefix, newer))
    others = ("_runs/", "landing/", "quarantine/", keys.WAREHOUSE, keys.sources("crashes"))
    made = lake.listing(*others)
    published = lake.contents()
    assert published["fct_collisions"][0] == 607
    if late.code:  # where both wrote the same partition
        assert late.code == 75, late.log
        assert "another run has written it in the meantime" in late.last
    for again in STAGES[STAGES.index(stage) :]:
        failed = lake.stage(again, "--run-id=one")
        if failed.code:
            assert failed.code == 65, failed.log
            assert "of run one again" in failed.last
            break
    assert lake.contents() == published
    lake.run("--run-id=one")
    assert lake.contents() == published
    assert lake.listing(*others) == made


def test_a_file_that_another_run_ingests_meanwhile_stays(lake: Lake) -> None:
    """The first has listed landing before the file came; what the other has made of it must not go."""
    land(lake, OLD)

    def other() -> None:
        lake.land(crashes_csv(rows(7, 9001, CRASH_DATE="02/11/2024")), "meanwhile.csv")
        another_run(lake, stages=STAGES[:1])

    store = WatchedStore(lake.store, "list", "landing/", other, after=True)
    assert lake.stage("ingest_raw", "--run-id=one", store=store).code == 0
    lake.run("--run-id=other", stages=STAGES[1:])
    assert lake.one("select count(*) from fct_collisions where collision_id > 9000") == 7
    assert lake.one("select count(*) from meta_sources where file like '%meanwhile.csv'") == 1


def test_a_run_that_is_begun_again_meanwhile_does_not_stop_the_publication_of_another(folder_lake: Lake) -> None:
    """It takes its old records back, which the other has listed and not yet read."""
    land(folder_lake, OLD)
    folder_lake.run("--run-id=one")
    folder_lake.run("--run-id=two", stages=STAGES[:3])
    store = WatchedStore(folder_lake.store, "list", "_runs/", lambda: folder_lake.wipe("_runs/one/"), after=True)
    done = folder_lake.stage("model_analytics", "--run-id=two", store=store)
    assert done.code == 0, done.log
    assert folder_lake.ask("select distinct run_id from meta_stages") == [("two",)]


def test_two_runs_may_remove_the_rows_of_the_same_file(folder_lake: Lake) -> None:
    land(folder_lake, OLD)
    folder_lake.run("--run-id=one")
    name = OLD[0][1]
    folder_lake.wipe(f"landing/crashes/{name}")
    held = [
        key for key in folder_lake.objects() if key.startswith("raw/") and key.endswith(f"/{Path(name).stem}.parquet")
    ]
    assert held
    other = WatchedStore(folder_lake.store, "list", "raw/", lambda: folder_lake.wipe(*held), after=True)
    done = folder_lake.stage("ingest_raw", "--run-id=two", store=other)
    assert done.code == 0, done.log
    folder_lake.run("--run-id=two", "--allow-shrink", stages=STAGES[1:])
    assert folder_lake.one(f"select in_warehouse from meta_sources where file like '%/{name}'") == 0


def test_a_newer_file_that_another_run_has_read_is_not_taken_for_the_older(lake: Lake) -> None:
    """The first has read the older content of a file that was landed again: it must run again."""
    lake.land(crashes_csv(rows(3, CRASH_DATE="02/11/2024")), "a.csv")

    def other() -> None:
        lake.land(crashes_csv(rows(5, CRASH_DATE="02/11/2024")), "a.csv")
        another_run(lake, stages=STAGES[:1])

    late = lake.stage("ingest_raw", "--run-id=one", store=WatchedStore(lake.store, "put", "raw/", other, after=True))
    assert late.code == 75
    assert "was landed again, and another run has already read it; a new try will do" in late.last
    lake.run("--run-id=one")
    assert lake.one("select count(*) from fct_collisions") == 5


def test_first_publications_at_once_do_not_write_over_each_other(lake: Lake) -> None:
    land(lake, OLD)
    lake.run(stages=STAGES[:-1])
    with lake.start("model_analytics") as first, lake.start("model_analytics") as second:
        logged = [process.communicate(timeout=GIVE_UP_SECONDS)[1] for process in (first, second)]
    codes = sorted((first.returncode, second.returncode))
    assert codes in ([0, 0], [0, 75]), logged
    assert lake.one("select count(*) from fct_collisions") == 600
    assert lake.stage("model_analytics").code == 0


def test_concurrent_runs_of_different_months_equal_consecutive_ones(
    lake: Lake, undisturbed: dict[str, tuple[int, str]]
) -> None:
    land(lake, OLD + NEW)
    settings = Settings.from_environment(lake.environment)

    def run_month(month: int) -> int:
        """All stages, each retried as Airflow does; returns the retries."""
        tries = 0
        scope = Scope(date(2024, month, 1), date(2024, month + 1, 1))
        for stage in STAGES:
            for _ in range(10):
                tries += 1
                try:
                    run = Run(lake.store, settings, scope, f"month_{month}")
                    importlib.import_module(f"stages.{stage}").run(run, registry())
                    break
                except TransientError:
                    continue
        return tries - len(STAGES)

    with ThreadPoolExecutor(4) as pool:
        retries = list(pool.map(run_month, range(1, 5)))
    assert max(retries) < 9
    assert lake.contents() == undisturbed
    assert lake.one("select count(*) from meta_runs") == 4
    lake.run("--run-id=afterwards")
    assert lake.contents() == undisturbed


# --- a client of the published file --------------------------------------------------------------------

WRITER = """
import sys, duckdb
client = duckdb.connect(sys.argv[1])
client.execute("update fct_collisions set persons_injured = 99")
print("open", flush=True)
sys.stdin.read()
"""


def test_a_client_that_writes_to_the_published_file_does_not_spoil_the_next(folder_lake: Lake) -> None:
    """It holds the file open while a run publishes, and is killed: its log belongs to a file that is gone."""
    folder_lake.land(crashes_csv(rows(20)), "a.csv", LATER)
    folder_lake.run()
    published = Path(folder_lake.environment["COLLISIONS_LAKE"], PUBLISHED)
    injured = "select sum(persons_injured)::bigint from fct_collisions"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, published], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"open\n"
        ask = [sys.executable, "-m", "stages.warehouse.query", "--csv", injured]
        answers = []
        for _ in range(2):  # of the file with a log beside it, and of the next
            done = subprocess.run(
                ask,
                cwd=REPOSITORY,
                env=os.environ | folder_lake.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            answers.append(done.stdout.splitlines()[1])
            folder_lake.run()
        client.kill()
    assert answers == ["0", "0"]
    assert folder_lake.one(injured) == 0
    with duckdb.connect(str(published), read_only=True) as reader:
        assert reader.execute(injured).fetchone() == (0,)
