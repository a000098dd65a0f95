"""The rows of a query, page by page, put together in a file as they were answered; what is there already is not asked
for again.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.lake import keys
from stages.lake.store import ObjectStore
from stages.landing.socrata.client import Client, Query

if TYPE_CHECKING:
    import httpx

TRUTH = "x-soda2-truth-last-modified"
OUT_OF_DATE = "x-soda2-data-out-of-date"
ID = ":id"  # the API's own name of a row, by which pages follow one another
UPDATED = ":updated_at"
ABANDONED = timedelta(days=1)  # pages that nobody has asked for since then are removed


class Mismatch(Exception):
    """The source's answers do not fit one another: it has changed meanwhile, or a part of one is lost."""


@dataclass
class Answer:
    """A query's rows in a file, and what the last answer's headers say of it."""

    rows: int
    headers: Mapping[str, str]


class PageCache:
    """Pages of an extraction that is under way, in the lake: the run's next try, in whatever pod, goes on with them.

    They count only as long as the source is in the state in which they were read (`state`, any text).
    """

    def __init__(self, store: ObjectStore, dataset: str, run_id: str, what: str, state: str) -> None:
        self.store, self.dataset = store, dataset
        self.prefix = keys.fetched_pages(dataset, run_id, what)
        self.state = state.encode()
        self._clear_abandoned()
        stamp = self.prefix + "state"
        self.usable = store.head(stamp) is not None and store.read(stamp) == self.state
        if not self.usable:
            self.clear()

    def read(self, number: int) -> bytes | None:
        """A kept page, or None."""
        key = self._key(number)
        return gzip.decompress(self.store.read(key)) if self.usable and self.store.head(key) else None

    def keep(self, number: int, page: bytes) -> None:
        """Keep a page."""
        if not self.usable:
            self.store.put(self.prefix + "state", self.state)
            self.usable = True
        self.store.put(self._key(number), gzip.compress(page, compresslevel=1, mtime=0))

    @contextmanager
    def forgotten_on_mismatch(self) -> Iterator[None]:
        """Forget the pages if the answers turn out not to fit one another: the fault may be in one that was kept."""
        try:
            yield
        except Mismatch:
            self.clear()
            raise

    def clear(self) -> None:
        """Forget the pages."""
        for info in self.store.list(self.prefix):
            self.store.delete(info.key)
        self.usable = False

    def _key(self, number: int) -> str:
        return f"{self.prefix}{number:05}.csv.gz"

    def _clear_abandoned(self) -> None:
        for info in self.store.list(keys.fetched_pages(self.dataset)):
            if datetime.now(UTC) - info.last_modified > ABANDONED:
                self.store.delete(info.key)


def download(
    client: Client,
    where: str,
    *,
    columns: Sequence[str],
    expected: int,
    path: Path,
    cache: PageCache,
    changed: str,
    tell: Callable[[int], None],
) -> Answer:
    """Write the `expected` rows that meet `where` to `path`, as CSV with one header; `tell` is given the rows so far.
    `changed` is when the source says that the table last changed.

    Pages are found by the key of the row before, not by their number, so that a row which is added or removed meanwhile
    shifts none. Raises Mismatch where the answers do not come to what the API has counted.
    """
    limit = client.settings.source_page_rows
    rows, number, last = 0, 0, ""
    headers: dict[str, str] = {}
    before = np.array([], dtype=np.int64)  # hashes of the keys so far

    def take(response: httpx.Response, body: Iterator[bytes]) -> bytes:
        check_state(response.headers, changed)
        headers.update(response.headers)
        return b"".join(body)

    with path.open("wb") as file, cache.forgotten_on_mismatch():
        while not number or rows < expected:
            due = min(limit, expected - rows)
            kept = cache.read(number)
            after = f"{ID} > '{last}'" if last else ""
            condition = " and ".join(f"({part})" for part in (where, after) if part)
            page = kept or client.ask(client.query(Query(",".join(columns), condition, ID, limit)), take)
            try:
                found = read_page(page, columns)
            except Mismatch as error:
                raise Mismatch(f"of page {number + 1}, {error}") from None
            new = np.setdiff1d(np.fromiter(map(hash, found), dtype=np.int64), before)
            if len(found) != due or len(new) != due:
                raise Mismatch(f"page {number + 1} has {len(found):,} rows, {len(new):,} of them new, of {due:,} due")
            if kept is None and rows + due < expected:  # after the last page comes the landing itself
                cache.keep(number, page)
            header, _, body = page.partition(b"\n")  # no name has a line break
            file.write(body if number else header + b"\n" + body)
            if body and not body.endswith(b"\n"):
                file.write(b"\n")
            before = np.concatenate([before, new])
            rows, number, last = rows + due, number + 1, found[-1] if found else ""
            tell(rows)
    return Answer(rows, headers)


def read_page(page: bytes, columns: Sequence[str]) -> list[str]:
    """The API's own keys of a page's rows, in order: its first column. Raises Mismatch where it has other columns, or
    could not be read once it is landed.
    """
    try:
        text = page.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Mismatch(f"the answer is not UTF-8: {error}") from None
    if "\0" in text:
        raise Mismatch("the answer has a NUL character")
    if "\r" in text.partition("\n")[0].removesuffix("\r"):
        raise Mismatch("the answer's lines do not end in a line feed")
    records = csv.reader(io.StringIO(text, newline=""))
    found = []
    try:
        names = next(records, [])
        if names != list(columns):
            raise Mismatch(f"the answer's columns are {', '.join(names)[:200]}, not those that were asked for")
        for row in records:
            if len(row) != len(columns):
                raise Mismatch(f"a row has {len(row)} fields where there are {len(columns)} columns")
            found.append(row[0])
    except csv.Error as error:
        raise Mismatch(f"the answer is no CSV: {error}") from None
    return found


def check_state(headers: Mapping[str, str], changed: str) -> None:
    """Raise Mismatch for an answer that says that it is of another state of the table than that of `changed`."""
    stated = headers.get(TRUTH, "")
    if headers.get(OUT_OF_DATE, "").lower() == "true" or (stated and changed and stated != changed):
        raise Mismatch(f"an answer is of the table as it was at {stated or 'another time'}, not at {changed}")


def export(client: Client, expected: int, path: Path, changed: str, tell: Callable[[int], None]) -> Answer:
    """Write the whole table, in the portal's form, to `path` as it comes; at most a block of it is in memory.

    Raises Mismatch where it has not the `expected` rows, or its last one is cut.
    """

    def take(response: httpx.Response, body: Iterator[bytes]) -> Answer:
        check_state(response.headers, changed)
        counter = RecordCounter()
        with path.open("wb") as file:
            for block in body:
                file.write(block)
                counter.feed(block)
                tell(max(0, counter.records - 1))
        rows = max(0, counter.finish() - 1)
        if rows != expected:
            raise Mismatch(f"the export has {rows:,} rows where the API counts {expected:,}")
        with path.open("rb") as file:
            commas = file.readline().count(b",")
        if counter.ends_within(commas):
            raise Mismatch("the export ends within a row")
        return Answer(rows, dict(response.headers))

    return client.ask(client.export(), take)


class RecordCounter:
    """Counts the records and commas of a CSV that comes in blocks: line ends and commas outside of quotes."""

    def __init__(self) -> None:
        self.records, self.commas, self.quoted, self.rest = 0, 0, False, False

    def feed(self, block: bytes) -> None:
        """Count a block's."""
        parts = block.split(b'"')
        outside = parts[self.quoted :: 2]
        self.records += sum(part.count(b"\n") for part in outside)
        self.commas += sum(part.count(b",") for part in outside)
        self.quoted ^= len(parts) % 2 == 0
        if block:
            self.rest = not (block.endswith(b"\n") and not self.quoted)

    def finish(self) -> int:
        """All records, the last of which may lack its line end."""
        return self.records + self.rest

    def ends_within(self, commas: int) -> bool:
        """Whether the last record is cut: it ends within a field, or has no line end and fewer than these commas."""
        return self.quoted or (self.rest and self.commas < commas * self.finish())
