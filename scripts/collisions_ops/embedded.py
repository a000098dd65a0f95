"""The embedded runtime: Airflow on SQLite, a lake in a folder, no Docker. Everything lies below STATE."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, NoReturn

from collisions_ops import locks
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.params import check_conf
from collisions_ops.settings import DAG, Ports, Settings
from collisions_ops.shell import paste

# Airflow prints it on standard output, before the JSON that was asked for. Nothing here draws a DAG as a file.
NO_GRAPHVIZ = "ignore:Could not import graphviz"

INTERRUPT_SECONDS = 8  # for a stage to end; shorter than the pause before Airflow's next try of it

# Commands of Airflow that run stages: themselves, or by the UI's scheduler, which has the lake of its scripts/demo.
RUN_HERE = ("dags test", "tasks test")
RUN_BY_THE_SCHEDULER = ("dags trigger", "backfill create")
CONFIGURED = ("dags test", *RUN_BY_THE_SCHEDULER)  # with the params of a run


def environment(settings: Settings, lake: str = "", *, ui: bool = True) -> dict[str, str]:
    """The runtime's environment. Of another Airflow that the caller's shell knows only the connections are kept.

    PYTHONPATH, by which scripts/NAME finds this package, is replaced: Airflow takes its settings for SQLite from there.
    Without `ui` no server will answer links to the UI, and Airflow is given no address for them.
    """
    port_of_ui = port(settings)
    home = settings.airflow_home
    given = {
        name: value
        for name, value in settings.environ.items()
        if name.startswith("AIRFLOW_CONN_") or not name.startswith("AIRFLOW_")
    }
    return given | {
        "PATH": f"{settings.venv / 'bin'}:{settings.environ.get('PATH', '')}",
        "PYTHONPATH": str(settings.scripts / "collisions_ops" / "in_airflow"),
        "PYTHONWARNINGS": ",".join(filter(None, (settings.environ.get("PYTHONWARNINGS"), NO_GRAPHVIZ))),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.root / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # a backfill of a paused DAG waits for ever
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # SQLite has one writer
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port_of_ui}/execution/",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # a busy machine's first request takes longer than 5 s
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # s: a task that has ended may hold its slot that long
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",  # s: the tasks are short, and follow one another
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port_of_ui),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port_of_ui}" if ui else "",
        "COLLISIONS_RUNTIME": "local",
        "COLLISIONS_LAKE": lake or settings.embedded_lake,
    }


def port(settings: Settings) -> int:
    """The UI's port: scripts/up remembers its own, which is not meant here."""
    return settings.ports.UI_PORT if settings.environ.get("UI_PORT") else Ports.UI_PORT


def make_folders(settings: Settings) -> None:
    """The runtime's folders; keys and the UI's password lie in Airflow's."""
    settings.state.mkdir(parents=True, exist_ok=True)
    settings.airflow_home.mkdir(mode=0o700, exist_ok=True)


def migrate(settings: Settings, environ: Mapping[str, str]) -> None:
    """Create or migrate Airflow's metadata database, once for each version of Airflow."""
    home = settings.airflow_home
    stamp, database, log = home / "migrated", home / "airflow.db", home / "migrate.log"
    pins = (settings.root / "requirements/airflow.txt").read_text()
    version = re.search(r"^apache-airflow==\S+", pins, re.MULTILINE)
    wanted = version[0] if version else ""
    if database.exists() and stamp.exists() and stamp.read_text().strip() == wanted:
        return
    if not stamp.exists():  # its making was interrupted
        for leftover in home.glob("airflow.db*"):
            leftover.unlink()
    with log.open("wb") as output:
        done = subprocess.run(
            ["airflow", "db", "migrate"], env=dict(environ), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        raise OpsError(f"airflow db migrate failed; see {log}")
    stamp.write_text(f"{wanted}\n")


def fail_unfinished(environ: Mapping[str, str], log: Path) -> None:
    """Mark the runs of `airflow dags test` that have not ended as failed; output goes to the end of `log`."""
    with log.open("ab") as output:
        done = subprocess.run(
            ["python", "-m", "fail_unfinished"], env=dict(environ), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        raise OpsError(f"could not mark the interrupted run as failed; see {log}")


def run_dag(
    settings: Settings,
    console: Console,
    environ: Mapping[str, str],
    arguments: Sequence[str],
    *,
    log: Path,
    show: Callable[[str], None],
    lock: IO[str] | None = None,
) -> int:
    """Run `airflow dags test` with these arguments, its output into `log` and line by line to `show`; returns its exit
    code. The run holds the `lock` too, so that no other begins if only this process is killed.

    A run that is interrupted is marked as failed in Airflow's metadata, then or, if this process is killed, by the next
    call: as a running one it would block those of a scheduler.
    """
    unfinished = settings.airflow_home / "unfinished"
    if unfinished.exists():
        fail_unfinished(environ, log)
    unfinished.touch()
    with (
        log.open("wb") as whole,
        subprocess.Popen(  # in a session of its own: Ctrl-C reaches this process alone, which then ends it
            ["airflow", "dags", "test", *arguments],
            env={**environ, "COLLISIONS_RUN_LOG": str(log)},  # for the report of a failure
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()] if lock else [],
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                whole.write(line)
                whole.flush()
                show(line.decode(errors="replace"))  # a landed file may say anything
        except BaseException:
            console.note("interrupted: ending the stage")
            # On SIGINT the operator stops its stage, within 3 s. Airflow would then go on with the task's next try.
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=INTERRUPT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            fail_unfinished(environ, log)
            unfinished.unlink()
            console.note("interrupted: the run is marked as failed; what was published is unchanged")
            raise
    unfinished.unlink()
    return process.returncode


def end_in_order() -> None:
    """From now on a signal that asks to end is Ctrl-C, so that what runs is ended in order; one ignored stays so."""

    def interrupt(number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


def airflow(settings: Settings, console: Console, arguments: Sequence[str]) -> int:
    """Airflow's own command line in this runtime; returns its exit code. Raises OpsError where it would run the DAG
    beside another run or the UI's scheduler, or with params that the DAG does not take.
    """
    make_folders(settings)
    if command_of(arguments) in CONFIGURED and DAG in arguments and (conf := conf_of(arguments)):
        check_conf(conf)
    environ = environment(settings, ui=False) | {"AIRFLOW__API__BASE_URL": locks.address_of_ui(settings)}
    for note in notes(settings, arguments):
        console.note(note)
    if command_of(arguments) != "dags test":
        migrate(settings, environ)
        os.execvpe("airflow", ["airflow", *arguments], environ)  # noqa: S606 the very words of the caller
    end_in_order()
    log = settings.airflow_home / "dags-test.log"
    with locks.for_run(settings, conf_of(arguments)) as lock:
        migrate(settings, environ)
        show = partial(print, end="", flush=True)
        code = run_dag(settings, console, environ, arguments[2:], log=log, show=show, lock=lock)
    console.note(f"log: {log}")
    return code


def notes(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """What a command of Airflow that runs stages does not say itself: in which lake, and what it waits for."""
    command = command_of(arguments)
    if command in RUN_HERE:
        return [f"lake: {settings.embedded_lake}"]
    if command in RUN_BY_THE_SCHEDULER:
        ui = paste("scripts/demo", "--ui", **settings.chosen_folders)
        if not locks.ui_runs(settings):
            return [f"the run waits for a scheduler, and works in its lake: {ui}"]
        return [f"lake: {settings.lake_of_last_demo}"]
    return []


def command_of(arguments: Sequence[str]) -> str:
    """The command of Airflow's that the arguments begin with; '' where they ask for help."""
    return "" if {"-h", "--help"} & set(arguments) else " ".join(arguments[:2])


def conf_of(arguments: Sequence[str]) -> str:
    """The run's configuration in the arguments of a command that runs the DAG; '' where there is none.

    >>> conf_of(["dags", "test", "collisions_pipeline", "--conf", "{}"])
    '{}'
    """
    for name, value in pairwise([*arguments, ""]):
        option, given, after = name.partition("=")
        if option in {"-c", "--conf", "--dag-run-conf"}:
            return after if given else value
    return ""
