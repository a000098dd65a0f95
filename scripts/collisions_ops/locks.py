"""Who may use a state folder at once: a run without a scheduler, or the UI with its own.

The kernel drops a lock with the process that holds it, however that ends; the files mean nothing by themselves.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from typing import IO

from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG, Settings
from collisions_ops.shell import paste
from collisions_ops.ui import end_leftovers

A_RUN = "a run"  # what the lock's file says of its holder, if it is no UI


def for_run(settings: Settings, conf: str = "", datasets_of_files: Iterable[str] = (), holder: str = A_RUN) -> IO[str]:
    """The lock of a run without a scheduler, held until the file is closed in every process that has it.

    Raises OpsError while another run, or a UI, whose scheduler would take the run's tasks, holds it; `conf` and
    `datasets_of_files` are for the advice: the run's configuration as JSON and the datasets whose files it was to land.
    """
    lock = (settings.airflow_home / "run.lock").open("a")
    if not _locked(lock, fcntl.LOCK_EX):
        lock.close()
        raise OpsError(
            _served(settings, conf, datasets_of_files)
            if ui_runs(settings)
            else f"a run without a scheduler, by scripts/demo or scripts/airflow dags test, is going on in"
            f" {settings.state}: wait for its end, or use another folder, by STATE=/another/folder before the command"
        )
    lock.truncate(0)
    lock.write(holder)
    lock.flush()
    end_leftovers(settings.airflow_home)
    return lock


def for_ui(settings: Settings, conf: str = "", datasets_of_files: Iterable[str] = (), address: str = "") -> IO[str]:
    """The same of the UI at `address` and its scheduler."""
    return for_run(settings, conf, datasets_of_files, holder=address)


def ui_runs(settings: Settings) -> bool:
    """Whether a UI and its scheduler run in the state folder."""
    file = settings.airflow_home / "run.lock"
    with file.open("a") as lock:
        return not _locked(lock, fcntl.LOCK_SH) and file.read_text() != A_RUN


def address_of_ui(settings: Settings) -> str:
    """Where the UI of the state folder is; '' where none runs."""
    return (settings.airflow_home / "run.lock").read_text() if ui_runs(settings) else ""


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _served(settings: Settings, conf: str, datasets_of_files: Iterable[str]) -> str:
    """Why a run is refused while the UI's scheduler runs, and what to do."""
    lake = settings.lake_of_last_demo
    words = ("scripts/airflow", "dags", "trigger", DAG, *(("--conf", conf) if conf else ()))
    trigger = paste(*words, **settings.chosen_folders)
    folders = " or ".join(f"{lake}/landing/{dataset}/" for dataset in sorted(set(datasets_of_files)))
    first = f"\n    first copy the files to {folders}" if folders else ""
    return (
        f"scripts/demo --ui is running in {settings.state}, and its scheduler would take this run's tasks. Either\n"
        f"  stop it, by Ctrl-C in its terminal (in the background: kill PID), and repeat this command; or\n"
        f"  let it do the run, in its lake {lake}:{first}\n"
        f"    Trigger in the UI, or: {trigger}"
    )
