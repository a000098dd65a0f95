"""The pipeline's command line, `python -m stages STAGE`: the same for Airflow's tasks, pods, tests and people."""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from stages import datasets, logs
from stages.errors import ConfigError, StageError, Stopped, TransientError
from stages.lake.chunks import Chunk, parse
from stages.lake.scope import Scope, run_id_by_hand

if TYPE_CHECKING:
    from stages.datasets.dataset import Dataset
    from stages.lake.store import ObjectStore

STAGES = {
    "ingest_raw": "landed CSV → raw parquet, split by month, every column text",
    "transform_clean": "raw → clean: renamed, typed, newest version of a record; bad rows to quarantine",
    "transform_curated": "clean → curated: one vocabulary, derived columns, references checked",
    "model_analytics": "curated → the DuckDB warehouse: facts and dimensions, checked, then published whole",
}
CHUNKED = ("transform_clean", "transform_curated")
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ETIMEDOUT, errno.ESTALE}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
LIBRARIES = {  # read when they are imported
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own has the system clear pages for a tenth of a stage's time
    "OPENBLAS_NUM_THREADS": "1",  # nothing here needs its threads, which wait for work in a busy loop
}
EXIT_CODES = """\
exit codes: 0 done; 75 a transient fault, try again; 65 the data breaks its contract;
78 wrong settings or arguments; 70 a bug.
Settings are COLLISIONS_* variables of the environment (COLLISIONS_LAKE is required); README.md lists them."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors end like any other wrong setting."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see python -m stages --help)")


def day(text: str) -> date | None:
    """A date, or None for an empty value (as Airflow renders an open end)."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date of the form YYYY-MM-DD") from None


def flag(text: str) -> bool:
    """`true` or `false`, in any case (as Airflow renders a param)."""
    if text.lower() not in {"true", "false"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def listed(text: str) -> list[str]:
    """What is written between commas."""
    return [word for word in text.split(",") if word]


def year(text: str) -> int:
    """A year of four digits."""
    if not (text.isascii() and text.isdecimal() and 1900 <= int(text) <= 9998):
        raise argparse.ArgumentTypeError(f"{text!r} is not a year such as 2024")
    return int(text)


def years(text: str) -> list[int]:
    """Years between commas."""
    return [year(word) for word in listed(text)]


def chunk(text: str) -> Chunk:
    """A chunk as ingest_raw gives it; nothing is all of the run's work."""
    try:
        return parse(text) if text else {}
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parser(names: Sequence[str]) -> Parser:
    """The command line's arguments; `names` are those of the datasets."""
    stages = "\n".join(f"  {name:18} {does}" for name, does in STAGES.items())
    made = Parser(
        prog="python -m stages",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Run one stage of the collisions pipeline.\n\nstages, in order:\n{stages}",
        epilog=EXIT_CODES,
    )
    made.add_argument("stage", choices=STAGES, metavar="STAGE", help="one of the stages above")
    made.add_argument("--start", type=day, metavar="YYYY-MM-DD", help="first date of the scope; default: the earliest")
    made.add_argument("--end", type=day, metavar="YYYY-MM-DD", help="day after the last date; default: open")
    made.add_argument(
        "--years", type=years, default=[], metavar="YYYY,YYYY", help="in place of --start and --end: these years, whole"
    )
    made.add_argument(
        "--datasets",
        "--dataset",
        nargs="+",
        type=listed,
        default=[],
        metavar="NAME",
        help=f"default: all ({' '.join(names)})",
    )
    made.add_argument(
        "--chunk",
        type=chunk,
        default={},
        metavar="NAME:YYYY-MM..YYYY-MM",
        help="of the transforms: one of the chunks that ingest_raw has cut the run's work into; default: all of it",
    )
    made.add_argument(
        "--take-in",
        choices=["dates", "new"],
        default="dates",
        help="dates (default): the months that the scope touches; new: also every landed file not yet fully taken in",
    )
    made.add_argument(
        "--allow-shrink",
        type=flag,
        nargs="?",
        const=True,
        default=False,
        metavar="true|false",
        help="publish a warehouse that has lost more rows than COLLISIONS_MAX_SHRINK_RATIO allows",
    )
    made.add_argument(
        "--full-refresh",
        type=flag,
        nargs="?",
        const=True,
        default=False,
        metavar="true|false",
        help="fetch the source's whole tables first, if there is a source, and build the warehouse from every curated"
        " partition, not only from those that have changed",
    )
    made.add_argument(
        "--run-id", metavar="ID", help="ties the four stages of a run together; default: derived from the scope"
    )
    return made


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    registry: Sequence[Dataset] | None,
    store: ObjectStore | None,
) -> None:
    """Run one stage; raises StageError and whatever the system raises, once the lake has a record of it."""
    names = datasets.names() if registry is None else [dataset.name for dataset in registry]
    given = parser(names).parse_args(arguments)
    wanted = chosen_datasets(given, names)
    scope, also = chosen_dates(given)
    run_id = given.run_id or run_id_by_hand(given.start, given.end, given.years)

    from stages.lake.job import Run
    from stages.lake.lineage import Lineage
    from stages.lake.store import open_store
    from stages.settings import Settings

    settings = Settings.from_environment(environment)
    this = Run(
        *(store or open_store(settings), settings, scope, run_id),
        take_in_new=given.take_in == "new",
        allow_shrink=given.allow_shrink,
        full_refresh=given.full_refresh,
        also=also,
        chunk=given.chunk,
    )
    chosen = [dataset for dataset in registry or datasets.registry() if dataset.name in wanted]
    lineage = Lineage(this, given.stage, wanted)
    try:
        lineage.began()
        result = importlib.import_module(f"stages.{given.stage}").run(this, chosen)
        if settings.result and result is not None:
            Path(settings.result).write_text(json.dumps(result))
        lineage.done()
    except BaseException as error:  # a signal too
        from stages.lake.failures import record_failure

        record_failure(this, given.stage, error)
        lineage.failed(error)
        raise


def chosen_datasets(given: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """The datasets to work on; raises ConfigError where they are unknown, or not for the stage to choose."""
    asked = [name for words in given.datasets for name in words]
    if given.chunk and given.stage not in CHUNKED:
        raise ConfigError(f"{given.stage} does the work of a run as a whole; leave out --chunk")
    if given.chunk and asked:
        raise ConfigError("a chunk names its datasets; leave out --datasets")
    if unknown := [name for name in (*asked, *given.chunk) if name not in names]:
        raise ConfigError(f"there is no dataset {', '.join(map(repr, unknown))}; there are: {', '.join(names)}")
    if given.stage == "model_analytics" and asked and set(asked) != set(names):
        raise ConfigError("model_analytics builds the warehouse of all datasets; leave out --datasets")
    return asked or list(given.chunk) or list(names)


def chosen_dates(given: argparse.Namespace) -> tuple[Scope, frozenset[str]]:
    """The scope, and the months beyond it; raises ConfigError where the dates make no sense."""
    if given.years and (given.start or given.end):
        raise ConfigError("--years stand in place of --start and --end; give either")
    if given.years:
        return Scope.of_years(given.years)
    if given.start and given.end and given.start >= given.end:
        raise ConfigError(f"--start {given.start} is not before --end {given.end}: the scope [start, end) is empty")
    return Scope(given.start, given.end), frozenset()


def stop(number: int, _frame: object) -> NoReturn:
    """End promptly when asked to: the first process of a container would ignore the signal otherwise."""
    stopped = Stopped(number)
    logs.log.error("stopped %s; what was published is unchanged", stopped)
    raise stopped


def main(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    registry: Sequence[Dataset] | None = None,
    store: ObjectStore | None = None,
) -> int:
    """Run a stage, and turn what went wrong into a last log line and an exit code.

    Without `registry` it knows all datasets; without `store` it uses the one that the settings name.
    """
    logs.set_up()
    try:
        run(arguments, environment, registry, store)
    except StageError as error:
        logs.log.error("%s", error)
        return error.exit_code
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in DISK_FAULTS:
            logs.log.error("%s%s; free some space or fix the disk; a new try will then do", error.strerror, where)
            return TransientError.exit_code
        if error.errno in NOT_ALLOWED:
            logs.log.error("%s%s; the lake and the scratch folder must be writable", error.strerror, where)
            return ConfigError.exit_code
        raise
    except KeyboardInterrupt:
        logs.log.error("interrupted; what was published is unchanged")
        return 130
    return 0


if __name__ == "__main__":
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)
    signal.signal(signal.SIGTERM, stop)
    try:
        code = main(sys.argv[1:], os.environ)
    except Exception as error:
        for line in traceback.format_exc().splitlines():
            logs.log.error("%s", line)
        logs.log.error("a bug in the pipeline, not in the data: %s: %s", type(error).__name__, error)
        code = StageError.exit_code
    os._exit(code)  # every line is out; to take the interpreter apart would cost a twentieth of a second
