"""The command tree. A command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import STAGES, Settings
from collisions_ops.shell import Shell

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

INTERRUPTED = 130
WRONG_CALL = 2
WRONG_CALL_OF = {"up": 1, "down": 1, "land": 1, "demo": 1}  # these have always ended with 1


@dataclass(frozen=True)
class Ops:
    """What each command is given: its settings, where it prints, how it runs programs."""

    settings: Settings
    console: Console
    shell: Shell


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `NAME …` as scripts/NAME does, and return its exit code."""
    console = Console(environ)
    commands = typer.main.get_group(app).commands
    name, *rest = arguments or ["--help"]
    if name not in {*commands, *PASSED_ON}:
        shown = "\n".join(f"  {name:12} {c.get_short_help_str(90)}" for name, c in commands.items() if not c.hidden)
        console.note(f"python -m collisions_ops COMMAND …\n\n{shown}")
        return 0 if name == "--help" else WRONG_CALL
    try:
        ops = Ops(Settings.from_environment(environ), console, Shell(environ))
        if name in PASSED_ON:
            return PASSED_ON[name](ops, rest)
        code = commands[name].main(args=rest, prog_name=f"scripts/{name}", standalone_mode=False, obj=ops)
    except typer.TyperException as error:
        console.error(f"{error.format_message().rstrip('.')}; see scripts/{name} --help")
        return WRONG_CALL_OF.get(name, WRONG_CALL)
    except OpsError as error:
        console.error(str(error))
        return error.exit_code
    except OSError as error:  # a full disk, a folder that may not be written
        console.error(f"{error.strerror}{f' ({error.filename})' if error.filename else ''}")
        return OpsError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return code or 0


def ops(context: typer.Context) -> Ops:
    """What `main` gave the command."""
    assert isinstance(context.obj, Ops)
    return context.obj


def cluster(context: typer.Context) -> Cluster:
    """The pipeline's cluster."""
    return Cluster(ops(context).settings, ops(context).shell)


YEARS = "in place of --start and --end: these years, whole"
DATASETS = "only these datasets; default: all"
ALLOW_SHRINK = "publish even if the warehouse has lost many rows, e.g. after files were removed from landing"


def parse_day(text: str) -> date:
    """A date as options take it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"invalid date {text!r}: write it as YYYY-MM-DD.") from None


# --- the cluster ----------------------------------------------------------------------------------


@app.command()
def up(context: typer.Context) -> int:
    """Make the cluster, or bring it up to date: kind, images, MinIO, Postgres, Airflow, ports on 127.0.0.1.

    Makes what is missing and leaves alone what is there. After an interruption or a failure it continues where it
    stopped.

    Settings (environment): KIND_NODE_IMAGE, another node image, e.g. a local one; AIRFLOW_CHART, the
    chart as a folder or .tgz (default: the one in ~/.cache/collisions, then Apache's repository); UI_PORT, MINIO_PORT,
    MINIO_CONSOLE_PORT, other ports than 8080, 9000, 9001; STORE=seaweedfs, or STORE=own-bucket, a bucket of yours
    elsewhere, instead of MinIO (stores/).
    """
    from collisions_ops import up as command

    return command.up(cluster(context), ops(context).console)


@app.command()
def down(context: typer.Context, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> int:
    """Delete the cluster with all that it holds, the lake included; end the port-forwards; remove our images."""
    from collisions_ops import down as command

    return command.down(cluster(context), ops(context).console, yes)


@app.command()
def preflight(context: typer.Context) -> int:
    """Is the cluster's store fit to be the lake: one of many concurrent writers wins, listings and ETags are exact.

    scripts/up does this too. For a store that no cluster uses yet, give a stage's settings:
    COLLISIONS_LAKE=s3://bucket COLLISIONS_S3_ENDPOINT=… COLLISIONS_S3_ACCESS_KEY=… COLLISIONS_S3_SECRET_KEY=…
    """
    from collisions_ops import preflight as command

    if ops(context).settings.environ.get("COLLISIONS_LAKE"):
        return command.check_named_store(ops(context).settings)
    ops(context).console.print(command.check_store(cluster(context)))
    return 0


@app.command()
def land(
    context: typer.Context,
    *,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE.csv …", help="published CSV files, .csv or .csv.gz")
    ] = None,
    dataset: Annotated[str, typer.Option(metavar="NAME", help="what they are; default: by their headers")] = "",
    prune: Annotated[
        bool, typer.Option("--prune", help="name the fetched files that a later one has made superfluous")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --prune: remove them")] = False,
    embedded: Annotated[bool, typer.Option("--embedded", help="with --prune: of the embedded lake")] = False,
) -> int:
    """Put published CSV files into the cluster's landing zone; the first call switches the pipeline on.

    A file's modification time becomes its extraction time, which decides which version of a record wins.

    scripts/land --prune [--yes] [--embedded]: a fetched file all of whose dates a later one covers changes nothing any
    more. It stays if it, or the later one, has rejected rows.
    """
    if prune and not files:
        from collisions_ops.prune import prune as prune_landing

        target = None if embedded else cluster(context)
        prune_landing(ops(context).settings, target, ops(context).console, remove=yes)
        return 0
    if prune or yes or embedded:
        raise typer.BadParameter("--prune takes no files; --yes and --embedded belong to it.")
    if not files:
        raise typer.BadParameter("say which files to land.")
    from collisions_ops import land as command

    command.land(cluster(context), ops(context).console, dataset, files)
    return 0


@app.command()
def trigger(
    context: typer.Context,
    *,
    start: Annotated[date | None, typer.Option(parser=parse_day, metavar="YYYY-MM-DD", help="first date")] = None,
    end: Annotated[
        date | None, typer.Option(parser=parse_day, metavar="YYYY-MM-DD", help="date after the last")
    ] = None,
    years: Annotated[str | None, typer.Option(metavar="YYYY,YYYY", help=YEARS)] = None,
    datasets: Annotated[str | None, typer.Option(metavar="NAME,NAME", help=DATASETS)] = None,
    allow_shrink: Annotated[bool, typer.Option("--allow-shrink", help=ALLOW_SHRINK)] = False,
) -> int:
    """Start a run on the cluster, follow its tasks, print each stage's log and the ledger.

    Without dates or years it covers everything in landing. The exit code is the run's.
    """
    from collisions_ops import trigger as command
    from collisions_ops.params import params

    conf = params(start, end, years, datasets, allow_shrink=allow_shrink)
    return command.trigger(cluster(context), ops(context).console, conf)


@app.command()
def backfill(
    context: typer.Context,
    first: Annotated[date, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="first day")],
    last: Annotated[date, typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="last day, included")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print the days")] = False,
    allow_shrink: Annotated[bool, typer.Option("--allow-shrink", help=ALLOW_SHRINK)] = False,
) -> int:
    """Run single days again, or for the first time: one run a day, oldest first.

    Airflow's own backfill: a day that already has a run is run again. For one wide range scripts/trigger
    --start --end is quicker. --to is the last day; Airflow's own --to-date, like every --end here, the day after it.
    """
    from collisions_ops import backfill as command
    from collisions_ops.airflow_api import Airflow

    airflow = Airflow.on(cluster(context))
    return command.backfill(airflow, ops(context).console, first, last, dry_run=dry_run, allow_shrink=allow_shrink)


@app.command()
def status(context: typer.Context) -> int:
    """What runs on the cluster, how the last runs ended, which failed pods are kept, and where to look."""
    from collisions_ops import status as command

    command.status(cluster(context), ops(context).console)
    return 0


@app.command()
def logs(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="TASK", help=", ".join(STAGES))],
    run: Annotated[str, typer.Option(metavar="RUN_ID", help="default: the newest in which the task has started")] = "",
    attempt: Annotated[int, typer.Option("--try", metavar="N", help="default: the last")] = 0,
) -> int:
    """Print a task's log from Airflow, and follow it while the task runs."""
    from collisions_ops import logs as command
    from collisions_ops.airflow_api import Airflow

    if task not in STAGES:
        raise typer.BadParameter(f"there is no task {task!r}; choose from {', '.join(STAGES)}.")
    command.logs(Airflow.on(cluster(context)), ops(context).console, task, run or None, attempt or None)
    return 0


@app.command()
def report(
    context: typer.Context,
    on_cluster: Annotated[bool, typer.Option("--cluster", help="that of the cluster's lake")] = False,
    printed: Annotated[bool, typer.Option("--print", help="only print its address")] = False,
) -> int:
    """Open the page that is published with the warehouse, and print its address.

    The lake is COLLISIONS_LAKE; without it, that of the last scripts/demo.
    """
    from collisions_ops import report as command

    address = command.on_cluster(cluster(context)) if on_cluster else command.embedded(ops(context).settings)
    command.show(ops(context).console, address, opened=not printed)
    return 0


@app.command()
def metrics(
    context: typer.Context,
    on_cluster: Annotated[bool, typer.Option("--cluster", help="those of the cluster's lake")] = False,
    textfile: Annotated[
        Path | None, typer.Option(metavar="FILE.prom", help="write them there, whole or not at all")
    ] = None,
    listen: Annotated[
        int | None, typer.Option(metavar="PORT", min=1, max=65535, help="serve them on 127.0.0.1 until Ctrl-C")
    ] = None,
) -> int:
    """Print metrics for Prometheus: when the warehouse was published; what the last run did, and how it ended.

    They are made of what the runs left in the lake. The lake is COLLISIONS_LAKE; without it, that of the last
    scripts/demo. docs/operations.md has the set-up of Prometheus, and an alert.
    """
    from collisions_ops import metrics as command

    if textfile and listen:
        raise typer.BadParameter("give --textfile or --listen, not both.")
    if textfile and textfile.suffix != ".prom":
        raise typer.BadParameter(f"node_exporter reads files that end in .prom; {textfile} does not.")
    target = cluster(context) if on_cluster else None
    if listen:
        command.listen(ops(context).settings, target, ops(context).console, listen)
    else:
        command.show(ops(context).settings, target, ops(context).console, textfile)
    return 0


def query(ops: Ops, arguments: Sequence[str]) -> int:
    """Query the published warehouse: the query module's own arguments, except --cluster."""
    from collisions_ops import query as command

    others = [argument for argument in arguments if argument != "--cluster"]
    if len(others) < len(arguments):
        return command.on_cluster(Cluster(ops.settings, ops.shell), others)
    return command.embedded(ops.settings, ops.console, others)


def airflow(ops: Ops, arguments: Sequence[str]) -> int:
    """Airflow's own command line in the embedded runtime."""
    from collisions_ops import embedded

    return embedded.airflow(ops.settings, ops.console, arguments)


@app.command(hidden=True)
def keep_forwards(context: typer.Context) -> int:
    """Keep the port-forwards open, in the background."""
    cluster(context).forwards.keep()
    return 0


# --- the embedded runtime ---------------------------------------------------------------------------


@app.command()
def demo(
    context: typer.Context,
    *,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE.csv ...]", help="published CSV files, .csv or .csv.gz")
    ] = None,
    ui: Annotated[bool, typer.Option("--ui", help="then keep Airflow's UI on 127.0.0.1 until Ctrl-C")] = False,
    source: Annotated[
        bool, typer.Option("--source", help="fetch from a local server that behaves like the city's API")
    ] = False,
    years: Annotated[
        str | None, typer.Option(metavar="YYYY,YYYY", help="only these years; default: everything")
    ] = None,
    datasets: Annotated[str | None, typer.Option(metavar="NAME,NAME", help=DATASETS)] = None,
    allow_shrink: Annotated[bool, typer.Option("--allow-shrink", help=ALLOW_SHRINK)] = False,
) -> int:
    """The whole pipeline on this machine, through Airflow: no Docker, no cluster, no server.

    scripts/demo [--ui] [--source] [--years YYYY,YYYY] [--datasets NAME,NAME] [--allow-shrink] [FILE.csv ...]

    Without files: a generated sample, shaped like the published files with their defects (lake: .collisions/lake). With
    files: those, as published (lake: .collisions/lake-files; what earlier calls landed there stays). A file's
    modification time is kept: it is the extraction time, which decides which version of a record wins. With --source:
    nothing is landed but what is fetched from a local server (lake: .collisions/lake-source); with
    COLLISIONS_SOURCE=socrata, from the city itself, its whole tables at first, or the --years (lake:
    .collisions/lake-city).

    Settings (environment): UI_PORT=8081, another port for the UI; STATE=/some/folder, another folder than .collisions
    for all that is made, say of a second runtime beside the first; VENV=/some/venv, another environment than .venv.
    Every script takes STATE and VENV: a later scripts/query needs them too. The exit code is the run's.
    """
    from collisions_ops import demo as command
    from collisions_ops.params import params

    settings, console = ops(context).settings, ops(context).console
    conf = params(years=years, datasets=datasets, allow_shrink=allow_shrink)
    return command.demo(settings, console, files or [], conf, ui=ui, source=source)


@app.command()
def fetch(
    context: typer.Context,
    *,
    start: Annotated[date | None, typer.Option(parser=parse_day, metavar="YYYY-MM-DD", help="first date")] = None,
    end: Annotated[
        date | None, typer.Option(parser=parse_day, metavar="YYYY-MM-DD", help="date after the last; default: open")
    ] = None,
    years: Annotated[str | None, typer.Option(metavar="YYYY,YYYY", help=YEARS)] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="may be repeated; default: all that the API has")
    ] = None,
    datasets: Annotated[str | None, typer.Option(metavar="NAME,NAME", help="the same, between commas")] = None,
    whole: Annotated[bool, typer.Option("--all", help="the whole table, by the bulk export")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the requests and counts; fetch nothing")] = False,
    on_cluster: Annotated[
        bool, typer.Option("--cluster", help="into the cluster's lake, not the embedded one")
    ] = False,
) -> int:
    """Fetch from the city's API into landing: the dates, and some days before them.

    What it lands is what a run with COLLISIONS_SOURCE=socrata would, and the next run takes it in. The answers are
    checked against the API's own counts. What is there already is not fetched again.

    Settings (environment): COLLISIONS_SOURCE_TOKEN, COLLISIONS_SOURCE_URL, COLLISIONS_LOOKBACK_DAYS and the others that
    README.md lists; HTTPS_PROXY, SSL_CERT_FILE.
    """
    from collisions_ops import fetch as command
    from collisions_ops.params import parse_datasets, parse_years

    target = cluster(context) if on_cluster else None
    names = [*(dataset or []), *parse_datasets(datasets)]
    command.fetch(
        ops(context).settings, target, start, end, names, years=parse_years(years), whole=whole, dry_run=dry_run
    )
    return 0


PASSED_ON = {"query": query, "airflow": airflow}  # whose arguments are not ours
