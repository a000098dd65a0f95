"""`python -m socrata`: serve files, or a generated sample, as the city's API would."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collisions_ops.land import dataset_of
from collisions_ops.sample import main as sample

from socrata.server import Fault, SocrataServer
from socrata.table import Table, read_csv
from stages.datasets import registry

DAYS, ROWS = 60, 6_000  # of the sample, up to yesterday
KINDS = ("status", "cut", "reset", "short", "twice", "drip", "html")
ANSWERS = ("probe", "count", "page", "export", "any")


def ordered(text: str) -> Fault:
    """KIND@ANSWER as a fault; raises ValueError for another."""
    kind, _, answer = text.partition("@")
    if kind not in KINDS or answer not in ANSWERS:
        raise ValueError(text)
    return Fault(kind, answer)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m socrata",
        description="Serve tables as the city's API does, until Ctrl-C. The first line of the output is the address,"
        " for COLLISIONS_SOURCE_URL.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.csv", help="default: a generated sample")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--token", default="", help="the app token that every request must carry; default: none")
    parser.add_argument(
        "--fault", type=ordered, action="append", default=[], metavar="KIND@ANSWER",
        help=f"a misbehaviour of one answer; repeatable. Kinds: {', '.join(KINDS)}; answers: {', '.join(ANSWERS)}",
    )  # fmt: skip
    return parser.parse_args(arguments)


def made_sample(folder: Path, today: date) -> list[Path]:
    """A sample of the last days, a file for each dataset that the API has."""
    names = [dataset.name for dataset in registry() if dataset.api]
    days = ("--start", str(today - timedelta(days=DAYS)), "--end", str(today))
    with contextlib.redirect_stdout(sys.stderr):
        sample([str(folder), *days, "--rows", str(ROWS), "--dataset", *names])
    return sorted(folder.glob("*/*.csv"))


def tables(files: Sequence[Path]) -> list[Table]:
    """A table for each dataset that the API has, with the records of its files."""
    made = {dataset.name: Table(dataset) for dataset in registry() if dataset.api}
    for file in files:
        made[dataset_of(file)].insert(read_csv(file))
    return list(made.values())


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal ends it."""
    given = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="socrata-") as folder:
        served = tables(given.files or made_sample(Path(folder), datetime.now(UTC).date()))
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the threads, which inherit it
    with SocrataServer(served, given.token, given.host, given.port, faults=given.fault) as server:
        print(f"http://{given.host}:{server.port}", flush=True)
        for table in served:
            print(f"{table.dataset.name}: {len(table.rows):,} rows, {table.id}", file=sys.stderr)
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
