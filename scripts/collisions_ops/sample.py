"""scripts/sample: landing CSVs shaped like the published ones, for every dataset that has a sample.

What the rows are like is each dataset's own business (its sample module); here they are cut into files and written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import registry
from stages.datasets.dataset import Dataset
from stages.datasets.sampling import join, morning, spoil

FORMS = {"portal": "portal", "quoted": "portal", "api": "API"}  # how a file is written → whose column names it has
DESCRIPTION = """\
Generate landing CSVs shaped like New York City's published files: OUT_DIR/<dataset>/*.csv.

A seed and a range of dates always give the same bytes. The quirks of the published files are always there; --defects
adds rows that break the files' contract. A file's modification time, which the pipeline takes as its extraction time,
is the morning after the last day that it covers."""


def header(dataset: Dataset, form: str) -> bytes:
    """A file's first line."""
    names = list(dataset.forms[FORMS[form]])
    return (",".join(names if form == "portal" else [f'"{name}"' for name in names]) + "\n").encode()


def render(dataset: Dataset, rows: pa.Table, form: str, broken: Mapping[int, str]) -> memoryview:
    """The rows as CSV lines in the form given: the buffer of one text array whose values end in a newline."""
    columns = dataset.sample.in_form(rows, form).combine_chunks()
    quoted = dataset.sample.ALWAYS_QUOTED if form == "portal" else columns.column_names
    fields = [
        join('"', column, '"') if name in quoted else column
        for name, column in zip(columns.column_names, columns.columns, strict=True)
    ]
    fields = [field.combine_chunks() if isinstance(field, pa.ChunkedArray) else field for field in fields]
    last = join(pc.fill_null(fields.pop(), ""), "\n")
    lines = pc.binary_join_element_wise(*fields, last, ",", null_handling="replace", null_replacement="")
    if broken:
        texts = lines.to_pylist()
        for row, kind in broken.items():
            line = texts[row].removesuffix("\n")
            texts[row] = (line.rsplit(",", 4)[0] if kind == "fields_missing" else line + ",,") + "\n"
        lines = pa.array(texts, pa.string())
    start, stop = np.frombuffer(lines.buffers()[1], dtype=np.int32)[[lines.offset, lines.offset + len(lines)]]
    return memoryview(lines.buffers()[2])[start:stop]


class LandingFile:
    """A CSV being written: under another name until it is whole, then with the time of its extraction."""

    def __init__(self, dataset: Dataset, folder: Path, name: str, form: str) -> None:
        self.dataset, self.path, self.form = dataset, folder / dataset.name / name, form
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.part = self.path.with_name(self.path.name + ".part")
        self.file = self.part.open("wb")
        self.file.write(header(dataset, form))

    def write(self, rows: pa.Table, broken: Mapping[int, str]) -> None:
        """Append rows; `broken` says which lines to break, and how."""
        if len(rows):
            self.file.write(render(self.dataset, rows, self.form, broken))

    def finish(self, extracted: datetime, final_newline: bool = True) -> None:
        """Close, date and name the file."""
        if not final_newline:
            self.file.truncate(self.file.tell() - 1)
        self.file.close()
        os.utime(self.part, (extracted.timestamp(), extracted.timestamp()))
        self.part.replace(self.path)
        print(f"{self.path}  {self.path.stat().st_size:,} bytes, extracted {extracted:%Y-%m-%d %H:%M} UTC")


def file_of(dataset: Dataset, day: date, split: str, start: date, end: date) -> tuple[str, date]:
    """The name of the file that holds a day, and the first day after that file's own."""
    if split == "day":
        return f"{dataset.name}_{day}.csv", day + timedelta(days=1)
    if split == "year":
        return f"{dataset.name}_{day.year}.csv", min(date(day.year + 1, 1, 1), end)
    return f"{dataset.name}_{start}_{end}.csv", end


def generate(dataset: Dataset, options: argparse.Namespace) -> None:
    """Write the files of a range of dates."""
    sample = dataset.sample
    start, end = options.start or sample.FIRST_DAY, options.end or sample.LAST_DAY
    rng = np.random.default_rng([options.seed, 3])
    landing: LandingFile | None = None
    until = start
    for sound, days in sample.make_months(options.rows, start, end, options.seed):
        at = np.flatnonzero(rng.random(len(sound)) < options.defects)
        kinds = rng.choice(list(sample.DEFECTS), len(at)).tolist()
        rows, broken = spoil(sound, at, kinds, sample.DEFECTS)
        firsts = np.flatnonzero(np.diff(days, prepend=days[0] - 1)) if options.split == "day" else np.array([0])
        for first, stop in zip(firsts, [*firsts[1:], len(rows)], strict=True):
            name, file_end = file_of(dataset, days[first].item(), options.split, start, end)
            if landing is None or landing.path.name != name:
                if landing:
                    landing.finish(morning(until))
                landing, until = LandingFile(dataset, options.out_dir, name, options.form), file_end
            inside = {row - int(first): kind for row, kind in broken.items() if first <= row < stop}
            landing.write(rows.slice(first, stop - first), inside)
    if landing:
        landing.finish(morning(until))


def demo(dataset: Dataset, options: argparse.Namespace) -> None:
    """Write the demo's set."""
    for file in dataset.sample.demo(options.seed):
        landing = LandingFile(dataset, options.out_dir, file.name, file.form)
        landing.write(file.rows, file.broken)
        landing.finish(file.extracted, file.final_newline)


def share(text: str) -> float:
    """A share of the rows, or `none`."""
    value = 0.0 if text == "none" else float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read and check the command line."""
    names = [dataset.name for dataset in registry()]
    defects = dict.fromkeys(kind for dataset in registry() for kind in dataset.sample.DEFECTS)
    parser = argparse.ArgumentParser(
        prog="scripts/sample", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder for the files; created if missing")
    parser.add_argument("--dataset", nargs="+", choices=names, default=names, metavar="NAME", help="default: all")
    parser.add_argument("--demo", action="store_true", help="the demo's files; only --seed and --force apply")
    parser.add_argument(
        "--rows", type=int, default=10_000, help="collisions to generate; records within them follow (%(default)s)"
    )
    parser.add_argument("--start", type=date.fromisoformat, help="first day (default: the first published)")
    parser.add_argument("--end", type=date.fromisoformat, help="day after the last (default: the sample's last)")
    parser.add_argument("--seed", type=int, default=1, help="same seed and options, same bytes (%(default)s)")
    parser.add_argument(
        "--form", choices=tuple(FORMS), default="portal",
        help="the portal's form, its newer form with every field quoted, or the API's (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--split",
        choices=("none", "year", "day"),
        default="none",
        help="one file, or one per year or day (%(default)s)",
    )
    parser.add_argument(
        "--defects",
        type=share,
        default=0.0,
        metavar="RATE",
        help=f"share of rows to spoil, or none (none): {', '.join(defects)}",
    )
    parser.add_argument("--force", action="store_true", help="write even if OUT_DIR already holds CSV files")
    options = parser.parse_args(arguments)
    if options.rows < 1 or options.seed < 0:
        parser.error("--rows must be at least 1 and --seed at least 0")
    for dataset in registry():
        first = dataset.sample.FIRST_DAY
        if not first <= (options.start or first) < (options.end or dataset.sample.LAST_DAY):
            parser.error(f"--start {options.start} must be before --end {options.end} and not before {first}")
    if options.out_dir.exists() and not options.out_dir.is_dir():
        parser.error(f"{options.out_dir} is not a folder")
    if not options.force and any(options.out_dir.glob("*/*.csv")):
        parser.error(f"{options.out_dir} already holds CSV files: choose another folder, or --force to overwrite")
    return options


def main(arguments: Sequence[str]) -> int:
    """Write the files asked for."""
    options = parse(arguments)
    for dataset in registry():
        if dataset.name in options.dataset:
            (demo if options.demo else generate)(dataset, options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
