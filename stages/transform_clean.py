"""raw → clean: our names, real types, the newest version of each record; rows that cannot be trusted are quarantined.

A clean partition is a function of the raw partitions of its month and of which landed files claim to cover it. A
record that has moved to another month is in both until the warehouse, which sees all months, keeps its newest version.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets.dataset import Column, Dataset, Rule
from stages.datasets.values import NULL_SPELLINGS, null_words
from stages.errors import ContractError, DataError
from stages.lake import keys
from stages.lake.frames import differ, distinct, is_dictionary, mask, over_values, sources, with_own_values
from stages.lake.job import Job, Run
from stages.lake.ledger import Ledger
from stages.lake.limits import check_spread
from stages.lake.parquet import read_parquet
from stages.lake.partitions import Layer, Transformed, run_partitioned
from stages.lake.sources import FIRST_SEEN, PROVENANCE, Source, load_sources
from stages.lake.store import ObjectInfo
from stages.lake.tally import ROW, Tally, cut
from stages.lake.versions import Versions, added_later, covering_sources, covers, not_withdrawn
from stages.logs import log

NULL_WORD = "null_word"  # the rule that every dataset has


def with_our_names(raw: pa.Table, dataset: Dataset) -> pa.Table:
    """Published column names of any form → ours; raw-only and unknown columns are left out."""
    form = next(form for form in dataset.forms if dataset.kept(form).keys() <= set(raw.column_names))
    names = dataset.kept(form) | PROVENANCE
    return raw.select(list(names)).rename_columns(list(names.values()))


@dataclass(frozen=True)
class Judged:
    """Rows after rules: each row's first reason to be rejected, marks of the values left unknown by reason, and which
    columns each reason is about.
    """

    rows: pd.DataFrame
    reason: pd.Series
    unknown: dict[str, np.ndarray]
    about: dict[str, list[str]]


def judged(rows: pd.DataFrame, rules: Iterable[Rule]) -> Judged:
    """Apply rules in order."""
    reason = pd.Series([None] * len(rows), dtype=object)
    unknown: dict[str, np.ndarray] = {}
    about: dict[str, list[str]] = {}
    for rule in rules:
        verdict = rule(rows)
        for name, rejected in verdict.rejected.items():
            if rejected.any():
                reason = reason.mask(rejected & reason.isna().to_numpy(), name)
                about[name] = list(verdict.columns)
        unknown.update(verdict.unknown)
        about.update({name: list(verdict.columns) for name in verdict.unknown})
        rows = rows.assign(**verdict.columns)
    return Judged(rows, reason, unknown, about)


def without_null_words(rows: pd.DataFrame, columns: Iterable[Column]) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Words that programs write for a missing value become unknown; their rows are marked by column."""
    stated: dict[str, pd.Series] = {}
    for column in columns:
        name, legal, text = column.name, column.legal, rows[column.name]
        if is_dictionary(text) or legal:
            if pc.any(null_words(distinct(text), legal)).as_py():
                stated[name] = over_values(text, partial(_without_words, legal=legal))
        elif (found := mask(text.isin(NULL_SPELLINGS))).any():
            stated[name] = text.mask(found)
    marks = {name: mask(rows[name].notna() & text.isna()) for name, text in stated.items()}
    return rows.assign(**stated), marks


def _without_words(values: pa.Array, legal: frozenset[str]) -> pa.Array:
    return pc.if_else(null_words(values, legal), None, values)


def clean(raw: pa.Table, dataset: Dataset, covering: list[Source]) -> Transformed:
    """Raw rows under our names (text, provenance, `month`) → what is clean, and what became of the rest."""
    tally = Tally()
    published = raw.to_pandas(types_mapper=pd.ArrowDtype)
    files = sources(published)
    columns = dataset.kept_columns
    texts = [column.name for column in columns]
    rows, nulls = without_null_words(published, columns)
    first = judged(rows, dataset.row_rules)
    bad = first.reason.notna().to_numpy()
    tally.of.update({(source, ROW): count for source, count in files.count().items()})
    for name in sorted(set(first.reason[bad])):
        marks = (first.reason == name).to_numpy()
        files.mark(tally, ROW, name, marks, example_of(published, first.about[name] or texts))
    for column, marks in nulls.items():
        files.mark(tally, column, NULL_WORD, marks)

    rejected = rejected_rows(published[bad], first.reason[bad]) if bad.any() else None
    valid = first.rows[~bad].reset_index(drop=True) if bad.any() else first.rows
    versions = Versions.of(valid, dataset.key)
    valid = versions.with_first_seen(valid)
    latest = versions.newest(valid)
    keyless = published.loc[first.rows[dataset.key].isna().to_numpy(dtype=bool), ["source", "month"]]
    kept = not_withdrawn(latest, raw, dataset.key, dataset.date, covering, keyless=keyless)
    new = added_later(valid, versions, dataset.date, covering, keyless=keyless)
    if bad.any() and new.any():  # an earlier file may have had them, in a row that was rejected
        new &= ~mask(valid[dataset.key].iloc[versions.order[versions.first]].isin(first.rows[dataset.key][bad]))
    withdrawn = np.isin(versions.order[versions.last], latest.index.difference(kept.index))
    earlier = history(valid, versions, new, withdrawn, dataset)
    kept = kept.reset_index(drop=True)
    last = judged(kept, dataset.value_rules)
    files = sources(kept)
    for column in dict.fromkeys(blank.column for blank in dataset.blanks.values()):
        stated = kept[column].notna().to_numpy(dtype=bool)
        tally.of.update({(source, column): count for source, count in files.count(stated).items()})
    for name, marks in last.unknown.items():
        files.mark(tally, dataset.blanks[name].column, name, marks, example_of(kept, last.about[name]))

    rules = Counter(first.reason[bad].tolist())
    rules.update({name: int(marks.sum()) for name, marks in last.unknown.items()})
    rules[NULL_WORD] = sum(int(marks.sum()) for marks in nulls.values())
    rules["superseded_by_newer_version"] = len(valid) - len(latest)
    rules["superseded_by_covering_source"] = len(latest) - len(kept)
    ledger = Ledger(len(published), len(last.rows), int(bad.sum()), len(valid) - len(kept))
    return Transformed({dataset.name: last.rows, dataset.history: earlier}, ledger, rejected, +rules, tally)


def history(
    valid: pd.DataFrame, versions: Versions, new: np.ndarray, withdrawn: np.ndarray, dataset: Dataset
) -> pd.DataFrame:
    """What the newest versions alone do not tell: the versions of each record that reads differently in other files of
    its month, is `new` to them, or was `withdrawn` (both by record).

    A record has a row for each file that first showed other values than the file before, and one for the last file.
    What was written in other words, as the portal's and the API's forms do, is no other value.
    """
    versions = versions.by_file(sources(valid).codes)
    names = [column.name for column in dataset.kept_columns if column.name != dataset.key]
    told, record = new | withdrawn, versions.record
    again = np.flatnonzero(~versions.first)
    unlike = np.zeros(len(again), dtype=bool)
    for name in names if len(again) else ():
        unlike |= differ(valid[name], versions.order[again - 1], versions.order[again])
    compared = told.copy()
    compared[record[again[unlike]]] = True
    chosen = compared[record]
    if not chosen.any():
        return valid.iloc[:0]
    rows = with_own_values(valid.iloc[versions.order[chosen]].reset_index(drop=True))
    rows = judged(rows, dataset.value_rules).rows
    first, last, record = versions.first[chosen], versions.last[chosen], record[chosen]
    changed = np.zeros(len(rows), dtype=bool)
    later = np.flatnonzero(~first)
    for name in names if len(later) else ():
        changed[later] |= differ(rows[name], later - 1, later)
    told[record[changed]] = True
    shown = (first | changed | last) & told[record]
    found: pd.DataFrame = rows.assign(is_new=first & new[record])[shown]
    return found.drop(columns=list(FIRST_SEEN.values()))


def example_of(rows: pd.DataFrame, columns: list[str]) -> Callable[[int], str]:
    """A function that describes a row: its line, and its values in some columns."""

    def example(row: int) -> str:
        stated = {name: rows[name].iloc[row] for name in columns}
        values = ", ".join(f"{name} {str(value)!r}" for name, value in stated.items() if not pd.isna(value))
        return f"line {rows['source_line'].iloc[row]}: {cut(values, 200) or 'nothing stated'}"

    return example


def rejected_rows(rows: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    """Rejected rows: where they are, why, and their text as published (JSON, by our column names)."""
    records = rows.drop(columns=[*PROVENANCE.values(), "month"]).astype(object).where(rows.notna(), None)
    text = [json.dumps(record, ensure_ascii=False) for record in records.to_dict("records")]
    return pd.DataFrame(
        {
            "month": rows["month"],
            "source": rows["source"],
            "line": rows["source_line"],
            "reason": pd.Series(reason.to_numpy(), index=rows.index, dtype=pd.ArrowDtype(pa.string())),
            "text": pd.Series(text, index=rows.index, dtype=pd.ArrowDtype(pa.string())),
        }
    )


def run(this: Run, datasets: Sequence[Dataset]) -> None:
    """Rebuild the clean partitions of the months in scope."""
    for dataset in datasets:
        clean_dataset(Job.begin(this, "transform_clean", dataset.name), dataset)


def clean_dataset(job: Job, dataset: Dataset) -> None:
    """Make one dataset's clean partitions of the months in scope.

    The last chunk to finish judges the files that are spread over several, before the next stage carries them on.
    """
    job.follow("ingest_raw")
    job.claim("clean", dataset.name, dataset.history)
    inputs = job.require("raw", [dataset.name])
    landed = [source for source in load_sources(job.store, dataset.name)[0].values() if not source.removed_at]
    job.files = {source.name: source.key for source in landed}
    job.meanings = dataset.meanings
    covering = covering_sources(landed, {keys.month_of(key) or "" for key in inputs})
    coded, left_out = raw_columns(dataset)

    def read(info: ObjectInfo) -> pa.Table:
        return with_our_names(read_parquet(job.store, info.key, dataset.made_by, coded, left_out), dataset)

    def transform(raw: pa.Table, months: list[str]) -> Transformed:
        return clean(raw, dataset, [source for source in covering if any(covers(source, month) for month in months)])

    tables = {dataset.name: dataset.schema, dataset.history: dataset.history_schema}
    writes = Layer("clean", tables, dataset.made_by, dataset.unrepeated, dataset.blanks)
    run_partitioned(job, inputs, read, transform, writes)
    if job.partial and job.finished(job.stage):
        try:
            check_spread(job.run, job.stage, dataset)
        except ContractError:
            log.info("%s: another chunk has begun again, and will be the last to finish", job.what)
        except DataError:
            job.store.delete(job.manifest_key)
            raise


def raw_columns(dataset: Dataset) -> tuple[set[str], set[str]]:
    """Published names of any form: columns to read dictionary-encoded, and columns to leave in the raw layer."""
    coded = {name for column in dataset.columns if column.repeats for name in column.headers.values()}
    left_out = {name for column in dataset.columns if column.raw_only for name in column.headers.values()}
    return coded | {"_source"}, left_out
