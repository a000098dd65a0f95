"""The embedded runtime: Airflow on SQLite, a lake in a folder, no Docker. Everything lies below STATE."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from collisions_ops import locks
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import Ports, Settings
from collisions_ops.shell import paste

# Airflow prints it on standard output, before the JSON that was asked for. Nothing here draws a DAG as a file.
NO_GRAPHVIZ = "ignore:Could not import graphviz"

# Commands of Airflow that run stages: themselves, or by the UI's scheduler, which has the lake of its scripts/demo.
RUN_HERE = ("dags test", "tasks test")
RUN_BY_THE_SCHEDULER = ("dags trigger", "backfill create")


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


def airflow(settings: Settings, console: Console, arguments: Sequence[str]) -> int:
    """Airflow's own command line in this runtime; replaces this process. Raises OpsError where it would run the DAG
    beside the UI's scheduler.
    """
    make_folders(settings)
    environ = environment(settings, ui=False) | {"AIRFLOW__API__BASE_URL": locks.address_of_ui(settings)}
    for note in notes(settings, arguments):
        console.note(note)
    if command_of(arguments) == "dags test":
        lock = locks.for_run(settings, conf_of(arguments))
        os.set_inheritable(lock.fileno(), True)  # held until Airflow ends
    migrate(settings, environ)
    os.execvpe("airflow", ["airflow", *arguments], environ)  # noqa: S606 the very words of the caller


def notes(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """What a command of Airflow that runs stages does not say itself: in which lake, and what it waits for."""
    command = command_of(arguments)
    if command in RUN_HERE:
        return [f"lake: {settings.embedded_lake}"]
    if command in RUN_BY_THE_SCHEDULER:
        ui = paste("scripts/demo", "--ui", **settings.chosen_folders)
        waits = [] if locks.ui_runs(settings) else [f"the run waits for a scheduler: {ui}"]
        return [f"lake: {settings.lake_of_last_demo}", *waits]
    return []


def command_of(arguments: Sequence[str]) -> str:
    """The command of Airflow's that the arguments begin with; '' where they ask for help."""
    return "" if {"-h", "--help"} & set(arguments) else " ".join(arguments[:2])


def conf_of(arguments: Sequence[str]) -> str:
    """The run's configuration in the arguments of `airflow dags test`; '' where there is none.

    >>> conf_of(["dags", "test", "collisions_pipeline", "--conf", "{}"])
    '{}'
    """
    for name, value in pairwise([*arguments, ""]):
        if name in {"-c", "--conf"}:
            return value
        if name.startswith("--conf="):
            return name.removeprefix("--conf=")
    return ""
