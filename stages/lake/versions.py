"""Which version of a record counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.lake.frames import has_repeats, record_numbers
from stages.lake.sources import Source
from stages.logs import log


def newest(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """Keep the newest version of each record in its month; rows keep their order.

    Newest: latest extraction, then greatest source name, then last line.
    """
    records = record_numbers(frame, key)
    if not has_repeats(records):
        return frame
    _, source = np.unique(frame["source"].to_numpy(dtype=object), return_inverse=True)
    extracted = frame["extracted_at"].to_numpy(dtype="datetime64[us]")
    order = np.lexsort((frame["source_line"].to_numpy(dtype=np.int64), source, extracted, records))
    last = np.append(records[order][1:] != records[order][:-1], True)
    return frame.iloc[np.sort(order[last])]


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
        certain = ~frame["month"].isin(keyless["month"][keyless["source"] == source.name]).to_numpy(dtype=bool)
        frame = frame[~((covered & older).to_numpy(dtype=bool) & missing & certain)]
    return frame


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
