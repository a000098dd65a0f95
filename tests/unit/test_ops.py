"""The operators' package: settings, waits that end, Airflow's API as it answers and as it fails, what is printed."""

from __future__ import annotations

import gzip
import io
import os
import shlex
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from collisions_ops import backfill, cli, embedded
from collisions_ops.airflow_api import SCHEDULER_SECONDS, STALL_SECONDS, Airflow
from collisions_ops.console import Console
from collisions_ops.errors import CommandFailed, OpsError
from collisions_ops.images import content_tag
from collisions_ops.land import check_files, dataset_of
from collisions_ops.params import params
from collisions_ops.settings import ROOT, Ports, Settings
from collisions_ops.shell import Shell, paste
from collisions_ops.wait import until

from stages.datasets import registry
from stages.datasets.dataset import Dataset

# --- settings, shell, waits -----------------------------------------------------------------------------


def test_state_is_where_everything_lies(tmp_path: Path) -> None:
    settings = Settings.from_environment({"STATE": str(tmp_path / "a folder")})
    assert settings.up_log == tmp_path / "a folder/cluster/up.log"
    assert settings.airflow_home == tmp_path / "a folder/airflow"
    assert settings.embedded_lake == str(tmp_path / "a folder/lake")
    assert Settings.from_environment({"STATE": str(tmp_path), "COLLISIONS_LAKE": "/x"}).embedded_lake == "/x"


CLUSTER_COMMANDS = {
    "status": ["status"],
    "logs": ["logs", "ingest_raw"],
    "trigger": ["trigger"],
    "backfill": ["backfill", "--from", "2025-01-01", "--to", "2025-01-02"],
    "land": ["land", "a.csv", "--dataset", "crashes"],
    "prune": ["land", "--prune"],
    "query": ["query", "--cluster", "ledger"],
    "report": ["report", "--cluster"],
    "metrics": ["metrics", "--cluster"],
}


@pytest.mark.parametrize("up_before", [False, True], ids=["never made", "gone"])
@pytest.mark.parametrize("command", CLUSTER_COMMANDS.values(), ids=CLUSTER_COMMANDS)
def test_without_a_cluster_the_embedded_runtimes_way_is_named_too(
    tmp_path: Path,
    command: list[str],
    up_before: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").touch()
    if up_before:
        Path("cluster").mkdir()
        Path("cluster/ports").write_text("UI_PORT=8080\nMINIO_PORT=9000\nMINIO_CONSOLE_PORT=9001\n")
    assert cli.main(command, {"PATH": str(tmp_path), "STATE": str(tmp_path)}) == 1
    said = capsys.readouterr().err
    for words in (
        "there is no cluster; scripts/up makes it.",
        f"STATE={tmp_path} scripts/demo FILE.csv",
        f"STATE={tmp_path} scripts/airflow dags test collisions_pipeline",
        f"STATE={tmp_path} scripts/airflow dags trigger collisions_pipeline",
        f"STATE={tmp_path} scripts/airflow backfill create",
        f"STATE={tmp_path} scripts/airflow dags list-runs collisions_pipeline",
        f"{tmp_path}/airflow/demo.log, {tmp_path}/airflow/logs/",
    ):
        assert words in said


def test_a_cluster_that_another_checkout_made_is_not_denied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = tmp_path / "kind"
    kind.write_text("#!/bin/sh\necho collisions\n")
    kind.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert cli.main(["logs", "ingest_raw"], {"PATH": path, "STATE": str(tmp_path)}) == 1
    assert (
        f"made by another checkout or user, or with another STATE than {tmp_path}; use that one"
        in capsys.readouterr().err
    )


def test_printed_commands_carry_the_folders_that_are_not_the_default(tmp_path: Path) -> None:
    for given, carried in (
        ({}, {}),
        ({"STATE": "", "VENV": ""}, {}),
        ({"STATE": str(ROOT / ".collisions"), "VENV": str(ROOT / ".venv")}, {}),
        ({"STATE": str(tmp_path), "VENV": "/v"}, {"STATE": str(tmp_path), "VENV": "/v"}),
        ({"STATE": "here"}, {"STATE": str(Path("here").absolute())}),
    ):
        assert Settings.from_environment(given).chosen_folders == carried


def test_the_lake_is_that_of_the_last_demo_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "last-lake").write_text("/lakes/files")
    assert Settings.from_environment({"STATE": str(tmp_path)}).embedded_lake == "/lakes/files"
    assert Settings.from_environment({"STATE": str(tmp_path), "COLLISIONS_LAKE": "/x"}).embedded_lake == "/x"


def test_ports_are_those_given_or_those_of_last_time(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster/ports").write_text(Ports(9080, 9900, 9901).text())
    settings = Settings.from_environment({"STATE": str(tmp_path), "MINIO_PORT": "7000"})
    assert settings.ports == Ports(9080, 7000, 9901)
    with pytest.raises(OpsError, match="UI_PORT is 'high': set it to a port number"):
        Settings.from_environment({"UI_PORT": "high"})


def test_base_images_are_those_of_the_manifests() -> None:
    images = Settings.from_environment({}).base_images()
    assert [image.split(":")[0] for image in images] == ["postgres", "quay.io/minio/minio"]


def test_what_is_printed_to_be_run_can_be_pasted() -> None:
    line = paste("scripts/query", "select 'it''s'", COLLISIONS_LAKE=Path("/lakes/a folder"))
    assert shlex.split(line) == ["COLLISIONS_LAKE=/lakes/a folder", "scripts/query", "select 'it''s'"]


def test_a_wait_has_a_limit_and_says_what_it_waits_for() -> None:
    with pytest.raises(OpsError, match="timed out after 0 s waiting until the moon is full"):
        until(lambda: False, "the moon is full", 0)


def test_a_program_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    shell = Shell({"PATH": "/usr/bin:/bin"}, log=tmp_path / "log")
    with pytest.raises(CommandFailed, match="sh -c echo oh dear >&2; exit 3: oh dear"):
        shell.output("sh", "-c", "echo oh dear >&2; exit 3")
    assert shell.attempt("no-such-program").code == 127
    with pytest.raises(CommandFailed, match="exit code 3"):
        shell.run("sh", "-c", "echo to the log; exit 3")
    assert (tmp_path / "log").read_text() == "to the log\n"


def test_the_embedded_runtime_forgets_another_airflow(tmp_path: Path) -> None:
    given = {"STATE": str(tmp_path), "AIRFLOW_HOME": "/other", "AIRFLOW__CORE__EXECUTOR": "Other", "UI_PORT": "8099"}
    environ = embedded.environment(Settings.from_environment(given))
    assert environ["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert environ["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environ["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8099"


# --- the command tree -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trigger", "--start", "x"], 2, "invalid date 'x'"),
        (["trigger", "--start=2024-02-01", "--end=2024-01-01"], 1, "no dates in [2024-02-01, 2024-01-01)"),
        (["trigger", "--years=2022", "--end=2024-01-01"], 1, "give the years or the dates, not both"),
        (["trigger", "--years=2022,23"], 1, "'23' is not a year such as 2024: --years takes those from 2012 to 2099"),
        (["trigger", "--years=2022-2023"], 1, "'2022-2023' is not a year"),
        (["trigger", "--years="], 1, "--years is empty: leave it out, or write what is meant between commas"),
        (["trigger", "--datasets=crashes,crash"], 1, "no dataset 'crash'; there are: crashes, persons, vehicles"),
        (["demo", "--years=2011"], 1, "'2011' is not a year"),
        (["demo", "--datasets", "bridges"], 1, "there is no dataset 'bridges'"),
        (["backfill", "--from=2024-01-01"], 2, "Missing option '--to'"),
        (["logs", "transform"], 2, "there is no task 'transform'; choose from ingest_raw"),
        (["land"], 1, "say which files to land"),
        (["land", "--prune", "a.csv"], 1, "--prune takes no files"),
        (["land", "--yes", "a.csv"], 1, "--yes and --embedded belong to it"),
        (["land", "/no/such.csv"], 1, "no such file, or not readable: /no/such.csv"),
        (["status"], 1, ""),
    ],
)
def test_a_wrong_call_ends_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert cli.main(arguments, {"STATE": str(tmp_path), "PATH": ""}) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"start": date(2022, 1, 1), "end": date(2022, 2, 1)}, {"start": "2022-01-01", "end": "2022-02-01"}),
        ({"years": "2023, 2022,2023"}, {"years": [2022, 2023]}),
        ({"datasets": "persons,crashes,persons"}, {"datasets": ["persons", "crashes"]}),
        ({"years": "2022", "allow_shrink": True}, {"years": [2022], "allow_shrink": True}),
    ],
)
def test_the_options_of_a_run_become_the_params_of_the_dag(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert params(**given) == expected


def test_files_to_land_are_looked_at_first(tmp_path: Path) -> None:
    sound = ["a.csv", "A.CSV", "a.csv.gz", "a.Csv.GZ"]
    for name in (*sound, "b/a.csv", "notes.txt", "a.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    check_files([tmp_path / name for name in sound])
    for name in ("notes.txt", "a.gz"):
        with pytest.raises(OpsError, match=r"not a \.csv or \.csv\.gz file: "):
            check_files([tmp_path / name])
    with pytest.raises(OpsError, match=r"two files of the same name would land as one: a\.csv"):
        check_files([tmp_path / "a.csv", tmp_path / "b/a.csv"])


@pytest.mark.parametrize("dataset", registry())
def test_the_header_tells_the_dataset(tmp_path: Path, dataset: Dataset) -> None:
    for number, names in enumerate(dataset.forms.values()):
        for separator, packed in ((",", False), (";", True)):
            line = (separator.join(reversed(names)) + "\n").encode()
            file = tmp_path / f"{number}.csv"
            file.write_bytes(gzip.compress(line) if packed else line)
            assert dataset_of(file) == dataset.name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "CITY,STATE\n",
            r"its first line \(CITY, STATE …\) is the header of none (?s:.*)\n  crashes: CRASH DATE, CRASH TIME",
        ),
        ("", "the file is empty"),
        ("<html>", "is not CSV"),
    ],
)
def test_a_file_of_no_dataset_is_not_landed(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(OpsError, match=message):
        dataset_of(tmp_path / "a.csv")


def test_a_file_whose_header_has_a_mistyped_column_is_not_landed(tmp_path: Path) -> None:
    (dataset,) = (dataset for dataset in registry() if dataset.name == "crashes")
    header = ",".join(dataset.forms["portal"]).replace("CRASH DATE", "CRASH DAET")
    (tmp_path / "a.csv").write_text(f"{header}\n")
    with pytest.raises(
        OpsError, match=r"a\.csv, line 1: .* missing: CRASH DATE .* CRASH DAET \(did you mean CRASH DATE"
    ):
        dataset_of(tmp_path / "a.csv")


# --- images -------------------------------------------------------------------------------------------------


def test_a_tag_names_one_content(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a", *words], check=True)

    git("init", "--quiet")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/a").write_text("1")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    shell = Shell(os.environ)
    committed = content_tag(shell, tmp_path, ("stages",))
    assert len(committed) == 12
    (tmp_path / "elsewhere").touch()
    assert content_tag(shell, tmp_path, ("stages",)) == committed
    tags = set()
    for content in ("2", "3", "2"):
        (tmp_path / "stages/a").write_text(content)
        tags.add(content_tag(shell, tmp_path, ("stages",)))
    assert len(tags) == 2
    assert all(tag.startswith(f"{committed}-") for tag in tags)


# --- Airflow's API ------------------------------------------------------------------------------------------


class FakeAirflow:
    """Answers like Airflow's API. `paused`, `scheduler`, `run` and `tasks` are what it says; `failures` come first."""

    def __init__(self) -> None:
        self.paused, self.scheduler, self.run = False, "healthy", {"state": "running"}
        self.tasks: list[dict[str, Any]] = []
        self.failures: list[int] = []
        self.others: list[dict[str, Any]] = []
        self.backfills: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.logins = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(f"{request.method} {path}")
        if path == "/auth/token":
            self.logins += 1
            return httpx.Response(201, json={"access_token": f"token {self.logins}"})
        if self.failures:
            return httpx.Response(self.failures.pop(0), text="no")
        answers: dict[str, Any] = {
            "/api/v2/monitor/health": {"scheduler": {"status": self.scheduler}},
            "/api/v2/backfills": {"backfills": self.backfills},
            "/api/v2/dags/collisions_pipeline": {"is_paused": self.paused},
            "/api/v2/dags/collisions_pipeline/dagRuns": {"dag_runs": self.others},
            "/api/v2/dags/collisions_pipeline/dagRuns/one": self.run,
            "/api/v2/dags/collisions_pipeline/dagRuns/one/taskInstances": {"task_instances": self.tasks},
        }
        return httpx.Response(200, json=answers[path]) if path in answers else httpx.Response(404, text="nothing here")

    def client(self, patience: float = 5) -> Airflow:
        """A session with it."""
        login = {"username": "admin", "password": "secret"}
        return Airflow("http://airflow", lambda: login, httpx.MockTransport(self), patience)


class Clock:
    """Time that passes when someone pauses; `then` is called at each pause."""

    def __init__(self, then: Callable[[float], None] = lambda _: None) -> None:
        self.now, self.then = 0.0, then

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass, faster than asked for."""
        self.now += seconds * 10
        self.then(self.now)


@pytest.fixture
def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console({}, out, out), out


def test_a_request_waits_out_a_restart_and_logs_in_again() -> None:
    fake = FakeAirflow()
    airflow = fake.client()
    fake.failures = [503, 502]
    assert airflow.get("") == {"is_paused": False}
    fake.failures = [401]  # the token has expired
    assert airflow.get("") == {"is_paused": False}
    assert fake.logins == 2
    with pytest.raises(OpsError, match="Airflow answers 404 to GET /api/v2/nothing: nothing here"):
        airflow.get("/api/v2/nothing")


def test_a_run_that_was_triggered_before_is_not_started_twice() -> None:
    fake = FakeAirflow()
    airflow = fake.client()
    fake.failures = [503, 409]  # the first request was carried out, its answer lost
    assert airflow.trigger({}).startswith("manual__")


def test_a_paused_dag_is_reported_at_once() -> None:
    fake = FakeAirflow()
    fake.paused = True
    with pytest.raises(OpsError, match="collisions_pipeline is paused, so no run would start"):
        fake.client().require_unpaused()


def follow(fake: FakeAirflow, console: Console, then: Callable[[float], None] = lambda _: None) -> str:
    clock = Clock(then)
    return fake.client().follow("one", console, clock, clock.pause)


def test_a_run_is_followed_to_its_end(console: tuple[Console, io.StringIO]) -> None:
    fake = FakeAirflow()
    fake.tasks = [{"task_id": "ingest_raw", "try_number": 1, "state": "queued", "duration": None}]

    def end(now: float) -> None:
        if now > 20:
            fake.tasks = [{"task_id": "ingest_raw", "try_number": 0, "state": "upstream_failed", "duration": None}]
            fake.run = {"state": "failed"}

    assert follow(fake, console[0], end) == "failed"
    assert "ingest_raw upstream_failed" in console[1].getvalue()


def test_each_chunk_of_a_mapped_task_is_followed(console: tuple[Console, io.StringIO]) -> None:
    fake = FakeAirflow()
    names = ["a 2019-01…2020-06", None]
    fake.tasks = [
        {"task_id": "transform_clean", "map_index": at, "rendered_map_index": names[at], "try_number": 0}
        | {"state": "upstream_failed", "duration": None}
        for at in (1, 0)
    ]
    fake.run = {"state": "failed"}
    assert follow(fake, console[0]) == "failed"
    lines = [line.split(" s  ")[1] for line in console[1].getvalue().splitlines()]
    chunks = ["transform_clean (a 2019-01…2020-06)", "transform_clean (chunk 1)"]
    assert lines == [line for chunk in chunks for line in (chunk, f"{chunk} upstream_failed")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paused": True}, "was paused, so one, which is running, will not continue"),
        ({"scheduler": "unhealthy"}, f"scheduler has been away for {SCHEDULER_SECONDS + 5}"),
        ({"run": {"state": "queued"}}, f"no task of one, which is queued, has started for {STALL_SECONDS + 5}"),
    ],
)
def test_a_run_that_will_not_continue_ends_the_wait(
    console: tuple[Console, io.StringIO], change: dict[str, Any], message: str
) -> None:
    fake = FakeAirflow()
    vars(fake).update(change)
    with pytest.raises(OpsError, match=message):
        follow(fake, console[0])


def test_a_run_waits_its_turn_without_a_limit(console: tuple[Console, io.StringIO]) -> None:
    fake = FakeAirflow()
    fake.run, fake.others = {"state": "queued"}, [{"dag_run_id": "other"}]

    def end(now: float) -> None:
        if now > 10 * STALL_SECONDS:
            fake.run = {"state": "success"}

    assert follow(fake, console[0], end) == "success"
    assert console[1].getvalue().count("waiting for other to end: one run at a time") == 1


@pytest.mark.parametrize(
    ("paused", "message"), [(True, "is paused, so it will not end"), (False, "no run has been active for")]
)
def test_a_backfill_that_never_ends_ends_the_wait_for_it(
    console: tuple[Console, io.StringIO], paused: bool, message: str
) -> None:
    fake, clock = FakeAirflow(), Clock()
    fake.backfills = [{"completed_at": None, "from_date": "2024-01-01T00:00:00Z", "is_paused": paused}]
    with pytest.raises(OpsError, match=f"the backfill from 2024-01-01 .*{message}"):
        backfill.await_earlier(fake.client(), console[0], clock, clock.pause)
