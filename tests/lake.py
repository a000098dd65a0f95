"""A lake for a test: files land in it, stages run on it, its warehouse is asked and hashed."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from warehouse import contents

from stages import __main__ as command_line
from stages.datasets import registry
from stages.datasets.crashes import DATASET
from stages.datasets.dataset import Dataset
from stages.lake import keys
from stages.lake.store import ObjectInfo, ObjectStore, open_store
from stages.lake.store.folder import FolderStore
from stages.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = list(command_line.STAGES)
PUBLISHED = keys.WAREHOUSE
PORTAL = list(DATASET.forms["portal"])


def with_others(dataset: Dataset) -> list[Dataset]:
    """The registry with this dataset in place of the one of its name: the warehouse's models read all of them."""
    return [dataset, *(other for other in registry() if other.name != dataset.name)]


@dataclass
class Outcome:
    """How a stage ended."""

    code: int
    log: str

    @property
    def last(self) -> str:
        return self.log.rstrip().rpartition("\n")[2]


class Lake:
    """A folder or a bucket, by its COLLISIONS_* settings."""

    def __init__(self, datasets: Sequence[Dataset] | None = None, **settings: str) -> None:
        self.datasets = datasets  # default: all there are
        self.environment = {f"COLLISIONS_{name.upper()}": value for name, value in settings.items()}

    @property
    def store(self) -> ObjectStore:
        return open_store(Settings.from_environment(self.environment))

    def land(
        self,
        content: bytes | str | Path,
        name: str = "",
        extracted: datetime | None = None,
        covers: tuple[str, str] | None = None,
        dataset: str = "crashes",
    ) -> None:
        """Land a file; a path keeps its name and, as its extraction time, its modification time."""
        if isinstance(content, Path):
            name = name or content.name
            extracted = extracted or datetime.fromtimestamp(content.stat().st_mtime, UTC)
            content = content.read_bytes()
        content = content.encode() if isinstance(content, str) else content
        key = keys.landing(dataset) + name
        metadata = dict(zip(("covers-start", "covers-end"), covers, strict=True)) if covers else {}
        store = self.store
        if isinstance(store, FolderStore):
            store.put(key, content, metadata=metadata or None)
            if extracted and metadata:
                store.put(key, content, metadata=metadata | {"extracted-at": extracted.isoformat()})
            elif extracted:
                os.utime(store.root / key, (extracted.timestamp(), extracted.timestamp()))
        else:
            stated = {"extracted-at": extracted.isoformat()} if extracted else {}
            store.put(key, content, metadata=metadata | stated)

    def stage(self, name: str, *arguments: str, store: ObjectStore | None = None, **settings: str) -> Outcome:
        """Run a stage by the command line's main(), in this process: the imports are paid for once."""
        log = io.StringIO()
        with contextlib.redirect_stderr(log):
            code = command_line.main(
                [name, *arguments], self._environment(settings), registry=self.datasets, store=store
            )
        return Outcome(code, log.getvalue())

    def start(self, name: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start `python -m stages NAME` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "stages", name, *arguments],
            cwd=REPOSITORY,
            env=self._environment(settings),
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, name: str, *arguments: str, **settings: str) -> Outcome:
        """Run `python -m stages NAME` to its end."""
        with self.start(name, *arguments, **settings) as process:
            log = process.communicate(timeout=300)[1]
        return Outcome(process.returncode, log)

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("COLLISIONS_")}
        return others | self.environment | {f"COLLISIONS_{name.upper()}": value for name, value in settings.items()}

    def run(self, *arguments: str, processes: bool = False, stages: Sequence[str] = STAGES) -> str:
        """Run the stages in order, each of which must succeed; returns what they logged."""
        log = ""
        for name in stages:
            done = (self.process if processes else self.stage)(name, *arguments)
            assert done.code == 0, done.log
            log += done.log
        return log

    @contextlib.contextmanager
    def published(self) -> Iterator[Path]:
        """A folder with a copy of the published warehouse."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, PUBLISHED)
            path.parent.mkdir()
            path.write_bytes(self.store.read(PUBLISHED))
            yield Path(folder)

    def contents(self) -> dict[str, tuple[int, str]]:
        """Rows and content hash of each fact and dimension of the published warehouse."""
        with self.published() as folder:
            return contents(folder)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that the published warehouse answers."""
        with self.published() as folder, duckdb.connect(str(folder / PUBLISHED), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        """The single value that the published warehouse answers."""
        ((value,),) = self.ask(sql)
        return value

    def listing(self, *without: str) -> dict[str, str]:
        """Key → ETag of every object, but for the prefixes given; the report goes with the warehouse."""
        without += (keys.REPORT,) if {PUBLISHED, "warehouse/"} & set(without) else ()
        return {info.key: info.etag for info in self.store.list("") if not info.key.startswith(without or ("\0",))}

    def objects(self) -> list[str]:
        """Every object's key."""
        return [info.key for info in self.store.list("")]

    def wipe(self, *prefixes: str) -> None:
        """Delete every object below the prefixes."""
        store = self.store
        for prefix in prefixes:
            for info in store.list(prefix):
                store.delete(info.key)

    def quarantined(self, stage: str) -> list[dict[str, Any]]:
        """The rows that a stage has turned away."""
        store = self.store
        found: list[dict[str, Any]] = []
        for info in store.list(f"quarantine/{stage}/"):
            found += pq.read_table(pa.BufferReader(store.read(info.key))).to_pylist()
        return sorted(found, key=lambda row: (row["source"], row["line"]))


class WatchedStore(ObjectStore):
    """A store that calls `then` once: before, or after, the first use of a verb on a key that begins with `prefix`."""

    def __init__(
        self, store: ObjectStore, verb: str, prefix: str, then: Callable[[], None], after: bool = False
    ) -> None:
        self.store, self.verb, self.prefix, self.then, self.after = store, verb, prefix, then, after

    def _call(self, verb: str, key: str, *arguments: Any, **options: Any) -> Any:
        met = verb == self.verb and key.startswith(self.prefix)
        if met:
            self.verb = ""
        if met and not self.after:
            self.then()
        answer = getattr(self.store, verb)(key, *arguments, **options)
        if met and self.after:
            self.then()
        return answer

    def list(self, prefix: str) -> list[ObjectInfo]:
        return self._call("list", prefix)

    def head(self, key: str) -> ObjectInfo | None:
        return self._call("head", key)

    def metadata(self, key: str) -> dict[str, str]:
        return self._call("metadata", key)

    def read(self, key: str) -> bytes:
        return self._call("read", key)

    def local(self, key: str) -> Any:
        return self._call("local", key)

    def put(self, key: str, data: bytes | Path, **options: Any) -> str:
        return self._call("put", key, data, **options)

    def delete(self, key: str) -> None:
        self._call("delete", key)

    def describe(self, key: str) -> str:
        return self._call("describe", key)


def failing(error: BaseException) -> Callable[[], None]:
    """For a WatchedStore: raise that."""

    def fail() -> None:
        raise error

    return fail


# --- small crashes files --------------------------------------------------------------------------

ROW = {
    "CRASH DATE": "03/05/2024",
    "CRASH TIME": "8:15",
    "BOROUGH": "QUEENS",
    "ZIP CODE": "11101",
    "LATITUDE": "40.75",
    "LONGITUDE": "-73.9",
    "LOCATION": "(40.75, -73.9)",
    "ON STREET NAME": "MAIN STREET",
    **{name: "0" for name in PORTAL if name.startswith("NUMBER OF")},
    "CONTRIBUTING FACTOR VEHICLE 1": "Unspecified",
    "COLLISION_ID": "",
    "VEHICLE TYPE CODE 1": "Sedan",
}


def rows(count: int, first: int = 1, **changes: str) -> list[dict[str, str]]:
    """Sound portal rows with ids from `first` on; a column's name is given with `_` for its blanks."""
    changed = {name: changes[key] for name in PORTAL if (key := name.replace(" ", "_")) in changes}
    return [ROW | {"COLLISION_ID": str(first + number)} | changed for number in range(count)]


def crashes_csv(records: Sequence[dict[str, str]], columns: Sequence[str] = tuple(PORTAL), separator: str = ",") -> str:
    """The records as the portal's CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n", delimiter=separator)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
