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
from urllib.parse import unquote_plus

from socrata.server import Fault, SocrataServer
from socrata.table import Table, read_csv
from stages.datasets import registry
from stages.landing.content import opened
from stages.landing.header import dataset_of, read_fields

DAYS, ROWS = 60, 6_000  # of the sample, up to yesterday
KINDS = ("status", "cut", "reset", "short", "tail", "gap", "twice", "first", "old", "drip", "html")
ANSWERS = ("probe", "count", "page", "export", "any")


def ordered(text: str) -> Fault:
    """KIND@ANSWER, or KIND@ANSWER:SKIP, as a fault; raises ValueError for another."""
    kind, _, spoiled = text.partition("@")
    answer, _, skip = spoiled.partition(":")
    if kind not in KINDS or answer not in ANSWERS:
        raise ValueError(text)
    return Fault(kind, answer, skip=int(skip or 0))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m socrata",
        description="Serve tables as the city's API does, until Ctrl-C. The first line of the output is the address,"
        " for COLLISIONS_SOURCE_URL; each request is logged to standard error.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.csv", help="default: a generated sample")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--token", default="", help="the app token that every request must carry; default: none")
    parser.add_argument("--tls", type=Path, metavar="FILE.pem", help="serve over TLS: a certificate and its key")
    parser.add_argument(
        "--fault", type=ordered, action="append", default=[], metavar="KIND@ANSWER[:SKIP]",
        help="a misbehaviour of one answer, after SKIP good ones; repeatable."
        f" Kinds: {', '.join(KINDS)}; answers: {', '.join(ANSWERS)}",
    )  # fmt: skip
    return parser.parse_args(arguments)


def made_sample(folder: Path, today: date) -> list[Path]:
    """A sample of the last days, a file for each dataset that the API has."""
    from collisions_ops.sample import main as sample  # a pod that serves files has the stages' code alone

    names = [dataset.name for dataset in registry() if dataset.api]
    days = ("--start", str(today - timedelta(days=DAYS)), "--end", str(today))
    with contextlib.redirect_stdout(sys.stderr):
        sample([str(folder), *days, "--rows", str(ROWS), "--dataset", *names])
    return sorted(folder.glob("*/*.csv"))


def tables(files: Sequence[Path]) -> list[Table]:
    """A table for each dataset that the API has, with the records of its files."""
    made = {dataset.name: Table(dataset) for dataset in registry() if dataset.api}
    for file in files:
        with opened(file.name, file) as content:
            found = dataset_of(read_fields(str(file), content), registry())
        if found is None or found.name not in made:
            raise SystemExit(f"{file}: has the header of none of {', '.join(made)}")
        made[found.name].insert(read_csv(file))
    return list(made.values())


def tell(kind: str, request: str) -> None:
    """Log a request."""
    print(f"{kind} {unquote_plus(request)}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal ends it."""
    given = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="socrata-") as folder:
        served = tables(given.files or made_sample(Path(folder), datetime.now(UTC).date()))
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the threads, which inherit it
    settings = {"token": given.token, "host": given.host, "port": given.port, "tls": given.tls}
    with SocrataServer(served, **settings, faults=given.fault, tell=tell) as server:
        print(server.url, flush=True)
        for table in served:
            print(f"{table.dataset.name}: {len(table.rows):,} rows, {table.id}", file=sys.stderr)
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
