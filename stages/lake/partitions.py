"""The skeleton of a stage that makes month partitions of one layer from those of the layer before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from stages.lake import keys
from stages.lake.frames import by_month
from stages.lake.job import Job, Output
from stages.lake.ledger import Ledger
from stages.lake.limits import check_limits, rejections
from stages.lake.parquet import conform, stacked, to_parquet, with_month
from stages.lake.store import ObjectInfo
from stages.lake.tally import Blank, Tally
from stages.logs import progress
from stages.parallel import BATCH_BYTES, batches, parallel


@dataclass(frozen=True)
class Layer:
    """A layer's tables of one dataset: name → columns. Its partitions say which version of the rules made them;
    `blanks` are the reasons for which these rules leave values unknown; `advice` says where a column that is declared
    and missing is to be set.
    """

    name: str
    tables: Mapping[str, pa.Schema]
    made_by: str
    unrepeated: frozenset[str]
    blanks: Mapping[str, Blank] = field(default_factory=dict)
    advice: str = ""


@dataclass(frozen=True)
class Transformed:
    """What became of the rows of some months; frames carry `month`, and `rules` counts what was done and why."""

    tables: Mapping[str, pd.DataFrame]
    ledger: Ledger
    rejected: pd.DataFrame | None = None
    rules: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)


def run_partitioned(
    job: Job,
    inputs: Mapping[str, ObjectInfo],
    read: Callable[[ObjectInfo], pa.Table],
    transform: Callable[[pa.Table, list[str]], Transformed],
    writes: Layer,
) -> None:
    """Rebuild a layer's partitions of the months in scope, some months at a time, and finish the job.

    `read` gives a partition's rows; `transform` gets the rows of several months with the column `month`, and these
    months. A month without rows gets no partition. The job has claimed what it `writes`, and required its `inputs`.
    """
    months: dict[str, list[ObjectInfo]] = {}
    for key in sorted(inputs):
        months.setdefault(keys.month_of(key) or "", []).append(inputs[key])
    sizes = {month: sum(info.size for info in months[month]) for month in sorted(months)}

    def work(batch: list[str]) -> tuple[Transformed, list[Output], set[str]]:
        done = transform(stacked([with_month(read(info), month) for month in batch for info in months[month]]), batch)
        outputs = []
        for name, frame in done.tables.items():
            for month, rows in by_month(frame).items():
                key = keys.partition(writes.name, name, month)
                declared = conform(rows, writes.tables[name], key, writes.advice)
                content = to_parquet(declared, writes.made_by, writes.unrepeated)
                outputs.append(job.put(key, content, rows.num_rows))
        rejected = by_month(done.rejected) if done.rejected is not None else {}
        quarantined = {keys.quarantine(job.stage, job.dataset, month): rows for month, rows in rejected.items()}
        for key, rows in quarantined.items():
            job.store.put(key, to_parquet(rows))
        return done, outputs, set(quarantined)

    outdated = set(job.quarantine())  # what an earlier run rejected and this one does not
    ledger = Ledger()
    outputs: list[Output] = []
    groups = batches(sizes, BATCH_BYTES)
    for done, written, quarantined in progress(parallel(work, groups), len(groups), job.what, "batch"):
        ledger += done.ledger
        job.rules.update(done.rules)
        job.tally.add(done.tally)
        outputs += written
        outdated -= quarantined
    for key in outdated:
        job.store.delete(key)
    check_limits(job, rejections(job), ledger.rows_in, writes.blanks)
    job.replace(outputs)
    job.finish(ledger)
