"""scripts/demo as a newcomer runs it: what it prints, that it repeats itself, that --ui comes up and goes down."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from collisions_ops.sample import main as sample
from lake import crashes_csv, rows
from ports import free_port
from warehouse import contents

REPOSITORY = Path(__file__).resolve().parents[2]


def environment(state: Path, **more: str) -> dict[str, str]:
    """This process's environment without anything of Airflow or the pipeline, and a state folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "COLLISIONS_"))}
    return {**kept, "STATE": str(state), **more}


def demo(state: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/demo to its end."""
    command = [str(REPOSITORY / "scripts" / "demo"), *arguments]
    return subprocess.run(
        command, env=environment(state, **more), capture_output=True, text=True, check=False, timeout=400, cwd=state
    )


def shown_by(terminal: int, until: str = "", seconds: int = 180) -> str:
    """What a terminal shows until those words are there or its last process has ended."""
    shown, deadline = b"", time.monotonic() + seconds
    while not until or until.encode() not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"not within {seconds} s: {until or 'the end'}\n{shown.decode()}"
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # how a terminal says that its last process has ended
            break
    return re.sub(r"\x1b\[\d*m", "", shown.decode())


def test_help_and_wrong_arguments_make_nothing(tmp_path: Path) -> None:
    for name in ("notes.txt", "notes.zip", "a.csv"):
        (tmp_path / name).touch()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.csv").touch()
    shown = demo(tmp_path, "--help").stdout
    for words in ("scripts/demo [--ui]", "STATE=/some/folder", "VENV=/some/venv"):
        assert words in shown
    for arguments, message in (
        (["missing.csv"], "no such file, or not readable: missing.csv"),
        (["notes.txt"], "not a .csv or .csv.gz file: notes.txt"),
        (["notes.zip"], "not a .csv or .csv.gz file: notes.zip; unpack it first"),
        (["b"], "a folder, not a file: b; name the files in it, as in b/*.csv"),
        (["https://city.invalid/a.csv"], "an address, not a file: https:/city.invalid/a.csv; download it"),
        (["a.csv", "b/a.csv"], "two files of the same name would land as one: a.csv"),
        (["--source", "a.csv"], "--source serves a sample of its own"),
        (["--xyz"], "No such option: --xyz; see scripts/demo --help"),
    ):
        done = demo(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
        assert "\x1b" not in done.stderr  # colours are for terminals
    assert not (tmp_path / "airflow").exists()


def test_a_taken_port_is_reported_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo(tmp_path, "--ui", UI_PORT=str(port))
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr


def test_a_file_that_is_none_of_the_datasets_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(crashes_csv(rows(1)))
    (tmp_path / "photo.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    done = demo(tmp_path, "good.csv", "photo.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert "photo.csv, line 1: is not UTF-8 text" in done.stderr
    (tmp_path / "notes.csv").write_text("some notes\n")
    done = demo(tmp_path, "notes.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is the header of none of the datasets" in done.stderr
    assert not (tmp_path / "lake-files").exists()


@pytest.fixture
def undated(tmp_path: Path) -> Path:
    """A file of crashes whose dates cannot be read."""
    file = tmp_path / "undated.csv"
    file.write_text(crashes_csv(rows(30, CRASH_DATE="in May")))
    return file


@pytest.mark.slow
def test_a_bad_file_fails_the_demo_with_the_stages_own_words(tmp_path: Path, undated: Path) -> None:
    webhook = {"conn_type": "slackwebhook", "password": "http://127.0.0.1:1/services/T0/B0/secret"}
    done = demo(tmp_path, undated.name, AIRFLOW_CONN_SLACK_DEFAULT=json.dumps(webhook))
    assert done.returncode == 1
    assert re.search(r"error: .*undated\.csv.*crash_date", done.stdout)
    assert "error: the run failed." in done.stderr
    log = (tmp_path / "airflow" / "demo.log").read_text()
    shown = "\n".join(log.splitlines()[-60:])  # by the command of docs/operations.md
    assert "undated.csv: 30 of 30 rows quarantined" in shown
    assert "Could not notify by connection slack_default: URLError" in shown
    assert "secret" not in log


@contextlib.contextmanager
def in_terminal(state: Path, *arguments: str, **more: str) -> Iterator[tuple[int, int]]:
    """scripts/demo in a terminal of its own: its process and the terminal. What is left of it ends with the block."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a terminal; a shell's background job inherits "ignored"
        command = str(REPOSITORY / "scripts" / "demo")
        os.execve(command, [command, *arguments], environment(state, **more))  # noqa: S606 - no shell is meant
    try:
        yield pid, terminal
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # which ends Airflow's processes as well


@pytest.mark.slow
def test_a_source_is_fetched_from_and_what_fails_once_is_tried_again(tmp_path: Path) -> None:
    done = demo(tmp_path, "--source")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its first answer is an error and its first export breaks off, on purpose" in done.stdout
    assert len(re.findall(r"http://127\.0\.0\.1:\d+: .*; trying again in", done.stdout)) == 2
    landed = [file.name[:-20] for file in sorted((tmp_path / "lake-source" / "landing").glob("*/[!.]*"))]
    assert landed == ["crashes_all_asof_", "persons_all_asof_", "vehicles_all_asof_"]
    with contextlib.closing(duckdb.connect(tmp_path / "lake-source/warehouse/collisions.duckdb", read_only=True)) as it:
        assert it.sql("select count(*) from fct_collisions").fetchall() == [(6000,)]
    address = re.search(r"the source: http://127\.0\.0\.1:(\d+)", done.stdout)
    assert address
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(address[1]))) != 0


@pytest.mark.slow
def test_the_ui_comes_up_after_a_failed_run_too_and_the_exit_code_is_the_runs(tmp_path: Path, undated: Path) -> None:
    with in_terminal(tmp_path, "--ui", str(undated), UI_PORT=str(free_port())) as (pid, terminal):
        shown = shown_by(terminal, until="Ctrl-C", seconds=400)
        assert "error: the run failed." in shown
        assert "to leave it out: rm " in shown
        assert "Airflow's UI   http://127.0.0.1:" in shown
        os.write(terminal, b"\x03")
        shown_by(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.slow
def test_ctrl_c_in_a_stage_leaves_no_running_run_and_the_next_call_works(tmp_path: Path) -> None:
    with in_terminal(tmp_path) as (pid, terminal):
        shown_by(terminal, until="ingest_raw crashes: scope everything", seconds=400)
        os.write(terminal, b"\x03")
        assert "interrupted: the run is marked as failed" in shown_by(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    with contextlib.closing(sqlite3.connect(tmp_path / "airflow/airflow.db")) as metadata:
        assert metadata.execute("select state from dag_run").fetchall() == [("failed",)]
        assert metadata.execute("select count(*) from task_instance where state = 'running'").fetchall() == [(0,)]
    assert demo(tmp_path).returncode == 0


@pytest.mark.slow
def test_the_sample_then_the_ui_until_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with in_terminal(tmp_path, "--ui", UI_PORT=str(port)) as (pid, terminal):
        shown = shown_by(terminal, until="Ctrl-C", seconds=400)
        for words in ("ingest_raw crashes: rows in", "model_analytics", "scripts/query by_borough", "warehouse  "):
            assert words in shown
        login = re.search(r"password +(\S+)", shown)
        assert login
        password = login[1]

        def api(path: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            data = json.dumps(body).encode() if body else None
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)

        token = api("/auth/token", {"username": "admin", "password": password})["access_token"]
        runs = api("/api/v2/dags/collisions_pipeline/dagRuns?run_type=manual", token=token)["dag_runs"]
        assert [run["state"] for run in runs] == ["success"]

        refused = demo(tmp_path)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "its scheduler would take this run's tasks" in refused.stderr

        os.write(terminal, b"\x03")
        assert "Stopping Airflow" in shown_by(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
def test_given_files_land_in_a_lake_of_their_own_and_twice_give_the_same(tmp_path: Path) -> None:
    options = ["--rows", "300", "--start", "2024-06-30", "--end", "2024-07-07"]
    sample([*options, str(tmp_path)])
    [file] = tmp_path.glob("crashes/*.csv")
    hashes = []
    for _ in range(2):
        done = demo(tmp_path, str(file))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"COLLISIONS_LAKE={tmp_path}/lake-files scripts/query" in done.stdout
        again = rf"STATE={re.escape(str(tmp_path))} (VENV=\S+ )?scripts/demo --ui {re.escape(str(file))}\n"
        assert re.search(again, done.stdout)
        hashes.append(contents(tmp_path / "lake-files"))
    assert hashes[0] == hashes[1]
    assert "fct_collisions" in hashes[0]
    asked = subprocess.run(
        [REPOSITORY / "scripts/query", "--csv", "select count(*) as collisions from fct_collisions"],
        env=os.environ | {"STATE": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert asked.stdout == "collisions\n300\n"
    assert f"lake: {tmp_path}/lake-files" in asked.stderr
    [landed] = (tmp_path / "lake-files" / "landing" / "crashes").iterdir()
    assert (landed.name, landed.stat().st_mtime_ns) == (file.name, file.stat().st_mtime_ns)
    assert not (tmp_path / "lake").exists()
