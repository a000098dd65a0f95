"""scripts/demo: the whole pipeline on this machine, through Airflow, then perhaps its UI."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from collisions_ops import embedded, locks, query, source_server
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.forwards import port_open
from collisions_ops.land import check_files, dataset_of
from collisions_ops.settings import DAG, Settings
from collisions_ops.shell import paste
from collisions_ops.ui import Ui
from stages.lake import keys

QUERIES = ("ledger", "by_borough", "worst_days")
STAGE_LINE = re.compile(
    r"^\S+ \[(info|warning|error|critical) *\] (.*\S) +\[airflow\.task\.operators\.collisions_operators\."
)


@dataclass(frozen=True)
class Demo:
    """One call of scripts/demo. `began` is when it was called, by the wall clock; `ui` the command that does the same
    and then serves the UI, '' where this one will; `lock` what keeps others from the state folder.
    """

    settings: Settings
    console: Console
    environ: Mapping[str, str]
    lake: Path
    began: float
    ui: str = "scripts/demo --ui"
    lock: IO[str] | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the call."""
        return time.time() - self.began

    def step(self, text: str) -> None:
        """Say what begins now."""
        self.console.print(f"{self.seconds:3.0f} s  {text}", style="bold")

    def land(self, files: Mapping[Path, str]) -> None:
        """Put files, each of a dataset, into landing, whole or not at all, with their times."""
        for file, dataset in files.items():
            landing = self.lake / keys.landing(dataset)
            landing.mkdir(parents=True, exist_ok=True)
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

    def run(self, files: Mapping[Path, str], conf: Mapping[str, Any]) -> OpsError | None:
        """Land the files, or the sample unless there is a source to fetch from; run the DAG, show answers.

        Returns why the DAG's run failed.
        """
        self.step("Airflow's metadata and the landing files")
        with ThreadPoolExecutor(max_workers=1) as background:
            migration = background.submit(embedded.migrate, self.settings, self.environ)
            if files:
                self.land(files)
            elif not self.environ.get("COLLISIONS_SOURCE"):
                self.make_sample()
            for file in sorted((self.lake / "landing").glob("*/*")):
                if keys.is_csv(file.name):
                    self.console.print(f"         {file.relative_to(self.lake / 'landing')}")
            migration.result()
        self.step(f"the DAG {DAG}, by airflow dags test")
        try:
            self.run_dag(conf)
        except OpsError as failed:
            return failed
        self.step("what the warehouse says")
        self.show_answers()
        return None

    def run_dag(self, conf: Mapping[str, Any]) -> None:
        """Run the DAG in one process, without a scheduler; print the stages' log lines. Raises OpsError if it fails."""
        log = self.settings.airflow_home / "demo.log"
        errors: list[str] = []

        def show(line: str) -> None:
            if found := STAGE_LINE.match(line):
                level = "" if found[1] == "info" else f"{found[1]}: "
                self.console.print(f"{self.seconds:3.0f} s    {level}{found[2]}", style="red" if level else None)
                if found[1] in {"error", "critical"}:
                    errors.append(found[2])

        arguments = [DAG, "--conf", json.dumps(conf)]
        code = embedded.run_dag(
            self.settings, self.console, self.environ, arguments, log=log, show=show, lock=self.lock
        )
        if code != 0:
            raise OpsError(self.what_failed(log, "\n".join(errors), conf))

    def what_failed(self, log: Path, errors: str, conf: Mapping[str, Any]) -> str:
        """Where to look after a failed run with these params, which landed files its errors name, and how to go on."""
        said = [f"the run failed. Airflow's whole output: {log}"]
        landed = [path for path in sorted((self.lake / "landing").glob("*/*")) if keys.is_csv(path.name)]
        named = [path for path in landed if path.name in errors]
        if named:
            said.append(f"a landed file stays for the next run; to leave it out: {paste('rm', *map(str, named))}")
            said.append(f"then {self.how_to_go_on(conf, others=named != landed)}")
        return "\n  ".join(said)

    def how_to_go_on(self, conf: Mapping[str, Any], *, others: bool) -> str:
        """What to do once a landed file is removed, by whether there are others."""
        if not others:
            return "land another, or the same once it is repaired: scripts/demo FILE.csv"
        given = ("--conf", json.dumps(conf)) if conf else ()
        words = ("scripts/airflow", "dags", "test" if self.ui else "trigger", DAG, *given)
        return f"go on with the others: {paste(*words, **self.settings.chosen_folders)}"

    @property
    def took_in_rows(self) -> bool:
        """Whether this call's run had any rows to work on."""
        manifests = self.lake.glob(f"{keys.RUNS}*/ingest_raw/*.json")
        return any(json.loads(it.read_text())["rows_in"] for it in manifests if it.stat().st_mtime >= self.began)

    def what_is_missing(self, *, published: bool) -> str:
        """Why there is nothing to show of this run, or no more than of the runs before; '' if there is."""
        if self.took_in_rows:
            return "" if published else f"Nothing is published: every row was rejected; see {self.lake}/quarantine/"
        records = [json.loads(path.read_text()) for path in self.lake.glob("raw/*/_sources.json")]
        landed = any(source["rows"] and not source["removed_at"] for record in records for source in record.values())
        why = "the landed files have headers, but no rows"
        if landed:
            why = "none of those in landing is of this run's dates"
        then = "The warehouse is as before" if published else "Nothing is published yet"
        return f"No rows were taken in: {why}. {then}."

    def show_answers(self) -> None:
        """Some ready queries, and where everything is."""
        settings = replace(self.settings, environ={**self.settings.environ, "COLLISIONS_LAKE": str(self.lake)})
        published = (self.lake / keys.WAREHOUSE).exists()
        missing = self.what_is_missing(published=published)
        if missing:
            self.console.print(missing)
        # The ledger is of the newest run that had rows.
        for name in [name for name in QUERIES if published and not (missing and name == "ledger")]:
            self.console.print(f"\nscripts/query {name}", style="bold")
            sys.stdout.flush()
            if query.embedded(settings, self.console, [name]) != 0:
                raise OpsError(f"scripts/query {name} failed")
        lake = {} if self.lake == self.settings.state / "lake" else {"COLLISIONS_LAKE": str(self.lake)}
        ask = paste("scripts/query", "select count(*) from fct_collisions", **self.settings.chosen_folders, **lake)
        self.console.print(f"\nDone in {self.seconds:.0f} s.", style="bold")
        self.console.print(f"  lake       {self.lake} (landing, raw, clean, curated, quarantine, _runs)")
        if published:
            self.console.print(f"  warehouse  {self.lake}/{keys.WAREHOUSE}")
            self.console.print(f"  ask it     {ask}")
        self.console.print(f"  log        {self.settings.airflow_home}/demo.log")
        if self.ui:
            self.console.print(f"  UI         {self.ui}")
        if (page := self.lake / keys.REPORT).exists():  # it may have failed, with a warning
            self.console.print(f"  report     {page.absolute().as_uri()}")


def ui_command(
    settings: Settings, files: Sequence[Path], conf: Mapping[str, Any], *, source: bool = False, city: str = ""
) -> str:
    """The command that takes in the same as this call, and then serves the UI; `city` is COLLISIONS_SOURCE's value."""
    options = {"--years": conf.get("years", []), "--datasets": conf.get("datasets", [])}
    words = [word for name, values in options.items() if values for word in (name, ",".join(map(str, values)))]
    environ = settings.chosen_folders | ({"COLLISIONS_SOURCE": city} if city else {})
    return paste("scripts/demo", "--ui", *(["--source"] if source else []), *words, *files, **environ)


def example_days(lake: Path) -> tuple[str, str]:
    """Three days of the newest month in the lake, as [start, end); without one, of last month."""
    months = {month for path in lake.glob("raw/*/*") if (month := keys.month_of(f"/{path.name}/"))}
    newest = max(months, default=f"{datetime.now(UTC).replace(day=1) - timedelta(days=1):%Y-%m}")
    return f"{newest}-01", f"{newest}-04"


def demo(
    settings: Settings,
    console: Console,
    files: Sequence[Path],
    conf: Mapping[str, Any],
    *,
    ui: bool = False,
    source: bool = False,
) -> int:
    """Land the sample or the files, or fetch from a local `source`; run the DAG with the params `conf`, show answers,
    perhaps serve the UI.
    """
    check_files(files)
    if source and files:
        raise OpsError("--source serves a sample of its own: leave out the files, or serve them by python -m socrata")
    landed = {file: dataset_of(file) for file in files}
    embedded.end_in_order()
    city = settings.environ.get("COLLISIONS_SOURCE", "")
    lake = settings.state / ("lake-files" if files else "lake-source" if source else "lake-city" if city else "lake")
    environ = embedded.environment(settings, str(lake), ui=ui)
    port = embedded.port(settings)
    address = f"http://127.0.0.1:{port}"
    params = json.dumps(conf) if conf else ""
    embedded.make_folders(settings)
    began = float(settings.environ.get("DEMO_BEGAN") or time.time())
    with ExitStack() as meanwhile:
        if ui:  # from now on, although it follows the run
            lock = meanwhile.enter_context(locks.for_ui(settings, params, landed.values(), address))
        else:
            lock = meanwhile.enter_context(locks.for_run(settings, params, landed.values()))
        if ui and port_open(port):
            other = paste("scripts/demo", "--ui", **settings.chosen_folders, UI_PORT="8081")
            raise OpsError(f"port {port} on 127.0.0.1 is taken; choose another: {other}")
        if source:
            environ |= meanwhile.enter_context(source_server.serving(settings))
            console.print(f"the source: {environ['COLLISIONS_SOURCE_URL']}, in place of the city's API;")
            console.print(f"            {source_server.ON_PURPOSE}")
        again = ui_command(settings, files, conf, source=source, city=city if not (files or source) else "")
        this = Demo(settings, console, environ, lake, began, "" if ui else again, lock)
        settings.last_lake.write_text(str(lake))
        failed = this.run(landed, conf)
        if failed and not ui:
            raise failed
        if failed:
            console.error(str(failed))
        if ui:
            folders = settings.chosen_folders
            Ui(console, environ, settings.airflow_home, address, example_days(lake), folders).serve(this.step)
    return 1 if failed else 0
