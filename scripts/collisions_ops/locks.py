"""Who may use a state folder at once: one scripts/demo, and either runs without a scheduler or the UI with its own.

The kernel drops a lock with the process that holds it, however that ends; the files mean nothing by themselves.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG, Settings
from collisions_ops.shell import paste
from collisions_ops.ui import end_leftovers


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """No other scripts/demo runs in this state folder meanwhile; raises OpsError if one does."""
    with (state / "demo.lock").open("w") as lock:
        if not _locked(lock, fcntl.LOCK_EX):
            raise OpsError(
                f"another scripts/demo is running in {state}: wait for its end, or run beside it with"
                " STATE=/another/folder scripts/demo"
            )
        yield


def for_run(settings: Settings, conf: str = "", datasets_of_files: Iterable[str] = ()) -> IO[str]:
    """The lock of a run without a scheduler, held until the file is closed; many runs can hold it at once.

    Raises OpsError while a UI's scheduler, which would take the run's tasks, holds it; `conf` and `datasets_of_files`
    are for the advice: the run's configuration as JSON and the datasets whose files it was to land.
    """
    lock = (settings.airflow_home / "ui.lock").open("a")
    if not _locked(lock, fcntl.LOCK_SH):
        lock.close()
        raise OpsError(_served(settings, conf, datasets_of_files))
    end_leftovers(settings.airflow_home)
    return lock


def for_ui(settings: Settings, conf: str = "", datasets_of_files: Iterable[str] = (), address: str = "") -> IO[str]:
    """The lock of the UI at `address` and its scheduler, held until the file is closed; raises OpsError while a run or
    another UI holds it.
    """
    for_run(settings, conf, datasets_of_files).close()
    lock = (settings.airflow_home / "ui.lock").open("a")
    if not _locked(lock, fcntl.LOCK_EX):
        lock.close()
        raise OpsError(
            f"a run by scripts/airflow dags test is going on in {settings.state}, and the UI's scheduler would take"
            " its tasks: wait for its end"
        )
    lock.truncate(0)
    lock.write(address)
    lock.flush()
    return lock


def ui_runs(settings: Settings) -> bool:
    """Whether a UI and its scheduler run in the state folder."""
    with (settings.airflow_home / "ui.lock").open("a") as lock:
        return not _locked(lock, fcntl.LOCK_SH)


def address_of_ui(settings: Settings) -> str:
    """Where the UI of the state folder is; '' where none runs."""
    return (settings.airflow_home / "ui.lock").read_text() if ui_runs(settings) else ""


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
        f"  stop it, by Ctrl-C in its terminal, and repeat this command; or\n"
        f"  let it do the run, in its lake {lake}:{first}\n"
        f"    Trigger in the UI, or: {trigger}"
    )
