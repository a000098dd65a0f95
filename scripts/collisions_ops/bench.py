"""scripts/bench: the pipeline on the full history: four stages, one daily run on top, and how fast a stage starts.

The yardstick is DuckDB alone, in one process with two threads: the same CSV to month-partitioned parquet, then to a
bare star (a fact, a bridge of vehicles, four dimensions), nothing checked. Each round runs the yardstick and the stages
one after the other, so that both see the same machine noise; the best round of each counts, and the highest peak of
memory of all rounds. The data and the results stay in .collisions/bench, unless --dir names another folder.
"""

# The standard library only: a child's peak memory begins at its parent's, so the measuring process must stay small.
from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from collisions_ops.errors import OpsError
from collisions_ops.settings import ROOT, Settings

PYTHON = Path(sys.executable)  # of the environment that scripts/bench has made
GENERATOR = (
    "scripts/collisions_ops/sample.py",
    "stages/datasets/sampling.py",
    "stages/datasets/*/sample.py",
    "stages/datasets/*/columns.py",
)

FULL_HISTORY = 2_260_000
FIRST_DAY, LAST_DAY = date(2012, 7, 1), date(2026, 6, 1)  # [first, last); the daily run lands the last day itself
LOOKBACK_DAYS = 21
STAGES = ("ingest_raw", "transform_clean", "transform_curated", "model_analytics")
VARIANTS = {"one": "none", "yearly": "year"}  # variant -> how scripts/sample cuts its files
STARTS = 7

MAX_RATIO, MAX_PEAK_MIB, MAX_START_SECONDS = 2.0, 1536, 0.5

# --- the yardstick --------------------------------------------------------------------------------

YARDSTICK_LAKE = """
COPY (
    SELECT *, right("CRASH DATE", 4) || '-' || left("CRASH DATE", 2) AS crash_month
    FROM read_csv('landing/*/*.csv', all_varchar = true, header = true)
) TO 'lake' (FORMAT parquet, PARTITION_BY (crash_month))
"""

YARDSTICK_STAR = """
CREATE TEMP VIEW published AS FROM read_parquet('lake/*/*.parquet', hive_partitioning = true);

CREATE TABLE dim_date AS
SELECT DISTINCT strptime("CRASH DATE", '%m/%d/%Y')::DATE AS crash_date, year(crash_date) AS year,
    month(crash_date) AS month, isodow(crash_date) AS weekday
FROM published;

CREATE TABLE dim_location AS
SELECT row_number() OVER () AS location_key, *
FROM (
    SELECT DISTINCT "BOROUGH" AS borough, "ZIP CODE" AS zip_code, "LATITUDE" AS latitude, "LONGITUDE" AS longitude
    FROM published
);

CREATE TABLE fct_collisions AS
SELECT "COLLISION_ID"::BIGINT AS collision_id, strptime("CRASH DATE", '%m/%d/%Y')::DATE AS crash_date,
    lpad("CRASH TIME", 5, '0')::TIME AS crash_time, location_key,
    "NUMBER OF PERSONS INJURED"::INTEGER AS persons_injured, "NUMBER OF PERSONS KILLED"::INTEGER AS persons_killed,
    "NUMBER OF PEDESTRIANS INJURED"::INTEGER AS pedestrians_injured,
    "NUMBER OF PEDESTRIANS KILLED"::INTEGER AS pedestrians_killed,
    "NUMBER OF CYCLIST INJURED"::INTEGER AS cyclists_injured, "NUMBER OF CYCLIST KILLED"::INTEGER AS cyclists_killed,
    "NUMBER OF MOTORIST INJURED"::INTEGER AS motorists_injured, "NUMBER OF MOTORIST KILLED"::INTEGER AS motorists_killed
FROM published AS c
JOIN dim_location AS l ON l.borough IS NOT DISTINCT FROM c."BOROUGH" AND l.zip_code IS NOT DISTINCT FROM c."ZIP CODE"
    AND l.latitude IS NOT DISTINCT FROM c."LATITUDE" AND l.longitude IS NOT DISTINCT FROM c."LONGITUDE";

CREATE TEMP VIEW vehicles AS
SELECT "COLLISION_ID"::BIGINT AS collision_id, unnest([1, 2, 3, 4, 5]) AS slot,
    unnest(["VEHICLE TYPE CODE 1", "VEHICLE TYPE CODE 2", "VEHICLE TYPE CODE 3", "VEHICLE TYPE CODE 4",
        "VEHICLE TYPE CODE 5"]) AS vehicle_type,
    unnest(["CONTRIBUTING FACTOR VEHICLE 1", "CONTRIBUTING FACTOR VEHICLE 2", "CONTRIBUTING FACTOR VEHICLE 3",
        "CONTRIBUTING FACTOR VEHICLE 4", "CONTRIBUTING FACTOR VEHICLE 5"]) AS factor
FROM published;

CREATE TABLE dim_vehicle_type AS
SELECT row_number() OVER () AS vehicle_type_key, vehicle_type
FROM (SELECT DISTINCT vehicle_type FROM vehicles WHERE vehicle_type IS NOT NULL);

CREATE TABLE dim_contributing_factor AS
SELECT row_number() OVER () AS factor_key, factor FROM (SELECT DISTINCT factor FROM vehicles WHERE factor IS NOT NULL);

CREATE TABLE fct_collision_vehicles AS
SELECT collision_id, slot, vehicle_type_key, factor_key
FROM vehicles LEFT JOIN dim_vehicle_type USING (vehicle_type) LEFT JOIN dim_contributing_factor USING (factor)
WHERE vehicle_type IS NOT NULL OR factor IS NOT NULL;
"""

YARDSTICK = f"""
import json, time, duckdb
connection = duckdb.connect("yardstick.duckdb", config={{"threads": 2}})
connection.execute("SET enable_progress_bar = false")
begin = time.perf_counter()
connection.execute({YARDSTICK_LAKE!r})
middle = time.perf_counter()
connection.execute({YARDSTICK_STAR!r})
rows = connection.execute("SELECT count(*) FROM fct_collisions").fetchone()[0]
connection.close()
print(json.dumps({{"lake_seconds": middle - begin, "star_seconds": time.perf_counter() - middle, "rows": rows}}))
"""

COUNT_ROWS = """
import sys, duckdb
print(duckdb.connect(sys.argv[1], read_only=True).execute("SELECT count(*) FROM fct_collisions").fetchone()[0])
"""

VERSIONS = """
import json
from importlib.metadata import version
print(json.dumps({name: version(name) for name in ("duckdb", "numpy", "pandas", "pyarrow")}))
"""


# --- measuring ------------------------------------------------------------------------------------


class Failed(Exception):
    """A command of the bench failed, or its answer is wrong: further measurements would mean nothing."""


def say(message: str) -> None:
    """Report progress."""
    print(message, file=sys.stderr, flush=True)


def measure(arguments: list[str], folder: Path, log: Path, settings: dict[str, str] | None = None) -> dict[str, float]:
    """Run a command to its end: its wall time, and the peak memory of its largest process. Its output goes to `log`."""
    left_out = ("COLLISIONS_", "PYTHONDONTWRITEBYTECODE")  # without bytecode, compiling the imports would be measured
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments, cwd=folder, env=environment | (settings or {}), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise Failed(f"exit code {process.returncode} from: {' '.join(arguments)[:200]}\n{tail}\n(log: {log})")
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {"seconds": seconds, "peak_mib": kib / 1024}


def answer(program: str, *arguments: str) -> str:
    """What a small Python program prints in the project's environment."""
    return subprocess.run([PYTHON, "-c", program, *arguments], check=True, capture_output=True, text=True).stdout


def generate(folder: Path, rows: int, split: str, start: date, end: date) -> None:
    """Generate CSV files, unless they are there; the folder gets its name once it is whole."""
    if folder.exists():
        return
    say(f"generating {rows:,} collisions in {folder}")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    subprocess.run(
        [
            *(PYTHON, "-m", "collisions_ops.sample", part, f"--dataset={dataset_of_collisions()}"),
            *(f"--rows={rows}", f"--split={split}", f"--start={start}", f"--end={end}"),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        stdout=subprocess.DEVNULL,
    )
    part.rename(folder)


def dataset_of_collisions() -> str:
    """The dataset that the yardstick reads."""
    return answer(
        "from stages.datasets import registry;"
        "print(next(it.name for it in registry() if it.tables[0].name == 'collisions'), end='')"
    )


def make_data(folder: Path, rows: int, variants: list[str]) -> tuple[Path, int]:
    """The generated files, kept between runs until their generator changes, and the rows of the day that lands last."""
    day_rows = max(1, rows // 10_000)  # 226 of the full history, about what a day brings
    sources = sorted(file for pattern in GENERATOR for file in ROOT.glob(pattern))
    content = hashlib.sha256(b"".join(file.read_bytes() for file in sources))
    data = folder / "data" / f"{rows}-{content.hexdigest()[:8]}"
    for outdated in (folder / "data").glob(f"{rows}-*"):
        if outdated != data:
            shutil.rmtree(outdated)
    for variant in variants:
        generate(data / variant, rows, VARIANTS[variant], FIRST_DAY, LAST_DAY)
    generate(data / "day", day_rows, "day", LAST_DAY, LAST_DAY + timedelta(days=1))
    return data, day_rows


def land(files: Path, landing: Path) -> None:
    """Put <dataset>/*.csv into a landing folder by hard links, which keep the modification times and cost nothing."""
    for file in sorted(files.glob("*/*.csv")):
        target = landing / file.relative_to(files)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, target)


def run_yardstick(files: Path, work: Path, rows: int) -> dict[str, float]:
    """DuckDB alone, from CSV to a bare star."""
    shutil.rmtree(work, ignore_errors=True)
    land(files, work / "landing")
    log = work / "yardstick.log"
    measured = measure([str(PYTHON), "-c", YARDSTICK], work, log)
    steps = json.loads(log.read_text().splitlines()[-1])
    if steps.pop("rows") != rows:
        raise Failed(f"the yardstick did not keep all of the {rows:,} collisions")
    found: dict[str, float] = measured | steps
    return found


def run_stages(lake: Path, run_id: str, rows: int, *scope: str) -> dict[str, object]:
    """The four stages, a process each, then a look at how many collisions the warehouse holds."""
    stages = {}
    for stage in STAGES:
        command = [str(PYTHON), "-m", "stages", stage, f"--run-id={run_id}", *scope]
        stages[stage] = measure(command, ROOT, lake / f"{run_id}-{stage}.log", {"COLLISIONS_LAKE": str(lake)})
    found = int(answer(COUNT_ROWS, str(lake / "warehouse/collisions.duckdb")))
    if found != rows:
        raise Failed(
            f"{found:,} collisions in the warehouse after the {run_id} run, {rows:,} landed (logs: {lake}/*.log)"
        )
    return {"stages": stages, "seconds": sum(measured["seconds"] for measured in stages.values())}


def run_round(data: Path, variant: str, work: Path, rows: int, day_rows: int) -> dict[str, dict[str, Any]]:
    """One variant once: the yardstick, the full refresh, then a day more."""
    yardstick = run_yardstick(data / variant, work / "yardstick", rows)
    lake = work / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    land(data / variant, lake / "landing")
    full = run_stages(lake, "full", rows)
    land(data / "day", lake / "landing")
    scope = (f"--start={LAST_DAY - timedelta(days=LOOKBACK_DAYS)}", f"--end={LAST_DAY + timedelta(days=1)}")
    daily = run_stages(lake, "daily", rows + day_rows, *scope)
    return {"yardstick": yardstick, "full": full, "daily": daily}


def best(rounds: list[dict[str, dict[str, Any]]], part: str) -> dict[str, Any]:
    """The fastest of the rounds."""
    return min((each[part] for each in rounds), key=lambda measured: measured["seconds"])


def peaks(rounds: list[dict[str, dict[str, Any]]], part: str) -> dict[str, float]:
    """The highest memory of every stage over all rounds."""
    return {stage: max(each[part]["stages"][stage]["peak_mib"] for each in rounds) for stage in STAGES}


# --- reporting ------------------------------------------------------------------------------------


def summarise(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """What a variant's rounds come to."""
    yardstick, full, daily = (best(rounds, part) for part in ("yardstick", "full", "daily"))
    return {
        "yardstick": yardstick,
        "full": full | {"peak_mib": peaks(rounds, "full"), "ratio": full["seconds"] / yardstick["seconds"]},
        "daily": daily | {"peak_mib": peaks(rounds, "daily"), "ratio": daily["seconds"] / yardstick["seconds"]},
        "rounds": rounds,
    }


def judge(variants: dict[str, dict[str, Any]], start_seconds: float) -> list[dict[str, Any]]:
    """Every target with what was measured."""
    targets = []
    for name, variant in variants.items():
        targets.append((f"{name}: full refresh as a ratio to the yardstick", variant["full"]["ratio"], MAX_RATIO))
        highest = max(variant[part]["peak_mib"][stage] for part in ("full", "daily") for stage in STAGES)
        targets.append((f"{name}: highest peak of a stage, MiB", highest, MAX_PEAK_MIB))
    targets.append(("python -m stages --help, s", start_seconds, MAX_START_SECONDS))
    return [{"target": name, "value": value, "limit": limit, "met": value <= limit} for name, value, limit in targets]


def print_table(results: dict[str, Any]) -> None:
    """The results for a reader."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    print(f"{results['rows']:,} collisions, best of {results['repeat']} rounds")
    print(f"{machine['cores']} cores, Python {machine['python']}, {versions}\n")
    print(f"{'':8} {'':24} {'seconds':>9} {'ratio':>7} {'peak MiB':>9}")

    def line(variant: str, step: str, seconds: float, base: float, peak: float | None = None) -> None:
        memory = "" if peak is None else f"{peak:,.0f}"
        print(f"{variant:8} {step:24} {seconds:9.2f} {seconds / base:7.2f} {memory:>9}")

    for name, variant in results["variants"].items():
        yardstick = variant["yardstick"]
        base = yardstick["seconds"]
        line(name, "yardstick: DuckDB alone", base, base, yardstick["peak_mib"])
        line("", "  CSV to parquet", yardstick["lake_seconds"], base)
        line("", "  parquet to star", yardstick["star_seconds"], base)
        for part, title in (("full", "full refresh"), ("daily", "daily run on top")):
            run = variant[part]
            line("", title, run["seconds"], base, max(run["peak_mib"].values()))
            for stage in STAGES:
                line("", f"  {stage}", run["stages"][stage]["seconds"], base, run["peak_mib"][stage])
        print()
    for target in results["targets"]:
        verdict = "PASS" if target["met"] else "MISS"
        print(f"{verdict}  {target['target']}: {target['value']:,.2f} (at most {target['limit']:,})")
    if results["rows"] < FULL_HISTORY:
        print(f"The targets are meant for the full history, {FULL_HISTORY:,} collisions.")


def count(text: str) -> int:
    """A number of at least 1."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cluster", action="store_true", help="measure pods and a daily run on the running cluster instead"
    )
    parser.add_argument("--rows", type=count, default=FULL_HISTORY, help="collisions to generate (%(default)s)")
    parser.add_argument(
        "--variant",
        choices=(*VARIANTS, "both"),
        default="both",
        help="one CSV, one CSV per year, or both (%(default)s)",
    )
    parser.add_argument("--repeat", type=count, default=2, help="rounds, of which the best counts (%(default)s)")
    parser.add_argument(
        "--dir",
        type=Path,
        default=Settings.from_environment(os.environ).state / "bench",
        help="folder for data, lake and results.json (%(default)s)",
    )
    return parser.parse_args(arguments)


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; the answer is what results.json holds."""
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    variants = list(VARIANTS) if options.variant == "both" else [options.variant]
    data, day_rows = make_data(folder, options.rows, variants)

    say(f"starting a stage, {STARTS} times")
    help_command = [str(PYTHON), "-m", "stages", "--help"]
    starts = [measure(help_command, ROOT, folder / "start.log")["seconds"] for _ in range(STARTS)]

    rounds: dict[str, list[dict[str, dict[str, Any]]]] = {variant: [] for variant in variants}
    for number in range(1, options.repeat + 1):
        for variant in variants:
            say(f"round {number} of {options.repeat}, variant {variant}: yardstick, full refresh, daily run")
            rounds[variant].append(run_round(data, variant, folder / "work", options.rows, day_rows))
    summaries = {variant: summarise(rounds[variant]) for variant in variants}
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": options.rows,
        "repeat": options.repeat,
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
            "load_average": os.getloadavg(),
            "python": answer("import platform; print(platform.python_version())").strip(),
            "packages": json.loads(answer(VERSIONS)),
        },
        "start_seconds": statistics.median(starts),
        "variants": summaries,
        "targets": judge(summaries, statistics.median(starts)),
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and keep the results; a missed target is reported, not a failure."""
    try:
        options = parse(arguments)
        if options.cluster:
            from collisions_ops import bench_cluster

            return bench_cluster.main(os.environ)
        results = bench(options)
    except (Failed, OpsError) as failure:
        say(f"ERROR: {failure}")
        return 1
    path = options.dir / "results.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    print_table(results)
    print(f"\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
