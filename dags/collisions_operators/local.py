"""The stage operator of the embedded runtime: a stage is a child process on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from collisions_operators import hand_on, raise_for_exit, split_level

if TYPE_CHECKING:
    from airflow.sdk import Context

REPOSITORY = Path(__file__).resolve().parents[2]
# Airflow itself gives a task 5 s between SIGTERM and SIGKILL; be done before that, so that no child is orphaned.
GRACE_SECONDS = 3
# Python handles a signal between two steps of its own. One that comes just before a wait begins, or that another thread
# gets, does not end the wait, so none is longer than this.
WAKE_SECONDS = 0.5


class LocalStageOperator(BaseOperator):
    """
    Run `python -m stages <arguments>` at the repository's root and pass its log lines on at their level.

    The child leads a process group of its own, so that a kill or a timeout also ends whatever it started.
    A task that Airflow stopped never counts as done, not even where the child managed to end with 0. The stage's result
    is the task's. `chunk` is for the arguments of a mapped task, `{{ task.chunk }}`.
    """

    template_fields: Sequence[str] = ("arguments",)
    ui_color = "#dcecf5"

    def __init__(self, *, arguments: list[str], chunk: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments
        self.chunk = chunk
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def execute(self, context: Context) -> Any:
        """Run the stage to its end and return its result; raise unless it ended with 0, undisturbed."""
        with tempfile.TemporaryDirectory(prefix="collisions-") as folder:
            file = Path(folder, "result")
            self._run({**os.environ, "COLLISIONS_RESULT": str(file)})
            result = json.loads(file.read_text()) if file.exists() else None
        if result is not None:
            hand_on(context, result)
        return result

    def _run(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "stages", *self.arguments]
        self._killed = False
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        last_lines: deque[str] = deque(maxlen=20)
        if self._killed:  # while the process was being started, so on_kill() did not know it
            self._stop_process()
        try:
            assert self._process.stdout is not None
            for line in self._lines(self._process.stdout):
                last_lines.append(line)
                self.log.log(*split_level(line))
            while self._process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(WAKE_SECONDS)
        finally:  # a timeout or an interrupt gets here with the child still running
            self._stop_process()
            code = self._process.wait()
        if self._killed:
            raise AirflowException(f"{self.task_id} was stopped by Airflow; its process ended with exit code {code}")
        if code != 0:
            raise_for_exit(self.task_id, code, last_lines)

    def _lines(self, output: IO[bytes]) -> Iterator[str]:
        """The process's output, line by line as it comes, until it ends."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while True:
                if not selector.select(WAKE_SECONDS):
                    continue
                block = os.read(output.fileno(), 1 << 16)
                *lines, rest = (rest + block).split(b"\n")
                if not block and rest:  # the last line of one that died in the middle of it
                    lines.append(rest)
                yield from (line.decode(errors="replace").rstrip() for line in lines)
                if not block:
                    return

    def on_kill(self) -> None:
        """Airflow's order to stop: SIGTERM to the stage's process group, SIGKILL to what is left."""
        self._killed = True
        self._stop_process()

    def _stop_process(self) -> None:
        """End the process group, by force if need be. The code that a signal's handler interrupts may itself be waiting
        for the process and hold Popen's lock, so the wait here has a time limit.
        """
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
