"""Which version of a record counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.lake.frames import has_repeats, record_numbers
from stages.lake.scope import month_code
from stages.lake.sources import FIRST_SEEN, Source
from stages.logs import log


@dataclass(frozen=True)
class Versions:
    """The rows of each record in its month: positions in `order`, record by record, the oldest version first, where
    `first` marks those that begin a record.

    A version is older by its extraction, then by its source's name, then by its line.
    """

    order: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, key: str) -> Versions:
        """The versions that a frame with the column `month` has."""
        records = record_numbers(frame, key)
        if not has_repeats(records):
            return cls(np.arange(len(frame)), np.ones(len(frame), dtype=bool))
        _, source = np.unique(frame["source"].to_numpy(dtype=object), return_inverse=True)
        extracted = frame["extracted_at"].to_numpy(dtype="datetime64[us]")
        order = np.lexsort((frame["source_line"].to_numpy(dtype=np.int64), source, extracted, records))
        return cls(order, np.diff(records[order], prepend=-1) != 0)

    @property
    def last(self) -> np.ndarray:
        """Which positions end a record: its newest version."""
        return np.append(self.first[1:], True)[: len(self.first)]

    @property
    def record(self) -> np.ndarray:
        """The number of the record of each position, from 0."""
        numbers: np.ndarray = np.cumsum(self.first) - 1
        return numbers

    def newest(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The newest version of each record; rows keep their order."""
        return frame if self.first.all() else frame.iloc[np.sort(self.order[self.last])]

    def with_first_seen(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Add to each row the source in which its month first had the record, and that source's extraction time."""
        oldest = np.empty(len(frame), dtype=np.int64)
        oldest[self.order] = self.order[self.first][self.record]
        columns = {ours: frame[name] for name, ours in FIRST_SEEN.items()}
        if not self.first.all():
            columns = {ours: column.take(oldest).set_axis(frame.index) for ours, column in columns.items()}
        return frame.assign(**columns)

    def by_file(self, sources: np.ndarray) -> Versions:
        """Only the last of the rows that a file has of a record; `sources` has a number of each row's file."""
        codes, record = sources[self.order], self.record
        kept = np.append((codes[1:] != codes[:-1]) | self.first[1:], True)[: len(codes)]
        return Versions(self.order[kept], np.diff(record[kept], prepend=-1) != 0)


def added_later(
    frame: pd.DataFrame, versions: Versions, day: str, covering: Iterable[Source], *, keyless: pd.DataFrame
) -> np.ndarray:
    """Which records were not yet in an earlier file that declares to have every record of their date.

    Of a file that was fetched, the newest date of its source does not count: that day had not been published whole.
    `keyless` is as in `not_withdrawn`.
    """
    oldest = versions.order[versions.first]
    found = np.zeros(len(oldest), dtype=bool)
    seen = frame["extracted_at"].to_numpy(dtype="datetime64[us]")[oldest]
    dates = pc.cast(pa.array(frame[day]), pa.int32()).to_numpy()[oldest].astype("datetime64[D]")
    months = frame["month"].to_numpy(dtype=np.int64)[oldest]
    for source in covering:
        covers = source.covers
        later = seen > np.datetime64(datetime.fromisoformat(source.extracted_at).astimezone(UTC).replace(tzinfo=None))
        if covers is None or not later.any():
            continue
        published = dates < np.datetime64(source.source_newest or covers.end)
        covered = (dates >= np.datetime64(covers.start)) & (dates < np.datetime64(covers.end))
        found |= later & published & covered & ~np.isin(months, _uncertain(source, keyless))
    return found


def not_withdrawn(
    frame: pd.DataFrame, raw: pa.Table, key: str, day: str, covering: Iterable[Source], *, keyless: pd.DataFrame
) -> pd.DataFrame:
    """Drop older records that a covering file no longer has: it declares that it has every record of its dates.

    `raw` has the same months' raw rows under our names, as text; `day` is the column of the dates. `keyless` has the
    source and month of rows whose key cannot be read: each may be any record that seems to be missing from its file in
    that month, so there the file withdraws nothing.
    """
    for source in covering:
        moment = datetime.fromisoformat(source.extracted_at)
        covers = source.covers
        if covers is None:
            continue
        own = raw.filter(pc.equal(raw["source"], source.name))
        has = _keys_by_month(own["month"], own[key])
        covered = (frame[day] >= covers.start) & (frame[day] < covers.end)
        older = (frame["extracted_at"] < moment) | ((frame["extracted_at"] == moment) & (frame["source"] < source.name))
        ids = _keys_by_month(pa.array(frame["month"]), pc.cast(pa.array(frame[key]), pa.string()))
        missing = ~np.asarray(pc.is_in(ids, pa.array(has)), dtype=bool)
        certain = ~np.isin(frame["month"].to_numpy(dtype=np.int64), _uncertain(source, keyless))
        frame = frame[~((covered & older).to_numpy(dtype=bool) & missing & certain)]
    return frame


def _uncertain(source: Source, keyless: pd.DataFrame) -> np.ndarray:
    """The months (scope.month_code) in which a file withdraws nothing: those of its rows whose key cannot be read, and
    those whose rows are still in landing, because the runs that have read the file worked on other months.
    """
    unread = keyless["month"][keyless["source"] == source.name].to_numpy(dtype=np.int64)
    return np.append(unread, np.array([month_code(month) for month in source.left_in_landing], dtype=np.int64))


def _keys_by_month(months: pa.Array, keys: pa.Array) -> pa.Array:
    """The keys as text, each with its month; a whole number may be written as a decimal one."""
    plain = pc.replace_substring_regex(pc.utf8_trim_whitespace(keys), r"\.0+$", "")
    text = pc.binary_join_element_wise(pc.cast(months, pa.string()), plain, "/")
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def covering_sources(sources: Iterable[Source], months: Iterable[str]) -> list[Source]:
    """The sources that declare to cover days of these months, except those with an unreadable row: that row may be any
    record that seems to be missing.
    """
    months = list(months)
    covering = []
    for source in sources:
        if not any(covers(source, month) for month in months):
            continue
        if source.quarantined:
            log.warning(
                "%s: withdraws nothing in [%s, %s), which it covers, because %d of its rows could not be read",
                *(source.key, source.covers_start, source.covers_end, sum(source.quarantined.values())),
            )
        else:
            covering.append(source)
    return covering


def covers(source: Source, month: str) -> bool:
    """Whether a source declares to cover any day of a month (YYYY-MM)."""
    return source.covers is not None and source.covers.touches(month)
