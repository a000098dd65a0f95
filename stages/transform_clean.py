"""raw → clean: our names, real types, one row a collision and month; what cannot be trusted goes to quarantine.

A clean partition is a function of the raw partitions of its month and of which landed files claim to cover it. A
collision that has moved to another month stands in both until the warehouse, which sees all months, keeps its newest
version.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import crashes, vocabulary
from stages.shared import layers
from stages.shared.frames import by_month, collisions_of_months, distinct, per_value
from stages.shared.logs import log, progress
from stages.shared.manifest import Job, Ledger, Output
from stages.shared.object_store import ObjectInfo
from stages.shared.parallel import BATCH_BYTES, batches, parallel
from stages.shared.sources import PROVENANCE, Source, load_sources
from stages.shared.tables import read_parquet, stacked, to_parquet, with_month

# No extract is older than the data set's first publication; an earlier time is that of a clock that was reset.
FIRST_PUBLISHED = datetime(2014, 4, 28, tzinfo=UTC)
STREETS = ["on_street_name", "cross_street_name", "off_street_address"]
WORDS = [f"{what}_{slot}" for what in ("contributing_factor", "vehicle_type") for slot in crashes.SLOTS]
# Columns of few distinct values, which are worked on value by value; and those that stay in raw.
PLAIN = {"collision_id", "latitude", "longitude"}
CODED = ["_source"] + [name for form in crashes.FORMS.values() for name, ours in form.items() if ours not in PLAIN]
LEFT_OUT = {name for form in crashes.FORMS.values() for name, ours in form.items() if ours in crashes.OPTIONAL}
_GAPS = re.compile(r"[\s\x00-\x1f\x7f]+")  # DEL bytes stand in published text where a space was meant


@dataclass
class Cleaned:
    """What becomes of the rows of some months: `frame` is what is left, `rules` counts what was done and why."""

    frame: pd.DataFrame
    quarantined: pd.DataFrame | None
    rules: Counter[str]
    superseded: int = 0


def matching(text: pd.Series, pattern: str) -> pd.Series:
    """Text that matches the (RE2) pattern; other text becomes unknown."""
    return text.where(text.str.contains(pattern, regex=True).fillna(False))


def with_our_names(raw: pa.Table) -> pa.Table:
    """Published column names of either form → ours; LOCATION and columns that we do not know stay in raw."""
    form = crashes.form_of(raw.column_names)
    names = crashes.FORMS[form or "portal"]
    wanted = {name: ours for name, ours in names.items() if ours not in crashes.OPTIONAL} | PROVENANCE
    return raw.select(list(wanted)).rename_columns(list(wanted.values()))


def without_padding(frame: pd.DataFrame) -> pd.DataFrame:
    """Text padded or split by runs of blanks and control characters → single spaces; nothing left → unknown."""
    for name in [*STREETS, *WORDS]:
        frame[name] = per_value(frame[name], _tidy, pa.string())
    return frame


@lru_cache(100_000)
def _tidy(text: str) -> str | None:
    return _GAPS.sub(" ", text).strip() or None


def quarantine_identity(frame: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    """COLLISION_ID is the key: whole and positive, or the row cannot be told from others."""
    text = frame["collision_id"].str.strip()
    numbers = matching(text, r"^[1-9]\d{0,9}$").astype("int64[pyarrow]")
    sound = numbers.notna().to_numpy(dtype=bool)
    missing = (text.isna() | (text == "")).fillna(True).to_numpy(dtype=bool)
    _give(reason, missing, "collision_id_missing")
    _give(reason, ~sound & ~missing, "collision_id_malformed")
    frame["collision_id"] = numbers
    return frame


def quarantine_impossible_dates(frame: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    """No collision lies before the first published day, nor after the day on which its file was extracted."""
    frame["crash_date"] = per_value(frame["crash_date"], crashes.parse_date, pa.date32())
    days = pa.array(frame["crash_date"], from_pandas=True)
    early = pc.fill_null(pc.less(days, pa.scalar(crashes.FIRST_DAY)), False)
    _give(reason, np.asarray(early), "crash_date_before_records")
    extracted = pa.array(frame["extracted_at"])
    for moment in pc.unique(extracted).to_pylist():
        if moment < FIRST_PUBLISHED:
            continue
        late = pc.and_(pc.greater(days, (moment + timedelta(days=1)).date()), pc.equal(extracted, moment))
        _give(reason, np.asarray(pc.fill_null(late, False)), "crash_date_after_extraction")
    return frame


def quarantine_broken_counts(frame: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    """Counts are whole numbers from 0 to crashes.MAX_COUNT; a blank is unknown, and stays so."""
    for name in crashes.COUNTS:
        if any(_count_problem(text) for text in distinct(frame[name])):
            verdicts = per_value(frame[name], _count_problem, pa.string())
            for problem in ("count_malformed", "count_negative", "count_absurd"):
                _give(reason, (verdicts == problem).fillna(False).to_numpy(dtype=bool), problem)
        frame[name] = per_value(frame[name], _count, pa.int16())
    return frame


@lru_cache(100_000)
def _count_problem(text: str) -> str | None:
    if not (text := text.strip()):
        return None
    if re.fullmatch(r"-[0-9]+(\.[0-9]+)?", text):
        return "count_negative"
    if not re.fullmatch(r"[0-9]+(\.0+)?", text):
        return "count_malformed"
    return "count_absurd" if float(text) > crashes.MAX_COUNT else None


@lru_cache(100_000)
def _count(text: str) -> int | None:
    return int(float(text)) if text.strip() and not _count_problem(text) else None


def unknown_times(frame: pd.DataFrame, rules: Counter[str]) -> pd.DataFrame:
    """A time that no clock shows → unknown; the collision itself is not in doubt."""
    times = per_value(frame["crash_time"], crashes.parse_time, pa.time32("ms"))
    rules["crash_time_unreadable"] += int((times.isna() & frame["crash_time"].notna()).sum())
    frame["crash_time"] = times
    return frame


def unknown_coordinates(frame: pd.DataFrame, rules: Counter[str]) -> pd.DataFrame:
    """(0, 0), half a pair, text, and points outside the city → unknown: they are no place in New York."""
    given = {}
    for name in ("latitude", "longitude"):
        given[name] = frame[name].notna().to_numpy(dtype=bool)
        frame[name] = _degrees(frame[name].str.strip())
    latitude = frame["latitude"].to_numpy(dtype=float, na_value=np.nan)
    longitude = frame["longitude"].to_numpy(dtype=float, na_value=np.nan)
    some = given["latitude"] | given["longitude"]
    zero = (latitude == 0) & (longitude == 0)
    malformed = some & (np.isnan(latitude) | np.isnan(longitude))
    inside = _between(latitude, crashes.LATITUDES) & _between(longitude, crashes.LONGITUDES)
    outside = some & ~zero & ~malformed & ~inside
    for rule, rows in (("zero", zero), ("malformed", malformed), ("outside_city", outside)):
        rules[f"coordinates_{rule}"] += int(rows.sum())
    for name in ("latitude", "longitude"):
        frame[name] = frame[name].where(inside)
    return frame


def _degrees(text: pd.Series) -> pd.Series:
    try:
        return text.astype("double[pyarrow]")
    except pa.ArrowInvalid:  # some value is no number: the others are what they are without it
        plain = matching(text, r"^-?\d{1,3}(?:\.\d+)?$")  # nearly all, and quick
        odd = per_value(text.where(plain.isna()), _number, pa.float64())
        return plain.astype("double[pyarrow]").fillna(odd)


def _number(text: str) -> float | None:
    try:
        number: float = pa.scalar(text).cast(pa.float64()).as_py()
    except pa.ArrowInvalid:
        return None
    return number


def _between(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (values >= bounds[0]) & (values <= bounds[1])


def unknown_places(frame: pd.DataFrame, rules: Counter[str]) -> pd.DataFrame:
    """A borough that is none of the five, and a ZIP code that is not five digits → unknown."""
    for name, read, rule in (
        ("borough", vocabulary.borough, "borough_not_of_the_city"),
        ("zip_code", _zip_code, "zip_code_malformed"),
    ):
        mended = per_value(frame[name], read, pa.string())
        stated = per_value(frame[name], lambda text: bool(text.strip()), pa.bool_())
        rules[rule] += int((mended.isna() & stated).sum())
        frame[name] = mended
    return frame


def _zip_code(text: str) -> str | None:
    return text.strip() if re.fullmatch(r"[0-9]{5}", text.strip()) else None


def newest_version(frame: pd.DataFrame, rules: Counter[str]) -> pd.DataFrame:
    """Several versions of a collision → the newest: latest extraction, then greatest source name, then last line."""
    ids = collisions_of_months(frame)
    if len(np.unique(ids)) == len(ids):
        return frame
    _, source = np.unique(frame["source"].to_numpy(dtype=object), return_inverse=True)
    extracted = frame["extracted_at"].to_numpy(dtype="datetime64[us]")
    order = np.lexsort((frame["source_line"].to_numpy(dtype=np.int64), source, extracted, ids))
    newest = np.append(ids[order][1:] != ids[order][:-1], True)
    rules["superseded_by_newer_version"] += int((~newest).sum())
    return frame.iloc[np.sort(order[newest])]  # the files' order, whatever else is in the batch


def not_withdrawn(frame: pd.DataFrame, raw: pa.Table, covering: list[Source], rules: Counter[str]) -> pd.DataFrame:
    """A file that covers an interval completely withdraws the older records of that interval that it no longer has."""
    for source in covering:
        moment = datetime.fromisoformat(source.extracted_at)
        own = raw.filter(pc.equal(raw["source"], source.name))
        has = _ids_by_month(own["crash_month"], own["collision_id"])
        first, end = (date.fromisoformat(day or "") for day in (source.covers_start, source.covers_end))
        covered = (frame["crash_date"] >= first) & (frame["crash_date"] < end)
        older = (frame["extracted_at"] < moment) | ((frame["extracted_at"] == moment) & (frame["source"] < source.name))
        ids = _ids_by_month(pa.array(frame["crash_month"]), pc.cast(pa.array(frame["collision_id"]), pa.string()))
        gone = (covered & older).to_numpy(dtype=bool) & ~np.asarray(pc.is_in(ids, pa.array(has)))
        rules["superseded_by_covering_source"] += int(gone.sum())
        frame = frame[~gone]
    return frame


def _ids_by_month(months: pa.Array, ids: pa.Array) -> pa.Array:
    """The ids as text, each with its month."""
    text = pc.binary_join_element_wise(pc.cast(months, pa.string()), pc.utf8_trim_whitespace(ids), "/")
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def _give(reason: pd.Series, rows: np.ndarray, rule: str) -> None:
    """The first rule that a row breaks is its reason."""
    if rows.any():
        reason[rows & reason.isna().to_numpy()] = rule


def clean(raw: pa.Table, covering: list[Source]) -> Cleaned:
    """Raw rows under our names (text, provenance, `crash_month`) → what is clean, and what became of the rest."""
    rules: Counter[str] = Counter()
    published = raw.to_pandas(types_mapper=pd.ArrowDtype)
    frame = published.copy(deep=False)
    reason = pd.Series([None] * len(frame), dtype=object)
    frame = quarantine_identity(frame, reason)
    frame = quarantine_impossible_dates(frame, reason)
    frame = quarantine_broken_counts(frame, reason)
    bad = reason.notna().to_numpy()
    quarantined = _quarantine(published[bad], reason[bad]) if bad.any() else None
    rules.update(reason[bad].tolist())
    frame = frame[~bad] if bad.any() else frame
    valid = len(frame)
    frame = newest_version(frame, rules)
    frame = not_withdrawn(frame, raw, covering, rules)
    superseded = valid - len(frame)
    frame = frame.reset_index(drop=True)
    frame = without_padding(frame)
    frame = unknown_times(frame, rules)
    frame = unknown_coordinates(frame, rules)
    frame = unknown_places(frame, rules)
    return Cleaned(frame, quarantined, +rules, superseded)


def _quarantine(rows: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    """Rows that were turned away: where they stand, why, and their text as published (JSON, by our column names)."""
    provenance = [*PROVENANCE.values(), "crash_month"]
    records = rows.drop(columns=provenance).astype(object).where(rows.notna(), None).to_dict("records")
    return pd.DataFrame(
        {
            "crash_month": rows["crash_month"],
            "source": rows["source"],
            "line": rows["source_line"],
            "reason": pd.Series(reason.to_numpy(), index=rows.index, dtype=pd.ArrowDtype(pa.string())),
            "text": pd.Series(
                [json.dumps(record, ensure_ascii=False) for record in records],
                index=rows.index,
                dtype=pd.ArrowDtype(pa.string()),
            ),
        }
    )


def run(job: Job) -> None:
    """Rebuild the clean partitions of the months in scope."""
    job.claim("clean", job.dataset)
    inputs = job.require("ingest_raw", "raw", [job.dataset])
    sources, _ = load_sources(job.store, job.dataset)
    months: dict[str, list[ObjectInfo]] = {}
    for info in inputs.values():
        months.setdefault(layers.month_of(info.key) or "", []).append(info)
    sizes = {month: sum(info.size for info in months[month]) for month in sorted(months)}
    covering = covering_sources(sources.values(), months)
    unquarantined = set(job.quarantine())  # what an earlier run set aside and this one does not

    def transform(batch: list[str]) -> tuple[Ledger, Counter[str], list[Output]]:
        raw = stacked(
            [
                with_month(with_our_names(read_parquet(job.store, info.key, CODED, LEFT_OUT)), month)
                for month in batch
                for info in months[month]
            ]
        )
        done = clean(raw, [source for source in covering if any(_covers(source, month) for month in batch)])
        outputs = [
            job.put(layers.partition("clean", job.dataset, month), to_parquet(table), table.num_rows)
            for month, table in by_month(done.frame).items()
        ]
        turned_away = by_month(done.quarantined) if done.quarantined is not None else {}
        for month, table in turned_away.items():
            key = layers.quarantine(job.stage, job.dataset, month)
            job.store.put(key, to_parquet(table))
            unquarantined.discard(key)
        quarantined = sum(table.num_rows for table in turned_away.values())
        return Ledger(raw.num_rows, len(done.frame), quarantined, done.superseded), done.rules, outputs

    ledger = Ledger()
    groups = batches(sizes, BATCH_BYTES)
    for counted, rules, outputs in progress(parallel(transform, groups), len(groups), job.what, "batch"):
        ledger += counted
        job.rules.update(rules)
        job.outputs += outputs
    for key in unquarantined:
        job.store.delete(key)
    job.check_quarantine(ledger.quarantined, ledger.rows_in)
    job.replace(job.outputs)
    job.finish(ledger)


def covering_sources(sources: Iterable[Source], months: Iterable[str]) -> list[Source]:
    """The sources that declare to cover days of these months, but for those with a row that could not be read: any may
    be that row.
    """
    covering = []
    for source in sources:
        if not any(_covers(source, month) for month in months):
            continue
        if source.quarantined:
            log.warning(
                "%s: withdraws nothing of [%s, %s), which it covers: %d of its rows could not be read",
                *(source.key, source.covers_start, source.covers_end, sum(source.quarantined.values())),
            )
        else:
            covering.append(source)
    return covering


def _covers(source: Source, month: str) -> bool:
    if not (source.covers_start and source.covers_end):
        return False
    return layers.Scope(date.fromisoformat(source.covers_start), date.fromisoformat(source.covers_end)).touches(month)
