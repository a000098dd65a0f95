"""scripts/demo: the whole pipeline on this machine, through Airflow, then perhaps its UI."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from collisions_ops import embedded, query
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.forwards import port_open
from collisions_ops.land import check_files, only_dataset
from collisions_ops.settings import DAG, Settings
from collisions_ops.shell import paste
from collisions_ops.wait import until
from stages.lake import keys

QUERIES = ("ledger", "by_borough", "worst_days")
COMPONENTS = ("api-server", "scheduler", "dag-processor")
START_SECONDS = 120  # until Airflow is healthy
STOP_SECONDS = 20  # until what has not ended is killed
STAGE_LINE = re.compile(
    r"^\S+ \[(info|warning|error|critical) *\] (.*\S) +\[airflow\.task\.operators\.collisions_operators\."
)


@dataclass(frozen=True)
class Demo:
    """One call of scripts/demo. `began` is when it was called, by the wall clock."""

    settings: Settings
    console: Console
    environ: Mapping[str, str]
    lake: Path
    began: float

    @property
    def seconds(self) -> float:
        """Seconds since the call."""
        return time.time() - self.began

    def step(self, text: str) -> None:
        """Say what begins now."""
        self.console.print(f"{self.seconds:3.0f} s  {text}", style="bold")

    def land(self, files: Sequence[Path]) -> None:
        """Put files into landing, whole or not at all, with their times."""
        landing = self.lake / keys.landing(only_dataset())
        landing.mkdir(parents=True, exist_ok=True)
        for file in files:
            part = landing / f".{file.name}.part"
            shutil.copy2(file, part)
            part.replace(landing / file.name)

    def make_sample(self) -> None:
        """Generate the sample into landing."""
        log = self.settings.state / "sample.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [self.settings.scripts / "sample", "--demo", "--force", self.lake / "landing"],
                env=dict(self.settings.environ),
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise OpsError(f"could not generate the sample; see {log}")

    def run_dag(self, conf: Mapping[str, Any]) -> None:
        """Run the DAG in one process, without a scheduler; print the stages' log lines."""
        log = self.settings.airflow_home / "demo.log"
        command = ["airflow", "dags", "test", DAG, "--conf", json.dumps(conf)]
        with (
            log.open("wb") as whole,
            subprocess.Popen(
                command, env=dict(self.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                whole.write(line)
                whole.flush()
                if found := STAGE_LINE.match(line.decode(errors="replace")):  # a landed file may say anything
                    level = "" if found[1] == "info" else f"{found[1]}: "
                    self.console.print(f"{self.seconds:3.0f} s    {level}{found[2]}", style="red" if level else None)
        if process.returncode != 0:
            raise OpsError(f"the run failed. Airflow's whole output: {log}; rejected rows: {self.lake}/quarantine/")

    def show_answers(self) -> None:
        """Some ready queries, and where everything is."""
        settings = replace(self.settings, environ={**self.settings.environ, "COLLISIONS_LAKE": str(self.lake)})
        for name in QUERIES:
            self.console.print(f"\nscripts/query {name}", style="bold")
            sys.stdout.flush()
            if query.embedded(settings, self.console, [name]) != 0:
                raise OpsError(f"scripts/query {name} failed")
        lake = {} if self.lake == self.settings.state / "lake" else {"COLLISIONS_LAKE": str(self.lake)}
        ask = paste("scripts/query", "select count(*) from fct_collisions", **lake)
        self.console.print(f"\nDone in {self.seconds:.0f} s.", style="bold")
        self.console.print(f"  lake       {self.lake} (landing, raw, clean, curated, quarantine, _runs)")
        self.console.print(f"  warehouse  {self.lake}/warehouse/collisions.duckdb")
        self.console.print(f"  ask it     {ask}")
        self.console.print(f"  log        {self.settings.airflow_home}/demo.log")
        self.console.print("  UI         scripts/demo --ui")

    # --- the UI ------------------------------------------------------------------------------------

    def serve_ui(self) -> int:
        """Keep Airflow's UI and scheduler running until Ctrl-C; raises OpsError if a part of it ends."""
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, lambda *_: stopped.set())
        logs = f"{self.settings.airflow_home}/{{{','.join(COMPONENTS)}}}.log"
        with self.components() as processes:
            self.step("starting Airflow's UI and scheduler")
            try:
                until(lambda: stopped.is_set() or self.healthy(processes), "Airflow is healthy", START_SECONDS)
            except OpsError as error:
                raise OpsError(f"Airflow did not start: {error}; see {logs}") from None
            if not stopped.is_set():
                self.say_login(logs)
            while not stopped.wait(1):
                if any(process.poll() is not None for process in processes):
                    raise OpsError(f"a part of Airflow has ended; see {logs}")
            self.console.print(f"\nStopping Airflow (a running task has {STOP_SECONDS} s to finish)")
        return 0

    @contextmanager
    def components(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Airflow's parts, each in a session of its own: Ctrl-C reaches this process alone, which then ends them."""
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for name in COMPONENTS:
                with (self.settings.airflow_home / f"{name}.log").open("wb") as log:
                    processes.append(
                        subprocess.Popen(
                            ["airflow", name],
                            env=dict(self.environ),
                            stdin=subprocess.DEVNULL,
                            stdout=log,
                            stderr=subprocess.STDOUT,
                            start_new_session=True,
                        )
                    )
            yield processes
        finally:
            stop(processes)

    def healthy(self, processes: Sequence[subprocess.Popen[bytes]]) -> bool:
        """Whether every part answers that it is healthy; raises OpsError where one has ended."""
        import httpx

        if any(process.poll() is not None for process in processes):
            raise OpsError("a part of it has ended")
        try:
            url = f"{self.environ['AIRFLOW__API__BASE_URL']}/api/v2/monitor/health"
            health = httpx.get(url, timeout=5, trust_env=False).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def say_login(self, logs: str) -> None:
        """Where the UI is, and how to get in."""
        file = self.settings.airflow_home / "simple_auth_manager_passwords.json.generated"
        user, password = next(iter(json.loads(file.read_text()).items()))
        backfill = f"scripts/airflow backfill create --dag-id {DAG} --from-date 2024-07-01 --to-date 2024-07-04"
        self.console.print(f"\nAirflow's UI   {self.environ['AIRFLOW__API__BASE_URL']}/dags/{DAG}", style="bold")
        self.console.print(f"  user         {user}")
        self.console.print(f"  password     {password}")
        self.console.print("  run it       with Trigger in the UI, or with a backfill from another terminal:")
        self.console.print(f"               {backfill} --max-active-runs 1")
        self.console.print(f"  its logs     {logs} (the first run's, made without a scheduler: demo.log)")
        self.console.print("  stop it      Ctrl-C")


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the processes and all that they started, dependents first; whatever is left after a while is killed."""
    deadline = time.monotonic() + STOP_SECONDS
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        kill_group(process.pid)
    for process in processes:  # a port is free only once the whole group is gone
        until(lambda pid=process.pid: not kill_group(pid), "Airflow's processes are gone", 5)  # type: ignore[misc]


def kill_group(leader: int) -> bool:
    """Kill what is left of a process group; returns whether there was anything."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def demo(
    settings: Settings, console: Console, files: Sequence[Path], *, ui: bool = False, allow_shrink: bool = False
) -> int:
    """Land the sample or the files, run the DAG, show answers, perhaps serve the UI."""
    check_files(files)
    lake = settings.state / ("lake-files" if files else "lake")
    environ = embedded.environment(settings, str(lake))
    port = int(environ["AIRFLOW__API__PORT"])
    if ui and port_open(port):
        raise OpsError(f"port {port} on 127.0.0.1 is taken; choose another: UI_PORT=8081 scripts/demo --ui")
    embedded.make_folders(settings)
    settings.last_lake.write_text(str(lake))
    this = Demo(settings, console, environ, lake, float(settings.environ.get("DEMO_BEGAN") or time.time()))
    this.step("Airflow's metadata and the landing files")
    with ThreadPoolExecutor(max_workers=1) as background:
        migration = background.submit(embedded.migrate, settings, environ)
        if files:
            this.land(files)
        else:
            this.make_sample()
        for file in sorted((lake / "landing").glob("*/*")):
            if keys.is_csv(file.name):
                console.print(f"         {file.relative_to(lake / 'landing')}")
        migration.result()
    this.step(f"the DAG {DAG}, by airflow dags test")
    this.run_dag({"allow_shrink": True} if allow_shrink else {})
    this.step("what the warehouse says")
    this.show_answers()
    return this.serve_ui() if ui else 0
