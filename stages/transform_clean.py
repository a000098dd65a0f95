"""raw → clean: our names, real types, the newest version of each record; rows that cannot be trusted are quarantined.

A clean partition is a function of the raw partitions of its month and of which landed files claim to cover it. A
record that has moved to another month is in both until the warehouse, which sees all months, keeps its newest version.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd
import pyarrow as pa

from stages.datasets.dataset import Dataset, Rule
from stages.lake import keys
from stages.lake.job import Job, Run
from stages.lake.ledger import Ledger
from stages.lake.parquet import read_parquet
from stages.lake.partitions import Layer, Transformed, run_partitioned
from stages.lake.sources import PROVENANCE, Source, load_sources
from stages.lake.store import ObjectInfo
from stages.lake.versions import covering_sources, covers, newest, not_withdrawn


def with_our_names(raw: pa.Table, dataset: Dataset) -> pa.Table:
    """Published column names of any form → ours; raw-only and unknown columns are left out."""
    form = dataset.form_of(raw.column_names) or next(iter(dataset.forms))
    names = dataset.kept(form) | PROVENANCE
    return raw.select(list(names)).rename_columns(list(names.values()))


def judged(rows: pd.DataFrame, rules: Iterable[Rule]) -> tuple[pd.DataFrame, pd.Series, Counter[str]]:
    """Apply rules in order: the new rows, each row's first reason to be rejected, and counts of blanked values."""
    reason = pd.Series([None] * len(rows), dtype=object)
    counts: Counter[str] = Counter()
    for rule in rules:
        verdict = rule(rows)
        for name, rejected in verdict.rejected.items():
            if rejected.any():
                reason = reason.mask(rejected & reason.isna().to_numpy(), name)
        counts.update(verdict.unknown)
        rows = rows.assign(**verdict.columns)
    return rows, reason, counts


def clean(raw: pa.Table, dataset: Dataset, covering: list[Source]) -> Transformed:
    """Raw rows under our names (text, provenance, `month`) → what is clean, and what became of the rest."""
    published = raw.to_pandas(types_mapper=pd.ArrowDtype)
    rows, reason, rules = judged(published, dataset.row_rules)
    bad = reason.notna().to_numpy()
    rejected = rejected_rows(published[bad], reason[bad]) if bad.any() else None
    rules.update(reason[bad].tolist())
    valid = rows[~bad] if bad.any() else rows
    latest = newest(valid, dataset.key)
    kept = not_withdrawn(latest, raw, dataset.key, dataset.date, covering)
    rules["superseded_by_newer_version"] = len(valid) - len(latest)
    rules["superseded_by_covering_source"] = len(latest) - len(kept)
    rows, _, blanked = judged(kept.reset_index(drop=True), dataset.value_rules)
    ledger = Ledger(len(published), len(rows), int(bad.sum()), len(valid) - len(kept))
    return Transformed({dataset.name: rows}, ledger, rejected, +(rules + blanked))


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
    """Make the clean partitions of the months in scope anew."""
    for dataset in datasets:
        clean_dataset(Job.begin(this, "transform_clean", dataset.name), dataset)


def clean_dataset(job: Job, dataset: Dataset) -> None:
    """Make one dataset's clean partitions of the months in scope."""
    job.claim("clean", dataset.name)
    inputs = job.require("ingest_raw", "raw", [dataset.name])
    sources, _ = load_sources(job.store, dataset.name, dataset.made_by)
    covering = covering_sources(sources.values(), {keys.month_of(key) or "" for key in inputs})
    coded, left_out = raw_columns(dataset)

    def read(info: ObjectInfo) -> pa.Table:
        return with_our_names(read_parquet(job.store, info.key, dataset.made_by, coded, left_out), dataset)

    def transform(raw: pa.Table, months: list[str]) -> Transformed:
        return clean(raw, dataset, [source for source in covering if any(covers(source, month) for month in months)])

    writes = Layer("clean", {dataset.name: dataset.schema}, dataset.made_by, dataset.unrepeated)
    run_partitioned(job, inputs, read, transform, writes)


def raw_columns(dataset: Dataset) -> tuple[set[str], set[str]]:
    """Published names of any form: columns to read dictionary-encoded, and columns to leave in the raw layer."""
    coded = {name for column in dataset.columns if column.repeats for name in column.headers.values()}
    left_out = {name for column in dataset.columns if column.raw_only for name in column.headers.values()}
    return coded | {"_source"}, left_out
