"""The demo's parts, with a made-up `airflow` on the PATH: what it shows, what it leaves out, how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from collisions_ops import embedded
from collisions_ops.bench import GENERATOR
from collisions_ops.console import Console
from collisions_ops.demo import Demo, demo, kill_group, stop
from collisions_ops.errors import OpsError
from collisions_ops.settings import ROOT, Settings

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


def test_the_runtime_does_not_inherit_pythonpath(tmp_path: Path) -> None:
    given = {"STATE": str(tmp_path), "PYTHONPATH": "/elsewhere/scripts", "HOME": "/home/me"}
    environ = embedded.environment(Settings.from_environment(given))
    assert "PYTHONPATH" not in environ
    assert environ["HOME"] == "/home/me"


def test_metadata_that_cannot_be_made_ends_the_demo(tmp_path: Path) -> None:
    (tmp_path / "airflow/migrate.log").mkdir(parents=True)  # where a file is to be written
    environ = {**os.environ, "STATE": str(tmp_path)}
    out = io.StringIO()
    with pytest.raises(IsADirectoryError, match=r"migrate\.log"):
        demo(Settings.from_environment(environ), Console(environ, out, out), [], ui=False)
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
    """What is printed; tells when the login is there to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.login = threading.Event()

    def write(self, text: str) -> int:
        if "Ctrl-C" in text:
            self.login.set()
        return super().write(text)


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Handlers of signals are put back after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored_signals")
def test_the_ui_outlives_a_hangup_under_nohup_and_ends_at_sigterm(
    tmp_path: Path, programs: Path, api_server: str
) -> None:
    program(programs / "airflow", "exec sleep 60")
    screen = Screen()
    parts = demo_in(tmp_path, programs, screen, AIRFLOW__API__BASE_URL=api_server)
    (tmp_path / "airflow/simple_auth_manager_passwords.json.generated").write_text('{"admin": "made up"}')
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

    def person() -> None:
        if screen.login.wait(30):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=person)
    thread.start()
    assert parts.serve_ui() == 0
    thread.join()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert "password     made up" in screen.getvalue()
    assert "Stopping Airflow" in screen.getvalue()


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
