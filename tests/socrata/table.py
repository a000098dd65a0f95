"""A table of the API: rows of text with the system's own columns, which edits, moves, additions and removals change."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from stages.datasets.dataset import Dataset

SYSTEM = (":id", ":created_at", ":updated_at")
Row = dict[str, str]


class Table:
    """One dataset's rows by `:id`, with values under the API's names; every change gets a later `:updated_at`."""

    def __init__(self, dataset: Dataset, records: Iterable[Mapping[str, str]] = ()) -> None:
        assert dataset.api is not None
        self.dataset, self.id = dataset, dataset.api.id
        self.names = {ours: name for name, ours in dataset.forms[dataset.api.form].items()}
        self.titles = {self.names[ours]: name for name, ours in dataset.forms[self._portal].items()}
        self.types = {self.names[column.name]: _type(column.type) for column in dataset.columns}
        self.key, self.day = self.names[dataset.key], self.names[dataset.date]
        self.clock = datetime(2020, 1, 1, tzinfo=UTC)
        self.lock = threading.RLock()
        self.rows: dict[str, Row] = {}
        self.numbers = 0
        self.insert(records)

    @property
    def _portal(self) -> str:
        assert self.dataset.api is not None
        return next(form for form in self.dataset.forms if form != self.dataset.api.form)

    def tick(self) -> str:
        """The time of the next change."""
        self.clock += timedelta(seconds=1)
        return f"{self.clock:%Y-%m-%dT%H:%M:%S}.000Z"

    def of_portal(self, record: Mapping[str, str]) -> Row:
        """A record in the portal's form as the API has it; one in the API's form stays."""
        ours = {name: record[title] for name, title in self.titles.items() if title in record}
        row = {name: record.get(name, ours.get(name, "")) for name in self.types}
        if "/" in row[self.day]:
            row[self.day] = f"{datetime.strptime(row[self.day], '%m/%d/%Y').replace(tzinfo=UTC):%Y-%m-%dT00:00:00.000}"
        return row

    def insert(self, records: Iterable[Mapping[str, str]]) -> None:
        """Add records, all at one time."""
        with self.lock:
            now = self.tick()
            for record in records:
                self.numbers += 1
                key = f"row-{self.numbers:08d}"
                self.rows[key] = {":id": key, ":created_at": now, ":updated_at": now, **self.of_portal(record)}

    def edit(self, key: str, **changes: str) -> None:
        """Change a record, which is named by the dataset's key."""
        with self.lock:
            self.find(key).update(changes | {":updated_at": self.tick()})

    def move(self, key: str, day: str) -> None:
        """Give a record another date (YYYY-MM-DD)."""
        self.edit(key, **{self.day: f"{day}T00:00:00.000"})

    def remove(self, key: str) -> None:
        """Withdraw a record."""
        with self.lock:
            del self.rows[self.find(key)[":id"]]

    def republish(self) -> None:
        """Give every row a new time, as when the city loads the whole table anew."""
        with self.lock:
            now = self.tick()
            for row in self.rows.values():
                row[":updated_at"] = now

    def replace(self, records: Iterable[Mapping[str, str]]) -> None:
        """Become these records: what is the same is left alone, the rest is added, edited or removed."""
        with self.lock:
            wanted = {row[self.key]: row for row in map(self.of_portal, records)}
            for row in [row for row in self.rows.values() if row[self.key] not in wanted]:
                del self.rows[row[":id"]]
            there = {row[self.key]: row for row in self.rows.values()}
            now = self.tick()
            for key, row in wanted.items():
                if key in there and any(there[key][name] != value for name, value in row.items()):
                    there[key].update(row | {":updated_at": now})
            self.insert(row for key, row in wanted.items() if key not in there)

    def find(self, key: str) -> Row:
        """The record of a key of the dataset."""
        return next(row for row in self.rows.values() if row[self.key] == key)

    def sorted_rows(self) -> list[Row]:
        """A copy of the rows, by `:id`."""
        with self.lock:
            return [dict(row) for _, row in sorted(self.rows.items())]

    def portal_csv(self) -> str:
        """The whole table as the portal exports it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.titles.values())
        for row in self.sorted_rows():
            day = datetime.fromisoformat(row[self.day]) if row[self.day] else None
            shown = row | {self.day: f"{day:%m/%d/%Y}" if day else ""}
            writer.writerow([shown[name] for name in self.titles])
        return text.getvalue()


def _type(type_: pa.DataType) -> str:
    if pa.types.is_date(type_):
        return "floating_timestamp"
    return "number" if pa.types.is_integer(type_) or pa.types.is_floating(type_) else "text"


def read_csv(path: Path) -> list[dict[str, str]]:
    """A CSV file's records."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
