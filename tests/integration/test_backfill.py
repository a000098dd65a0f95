"""Days that landed late, filled in by `airflow backfill create` with a scheduler running, as an operator does it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from collisions_ops.sample import main as sample
from ports import free_port
from warehouse import contents

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = ["ingest_raw", "transform_clean", "transform_curated", "model_analytics"]
FIRST, DAYS = date(2025, 3, 28), 8  # over the end of a month
MISSING = [date(2025, 3, 30), date(2025, 3, 31), date(2025, 4, 2)]


class EmbeddedAirflow:
    """The embedded runtime in a folder of its own: scheduler, DAG processor and API server on a free port."""

    def __init__(self, state: Path, lake: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.home = state / "airflow"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "COLLISIONS_"))},
            "STATE": str(state),
            "UI_PORT": str(port),
            "COLLISIONS_LAKE": str(lake),
        }
        self.token = ""

    def cli(self, *arguments: str) -> str:
        """The output of `scripts/airflow …`."""
        command = [str(REPOSITORY / "scripts" / "airflow"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """All components up; down again at the end, whatever happens."""
        self.cli("version")  # makes the metadata database before three processes want it
        components: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name in ("api-server", "scheduler", "dag-processor"):
                with (self.home / f"{name}.log").open("wb") as log:
                    components[name] = subprocess.Popen(
                        [str(REPOSITORY / "scripts" / "airflow"), name],
                        env=self.environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            self.wait_for("Airflow to be healthy", self.healthy, components)
            self.wait_for(
                "the DAG to be there", lambda: self.api("GET", "/api/v2/dags/collisions_pipeline"), components
            )
            yield
        finally:
            for process in components.values():
                process.terminate()
            for process in components.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def wait_for(
        self,
        what: str,
        condition: Callable[[], Any],
        components: dict[str, subprocess.Popen[bytes]] | None = None,
        seconds: float = 300,
    ) -> Any:
        """The value of condition() once it is true; a failure shows the ends of the logs."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            ended = [name for name, process in (components or {}).items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(f"--- {log}\n{log.read_text()[-3000:]}" for log in self.home.glob("*.log"))
                pytest.fail(f"waited in vain for {what}; ended: {ended}\n{logs}")
            time.sleep(0.2)
        return value

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the REST API answers; None where it is not there (yet)."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            pytest.fail(f"{method} {path}: {error.code} {error.read().decode()}")
        except OSError:
            return None

    def healthy(self) -> bool:
        health = self.api("GET", "/api/v2/monitor/health") or {}
        if not all(health.get(part, {}).get("status") == "healthy" for part in ("scheduler", "dag_processor")):
            return False
        passwords = json.loads((self.home / "simple_auth_manager_passwords.json.generated").read_text())
        answer = self.api("POST", "/auth/token", {"username": "admin", "password": passwords["admin"]})
        self.token = answer["access_token"] if answer else ""
        return bool(answer)

    def runs(self, run_type: str) -> list[dict[str, Any]]:
        """The DAG's runs of that type."""
        return self.api("GET", f"/api/v2/dags/collisions_pipeline/dagRuns?limit=100&run_type={run_type}")["dag_runs"]

    def finished(self, run_type: str, count: int | None = None) -> list[dict[str, Any]]:
        """All runs of that type, once there are so many (None: any) and none is under way."""
        runs = self.runs(run_type)
        ended = all(run["state"] in {"success", "failed"} for run in runs)
        return runs if ended and count in {None, len(runs)} else []

    def backfills_ended(self) -> bool:
        """Whether no backfill is under way."""
        backfills = self.api("GET", "/api/v2/backfills?dag_id=collisions_pipeline")["backfills"]
        return all(backfill["completed_at"] for backfill in backfills)

    def run_everything(self) -> None:
        """A manual run without dates, to its end."""
        before = len(self.runs("manual"))
        self.api("POST", "/api/v2/dags/collisions_pipeline/dagRuns", {"logical_date": None})
        runs = self.wait_for("the manual run", lambda: self.finished("manual", before + 1))
        assert {run["state"] for run in runs} == {"success"}

    def backfill(self, first: date, last: date, *options: str) -> None:
        """`airflow backfill create` for the days first to last, to its end."""
        # Airflow allows one backfill of a DAG at a time, and notices only twice a minute that one has ended.
        self.wait_for("the end of the backfill before", self.backfills_ended)
        before = {run["dag_run_id"] for run in self.runs("backfill")}
        days = (last - first).days + 1
        dates = ["--from-date", str(first), "--to-date", str(last + timedelta(days=1))]
        self.cli("backfill", "create", "--dag-id", "collisions_pipeline", *dates, "--max-active-runs", "1", *options)
        runs = self.wait_for("the backfill's runs", lambda: self.finished("backfill", len(before) + days))
        new = [run for run in runs if run["dag_run_id"] not in before]
        assert sorted(datetime.fromisoformat(run["logical_date"]).astimezone(UTC).date() for run in new) == [
            first + timedelta(days=offset) for offset in range(days)
        ]
        assert {run["state"] for run in new} == {"success"}


def run_stages(lake: Path) -> None:
    """All stages over everything in landing, without Airflow."""
    for stage in STAGES:
        command = [sys.executable, "-m", "stages", stage, "--run-id=all-at-once"]
        subprocess.run(
            command, cwd=REPOSITORY, env={**os.environ, "COLLISIONS_LAKE": str(lake)}, check=True, timeout=120
        )


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[date, Path]:
    """One landing file a day."""
    folder = tmp_path_factory.mktemp("days")
    end = FIRST + timedelta(days=DAYS)
    options = ["--rows", "1200", "--start", str(FIRST), "--end", str(end), "--split", "day", "--defects", "0.01"]
    sample([*options, str(folder)])
    files = sorted(folder.glob("crashes/*.csv"))
    assert len(files) == DAYS
    return {FIRST + timedelta(days=offset): file for offset, file in enumerate(files)}


def land(lake: Path, files: list[Path]) -> None:
    """Copy into landing, with the files' times: they are the extraction times."""
    folder = lake / "landing" / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy2(file, folder / file.name)


def test_late_days_backfilled_in_any_order_equal_all_at_once(days: dict[date, Path], tmp_path: Path) -> None:
    whole, late = tmp_path / "whole", tmp_path / "late"
    land(whole, list(days.values()))
    run_stages(whole)

    land(late, [file for day, file in days.items() if day not in MISSING])
    airflow = EmbeddedAirflow(tmp_path / "state", late)
    with airflow.running():
        airflow.run_everything()
        assert contents(late) != contents(whole)

        land(late, [days[MISSING[2]]])  # the last day first
        airflow.backfill(MISSING[2], MISSING[2])
        land(late, [days[day] for day in MISSING[:2]])
        airflow.backfill(MISSING[0], MISSING[1], "--run-backwards")
        assert contents(late) == contents(whole)

        # The scheduler's own run of yesterday found nothing in landing: that is no failure. Today's may just be due.
        airflow.wait_for("the scheduled runs", lambda: airflow.finished("scheduled"))
        assert {run["state"] for run in airflow.runs("scheduled")} == {"success"}
