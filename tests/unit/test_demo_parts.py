"""The demo's parts, with a made-up `airflow` on the PATH: what it shows, what it leaves out, how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from collisions_ops import embedded, locks
from collisions_ops.bench import GENERATOR
from collisions_ops.console import Console
from collisions_ops.demo import Demo, demo, example_days, ui_command
from collisions_ops.errors import OpsError
from collisions_ops.in_airflow.airflow_local_settings import WAIT_SECONDS, create_metadata_engine
from collisions_ops.settings import ROOT, Ports, Settings
from collisions_ops.ui import RESTARTS, Part, Stop, Ui, kill_group, stop
from collisions_ops.wait import until
from lake import Lake, crashes_csv, rows

SAID = "2026-01-01T00:00:00Z [{level:8}] {text} [airflow.task.operators.collisions_operators.local.LocalStageOperator]"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs that comes first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def demo_in(state: Path, programs: Path, out: io.StringIO, **more: str) -> Demo:
    (state / "airflow").mkdir(parents=True, exist_ok=True)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "STATE": str(state), **more}
    settings = Settings.from_environment(environ)
    return Demo(settings, Console(environ, out, out), environ, state / "lake", began=time.time())


def test_only_the_stages_lines_are_shown_whatever_bytes_they_hold(tmp_path: Path, programs: Path) -> None:
    said = tmp_path / "said"
    said.write_bytes(
        f"noise of the scheduler\n{SAID.format(level='info', text='ingest_raw crashes: rows in 3')}\n".encode()
        + SAID.format(level="error", text="landed #").encode().replace(b"#", b"\xe9")
        + b"\n"
    )
    program(programs / "airflow", f"cat '{said}'")
    out = io.StringIO()
    demo_in(tmp_path, programs, out).run_dag({})
    first, second = out.getvalue().splitlines()
    assert first.endswith(" s    ingest_raw crashes: rows in 3")
    assert second.endswith(" s    error: landed \N{REPLACEMENT CHARACTER}")
    assert (tmp_path / "airflow/demo.log").read_bytes() == said.read_bytes()


def test_a_run_that_failed_names_its_log(tmp_path: Path, programs: Path) -> None:
    program(programs / "airflow", "exit 1")
    with pytest.raises(OpsError, match=r"the run failed.*demo\.log"):
        demo_in(tmp_path, programs, io.StringIO()).run_dag({})


def test_the_runtime_inherits_connections_and_nothing_else_of_another_airflow(tmp_path: Path) -> None:
    given = {
        "STATE": str(tmp_path),
        "PYTHONPATH": "/elsewhere/scripts",
        "HOME": "/home/me",
        "AIRFLOW_HOME": "/another",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW_CONN_SLACK_DEFAULT": "slackwebhook://x",
    }
    environ = embedded.environment(Settings.from_environment(given))
    assert environ["AIRFLOW_CONN_SLACK_DEFAULT"] == "slackwebhook://x"
    assert environ["HOME"] == "/home/me"
    assert environ["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert environ["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environ["PYTHONPATH"] == str(ROOT / "scripts/collisions_ops/in_airflow")


def test_without_a_ui_airflow_is_given_no_address_to_link_to(tmp_path: Path) -> None:
    settings = Settings.from_environment({"STATE": str(tmp_path), "UI_PORT": "8123"})
    assert embedded.environment(settings)["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8123"
    assert embedded.environment(settings, ui=False)["AIRFLOW__API__BASE_URL"] == ""


@pytest.fixture
def settings(tmp_path: Path, programs: Path) -> Settings:
    """A runtime whose folders are made, with the made-up programs for its environment's."""
    given = {**os.environ, "STATE": str(tmp_path / "state"), "VENV": str(programs.parent)}
    given["PYTHONPATH"] = f"{ROOT}:{ROOT}/scripts"
    made = Settings.from_environment({name: value for name, value in given.items() if name != "COLLISIONS_LAKE"})
    embedded.make_folders(made)
    return made


@pytest.mark.parametrize("ui", [False, True])
def test_a_demo_is_refused_while_a_ui_serves_and_told_how_to_do_the_run(settings: Settings, ui: bool) -> None:
    settings.last_lake.write_text("/the lake/of the UI")
    with locks.for_ui(settings), pytest.raises(OpsError) as refused:
        demo(settings, Console({}), [], {"years": [2023]}, ui=ui)
    for words in (
        f"scripts/demo --ui is running in {settings.state}",
        "its scheduler would take this run's tasks",
        "Ctrl-C",
        "/the lake/of the UI",
        "Trigger in the UI",
        f"or: STATE={settings.state} VENV={settings.venv} scripts/airflow dags trigger collisions_pipeline --conf",
        """'{"years": [2023]}'""",
    ):
        assert words in str(refused.value)
    assert not (settings.state / "lake").exists()


def test_files_are_refused_too_while_a_ui_serves_and_sent_to_its_landing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(crashes_csv(rows(1)))
    with locks.for_ui(settings), pytest.raises(OpsError, match=rf"{settings.state}/lake/landing/crashes/"):
        demo(settings, Console({}), [tmp_path / "new.csv"], {})


@pytest.mark.parametrize("conf", [["--conf", '{"years": [2023]}'], ["-c", '{"years": [2023]}'], []])
def test_dags_test_is_refused_while_a_ui_serves(settings: Settings, conf: list[str]) -> None:
    with locks.for_ui(settings), pytest.raises(OpsError, match="Trigger in the UI") as refused:
        embedded.airflow(settings, Console({}), ["dags", "test", "collisions_pipeline", *conf])
    assert ("""--conf '{"years": [2023]}'""" in str(refused.value)) == bool(conf)


def airflow_in(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    """scripts/airflow, without the set-up of an environment."""
    code = (
        "import os, sys; from collisions_ops import embedded; from collisions_ops.console import Console; from"
        " collisions_ops.settings import Settings;"
        " sys.exit(embedded.airflow(Settings.from_environment(os.environ), Console({}), sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, env=dict(settings.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    "command", ["dags test X --conf=", "dags trigger X --conf=", "backfill create --dag-id X --dag-run-conf="]
)
def test_params_that_the_dag_does_not_take_are_refused_before_airflow_is_asked(
    settings: Settings, command: str
) -> None:
    arguments = f'{command}{{"year":[2024]}}'.replace("X", "collisions_pipeline").split()
    with pytest.raises(OpsError, match=r"no param 'year' \(did you mean years\?\)"):
        embedded.airflow(settings, Console({}), arguments)


def test_the_params_of_another_dag_are_its_own(settings: Settings, programs: Path) -> None:
    program(programs / "airflow", 'echo "$@"')
    with airflow_in(settings, "dags", "trigger", "mine", "--conf", '{"year": 2024}') as process:
        assert process.communicate(timeout=60)[0].endswith('{"year": 2024}\n')


def test_other_commands_of_airflow_work_while_a_ui_serves(settings: Settings, programs: Path) -> None:
    program(programs / "airflow", 'echo "$@"')
    for words in ("dags trigger collisions_pipeline", "dags test --help"):
        with locks.for_ui(settings), airflow_in(settings, *words.split()) as process:
            assert process.communicate(timeout=60)[0].endswith(f"{words}\n")


def test_commands_of_airflow_that_run_stages_name_their_lake(settings: Settings) -> None:
    settings.last_lake.write_text("/lake-files")
    mine = replace(settings, environ={**settings.environ, "COLLISIONS_LAKE": "/mine"})
    ui = f"STATE={settings.state} VENV={settings.venv} scripts/demo --ui"
    waits = f"the run waits for a scheduler, and works in its lake: {ui}"
    for words, of, said in (
        ("dags test collisions_pipeline", settings, ["lake: /lake-files"]),
        ("tasks test collisions_pipeline ingest_raw", settings, ["lake: /lake-files"]),
        ("dags test collisions_pipeline", mine, ["lake: /mine"]),
        ("dags trigger collisions_pipeline", mine, [waits]),
        ("backfill create --dag-id x", settings, [waits]),
        ("dags list-runs collisions_pipeline", settings, []),
        ("dags test --help", settings, []),
    ):
        assert embedded.notes(of, words.split()) == said, words
    with locks.for_ui(settings):
        assert embedded.notes(settings, ["dags", "trigger", "collisions_pipeline"]) == ["lake: /lake-files"]


def test_links_are_those_of_the_ui_that_runs_and_of_none_for_dags_test(settings: Settings, programs: Path) -> None:
    program(programs / "airflow", '[ $1 = db ] || echo "link: $AIRFLOW__API__BASE_URL"')
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:  # another program's, on the UI's usual port
        port = {"UI_PORT": str(server.server_port)}
        of = replace(settings, environ={**settings.environ, **port}, ports=Ports(UI_PORT=server.server_port))
        for words in ("dags test collisions_pipeline", "dags list"):
            with airflow_in(of, *words.split()) as process:
                assert process.communicate(timeout=60)[0] == "link: \n"
    with locks.for_ui(settings, address="http://127.0.0.1:8099"), airflow_in(settings, "dags", "list") as process:
        assert process.communicate(timeout=60)[0] == "link: http://127.0.0.1:8099\n"
    with airflow_in(settings, "dags", "list") as process:  # the UI has ended
        assert process.communicate(timeout=60)[0] == "link: \n"


def test_a_ui_or_another_run_is_refused_as_long_as_dags_test_runs(settings: Settings, programs: Path) -> None:
    program(programs / "airflow", "[ $1 = db ] || { echo begun; read _; }")
    with airflow_in(settings, "dags", "test", "collisions_pipeline") as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        for lock in (locks.for_ui, locks.for_run):
            with pytest.raises(OpsError, match=r"a run without a scheduler.* STATE=/another/folder"):
                lock(settings)
        assert not locks.ui_runs(settings)
        process.communicate("\n", timeout=60)
    locks.for_ui(settings).close()


def test_a_killed_ui_blocks_nothing_and_what_it_left_running_is_ended(settings: Settings, programs: Path) -> None:
    program(programs / "airflow", "sleep 60")
    code = (
        "import os; from collisions_ops import locks; from collisions_ops.console import Console; from"
        " collisions_ops.settings import Settings; from collisions_ops.ui import Ui;"
        " settings = Settings.from_environment(os.environ); lock = locks.for_ui(settings);"
        " environ = {'PATH': f'{settings.venv}/bin:/usr/bin:/bin'};"
        " ui = Ui(Console({}), environ, settings.airflow_home, '', ('', ''));"
        " parts = ui.parts().__enter__(); print(*[part.process.pid for part in parts], flush=True); input()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, env=dict(settings.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        left = [int(pid) for pid in process.stdout.readline().split()]
        with pytest.raises(OpsError):
            locks.for_run(settings)
        process.kill()
    assert len(left) == 3
    locks.for_run(settings).close()
    for pid in left:
        until(lambda pid=pid: not kill_group(pid), "what was left running is gone", 60)  # type: ignore[misc]


def test_a_process_that_got_the_number_of_a_killed_uis_part_is_left_alone(settings: Settings) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (settings.airflow_home / "ui.pids").write_text(f"{other.pid}\nnot a number\n")
        locks.for_run(settings).close()
        assert other.poll() is None
        other.kill()


def test_the_example_of_a_backfill_is_of_the_newest_month_in_the_lake(tmp_path: Path) -> None:
    for month in ("2022-01", "2021-12"):
        (tmp_path / f"raw/things/crash_month={month}").mkdir(parents=True)
    assert example_days(tmp_path) == ("2022-01-01", "2022-01-04")


def test_a_failed_run_names_the_landed_file_to_remove_and_how_to_go_on(tmp_path: Path, programs: Path) -> None:
    landing = tmp_path / "lake/landing/things"
    landing.mkdir(parents=True)
    for name in ("good.csv", "bad one.csv"):
        (landing / name).touch()
    said = [SAID.format(level="error", text="bad one.csv: no header"), SAID.format(level="warning", text="good.csv: x")]
    program(programs / "airflow", f"echo '{said[0]}'; echo '{said[1]}'; exit 1")

    def failure(conf: dict[str, Any], ui: str = "scripts/demo --ui") -> str:
        with pytest.raises(OpsError) as error:
            replace(demo_in(tmp_path, programs, io.StringIO()), ui=ui).run_dag(conf)
        return str(error.value)

    assert f"to leave it out: rm '{landing}/bad one.csv'\n" in failure({})
    again = f"then go on with the others: STATE={tmp_path} scripts/airflow dags"
    assert failure({}).endswith(f"{again} test collisions_pipeline")
    assert failure({"years": [2023]}).endswith(f"""{again} test collisions_pipeline --conf '{{"years": [2023]}}'""")
    assert failure({}, ui="").endswith(f"{again} trigger collisions_pipeline")
    assert "good.csv" not in failure({})
    (landing / "good.csv").unlink()
    assert failure({}).endswith("then land another, or the same once it is repaired: scripts/demo FILE.csv")


def answers(lake: Lake, state: Path, *arguments: str, ui: str = "scripts/demo --ui") -> str:
    """What is shown after a run of all stages with these arguments."""
    out = io.StringIO()
    demo = replace(demo_in(state, state, out, VENV=sys.prefix), ui=ui)
    lake.run(*arguments)
    demo.show_answers()
    return out.getvalue()


def test_a_run_that_took_in_no_rows_says_so_and_shows_no_other_runs_ledger(tmp_path: Path) -> None:
    lake = Lake(lake=str(tmp_path / "lake"), max_quarantine_ratio="1")
    lake.land(crashes_csv(rows(1)).splitlines()[0], "header.csv")
    for _ in range(2):  # it is read but once
        said = answers(lake, tmp_path)
        assert "No rows were taken in: the landed files have headers, but no rows. Nothing is published yet." in said
        assert "scripts/query" not in said
        assert "warehouse  " not in said
        assert "Done in" in said
    lake.land(crashes_csv(rows(5, CRASH_DATE="never")), "rejected.csv")
    said = answers(lake, tmp_path)
    assert f"Nothing is published: every row was rejected; see {tmp_path}/lake/quarantine/" in said
    assert "scripts/query" not in said
    assert "  UI         scripts/demo --ui" in said
    lake.wipe("landing/crashes/rejected.csv")
    lake.land(crashes_csv(rows(30)), "good.csv")
    assert re.findall("scripts/query ([a-z_]+)", answers(lake, tmp_path)) == ["ledger", "by_borough", "worst_days"]
    said = answers(lake, tmp_path, "--years=2019", ui="")
    assert "  UI  " not in said  # it is about to serve one
    assert "No rows were taken in: none of those in landing is of this run's dates. The warehouse is as before." in said
    assert re.findall("scripts/query ([a-z_]+)", said) == ["by_borough", "worst_days"]


@pytest.mark.parametrize(
    ("files", "conf", "more", "command"),
    [
        ([], {}, {}, "scripts/demo --ui"),
        (
            ["new one.csv", "b.csv"],
            {"years": [2022, 2023], "datasets": ["crashes"]},
            {},
            "scripts/demo --ui --years 2022,2023 --datasets crashes 'new one.csv' b.csv",
        ),
        ([], {}, {"source": True}, "scripts/demo --ui --source"),
        ([], {}, {"city": "socrata"}, "COLLISIONS_SOURCE=socrata scripts/demo --ui"),
    ],
)
def test_the_ui_is_offered_with_the_same_data(
    files: list[str], conf: dict[str, Any], more: dict[str, Any], command: str
) -> None:
    settings = Settings.from_environment({})
    assert ui_command(settings, [Path(file) for file in files], conf, **more) == command
    elsewhere = Settings.from_environment({"STATE": "/s", "VENV": "/my venv"})
    there = ui_command(elsewhere, [Path(file) for file in files], conf, **more)
    assert there == f"STATE=/s VENV='/my venv' {command}"


@pytest.mark.parametrize("on_interrupt", ["exit 130", "echo trying once more"])
def test_an_interrupted_run_ends_and_is_marked_as_failed(tmp_path: Path, programs: Path, on_interrupt: str) -> None:
    log, marked = tmp_path / "airflow/demo.log", tmp_path / "marked"
    program(programs / "airflow", f"trap '{on_interrupt}' INT; echo begun; while :; do sleep 0.1; done")
    program(programs / "python", f"echo \"$@\" >'{marked}'")
    out = io.StringIO()

    def person() -> None:
        deadline = time.monotonic() + 30
        while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=person)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        demo_in(tmp_path, programs, out).run_dag({})
    thread.join()
    assert marked.read_text() == "-m fail_unfinished\n"
    assert "interrupted: the run is marked as failed" in out.getvalue()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_dags_test_ends_at_ctrl_c_and_marks_its_run_as_failed(settings: Settings, programs: Path, sent: int) -> None:
    marked = settings.state / "marked"
    program(programs / "airflow", "[ $1 = db ] || { echo begun; trap 'exit 130' INT; while :; do sleep 0.1; done; }")
    program(programs / "python", f"echo \"$@\" >'{marked}'")
    with airflow_in(settings, "dags", "test", "collisions_pipeline") as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(sent)
        assert process.wait(60) != 0
    assert marked.read_text() == "-m fail_unfinished\n"
    locks.for_ui(settings).close()


def test_dags_test_shows_airflows_output_and_keeps_it(settings: Settings, programs: Path) -> None:
    program(programs / "airflow", '[ $1 = db ] || { echo "$@"; echo "to stderr" >&2; exit 3; }')
    with airflow_in(settings, "dags", "test", "collisions_pipeline", "--conf", "{}") as process:
        shown = process.communicate(timeout=60)[0]
    assert shown == "dags test collisions_pipeline --conf {}\nto stderr\n"
    assert (settings.airflow_home / "dags-test.log").read_text() == shown
    assert process.returncode == 3


def test_a_run_goes_on_alone_if_only_its_command_is_killed(settings: Settings, programs: Path) -> None:
    ended = settings.state / "ended"
    program(programs / "airflow", f"[ $1 = db ] || {{ echo begun; while [ ! -e '{ended}' ]; do sleep 0.05; done; }}")
    with airflow_in(settings, "dags", "test", "collisions_pipeline") as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.kill()
    with pytest.raises(OpsError, match="a run without a scheduler"):
        locks.for_run(settings)
    ended.touch()

    def free() -> bool:
        try:
            locks.for_run(settings).close()
        except OpsError:
            return False
        return True

    until(free, "the run has ended", 10)


def test_a_run_whose_demo_was_killed_is_marked_as_failed_by_the_next(tmp_path: Path, programs: Path) -> None:
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow/unfinished").touch()
    program(programs / "airflow", "exit 0")
    program(programs / "python", f"echo \"$@\" >>'{tmp_path}/marked'")
    for _ in range(2):
        demo_in(tmp_path, programs, io.StringIO()).run_dag({})
    assert (tmp_path / "marked").read_text() == "-m fail_unfinished\n"


# --- Airflow on SQLite ------------------------------------------------------------------------------------


def test_a_transaction_that_begins_with_a_savepoint_has_the_write_lock_before_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "airflow.db"
    engine = create_metadata_engine(f"sqlite:///{file}", engine_args={}, connect_args={})
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        other.execute("pragma journal_mode=wal")
        other.execute("create table runs (day text)")
        with engine.connect() as connection:
            connection.begin_nested()
            assert connection.exec_driver_sql("select count(*) from runs").scalar() == 0
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("insert into runs values ('its write would make the next one fail')")
            connection.exec_driver_sql("insert into runs values ('2024-07-01')")
            connection.commit()
        assert other.execute("select day from runs").fetchall() == [("2024-07-01",)]
        other.execute("insert into runs values ('2024-07-02')")


def test_a_writer_waits_for_another(tmp_path: Path) -> None:
    engine = create_metadata_engine(f"sqlite:///{tmp_path}/airflow.db", engine_args={}, connect_args={})
    with engine.connect() as connection:
        assert connection.exec_driver_sql("pragma busy_timeout").scalar() == WAIT_SECONDS * 1000


def test_airflow_is_spared_the_warning_that_spoils_its_output_and_the_callers_filters_stay(tmp_path: Path) -> None:
    given = {"PATH": os.environ["PATH"], "STATE": str(tmp_path)}
    warn = "import warnings; warnings.warn('Could not import graphviz. Rendering'); warnings.warn('another')"
    for filters, shown in ({}, ["another"]), ({"PYTHONWARNINGS": "ignore:another"}, []):
        environ = embedded.environment(Settings.from_environment({**given, **filters}))
        done = subprocess.run([sys.executable, "-c", warn], env=environ, capture_output=True, text=True, check=True)
        assert [word for word in ("graphviz", "another") if word in done.stderr] == shown


@pytest.mark.slow
def test_the_json_of_airflows_commands_can_be_read(tmp_path: Path) -> None:
    settings = Settings.from_environment({**os.environ, "STATE": str(tmp_path)})
    embedded.make_folders(settings)
    environ = embedded.environment(settings)
    embedded.migrate(settings, environ)
    command = ["airflow", "dags", "list", "--output", "json"]
    assert json.loads(subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout) == []


@pytest.mark.slow
def test_airflow_takes_these_settings(tmp_path: Path) -> None:
    settings = Settings.from_environment({**os.environ, "STATE": str(tmp_path)})
    embedded.make_folders(settings)
    text = (
        "from airflow import settings\n"
        "with settings.engine.connect() as connection:\n"
        "    print('waits', connection.exec_driver_sql('pragma busy_timeout').scalar())\n"
        "print('asynchronous', settings.create_async_metadata_engine.__module__)"
    )
    command = [str(settings.python), "-c", text]
    done = subprocess.run(command, env=embedded.environment(settings), capture_output=True, text=True, check=False)
    assert f"waits {WAIT_SECONDS * 1000}" in done.stdout, done.stderr
    assert "asynchronous airflow_local_settings" in done.stdout


def test_metadata_that_cannot_be_made_ends_the_demo(tmp_path: Path) -> None:
    (tmp_path / "airflow/migrate.log").mkdir(parents=True)  # where a file is to be written
    environ = {**os.environ, "STATE": str(tmp_path)}
    out = io.StringIO()
    with pytest.raises(IsADirectoryError, match=r"migrate\.log"):
        demo(Settings.from_environment(environ), Console(environ, out, out), [], {}, ui=False)
    assert "airflow dags test" not in out.getvalue()


# --- the UI -----------------------------------------------------------------------------------------------


class Healthy(BaseHTTPRequestHandler):
    """What Airflow's API server answers once all its parts run."""

    def do_GET(self) -> None:
        parts = ("metadatabase", "scheduler", "dag_processor")
        body = json.dumps({part: {"status": "healthy"} for part in parts}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def api_server() -> Iterator[str]:
    """The address of a server that says that Airflow is healthy."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Screen(io.StringIO):
    """What is printed; tells when certain words are there to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.printed = threading.Condition()

    def write(self, text: str) -> int:
        with self.printed:
            self.printed.notify_all()
            return super().write(text)

    def shows(self, words: str) -> bool:
        """Wait until the words are there; False if they do not come."""
        with self.printed:
            return self.printed.wait_for(lambda: words in self.getvalue(), 30)


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Handlers of signals are put back after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ui_in(state: Path, programs: Path, screen: Screen, address: str) -> Ui:
    home = state / "airflow"
    home.mkdir()
    (home / "simple_auth_manager_passwords.json.generated").write_text('{"admin": "made up"}')
    environ = {"PATH": f"{programs}:/usr/bin:/bin"}
    example, folders = ("2022-01-01", "2022-01-04"), {"STATE": "/my state"}
    return Ui(Console(environ, screen, screen), environ, home, address, example, folders)


@pytest.mark.usefixtures("restored_signals")
def test_the_ui_outlives_a_hangup_under_nohup_and_ends_at_sigterm(
    tmp_path: Path, programs: Path, api_server: str
) -> None:
    program(programs / "airflow", "exec sleep 60")
    screen = Screen()
    ui = ui_in(tmp_path, programs, screen, api_server)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

    def person() -> None:
        if screen.shows("Ctrl-C"):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=person)
    thread.start()
    ui.serve(lambda _: None)
    thread.join()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert "password     made up" in screen.getvalue()
    [command] = [line for line in screen.getvalue().splitlines() if "backfill create" in line]
    assert "STATE='/my state' scripts/airflow backfill create" in command
    assert command.endswith(" --max-active-runs 1 --reprocess-behavior completed")  # so that it works a second time
    assert "--from-date 2022-01-01 --to-date 2022-01-04 --max-active-runs 1" in screen.getvalue()
    assert "Stopping Airflow" in screen.getvalue()


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("restored_signals")
def test_a_signal_at_any_step_of_the_wait_for_it_is_heard() -> None:
    for step in range(60):  # of Python's, each a line of code
        left: list[int | None] = [signal.SIGTERM, *[None] * step]

        def traced(_frame: FrameType, event: str, _: object, left: list[int | None] = left) -> Any:
            if event == "line" and left and (sent := left.pop()):
                signal.raise_signal(sent)
            return traced

        stop_signal, before = Stop(), sys.gettrace()
        sys.settrace(traced)
        try:
            stop_signal.wait(0.001)
        finally:
            sys.settrace(before)  # coverage's, perhaps
        assert stop_signal.wait(0) == (not left)
    assert not Stop().wait(0)


@pytest.mark.usefixtures("restored_signals")
def test_a_dead_scheduler_is_started_again_and_said(tmp_path: Path, programs: Path, api_server: str) -> None:
    dies = tmp_path / "dies"
    waits = f"while [ ! -e '{dies}' ]; do sleep 0.05; done; rm '{dies}'; exit 3"
    program(programs / "airflow", f"[ $1 = scheduler ] || exec sleep 60\n{waits}")
    screen = Screen()
    ui = ui_in(tmp_path, programs, screen, api_server)

    def person() -> None:
        if screen.shows("Ctrl-C"):
            dies.touch()
            screen.shows("was started again")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=person)
    thread.start()
    ui.serve(lambda _: None)
    thread.join()
    assert "Airflow's scheduler had ended and was started again" in screen.getvalue()


def test_a_part_that_ends_again_and_again_is_given_up(tmp_path: Path, programs: Path) -> None:
    program(programs / "airflow", "exit 3")
    part = Part("scheduler", tmp_path / "scheduler.log", {"PATH": f"{programs}:/usr/bin:/bin"})
    for second in range(RESTARTS):
        part.process.wait()
        part.restart(second)
    part.process.wait()
    with pytest.raises(OpsError, match=r"scheduler has ended again, exit code 3; see .*scheduler\.log"):
        part.restart(RESTARTS)


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"sleep 60 & echo $! >'{pid}.new'; mv '{pid}.new' '{pid}'; wait"
    process = subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True)
    deadline = time.monotonic() + 30
    while not pid.exists():
        assert time.monotonic() < deadline, "the process did not start its child within 30 s"
        time.sleep(0.02)
    stop([process])
    assert process.returncode == -signal.SIGTERM
    assert not kill_group(process.pid)


# --- how the commands are started -------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("demo", "--help"), ("bench", "--help"), ("airflow", "version")])
def test_a_module_in_the_callers_folder_is_not_imported(command: tuple[str, str], tmp_path: Path) -> None:
    for module in ("typer", "argparse", "httpx"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('the wrong module')\n")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ["STATE"] = str(tmp_path / "state")
    words = [str(ROOT / "scripts" / command[0]), command[1]]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert "the wrong module" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_bench_data_are_made_again_when_a_sample_or_a_column_changes() -> None:
    for pattern in GENERATOR:
        assert any(ROOT.glob(pattern)), f"nothing matches {pattern} any more"
