"""A stage as a local process: what its exit codes and log lines become, and that no kill ever comes out as success."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from collisions_operators import WrongSettings, raise_for_exit, split_level
from collisions_operators.local import LocalStageOperator


def wait_for(condition, seconds: float = 10):
    """Wait until condition() is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def alive(pid: int) -> bool:
    """Whether that process still runs; one that nobody has waited for yet does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def operator(stub) -> LocalStageOperator:
    return LocalStageOperator(task_id="transform_clean", arguments=["transform_clean", "--run-id=r"])


def execute(operator: LocalStageOperator) -> None:
    """Run it outside a task, as the operator itself is written."""
    LocalStageOperator.execute.__wrapped__(operator, {})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("INFO: rows in 3", (logging.INFO, "rows in 3")),
        ("WARNING: odd: very", (logging.WARNING, "odd: very")),
        ("ERROR: a: b", (logging.ERROR, "a: b")),
        ("DEBUG: x", (logging.DEBUG, "x")),
        ("CRITICAL: x", (logging.CRITICAL, "x")),
        ("Traceback (most recent call last):", (logging.INFO, "Traceback (most recent call last):")),
        ("ValueError: no level of ours", (logging.INFO, "ValueError: no level of ours")),
        ("ERROR:no space", (logging.INFO, "ERROR:no space")),
        ("", (logging.INFO, "")),
    ],
)
def test_level_of_a_line(line, expected):
    assert split_level(line) == expected


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (75, AirflowException, "exit code 75 (a transient fault)"),
        (-9, AirflowException, "killed by SIGKILL"),
        (137, AirflowException, "killed by SIGKILL"),
        (143, AirflowException, "killed by SIGTERM"),
        (255, AirflowException, "its container ended unseen, as when its node restarts (exit code 255)"),
        (65, AirflowFailException, "exit code 65 (the data breaks its contract)"),
        (78, WrongSettings, "exit code 78 (wrong settings or arguments)"),
        (70, AirflowFailException, "exit code 70 (a fault of the code, not of the data)"),
        (1, AirflowFailException, "exit code 1 (not one of the known codes)"),
    ],
)
def test_what_an_exit_code_means(code, kind, words):
    with pytest.raises(AirflowException) as raised:
        raise_for_exit("ingest_raw", code, ["INFO: read", "ERROR: a.csv line 7: no id", "WARNING: w", "ERROR: fix it"])
    assert type(raised.value) is kind
    assert words in str(raised.value)
    assert str(raised.value).endswith("\na.csv line 7: no id\nfix it")


def test_a_death_without_an_error_shows_the_last_lines():
    with pytest.raises(AirflowFailException, match=r"5\n6\nMemoryError"):
        raise_for_exit("ingest_raw", 1, [*map(str, range(7)), "MemoryError"])


def test_lines_come_through_at_once_at_their_level(operator, stub, tmp_path, monkeypatch):
    stub.plan(
        transform_clean=["echo 'INFO: begun' >&2; while [ ! -e go ]; do :; done; echo 'WARNING: 100%s odd'; echo x"]
    )
    seen: list[tuple[int, str]] = []

    def log(level, message):
        seen.append((level, message))
        (tmp_path / "go").touch()  # the stage goes on only after its first line has been seen

    monkeypatch.setattr(LocalStageOperator, "log", SimpleNamespace(log=log), raising=False)
    execute(operator)
    assert seen == [(logging.INFO, "begun"), (logging.WARNING, "100%s odd"), (logging.INFO, "x")]
    assert stub.calls == [["transform_clean", "--run-id=r"]]


def test_the_stages_own_errors_are_in_the_exception(operator, stub):
    stub.plan(transform_clean=["echo 'ERROR: crashes_2022-01.csv line 3: bad' >&2; exit 65"])
    with pytest.raises(AirflowFailException, match=r"crashes_2022-01\.csv line 3: bad"):
        execute(operator)


QUIET = "echo INFO: up; exec >/dev/null 2>&1; touch quiet; exec sleep 600"


@pytest.mark.timeout(60)  # the stages run for longer
@pytest.mark.parametrize(
    ("script", "blocked"),
    [
        pytest.param("echo INFO: up; exec sleep 600", set(), id="dies of SIGTERM"),
        pytest.param("trap 'exit 0' TERM; echo INFO: up; while :; do :; done", set(), id="answers SIGTERM with 0"),
        pytest.param("trap '' TERM; echo INFO: up; while :; do :; done", set(), id="ignores SIGTERM"),
        # As when the signal comes just before a read begins: Python knows of it, but nothing ends the read.
        pytest.param("echo INFO: up; exec sleep 600", {signal.SIGTERM}, id="says nothing that ends a read"),
        pytest.param(QUIET, set(), id="is waited for, no longer read"),
        pytest.param(QUIET, {signal.SIGTERM}, id="and is not woken either"),
    ],
)
def test_a_killed_task_is_never_a_success(operator, stub, monkeypatch, tmp_path, script, blocked):
    monkeypatch.setattr("collisions_operators.local.GRACE_SECONDS", 0.5)
    stub.plan(transform_clean=[script])
    up = threading.Event()

    def log(*_):
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)  # in this thread; another gets it then
        up.set()

    def kill_when_up():
        assert up.wait(10)
        if script == QUIET:
            wait_for((tmp_path / "quiet").exists)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(LocalStageOperator, "log", SimpleNamespace(log=log), raising=False)
    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())  # as Airflow's task runner does
    killer = threading.Thread(target=kill_when_up)
    killer.start()
    try:
        with pytest.raises(AirflowException, match="was stopped by Airflow"):
            execute(operator)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        killer.join()
        signal.signal(signal.SIGTERM, before)
    assert operator._process.returncode is not None
    assert not alive(operator._process.pid)


def test_a_timeout_takes_the_whole_process_group_along(operator, stub, tmp_path):
    from airflow.sdk.execution_time.timeout import timeout

    stub.plan(transform_clean=["sleep 60 & echo $! > child.new; mv child.new child; wait"])
    with pytest.raises(AirflowTaskTimeout), timeout(5):
        execute(operator)
    child = int((tmp_path / "child").read_text())
    assert not alive(operator._process.pid)
    wait_for(lambda: not alive(child))


def test_on_kill_before_anything_started(operator):
    operator.on_kill()


def test_an_operator_killed_once_can_run_again(operator, stub):
    operator.on_kill()
    execute(operator)
    assert stub.started == ["transform_clean"]
