"""Airflow's UI and scheduler in the embedded runtime: its three processes, from their start to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG
from collisions_ops.shell import paste
from collisions_ops.wait import until

# Without its server of logs, which would listen on all addresses: the API server reads the same folder.
COMPONENTS: dict[str, tuple[str, ...]] = {"api-server": (), "scheduler": ("--skip-serve-logs",), "dag-processor": ()}
START_SECONDS = 300  # until Airflow is healthy: a minute and more on a busy machine
STOP_SECONDS = 20  # until what has not ended is killed
PIDS = "ui.pids"  # in Airflow's folder: the parts' processes, for the case that scripts/demo is killed
RESTARTS, RESTART_SECONDS = 3, 600  # a part that ends more often within this time is given up


@dataclass
class Part:
    """One of Airflow's processes, in a session of its own: Ctrl-C reaches scripts/demo alone, which then ends it."""

    name: str
    log: Path
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] = field(init=False)
    restarts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))

    def __post_init__(self) -> None:
        self.log.write_bytes(b"")
        self.start()

    def start(self) -> None:
        """Start the process; its output goes to the end of its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["airflow", self.name, *COMPONENTS[self.name]],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def restart(self, now: float) -> None:
        """Start the process again; raises OpsError if it ends again and again. `now` is a moment in seconds."""
        code = self.process.returncode
        if len(self.restarts) == RESTARTS and now - self.restarts[0] < RESTART_SECONDS:
            raise OpsError(f"Airflow's {self.name} has ended again, exit code {code}; see {self.log}")
        kill_group(self.process.pid)
        self.restarts.append(now)
        self.start()


class Stop:
    """Whether a signal has asked this process to end; one that is ignored, as under nohup, stays so.

    A queue in place of an Event: a handler may interrupt the very wait for it, and Event.set() then waits forever for
    the lock that the wait holds.
    """

    def __init__(self) -> None:
        self._signals: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: self._signals.put(number))

    def wait(self, seconds: float) -> bool:
        """Wait for that long; returns whether a signal has come, now or before."""
        with suppress(Empty):
            self._signals.put(self._signals.get(timeout=seconds))
        return not self._signals.empty()


@dataclass(frozen=True)
class Ui:
    """Airflow's UI at `address`, with what runs behind it; `home` is Airflow's folder, `example` a range of dates,
    `folders` the settings that a command to be pasted needs.
    """

    console: Console
    environ: Mapping[str, str]
    home: Path
    address: str
    example: tuple[str, str]
    folders: Mapping[str, str] = field(default_factory=dict)

    def serve(self, step: Callable[[str], None]) -> None:
        """Keep everything running until Ctrl-C; raises OpsError if a part does not start, or ends again and again."""
        stop_signal = Stop()
        logs = f"{self.home}/{{{','.join(COMPONENTS)}}}.log"
        with self.parts() as parts:
            step("starting Airflow's UI and scheduler")
            try:
                until(lambda: stop_signal.wait(0) or self.healthy(parts), "Airflow is healthy", START_SECONDS)
            except OpsError as error:
                raise OpsError(f"Airflow did not start: {error}; see {logs}") from None
            if not stop_signal.wait(0):
                self.say_login(logs)
            while not stop_signal.wait(1):
                for part in parts:
                    if part.ended:
                        part.restart(time.monotonic())
                        self.note_pids(parts)
                        self.console.note(f"Airflow's {part.name} had ended and was started again; see {part.log}")
            self.console.print(f"\nStopping Airflow (a running task has {STOP_SECONDS} s to finish)")

    @contextmanager
    def parts(self) -> Iterator[list[Part]]:
        """Airflow's processes, which end with the block."""
        parts: list[Part] = []
        try:
            for name in COMPONENTS:
                parts.append(Part(name, self.home / f"{name}.log", self.environ))
                self.note_pids(parts)
            yield parts
        finally:
            stop([part.process for part in parts])
            (self.home / PIDS).unlink(missing_ok=True)

    def note_pids(self, parts: Sequence[Part]) -> None:
        """Write down the parts' processes."""
        (self.home / PIDS).write_text("".join(f"{part.process.pid}\n" for part in parts))

    def healthy(self, parts: Sequence[Part]) -> bool:
        """Whether every part answers that it is healthy; raises OpsError if one has ended."""
        import httpx

        if ended := [part for part in parts if part.ended]:
            raise OpsError(f"its {ended[0].name} has ended, exit code {ended[0].process.returncode}")
        try:
            health = httpx.get(f"{self.address}/api/v2/monitor/health", timeout=5, trust_env=False).json()
        except (httpx.HTTPError, ValueError):
            return False
        names = ("metadatabase", "scheduler", "dag_processor")
        return all((health.get(name) or {}).get("status") == "healthy" for name in names)

    def say_login(self, logs: str) -> None:
        """Where the UI is, how to get in, and what it is about to do."""
        file = self.home / "simple_auth_manager_passwords.json.generated"
        user, password = next(iter(json.loads(file.read_text()).items()))
        start, end = self.example
        dates = ("--from-date", start, "--to-date", end)
        words = ("scripts/airflow", "backfill", "create", "--dag-id", DAG, *dates, "--max-active-runs", "1")
        again = ("--reprocess-behavior", "completed")  # else days that have had a run are left out, without a word
        self.console.print(f"\nAirflow's UI   {self.address}/dags/{DAG}", style="bold")
        self.console.print(f"  user         {user}")
        self.console.print(f"  password     {password}")
        self.console.print(
            "  schedule     on: yesterday's run starts now, if it has not run yet, and takes in what is new in landing"
        )
        self.console.print("  run it       with Trigger in the UI, or with a backfill from another terminal:")
        self.console.print(f"               {paste(*words, *again, **self.folders)}")
        self.console.print("               (--to-date is the day after the last)")
        self.console.print(f"  its logs     {logs} (the first run's, made without a scheduler: demo.log)")
        self.console.print(f"  stop it      Ctrl-C; in the background: kill {os.getpid()}")


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
        until(lambda pid=process.pid: not kill_group(pid), "Airflow's processes are gone", 60)  # type: ignore[misc]


def kill_group(leader: int) -> bool:
    """Kill what is left of a process group; returns whether there was anything."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_leftovers(home: Path) -> None:
    """Kill what a UI whose scripts/demo was killed has left running; a number that is another process's now is not."""
    file = home / PIDS
    if not file.exists():
        return
    for word in file.read_text().split():
        command = ["ps", "-ww", "-o", "command=", "-p", word]
        if "airflow" in subprocess.run(command, capture_output=True, text=True, check=False).stdout:
            kill_group(int(word))
    file.unlink(missing_ok=True)
